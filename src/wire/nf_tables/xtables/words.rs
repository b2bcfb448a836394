//! Matches in the words of `iptables -S` (`linux/netfilter/xt_conntrack.h`, `xt_multiport.h`, `xt_addrtype.h`,
//! `xt_comment.h`, `xt_recent.h`, `xt_tcpudp.h`, `linux/netfilter_ipv4/ip_tables.h`).

use super::{AddressKind, Ports, Tcp};
use crate::model::Family;
use crate::wire::netlink::{text, u32_at};
use crate::wire::nf_tables::iptables::quoted;
use std::net::{Ipv4Addr, Ipv6Addr};
use zerocopy::{FromBytes, Immutable, KnownLayout};

/// The words for a match; `None` where not all of it is understood.
pub(in super::super) fn words(
    name: &str,
    revision: u32,
    info: &[u8],
    family: Family,
) -> Option<String> {
    match (name, revision) {
        ("comment", 0) => Some(format!("-m comment --comment {}", quoted(&text(info)))),
        ("conntrack", 3) => connection(info),
        ("multiport", 1) => multiport(info),
        ("addrtype", 1) => address_kind(info),
        ("icmp", 0) => icmp(info, "icmp", "--icmp-type"),
        ("icmp6", 0) => icmp(info, "icmp6", "--icmpv6-type"),
        ("recent", 1) => recent(info, family),
        ("tcp" | "udp", 0) => ports(name, info),
        _ => None,
    }
}

/// `struct xt_conntrack_mtinfo3` behind its addresses and times.
#[derive(Debug, FromBytes, Immutable, KnownLayout)]
#[repr(C)]
struct Connection {
    protocol: u16,
    _ports: [u16; 4],
    flags: u16,
    inverted: u16,
    states: u16,
    _statuses: u16,
}

fn connection(info: &[u8]) -> Option<String> {
    /// Eight addresses, and two times.
    const AT: usize = 8 * 16 + 2 * 4;
    const STATE: u16 = 1;
    /// The rule was written with `-m state`.
    const ALIAS: u16 = 1 << 13;
    /// In the order in which they are written.
    const STATES: [(u16, &str); 7] = [
        (1, "INVALID"),
        (8, "NEW"),
        (4, "RELATED"),
        (2, "ESTABLISHED"),
        (256, "UNTRACKED"),
        (64, "SNAT"),
        (128, "DNAT"),
    ];
    let (asked, _) = Connection::read_from_prefix(info.get(AT..)?).ok()?;
    let known = STATES.iter().fold(0, |all, (bit, _)| all | bit);
    let is_known = asked.flags & !ALIAS == STATE && asked.states & !known == 0 && asked.states != 0;
    is_known.then_some(())?;
    let states: Vec<&str> =
        STATES.iter().filter(|(bit, _)| asked.states & bit != 0).map(|it| it.1).collect();
    let not = if asked.inverted & STATE != 0 { "! " } else { "" };
    let (name, option) =
        if asked.flags & ALIAS != 0 { ("state", "--state") } else { ("conntrack", "--ctstate") };
    Some(format!("-m {name} {not}{option} {}", states.join(",")))
}

/// `struct xt_multiport_v1`.
#[derive(Debug, FromBytes, Immutable, KnownLayout)]
#[repr(C)]
struct Multiport {
    which: u8,
    count: u8,
    ports: [u16; 15],
    /// Whether the port begins a range, whose end is the next one.
    begins: [u8; 15],
    inverted: u8,
}

fn multiport(info: &[u8]) -> Option<String> {
    let (asked, _) = Multiport::read_from_prefix(info).ok()?;
    let option = match asked.which {
        0 => "--sports",
        1 => "--dports",
        2 => "--ports",
        _ => return None,
    };
    let count = usize::from(asked.count);
    let mut ports = asked.ports.get(..count)?.iter().zip(asked.begins.get(..count)?);
    let mut words = Vec::new();
    while let Some((port, begins)) = ports.next() {
        words.push(match begins {
            0 => port.to_string(),
            _ => format!("{port}:{}", ports.next()?.0),
        });
    }
    let not = if asked.inverted == 0 { "" } else { "! " };
    (!words.is_empty()).then(|| format!("-m multiport {not}{option} {}", words.join(",")))
}

