//! Whether a UDP probe that nobody answered arrived: the counters of the socket and of the namespace around three
//! more probes. Each must move them at once, and nothing may move them in the quiet before each. The quiets
//! differ in length, so that other traffic at a steady pace cannot keep step with the probes.

use super::local::only_local;
use super::payload::payload;
use super::plan::SourceHalves;
use crate::model::{Delivery, Family, Port, Target, Transport};
use crate::sys::{self, NetlinkSocket, Protocol, UdpAnswer, UdpProbe};
use crate::wire::netlink::{self, AnswerError};
use crate::wire::sock_diag;
use std::io;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

/// How long the counters must be quiet before each probe, in milliseconds. With [`REACTION`] after each, no period
/// of other traffic fits all three.
const QUIETS: [u32; 3] = [6, 13, 20];
/// How long a program has to read a datagram.
const REACTION: Duration = Duration::from_millis(5);
/// Where something moved and proved nothing, a program may be slow: a second attempt takes so many times as long.
const PATIENCE: [u32; 2] = [1, 3];
/// How often the counters are read meanwhile.
const TICK: Duration = Duration::from_millis(1);

/// The counters at one moment; `None` where one could not be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Counters {
    /// Bytes in the socket's receive queue.
    queued: Option<u32>,
    /// Datagrams dropped at the socket.
    dropped: Option<u32>,
    /// Datagrams that the programs of the namespace have received.
    received: Option<u64>,
}

/// Sends more probes to a port that is silent, and looks whether they arrive.
///
/// # Errors
/// When there is no socket to send them from, or the kernel refuses to send them.
pub fn delivery(target: &Target, port: Port) -> io::Result<Delivery> {
    if only_local(vec![target.clone()]).0.is_empty() {
        return Err(io::Error::other("the address is not of this host any more"));
    }
    let mut netlink = NetlinkSocket::open(Protocol::SockDiag)?;
    let mut delivery = Delivery::Unseen;
    for patience in PATIENCE {
        delivery = attempt(&mut netlink, target, port, patience)?;
        if delivery != Delivery::Noisy {
            break;
        }
    }
    Ok(delivery)
}

fn attempt(
    netlink: &mut NetlinkSocket,
    target: &Target,
    port: Port,
    patience: u32,
) -> io::Result<Delivery> {
    let to = target.at(port);
    let halves = SourceHalves::new(sys::local_port_range());
    let probe = UdpProbe::new(Family::of(target.address), halves.avoiding(port))?;
    probe.point(to)?;
    let from = probe.source()?;
    let mut read = || counters(netlink, target, to, from);
    let mut rounds = Vec::new();
    let mut start = read();
    for quiet in QUIETS {
        sys::pause(Duration::from_millis((quiet * patience).into()));
        let sent = read();
        match probe.knock(to, payload(port)) {
            UdpAnswer::Pending => {}
            UdpAnswer::Payload(_) => return Ok(Delivery::Replied),
            UdpAnswer::Icmp(_) => return Ok(Delivery::Unseen),
            UdpAnswer::NotSent => return Err(io::ErrorKind::PermissionDenied.into()),
            UdpAnswer::Failed(error) => return Err(error),
        }
        let sent_at = Instant::now();
        let mut end = read();
        while sent_at.elapsed() < REACTION * patience && !end.was_read_since(sent) {
            if !sys::wait_readable([&probe].into_iter(), TICK).is_empty()
                && let UdpAnswer::Payload(_) = probe.look(to)
            {
                return Ok(Delivery::Replied);
            }
            end = read();
        }
        rounds.push(Round { start, sent, end });
        start = end;
    }
    Ok(judge(&rounds))
}

/// The counters around one probe.
#[derive(Debug, Clone, Copy)]
struct Round {
    /// Before the quiet.
    start: Counters,
    /// After it, when the probe was sent.
    sent: Counters,
    /// After the reaction.
    end: Counters,
}

impl Counters {
    /// Whether a program has read a datagram since, and none waits that did not wait then: no need to wait on.
    fn was_read_since(self, before: Self) -> bool {
        self.received > before.received && self.queued <= before.queued
    }
}

/// What the counters around the probes say.
fn judge(rounds: &[Round]) -> Delivery {
    let queue = |counters: &Counters| (counters.queued, counters.dropped);
    let queue_was_quiet = rounds.iter().all(|round| queue(&round.start) == queue(&round.sent));
    let queue_never_moved = rounds.iter().all(|round| queue(&round.sent) == queue(&round.end));
    let queue_rose = rounds.iter().all(|Round { sent, end, .. }| {
        sent.queued.is_some() && (end.queued > sent.queued || end.dropped > sent.dropped)
    });
    let received = |by: u64| {
        rounds.iter().all(|Round { start, sent, end }| {
            match (start.received, sent.received, end.received) {
                (Some(start), Some(sent), Some(end)) => {
                    start == sent && end == sent.wrapping_add(by)
                }
                _ => false,
            }
        })
    };
    match queue_was_quiet {
        true if queue_rose => Delivery::Queued,
        _ if received(1) => Delivery::Read,
        true if queue_never_moved && received(0) => Delivery::Unseen,
        _ => Delivery::Noisy,
    }
}

