//! How far a SYN to this host comes, by the counters of the network namespace: packets over `lo` are handled before
//! the call that sends them returns, so the counters around it show that packet and what answered it.

use super::plan::SourceHalves;
use crate::model::{Family, Passage, Port, Transport};
use crate::sys::{self, ClientSocket};
use std::net::SocketAddr;

/// So many tries must agree, since other traffic moves the counters too.
const AGREE: usize = 3;
/// How often it is tried.
const TRIES: usize = 8;

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

fn once(to: SocketAddr) -> Option<Passage> {
    let family = Family::of(to.ip());
    let ports = SourceHalves::new(sys::local_port_range()).avoiding(Port::new(to.port())?);
    let socket = ClientSocket::new(Transport::Tcp, family, ports).ok()?;
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
