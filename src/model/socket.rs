//! Sockets that hold a port.

use super::{Endpoint, Family, Gap, Held, Hides, Interface, Nat, Port, Portless, Seen, Transport};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

/// The kernel's unique number of a socket (`SO_COOKIE`), never used again while the host runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Cookie(pub u64);

/// The state of a socket that holds a port, by the kernel's names (`net/tcp_states.h`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum SocketState {
    /// TCP and SCTP, `LISTEN`.
    Listen,
    /// TCP, bound and not listening (`TCP_BOUND_INACTIVE`): it blocks the port and answers nobody.
    Bound,
    /// UDP without a peer: it takes datagrams from anyone.
    Unconnected,
    /// A connection; UDP with a peer.
    Established,
    /// A connection that was asked for.
    SynSent,
    /// A connection that a peer asked for.
    SynReceived,
    /// Closed here, not yet acknowledged.
    FinWait1,
    /// Closed here only.
    FinWait2,
    /// Closed by the peer only.
    CloseWait,
    /// Closed by the peer, then here, not yet acknowledged.
    LastAck,
    /// Closed by both at once.
    Closing,
    /// Closed a moment ago: the kernel keeps its port for a minute, and no process has it.
    TimeWait,
}

impl SocketState {
    /// Its name in the JSON documents.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Listen => "listen",
            Self::Bound => "bound",
            Self::Unconnected => "unconnected",
            Self::Established => "established",
            Self::SynSent => "syn-sent",
            Self::SynReceived => "syn-recv",
            Self::FinWait1 => "fin-wait-1",
            Self::FinWait2 => "fin-wait-2",
            Self::CloseWait => "close-wait",
            Self::LastAck => "last-ack",
            Self::Closing => "closing",
            Self::TimeWait => "time-wait",
        }
    }

    /// Every state.
    pub const ALL: [Self; 12] = [
        Self::Listen,
        Self::Bound,
        Self::Unconnected,
        Self::Established,
        Self::SynSent,
        Self::SynReceived,
        Self::FinWait1,
        Self::FinWait2,
        Self::CloseWait,
        Self::LastAck,
        Self::Closing,
        Self::TimeWait,
    ];

    /// Whether a socket in this state answers clients.
    #[must_use]
    pub fn serves(self) -> bool {
        matches!(self, Self::Listen | Self::Unconnected)
    }

    /// Whether it is one end of a connection, or what is left of it.
    #[must_use]
    pub fn is_connection(self) -> bool {
        !self.serves() && self != Self::Bound
    }
}

/// From where a socket can be reached by the address it is bound to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Scope {
    /// Every address of the host.
    Any,
    /// This host only.
    Loopback,
    /// A link-local address.
    LinkLocal,
    /// One other address.
    Address,
}

impl Scope {
    /// Its name in the JSON documents.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Any => "any",
            Self::Loopback => "loopback",
            Self::LinkLocal => "link-local",
            Self::Address => "address",
        }
    }
}

/// What waits in a socket. For TCP `LISTEN` the length and limit count connections that nobody has accepted
/// yet (a length over the limit means a full queue); for UDP they are bytes of the receive buffer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Queue {
    /// What is in it.
    pub length: u32,
    /// What fits.
    pub limit: u32,
    /// How many connections or datagrams were dropped since the socket was made (`sk_drops`).
    pub drops: u32,
}

/// A socket that holds a port.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Socket {
    /// Its transport.
    pub transport: Transport,
    /// Its family.
    pub family: Family,
    /// The address it is bound to.
    pub address: IpAddr,
    /// The port it is bound to.
    pub port: Port,
    /// The device it is bound to (`SO_BINDTODEVICE`, or the scope of a link-local address).
    pub interface: Seen<Interface>,
    /// `IPV6_V6ONLY`; absent for IPv4.
    pub v6_only: Seen<bool>,
    /// Its state.
    pub state: SocketState,
    /// The other end of a connection.
    pub peer: Option<SocketAddr>,
    /// Whether it takes Multipath TCP (RFC 8684) beside plain TCP.
    pub mptcp: bool,
    /// Whether it is known to demand TCP signatures of its peers (RFC 2385).
    pub signed: bool,
    /// Its cookie.
    pub cookie: Cookie,
    /// What waits in it; absent for one that is bound and not listening, and for connections.
    pub queue: Seen<Queue>,
    /// The service that the port number is registered for.
    pub service: Option<String>,
    /// What NAT does with packets for it, as far as that was asked for.
    pub nat: Nat,
    /// Its user, its holders, and what manages it.
    pub held: Held,
}

