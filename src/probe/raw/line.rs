//! The seam between probes and the sockets that carry them.

use crate::model::{Answer, Family, Icmp, Port, TakenBy, Target, Transport};
use crate::probe::diag;
use crate::probe::payload::payload;
use crate::probe::plan::source_address;
use crate::sys::{Heard, NetlinkSocket, Protocol, RawPacket, RawReceiver, RawSender, Sent};
use crate::wire::netlink::AnswerError;
use crate::wire::packet::{self, ReplyKind, Syn, SynTemplate};
use std::collections::hash_map::RandomState;
use std::hash::BuildHasher as _;
use std::io;
use std::net::SocketAddr;
use std::time::Duration;

/// One port, the probes that are sent from it to the ports of one address, and what comes back.
pub(super) trait Line {
    /// Sends from the port.
    type Sender: Sender + Send;

    /// Where probes are sent from.
    fn source(&self) -> SocketAddr;

    /// A sender; each thread has one of its own.
    fn sender(&self) -> io::Result<Self::Sender>;

    /// Takes the answers that have come so far.
    fn hear(&mut self, take: &mut dyn FnMut(Port, Answer));

    /// Waits until something comes, or until `time` is over.
    fn wait(&self, time: Duration);

    /// Ends what the probes have left half open.
    fn hang_up(&mut self);

    /// How many packets came and found no room, since this was asked last.
    fn lost(&mut self) -> u32;
}

/// A way to send probes.
pub(super) trait Sender {
    /// Sends a probe to each port, and stops at the first that the kernel does not take.
    fn send(&mut self, ports: &[Port]) -> Sent;
}

/// Room for the answers to many batches, in bytes: the kernel charges some 800 for each. A socket has 208 KiB by
/// default.
pub(super) const ROOM: usize = 4 << 20;

/// A line of raw sockets.
#[derive(Debug)]
pub(super) struct RawLine {
    receiver: RawReceiver,
    target: Target,
    speech: Speech,
    /// The ports that would open a connection, and the sequence number of each.
    opened: Vec<(Port, u32)>,
}

/// What is said to a port.
#[derive(Debug, Clone)]
enum Speech {
    /// A TCP SYN.
    Syn(SynTemplate, Key),
    /// A UDP datagram.
    Datagram,
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
    pub(super) fn open(target: &Target, transport: Transport) -> io::Result<Self> {
        Self::with_room(target, transport, ROOM)
    }

    /// Opens a line with so many bytes of room for the answers.
    pub(super) fn with_room(
        target: &Target,
        transport: Transport,
        room: usize,
    ) -> io::Result<Self> {
        // The sockets look at the address only.
        let to = target.at(Port::new(1).ok_or(io::ErrorKind::InvalidInput)?);
        let receiver = RawReceiver::open(transport, source_address(target), to, room)?;
        let source = receiver.source();
        let speech = if transport == Transport::Udp {
            Speech::Datagram
        } else {
            let template = SynTemplate::new(source.ip(), source.port(), target.address)
                .ok_or(io::ErrorKind::AddrNotAvailable)?;
            Speech::Syn(template, Key(RandomState::new()))
        };
        Ok(Self { receiver, target: target.clone(), speech, opened: Vec::new() })
    }
}

impl RawLine {
    /// Whether the kernel does not say that nothing is half open.
    fn has_half_open(&self) -> bool {
        let netlink = NetlinkSocket::open(Protocol::SockDiag).map_err(AnswerError::from);
        netlink
            .and_then(|mut netlink| diag::has_half_open(&mut netlink, self.source()))
            .unwrap_or(true)
    }
}

