//! What `/proc/sys` and the files of `/proc/net` say of our network namespace.

use crate::model::Family;
use std::fs;
use std::io;
use std::io::{Read as _, Write as _};

/// The range of source ports that the kernel picks from, both ends included.
#[must_use]
pub fn local_port_range() -> Option<(u16, u16)> {
    let text = fs::read_to_string("/proc/sys/net/ipv4/ip_local_port_range").ok()?;
    let mut ports = text.split_ascii_whitespace().map_while(|word| word.parse().ok());
    Some((ports.next()?, ports.next()?))
}

/// How many more connections the conntrack table takes, and how many it takes in all. `None` where connection
/// tracking is not loaded.
#[must_use]
pub fn conntrack_room() -> Option<(u64, u64)> {
    let number = |name: &str| -> Option<u64> {
        let text =
            fs::read_to_string(format!("/proc/sys/net/netfilter/nf_conntrack_{name}")).ok()?;
        text.trim().parse().ok()
    };
    let (count, max) = (number("count")?, number("max")?);
    Some((max.saturating_sub(count), max))
}

/// Whether the kernel tracks a connection in our network namespace right now. One that was opened a moment ago it still
/// knows.
#[must_use]
pub fn tracks_connections() -> bool {
    conntrack_room().is_some_and(|(free, size)| free < size)
}

/// A table of `/proc/net`, of the network namespace of this thread.
///
/// # Errors
/// When the kernel has no such table, or `/proc` is not mounted.
pub fn network_table(name: &str) -> io::Result<String> {
    // The kernel tells no size: with room for all of it, it is read at once.
    let mut text = String::with_capacity(16 * 1024);
    fs::File::open(format!("/proc/thread-self/net/{name}"))?.read_to_string(&mut text)?;
    Ok(text)
}

/// How many UDP datagrams of a family the programs of our network namespace have received
/// (`UdpInDatagrams`, `Udp6InDatagrams`).
#[must_use]
pub fn udp_datagrams_received(family: Family) -> Option<u64> {
    match family {
        Family::Ipv4 => counter(&network_table("snmp").ok()?, "Udp: ", "InDatagrams"),
        Family::Ipv6 => line(&network_table("snmp6").ok()?, "Udp6InDatagrams"),
    }
}

/// Packets and connections that our network namespace has counted since it was made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PacketCounters {
    /// Packets that were handed to the output path.
    pub sent: u64,
    /// Packets that arrived.
    pub arrived: u64,
    /// Packets that passed the input path.
    pub delivered: u64,
    /// Segments without the signature that a listener wants.
    pub unsigned: u64,
    /// Connections that found an accept queue full.
    pub overflowed: u64,
}

/// The packets of a family, and the connections of both.
#[must_use]
pub fn packet_counters(family: Family) -> Option<PacketCounters> {
    // Kernels before 6.7 know no keys of the newer kind.
    let names: [&[&str]; 2] = [&["TCPMD5NotFound", "TCPAOKeyNotFound"], &["ListenOverflows"]];
    let [unsigned, overflowed] = tcp_counters(names)?;
    let (snmp, snmp6);
    let of_ip: &dyn Fn(&str) -> Option<u64> = match family {
        Family::Ipv4 => {
            snmp = network_table("snmp").ok()?;
            &|name| counter(&snmp, "Ip: ", name)
        }
        Family::Ipv6 => {
            snmp6 = network_table("snmp6").ok()?;
            &|name| line(&snmp6, &format!("Ip6{name}"))
        }
    };
    Some(PacketCounters {
        sent: of_ip("OutRequests")?,
        arrived: of_ip("InReceives")?,
        delivered: of_ip("InDelivers")?,
        unsigned,
        overflowed,
    })
}

/// A counter of a table with a line of names and a line of numbers for each group.
fn counter(text: &str, group: &str, name: &str) -> Option<u64> {
    let mut lines = text.lines().filter_map(|line| line.strip_prefix(group));
    let column = lines.next()?.split(' ').position(|it| it == name)?;
    lines.next()?.split(' ').nth(column)?.parse().ok()
}

/// A counter of a table with a name and a number in each line.
fn line(text: &str, name: &str) -> Option<u64> {
    let mut lines = text.lines().filter_map(|line| line.split_once(char::is_whitespace));
    lines.find(|(it, _)| *it == name)?.1.trim().parse().ok()
}

/// The first port that takes no privilege to bind (`ip_unprivileged_port_start`).
#[must_use]
pub fn unprivileged_port_start() -> Option<u16> {
    let path = "/proc/sys/net/ipv4/ip_unprivileged_port_start";
    fs::read_to_string(path).ok()?.trim().parse().ok()
}

