//! The kernel's own socket tables, filtered by state in the kernel.

use super::Source;
use crate::model::{
    Family, Gap, Hides, Interface, Need, Port, Queue, Seen, Socket, SocketState, Transport,
};
use crate::sys::{self, NetlinkSocket, Protocol};
use crate::wire::netlink::{self, AnswerError};
use crate::wire::sock_diag::{self, Keep, Row, state};
use std::collections::HashSet;
use std::io;
use std::thread;

/// How often a table is read when it changes while it is read.
const TRIES: u32 = 3;

/// Why a socket fresh from the table has neither unit nor container.
const NOT_YET: &str = "not looked for";

/// The tables of our network namespace.
#[derive(Debug, Default)]
pub struct SockDiag;

impl Source for SockDiag {
    /// Both families at once: to find what is bound and does not listen, the kernel walks over every connection
    /// of the host for each.
    fn sockets(&mut self) -> (Vec<Socket>, Vec<Gap>) {
        let (sockets, mut gaps) = thread::scope(|scope| {
            let ipv6 = scope.spawn(|| of_family(Family::Ipv6));
            let (mut sockets, mut gaps) = of_family(Family::Ipv4);
            match ipv6.join() {
                Ok((of_ipv6, gaps_of_ipv6)) => {
                    sockets.extend(of_ipv6);
                    gaps.extend(gaps_of_ipv6);
                }
                Err(_panic) => gaps.push(Gap {
                    what: "sockets over IPv6".to_owned(),
                    reason: "a thread of portsight failed".to_owned(),
                    need: Some(Need::Retry),
                    hides: Hides::Sockets,
                }),
            }
            (sockets, gaps)
        });
        gaps.extend(bound_inactive_gap());
        (sockets, gaps)
    }
}

fn of_family(family: Family) -> (Vec<Socket>, Vec<Gap>) {
    let mut sockets = Vec::new();
    let mut gaps = Vec::new();
    for transport in [Transport::Tcp, Transport::Udp] {
        let (rows, problem) = dump(transport, family);
        sockets.extend(rows.iter().filter_map(|row| socket(transport, row)));
        gaps.extend(problem.map(|error| gap(&error, transport, family)));
    }
    (sockets, gaps)
}

/// The states of sockets that hold a port and belong to no connection.
fn states(transport: Transport) -> u32 {
    match transport {
        Transport::Tcp => state::bit(state::LISTEN) | state::bit(state::BOUND_INACTIVE),
        Transport::Udp => state::bit(state::CLOSE),
    }
}

/// The rows of one table, and what is wrong with them. Rows that were read before the trouble are kept.
fn dump(transport: Transport, family: Family) -> (Vec<Row>, Option<AnswerError>) {
    let mut netlink = match NetlinkSocket::open(Protocol::SockDiag) {
        Ok(netlink) => netlink,
        Err(error) => return (Vec::new(), Some(error.into())),
    };
    let mut tries = 0;
    loop {
        tries += 1;
        let mut rows = Vec::new();
        let seq = netlink.next_seq();
        let mut answer = netlink::Answer::dump(seq);
        let request = sock_diag::dump(transport, family, states(transport), Keep::All, seq);
        let read = netlink.converse(&request, |datagram| {
            answer.take(datagram, |_, payload| rows.extend(sock_diag::row(payload)))
        });
        match read {
            Err(AnswerError::Interrupted) if tries < TRIES => {}
            read => return (once_each(rows), read.err()),
        }
    }
}

/// The rows, one of each socket: one that stops listening while the table is read is listed again as bound.
fn once_each(mut rows: Vec<Row>) -> Vec<Row> {
    let mut known = HashSet::new();
    rows.retain(|row| known.insert(row.cookie));
    rows
}

