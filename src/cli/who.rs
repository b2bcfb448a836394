//! `portsight who`: who holds a port, or what a process holds.

use super::about::Started;
use super::args::{Kinds, Output, Who};
use super::around;
use super::exit::Exit;
use super::filter::Filter;
use super::hint;
use super::output::{self, Printer};
use super::place::{link, namespaces};
use super::ports::{self, Ports};
use crate::document;
use crate::inventory::{self, Across, Extra, Services, SockDiag};
use crate::model::{Endpoint, Hides, Holdings, Inventory, Socket};
use crate::render::{self, Records};
use crate::sys;
use anyhow::{Context, Result, anyhow};
use std::collections::BTreeSet;
use std::io::{self, Write};
use std::ptr;

/// For up to so many ports of a list, what uses one that nobody holds is looked for.
const FEW: u32 = 16;

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

    /// Whether it may ask for a socket.
    fn may_mean(&self, socket: &Socket) -> bool {
        match self {
            Self::Ports(ports) => ports.contains(socket.endpoint()),
            Self::Pid(_) | Self::Name { .. } => true,
        }
    }

    /// The ports that it names one by one; none for a long range, which asks for what there is.
    fn named(&self) -> impl Iterator<Item = Endpoint> {
        let ports = match self {
            Self::Ports(ports) | Self::Name { ports: Some(ports), .. } => Some(ports),
            Self::Pid(_) | Self::Name { ports: None, .. } => None,
        };
        ports.filter(|ports| ports.numbers() <= FEW).into_iter().flat_map(Ports::iter)
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
    let named: BTreeSet<Endpoint> = subjects.iter().flat_map(Subject::named).collect();
    let unheld = named.iter().copied().filter(|port| inventory.at(*port).next().is_none());
    let users = around::users_of(&unheld.collect(), &inventory.gaps, &namespaces, &services);
    if !users.sockets.is_empty() {
        source.what = SockDiag::with([Extra::Connections, Extra::TimeWait]);
    }
    inventory = inventory.and(users);
    inventory.sockets.sort_by_key(Socket::endpoint);
    inventory.sockets.retain(|socket| filter.keeps(socket));
    // All owners are looked for, since one look shows what else each of them serves.
    inventory::find_owners(&mut inventory, &mut source);
    let may_be_meant = |socket: &Socket| subjects.iter().any(|subject| subject.may_mean(socket));
    let mut others = inventory::split_off(&mut inventory, may_be_meant);
    let surroundings = inventory::surroundings();
    inventory::find_units(&mut inventory, &surroundings);
    if args.place.netns.is_some() {
        // What is behind a published port may be at another one.
        let mut behind = Inventory { sockets: others, ..Inventory::default() };
        inventory::find_units(&mut behind, &surroundings);
        behind.gaps.clear();
        inventory = inventory.and(behind);
        inventory.sockets.sort_by_key(Socket::endpoint);
        link(&mut inventory, &namespaces);
        others = inventory::split_off(&mut inventory, may_be_meant);
    }
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
    let asked_for: BTreeSet<*const Socket> =
        found.iter().flatten().map(|socket| ptr::from_ref(*socket)).collect();
    let is_asked_for = |socket: &&Socket| asked_for.contains(&ptr::from_ref(*socket));
    let sockets: Vec<Socket> = inventory.sockets.iter().filter(is_asked_for).cloned().collect();
    let held: BTreeSet<Endpoint> = sockets.iter().map(Socket::endpoint).collect();
    let is_new = |port: &Endpoint| held.iter().all(|held| held.port != port.port);
    let ports = held.iter().copied().chain(named.into_iter().filter(is_new)).collect();
    let with_holders = args.from.is_some();
    let mut all = inventory.clone().and(Inventory { sockets: others, ..Inventory::default() });
    all.sockets.sort_by_key(Socket::endpoint);
    let (holdings, ends) = around::around(sockets, &all, with_holders, &namespaces, &services);
    let arrivals = match &args.from {
        None => Vec::new(),
        Some(from) => {
            let local = sys::local_addresses().context("cannot list the addresses of this host")?;
            let from = around::client(from, &local.usable)?;
            let known: Vec<&Socket> = all.sockets.iter().chain(&ends.sockets).collect();
            around::arrivals(from, &ports, &local.usable, &known)?
        }
    };
    let gaps = inventory.gaps.iter().cloned().chain(ends.gaps).collect();
    let holdings = Holdings { found: holdings, arrivals, gaps };
    let about = started.about(surroundings);
    let document = || document::who(&about, &holdings);
    let records = |out: &mut dyn Write, records| {
        let sockets = holdings.found.iter().map(|holding| holding.socket.clone()).collect();
        let shown = Inventory { sockets, ..Inventory::default() };
        render::sockets_records(out, &shown, records)
    };
    let (exit, written) = output::print(exit, |out| match printer.format() {
        Output::Table => {
            render::who_text(out, &holdings, &printer.appearance(started.unix_seconds()))?;
            let words = args.subjects.iter().zip(&subjects).zip(&found);
            words.filter(|(_, found)| found.is_empty()).try_for_each(|((word, subject), _)| {
                write_nobody(out, word, subject, &args.kinds, &inventory, printer)
            })
        }
        Output::Plain => records(out, Records::Plain),
        Output::Csv => records(out, Records::Csv),
        Output::Json => render::json(out, &document()),
        Output::Ndjson => render::ndjson(out, &document()),
    })?;
    if written.is_some() {
        printer.note_gaps(&holdings.gaps);
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
    let over: Vec<&str> = [
        (kinds.tcp && !kinds.udp, "TCP"),
        (kinds.udp && !kinds.tcp, "UDP"),
        (kinds.ipv4 && !kinds.ipv6, "IPv4"),
        (kinds.ipv6 && !kinds.ipv4, "IPv6"),
    ]
    .into_iter()
    .filter_map(|(only, over)| only.then_some(over))
    .collect();
    let over =
        if over.is_empty() { String::new() } else { format!(" over {}", over.join(" and ")) };
    match subject {
        Subject::Ports(ports) if ports.numbers() > FEW => writeln!(
            out,
            "Nobody listens on {word}{over}, and no socket is bound to it{unseen}. Connections are looked for with up to {FEW} ports."
        ),
        Subject::Ports(_) => {
            writeln!(out, "Nobody listens on {word}{over}, and nothing else holds it{unseen}.")
        }
        Subject::Pid(pid) => writeln!(out, "Process {pid} holds no port{over}{unseen}."),
        Subject::Name { ports: Some(_), .. } => {
            writeln!(
                out,
                "Nobody holds the port of the service {word}, and no process of that name holds any{over}{unseen}."
            )
        }
        Subject::Name { name, ports: None } => {
            let near = hint::did_you_mean(name, super::commands().iter().map(String::as_str));
            if !near.is_empty() {
                printer.note(format_args!("{name:?} is no command{near}"));
            }
            writeln!(
                out,
                "There is no service {word}, and no process of that name holds a port{over}{unseen}."
            )
        }
    }
}
