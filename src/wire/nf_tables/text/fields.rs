//! What a rule looks at, as `nft` writes it.

use super::super::numbers::{
    FIB_RESULT_ADDRTYPE, FIB_RESULT_OIF, FIB_RESULT_OIFNAME, LINK_HEADER, META_IIF, META_IIFNAME,
    META_L4PROTO, META_MARK, META_NFPROTO, META_OIF, META_OIFNAME, META_PKTTYPE, META_PROTOCOL,
    NETWORK_HEADER, TRANSPORT_HEADER,
};
use super::super::statements::Field;
use super::values::Kind;
use crate::model::{Family, TableFamily};

/// What the rule is known to be about at some place in it.
#[derive(Debug, Clone, Copy)]
pub(super) struct About {
    pub(super) family: TableFamily,
    pub(super) network: Option<Family>,
    pub(super) transport: Option<u8>,
    /// Whether the rule of a table for both families asked for the protocol of the frame.
    pub(super) is_of_frames: bool,
}

/// A field, in words.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Named {
    pub(super) words: String,
    pub(super) kind: Kind,
    /// How many bytes it has.
    pub(super) len: usize,
}

/// The fields of a header: where each begins, how many bytes it has.
type Header = &'static [(u32, usize, &'static str, Kind)];

const ETHER: Header =
    &[(0, 6, "daddr", Kind::Mac), (6, 6, "saddr", Kind::Mac), (12, 2, "type", Kind::EtherType)];
const IP: Header = &[
    (2, 2, "length", Kind::Number),
    (4, 2, "id", Kind::Number),
    (8, 1, "ttl", Kind::Number),
    (9, 1, "protocol", Kind::Protocol),
    (12, 4, "saddr", Kind::Ipv4),
    (16, 4, "daddr", Kind::Ipv4),
];
const IP6: Header = &[
    (4, 2, "length", Kind::Number),
    (6, 1, "nexthdr", Kind::Protocol),
    (7, 1, "hoplimit", Kind::Number),
    (8, 16, "saddr", Kind::Ipv6),
    (24, 16, "daddr", Kind::Ipv6),
];
const PORTS: Header = &[(0, 2, "sport", Kind::Number), (2, 2, "dport", Kind::Number)];
const TCP: Header = &[
    (0, 2, "sport", Kind::Number),
    (2, 2, "dport", Kind::Number),
    (13, 1, "flags", Kind::TcpFlags),
];
const ICMP: Header = &[(0, 1, "type", Kind::IcmpType), (1, 1, "code", Kind::IcmpCode)];
const ICMPV6: Header = &[(0, 1, "type", Kind::Icmpv6Type), (1, 1, "code", Kind::Icmpv6Code)];

impl About {
    /// Whether the table is for packets of one family only.
    pub(super) fn is_of_one(self) -> bool {
        matches!(self.family, TableFamily::Ip | TableFamily::Ip6)
    }

    /// The name and the fields of a header.
    fn header(self, base: u32) -> Option<(&'static str, Header)> {
        match (base, self.network, self.transport) {
            (LINK_HEADER, ..) => Some(("ether", ETHER)),
            (NETWORK_HEADER, Some(Family::Ipv4), _) => Some(("ip", IP)),
            (NETWORK_HEADER, Some(Family::Ipv6), _) => Some(("ip6", IP6)),
            (TRANSPORT_HEADER, _, None) => Some(("th", PORTS)),
            (TRANSPORT_HEADER, _, Some(1)) => Some(("icmp", ICMP)),
            (TRANSPORT_HEADER, _, Some(6)) => Some(("tcp", TCP)),
            (TRANSPORT_HEADER, _, Some(17)) => Some(("udp", PORTS)),
            (TRANSPORT_HEADER, _, Some(33)) => Some(("dccp", PORTS)),
            (TRANSPORT_HEADER, _, Some(58)) => Some(("icmpv6", ICMPV6)),
            (TRANSPORT_HEADER, _, Some(132)) => Some(("sctp", PORTS)),
            (TRANSPORT_HEADER, _, Some(136)) => Some(("udplite", PORTS)),
            _ => None,
        }
    }