impl Socket {
    /// Its port and transport.
    #[must_use]
    pub fn endpoint(&self) -> Endpoint {
        Endpoint { port: self.port, transport: self.transport }
    }

    /// Whether it takes IPv4 and IPv6: an IPv6 wildcard without `IPV6_V6ONLY`. Absent for IPv4.
    #[must_use]
    pub fn dual_stack(&self) -> Seen<bool> {
        match self.address {
            IpAddr::V4(_) => Seen::Absent,
            IpAddr::V6(Ipv6Addr::UNSPECIFIED) => self.v6_only.clone().map(|v6_only| !v6_only),
            IpAddr::V6(_) => Seen::Known(false),
        }
    }

    /// From where it can be reached by its address.
    #[must_use]
    pub fn scope(&self) -> Scope {
        match canonical(self.address) {
            address if address.is_unspecified() => Scope::Any,
            address if address.is_loopback() => Scope::Loopback,
            IpAddr::V4(address) if address.is_link_local() => Scope::LinkLocal,
            IpAddr::V6(address) if address.is_unicast_link_local() => Scope::LinkLocal,
            _ => Scope::Address,
        }
    }

    /// Whether a packet to `target` that arrives on the device with index `device` is for this socket, by its
    /// family, address and device. An unknown `IPV6_V6ONLY` counts as dual-stack.
    #[must_use]
    pub fn accepts(&self, target: IpAddr, device: u32) -> bool {
        let by_device = match &self.interface {
            Seen::Known(interface) => interface.index == device,
            _ => true,
        };
        by_device && self.takes(target)
    }

    /// Whether a packet to `target` is for this socket, by its family and address.
    #[must_use]
    pub fn takes(&self, target: IpAddr) -> bool {
        let bound = canonical(self.address);
        match (bound, target) {
            (IpAddr::V6(Ipv6Addr::UNSPECIFIED), IpAddr::V4(_)) => {
                self.dual_stack() != Seen::Known(false)
            }
            (IpAddr::V4(Ipv4Addr::UNSPECIFIED), IpAddr::V4(_))
            | (IpAddr::V6(Ipv6Addr::UNSPECIFIED), IpAddr::V6(_)) => true,
            _ => bound == target,
        }
    }
}

/// An IPv4-mapped IPv6 address as the IPv4 address that it stands for: a socket bound to `::ffff:10.0.0.5`
/// takes IPv4 packets.
fn canonical(address: IpAddr) -> IpAddr {
    address.to_canonical()
}

impl Queue {
    /// Whether an accept queue has no room: the kernel lets it grow one past its limit.
    #[must_use]
    pub fn is_full(&self) -> bool {
        self.length > self.limit
    }
}

/// What is bound on this host at one moment.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Inventory {
    /// The sockets, ordered by port and transport first.
    pub sockets: Vec<Socket>,
    /// The sockets without a port, where they were asked for.
    pub portless: Vec<Portless>,
    /// What could not be seen.
    pub gaps: Vec<Gap>,
}

impl Inventory {
    /// This one and another together, one behind the other.
    #[must_use]
    pub fn and(mut self, other: Self) -> Self {
        self.sockets.extend(other.sockets);
        self.portless.extend(other.portless);
        self.gaps.extend(other.gaps);
        self
    }

    /// What all its sockets have in common.
    pub fn held(&self) -> impl Iterator<Item = &Held> {
        let portless = self.portless.iter().map(|socket| &socket.held);
        self.sockets.iter().map(|socket| &socket.held).chain(portless)
    }

    /// The same, to be filled in.
    pub fn held_mut(&mut self) -> impl Iterator<Item = &mut Held> {
        let portless = self.portless.iter_mut().map(|socket| &mut socket.held);
        self.sockets.iter_mut().map(|socket| &mut socket.held).chain(portless)
    }