impl Speech {
    /// The port that a packet answers for, and what it says.
    fn answer(&self, heard: Heard<'_>, target: &Target, our_port: u16) -> Option<(Port, Said)> {
        let family = Family::of(target.address);
        let transport = match self {
            Self::Syn(..) => Transport::Tcp,
            Self::Datagram => Transport::Udp,
        };
        let reply = match heard.packet {
            RawPacket::Tcp(bytes) => packet::tcp_reply(payload_of(family, bytes)?, our_port)?,
            RawPacket::Icmp(bytes) => {
                packet::icmp_reply(family, transport, payload_of(family, bytes)?, our_port)?
            }
            // Anyone may send a datagram to our port.
            RawPacket::Udp { port, length } => {
                let port = Port::new(port).filter(|_| heard.from == target.address)?;
                return Some((port, Said::Answer(Answer::Payload(length))));
            }
        };
        if let Self::Syn(_, key) = self
            && reply.sequence != Some(key.sequence(reply.port))
        {
            return None;
        }
        let said = match reply.kind {
            ReplyKind::SynAck(sequence) => Said::SynAck(sequence),
            ReplyKind::Reset => Said::Answer(Answer::Rst),
            ReplyKind::Icmp(kind, code) => {
                Said::Answer(Answer::Icmp(Icmp { kind, code, from: Some(heard.from) }))
            }
        };
        Some((reply.port, said))
    }
}

/// What a port said.
enum Said {
    /// That a connection may be opened, with this sequence number.
    SynAck(u32),
    Answer(Answer),
}

/// What follows the IP header, which a raw socket leaves out over IPv6.
fn payload_of(family: Family, bytes: &[u8]) -> Option<&[u8]> {
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
        let sender = self.receiver.sender()?;
        Ok(RawLineSender { sender, speech: self.speech.clone(), syns: Vec::new() })
    }

    fn hear(&mut self, take: &mut dyn FnMut(Port, Answer)) {
        let our_port = self.source().port();
        let Self { receiver, target, speech, opened } = self;
        receiver.hear(|heard| match speech.answer(heard, target, our_port) {
            Some((port, Said::SynAck(sequence))) => {
                opened.push((port, sequence));
                take(port, Answer::SynAck(TakenBy::HalfOpen));
            }
            Some((port, Said::Answer(answer))) => take(port, answer),
            None => {}
        });
    }

    fn wait(&self, time: Duration) {
        self.receiver.wait(time);
    }

    /// The kernel answers each SYN-ACK with a reset. A rule may drop that, and what sent the SYN-ACK waits for it: where
    /// there is such a one, each gets another reset, as a client sends it that has thought better of it.
    fn hang_up(&mut self) {
        let opened = std::mem::take(&mut self.opened);
        let Speech::Syn(_, key) = &self.speech else { return };
        if opened.is_empty() || !self.has_half_open() {
            return;
        }
        let (from, to) = (self.source(), |port| self.target.at(port));
        let reset = |(port, theirs)| {
            Some((port, packet::reset(from, to(port), key.sequence(port), theirs)?))
        };
        let resets: Vec<_> = opened.into_iter().filter_map(reset).collect();
        let Ok(sender) = self.receiver.sender() else { return };
        let mut left = resets.as_slice();
        while !left.is_empty() {
            let Sent { count, .. } =
                sender.send(left.iter().map(|(port, reset)| (*port, reset.as_slice())));
            // What the kernel does not send has no other way.
            left = left.get(count.max(1)..).unwrap_or_default();
        }
    }

    fn lost(&mut self) -> u32 {
        self.receiver.lost().unwrap_or(0)
    }
}

/// A sender of a line of raw sockets.
#[derive(Debug)]
pub(super) struct RawLineSender {
    sender: RawSender,
    speech: Speech,
    syns: Vec<Syn>,
}

impl Sender for RawLineSender {
    fn send(&mut self, ports: &[Port]) -> Sent {
        let Self { sender, speech, syns } = self;
        match speech {
            Speech::Syn(template, key) => {
                syns.clear();
                syns.extend(ports.iter().map(|port| template.syn(*port, key.sequence(*port))));
                sender.send(ports.iter().copied().zip(syns.iter().map(<[u8; _]>::as_slice)))
            }
            Speech::Datagram => sender.send(ports.iter().map(|port| (*port, payload(*port)))),
        }
    }
}
