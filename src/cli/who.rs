//! `portsight who`: who holds a port, or what a process holds.

use super::about::Started;
use super::args::{Kinds, Output, Who};
use super::exit::Exit;
use super::filter::Filter;
use super::hint;
use super::ls::namespaces;
use super::output::{self, Printer};
use super::ports::{self, Ports};
use crate::document;
use crate::inventory::{self, Across, Services, SockDiag};
use crate::model::{Hides, Inventory, Socket};
use crate::render::{self, Records};
use anyhow::{Result, anyhow};
use std::io::{self, Write};

/// What is asked for.
#[derive(Debug)]
enum Subject {
    Ports(Ports),
    Pid(u32),
    /// A service, else a process.
    Name {
        name: String,
        ports: Option<Ports>,
    },
}

impl Subject {
    fn parse(word: &str, services: &Services) -> Result<Self> {
        if let Some(pid) = word.strip_prefix("pid:") {
            let pid = pid.parse().ok().filter(|pid| *pid > 0);
            return pid
                .map(Self::Pid)
                .ok_or_else(|| anyhow!("{word:?} is no process id: write pid:812"));
        }
        let words = [word.to_owned()];
        if ports::looks_like_ports(word) {
            return Ports::parse(&words, services).map(Self::Ports);
        }
        Ok(Self::Name { name: word.to_owned(), ports: Ports::parse(&words, services).ok() })
    }

    fn sockets<'a>(&self, inventory: &'a Inventory) -> Vec<&'a Socket> {
        let with = |test: &dyn Fn(&Socket) -> bool| {
            inventory.sockets.iter().filter(|socket| test(socket)).collect()
        };
        match self {
            Self::Ports(ports) => with(&|socket| ports.contains(socket.endpoint())),
            Self::Pid(pid) => {
                with(&|socket| socket.held.owners.iter().any(|owner| owner.process.pid == *pid))
            }
            Self::Name { name, ports } => {
                let of_service: Vec<&Socket> = with(&|socket| {
                    ports.as_ref().is_some_and(|ports| ports.contains(socket.endpoint()))
                });
                if of_service.is_empty() {
                    with(&|socket| {
                        socket.held.owners.iter().any(|owner| owner.process.name == *name)
                    })
                } else {
                    of_service
                }
            }
        }
    }

    /// Whether it may ask for a socket whose owners are not known yet.
    fn may_mean(&self, socket: &Socket) -> bool {
        match self {
            Self::Ports(ports) => ports.contains(socket.endpoint()),
            Self::Pid(_) | Self::Name { .. } => true,
        }
    }

    /// Whether something that could not be seen may hold it.
    fn may_be_hidden(&self, inventory: &Inventory) -> bool {
        let by_owner = matches!(self, Self::Pid(_) | Self::Name { .. });
        inventory.may_lack_holders()
            || (by_owner && inventory.gaps.iter().any(|gap| gap.hides == Hides::Owners))
    }
}

pub(super) fn run(args: &Who, printer: &Printer) -> Result<Exit> {
    let started = Started::now();
    let services = Services::load();
    let subjects: Vec<Subject> =
        args.subjects.iter().map(|word| Subject::parse(word, &services)).collect::<Result<_>>()?;
    let filter = Filter::of_kinds(&args.kinds);
    let namespaces = namespaces(&args.place)?;
    let mut source = Across { namespaces: &namespaces, what: SockDiag::default() };
    let mut inventory = inventory::take(&mut source, &services);
    inventory.sockets.retain(|socket| {
        filter.keeps(socket) && subjects.iter().any(|subject| subject.may_mean(socket))
    });
    inventory::find_owners(&mut inventory, &mut source);
    let surroundings = inventory::surroundings();
    inventory::find_units(&mut inventory, &surroundings);
    let found: Vec<Vec<&Socket>> =
        subjects.iter().map(|subject| subject.sockets(&inventory)).collect();
    let nothing = |(subject, found): (&Subject, &Vec<&Socket>)| {
        found.is_empty().then(|| subject.may_be_hidden(&inventory))
    };
    let answers: Vec<bool> = subjects.iter().zip(&found).filter_map(nothing).collect();
    let exit = match (answers.is_empty(), answers.contains(&true)) {
        (true, _) => Exit::Success,
        (false, true) => Exit::Inconclusive,
        (false, false) => Exit::Negative,
    };
    let is_asked_for =
        |socket: &&Socket| found.iter().flatten().any(|other| std::ptr::eq(*other, *socket));
    let sockets: Vec<Socket> = inventory.sockets.iter().filter(is_asked_for).cloned().collect();
    let shown = Inventory { sockets, gaps: inventory.gaps.clone(), ..Inventory::default() };
    let about = started.about(surroundings);
    let document = || document::sockets(document::Command::Who, &about, &shown);
    let (exit, written) = output::print(exit, |out| match printer.format() {
        Output::Table => {
            render::who_text(out, &shown.sockets, &printer.appearance(started.unix_seconds()))?;
            let words = args.subjects.iter().zip(&subjects).zip(&found);
            words.filter(|(_, found)| found.is_empty()).try_for_each(|((word, subject), _)| {
                write_nobody(out, word, subject, &args.kinds, &inventory, printer)
            })
        }
        Output::Plain => render::sockets_records(out, &shown, Records::Plain),
        Output::Csv => render::sockets_records(out, &shown, Records::Csv),
        Output::Json => render::json(out, &document()),
        Output::Ndjson => render::ndjson(out, &document()),
    })?;
    if written.is_some() {
        printer.note_gaps(&inventory.gaps);
    }
    Ok(exit)
}

/// Says that nobody holds what was asked for, or that it could not be found out.
fn write_nobody(
    out: &mut dyn Write,
    word: &str,
    subject: &Subject,
    kinds: &Kinds,
    inventory: &Inventory,
    printer: &Printer,
) -> io::Result<()> {
    let word = render::sanitize(word);
    let unseen =
        if subject.may_be_hidden(inventory) { "; but not everything could be seen" } else { "" };
    let over = match (kinds.tcp, kinds.udp) {
        (true, false) => " over TCP",
        (false, true) => " over UDP",
        _ => "",
    };
    match subject {
        Subject::Ports(_) => writeln!(
            out,
            "Nobody listens on {word}{over}, and nothing else is bound to it{unseen}."
        ),
        Subject::Pid(pid) => writeln!(out, "Process {pid} holds no port{unseen}."),
        Subject::Name { ports: Some(_), .. } => {
            writeln!(
                out,
                "Nobody holds the port of the service {word}, and no process of that name holds any{unseen}."
            )
        }
        Subject::Name { name, ports: None } => {
            let near = hint::did_you_mean(name, super::commands().iter().map(String::as_str));
            if !near.is_empty() {
                printer.note(format_args!("{name:?} is no command{near}"));
            }
            writeln!(
                out,
                "There is no service {word}, and no process of that name holds a port{unseen}."
            )
        }
    }
}
