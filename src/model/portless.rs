//! Sockets without a port: Unix, raw and packet sockets.

use super::{Family, Held, Interface, Queue, Seen, SocketState};
use std::net::IpAddr;

/// A socket that is reached otherwise than by a port.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Portless {
    /// What it takes.
    pub kind: PortlessKind,
    /// Its state.
    pub state: SocketState,
    /// What waits in it.
    pub queue: Seen<Queue>,
    /// Its user, its holders, and what manages it.
    pub held: Held,
}

/// What a socket without a port takes.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum PortlessKind {
    /// What local clients send to this path (`unix(7)`); one that begins with `@` is in the abstract namespace.
    Unix {
        /// The path.
        path: String,
    },
    /// Packets of an IP protocol (`raw(7)`).
    Raw {
        /// The family.
        family: Family,
        /// The address that it is bound to.
        address: IpAddr,
        /// The number of the protocol.
        protocol: u8,
        /// The device it is bound to.
        interface: Seen<Interface>,
    },
    /// Frames, before the firewall sees them (`packet(7)`).
    Packet {
        /// The `EtherType`; 3 (`ETH_P_ALL`) is every one, 0 none.
        protocol: u16,
        /// The device it is bound to.
        interface: Seen<Interface>,
    },
}

impl PortlessKind {
    /// Its name in the JSON documents.
    #[must_use]
    pub fn name(&self) -> &'static str {
        match self {
            Self::Unix { .. } => "unix",
            Self::Raw { .. } => "raw",
            Self::Packet { .. } => "packet",
        }
    }

    /// The device it is bound to.
    #[must_use]
    pub fn interface(&self) -> &Seen<Interface> {
        match self {
            Self::Unix { .. } => &Seen::Absent,
            Self::Raw { interface, .. } | Self::Packet { interface, .. } => interface,
        }
    }

    /// The protocol that it takes, by its usual name, else by its number: of IP as `icmp`, of Ethernet as `arp` or
    /// `0x88cc` (IANA's registries).
    #[must_use]
    pub fn protocol(&self) -> Option<String> {
        match self {
            Self::Unix { .. } => None,
            Self::Raw { protocol, .. } => Some(match protocol {
                1 => "icmp".into(),
                2 => "igmp".into(),
                6 => "tcp".into(),
                17 => "udp".into(),
                47 => "gre".into(),
                50 => "esp".into(),
                58 => "icmpv6".into(),
                89 => "ospf".into(),
                103 => "pim".into(),
                112 => "vrrp".into(),
                132 => "sctp".into(),
                255 => "raw".into(),
                number => number.to_string(),
            }),
            Self::Packet { protocol, .. } => Some(match protocol {
                0 => "none".into(),
                3 => "all".into(),
                0x0800 => "ip".into(),
                0x0806 => "arp".into(),
                0x86dd => "ipv6".into(),
                0x888e => "eapol".into(),
                0x88cc => "lldp".into(),
                number => format!("0x{number:04x}"),
            }),
        }
    }
}
