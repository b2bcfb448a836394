//! Constants of a rule, as `nft` writes them.

use super::Interfaces;
use std::net::{Ipv4Addr, Ipv6Addr};

/// What a constant stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in super::super) enum Kind {
    /// A number, with the high byte first.
    Number,
    Ipv4,
    Ipv6,
    Mac,
    Protocol,
    NetworkProtocol,
    EtherType,
    IcmpType,
    IcmpCode,
    Icmpv6Type,
    Icmpv6Code,
    TcpFlags,
    ConnectionState,
    ConnectionStatus,
    Direction,
    Mark,
    InterfaceIndex,
    InterfaceName,
    PacketType,
    AddressType,
    Boolean,
}

type Names = &'static [(u32, &'static str)];

/// Those of `/etc/protocols` that rules are made for.
pub(in super::super) const PROTOCOLS: Names = &[
    (1, "icmp"),
    (2, "igmp"),
    (6, "tcp"),
    (17, "udp"),
    (33, "dccp"),
    (47, "gre"),
    (50, "esp"),
    (51, "ah"),
    (58, "ipv6-icmp"),
    (89, "ospf"),
    (112, "vrrp"),
    (132, "sctp"),
    (136, "udplite"),
];
const NETWORK_PROTOCOLS: Names = &[(2, "ipv4"), (10, "ipv6")];
const ETHER_TYPES: Names = &[(0x0800, "ip"), (0x0806, "arp"), (0x86dd, "ip6"), (0x8100, "8021q")];
const ICMP_TYPES: Names = &[
    (0, "echo-reply"),
    (3, "destination-unreachable"),
    (4, "source-quench"),
    (5, "redirect"),
    (8, "echo-request"),
    (9, "router-advertisement"),
    (10, "router-solicitation"),
    (11, "time-exceeded"),
    (12, "parameter-problem"),
    (13, "timestamp-request"),
    (14, "timestamp-reply"),
    (15, "info-request"),
    (16, "info-reply"),
    (17, "address-mask-request"),
    (18, "address-mask-reply"),
];
pub(super) const ICMP_CODES: Names = &[
    (0, "net-unreachable"),
    (1, "host-unreachable"),
    (2, "prot-unreachable"),
    (3, "port-unreachable"),
    (9, "net-prohibited"),
    (10, "host-prohibited"),
    (13, "admin-prohibited"),
];
const ICMPV6_TYPES: Names = &[
    (1, "destination-unreachable"),
    (2, "packet-too-big"),
    (3, "time-exceeded"),
    (4, "parameter-problem"),
    (128, "echo-request"),
    (129, "echo-reply"),
    (130, "mld-listener-query"),
    (131, "mld-listener-report"),
    (132, "mld-listener-done"),
    (133, "nd-router-solicit"),
    (134, "nd-router-advert"),
    (135, "nd-neighbor-solicit"),
    (136, "nd-neighbor-advert"),
    (137, "nd-redirect"),
    (138, "router-renumbering"),
    (141, "ind-neighbor-solicit"),
    (142, "ind-neighbor-advert"),
    (143, "mld2-listener-report"),
];
pub(super) const ICMPV6_CODES: Names = &[
    (0, "no-route"),
    (1, "admin-prohibited"),
    (3, "addr-unreachable"),
    (4, "port-unreachable"),
    (5, "policy-fail"),
    (6, "reject-route"),
];
pub(in super::super) const TCP_FLAGS: Names = &[
    (1, "fin"),
    (2, "syn"),
    (4, "rst"),
    (8, "psh"),
    (16, "ack"),
    (32, "urg"),
    (64, "ecn"),
    (128, "cwr"),
];
const CONNECTION_STATES: Names =
    &[(1, "invalid"), (2, "established"), (4, "related"), (8, "new"), (64, "untracked")];
