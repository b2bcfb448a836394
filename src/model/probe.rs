//! What came back when a client on this host knocked. An answer is an observation; what it means is for
//! `reconcile` to say.

use super::{Cookie, Gap, Interface, Journey, Port, PortSet, Transport};
use std::collections::BTreeMap;
use std::fmt;
use std::net::{IpAddr, SocketAddr, SocketAddrV6};
use std::sync::Arc;
use std::time::Duration;

/// Where a probe comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Vantage {
    /// This host, to its loopback addresses.
    Loopback,
    /// This host, to its own other addresses: the kernel carries it over `lo`.
    Own,
    /// A neighbour on the network of an interface: a frame that the interface seems to receive.
    Lan,
    /// A host beyond every network of ours: the same, through the interface of the default route.
    Internet,
}

impl Vantage {
    /// Every vantage, in the order of the type.
    pub const ALL: [Self; 4] = [Self::Loopback, Self::Own, Self::Lan, Self::Internet];

    /// Its name on the command line and in the documents.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Loopback => "loopback",
            Self::Own => "self",
            Self::Lan => "lan",
            Self::Internet => "internet",
        }
    }

    /// Whether it sees this host as others on the network do.
    #[must_use]
    pub fn is_network(self) -> bool {
        matches!(self, Self::Lan | Self::Internet)
    }
}

/// How ports are probed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Method {
    /// TCP: a SYN that opens no connection. No application sees it.
    Syn,
    /// TCP: a connection, which is reset as soon as it is open.
    Connect,
    /// UDP: a datagram.
    Udp,
    /// A SYN or a datagram in a frame that an interface seems to receive.
    Inject,
}

impl Method {
    /// Its name on the command line and in the documents.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Syn => "syn",
            Self::Connect => "connect",
            Self::Udp => "udp",
            Self::Inject => "inject",
        }
    }
}

/// An address of this host to be probed from one vantage.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Target {
    /// The vantage.
    pub vantage: Vantage,
    /// The address, bare.
    pub address: IpAddr,
    /// The interface that has the address.
    pub interface: Interface,
    /// The scope id of a link-local IPv6 address, else 0.
    pub scope_id: u32,
    /// The index of the device on which the kernel looks up the socket for a packet of this host to the address.
    /// The packet arrives on `lo`, but the lookup takes the device of the address's route: a socket bound to `eth0`
    /// serves local clients of eth0's address (`ip_route_output_key_hash_rcu`).
    pub device: u32,
}

impl Target {
    /// The socket address of one of its ports.
    #[must_use]
    pub fn at(&self, port: Port) -> SocketAddr {
        match self.address {
            IpAddr::V4(address) => SocketAddr::from((address, port.get())),
            IpAddr::V6(address) => SocketAddrV6::new(address, port.get(), 0, self.scope_id).into(),
        }
    }
}

/// An ICMP or `ICMPv6` error that came back (RFC 792, RFC 4443).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Icmp {
    /// The type: 3 for IPv4 destination unreachable, 1 for IPv6.
    pub kind: u8,
    /// The code.
    pub code: u8,
    /// Who sent it.
    pub from: Option<IpAddr>,
}

impl Answer {
    /// What a host says for itself when nobody listens: TCP a reset, UDP a port-unreachable (RFC 1122 section
    /// 4.1.3.1, RFC 4443 section 3.1).
    #[must_use]
    pub fn plain_refusal(transport: Transport, target: IpAddr) -> Self {
        match transport {
            // SCTP answers with an ABORT (RFC 9260, section 8.4).
            Transport::Tcp | Transport::Sctp => Self::Rst,
            Transport::Udp => {
                let (kind, code) = Icmp::port_unreachable(target);
                Self::Icmp(Icmp { kind, code, from: Some(target) })
            }
        }
    }

    /// Whether the probe reached something that took it.
    #[must_use]
    pub fn got_through(&self) -> bool {
        matches!(self, Self::SynAck(_) | Self::Payload(_))
    }
}

impl Icmp {
    /// The type and code of a port-unreachable of the family of `target`.
    fn port_unreachable(target: IpAddr) -> (u8, u8) {
        if target.is_ipv4() { (3, 3) } else { (1, 4) }
    }

    /// Whether it is a port-unreachable of the family of `target`.
    #[must_use]
    pub fn is_port_unreachable(&self, target: IpAddr) -> bool {
        (self.kind, self.code) == Self::port_unreachable(target)
    }
}

impl fmt::Display for Icmp {
    /// `ICMP 3/13 from 10.0.0.1`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ICMP {}/{}", self.kind, self.code)?;
        self.from.map_or(Ok(()), |from| write!(f, " from {from}"))
    }
}

/// Which socket holds the other end of a TCP connection that was opened, asked of the kernel by the
/// connection's four-tuple while it was up.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TakenBy {
    /// A socket at the address and port that was probed.
    Probed,
    /// A socket at another address or port of this host: something redirected the connection.
    Other(SocketAddr),
    /// No socket of this network namespace, although the connection is up.
    Nobody,
    /// The connection was gone before the kernel was asked.
    Gone,
    /// The kernel could not be asked; the text says why.
    Unknown(String),
    /// There was no connection to ask for: a SYN was answered. Only where the kernel tracks connections can it hand a
    /// packet to another address or port, so elsewhere it was a socket at the address and port that was probed.
    HalfOpen,
}

