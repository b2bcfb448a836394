//! What drops TCP probes at the listener that they reach: the counters of the socket and of TCP, read just before a SYN
//! is sent and just after. Over loopback it has been dropped when the send returns.

use super::diag;
use super::local::only_local;
use super::plan::Sources;
use crate::model::{DroppedBy, Family, Port, Target, Transport};
use crate::sys::{self, NetlinkSocket, Protocol, TcpAnswer, TcpProbe};
use crate::wire::netlink::AnswerError;
use crate::wire::sock_diag::state;
use std::io;

/// How many SYNs must tell the same.
const ROUNDS: usize = 3;

/// No room in a queue of the listener.
const OF_QUEUES: &[&str] = &["ListenDrops"];
/// A signature that lacks, is wrong or was not asked for.
const OF_SIGNATURES: &[&str] = &[
    "TCPMD5NotFound",
    "TCPMD5Unexpected",
    "TCPMD5Failure",
    "TCPAORequired",
    "TCPAOBad",
    "TCPAOKeyNotFound",
];
/// What else the kernel drops and counts at a socket before it opens a connection.
const OF_OTHERS: &[&str] = &["TCPMinTTLDrop", "TCPBacklogDrop", "PFMemallocDrop"];

/// The counters at one moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Counters {
    at_socket: u32,
    queues: u64,
    signatures: u64,
    others: u64,
}

/// Sends a few more SYNs to a port whose listener keeps silent, and looks what counts them.
///
/// # Errors
/// When there is no socket to send them from, or the kernel refuses to send them.
pub fn dropped_by(target: &Target, port: Port) -> io::Result<DroppedBy> {
    if only_local(vec![target.clone()]).0.is_empty() {
        return Err(io::Error::other("the address is not of this host any more"));
    }
    let mut netlink = NetlinkSocket::open(Protocol::SockDiag)?;
    let mut counters = || counters(&mut netlink, target, port).ok().flatten();
    let sources = Sources::new(sys::local_port_range(), &[port]);
    let mut rounds = Vec::new();
    for _ in 0..ROUNDS {
        let probe = TcpProbe::new(Family::of(target.address), sources.source(target, port))?;
        let before = [counters(), counters()];
        match probe.knock(target.at(port)) {
            TcpAnswer::Pending => rounds.push((before, counters())),
            TcpAnswer::Failed(error) => return Err(error),
            _ => return Ok(DroppedBy::Unknown),
        }
    }
    let told = rounds.into_iter().map(|([control, sent], end)| judge(control?, sent?, end?));
    Ok(same(told).unwrap_or(DroppedBy::Unknown))
}

/// What all of them say.
fn same(mut told: impl Iterator<Item = Option<DroppedBy>>) -> Option<DroppedBy> {
    let first = told.next()??;
    told.all(|other| other == Some(first)).then_some(first)
}

fn counters(
    netlink: &mut NetlinkSocket,
    target: &Target,
    port: Port,
) -> Result<Option<Counters>, AnswerError> {
    let to = target.at(port);
    let mut anyone = to;
    anyone.set_port(0);
    let row = diag::one(netlink, Transport::Tcp, to, anyone, target.device)?;
    let at_socket = row.filter(|row| row.state == state::LISTEN).and_then(|row| row.drops);
    let of_tcp = sys::tcp_counters([OF_QUEUES, OF_SIGNATURES, OF_OTHERS]);
    Ok(at_socket.zip(of_tcp).map(|(at_socket, [queues, signatures, others])| Counters {
        at_socket,
        queues,
        signatures,
        others: others + sys::ipsec_drops(),
    }))
}

/// What counted one SYN; `None` where the socket did not, and where something else moved.
fn judge(control: Counters, sent: Counters, end: Counters) -> Option<DroppedBy> {
    let by = |queues, signatures| Counters {
        at_socket: sent.at_socket.wrapping_add(1),
        queues: sent.queues + queues,
        signatures: sent.signatures + signatures,
        others: sent.others,
    };
    if control != sent {
        None
    } else if end == by(0, 0) {
        Some(DroppedBy::Filter)
    } else if end == by(1, 0) {
        Some(DroppedBy::Queue)
    } else if end == by(0, 1) {
        Some(DroppedBy::Signature)
    } else {
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_counters_that_rise_by_the_probe_alone_tell_what_dropped_it() {
        let at = |at_socket, queues, signatures, others| Counters {
            at_socket,
            queues,
            signatures,
            others,
        };
        let start = at(4, 5, 6, 7);
        let judged = |end| judge(start, start, end);
        assert_eq!(judged(at(5, 5, 6, 7)), Some(DroppedBy::Filter));
        assert_eq!(judged(at(5, 6, 6, 7)), Some(DroppedBy::Queue));
        assert_eq!(judged(at(5, 5, 7, 7)), Some(DroppedBy::Signature));
        for end in [start, at(6, 5, 6, 7), at(5, 6, 7, 7), at(5, 5, 6, 8), at(5, 7, 6, 7)] {
            assert_eq!(judged(end), None, "{end:?}");
        }
        assert_eq!(judge(at(3, 5, 6, 7), start, at(5, 5, 6, 7)), None, "not quiet before");
    }

    #[test]
    fn every_round_must_say_the_same() {
        let (queue, filter) = (Some(DroppedBy::Queue), Some(DroppedBy::Filter));
        assert_eq!(same([filter; 3].into_iter()), filter);
        assert_eq!(same([filter, queue, filter].into_iter()), None);
        assert_eq!(same([filter, None, filter].into_iter()), None);
        assert_eq!(same([].into_iter()), None);
    }
}