    /// The fields that these bytes of a header are; of the last one perhaps only the first bytes.
    pub(super) fn in_header(
        self,
        base: u32,
        offset: u32,
        len: usize,
    ) -> Option<Vec<(Named, usize)>> {
        let (protocol, header) = self.header(base)?;
        let (mut offset, mut left) = (offset, len);
        let mut parts = Vec::new();
        while left > 0 {
            let (_, len, name, kind) = *header.iter().find(|(begin, ..)| *begin == offset)?;
            let taken = len.min(left);
            parts.push((Named { words: format!("{protocol} {name}"), kind, len }, taken));
            offset = offset.checked_add(u32::try_from(taken).ok()?)?;
            left -= taken;
        }
        (!parts.is_empty()).then_some(parts)
    }

    /// One whole field.
    pub(super) fn named(self, field: &Field) -> Option<Named> {
        let (words, kind, len) = match field {
            Field::Payload { base, offset, len } => {
                let mut parts = self.in_header(*base, *offset, *len)?;
                let (named, taken) = parts.pop()?;
                return (parts.is_empty() && taken == named.len).then_some(named);
            }
            Field::Meta(key) => {
                let (words, kind, len) = meta(*key)?;
                (words.to_owned(), kind, len)
            }
            Field::Ct(key) => {
                let (words, kind, len) = ct(*key)?;
                (words.to_owned(), kind, len)
            }
            Field::Fib { result, flags } => fib(*result, *flags)?,
        };
        Some(Named { words, kind, len })
    }
}

fn meta(key: u32) -> Option<(&'static str, Kind, usize)> {
    Some(match key {
        META_PROTOCOL => ("meta protocol", Kind::EtherType, 2),
        META_MARK => ("meta mark", Kind::Mark, 4),
        META_IIF => ("iif", Kind::InterfaceIndex, 4),
        META_OIF => ("oif", Kind::InterfaceIndex, 4),
        META_IIFNAME => ("iifname", Kind::InterfaceName, 16),
        META_OIFNAME => ("oifname", Kind::InterfaceName, 16),
        META_NFPROTO => ("meta nfproto", Kind::NetworkProtocol, 1),
        META_L4PROTO => ("meta l4proto", Kind::Protocol, 1),
        META_PKTTYPE => ("meta pkttype", Kind::PacketType, 1),
        _ => return None,
    })
}

fn ct(key: u32) -> Option<(&'static str, Kind, usize)> {
    Some(match key {
        0 => ("ct state", Kind::ConnectionState, 4),
        1 => ("ct direction", Kind::Direction, 1),
        2 => ("ct status", Kind::ConnectionStatus, 4),
        3 => ("ct mark", Kind::Mark, 4),
        _ => return None,
    })
}

fn fib(result: u32, flags: u32) -> Option<(String, Kind, usize)> {
    const PRESENT: u32 = 1 << 5;
    const KEYS: [&str; 5] = ["saddr", "daddr", "mark", "iif", "oif"];
    let (word, kind, len) = match (result, flags & PRESENT != 0) {
        (FIB_RESULT_OIF, true) => ("oif", Kind::Boolean, 4),
        (FIB_RESULT_OIF, false) => ("oif", Kind::InterfaceIndex, 4),
        (FIB_RESULT_OIFNAME, false) => ("oifname", Kind::InterfaceName, 16),
        (FIB_RESULT_ADDRTYPE, false) => ("type", Kind::AddressType, 4),
        _ => return None,
    };
    let keys: Vec<&str> = KEYS
        .into_iter()
        .enumerate()
        .filter(|(bit, _)| flags >> bit & 1 == 1)
        .map(|it| it.1)
        .collect();
    let is_known = flags & !(PRESENT | 0b1_1111) == 0 && !keys.is_empty();
    is_known.then(|| (format!("fib {} {word}", keys.join(" . ")), kind, len))
}
