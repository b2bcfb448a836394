//! The listing of `ls`.

use super::group::Group;
use super::number::{age, count, number};
use super::owners::{foremost, holders, nobody, short_name, user};
use super::records::Records;
use super::table::{self, Cell, Column, Room};
use super::{Appearance, Shown, bind, style, units};
use crate::model::{Endpoint, Held, Inventory, Owner, Portless, Scope, Socket};
use std::collections::BTreeSet;
use std::io::{self, Write};

/// What a listing covers: it decides what an empty one may say.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Extent {
    /// Every socket of the host.
    Everything,
    /// The sockets that passed a filter.
    Selection,
    /// What could be seen: a gap may hide sockets.
    Incomplete,
}

impl Extent {
    fn nothing(self) -> &'static str {
        match self {
            Self::Everything => "Nothing is listening.",
            Self::Selection => "Nothing that matches is listening.",
            Self::Incomplete => "Nothing was found listening, and not everything could be seen.",
        }
    }
}

const PORT: Column = Column { title: "PORT", room: Room::Keep };
const SERVICE: Column = Column { title: "SERVICE", room: Room::Drop(3) };
const BIND: Column = Column { title: "BIND", room: Room::Drop(5) };
const PROCESS: Column = Column { title: "PROCESS", room: Room::Keep };
const USER: Column = Column { title: "USER", room: Room::Drop(2) };
const NETNS: Column = Column { title: "NETNS", room: Room::Drop(6) };
const UNIT: Column = Column { title: "UNIT / CONTAINER", room: Room::Drop(1) };
const QUEUE: Column = Column { title: "QUEUE", room: Room::Drop(4) };
const UP: Column = Column { title: "UP", room: Room::Drop(0) };

/// Which columns there is something to show for.
#[derive(Debug, Clone, Copy)]
struct Extras {
    netns: bool,
    managed: bool,
    troubled: bool,
}

/// Writes the table of `ls`: a row for each port, state and set of owners, one for each socket without a port, and a
/// line that sums them up. Processes of one program that share a port, each with a socket of its own, have one row.
/// The column QUEUE is there only when a queue is full or dropped something, UNIT / CONTAINER only when one is known,
/// NETNS only when there are sockets of another network namespace.
pub fn sockets_table(
    out: &mut dyn Write,
    inventory: &Inventory,
    extent: Extent,
    look: &Appearance,
) -> io::Result<Shown> {
    if inventory.held().next().is_none() {
        writeln!(out, "{}", extent.nothing())?;
        return Ok(Shown::default());
    }
    let groups = Group::sharing_ports(&inventory.sockets);
    let extras = Extras {
        netns: inventory.held().any(|held| held.netns.is_some()),
        managed: inventory.held().any(units::has_any),
        troubled: groups.iter().any(|group| group.queue_trouble().is_some()),
    };
    let columns: Vec<_> = [PORT, SERVICE, BIND, PROCESS, USER]
        .into_iter()
        .chain(extras.netns.then_some(NETNS))
        .chain(extras.managed.then_some(UNIT))
        .chain(extras.troubled.then_some(QUEUE))
        .chain([UP])
        .collect();
    let of_ports = groups.iter().map(|group| port_row(group, extras, look.now));
    let others = inventory.portless.iter().map(|socket| portless_row(socket, extras, look.now));
    let shown = table::write(out, look, &columns, of_ports.chain(others).collect())?;
    writeln!(out, "{}", summary(inventory))?;
    Ok(shown)
}

fn port_row(group: &Group<'_>, extras: Extras, now: u64) -> Vec<Cell> {
    let socket = group.first();
    let service = short_name(socket.service.as_deref().unwrap_or_default());
    let endpoint = socket.endpoint().to_string();
    let first = [endpoint, service, bind::of_group(group.sockets())];
    let trouble = group.queue_trouble().unwrap_or_default();
    row(first, &group.held(), trouble, extras, now)
}

fn portless_row(socket: &Portless, extras: Extras, now: u64) -> Vec<Cell> {
    let first = [socket.kind.name().to_owned(), String::new(), bind::of_portless(&socket.kind)];
    row(first, &[&socket.held], String::new(), extras, now)
}

