//! Whether UDP probes that nobody answered arrived, by the counters around more probes.
//!
//! First the counters of the socket itself, read just before a datagram is sent and just after: over loopback it is
//! in the queue when the send returns. Nothing else may move them in a window as short as that without a send.
//!
//! A program may have read it by then. So next the namespace's count of received datagrams: it must rise by one
//! soon after each probe, and be quiet before each. The quiets differ in length, so that other traffic at a steady
//! pace cannot keep step with the probes.
//!
//! The quiets take time. That nothing moves shows for many ports at once, when each of them got its probe. That
//! something moves shows for one port alone: what it received, its program may have handed on to another.

mod counters;

use super::diag;
use super::local::only_local;
use super::payload::payload;
use super::plan::Sources;
use super::share::Progress;
use crate::model::{Delivery, Family, Port, Target, Transport};
use crate::sys::{self, NetlinkSocket, Protocol, UdpAnswer, UdpProbe};
use crate::wire::netlink::AnswerError;
use crate::wire::sock_diag::Row;
use counters::{AtSocket, Counters, Round, judge};
use std::io;
use std::slice;
use std::time::{Duration, Instant};

/// How long the counters must be quiet before each probe, in milliseconds. With [`REACTION`] after each, no period
/// of other traffic fits all three.
const QUIETS: [u32; 3] = [6, 13, 20];
/// How often a datagram must be seen in the socket's queue, and how often it may be missed: a program may be quicker than
/// we. After each miss one more is sent at once, so that it has more to read.
const QUEUE_ROUNDS: usize = 5;
const QUEUE_MISSES: usize = 6;
/// How long the socket must be left alone before that: longer than it takes to send and to look. And how often it is
/// waited for while a program reads.
const REST: Duration = Duration::from_micros(100);
const RESTS: u32 = 20;
/// How long a program has to read a datagram.
const REACTION: Duration = Duration::from_millis(5);
/// How many times as long all of this takes.
const PATIENCE: u32 = 1;
/// Where something moved and proved nothing, a program may be slow: so it is with a second attempt.
const MORE_PATIENCE: u32 = 3;
/// How often the counters are read meanwhile.
const TICK: Duration = Duration::from_millis(1);

/// Sends more probes to silent ports, and looks whether they arrive; or why that cannot be seen: there is no socket
/// to send them from, or the kernel refuses to send them. A port that is not among them was not looked into, because
/// `progress` says to stop.
#[must_use]
pub fn deliveries(
    ports: &[(Target, Port)],
    progress: &Progress,
) -> Vec<(Target, Port, io::Result<Delivery>)> {
    let mut found = Found { deliveries: Vec::new(), progress };
    let mut moved = Vec::new();
    // The counts of received datagrams are those of a family.
    let mut still = [Family::Ipv4, Family::Ipv6].map(|_| Vec::new());
    for (target, port) in ports {
        if progress.stopped() {
            return found.deliveries;
        }
        let looked = Knocker::new(target, *port).and_then(|mut knocker| {
            let at_the_socket = knocker.queue(progress)?;
            Ok((knocker, at_the_socket))
        });
        let [still_v4, still_v6] = &mut still;
        match looked {
            Ok((_, Arrival::Seen(delivery))) => found.push(target, *port, Ok(delivery)),
            Ok((knocker, Arrival::SomethingMoved)) => moved.push(knocker),
            Ok((knocker, Arrival::NothingMoved)) if target.address.is_ipv4() => {
                still_v4.push(knocker);
            }
            Ok((knocker, Arrival::NothingMoved)) => still_v6.push(knocker),
            Err(error) => found.push(target, *port, Err(error)),
        }
    }
    for knockers in still {
        found.settle(knockers);
    }
    for knocker in moved {
        found.settle(vec![knocker]);
    }
    found.deliveries
}

/// What was found out of each port.
struct Found<'a> {
    deliveries: Vec<(Target, Port, io::Result<Delivery>)>,
    progress: &'a Progress,
}

impl Found<'_> {
    fn push(&mut self, target: &Target, port: Port, delivery: io::Result<Delivery>) {
        self.deliveries.push((target.clone(), port, delivery));
    }

    /// Looks whether programs read datagrams at these ports of one family: at all of them together, where none does, and
    /// else at the halves.
    fn settle(&mut self, mut knockers: Vec<Knocker<'_>>) {
        while !knockers.is_empty() && !self.progress.stopped() {
            let mut told = reads(&mut knockers, PATIENCE, self.progress);
            let alone = knockers.len() == 1;
            if alone && matches!(told, Told::OfAll(Delivery::Noisy)) {
                told = reads(&mut knockers, MORE_PATIENCE, self.progress);
            }
            match told {
                Told::OfOne(index, delivery) => {
                    let knocker = knockers.swap_remove(index);
                    self.push(knocker.target, knocker.port, delivery);
                }
                Told::OfAll(Delivery::Noisy) if !alone => {
                    let others = knockers.split_off(knockers.len() / 2);
                    self.settle(knockers);
                    knockers = others;
                }
                Told::OfAll(delivery) => {
                    for knocker in knockers.drain(..) {
                        self.push(knocker.target, knocker.port, Ok(delivery));
                    }
                }
            }
        }
    }
}

