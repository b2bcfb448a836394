//! The command line: composes the other rooms, prints, and sets the exit status. The only room that reads the
//! environment and the wall clock.

mod about;
mod args;
mod around;
mod behind;
mod check;
mod duration;
mod examine;
mod exit;
mod expect;
mod extent;
mod filter;
mod generate;
mod hint;
mod identify;
mod ls;
mod network;
mod output;
mod outside;
mod place;
mod ports;
mod progress;
mod request;
mod second_look;
mod usage;
mod who;
mod why;
mod words;

use args::{Cli, Command};
use clap::{CommandFactory, FromArgMatches};
use exit::Exit;
use output::Printer;
use std::env;
use std::ffi::OsString;
use std::process::ExitCode;

/// The commands and their aliases.
fn commands() -> Vec<String> {
    commands_of(&Cli::command())
}

/// The commands and their aliases; clap adds `help` when it parses.
fn commands_of(cli: &clap::Command) -> Vec<String> {
    let names = |command: &clap::Command| -> Vec<String> {
        std::iter::once(command.get_name())
            .chain(command.get_all_aliases())
            .map(str::to_owned)
            .collect()
    };
    cli.get_subcommands().flat_map(names).chain(["help".to_owned()]).collect()
}

/// What the arguments mean.
fn parse(args: Vec<OsString>) -> Result<Cli, clap::Error> {
    let cli = Cli::command();
    let args = words::with_command(args, &commands_of(&cli));
    let matches = cli.try_get_matches_from(args)?;
    Cli::from_arg_matches(&matches).map_err(|error| error.format(&mut Cli::command()))
}

/// Runs the program with the arguments and the environment of the process.
#[must_use]
pub fn main() -> ExitCode {
    let exit = match parse(env::args_os().collect()) {
        Ok(cli) => run(&cli),
        Err(error) => match usage::explain(&error) {
            // As env(1) does it: any other status may be that of the command.
            Exit::Error if words::name_outside(env::args_os()) => Exit::OURS,
            exit => exit,
        },
    };
    exit.into()
}

fn run(cli: &Cli) -> Exit {
    let printer = Printer::new(&cli.common);
    let done = match &cli.command {
        Command::Ls(args) => ls::run(args, &printer),
        Command::Who(args) => who::run(args, &printer),
        Command::Check(args) => check::run(args, &printer),
        Command::Why(args) => why::run(args, &printer),
        Command::Outside(args) => Ok(outside::run(args, &printer)),
        Command::Completions { shell } => generate::completions(*shell),
        Command::Man => generate::manual(),
        Command::Schema { command } => generate::schema(*command),
    };
    done.unwrap_or_else(|error| {
        output::say(format_args!("portsight: {error:#}"));
        Exit::Error
    })
}