fn row(
    [port, service, bound]: [String; 3],
    held: &[&Held],
    trouble: String,
    extras: Extras,
    now: u64,
) -> Vec<Cell> {
    let first = held.first();
    let listener = first.and_then(|held| foremost(held));
    let started = listener.and_then(|listener| listener.process.started_at.known());
    let of_first =
        |text: fn(&Held) -> String| Cell::plain(first.map(|held| text(held)).unwrap_or_default());
    let mut cells = vec![
        Cell::styled(style::PORT, port),
        Cell::plain(service),
        Cell::plain(bound),
        Cell::plain(holders(held)),
        Cell::plain(short_name(&first.map(|held| user(held, listener)).unwrap_or_default())),
    ];
    cells.extend(extras.netns.then(|| of_first(netns)));
    cells.extend(extras.managed.then(|| of_first(units::cell)));
    cells.extend(extras.troubled.then(|| Cell::plain(trouble)));
    cells.push(Cell::plain(started.map(|then| age(now, *then)).unwrap_or_default()));
    cells
}

/// The network namespace by name; nothing for ours.
fn netns(held: &Held) -> String {
    short_name(held.netns.as_deref().unwrap_or_default())
}

/// `6 ports, 3 open to the network by binding.`
fn summary(inventory: &Inventory) -> String {
    let distinct = |keep: &dyn Fn(&Socket) -> bool| {
        let kept = inventory.sockets.iter().filter(|socket| keep(socket));
        let ports: BTreeSet<(Option<&str>, Endpoint)> =
            kept.map(|socket| (socket.held.netns.as_deref(), socket.endpoint())).collect();
        number(ports.len())
    };
    let held = |socket: &Socket| !socket.state.is_connection();
    let mut parts = vec![count(distinct(&held), "port")];
    let connections =
        inventory.sockets.iter().filter(|socket| socket.state.is_connection()).count();
    if connections > 0 {
        parts.push(count(number(connections), "connection"));
    }
    if !inventory.portless.is_empty() {
        parts.push(format!("{} without a port", count(number(inventory.portless.len()), "socket")));
    }
    let open = distinct(&is_open_by_binding);
    format!("{}, {open} open to the network by binding.", parts.join(", "))
}

/// Whether other hosts can reach the socket as far as its binding goes.
fn is_open_by_binding(socket: &Socket) -> bool {
    let only_lo = socket.interface.known().is_some_and(|interface| interface.name == "lo");
    socket.state.serves() && socket.scope() != Scope::Loopback && !only_lo
}

/// What a record of a socket has: `port` is `22/tcp`, or `unix`, `raw` or `packet` for a socket without one; `address`
/// may end in `%device`, and is the path or the protocol of one without a port.
const FIELDS: [&str; 11] = [
    "port", "state", "address", "process", "pid", "user", "service", "scope", "inode", "peer",
    "netns",
];

/// Writes sockets for programs: a record for each socket and owner. A socket without a known owner has one, with
/// `root?`, `kernel?` or `?` for the process.
pub fn sockets_records(
    out: &mut dyn Write,
    inventory: &Inventory,
    records: Records,
) -> io::Result<()> {
    let of_ports = inventory.sockets.iter().flat_map(|socket| {
        let address = format!("{}{}", socket.address, bind::device(&socket.interface));
        let port = socket.endpoint().to_string();
        let peer = socket.peer.map(|peer| peer.to_string()).unwrap_or_default();
        let service = socket.service.as_deref().unwrap_or_default();
        let rest = [service, socket.scope().name(), &peer];
        of_owners([&port, socket.state.name(), &address], &socket.held, rest)
    });
    let others = inventory.portless.iter().flat_map(|socket| {
        let bound = bind::of_portless(&socket.kind);
        let first = [socket.kind.name(), socket.state.name(), &bound];
        of_owners(first, &socket.held, [""; 3])
    });
    records.write(out, FIELDS, of_ports.chain(others))
}

fn of_owners(
    [port, state, address]: [&str; 3],
    held: &Held,
    [service, scope, peer]: [&str; 3],
) -> Vec<[String; 11]> {
    let record = |owner: Option<&Owner>| {
        let process = owner.map_or(nobody(held), |owner| &owner.process.name);
        let pid = owner.map(|owner| owner.process.pid.to_string()).unwrap_or_default();
        let (user, inode) = (user(held, owner), held.inode.0.to_string());
        let netns = held.netns.as_deref().unwrap_or_default();
        [port, state, address, process, &pid, &user, service, scope, &inode, peer, netns]
            .map(str::to_owned)
    };
    match held.owners.as_slice() {
        [] => vec![record(None)],
        owners => owners.iter().map(|owner| record(Some(owner))).collect(),
    }
}

#[cfg(test)]
mod tests;
