//! What sockets are bound to, in short and in words.

use super::sanitize::{sanitize, width};
use super::units;
use crate::model::{Interface, LeadsTo, Nat, PortlessKind, PublishedAt, Seen, Socket, SocketState};
use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};

/// How wide a joined list of bindings may become; what does not fit is counted.
pub(super) const LIST_WIDTH: usize = 40;

/// The families that a wildcard takes.
#[derive(Debug, Clone, Copy, Default)]
struct Families {
    v4: bool,
    v6: bool,
    /// `IPV6_V6ONLY` could not be read, so IPv4 may be taken too.
    maybe_v4: bool,
}

/// One address, or the wildcards of one device together, with the sockets that are bound there.
#[derive(Debug, Default)]
struct Binding {
    wildcard: Families,
    /// How many sockets each bound address has; more than one is `SO_REUSEPORT`.
    sockets: BTreeMap<IpAddr, usize>,
}

/// The device of a binding as a suffix: `%eth0`, or nothing.
pub(super) fn device(interface: &Seen<Interface>) -> String {
    match interface {
        Seen::Known(interface) => format!("%{}", sanitize(&interface.name)),
        Seen::Absent => String::new(),
        Seen::Denied(_) | Seen::Failed(_) | Seen::Skipped(_) => "%?".into(),
    }
}

/// The bindings of these sockets, joined by device; the key is the address, or `None` for the wildcards.
fn bindings(sockets: &[&Socket]) -> BTreeMap<(String, Option<IpAddr>), Binding> {
    let mut bindings: BTreeMap<_, Binding> = BTreeMap::new();
    for socket in sockets {
        let canonical = socket.address.to_canonical();
        let address = (!canonical.is_unspecified()).then_some(socket.address);
        let binding = bindings.entry((device(&socket.interface), address)).or_default();
        *binding.sockets.entry(socket.address).or_default() += 1;
        let families = &mut binding.wildcard;
        let dual = socket.dual_stack();
        families.v4 |= canonical.is_ipv4() || dual == Seen::Known(true);
        families.v6 |= canonical.is_ipv6();
        families.maybe_v4 |= canonical.is_ipv6() && dual.is_unknown();
    }
    bindings
}

impl Binding {
    /// ` x4` for four sockets with the same binding.
    fn times(&self) -> String {
        match self.sockets.values().max() {
            Some(&times) if times > 1 => format!(" x{times}"),
            _ => String::new(),
        }
    }
}

impl Families {
    fn short(self) -> &'static str {
        match self {
            Self { v4: true, v6: true, .. } => "v4+v6",
            Self { v4: true, .. } => "v4 only",
            Self { maybe_v4: true, .. } => "v6, v4?",
            Self { .. } => "v6 only",
        }
    }

    fn long(self) -> &'static str {
        match self {
            Self { v4: true, v6: true, .. } => "IPv4 and IPv6",
            Self { v4: true, .. } => "IPv4 only",
            Self { maybe_v4: true, .. } => "IPv6, and IPv4 unless IPV6_V6ONLY is set (not known)",
            Self { .. } => "IPv6 only",
        }
    }
}

/// The bindings of a group in short, with what is to be known of its state: a connection has its other end.
pub(super) fn of_group(sockets: &[&Socket]) -> String {
    let Some(first) = sockets.first() else { return String::new() };
    let bound = match first.peer {
        Some(peer) => {
            let device = device(&first.interface);
            format!("{}{device} to {peer} ({})", first.address, first.state.name())
        }
        None => short(sockets),
    };
    let state = if first.state == SocketState::Bound { " (not listening)" } else { "" };
    let mptcp = if first.mptcp { " (mptcp)" } else { "" };
    format!("{bound}{state}{mptcp}")
}

/// What a socket without a port takes: a path, `icmp`, `arp on eth0`.
pub(super) fn of_portless(kind: &PortlessKind) -> String {
    let device = device(kind.interface());
    match kind {
        PortlessKind::Unix { path } => sanitize(path).into_owned(),
        PortlessKind::Raw { address, .. } if !address.is_unspecified() => {
            format!("{} {address}{device}", kind.protocol().unwrap_or_default())
        }
        _ => format!("{}{device}", kind.protocol().unwrap_or_default()),
    }
}

