//! Ports, transports and interfaces.

use std::fmt;
use std::num::NonZeroU16;

/// A port number, 1 to 65535.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Port(NonZeroU16);

impl Port {
    /// The port 1.
    pub const FIRST: Self = Self(NonZeroU16::MIN);

    /// How many ports there are.
    pub const COUNT: u32 = 65_535;

    /// The port with this number; `None` for 0.
    #[must_use]
    pub const fn new(number: u16) -> Option<Self> {
        match NonZeroU16::new(number) {
            Some(number) => Some(Self(number)),
            None => None,
        }
    }

    /// Its number.
    #[must_use]
    pub fn get(self) -> u16 {
        self.0.get()
    }

    /// Every port, in order.
    pub fn all() -> impl Iterator<Item = Self> {
        (1..=u16::MAX).filter_map(Self::new)
    }
}

impl fmt::Debug for Port {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Port({})", self.0)
    }
}

impl fmt::Display for Port {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// A transport protocol.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Transport {
    /// TCP (RFC 9293).
    Tcp,
    /// UDP (RFC 768).
    Udp,
    /// SCTP (RFC 9260): listed, never probed.
    Sctp,
}

impl Transport {
    /// Its lower-case name, as in `/etc/services`.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Tcp => "tcp",
            Self::Udp => "udp",
            Self::Sctp => "sctp",
        }
    }
}

impl fmt::Display for Transport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// The address family of a socket. A dual-stack socket is `Ipv6`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Family {
    /// `AF_INET`.
    Ipv4,
    /// `AF_INET6`.
    Ipv6,
}

impl Family {
    /// The family of an address.
    #[must_use]
    pub fn of(address: std::net::IpAddr) -> Self {
        match address {
            std::net::IpAddr::V4(_) => Self::Ipv4,
            std::net::IpAddr::V6(_) => Self::Ipv6,
        }
    }

    /// Its name in the JSON documents.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Ipv4 => "ipv4",
            Self::Ipv6 => "ipv6",
        }
    }
}

/// A port of one transport, written `22/tcp`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Endpoint {
    /// The port.
    pub port: Port,
    /// The transport.
    pub transport: Transport,
}

impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.port, self.transport)
    }
}

/// A network interface.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Interface {
    /// Its index in its network namespace.
    pub index: u32,
    /// Its name.
    pub name: String,
}

/// A set of ports, one bit each.
#[derive(Clone, PartialEq, Eq)]
pub struct PortSet(Box<[u64; 1024]>);

impl PortSet {
    /// The empty set.
    #[must_use]
    pub fn new() -> Self {
        Self(Box::new([0; 1024]))
    }

    /// Every port.
    #[must_use]
    pub fn full() -> Self {
        Port::all().collect()
    }

    /// Adds a port.
    pub fn insert(&mut self, port: Port) {
        self.0[usize::from(port.get() >> 6)] |= 1 << (port.get() & 63);
    }

    /// Removes a port.
    pub fn remove(&mut self, port: Port) {
        self.0[usize::from(port.get() >> 6)] &= !(1 << (port.get() & 63));
    }

    /// Whether the port is in the set.
    #[must_use]
    pub fn contains(&self, port: Port) -> bool {
        self.0[usize::from(port.get() >> 6)] & (1 << (port.get() & 63)) != 0
    }

    /// How many ports are in the set.
    #[must_use]
    pub fn len(&self) -> u32 {
        self.0.iter().map(|word| word.count_ones()).sum()
    }

    /// Whether the set holds no port.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.iter().all(|word| *word == 0)
    }

    /// The ports in order.
    pub fn iter(&self) -> impl Iterator<Item = Port> {
        Port::all().filter(|port| self.contains(*port))
    }
}

impl Default for PortSet {
    fn default() -> Self {
        Self::new()
    }
}

impl FromIterator<Port> for PortSet {
    fn from_iter<I: IntoIterator<Item = Port>>(ports: I) -> Self {
        let mut set = Self::new();
        ports.into_iter().for_each(|port| set.insert(port));
        set
    }
}

impl Extend<Port> for PortSet {
    fn extend<I: IntoIterator<Item = Port>>(&mut self, ports: I) {
        ports.into_iter().for_each(|port| self.insert(port));
    }
}

impl fmt::Debug for PortSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PortSet({} ports)", self.len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn port(number: u16) -> Port {
        Port::new(number).unwrap()
    }

    #[test]
    fn port_zero_is_not_a_port() {
        assert_eq!(Port::new(0), None);
        assert_eq!(Port::all().count(), Port::COUNT as usize);
    }

    #[test]
    fn a_set_keeps_the_first_and_the_last_port_apart() {
        let mut set: PortSet = [port(1), port(63), port(64), port(65_535)].into_iter().collect();
        assert_eq!(set.iter().map(Port::get).collect::<Vec<_>>(), [1, 63, 64, 65_535]);
        set.remove(port(64));
        assert!(!set.contains(port(64)));
        assert_eq!(set.len(), 3);
        assert_eq!(PortSet::full().len(), Port::COUNT);
        assert!(PortSet::new().is_empty());
    }
}