const CONNECTION_STATUSES: Names = &[
    (1, "expected"),
    (2, "seen-reply"),
    (4, "assured"),
    (8, "confirmed"),
    (16, "snat"),
    (32, "dnat"),
    (512, "dying"),
];
const DIRECTIONS: Names = &[(0, "original"), (1, "reply")];
const PACKET_TYPES: Names = &[(0, "host"), (1, "broadcast"), (2, "multicast"), (3, "other")];
const ADDRESS_TYPES: Names = &[
    (0, "unspec"),
    (1, "unicast"),
    (2, "local"),
    (3, "broadcast"),
    (4, "anycast"),
    (5, "multicast"),
    (6, "blackhole"),
    (7, "unreachable"),
    (8, "prohibit"),
];
const BOOLEANS: Names = &[(0, "missing"), (1, "exists")];

impl Kind {
    /// Whether its bytes are in the order of the host.
    pub(super) fn is_in_host_order(self) -> bool {
        matches!(
            self,
            Self::ConnectionState
                | Self::ConnectionStatus
                | Self::Mark
                | Self::InterfaceIndex
                | Self::InterfaceName
                | Self::AddressType
                | Self::Boolean
        )
    }

    /// Whether each bit has a name.
    pub(super) fn is_bits(self) -> bool {
        matches!(self, Self::TcpFlags | Self::ConnectionState | Self::ConnectionStatus)
    }

    /// Whether values that are not named are written as numbers.
    fn names(self) -> Option<(Names, bool)> {
        match self {
            Self::Protocol => Some((PROTOCOLS, false)),
            Self::NetworkProtocol => Some((NETWORK_PROTOCOLS, false)),
            Self::EtherType => Some((ETHER_TYPES, false)),
            Self::IcmpType => Some((ICMP_TYPES, true)),
            Self::IcmpCode => Some((ICMP_CODES, true)),
            Self::Icmpv6Type => Some((ICMPV6_TYPES, true)),
            Self::Icmpv6Code => Some((ICMPV6_CODES, true)),
            Self::TcpFlags => Some((TCP_FLAGS, false)),
            Self::ConnectionState => Some((CONNECTION_STATES, false)),
            Self::ConnectionStatus => Some((CONNECTION_STATUSES, false)),
            Self::Direction => Some((DIRECTIONS, false)),
            Self::PacketType => Some((PACKET_TYPES, false)),
            Self::AddressType => Some((ADDRESS_TYPES, false)),
            Self::Boolean => Some((BOOLEANS, false)),
            _ => None,
        }
    }

    /// The words for a constant.
    pub(super) fn value(self, bytes: &[u8], interfaces: Interfaces<'_>) -> Option<String> {
        match self {
            Self::Ipv4 => Some(Ipv4Addr::from(<[u8; 4]>::try_from(bytes).ok()?).to_string()),
            Self::Ipv6 => Some(Ipv6Addr::from(<[u8; 16]>::try_from(bytes).ok()?).to_string()),
            Self::Mac => {
                let pairs: Vec<String> = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
                (bytes.len() == 6).then(|| pairs.join(":"))
            }
            Self::InterfaceName => interface(bytes),
            Self::InterfaceIndex => {
                let index = self.number(bytes)?;
                match interfaces(index) {
                    Some(name) => quoted(&name),
                    None => Some(index.to_string()),
                }
            }
            Self::Mark => Some(format!("0x{:08x}", self.number(bytes)?)),
            Self::Number => Some(self.number(bytes)?.to_string()),
            _ => {
                let (number, (names, others)) = (self.number(bytes)?, self.names()?);
                if self.is_bits() {
                    return bits(names, number);
                }
                named(names, number)
                    .map(str::to_owned)
                    .or_else(|| others.then(|| number.to_string()))
            }
        }
    }

    /// The words for some bits, of those that are set in a mask.
    pub(super) fn bits(self, bytes: &[u8]) -> Option<String> {
        bits(self.names()?.0, self.number(bytes)?)
    }

