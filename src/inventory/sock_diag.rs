//! The kernel's own socket tables, filtered by state in the kernel.

use super::{Extra, Source, ask, portless};
use crate::model::{
    Family, Gap, Held, Hides, Inode, Interface, Inventory, Nat, Need, OwnersUnknown,
    OwnersUnknownReason, Port, Queue, Seen, Socket, SocketState, Transport,
};
use crate::sys::{self, Protocol};
use crate::wire::netlink::AnswerError;
use crate::wire::proc_net::{self, InUse};
use crate::wire::sock_diag::{self, Keep, Row, state};
use std::collections::{BTreeSet, HashSet};

/// The tables of the network namespace of the thread that reads them.
#[derive(Debug, Clone, Default)]
pub struct SockDiag {
    /// What to list beside the sockets that hold a port.
    extras: BTreeSet<Extra>,
    /// The only ports to list.
    keep: Keep,
}

impl SockDiag {
    /// The sockets that hold a port, and what else is asked for.
    #[must_use]
    pub fn with(extras: impl IntoIterator<Item = Extra>) -> Self {
        Self { extras: extras.into_iter().collect(), keep: Keep::All }
    }

    /// The same, for one local port only.
    #[must_use]
    pub fn at(self, port: Port) -> Self {
        Self { keep: Keep::LocalPort(port.get()), ..self }
    }

    /// The same, for one port of the other end only.
    #[must_use]
    pub fn towards(self, port: Port) -> Self {
        Self { keep: Keep::PeerPort(port.get()), ..self }
    }

    fn asks_for(&self, extra: Extra) -> bool {
        self.extras.contains(&extra)
    }

    /// The sockets of a transport; `None` is both families at once, which only TCP has.
    fn of(&self, transport: Transport, family: Option<Family>) -> Inventory {
        let states = self.states(transport);
        let dump = |seq| match family {
            Some(family) => sock_diag::dump(transport, family, states, self.keep, seq),
            None => sock_diag::dump_tcp(states, self.keep, seq),
        };
        let (rows, problem) = ask::rows(Protocol::SockDiag, dump, sock_diag::row);
        let rows = once_each(rows);
        Inventory {
            sockets: rows.iter().filter_map(|row| socket(transport, row)).collect(),
            gaps: problem.map(|error| gap(&error, transport, family)).into_iter().collect(),
            ..Inventory::default()
        }
    }

    /// The states of sockets that hold a port and belong to no connection, and of what else is asked for.
    fn states(&self, transport: Transport) -> u32 {
        let (held, connections, time_wait) = match transport {
            Transport::Tcp => (
                state::bit(state::LISTEN) | state::bit(state::BOUND_INACTIVE),
                state::CONNECTIONS,
                state::bit(state::TIME_WAIT),
            ),
            Transport::Udp => (state::bit(state::CLOSE), state::bit(state::ESTABLISHED), 0),
            Transport::Sctp => (state::bit(state::LISTEN), 0, 0),
        };
        let if_asked = |extra, states| if self.asks_for(extra) { states } else { 0 };
        held | if_asked(Extra::Connections, connections) | if_asked(Extra::TimeWait, time_wait)
    }
}

impl Source for SockDiag {
    /// TCP of both families at once: to find what is bound and does not listen, the kernel walks over every connection
    /// of the host, and does so for each namespace.
    fn read(&mut self) -> Inventory {
        let protocols = Protocols::read();
        let mut found = self.of(Transport::Tcp, None);
        for family in [Family::Ipv4, Family::Ipv6] {
            found = found.and(self.of(Transport::Udp, Some(family)));
            // A kernel without SCTP has no such sockets either.
            if protocols.in_use(["SCTP", "SCTPv6"]) != Some(0) {
                found = found.and(self.of(Transport::Sctp, Some(family)));
            }
        }
        found.gaps.extend(bound_inactive_gap());
        found.gaps.extend(udp_lite_gap(&protocols));
        if self.asks_for(Extra::Unix) {
            found = found.and(portless::unix());
        }
        if self.asks_for(Extra::Raw) {
            found = found.and(portless::raw()).and(portless::packet());
        }
        found
    }
}

