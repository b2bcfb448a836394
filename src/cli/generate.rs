//! The generated files: completions and the manual page.

use super::args::Cli;
use super::exit::Exit;
use super::output;
use anyhow::Result;
use clap::CommandFactory;
use clap_complete::Shell;

/// Prints the completion script for a shell.
pub(super) fn completions(shell: Shell) -> Result<Exit> {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut Cli::command(), "portsight", &mut script);
    print(&script)
}

/// Prints the manual page, with a section for each command.
pub(super) fn manual() -> Result<Exit> {
    let mut page = Vec::new();
    let command = Cli::command();
    clap_mangen::Man::new(command).render(&mut page)?;
    print(&page)
}

fn print(bytes: &[u8]) -> Result<Exit> {
    Ok(output::print(Exit::Success, |out| out.write_all(bytes))?.0)
}