fn counters(
    netlink: &mut NetlinkSocket,
    target: &Target,
    to: SocketAddr,
    from: SocketAddr,
) -> Counters {
    let row = socket_behind(netlink, target, to, from).ok().flatten();
    Counters {
        queued: row.as_ref().map(|row| row.receive_queue),
        dropped: row.as_ref().and_then(|row| row.drops),
        received: sys::udp_datagrams_received(Family::of(target.address)),
    }
}

/// The socket that the kernel would deliver our datagram to.
fn socket_behind(
    netlink: &mut NetlinkSocket,
    target: &Target,
    to: SocketAddr,
    from: SocketAddr,
) -> Result<Option<sock_diag::Row>, AnswerError> {
    let mut row = None;
    let seq = netlink.next_seq();
    let mut answer = netlink::Answer::entry(seq);
    let request = sock_diag::lookup(Transport::Udp, to, from, target.arrival_device(), seq);
    netlink.converse(&request, |datagram| {
        answer.take(datagram, |_, payload| row = sock_diag::row(payload))
    })?;
    Ok(row)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// (bytes queued, datagrams dropped, datagrams received)
    type At = (u32, u32, u64);

    /// Rounds of the counters at the start, and then when each probe was sent and when its time was over.
    fn judged(start: At, rounds: [(At, At); 3]) -> Delivery {
        let at = |(queued, dropped, received): At| Counters {
            queued: Some(queued),
            dropped: Some(dropped),
            received: Some(received),
        };
        let mut start = at(start);
        judge(&rounds.map(|(sent, end)| {
            let round = Round { start, sent: at(sent), end: at(end) };
            start = round.end;
            round
        }))
    }

    #[test]
    fn only_counters_that_were_quiet_before_each_probe_count() {
        let idle = (0, 0, 5);
        let table = [
            (
                "queued",
                [(idle, (7, 0, 5)), ((7, 0, 5), (14, 0, 5)), ((14, 0, 5), (21, 0, 5))],
                Delivery::Queued,
            ),
            (
                "full",
                [(idle, (0, 1, 5)), ((0, 1, 5), (0, 2, 5)), ((0, 2, 5), (0, 3, 5))],
                Delivery::Queued,
            ),
            (
                "read",
                [(idle, (0, 0, 6)), ((0, 0, 6), (0, 0, 7)), ((0, 0, 7), (0, 0, 8))],
                Delivery::Read,
            ),
            (
                "one lost",
                [(idle, (0, 0, 6)), ((0, 0, 6), (0, 0, 6)), ((0, 0, 6), (0, 0, 7))],
                Delivery::Noisy,
            ),
            (
                "too many",
                [(idle, (0, 0, 8)), ((0, 0, 8), (0, 0, 9)), ((0, 0, 9), (0, 0, 10))],
                Delivery::Noisy,
            ),
            (
                "not quiet",
                [(idle, (0, 0, 6)), ((0, 0, 7), (0, 0, 8)), ((0, 0, 8), (0, 0, 9))],
                Delivery::Noisy,
            ),
            (
                "one queued",
                [(idle, (7, 0, 5)), ((7, 0, 5), (7, 0, 5)), ((7, 0, 5), (7, 0, 5))],
                Delivery::Noisy,
            ),
            ("dropped", [(idle, idle); 3], Delivery::Unseen),
        ];
        for (name, rounds, expected) in table {
            assert_eq!(judged(idle, rounds), expected, "{name}");
        }
        let busy = [((9, 0, 5), (18, 0, 5)), ((27, 0, 5), (36, 0, 5)), ((45, 0, 5), (54, 0, 5))];
        assert_eq!(judged(idle, busy), Delivery::Noisy, "others fill the same queue");
    }

    #[test]
    fn counters_that_cannot_be_read_prove_nothing() {
        let blind = Counters { queued: None, dropped: None, received: None };
        assert_eq!(judge(&[Round { start: blind, sent: blind, end: blind }; 3]), Delivery::Noisy);
    }

    #[test]
    fn no_steady_pace_of_other_traffic_fits_every_probe() {
        let reaction = u32::try_from(REACTION.as_millis()).unwrap();
        for period in 1..1000 {
            // After a datagram in one reaction, the next must fall into the next reaction.
            let fits = |quiet: &u32| (*quiet..=quiet + reaction).contains(&period);
            assert!(!QUIETS.iter().skip(1).all(fits), "{period} ms");
        }
    }
}
