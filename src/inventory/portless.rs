//! The sockets without a port: Unix sockets that clients can find, raw sockets and packet sockets.

use super::ask;
use super::sock_diag::interface;
use crate::model::{
    Family, Gap, Held, Hides, Inventory, Portless, PortlessKind, Queue, Seen, SocketState,
};
use crate::sys::{self, Protocol};
use crate::wire::netlink::AnswerError;
use crate::wire::{packet_diag, proc_net, sock_diag, unix_diag};

const NOT_SENT: &str = "not sent by this kernel";

/// The Unix sockets that listen or take datagrams, and have a name.
pub(super) fn unix() -> Inventory {
    let (servers, problem) =
        ask::rows(Protocol::SockDiag, unix_diag::dump_servers, unix_diag::server);
    let portless = servers.into_iter().map(|server| {
        let queue = match server.queue {
            Some((length, limit)) => Seen::Known(Queue { length, limit, drops: 0 }),
            None => Seen::Absent,
        };
        Portless {
            kind: PortlessKind::Unix { path: server.path },
            state: if server.listens { SocketState::Listen } else { SocketState::Unconnected },
            queue,
            held: Held::new(server.inode, sent(server.uid)),
        }
    });
    found(portless.collect(), problem.map(|error| gap(&error, "Unix sockets", "unix_diag")))
}

/// The raw sockets of both families, from the kernel's socket table, else from `/proc`.
pub(super) fn raw() -> Inventory {
    let of = |family| {
        let (rows, problem) =
            ask::rows(Protocol::SockDiag, |seq| sock_diag::dump_raw(family, seq), sock_diag::row);
        match problem {
            Some(error) if ask::is_missing(&error) => raw_of_proc(family, &error),
            problem => {
                let sockets = rows.iter().map(|row| {
                    raw_socket(
                        PortlessKind::Raw {
                            family,
                            address: row.local.ip(),
                            protocol: u8::try_from(row.local.port()).unwrap_or(u8::MAX),
                            interface: interface(row.interface),
                        },
                        Held {
                            cgroup: row.cgroup.map_or(Seen::Skipped(NOT_SENT), Seen::Known),
                            ..Held::new(row.inode, Seen::Known(row.uid))
                        },
                    )
                });
                found(
                    sockets.collect(),
                    problem.map(|error| gap(&error, "raw sockets", "raw_diag")),
                )
            }
        }
    };
    of(Family::Ipv4).and(of(Family::Ipv6))
}

/// A kernel without `raw_diag` shows them in `/proc` only, without their device.
fn raw_of_proc(family: Family, error: &AnswerError) -> Inventory {
    let file = match family {
        Family::Ipv4 => "raw",
        Family::Ipv6 => "raw6",
    };
    let Ok(text) = sys::network_table(file) else {
        return found(Vec::new(), Some(gap(error, "raw sockets", "raw_diag")));
    };
    let sockets = proc_net::raw_sockets(&text).map(|row| {
        raw_socket(
            PortlessKind::Raw {
                family,
                address: row.address,
                protocol: row.protocol,
                interface: Seen::Skipped("/proc does not show it"),
            },
            Held::new(row.inode, Seen::Known(row.uid)),
        )
    });
    found(sockets.collect(), None)
}

fn raw_socket(kind: PortlessKind, held: Held) -> Portless {
    Portless { kind, state: SocketState::Unconnected, queue: Seen::Absent, held }
}

/// The packet sockets: what captures traffic, and what speaks protocols below IP.
pub(super) fn packet() -> Inventory {
    let (taps, problem) = ask::rows(Protocol::SockDiag, packet_diag::dump, packet_diag::tap);
    let portless = taps.into_iter().map(|tap| {
        let interface = tap.interface.map_or(Seen::Skipped(NOT_SENT), interface);
        let kind = PortlessKind::Packet { protocol: tap.protocol, interface };
        raw_socket(kind, Held::new(tap.inode, sent(tap.uid)))
    });
    found(portless.collect(), problem.map(|error| gap(&error, "packet sockets", "packet_diag")))
}

fn sent(uid: Option<u32>) -> Seen<u32> {
    uid.map_or(Seen::Skipped(NOT_SENT), Seen::Known)
}

fn found(portless: Vec<Portless>, gap: Option<Gap>) -> Inventory {
    Inventory { portless, gaps: gap.into_iter().collect(), ..Inventory::default() }
}

fn gap(error: &AnswerError, what: &str, module: &'static str) -> Gap {
    ask::gap(error, what.to_owned(), module, Hides::OtherKinds)
}