/// The bindings in short: `* (v4+v6)`, `127.0.0.1 ::1`, `*%eth0 (v4 only)`.
pub(super) fn short(sockets: &[&Socket]) -> String {
    let bindings = bindings(sockets);
    let texts = bindings.iter().map(|((device, address), binding)| {
        let times = binding.times();
        match address {
            Some(address) => format!("{address}{device}{times}"),
            None => format!("*{device} ({}){times}", binding.wildcard.short()),
        }
    });
    joined(texts.collect())
}

/// As many of the texts as fit, and the number of the others.
fn joined(texts: Vec<String>) -> String {
    let total = texts.len();
    let mut list = String::new();
    for (at, text) in texts.into_iter().enumerate() {
        if at > 0 && width(&list) + 1 + width(&text) > LIST_WIDTH {
            return format!("{list} +{}", total - at);
        }
        if at > 0 {
            list.push(' ');
        }
        list += &text;
    }
    list
}

/// What NAT does with packets for a socket, in short: `at 8081`, `to 10.88.0.2:80`.
pub(super) fn nat(nat: &Nat) -> String {
    let at = nat.published_at.iter().map(|at| format!("at {}", published_at(at)));
    let to = nat.leads_to.iter().map(|to| format!("to {}", leads_to(to)));
    at.chain(to).collect::<Vec<_>>().join(", ")
}

/// `8081`, `10.0.0.5:8081`, `8081 of blue`.
fn published_at(at: &PublishedAt) -> String {
    let place = match at.address {
        Some(address) => SocketAddr::new(address, at.port.get()).to_string(),
        None => at.port.to_string(),
    };
    let netns = at.netns.as_ref().map(|netns| format!(" of {}", sanitize(netns)));
    format!("{place}{}{}", netns.unwrap_or_default(), some_only(at.narrowed))
}

/// `10.88.0.2:80`, `8080` for a port of the same namespace.
fn leads_to(to: &LeadsTo) -> String {
    let place = match to.address {
        Some(address) => SocketAddr::new(address, to.port.get()).to_string(),
        None => to.port.to_string(),
    };
    format!("{place}{}", some_only(to.narrowed))
}

/// A rule that asks for more than is told takes not every packet.
fn some_only(narrowed: bool) -> &'static str {
    if narrowed { " (some)" } else { "" }
}

/// What NAT does with packets for a socket, in words.
pub(super) fn nat_in_words(nat: &Nat) -> Vec<(&'static str, String)> {
    let at = nat.published_at.iter().map(|at| {
        let netns = at.netns.as_ref().map_or_else(
            || " of our network namespace".to_owned(),
            |netns| format!(" of {}", sanitize(netns)),
        );
        let address = at.address.map(|address| format!(" at {address}")).unwrap_or_default();
        let some = some_only(at.narrowed);
        ("published", format!("as port {}{address}{netns}{some}", at.port))
    });
    let to = nat.leads_to.iter().map(|to| {
        let container = to.container.as_ref().and_then(units::short);
        let within = match (container, &to.netns) {
            (Some(name), _) => format!(" in the container {name}"),
            (None, Some(netns)) => format!(" in {}", sanitize(netns)),
            (None, None) => String::new(),
        };
        ("nat", format!("packets to this port go on to {}{within}, past this socket", leads_to(to)))
    });
    at.chain(to).collect()
}

/// The connections of a group, as far as they fit: `127.0.0.1 to 10.0.0.7:51234`.
pub(super) fn connections(sockets: &[&Socket]) -> Vec<String> {
    /// More are counted.
    const MOST: usize = 8;
    let text = |socket: &&Socket| {
        let device = device(&socket.interface);
        Some(format!("{}{device} to {}", socket.address, socket.peer?))
    };
    let mut texts: Vec<String> = sockets.iter().take(MOST).filter_map(text).collect();
    if sockets.len() > MOST {
        texts.push(format!("and {} others", sockets.len() - MOST));
    }
    texts
}

