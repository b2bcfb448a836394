//! Whether a UDP probe that nobody answered arrived, by the counters around more probes.
//!
//! First the counters of the socket itself, read just before a datagram is sent and just after: over loopback it is
//! in the queue when the send returns. Nothing else may move them in a window as short as that without a send.
//!
//! A program may have read it by then. So next the namespace's count of received datagrams: it must rise by one
//! soon after each probe, and be quiet before each. The quiets differ in length, so that other traffic at a steady
//! pace cannot keep step with the probes.

use super::diag;
use super::local::only_local;
use super::payload::payload;
use super::plan::Sources;
use crate::model::{Delivery, Family, Port, Target, Transport};
use crate::sys::{self, NetlinkSocket, Protocol, UdpAnswer, UdpProbe};
use crate::wire::netlink::AnswerError;
use crate::wire::sock_diag::Row;
use std::io;
use std::time::{Duration, Instant};

/// How long the counters must be quiet before each probe, in milliseconds. With [`REACTION`] after each, no period
/// of other traffic fits all three.
const QUIETS: [u32; 3] = [6, 13, 20];
/// How many datagrams must be seen in the socket's queue.
const QUEUE_ROUNDS: u32 = 5;
/// How long a program has to read a datagram.
const REACTION: Duration = Duration::from_millis(5);
/// Where something moved and proved nothing, a program may be slow: a second attempt takes so many times as long.
const PATIENCE: [u32; 2] = [1, 3];
/// How often the counters are read meanwhile.
const TICK: Duration = Duration::from_millis(1);

/// The counters of a socket at one moment; `None` where one could not be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct AtSocket {
    /// Bytes in its receive queue.
    queued: Option<u32>,
    /// Datagrams dropped at it.
    dropped: Option<u32>,
}

/// The counters at one moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Counters {
    socket: AtSocket,
    /// Datagrams that the programs of the namespace have received, where that can be read.
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
    let mut knocker = Knocker::new(target, port)?;
    let at_the_socket = knocker.queue()?;
    if let Some(delivery) = at_the_socket {
        return Ok(delivery);
    }
    let mut delivery = Delivery::Unseen;
    for patience in PATIENCE {
        delivery = knocker.reads(patience)?;
        if delivery != Delivery::Noisy {
            break;
        }
    }
    Ok(delivery)
}

/// A probe of one port, with the counters around it.
struct Knocker<'a> {
    target: &'a Target,
    port: Port,
    probe: UdpProbe,
    netlink: NetlinkSocket,
}

impl<'a> Knocker<'a> {
    fn new(target: &'a Target, port: Port) -> io::Result<Self> {
        let sources = Sources::new(sys::local_port_range(), &[port]);
        let probe = UdpProbe::new(Family::of(target.address), sources.source(target, port))?;
        probe.point(target.at(port))?;
        Ok(Self { target, port, probe, netlink: NetlinkSocket::open(Protocol::SockDiag)? })
    }

    /// Sends a datagram. `Some` is an answer that ends the matter.
    fn knock(&mut self) -> io::Result<Option<Delivery>> {
        match self.probe.knock(self.target.at(self.port), payload(self.port)) {
            UdpAnswer::Pending => Ok(None),
            UdpAnswer::Payload(_) => Ok(Some(Delivery::Replied)),
            UdpAnswer::Icmp(_) => Ok(Some(Delivery::Unseen)),
            UdpAnswer::NotSent => Err(io::ErrorKind::PermissionDenied.into()),
            UdpAnswer::Failed(error) => Err(error),
        }
    }

    /// Whether each of a few datagrams is in the socket's queue, or dropped there, as soon as it is sent.
    fn queue(&mut self) -> io::Result<Option<Delivery>> {
        for _ in 0..QUEUE_ROUNDS {
            let control = self.at_the_socket();
            let sent = self.at_the_socket();
            if let Some(delivery) = self.knock()? {
                return Ok(Some(delivery));
            }
            let end = self.at_the_socket();
            if control.rose_to(sent) || !sent.rose_to(end) {
                return Ok(None);
            }
        }
        Ok(Some(Delivery::Queued))
    }

