//! How far a SYN to this host comes, by the counters of the network namespace: packets over `lo` are handled before
//! the call that sends them returns, so the counters around it show that packet and what answered it.

use super::connect::source_ports;
use crate::model::{Family, Passage, Transport};
use crate::sys::{self, ClientSocket};
use std::net::{Ipv4Addr, SocketAddr, UdpSocket};
use std::time::Duration;

/// So many tries must agree, since other traffic moves the counters too.
const AGREE: usize = 3;
/// How often it is tried.
const TRIES: usize = 8;
/// How long a datagram of ours to ourselves may take.
const ARRIVES_WITHIN: Duration = Duration::from_millis(20);

/// Sends a few SYNs to an address of this host, and tells what one of them caused; `None` where other traffic makes
/// that unknown.
#[must_use]
pub fn passage(to: SocketAddr) -> Option<Passage> {
    let mut seen: Vec<Passage> = Vec::new();
    for _ in 0..TRIES {
        let new = once(to)?;
        if seen.iter().filter(|old| **old == new).count() + 1 == AGREE {
            return Some(new);
        }
        seen.push(new);
    }
    None
}

/// Whether the kernel tracks connections here, also where none is left: a refused one it forgets at once. Where that
/// cannot be found out, it may.
#[must_use]
pub fn tracks_connections() -> bool {
    if sys::tracks_connections() || sys::conntrack_room().is_none() {
        return sys::tracks_connections();
    }
    let to_itself = || {
        let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0))?;
        socket.connect(socket.local_addr()?)?;
        socket.set_read_timeout(Some(ARRIVES_WITHIN))?;
        socket.send(&[])?;
        socket.recv(&mut [0])
    };
    to_itself().is_err() || sys::tracks_connections()
}

fn once(to: SocketAddr) -> Option<Passage> {
    let family = Family::of(to.ip());
    let socket = ClientSocket::new(Transport::Tcp, family, source_ports(to)).ok()?;
    socket.reset_at_end().ok()?;
    let before = sys::packet_counters(family)?;
    let _came = socket.connect(to, &[]);
    let after = sys::packet_counters(family)?;
    Some(Passage {
        sent: after.sent.wrapping_sub(before.sent),
        arrived: after.arrived.wrapping_sub(before.arrived),
        delivered: after.delivered.wrapping_sub(before.delivered),
        unsigned: after.unsigned.wrapping_sub(before.unsigned),
        overflowed: after.overflowed.wrapping_sub(before.overflowed),
    })
}
