//! What a rule does, as `nft` writes it.

use super::super::numbers::{NFPROTO_IPV4, NFPROTO_IPV6, NFT_NAT_DNAT, NFT_NAT_SNAT};
use super::values::{ICMP_CODES, ICMPV6_CODES, named};
use super::{Ends, Family, Statement, TableFamily, Verdict};
use std::net::{Ipv4Addr, Ipv6Addr};

/// The words for what needs nothing of what was said before.
pub(super) fn words(statement: &Statement, family: TableFamily) -> Option<String> {
    match statement {
        Statement::Verdict(it) => Some(verdict(it)),
        Statement::Counter => Some("counter".to_owned()),
        Statement::Notrack => Some("notrack".to_owned()),
        Statement::Limit { rate, seconds, burst, is_over } => {
            limit(*rate, *seconds, *burst, *is_over)
        }
        Statement::Log { .. } => log(statement),
        Statement::Nat { kind, family: of, addresses, ports, flags } => {
            let verb = match *kind {
                NFT_NAT_SNAT => "snat",
                NFT_NAT_DNAT => "dnat",
                _ => return None,
            };
            let to = target(*of, addresses.as_ref(), ports.as_ref())?;
            let of = if addresses.is_some() { of_family(family, *of)? } else { "" };
            Some(format!("{verb}{of} to {to}{}", nat_flags(*flags)?))
        }
        Statement::Masquerade { ports, flags } => with_ports("masquerade", ports.as_ref(), *flags),
        Statement::Redirect { ports, flags } => with_ports("redirect", ports.as_ref(), *flags),
        Statement::Tproxy { family: of, address, port } => {
            let pair = |value: &Vec<u8>| (value.clone(), value.clone());
            let (address, port) = (address.as_ref().map(pair), port.as_ref().map(pair));
            let named = if *of == 0 { "" } else { of_family(family, *of)? };
            Some(format!("tproxy{named} to {}", target(*of, address.as_ref(), port.as_ref())?))
        }
        Statement::Object { kind, name } => {
            let verb = match kind {
                1 => "counter name",
                2 => "quota name",
                3 => "ct helper set",
                4 => "limit name",
                _ => return None,
            };
            (!name.contains('"')).then(|| format!("{verb} \"{name}\""))
        }
        _ => None,
    }
}

pub(super) fn verdict(verdict: &Verdict) -> String {
    match verdict {
        Verdict::Accept => "accept".to_owned(),
        Verdict::Drop => "drop".to_owned(),
        Verdict::Continue => "continue".to_owned(),
        Verdict::Return => "return".to_owned(),
        Verdict::Jump(chain) => format!("jump {chain}"),
        Verdict::Goto(chain) => format!("goto {chain}"),
    }
}

/// The name of the time in which a limit counts (`sec`, `minute`).
pub(in super::super) fn unit(seconds: u64) -> Option<&'static str> {
    Some(match seconds {
        1 => "second",
        60 => "minute",
        3600 => "hour",
        86_400 => "day",
        604_800 => "week",
        _ => return None,
    })
}

fn limit(rate: u64, seconds: u64, burst: u32, is_over: bool) -> Option<String> {
    /// What `nft` takes where a rule says nothing.
    const BURST: u32 = 5;
    let over = if is_over { "over " } else { "" };
    let burst = if burst == BURST { String::new() } else { format!(" burst {burst} packets") };
    Some(format!("limit rate {over}{rate}/{}{burst}", unit(seconds)?))
}

fn log(statement: &Statement) -> Option<String> {
    const LEVELS: [&str; 8] = ["emerg", "alert", "crit", "err", "warn", "notice", "info", "debug"];
    const WARN: u32 = 4;
    /// `NF_LOG_…`: what else is logged.
    const ALL: u32 = 0x2f;
    let Statement::Log { prefix, group, snaplen, threshold, level, flags } = statement else {
        return None;
    };
    let mut words = vec!["log".to_owned()];
    if let Some(prefix) = prefix {
        words.push(format!("prefix \"{prefix}\""));
    }
    if let Some(group) = group {
        words.push(format!("group {group}"));
    }
    if *snaplen != 0 {
        words.push(format!("snaplen {snaplen}"));
    }
    if *threshold != 0 {
        words.push(format!("queue-threshold {threshold}"));
    }
    if *level != WARN {
        words.push(format!("level {}", LEVELS.get(usize::try_from(*level).ok()?)?));
    }
    match *flags {
        ALL => words.push("flags all".to_owned()),
        flags if flags & !ALL != 0 => return None,
        flags => {
            match flags & 3 {
                1 => words.push("flags tcp sequence".to_owned()),
                2 => words.push("flags tcp options".to_owned()),
                3 => words.push("flags tcp sequence,options".to_owned()),
                _ => {}
            }
            for (bit, name) in [(4, "flags ip options"), (8, "flags skuid"), (32, "flags ether")] {
                if flags & bit != 0 {
                    words.push(name.to_owned());
                }
            }
        }
    }
    Some(words.join(" "))
}