/// The sums of some of the counters of TCP in our network namespace (`TcpExt` of `/proc/net/netstat`). One that this
/// kernel does not have counts nothing.
#[must_use]
pub fn tcp_counters<const N: usize>(names: [&[&str]; N]) -> Option<[u64; N]> {
    let text = network_table("netstat").ok()?;
    let mut lines = text.lines().filter_map(|line| line.strip_prefix("TcpExt: "));
    let counters = lines.next()?.split(' ').zip(lines.next()?.split(' '));
    let counters: Vec<(&str, u64)> =
        counters.filter_map(|(name, value)| Some((name, value.parse().ok()?))).collect();
    Some(names.map(|names| {
        counters.iter().filter(|(name, _)| names.contains(name)).map(|(_, value)| value).sum()
    }))
}

/// How many packets `IPsec` has dropped on their way into our network namespace; 0 where the kernel has none.
#[must_use]
pub fn ipsec_drops() -> u64 {
    let text = network_table("xfrm_stat").unwrap_or_default();
    let inward = text.lines().filter_map(|line| line.strip_prefix("XfrmIn"));
    inward.filter_map(|line| line.split_ascii_whitespace().nth(1)?.parse::<u64>().ok()).sum()
}

/// Whether a program takes packets of our network namespace in, to give them back later (`NFQUEUE`). It does only through
/// a queue that it is bound to.
///
/// # Errors
/// When only root may know.
pub fn programs_take_packets() -> io::Result<bool> {
    let netfilter = "/proc/thread-self/net/netfilter";
    // Else it could be that `/proc` does not show it.
    fs::metadata(netfilter)?;
    match fs::read_to_string(format!("{netfilter}/nfnetlink_queue")) {
        Ok(queues) => Ok(!queues.is_empty()),
        // A kernel that has no such queues, or has not loaded them.
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
        Err(error) => Err(error),
    }
}

/// Whether the kernel may hand connections on to other hosts by IPVS.
///
/// # Errors
/// When `/proc` does not tell.
pub fn balances_connections() -> io::Result<bool> {
    fs::metadata("/proc/thread-self/net/netfilter")?;
    fs::exists("/proc/thread-self/net/ip_vs")
}

/// Whether the old `ip_tables` of a family has a NAT table in our network namespace. It has one as soon as
/// `iptables-legacy -t nat` was used, also where that only listed it.
///
/// # Errors
/// When only root may know.
pub fn has_legacy_nat(family: Family) -> io::Result<bool> {
    Ok(legacy_tables(family)?.iter().any(|name| name == "nat"))
}

/// The tables of the old `ip_tables` of a family in our network namespace.
///
/// # Errors
/// When only root may know.
pub fn legacy_tables(family: Family) -> io::Result<Vec<String>> {
    let path = match family {
        Family::Ipv4 => "/proc/thread-self/net/ip_tables_names",
        Family::Ipv6 => "/proc/thread-self/net/ip6_tables_names",
    };
    match fs::read_to_string(path) {
        Ok(names) => Ok(names.lines().map(str::to_owned).collect()),
        // A kernel that has no such tables, or has not loaded them.
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Vec::new()),
        Err(error) => Err(error),
    }
}

/// What the kernel logs packets of a family to, where a rule does not say it (`net.netfilter.nf_log`).
#[must_use]
pub fn packet_logger(family: Family) -> Option<String> {
    let path = format!("/proc/sys/net/{}", packet_logger_of(family));
    Some(fs::read_to_string(path).ok()?.trim().to_owned())
}

/// Makes the kernel log packets of a family to something else, in our network namespace.
///
/// # Errors
/// Without `CAP_NET_ADMIN`, and where the kernel has no such logger.
pub fn set_packet_logger(family: Family, logger: &str) -> io::Result<()> {
    set_network(packet_logger_of(family), logger)
}

/// Sets what the kernel does with the network of this thread's namespace, as `ipv4/ping_group_range`.
///
/// # Errors
/// When it does not exist or may not be set.
pub fn set_network(setting: &str, value: &str) -> io::Result<()> {
    // Nothing is made where it is not.
    let mut file = fs::File::options().write(true).open(format!("/proc/sys/net/{setting}"))?;
    file.write_all(value.as_bytes())
}

/// By the number of the protocol family (`NFPROTO_IPV4`, `NFPROTO_IPV6`).
fn packet_logger_of(family: Family) -> &'static str {
    match family {
        Family::Ipv4 => "netfilter/nf_log/2",
        Family::Ipv6 => "netfilter/nf_log/10",
    }
}

/// `rp_filter` as it applies to a device: the larger one of its own and that of all.
#[must_use]
pub fn reverse_path_filter(device: &str) -> Option<u8> {
    // A name of a device has no slash (`dev_valid_name`).
    let of = |name: &str| -> Option<u8> {
        let text = fs::read_to_string(format!("/proc/sys/net/ipv4/conf/{name}/rp_filter")).ok()?;
        text.trim().parse().ok()
    };
    Some(of(device)?.max(of("all")?))
}