/// The rows, one of each socket: one that stops listening while the table is read is listed again as bound.
fn once_each(mut rows: Vec<Row>) -> Vec<Row> {
    let mut known = HashSet::new();
    rows.retain(|row| known.insert(row.cookie));
    rows
}

fn gap(error: &AnswerError, transport: Transport, family: Option<Family>) -> Gap {
    let over = family.map(|family| format!(" over {}", family.name())).unwrap_or_default();
    let (module, hides) = match transport {
        Transport::Tcp => ("tcp_diag", Hides::Sockets),
        Transport::Udp => ("udp_diag", Hides::Sockets),
        Transport::Sctp => ("sctp_diag", Hides::OtherKinds),
    };
    ask::gap(error, format!("{transport} sockets{over}"), module, hides)
}

/// How many sockets of each protocol there are in the namespace of the thread.
struct Protocols(Option<Vec<InUse>>);

impl Protocols {
    fn read() -> Self {
        let text = sys::network_table("protocols").ok();
        Self(text.map(|text| proc_net::protocols(&text).collect()))
    }

    /// How many there are of these; `None` where `/proc` does not tell.
    fn in_use(&self, names: [&str; 2]) -> Option<u32> {
        let is = |of: &&InUse| names.contains(&of.protocol.as_str());
        Some(self.0.as_ref()?.iter().filter(is).map(|of| of.sockets).sum())
    }
}

/// A row as a socket that holds a port; `None` for one without a port.
fn socket(transport: Transport, row: &Row) -> Option<Socket> {
    let state = state_of(transport, row.state);
    let (uid, owners_unknown) = unheld(state, row, sys::kernel_version());
    let cgroup = match (&uid, row.cgroup) {
        (Seen::Skipped(_), None) => Seen::Absent,
        (_, cgroup) => known(cgroup),
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
        peer: state.is_connection().then_some(row.peer),
        mptcp: row.mptcp,
        signed: row.signed,
        cookie: row.cookie,
        queue: queue(state, row),
        service: None,
        nat: Nat::default(),
        held: Held { cgroup, owners_unknown, ..Held::new(row.inode, uid) },
    })
}

fn state_of(transport: Transport, state: u8) -> SocketState {
    match (transport, state) {
        (Transport::Udp, state::ESTABLISHED) => SocketState::Established,
        (Transport::Udp, _) => SocketState::Unconnected,
        (_, state::LISTEN) => SocketState::Listen,
        (_, state::ESTABLISHED) => SocketState::Established,
        (_, state::SYN_SENT) => SocketState::SynSent,
        (_, state::SYN_RECV | state::NEW_SYN_RECV) => SocketState::SynReceived,
        (_, state::FIN_WAIT1) => SocketState::FinWait1,
        (_, state::FIN_WAIT2) => SocketState::FinWait2,
        (_, state::CLOSE_WAIT) => SocketState::CloseWait,
        (_, state::LAST_ACK) => SocketState::LastAck,
        (_, state::CLOSING) => SocketState::Closing,
        (_, state::TIME_WAIT) => SocketState::TimeWait,
        _ => SocketState::Bound,
    }
}

/// The user of a socket, and why no process has it where that is so: those have no inode.
fn unheld(state: SocketState, row: &Row, kernel: (u16, u16)) -> (Seen<u32>, Option<OwnersUnknown>) {
    /// From here on the kernel shows the user of a socket that no process has; before it shows 0.
    const SINCE: (u16, u16) = (6, 17);
    if row.inode != Inode(0) || !state.is_connection() {
        return (Seen::Known(row.uid), None);
    }
    let text = match state {
        SocketState::TimeWait => "its process has closed it: the kernel keeps it for a minute",
        SocketState::SynReceived | SocketState::Established | SocketState::CloseWait => {
            "no process has accepted it yet"
        }
        _ => "its process has closed it: the kernel ends the connection",
    };
    let unknown = OwnersUnknown { reason: OwnersUnknownReason::Kernel, text: text.to_owned() };
    // Of what is no whole socket the kernel shows 0.
    let uid = match state {
        SocketState::TimeWait | SocketState::SynReceived | SocketState::FinWait2 => {
            Seen::Skipped("the kernel does not keep it")
        }
        _ if row.uid == 0 && kernel < SINCE => {
            Seen::Skipped("this kernel shows it only while a process has the socket")
        }
        _ => Seen::Known(row.uid),
    };
    (uid, Some(unknown))
}