    /// Whether a program reads each of a few datagrams.
    fn reads(&mut self, patience: u32) -> io::Result<Delivery> {
        let to = self.target.at(self.port);
        let mut rounds = Vec::new();
        let mut start = self.counters();
        for quiet in QUIETS {
            sys::pause(Duration::from_millis((quiet * patience).into()));
            let sent = self.counters();
            if let Some(delivery) = self.knock()? {
                return Ok(delivery);
            }
            let sent_at = Instant::now();
            let mut end = self.counters();
            while sent_at.elapsed() < REACTION * patience && !end.was_read_since(sent) {
                if !sys::wait_readable([&self.probe].into_iter(), TICK).is_empty()
                    && let UdpAnswer::Payload(_) = self.probe.look(to)
                {
                    return Ok(Delivery::Replied);
                }
                end = self.counters();
            }
            rounds.push(Round { start, sent, end });
            start = end;
        }
        Ok(judge(&rounds))
    }

    fn counters(&mut self) -> Counters {
        Counters {
            socket: self.at_the_socket(),
            received: sys::udp_datagrams_received(Family::of(self.target.address)),
        }
    }

    fn at_the_socket(&mut self) -> AtSocket {
        let row = self.socket_behind().ok().flatten();
        AtSocket {
            queued: row.as_ref().map(|row| row.receive_queue),
            dropped: row.as_ref().and_then(|row| row.drops),
        }
    }

    /// The socket that the kernel would deliver our datagram to.
    fn socket_behind(&mut self) -> Result<Option<Row>, AnswerError> {
        let (to, from) = (self.target.at(self.port), self.probe.source()?);
        diag::one(&mut self.netlink, Transport::Udp, to, from, self.target.device)
    }
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

impl AtSocket {
    /// Whether the socket got a datagram in between, into its queue or past it.
    fn rose_to(self, after: Self) -> bool {
        self.queued.is_some() && (after.queued > self.queued || after.dropped > self.dropped)
    }
}

impl Counters {
    /// Whether a program has read a datagram since, and none waits that did not wait then: no need to wait on.
    fn was_read_since(self, before: Self) -> bool {
        self.received > before.received && self.socket.queued <= before.socket.queued
    }
}

/// What the counters around the probes say of a program that reads.
fn judge(rounds: &[Round]) -> Delivery {
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
    let nothing_moved = rounds
        .iter()
        .all(|Round { start, sent, end }| start.socket == sent.socket && sent.socket == end.socket);
    if received(1) {
        Delivery::Read
    } else if nothing_moved && received(0) {
        Delivery::Unseen
    } else {
        Delivery::Noisy
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// (bytes queued, datagrams dropped, datagrams received)
    type At = (u32, u32, u64);

    /// Rounds of the counters at the start, and then when each probe was sent and when its time was over.
    fn judged(start: At, rounds: [(At, At); 3]) -> Delivery {
        let at = |(queued, dropped, received): At| Counters {
            socket: AtSocket { queued: Some(queued), dropped: Some(dropped) },
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
                "queued by others",
                [(idle, (7, 0, 5)), ((7, 0, 5), (14, 0, 5)), ((14, 0, 5), (21, 0, 5))],
                Delivery::Noisy,
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
    fn a_socket_got_a_datagram_when_its_queue_or_its_drops_rose() {
        let at = |queued, dropped| AtSocket { queued, dropped };
        assert!(at(Some(0), Some(0)).rose_to(at(Some(7), Some(0))));
        assert!(at(Some(9), Some(3)).rose_to(at(Some(9), Some(4))), "a full queue");
        assert!(!at(Some(7), Some(0)).rose_to(at(Some(0), Some(0))), "read");
        assert!(!at(Some(7), Some(0)).rose_to(at(Some(7), Some(0))));
        assert!(!at(None, None).rose_to(at(Some(7), Some(0))), "not known before");
    }

    #[test]
    fn counters_that_cannot_be_read_prove_nothing() {
        let unread = AtSocket { queued: None, dropped: None };
        let blind = Counters { socket: unread, received: None };
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