/// A refusal.
pub(super) fn reject(
    kind: u32,
    code: u8,
    family: TableFamily,
    network: Option<Family>,
) -> Option<String> {
    const ICMPX_CODES: &[(u32, &str)] = &[
        (0, "no-route"),
        (1, "port-unreachable"),
        (2, "host-unreachable"),
        (3, "admin-prohibited"),
    ];
    let code = u32::from(code);
    let (protocol, codes, default) = match (kind, network) {
        (1, _) => return Some("reject with tcp reset".to_owned()),
        (0, Some(Family::Ipv4)) => ("icmp", ICMP_CODES, (family == TableFamily::Ip).then_some(3)),
        (0, Some(Family::Ipv6)) => {
            ("icmpv6", ICMPV6_CODES, (family == TableFamily::Ip6).then_some(4))
        }
        (2, _) => ("icmpx", ICMPX_CODES, Some(1)),
        _ => return None,
    };
    if Some(code) == default {
        return Some("reject".to_owned());
    }
    Some(format!("reject with {protocol} {}", named(codes, code)?))
}

/// What names the family of an address where the table does not.
fn of_family(family: TableFamily, of: u32) -> Option<&'static str> {
    let of = u8::try_from(of).ok()?;
    match (family, of) {
        (TableFamily::Ip, NFPROTO_IPV4) | (TableFamily::Ip6, NFPROTO_IPV6) => Some(""),
        (TableFamily::Inet, NFPROTO_IPV4) => Some(" ip"),
        (TableFamily::Inet, NFPROTO_IPV6) => Some(" ip6"),
        _ => None,
    }
}

/// Where packets are sent on to.
fn target(family: u32, addresses: Option<&Ends>, ports: Option<&Ends>) -> Option<String> {
    let is_ipv6 = family == u32::from(NFPROTO_IPV6);
    let address = |bytes: &[u8]| {
        if is_ipv6 {
            let address = Ipv6Addr::from(<[u8; 16]>::try_from(bytes).ok()?).to_string();
            return Some(if ports.is_some() { format!("[{address}]") } else { address });
        }
        Some(Ipv4Addr::from(<[u8; 4]>::try_from(bytes).ok()?).to_string())
    };
    let addresses = match addresses {
        Some((first, last)) if first == last => address(first)?,
        Some((first, last)) => format!("{}-{}", address(first)?, address(last)?),
        None => String::new(),
    };
    let ports =
        ports.map_or(Some(String::new()), |ports| range_of_ports(ports).map(|it| format!(":{it}")));
    Some(addresses + &ports?).filter(|words| !words.is_empty())
}

fn range_of_ports((first, last): &Ends) -> Option<String> {
    let port = |bytes: &[u8]| Some(u16::from_be_bytes(bytes.try_into().ok()?));
    let (first, last) = (port(first)?, port(last)?);
    Some(if first == last { first.to_string() } else { format!("{first}-{last}") })
}

fn with_ports(verb: &str, ports: Option<&Ends>, flags: u32) -> Option<String> {
    let flags = nat_flags(flags)?;
    Some(match ports {
        Some(ports) => format!("{verb} to :{}{flags}", range_of_ports(ports)?),
        None => format!("{verb}{flags}"),
    })
}

/// The flags of `linux/netfilter/nf_nat.h` that are written; those for addresses and ports go without saying.
fn nat_flags(flags: u32) -> Option<String> {
    const UNWRITTEN: u32 = 1 << 0 | 1 << 1;
    let names = [(4, "random"), (16, "fully-random"), (8, "persistent")];
    let known = names.iter().fold(UNWRITTEN, |all, (bit, _)| all | bit);
    let names: Vec<&str> = names.iter().filter(|it| flags & it.0 != 0).map(|it| it.1).collect();
    let space = if names.is_empty() { "" } else { " " };
    (flags & !known == 0).then(|| format!("{space}{}", names.join(",")))
}