fn address_kind(info: &[u8]) -> Option<String> {
    const NAMES: [&str; 9] = [
        "UNSPEC",
        "UNICAST",
        "LOCAL",
        "BROADCAST",
        "ANYCAST",
        "MULTICAST",
        "BLACKHOLE",
        "UNREACHABLE",
        "PROHIBIT",
    ];
    let (asked, _) = AddressKind::read_from_prefix(info).ok()?;
    let is_known = asked.flags & !0b1111 == 0
        && (asked.source | asked.destination) >> NAMES.len() == 0
        && (asked.source | asked.destination) != 0;
    is_known.then_some(())?;
    let mut words = vec!["-m addrtype".to_owned()];
    for (kinds, inverted, option) in
        [(asked.source, 1, "--src-type"), (asked.destination, 2, "--dst-type")]
    {
        let names: Vec<&str> = NAMES
            .into_iter()
            .enumerate()
            .filter(|(bit, _)| kinds >> bit & 1 == 1)
            .map(|(_, name)| name)
            .collect();
        if !names.is_empty() {
            let not = if asked.flags & inverted == 0 { "" } else { "! " };
            words.push(format!("{not}{option} {}", names.join(",")));
        }
    }
    for (bit, option) in [(4, "--limit-iface-in"), (8, "--limit-iface-out")] {
        if asked.flags & bit != 0 {
            words.push(option.to_owned());
        }
    }
    Some(words.join(" "))
}

/// `struct ipt_icmp`: a type, the first and the last code, and whether it is inverted.
fn icmp(info: &[u8], name: &str, option: &str) -> Option<String> {
    const ANY: u8 = u8::MAX;
    let (&[kind, first, last, inverted], _) = info.split_first_chunk()?;
    let not = match inverted {
        0 => "",
        1 => "! ",
        _ => return None,
    };
    let code = match (first, last) {
        (0, u8::MAX) => String::new(),
        (first, last) if first == last => format!("/{first}"),
        _ => return None,
    };
    (kind != ANY).then(|| format!("-m {name} {not}{option} {kind}{code}"))
}

/// `struct xt_recent_mtinfo_v1`.
fn recent(info: &[u8], family: Family) -> Option<String> {
    const NAME: usize = 10;
    const SIDE: usize = 210;
    const MASK: usize = 212;
    let what = match info.get(8)? & 0b1111 {
        1 => "--rcheck",
        2 => "--set",
        4 => "--update",
        8 => "--remove",
        _ => return None,
    };
    let (reaps, same_ttl) = (info.get(8)? & 32 != 0, info.get(8)? & 16 != 0);
    let known = info.get(8)? & !0b11_1111 == 0;
    let not = match info.get(9)? {
        0 => "",
        1 => "! ",
        _ => return None,
    };
    let mut words = vec![format!("-m recent {not}{what}")];
    for (option, number) in [("--seconds", u32_at(0, info)?), ("--hitcount", u32_at(4, info)?)] {
        if number != 0 {
            words.push(format!("{option} {number}"));
        }
        if reaps && option == "--seconds" {
            words.push("--reap".to_owned());
        }
    }
    if same_ttl {
        words.push("--rttl".to_owned());
    }
    let mask = info.get(MASK..MASK + 16)?;
    let mask = match family {
        Family::Ipv4 => Ipv4Addr::from(<[u8; 4]>::try_from(mask.get(..4)?).ok()?).to_string(),
        Family::Ipv6 => Ipv6Addr::from(<[u8; 16]>::try_from(mask).ok()?).to_string(),
    };
    let side = match info.get(SIDE)? {
        0 => "--rsource",
        1 => "--rdest",
        _ => return None,
    };
    let name = text(info.get(NAME..SIDE)?);
    words.push(format!("--name {} --mask {mask} {side}", quoted(&name)));
    known.then(|| words.join(" "))
}

/// `struct xt_tcp` and `struct xt_udp`: before iptables 1.8.8 the ports stood in a match of their own.
fn ports(name: &str, info: &[u8]) -> Option<String> {
    let (ports, rest) = Ports::read_from_prefix(info).ok()?;
    let inverted = if name == "tcp" {
        let (tcp, _) = Tcp::read_from_prefix(rest).ok()?;
        (tcp.option == 0 && tcp.flags_mask == 0).then_some(tcp.inverted)?
    } else {
        *rest.first()?
    };
    (inverted & !0b11 == 0).then_some(())?;
    let mut words = vec![format!("-m {name}")];
    for ([first, last], bit, option) in
        [(ports.source, 1, "--sport"), (ports.destination, 2, "--dport")]
    {
        let not = if inverted & bit == 0 { "" } else { "! " };
        if first == last {
            words.push(format!("{not}{option} {first}"));
        } else if (first, last) != (0, u16::MAX) {
            words.push(format!("{not}{option} {first}:{last}"));
        } else if !not.is_empty() {
            return None;
        }
    }
    Some(words.join(" "))
}
