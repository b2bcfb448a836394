//! Sockets that are one thing to a reader: the same port and state, held by the same processes.

use crate::model::{Endpoint, Family, Held, Owner, Seen, Socket, SocketState, Transport, Unit};
use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, SocketAddr};

/// Who holds a socket, as far as grouping goes.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
enum Holder {
    /// These processes, in order.
    Known(Vec<u32>),
    /// Nobody that was found: the reason, the user who made the socket, and what manages it.
    Unknown(Option<&'static str>, Seen<u32>, Option<Unit>, Option<String>),
}

impl Holder {
    fn of(held: &Held) -> Self {
        if held.owners.is_empty() {
            let reason = held.owners_unknown.as_ref().map(|unknown| unknown.reason.name());
            let id = held.container.known().and_then(|container| container.id.known());
            let unit = held.unit.known().cloned();
            return Self::Unknown(reason, held.uid.clone(), unit, id.cloned());
        }
        let mut pids: Vec<_> = held.owners.iter().map(|owner| owner.process.pid).collect();
        pids.sort_unstable();
        Self::Known(pids)
    }
}

/// What one group has in common; the peer tells connections apart.
type Key<'a> = (Option<&'a str>, Endpoint, SocketState, Option<SocketAddr>, Holder);

/// Sockets of one port in one state, held by the same processes.
#[derive(Debug)]
pub(super) struct Group<'a> {
    first: &'a Socket,
    all: Vec<&'a Socket>,
}

impl<'a> Group<'a> {
    /// The sockets in groups, ordered by port. Connections of one holder are together.
    pub(super) fn all(sockets: impl IntoIterator<Item = &'a Socket>) -> Vec<Self> {
        Self::by(sockets, |_| None)
    }

    fn by(
        sockets: impl IntoIterator<Item = &'a Socket>,
        peer: impl Fn(&Socket) -> Option<SocketAddr>,
    ) -> Vec<Self> {
        let mut groups: BTreeMap<Key<'a>, Self> = BTreeMap::new();
        for socket in sockets {
            let netns = socket.held.netns.as_deref();
            let holder = Holder::of(&socket.held);
            groups
                .entry((netns, socket.endpoint(), socket.state, peer(socket), holder))
                .or_insert_with(|| Self { first: socket, all: Vec::new() })
                .all
                .push(socket);
        }
        groups.into_values().collect()
    }

    /// The same, with the groups of one program at one binding together: they share the port (`SO_REUSEPORT`), and
    /// the kernel shares the work out among them. Other programs at the same binding stay apart, and so does each
    /// connection.
    pub(super) fn sharing_ports(sockets: &'a [Socket]) -> Vec<Self> {
        let mut together: Vec<Self> = Vec::new();
        for group in Self::by(sockets, |socket| socket.peer) {
            let endpoint = group.first.endpoint();
            let mut of_port =
                together.iter_mut().rev().take_while(|other| other.first.endpoint() == endpoint);
            match of_port.find(|other| other.shares_its_port_with(&group)) {
                Some(first) => first.all.extend(group.all),
                None => together.push(group),
            }
        }
        together
    }

    fn shares_its_port_with(&self, other: &Self) -> bool {
        let program = |group: &Self| group.listener().map(|owner| &owner.process.name);
        let bindings = |group: &Self| -> BTreeSet<_> {
            group.all.iter().map(|socket| binding(socket)).collect()
        };
        self.first.state.serves()
            && self.first.held.netns == other.first.held.netns
            && program(self).is_some()
            && program(self) == program(other)
            && bindings(self) == bindings(other)
    }

    /// A socket that stands for all in what they have in common: port, state, service and owners.
    pub(super) fn first(&self) -> &'a Socket {
        self.first
    }

    /// The sockets, the first included.
    pub(super) fn sockets(&self) -> &[&'a Socket] {
        &self.all
    }

    /// What holds the sockets, in the same order.
    pub(super) fn held(&self) -> Vec<&'a Held> {
        self.all.iter().map(|socket| &socket.held).collect()
    }

    /// The owner whom a table names.
    pub(super) fn listener(&self) -> Option<&'a Owner> {
        self.first.held.foremost()
    }

    /// What is wrong with the queues, as `queue 129/128, 12 drops`; `None` when nothing is.
    pub(super) fn queue_trouble(&self) -> Option<String> {
        let queues = || self.all.iter().filter_map(|socket| socket.queue.known());
        let full = self.all.iter().find_map(|socket| full_queue(socket));
        let drops: u64 = queues().map(|queue| u64::from(queue.drops)).sum();
        let drops = (drops > 0).then(|| format!("{drops} drops"));
        let parts: Vec<_> =
            full.map(|full| format!("queue {full}")).into_iter().chain(drops).collect();
        (!parts.is_empty()).then(|| parts.join(", "))
    }
}

/// What only sockets that share a port can have in common: network namespace, port, state, family, address, device,
/// `IPV6_V6ONLY`.
type Binding = (Option<String>, Endpoint, SocketState, Family, IpAddr, Option<u32>, Option<bool>);

fn binding(socket: &Socket) -> Binding {
    let device = socket.interface.known().map(|interface| interface.index);
    let v6_only = socket.v6_only.known().copied();
    let netns = socket.held.netns.clone();
    (netns, socket.endpoint(), socket.state, socket.family, socket.address, device, v6_only)
}

/// How many sockets each binding has.
pub(super) struct Sharing(BTreeMap<Binding, usize>);

impl Sharing {
    pub(super) fn of<'a>(sockets: impl IntoIterator<Item = &'a Socket>) -> Self {
        let mut counts = BTreeMap::new();
        for socket in sockets {
            *counts.entry(binding(socket)).or_default() += 1;
        }
        Self(counts)
    }

    /// How many serve at the binding of this socket, which is one of them.
    pub(super) fn with(&self, socket: &Socket) -> usize {
        self.0.get(&binding(socket)).copied().filter(|_| socket.state.serves()).unwrap_or(1)
    }
}

/// The accept queue of a TCP listener, as `129/128`, when it is full.
pub(super) fn full_queue(socket: &Socket) -> Option<String> {
    let listens = socket.transport == Transport::Tcp && socket.state == SocketState::Listen;
    match &socket.queue {
        Seen::Known(queue) if listens && queue.is_full() => {
            Some(format!("{}/{}", queue.length, queue.limit))
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::document::samples::{With, tcp, udp};

    #[test]
    fn one_program_that_shares_a_port_is_one_row() {
        let table = [
            (vec![tcp("::", 80).owned_by(7, "h2o"), tcp("::", 80).owned_by(8, "h2o")], 1),
            (vec![udp("0.0.0.0", 53).owned_by(7, "nsd"), udp("0.0.0.0", 53).owned_by(8, "nsd")], 1),
            // Near misses: another program, another address, another port, nobody known.
            (vec![udp("::", 5353).owned_by(7, "avahi"), udp("::", 5353).owned_by(8, "chrome")], 2),
            (vec![tcp("::", 80).owned_by(7, "h2o"), tcp("::1", 80).owned_by(8, "h2o")], 2),
            (vec![tcp("::", 80).owned_by(7, "h2o"), tcp("::", 81).owned_by(8, "h2o")], 2),
            (vec![tcp("::", 80).owned_by(7, "h2o"), tcp("::", 80)], 2),
        ];
        for (sockets, rows) in table {
            assert_eq!(Group::sharing_ports(&sockets).len(), rows, "{sockets:?}");
            let apart = Group::all(&sockets).len();
            assert_eq!(apart, 2, "for `who` they are two");
        }
    }
}
