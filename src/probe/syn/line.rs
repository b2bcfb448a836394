//! The seam between SYNs and the sockets that carry them.

use crate::model::{Answer, Family, Icmp, Port, TakenBy, Target};
use crate::probe::plan::source_address;
use crate::sys::{Heard, RawPacket, RawReceiver, RawSender, Sent, Source};
use crate::wire::packet::{self, ReplyKind, Syn, SynTemplate};
use std::collections::hash_map::RandomState;
use std::hash::BuildHasher as _;
use std::io;
use std::net::SocketAddr;
use std::time::Duration;

/// One port, the SYNs that are sent from it to the ports of one address, and what comes back.
pub(super) trait Line {
    /// Sends from the port.
    type Sender: Sender + Send;

    /// Where SYNs are sent from.
    fn source(&self) -> SocketAddr;

    /// A sender; each thread has one of its own.
    fn sender(&self) -> io::Result<Self::Sender>;

    /// Takes the answers that have come so far.
    fn hear(&mut self, take: &mut dyn FnMut(Port, Answer));

    /// Waits until something comes, or until `time` is over.
    fn wait(&self, time: Duration);

    /// How many packets came and found no room, since this was asked last.
    fn lost(&mut self) -> u32;
}

/// A way to send SYNs.
pub(super) trait Sender {
    /// Sends a SYN to each port, and stops at the first that the kernel does not take.
    fn send(&mut self, ports: &[Port]) -> Sent;
}

/// Room for the answers to many batches, in bytes: the kernel charges some 800 for each. A socket has 208 KiB by
/// default.
pub(super) const ROOM: usize = 4 << 20;

/// A line of raw sockets.
#[derive(Debug)]
pub(super) struct RawLine {
    receiver: RawReceiver,
    to: SocketAddr,
    template: SynTemplate,
    family: Family,
    key: Key,
}

/// What sequence numbers are made of. Nobody else knows it, so only who saw a SYN of ours can answer with its number.
#[derive(Debug, Clone)]
struct Key(RandomState);

impl Key {
    /// The sequence number of the SYN to a port.
    fn sequence(&self, port: Port) -> u32 {
        let [a, b, c, d, ..] = self.0.hash_one(port).to_ne_bytes();
        u32::from_ne_bytes([a, b, c, d])
    }
}

impl RawLine {
    pub(super) fn open(target: &Target) -> io::Result<Self> {
        Self::with_room(target, ROOM)
    }

    /// Opens a line with so many bytes of room for the answers.
    pub(super) fn with_room(target: &Target, room: usize) -> io::Result<Self> {
        let source = Source { address: source_address(target), ports: None };
        // A raw socket looks at the address only.
        let to = target.at(Port::new(1).ok_or(io::ErrorKind::InvalidInput)?);
        let receiver = RawReceiver::open(source, to, room)?;
        let source = receiver.source();
        let template = SynTemplate::new(source.ip(), source.port(), target.address)
            .ok_or(io::ErrorKind::AddrNotAvailable)?;
        let family = Family::of(target.address);
        Ok(Self { receiver, to, template, family, key: Key(RandomState::new()) })
    }
}

/// What follows the IP header, which a raw socket leaves out over IPv6.
fn payload(family: Family, bytes: &[u8]) -> Option<&[u8]> {
    match family {
        Family::Ipv4 => packet::ipv4_payload(bytes),
        Family::Ipv6 => Some(bytes),
    }
}

impl Line for RawLine {
    type Sender = RawLineSender;

    fn source(&self) -> SocketAddr {
        self.receiver.source()
    }

    fn sender(&self) -> io::Result<RawLineSender> {
        let sender = RawSender::open(self.source(), self.to)?;
        let (template, key) = (self.template.clone(), self.key.clone());
        Ok(RawLineSender { sender, template, key, syns: Vec::new() })
    }

    fn hear(&mut self, take: &mut dyn FnMut(Port, Answer)) {
        let our_port = self.source().port();
        let Self { receiver, family, key, .. } = self;
        receiver.hear(|Heard { from, packet }| {
            let reply = match packet {
                RawPacket::Tcp(bytes) => {
                    payload(*family, bytes).and_then(|segment| packet::tcp_reply(segment, our_port))
                }
                RawPacket::Icmp(bytes) => payload(*family, bytes)
                    .and_then(|message| packet::icmp_reply(*family, message, our_port)),
            };
            if let Some(reply) = reply.filter(|reply| reply.sequence == key.sequence(reply.port)) {
                let answer = match reply.kind {
                    ReplyKind::SynAck => Answer::SynAck(TakenBy::HalfOpen),
                    ReplyKind::Reset => Answer::Rst,
                    ReplyKind::Icmp(kind, code) => {
                        Answer::Icmp(Icmp { kind, code, from: Some(from) })
                    }
                };
                take(reply.port, answer);
            }
        });
    }

    fn wait(&self, time: Duration) {
        self.receiver.wait(time);
    }

    fn lost(&mut self) -> u32 {
        self.receiver.lost().unwrap_or(0)
    }
}

/// A sender of a line of raw sockets.
#[derive(Debug)]
pub(super) struct RawLineSender {
    sender: RawSender,
    template: SynTemplate,
    key: Key,
    syns: Vec<Syn>,
}

impl Sender for RawLineSender {
    fn send(&mut self, ports: &[Port]) -> Sent {
        let syn = |port: &Port| self.template.syn(*port, self.key.sequence(*port));
        self.syns.clear();
        self.syns.extend(ports.iter().map(syn));
        self.sender.send(&self.syns)
    }
}