/// The bindings in words: `every address, IPv4 and IPv6`, `127.0.0.1 (this host only)`.
pub(super) fn words(sockets: &[&Socket]) -> Vec<String> {
    let bindings = bindings(sockets);
    let words = bindings.iter().map(|((device, address), binding)| {
        let sockets = binding.sockets.values().max().copied().unwrap_or(0);
        let shared =
            if sockets > 1 { format!(", {sockets} sockets (SO_REUSEPORT)") } else { String::new() };
        match (address, device.strip_prefix('%')) {
            (Some(address), _) if address.to_canonical().is_loopback() => {
                format!("{address}{device} (this host only){shared}")
            }
            (Some(address), _) => format!("{address}{device}{shared}"),
            (None, None) => format!("every address, {}{shared}", binding.wildcard.long()),
            (None, Some("?")) => {
                format!(
                    "every address, {}, on a device that could not be read{shared}",
                    binding.wildcard.long()
                )
            }
            (None, Some(device)) => {
                format!("every address of {device}, {}{shared}", binding.wildcard.long())
            }
        }
    });
    words.collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::document::samples::{With, tcp};
    use crate::model::Need;

    #[test]
    fn bindings_are_told_in_short_and_in_words() {
        let unread = Socket { v6_only: Seen::Denied(Need::Kernel(4, 2)), ..tcp("::", 1) };
        let lost = Socket { interface: Seen::Failed("gone".into()), ..tcp("0.0.0.0", 1) };
        let table: [(Vec<Socket>, &str, &str); 13] = [
            (vec![tcp("::", 1)], "* (v4+v6)", "every address, IPv4 and IPv6"),
            (vec![tcp("0.0.0.0", 1)], "* (v4 only)", "every address, IPv4 only"),
            (vec![tcp("::", 1).v6_only()], "* (v6 only)", "every address, IPv6 only"),
            (
                vec![tcp("0.0.0.0", 1), tcp("::", 1).v6_only()],
                "* (v4+v6)",
                "every address, IPv4 and IPv6",
            ),
            (
                vec![tcp("127.0.0.1", 1), tcp("::1", 1)],
                "127.0.0.1 ::1",
                "127.0.0.1 (this host only); ::1 (this host only)",
            ),
            (vec![tcp("10.0.0.5", 1)], "10.0.0.5", "10.0.0.5"),
            (
                vec![tcp("0.0.0.0", 1).on("eth0")],
                "*%eth0 (v4 only)",
                "every address of eth0, IPv4 only",
            ),
            (vec![tcp("fe80::1", 1).on("eth0")], "fe80::1%eth0", "fe80::1%eth0"),
            (vec![tcp("::ffff:0.0.0.0", 1)], "* (v4 only)", "every address, IPv4 only"),
            (
                vec![unread],
                "* (v6, v4?)",
                "every address, IPv6, and IPv4 unless IPV6_V6ONLY is set (not known)",
            ),
            (
                vec![tcp("0.0.0.0", 1); 4],
                "* (v4 only) x4",
                "every address, IPv4 only, 4 sockets (SO_REUSEPORT)",
            ),
            (
                vec![tcp("0.0.0.0", 1).on("e\x1b")],
                "*%e\\x1b (v4 only)",
                "every address of e\\x1b, IPv4 only",
            ),
            (
                vec![lost],
                "*%? (v4 only)",
                "every address, IPv4 only, on a device that could not be read",
            ),
        ];
        for (sockets, in_short, in_words) in table {
            let sockets: Vec<_> = sockets.iter().collect();
            assert_eq!(short(&sockets), in_short);
            assert_eq!(words(&sockets).join("; "), in_words);
        }
    }

    #[test]
    fn a_long_list_is_counted_and_no_address_is_cut() {
        let sockets: Vec<_> = (1..=9).map(|n| tcp(&format!("192.168.100.{n}"), 53)).collect();
        assert_eq!(short(&sockets.iter().collect::<Vec<_>>()), "192.168.100.1 192.168.100.2 +7");
    }
}
