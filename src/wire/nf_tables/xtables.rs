//! The matches and targets of `iptables` that `iptables-nft` hands to the kernel as they are
//! (`linux/netfilter/xt_tcpudp.h`, `xt_addrtype.h`, `nf_nat.h`): structures in the byte order of the host, but for
//! addresses and the ports of targets.

mod words;

use super::expressions::{Onto, Step};
use crate::model::Family;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::ops::RangeInclusive;
use zerocopy::byteorder::network_endian::U16;
use zerocopy::{FromBytes, Immutable, KnownLayout};

pub(super) use words::words;

/// What a match asks of a packet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Match {
    /// Nothing, or only that it goes to an address of this host.
    Nothing,
    /// That it goes to one of these ports.
    Ports(RangeInclusive<u16>),
    /// More than is known here.
    More,
}

/// `struct xt_tcp`, without its end. `struct xt_udp` begins in the same way.
#[derive(Debug, FromBytes, Immutable, KnownLayout)]
#[repr(C)]
struct Ports {
    source: [u16; 2],
    destination: [u16; 2],
}

/// What follows in `struct xt_tcp`.
#[derive(Debug, FromBytes, Immutable, KnownLayout)]
#[repr(C)]
struct Tcp {
    option: u8,
    flags_mask: u8,
    _flags: u8,
    inverted: u8,
}

/// `struct xt_addrtype_info_v1`, and in an older revision the same with its flags in two numbers.
#[derive(Debug, FromBytes, Immutable, KnownLayout)]
#[repr(C)]
struct AddressKind {
    source: u16,
    destination: u16,
    flags: u32,
}

/// `XT_ADDRTYPE_LOCAL`.
const LOCAL: u16 = 1 << 2;

/// What a match asks for.
pub(super) fn matched(name: &str, info: &[u8]) -> Match {
    let matched = match name {
        "comment" => Some(Match::Nothing),
        "tcp" => Ports::read_from_prefix(info).ok().and_then(|(ports, rest)| {
            let (tcp, _) = Tcp::read_from_prefix(rest).ok()?;
            let asks_more = tcp.option != 0 || tcp.flags_mask != 0 || tcp.inverted != 0;
            (!asks_more).then(|| matched_ports(&ports))
        }),
        "udp" => Ports::read_from_prefix(info).ok().and_then(|(ports, rest)| {
            let is_inverted = rest.first() != Some(&0);
            (!is_inverted).then(|| matched_ports(&ports))
        }),
        "addrtype" => AddressKind::read_from_prefix(info).ok().and_then(|(kind, rest)| {
            let is_local = kind.source == 0 && kind.destination == LOCAL && kind.flags == 0;
            (is_local && rest.iter().all(|byte| *byte == 0)).then_some(Match::Nothing)
        }),
        _ => None,
    };
    matched.unwrap_or(Match::More)
}

fn matched_ports(ports: &Ports) -> Match {
    match (ports.source, ports.destination) {
        ([0, u16::MAX], [0, u16::MAX]) => Match::Nothing,
        ([0, u16::MAX], [first, last]) => Match::Ports(first..=last),
        _ => Match::More,
    }
}

/// `struct nf_nat_ipv4_multi_range_compat`, of which the kernel takes one range only.
#[derive(Debug, FromBytes, Immutable, KnownLayout)]
#[repr(C)]
struct RangeOfIpv4 {
    _count: u32,
    flags: u32,
    addresses: [[u8; 4]; 2],
    ports: [U16; 2],
}

/// `struct nf_nat_range`. In `struct nf_nat_range2`, of revision 2, the port follows that is mapped to the first. An
/// IPv4 address is in the first bytes of its place.
#[derive(Debug, FromBytes, Immutable, KnownLayout)]
#[repr(C)]
struct Range {
    flags: u32,
    addresses: [[u8; 16]; 2],
    ports: [U16; 2],
}

/// What a target does to the destination of packets of this family.
pub(super) fn target(name: &str, revision: u32, info: &[u8], family: Option<Family>) -> Step {
    let is_redirect = match name {
        "DNAT" => false,
        "REDIRECT" => true,
        "NETMAP" => return Step::Translates(None),
        _ => return Step::Next,
    };
    let onto = family.and_then(|family| range(revision, info, family));
    // The addresses of a redirection are not the rule's.
    let redirected = |onto| Onto { is_redirect: true, addresses: None, ..onto };
    Step::Translates(if is_redirect { onto.map(redirected) } else { onto })
}

/// The range that a target of NAT has for packets of this family.
pub(super) fn range(revision: u32, info: &[u8], family: Family) -> Option<Onto> {
    if let (Family::Ipv4, 0) = (family, revision) {
        let (range, _) = RangeOfIpv4::read_from_prefix(info).ok()?;
        let address = |bytes| IpAddr::from(Ipv4Addr::from(bytes));
        return Some(onto(range.flags, range.addresses.map(address), range.ports, None));
    }
    let (range, rest) = Range::read_from_prefix(info).ok()?;
    let address = |bytes: [u8; 16]| match (family, bytes) {
        (Family::Ipv4, [a, b, c, d, ..]) => IpAddr::from([a, b, c, d]),
        (Family::Ipv6, bytes) => IpAddr::from(Ipv6Addr::from(bytes)),
    };
    let base = U16::read_from_prefix(rest).ok().map(|(port, _)| port);
    Some(onto(range.flags, range.addresses.map(address), range.ports, base))
}

fn onto(
    flags: u32,
    [first, last]: [IpAddr; 2],
    [first_port, last_port]: [U16; 2],
    base: Option<U16>,
) -> Onto {
    const MAP_IPS: u32 = 1 << 0;
    const PROTO_SPECIFIED: u32 = 1 << 1;
    Onto {
        is_redirect: false,
        flags,
        addresses: (flags & MAP_IPS != 0).then_some((first, last)),
        ports: (flags & PROTO_SPECIFIED != 0).then_some((first_port.get(), last_port.get())),
        base: base.map(U16::get),
    }
}