/// An attribute that every kernel of the last years sends.
fn known<T>(attribute: Option<T>) -> Seen<T> {
    attribute.map_or(Seen::Skipped("not sent by this kernel"), Seen::Known)
}

/// The device with this index in the namespace of the thread; 0 is none.
pub(super) fn interface(index: u32) -> Seen<Interface> {
    if index == 0 {
        return Seen::Absent;
    }
    // An interface that went away keeps its number.
    let name = sys::interface_name(index).unwrap_or_else(|| format!("if{index}"));
    Seen::Known(Interface { index, name })
}

fn queue(state: SocketState, row: &Row) -> Seen<Queue> {
    let limit = match state {
        SocketState::Listen => Some(row.write_queue),
        SocketState::Unconnected => row.receive_buffer,
        _ => return Seen::Absent,
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

/// UDP-Lite (RFC 3828) has ports of its own, and hardly anyone uses it: that there are such sockets is said.
fn udp_lite_gap(protocols: &Protocols) -> Option<Gap> {
    let what = match protocols.in_use(["UDP-Lite", "UDPLITEv6"])? {
        0 => return None,
        1 => "1 UDP-Lite socket".to_owned(),
        many => format!("{many} UDP-Lite sockets"),
    };
    let reason = "UDP-Lite is left out".to_owned();
    Some(Gap { what, reason, need: None, hides: Hides::OtherKinds })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Cookie;

    /// A TCP socket of IPv4.
    fn row(cookie: u64, inode: u64, state: u8, uid: u32) -> Row {
        let (local, peer) = ("127.0.0.1:80".parse().unwrap(), "127.0.0.1:4000".parse().unwrap());
        Row {
            cookie: Cookie(cookie),
            uid,
            inode: Inode(inode),
            ..Row::between(Family::Ipv4, state, local, peer)
        }
    }

    #[test]
    fn a_socket_that_stops_listening_meanwhile_is_one_socket() {
        let listens = row(1, 1, state::LISTEN, 0);
        let another = row(2, 2, state::BOUND_INACTIVE, 0);
        let rows = vec![listens.clone(), row(1, 1, state::BOUND_INACTIVE, 0), another.clone()];
        assert_eq!(once_each(rows), [listens, another]);
    }

    #[test]
    fn the_user_of_a_socket_that_no_process_has_is_known_only_where_the_kernel_keeps_it() {
        use SocketState::{Established, FinWait2, Listen, SynReceived, TimeWait};
        let (before, since) = ((6, 16), (6, 17));
        // (state, inode, uid, kernel, the user if known)
        let table = [
            (Listen, 7, 0, before, Some(0)),
            (Established, 7, 33, before, Some(33)),
            (Established, 0, 33, since, Some(33)),
            (Established, 0, 0, since, Some(0)),
            (Established, 0, 0, before, None),
            (TimeWait, 0, 0, since, None),
            (SynReceived, 0, 0, since, None),
            (FinWait2, 0, 0, since, None),
            (FinWait2, 7, 0, since, Some(0)),
        ];
        for (state, inode, uid, kernel, known) in table {
            let row = row(1, inode, state::ESTABLISHED, uid);
            let (found, unknown) = unheld(state, &row, kernel);
            assert_eq!(found.known().copied(), known, "{state:?} {inode} {uid} {kernel:?}");
            assert_eq!(unknown.is_some(), inode == 0, "{state:?} {inode}");
        }
    }
}