    /// The sockets of one port and transport.
    pub fn at(&self, endpoint: Endpoint) -> impl Iterator<Item = &Socket> {
        let first = self.sockets.partition_point(|socket| socket.endpoint() < endpoint);
        let rest = self.sockets.get(first..).unwrap_or_default();
        rest.iter().take_while(move |socket| socket.endpoint() == endpoint)
    }

    /// Whether a socket that serves a port may be missing.
    #[must_use]
    pub fn may_lack_servers(&self) -> bool {
        self.gaps.iter().any(|gap| gap.hides == Hides::Sockets)
    }

    /// Whether a socket that holds a port, serving or not, may be missing.
    #[must_use]
    pub fn may_lack_holders(&self) -> bool {
        self.gaps.iter().any(|gap| matches!(gap.hides, Hides::Sockets | Hides::Holders))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Inode;

    const LO: u32 = 1;
    const ETH: u32 = 2;

    fn socket(address: &str, v6_only: Seen<bool>, interface: Seen<Interface>) -> Socket {
        let address: IpAddr = address.parse().unwrap();
        Socket {
            transport: Transport::Tcp,
            family: Family::of(address),
            address,
            port: Port::new(80).unwrap(),
            interface,
            v6_only,
            state: SocketState::Listen,
            peer: None,
            mptcp: false,
            signed: false,
            cookie: Cookie(1),
            queue: Seen::Absent,
            service: None,
            nat: Nat::default(),
            held: Held::new(Inode(1), Seen::Known(0)),
        }
    }

    #[test]
    fn a_binding_accepts_what_the_kernel_would_deliver() {
        let none = || Seen::Absent;
        let eth = || Seen::Known(Interface { index: ETH, name: "eth0".into() });
        let v6_only = Seen::Known;
        // (bound to, v6only, device, target, arrival device, accepted)
        let table = [
            ("0.0.0.0", Seen::Absent, none(), "127.0.0.1", LO, true),
            ("0.0.0.0", Seen::Absent, none(), "::1", LO, false),
            ("127.0.0.1", Seen::Absent, none(), "127.0.0.1", LO, true),
            ("127.0.0.1", Seen::Absent, none(), "127.0.0.2", LO, false),
            ("::", v6_only(false), none(), "127.0.0.1", LO, true),
            ("::", v6_only(true), none(), "127.0.0.1", LO, false),
            ("::", v6_only(true), none(), "::1", LO, true),
            ("::1", v6_only(false), none(), "127.0.0.1", LO, false),
            ("::ffff:127.0.0.1", v6_only(false), none(), "127.0.0.1", LO, true),
            ("0.0.0.0", Seen::Absent, eth(), "127.0.0.1", LO, false),
            ("0.0.0.0", Seen::Absent, eth(), "10.0.0.1", ETH, true),
        ];
        for (bound, only, device, target, arrival, accepted) in table {
            let listener = socket(bound, only.clone(), device.clone());
            assert_eq!(
                listener.accepts(target.parse().unwrap(), arrival),
                accepted,
                "{bound} v6only {only:?} device {device:?}, packet to {target} on {arrival}"
            );
        }
    }

    #[test]
    fn only_an_ipv6_wildcard_is_dual_stack() {
        assert_eq!(socket("0.0.0.0", Seen::Absent, Seen::Absent).dual_stack(), Seen::Absent);
        assert_eq!(socket("::", Seen::Known(false), Seen::Absent).dual_stack(), Seen::Known(true));
        assert_eq!(socket("::", Seen::Known(true), Seen::Absent).dual_stack(), Seen::Known(false));
        assert_eq!(
            socket("::1", Seen::Known(false), Seen::Absent).dual_stack(),
            Seen::Known(false)
        );
    }

    #[test]
    fn scope_follows_the_address() {
        let table = [
            ("0.0.0.0", Scope::Any),
            ("::", Scope::Any),
            ("127.0.0.53", Scope::Loopback),
            ("::1", Scope::Loopback),
            ("::ffff:127.0.0.1", Scope::Loopback),
            ("169.254.1.1", Scope::LinkLocal),
            ("fe80::1", Scope::LinkLocal),
            ("10.0.0.5", Scope::Address),
        ];
        for (address, scope) in table {
            assert_eq!(
                socket(address, Seen::Known(true), Seen::Absent).scope(),
                scope,
                "{address}"
            );
        }
    }
}