/// What came back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Answer {
    /// TCP: the connection was opened.
    SynAck(TakenBy),
    /// TCP: refused with a reset (RFC 9293).
    Rst,
    /// An ICMP error.
    Icmp(Icmp),
    /// UDP: a datagram of this many bytes.
    Payload(usize),
    /// Nothing, in the time given, although every probe was sent.
    Silence,
    /// The kernel refused to send the probe (`EPERM`): something stops it on the way out.
    NotSent,
    /// The probe failed on our side: no route, no descriptor, no source port. The text names the operation
    /// and the error.
    Failed(String),
}

/// A probe's story.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Attempt {
    /// What came back to the last try.
    pub answer: Answer,
    /// The address and port it was sent from, when known.
    pub source: Option<SocketAddr>,
    /// From the last send to the answer.
    pub rtt: Option<Duration>,
    /// How many times it was sent.
    pub tries: u8,
}

/// Where the kernel would deliver a packet, by its own lookup.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Lookup {
    /// To this listener, or UDP socket.
    Socket(Cookie),
    /// To a connection with these four that is there already: the packet has arrived once before.
    Connection,
    /// To none.
    Nobody,
    /// The kernel could not be asked; the text says why.
    Unknown(String),
}

/// Whether a UDP probe that got no answer is known to have arrived, by the counters around more probes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Delivery {
    /// An answer came after all.
    Replied,
    /// The socket's receive queue or its drops rose with each probe, and was quiet before it.
    Queued,
    /// The namespace's count of received datagrams (`InDatagrams`) rose by one with each probe, and was
    /// quiet before it.
    Read,
    /// Nothing moved.
    Unseen,
    /// Other traffic made the counters useless.
    Noisy,
}

/// What drops TCP probes at the listener that they reach, by the counters around a few of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DroppedBy {
    /// Its queues: TCP had no room for another connection (`ListenDrops`).
    Queue,
    /// Its keys: TCP missed a signature (RFC 2385, RFC 5925).
    Signature,
    /// A filter in front of TCP, which no counter but the socket's own knows (`sk_filter`): one of the socket, of its
    /// cgroup or of a security module.
    Filter,
    /// The counters do not tell, or did not keep still.
    Unknown,
}

/// What came back from one target on one transport.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sweep {
    /// The target.
    pub target: Target,
    /// The transport.
    pub transport: Transport,
    /// How it was probed.
    pub method: Method,
    /// The attempts whose answer is not the plain refusal, and those of the ports that were asked for in detail.
    pub attempts: BTreeMap<Port, Attempt>,
    /// The ports that refused: TCP with a reset, UDP with the port-unreachable of RFC 1122 from the target itself.
    pub refused: PortSet,
    /// The ways of probes through the rules of the firewall, where the kernel was asked to trace them. Probes that had
    /// the same way share it.
    pub journeys: BTreeMap<Port, Arc<Journey>>,
    /// The ports that were wanted.
    pub wanted: PortSet,
    /// How many probes were sent.
    pub sent: u64,
    /// How many ports answered only when asked again.
    pub rescued: u64,
    /// Whether asking again still brought answers when it was given up: silence proves nothing then.
    pub unsteady: bool,
    /// What kept it from its end.
    pub gaps: Vec<Gap>,
}

impl Sweep {
    /// A sweep that has not begun, by the method that needs no privileges.
    #[must_use]
    pub fn new(target: Target, transport: Transport, wanted: PortSet) -> Self {
        Self {
            target,
            transport,
            method: match transport {
                Transport::Tcp | Transport::Sctp => Method::Connect,
                Transport::Udp => Method::Udp,
            },
            attempts: BTreeMap::new(),
            refused: PortSet::new(),
            journeys: BTreeMap::new(),
            wanted,
            sent: 0,
            rescued: 0,
            unsteady: false,
            gaps: Vec::new(),
        }
    }

    /// The ports that were wanted and have no answer and no silence: they were not probed.
    pub fn not_probed(&self) -> impl Iterator<Item = Port> {
        self.wanted
            .iter()
            .filter(|port| !self.refused.contains(*port) && !self.attempts.contains_key(port))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_targets_own_port_unreachable_is_a_plain_refusal() {
        let icmp = |kind, code, from: &str| {
            Answer::Icmp(Icmp { kind, code, from: Some(from.parse().unwrap()) })
        };
        let udp = |target: &str| Answer::plain_refusal(Transport::Udp, target.parse().unwrap());
        assert_eq!(udp("127.0.0.1"), icmp(3, 3, "127.0.0.1"));
        assert_eq!(udp("::1"), icmp(1, 4, "::1"));
        assert_ne!(udp("127.0.0.1"), icmp(3, 13, "127.0.0.1"));
        assert_ne!(udp("127.0.0.1"), icmp(3, 3, "10.0.0.1"));
        assert_eq!(Answer::plain_refusal(Transport::Tcp, [127, 0, 0, 1].into()), Answer::Rst);
    }
}