/// What a look at a socket shows.
enum Arrival {
    /// It is settled.
    Seen(Delivery),
    /// Not that each datagram arrived there, but something else.
    SomethingMoved,
    /// Nothing.
    NothingMoved,
}

/// What a look at several ports shows.
enum Told {
    /// This one is settled, and nothing is known of the others.
    OfOne(usize, io::Result<Delivery>),
    /// The same of all.
    OfAll(Delivery),
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
        if only_local(vec![target.clone()]).0.is_empty() {
            return Err(io::Error::other("the address is not of this host any more"));
        }
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

    /// Whether datagrams are in the socket's queue, or dropped there, as soon as they are sent, and nothing ever comes
    /// there in more time without a send.
    fn queue(&mut self, progress: &Progress) -> io::Result<Arrival> {
        let (mut seen, mut missed) = (0, 0);
        while seen < QUEUE_ROUNDS {
            let datagrams = 1 + missed;
            progress.take_turns(datagrams);
            let Some(sent) = self.at_rest() else { return self.first_impression() };
            for _ in 0..datagrams {
                if let Some(delivery) = self.knock()? {
                    return Ok(Arrival::Seen(delivery));
                }
            }
            if sent.rose_to(self.at_the_socket()) {
                seen += 1;
            } else {
                missed += 1;
            }
            if missed > QUEUE_MISSES {
                return self.first_impression();
            }
        }
        Ok(Arrival::Seen(Delivery::Queued))
    }

    /// The counters of the socket when they have not moved for a while; `None` when something comes there that is not ours,
    /// or the program takes long to read what is there.
    fn at_rest(&mut self) -> Option<AtSocket> {
        let mut before = self.at_the_socket();
        for _ in 0..RESTS {
            sys::pause(REST);
            let now = self.at_the_socket();
            if before == now {
                return Some(now);
            }
            if before.rose_to(now) {
                return None;
            }
            before = now;
        }
        None
    }

    /// Whether anything moves after a probe: no evidence, but it tells which ports to look at together.
    fn first_impression(&mut self) -> io::Result<Arrival> {
        sys::pause(TICK);
        let before = count(slice::from_mut(self));
        let settled = self.knock()?;
        sys::pause(TICK);
        Ok(match settled {
            Some(delivery) => Arrival::Seen(delivery),
            None if count(slice::from_mut(self)) == before => Arrival::NothingMoved,
            None => Arrival::SomethingMoved,
        })
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

/// Whether a program reads each of a few datagrams to a port, or whether none is read of those to several.
fn reads(knockers: &mut [Knocker<'_>], patience: u32, progress: &Progress) -> Told {
    let mut rounds = Vec::new();
    let mut start = count(knockers);
    for quiet in QUIETS {
        progress.take_turns(knockers.len());
        sys::pause(Duration::from_millis((quiet * patience).into()));
        let sent = count(knockers);
        for (index, knocker) in knockers.iter_mut().enumerate() {
            if let Some(settled) = knocker.knock().transpose() {
                return Told::OfOne(index, settled);
            }
        }
        let sent_at = Instant::now();
        let mut end = count(knockers);
        while sent_at.elapsed() < REACTION * patience && !end.was_read_since(&sent) {
            let probes = knockers.iter().map(|knocker| &knocker.probe);
            for index in sys::wait_readable(probes, TICK) {
                if let Some(knocker) = knockers.get(index)
                    && let UdpAnswer::Payload(_) =
                        knocker.probe.look(knocker.target.at(knocker.port))
                {
                    return Told::OfOne(index, Ok(Delivery::Replied));
                }
            }
            end = count(knockers);
        }
        rounds.push(Round { start, sent, end: end.clone() });
        if judge(&rounds) == Delivery::Noisy {
            return Told::OfAll(Delivery::Noisy);
        }
        start = end;
    }
    Told::OfAll(judge(&rounds))
}

/// Reads the counters for these ports of one family.
fn count(knockers: &mut [Knocker<'_>]) -> Counters {
    let family = knockers.first().map(|knocker| Family::of(knocker.target.address));
    Counters {
        sockets: knockers.iter_mut().map(Knocker::at_the_socket).collect(),
        received: family.and_then(sys::udp_datagrams_received),
    }
}
