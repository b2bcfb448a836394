//! The listing of `ls`.

use super::group::Group;
use super::number::{age, count};
use super::owners::{holders, nobody, short_name, user};
use super::records::Records;
use super::table::{self, Cell, Column, Room};
use super::{Appearance, Shown, bind, style, units};
use crate::model::{Endpoint, Owner, Scope, Socket};
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
const UNIT: Column = Column { title: "UNIT / CONTAINER", room: Room::Drop(1) };
const QUEUE: Column = Column { title: "QUEUE", room: Room::Drop(4) };
const UP: Column = Column { title: "UP", room: Room::Drop(0) };

/// Writes the table of `ls`: a row for each port, state and set of owners, and a line that sums them up. Processes
/// of one program that share a port, each with a socket of its own, have one row. The column QUEUE is there only when
/// a queue is full or dropped something, UNIT / CONTAINER only when one is known.
pub fn sockets_table(
    out: &mut dyn Write,
    sockets: &[Socket],
    extent: Extent,
    look: &Appearance,
) -> io::Result<Shown> {
    if sockets.is_empty() {
        writeln!(out, "{}", extent.nothing())?;
        return Ok(Shown::default());
    }
    let groups = Group::sharing_ports(sockets);
    let troubled = groups.iter().any(|group| group.queue_trouble().is_some());
    let managed = sockets.iter().any(units::has_any);
    let columns: Vec<_> = [PORT, SERVICE, BIND, PROCESS, USER]
        .into_iter()
        .chain(managed.then_some(UNIT))
        .chain(troubled.then_some(QUEUE))
        .chain([UP])
        .collect();
    let rows = groups.iter().map(|group| row(group, managed, troubled, look.now)).collect();
    let shown = table::write(out, look, &columns, rows)?;
    writeln!(out, "{}", summary(sockets))?;
    Ok(shown)
}

fn row(group: &Group<'_>, managed: bool, troubled: bool, now: u64) -> Vec<Cell> {
    let socket = group.first();
    let listener = group.listener();
    let mut bound = bind::short(group.sockets());
    if !socket.state.serves() {
        bound += " (not listening)";
    }
    let started = listener.and_then(|listener| listener.process.started_at.known());
    let queue = troubled.then(|| Cell::plain(group.queue_trouble().unwrap_or_default()));
    let mut cells = vec![
        Cell::styled(style::PORT, socket.endpoint().to_string()),
        Cell::plain(short_name(socket.service.as_deref().unwrap_or_default())),
        Cell::plain(bound),
        Cell::plain(holders(group.sockets())),
        Cell::plain(short_name(&user(socket, listener))),
    ];
    cells.extend(managed.then(|| Cell::plain(units::cell(socket))));
    cells.extend(queue);
    cells.push(Cell::plain(started.map(|then| age(now, *then)).unwrap_or_default()));
    cells
}

/// `6 ports, 3 open to the network by binding.`
fn summary(sockets: &[Socket]) -> String {
    let distinct = |sockets: &mut dyn Iterator<Item = &Socket>| {
        let endpoints: BTreeSet<Endpoint> = sockets.map(Socket::endpoint).collect();
        u64::try_from(endpoints.len()).unwrap_or(u64::MAX)
    };
    let ports = distinct(&mut sockets.iter());
    let open = distinct(&mut sockets.iter().filter(|socket| is_open_by_binding(socket)));
    format!("{}, {open} open to the network by binding.", count(ports, "port"))
}

/// Whether other hosts can reach the socket as far as its binding goes.
fn is_open_by_binding(socket: &Socket) -> bool {
    let only_lo = socket.interface.known().is_some_and(|interface| interface.name == "lo");
    socket.state.serves() && socket.scope() != Scope::Loopback && !only_lo
}

/// What a record of a socket has: `port` is `22/tcp`, `address` may end in `%device`.
const FIELDS: [&str; 9] =
    ["port", "state", "address", "process", "pid", "user", "service", "scope", "inode"];

/// Writes sockets for programs: a record for each socket and owner. A socket without a known owner has one, with
/// `root?`, `kernel?` or `?` for the process.
pub fn sockets_records(
    out: &mut dyn Write,
    sockets: &[Socket],
    records: Records,
) -> io::Result<()> {
    let of = |socket: &Socket| -> Vec<[String; 9]> {
        match socket.owners.as_slice() {
            [] => vec![record(socket, None)],
            owners => owners.iter().map(|owner| record(socket, Some(owner))).collect(),
        }
    };
    records.write(out, FIELDS, sockets.iter().flat_map(of))
}

fn record(socket: &Socket, owner: Option<&Owner>) -> [String; 9] {
    [
        socket.endpoint().to_string(),
        socket.state.name().into(),
        format!("{}{}", socket.address, bind::device(socket)),
        owner.map_or(nobody(socket), |owner| &owner.process.name).into(),
        owner.map(|owner| owner.process.pid.to_string()).unwrap_or_default(),
        user(socket, owner),
        socket.service.clone().unwrap_or_default(),
        socket.scope().name().into(),
        socket.inode.0.to_string(),
    ]
}

#[cfg(test)]
mod tests;