fn gap(error: &AnswerError, transport: Transport, family: Family) -> Gap {
    let need = match error {
        AnswerError::Refused(error) => match error.kind() {
            io::ErrorKind::NotFound => Some(Need::Module(match transport {
                Transport::Tcp => "tcp_diag",
                Transport::Udp => "udp_diag",
            })),
            io::ErrorKind::PermissionDenied => Some(Need::Root),
            _ => None,
        },
        AnswerError::Interrupted | AnswerError::Overrun => Some(Need::Retry),
        AnswerError::Socket(_) | AnswerError::Malformed(_) => None,
    };
    Gap {
        what: format!("{transport} sockets over {}", family.name()),
        reason: error.with_cause(),
        need,
        hides: Hides::Sockets,
    }
}

/// A row as a socket that holds a port; `None` for one without a port.
fn socket(transport: Transport, row: &Row) -> Option<Socket> {
    let state = match (transport, row.state) {
        (Transport::Tcp, state::LISTEN) => SocketState::Listen,
        (Transport::Tcp, _) => SocketState::Bound,
        (Transport::Udp, _) => SocketState::Unconnected,
    };
    Some(Socket {
        transport,
        family: row.family,
        address: row.local.ip(),
        port: Port::new(row.local.port())?,
        interface: interface(row.interface),
        v6_only: match row.family {
            Family::Ipv4 => Seen::Absent,
            Family::Ipv6 => known(row.v6_only),
        },
        state,
        inode: row.inode,
        cookie: row.cookie,
        uid: row.uid,
        user: Seen::Absent,
        queue: queue(state, row),
        cgroup: known(row.cgroup),
        unit: Seen::Skipped(NOT_YET),
        container: Seen::Skipped(NOT_YET),
        service: None,
        owners: Vec::new(),
        owners_unknown: None,
    })
}

/// An attribute that every kernel of the last years sends.
fn known<T>(attribute: Option<T>) -> Seen<T> {
    attribute.map_or(Seen::Skipped("not sent by this kernel"), Seen::Known)
}

fn interface(index: u32) -> Seen<Interface> {
    if index == 0 {
        return Seen::Absent;
    }
    // An interface that went away keeps its number.
    let name = sys::interface_name(index).unwrap_or_else(|| format!("if{index}"));
    Seen::Known(Interface { index, name })
}

fn queue(state: SocketState, row: &Row) -> Seen<Queue> {
    let limit = match state {
        SocketState::Bound => return Seen::Absent,
        SocketState::Listen => Some(row.write_queue),
        SocketState::Unconnected => row.receive_buffer,
    };
    match (limit, row.drops) {
        (Some(limit), Some(drops)) => {
            Seen::Known(Queue { length: row.receive_queue, limit, drops })
        }
        _ => Seen::Skipped("not sent by this kernel"),
    }
}

/// Kernels before 6.8 do not list TCP sockets that are bound and not listening. Such a socket blocks a port
/// and answers nobody.
fn bound_inactive_gap() -> Option<Gap> {
    const SINCE: (u16, u16) = (6, 8);
    (sys::kernel_version() < SINCE).then(|| Gap {
        what: "TCP sockets that are bound and not listening".to_owned(),
        reason: format!("Linux {} does not list them", sys::kernel_release()),
        need: Some(Need::Kernel(SINCE.0, SINCE.1)),
        hides: Hides::Holders,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{Cookie, Inode};

    #[test]
    fn a_socket_that_stops_listening_meanwhile_is_one_socket() {
        let row = |cookie, state| Row {
            family: Family::Ipv4,
            state,
            local: ([127, 0, 0, 1], 80).into(),
            peer: ([0, 0, 0, 0], 0).into(),
            interface: 0,
            cookie: Cookie(cookie),
            receive_queue: 0,
            write_queue: 0,
            uid: 0,
            inode: Inode(cookie),
            v6_only: None,
            cgroup: None,
            receive_buffer: None,
            drops: None,
        };
        let listens = row(1, state::LISTEN);
        let another = row(2, state::BOUND_INACTIVE);
        let rows = vec![listens.clone(), row(1, state::BOUND_INACTIVE), another.clone()];
        assert_eq!(once_each(rows), [listens, another]);
    }
}
