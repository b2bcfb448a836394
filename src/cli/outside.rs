//! `outside`: any program as a neighbour of this host, or as a client of the internet.

use super::args;
use super::exit::Exit;
use super::network::addresses_inside;
use super::output::{Printer, command_line, say};
use super::request;
use crate::model::Gap;
use crate::outside::{Carried, Failure, Relay, Stand, Unavailable};
use crate::sys::{self, Ending};
use anyhow::{Context, Result, anyhow, bail};
use std::fmt::Arguments;
use std::io::ErrorKind;

/// Runs it, and ends with the status of the program.
pub(super) fn run(args: &args::Outside, printer: &Printer) -> Exit {
    // What was printed is the program's, to the last byte; what is ours to say is on standard error.
    try_run(args, printer).unwrap_or_else(|error| {
        say(format_args!("portsight: {error:#}"));
        Exit::OURS
    })
}

fn try_run(args: &args::Outside, printer: &Printer) -> Result<Exit> {
    let Some((program, arguments)) = args.command.split_first() else {
        bail!("outside which program?");
    };
    let local = sys::local_addresses().context("the addresses of this host cannot be read")?.usable;
    let here = "a program is there without portsight";
    let wanted = request::place(&args.from, &local, here)?;
    let (stand, gaps) =
        Stand::choose(&local, wanted).with_context(|| format!("--from {}", args.from))?;
    for Gap { what, reason, .. } in gaps {
        printer.note(format_args!("not seen: {what}: {reason}"));
    }
    if printer.is_verbose() {
        let addresses: Vec<_> = stand.addresses().map(|address| address.to_string()).collect();
        let (addresses, by) = (addresses.join(" and "), &stand.interface.name);
        printer.note(format_args!("the program is at {addresses}, and its packets come by {by}"));
    }
    let relay = Relay::open(stand, &addresses_inside()).map_err(explained)?;
    let name = program.to_string_lossy();
    match relay.run(program, arguments) {
        Ok((ended, carried)) => {
            note_carried(&carried, printer);
            Ok(Exit::Command(match ended {
                Ending::Status(status) => status,
                Ending::Signal(number) => 128_u8.saturating_add(number),
            }))
        }
        Err(Failure::NotFound) => {
            say(format_args!("portsight: there is no program {name}"));
            Ok(Exit::NOT_FOUND)
        }
        Err(Failure::NotRunnable(error)) => {
            say(format_args!("portsight: {name} cannot be run: {error}"));
            Ok(Exit::NOT_RUNNABLE)
        }
        Err(Failure::Namespace(error)) if error.kind() == ErrorKind::PermissionDenied => {
            Err(denied(format_args!("no network namespace could be made: {error}")))
        }
        Err(error) => Err(error.into()),
    }
}

/// Why it cannot be had, and what would help.
fn explained(error: Unavailable) -> anyhow::Error {
    let is_denied = error.is_denied();
    let error = anyhow::Error::new(error);
    if is_denied { denied(format_args!("{error:#}")) } else { error }
}

/// What a denial means, and what would help.
fn denied(what: Arguments<'_>) -> anyhow::Error {
    let help = if sys::effective_uid() == 0 {
        "this root lacks CAP_NET_ADMIN, CAP_BPF or CAP_SYS_ADMIN".to_owned()
    } else {
        format!("try: sudo {}", command_line())
    };
    anyhow!("outside takes root: {what}; {help}")
}

/// Says what did not reach its end.
fn note_carried(carried: &Carried, printer: &Printer) {
    /// How many addresses are named.
    const NAMED: usize = 3;
    if !carried.refused.is_empty() {
        let packets = carried.refused.values().sum::<u64>() + carried.refused_further;
        let mut named: Vec<_> =
            carried.refused.keys().take(NAMED).map(ToString::to_string).collect();
        let others = carried.refused.len() - named.len();
        let least = if carried.refused_further > 0 { "at least " } else { "" };
        if others > 0 {
            named.push(format!("{least}{others} more"));
        }
        let s = if packets == 1 { "" } else { "s" };
        printer.note(format_args!(
            "refused {packets} packet{s} to {}: only addresses of this host are reached",
            named.join(", ")
        ));
    }
    if let (lost, Some(why)) = &carried.lost {
        printer.note(format_args!("the interface did not take {lost} packets: {why}"));
    }
}
