//! Sockets that are one thing to a reader: the same port and state, held by the same processes.

use crate::model::{Endpoint, Owner, Seen, Socket, SocketState, Transport, Unit};
use std::collections::BTreeMap;

/// Who holds a socket, as far as grouping goes.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
enum Holder {
    /// These processes, in order.
    Known(Vec<u32>),
    /// Nobody that was found: the reason, the user who made the socket, and what manages it.
    Unknown(Option<&'static str>, u32, Option<Unit>, Option<String>),
}

impl Holder {
    fn of(socket: &Socket) -> Self {
        if socket.owners.is_empty() {
            let reason = socket.owners_unknown.as_ref().map(|unknown| unknown.reason.name());
            let id = socket.container.known().and_then(|container| container.id.known());
            return Self::Unknown(reason, socket.uid, socket.unit.known().cloned(), id.cloned());
        }
        let mut pids: Vec<_> = socket.owners.iter().map(|owner| owner.process.pid).collect();
        pids.sort_unstable();
        Self::Known(pids)
    }
}

/// Sockets of one port in one state, held by the same processes.
#[derive(Debug)]
pub(super) struct Group<'a> {
    first: &'a Socket,
    all: Vec<&'a Socket>,
}

impl<'a> Group<'a> {
    /// The sockets in groups, ordered by port.
    pub(super) fn all(sockets: &'a [Socket]) -> Vec<Self> {
        let mut groups: BTreeMap<(Endpoint, SocketState, Holder), Self> = BTreeMap::new();
        for socket in sockets {
            groups
                .entry((socket.endpoint(), socket.state, Holder::of(socket)))
                .or_insert_with(|| Self { first: socket, all: Vec::new() })
                .all
                .push(socket);
        }
        groups.into_values().collect()
    }

    /// A socket that stands for all in what they have in common: port, state, service and owners.
    pub(super) fn first(&self) -> &'a Socket {
        self.first
    }

    /// The sockets, the first included.
    pub(super) fn sockets(&self) -> &[&'a Socket] {
        &self.all
    }

    pub(super) fn listener(&self) -> Option<&'a Owner> {
        self.first.owners.first()
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
