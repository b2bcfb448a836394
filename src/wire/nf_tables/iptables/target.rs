//! The targets of `iptables` (`linux/netfilter_ipv4/ipt_REJECT.h`, `linux/netfilter/xt_mark.h`, `xt_LOG.h`).

use super::super::xtables;
use super::quoted;
use crate::model::Family;
use crate::wire::netlink::{text, u32_at};

/// The words for a target.
pub(super) fn words(name: &str, revision: u32, info: &[u8], family: Family) -> Option<String> {
    match (name, revision) {
        ("REJECT", 0) => reject(info, family),
        ("MARK", 2) => {
            let (mark, bits) = (u32_at(0, info)?, u32_at(4, info)?);
            Some(format!("-j MARK --set-xmark {mark:#x}/{bits:#x}"))
        }
        ("LOG", 0) => log(info),
        ("DNAT" | "SNAT" | "REDIRECT" | "MASQUERADE", _) => nat(name, revision, info, family),
        _ => None,
    }
}

fn reject(info: &[u8], family: Family) -> Option<String> {
    const OF_IPV4: [Option<&str>; 9] = [
        Some("icmp-net-unreachable"),
        Some("icmp-host-unreachable"),
        Some("icmp-proto-unreachable"),
        Some("icmp-port-unreachable"),
        None,
        Some("icmp-net-prohibited"),
        Some("icmp-host-prohibited"),
        Some("tcp-reset"),
        Some("icmp-admin-prohibited"),
    ];
    const OF_IPV6: [Option<&str>; 9] = [
        Some("icmp6-no-route"),
        Some("icmp6-adm-prohibited"),
        None,
        Some("icmp6-addr-unreachable"),
        Some("icmp6-port-unreachable"),
        None,
        Some("tcp-reset"),
        Some("icmp6-policy-fail"),
        Some("icmp6-reject-route"),
    ];
    let kinds = match family {
        Family::Ipv4 => OF_IPV4,
        Family::Ipv6 => OF_IPV6,
    };
    let kind = *kinds.get(usize::try_from(u32_at(0, info)?).ok()?)?;
    Some(format!("-j REJECT --reject-with {}", kind?))
}

fn log(info: &[u8]) -> Option<String> {
    const WARNING: u8 = 4;
    const FLAGS: [(u8, &str); 5] = [
        (1, "--log-tcp-sequence"),
        (2, "--log-tcp-options"),
        (4, "--log-ip-options"),
        (8, "--log-uid"),
        (32, "--log-macdecode"),
    ];
    let (&[level, flags], prefix) = info.split_first_chunk()?;
    let known = FLAGS.iter().fold(0, |all, (bit, _)| all | bit);
    (flags & !known == 0).then_some(())?;
    let prefix = text(prefix);
    let mut words = vec!["-j LOG".to_owned()];
    if !prefix.is_empty() {
        words.push(format!("--log-prefix {}", quoted(&prefix)));
    }
    if level != WARNING {
        words.push(format!("--log-level {level}"));
    }
    let set = FLAGS.iter().filter(|(bit, _)| flags & bit != 0);
    words.extend(set.map(|(_, option)| (*option).to_owned()));
    Some(words.join(" "))
}

fn nat(name: &str, revision: u32, info: &[u8], family: Family) -> Option<String> {
    /// `NF_NAT_RANGE_…`: those that only say what is written anyway, and those with an option.
    const UNWRITTEN: u32 = 1 << 0 | 1 << 1 | 1 << 5;
    const FLAGS: [(u32, &str); 3] =
        [(1 << 2, " --random"), (1 << 4, " --random-fully"), (1 << 3, " --persistent")];
    let onto = xtables::range(revision, info, family)?;
    let known = FLAGS.iter().fold(UNWRITTEN, |all, (bit, _)| all | bit);
    (onto.flags & !known == 0).then_some(())?;
    let ports = onto.ports.map(|(first, last)| match onto.base {
        _ if first == last => first.to_string(),
        Some(base) if onto.flags & 1 << 5 != 0 => format!("{first}-{last}/{base}"),
        _ => format!("{first}-{last}"),
    });
    let is_bracketed = family == Family::Ipv6 && ports.is_some();
    let addresses = onto.addresses.map(|(first, last)| {
        let both = if first == last { first.to_string() } else { format!("{first}-{last}") };
        if is_bracketed { format!("[{both}]") } else { both }
    });
    let words = match (name, addresses, ports) {
        ("REDIRECT" | "MASQUERADE", None, None) => String::new(),
        // The address of a redirection is not the rule's.
        ("REDIRECT", _, Some(ports)) | ("MASQUERADE", None, Some(ports)) => {
            format!(" --to-ports {ports}")
        }
        ("DNAT", None, Some(ports)) => format!(" --to-destination :{ports}"),
        ("SNAT", None, Some(ports)) => format!(" --to-source :{ports}"),
        ("DNAT", Some(to), ports) => format!(" --to-destination {to}{}", behind(ports)),
        ("SNAT", Some(to), ports) => format!(" --to-source {to}{}", behind(ports)),
        _ => return None,
    };
    let flags: String =
        FLAGS.iter().filter(|(bit, _)| onto.flags & bit != 0).map(|(_, option)| *option).collect();
    Some(format!("-j {name}{words}{flags}"))
}

fn behind(ports: Option<String>) -> String {
    ports.map_or(String::new(), |ports| format!(":{ports}"))
}
