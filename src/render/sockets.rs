//! The listing of `ls`.

use super::group::Group;
use super::number::{age, count, number};
use super::owners::{holders, nobody, short_name, user};
use super::records::Records;
use super::sanitize::clip;
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
const NAT: Column = Column { title: "NAT", room: Room::Drop(5) };
const UNIT: Column = Column { title: "UNIT / CONTAINER", room: Room::Drop(1) };
const QUEUE: Column = Column { title: "QUEUE", room: Room::Drop(4) };
const UP: Column = Column { title: "UP", room: Room::Drop(0) };

/// The columns that are there only when a cell of theirs has something to say.
const OCCASIONAL: [&str; 4] = [NETNS.title, NAT.title, UNIT.title, QUEUE.title];

/// The columns in their order.
const COLUMNS: [Column; 10] = [PORT, SERVICE, BIND, PROCESS, USER, NETNS, NAT, UNIT, QUEUE, UP];

/// Writes the table of `ls`: a row for each port, state and set of owners, one for each socket without a port, and a
/// line that sums them up. Processes of one program that share a port, each with a socket of its own, have one row.
/// The column QUEUE is there only when a queue is full or dropped something, UNIT / CONTAINER only when one is known,
/// NETNS only when there are sockets of another network namespace, NAT only when a port is published.
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
    let of_ports = groups.iter().map(|group| port_row(group, look.now));
    let others = inventory.portless.iter().map(|socket| portless_row(socket, look));
    let rows: Vec<Row> = of_ports.chain(others).collect();
    let says_something = |at: usize| {
        let mut texts = rows.iter().filter_map(|row| row.get(at));
        texts.any(|text| !text.is_empty() && text != "?")
    };
    let shown = COLUMNS.each_ref().map(|column| !OCCASIONAL.contains(&column.title));
    let shown: Vec<bool> =
        shown.into_iter().enumerate().map(|(at, always)| always || says_something(at)).collect();
    let kept = |at: usize| shown.get(at) == Some(&true);
    let columns: Vec<Column> =
        COLUMNS.into_iter().enumerate().filter_map(|(at, it)| kept(at).then_some(it)).collect();
    let cells = |row: Row| {
        let kept = row.into_iter().enumerate().filter(|(at, _)| kept(*at));
        let cell = |(at, text): (usize, String)| match at {
            0 => Cell::styled(style::PORT, text),
            _ => Cell::plain(text),
        };
        kept.map(cell).collect()
    };
    let written = table::write(out, look, &columns, rows.into_iter().map(cells).collect())?;
    writeln!(out, "{}", summary(inventory))?;
    Ok(written)
}

/// The texts of a row, in the order of the columns.
type Row = [String; COLUMNS.len()];

fn port_row(group: &Group<'_>, now: u64) -> Row {
    let socket = group.first();
    let service = short_name(socket.service.as_deref().unwrap_or_default());
    let endpoint = socket.endpoint().to_string();
    let first = [endpoint, service, bind::of_group(group.sockets())];
    let queue = group.queue_trouble().unwrap_or_default();
    row(first, &group.held(), [bind::nat(&socket.nat), queue], now)
}

fn portless_row(socket: &Portless, look: &Appearance) -> Row {
    let bound = bind::of_portless(&socket.kind);
    // A path is as long as anyone makes it, and would push the column off a screen.
    let bound = match look.width {
        Some(_) => clip(&bound, bind::LIST_WIDTH).into_owned(),
        None => bound,
    };
    let first = [socket.kind.name().to_owned(), String::new(), bound];
    row(first, &[&socket.held], Default::default(), look.now)
}

fn row(
    [port, service, bound]: [String; 3],
    held: &[&Held],
    [nat, queue]: [String; 2],
    now: u64,
) -> Row {
    let first = held.first();
    let listener = first.and_then(|held| held.foremost());
    let started = listener.and_then(|listener| listener.process.started_at.known());
    let of_first =
        |text: &dyn Fn(&Held) -> String| first.map(|held| text(held)).unwrap_or_default();
    let user = of_first(&|held| short_name(&user(held, listener)));
    let up = started.map(|then| age(now, *then)).unwrap_or_default();
    let (netns, unit) = (of_first(&netns), of_first(&units::cell));
    [port, service, bound, holders(held), user, netns, nat, unit, queue, up]
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