    fn number(self, bytes: &[u8]) -> Option<u32> {
        let mut number = bytes.to_vec();
        if self.is_in_host_order() && cfg!(target_endian = "little") {
            number.reverse();
        }
        (1..=4).contains(&number.len()).then_some(())?;
        Some(number.into_iter().fold(0, |sum, byte| sum << 8 | u32::from(byte)))
    }

    /// The words for the values from `first` to `last`.
    pub(super) fn range(
        self,
        first: &[u8],
        last: &[u8],
        interfaces: Interfaces<'_>,
    ) -> Option<String> {
        let start = self.value(first, interfaces)?;
        if first == last {
            return Some(start);
        }
        if self.is_in_host_order() || self.is_bits() {
            return None;
        }
        if matches!(self, Self::Ipv4 | Self::Ipv6)
            && let Some(len) = prefix_len(first, last)
        {
            return Some(format!("{start}/{len}"));
        }
        Some(format!("{start}-{}", self.value(last, interfaces)?))
    }
}

/// The name of a number.
pub(in super::super) fn named(names: Names, number: u32) -> Option<&'static str> {
    names.iter().find(|(known, _)| *known == number).map(|(_, name)| *name)
}

/// The names of the bits that are set, where there are such and each has one.
fn bits(names: Names, number: u32) -> Option<String> {
    let set: Vec<_> = names.iter().filter(|(bit, _)| number & bit != 0).collect();
    let all = set.iter().fold(0, |all, (bit, _)| all | bit);
    let words: Vec<&str> = set.iter().map(|(_, name)| *name).collect();
    (all == number && number != 0).then(|| words.join(","))
}

/// How many bits are the same in all addresses from the first to the last, when these are all that begin so.
fn prefix_len(first: &[u8], last: &[u8]) -> Option<u32> {
    let changed: Vec<u8> = first.iter().zip(last).map(|(a, b)| a ^ b).collect();
    let is_whole = first.iter().zip(last).all(|(a, b)| a & b == *a && (a ^ b) | a == *b);
    let lowest_is_zero = first.iter().zip(&changed).all(|(a, bits)| a & bits == 0);
    mask_len(&changed.iter().map(|byte| !byte).collect::<Vec<_>>())
        .filter(|_| is_whole && lowest_is_zero)
}

/// How many bits are set, when they are the first ones.
pub(in super::super) fn mask_len(mask: &[u8]) -> Option<u32> {
    let ones: u32 = mask.iter().map(|byte| byte.count_ones()).sum();
    let leading: u32 = {
        let whole = mask.iter().take_while(|byte| **byte == u8::MAX).count();
        let rest = mask.get(whole).map_or(0, |byte| byte.leading_ones());
        u32::try_from(whole).ok()? * 8 + rest
    };
    (ones == leading).then_some(ones)
}

/// The name of an interface; without its closing zero it is the beginning of many.
fn interface(bytes: &[u8]) -> Option<String> {
    let (name, is_whole) = interface_name(bytes)?;
    if is_whole {
        quoted(&name)
    } else {
        quoted(&name).map(|it| it.replacen('"', "", 2)).map(|it| format!("\"{it}*\""))
    }
}

/// The name of an interface, and whether that is all of it.
pub(in super::super) fn interface_name(bytes: &[u8]) -> Option<(String, bool)> {
    let end = bytes.iter().position(|byte| *byte == 0);
    let name = bytes.get(..end.unwrap_or(bytes.len()))?;
    let rest_is_empty = bytes.iter().skip(name.len()).all(|byte| *byte == 0);
    // Such names would need an escape.
    let is_plain = !name.is_empty() && !name.iter().any(|byte| matches!(byte, b'*' | b'"' | b'\\'));
    let name = String::from_utf8(name.to_vec()).ok()?;
    // Sixteen bytes are the whole register.
    (is_plain && rest_is_empty).then_some((name, end.is_some() || bytes.len() >= 16))
}

fn quoted(name: &str) -> Option<String> {
    (!name.contains(['*', '"', '\\'])).then(|| format!("\"{name}\""))
}
