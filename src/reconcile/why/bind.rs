//! Why a bind fails.

use super::words::{binding, holder};
use super::{Found, bind_units};
use crate::model::{
    Certainty, Code, Errno, Evidence, Family, Gap, Inventory, OwnersUnknownReason, Port,
    Restrictions, Security, Seen, Socket, SocketState, Transport, Tried, UnitState, Why,
};
use std::net::{IpAddr, SocketAddr};

/// What the kernel said to a bind.
#[derive(Debug, Clone)]
pub struct Bound {
    /// Where to.
    pub at: SocketAddr,
    /// What it said to a server that sets nothing.
    pub plain: Result<(), Errno>,
    /// What it said to one that sets `SO_REUSEADDR`.
    pub reuse: Result<(), Errno>,
    /// What it said to one that sets `IPV6_V6ONLY`; for IPv4 as `plain`.
    pub v6_only: Result<(), Errno>,
}

impl Bound {
    /// Whether it was denied, which is another thing than that somebody has the port.
    #[must_use]
    pub fn is_denied(&self) -> bool {
        self.plain.as_ref().is_err_and(|errno| errno.is("EACCES") || errno.is("EPERM"))
    }
}

/// Everything that was found out.
#[derive(Debug, Clone)]
pub struct BindFacts {
    /// What was asked, as it was written.
    pub target: String,
    /// The port.
    pub port: Port,
    /// The transport.
    pub transport: Transport,
    /// What the kernel said.
    pub bound: Vec<Bound>,
    /// The sockets at the port, connections and what is left of them included, with owners.
    pub inventory: Inventory,
    /// The addresses of this host that can be used.
    pub local: Vec<IpAddr>,
    /// Those that cannot be used yet.
    pub tentative: Vec<IpAddr>,
    /// The first port that takes no privilege.
    pub unprivileged_from: Option<u16>,
    /// Whether we have `CAP_NET_BIND_SERVICE`.
    pub may_bind_low: bool,
    /// The range of source ports.
    pub ephemeral: Option<(u16, u16)>,
    /// The service that the port is registered for.
    pub service: Option<String>,
    /// What systemd says of the units that may be about the port; absent where no systemd runs.
    pub units: Seen<Vec<UnitState>>,
    /// What the unit that we run in may not do, where that was asked for.
    pub own: Option<Restrictions>,
    /// What is known of security modules, where it was denied.
    pub security: Option<Security>,
    /// What could not be seen.
    pub gaps: Vec<Gap>,
}

/// Says why a bind fails, or that it does not.
#[must_use]
pub fn bind(facts: &BindFacts) -> Why {
    let failed =
        || facts.bound.iter().filter_map(|bound| Some((bound, bound.plain.as_ref().err()?)));
    // A family that this host lacks keeps nobody from the other one.
    let counts = |(_, errno): &(&Bound, &Errno)| {
        facts.bound.len() == 1 || !(errno.is("EAFNOSUPPORT") || errno.is("EADDRNOTAVAIL"))
    };
    let first = failed().find(counts);
    let found = match first {
        Some((bound, errno)) => found(facts, bound, errno),
        None => bind_units::that_may_not(facts),
    };
    let mut evidence: Vec<Evidence> = facts
        .bound
        .iter()
        .map(|bound| {
            let text = match &bound.plain {
                Ok(()) => "can be bound".to_owned(),
                Err(errno) => format!("{} ({})", errno.text, errno.name),
            };
            Evidence { what: bound.at.to_string(), text }
        })
        .collect();
    evidence.extend(found.iter().flat_map(|found| found.evidence.clone()));
    evidence.extend(bind_units::evidence(facts));
    Why {
        target: facts.target.clone(),
        from: None,
        attempts: Vec::<Tried>::new(),
        works: first.is_none(),
        failure: first.map(|(_, errno)| errno.text.to_lowercase()),
        diagnosis: found.map(Found::diagnosis),
        evidence,
        also_checked: Vec::new(),
        gaps: facts.gaps.clone(),
    }
}

fn found(facts: &BindFacts, bound: &Bound, errno: &Errno) -> Option<Found> {
    match errno.name.as_str() {
        "EADDRINUSE" => in_use(facts, bound),
        "EADDRNOTAVAIL" => Some(no_address(facts, bound)),
        "EACCES" | "EPERM" => {
            Some(bind_units::forbids(facts, bound).unwrap_or_else(|| denied(facts)))
        }
        _ => None,
    }
}

/// Whether two sockets cannot both have the port, by their addresses.
fn conflicts(socket: &Socket, wanted: IpAddr) -> bool {
    let bound = socket.address.to_canonical();
    let both = socket.dual_stack().known() == Some(&true) || wanted == IpAddr::from([0; 16]);
    let families = both || Family::of(bound) == Family::of(wanted);
    families && (bound.is_unspecified() || wanted.is_unspecified() || bound == wanted)
}

fn in_use(facts: &BindFacts, bound: &Bound) -> Option<Found> {
    let port = facts.port;
    let wanted = bound.at.ip();
    let holders: Vec<&Socket> = facts
        .inventory
        .sockets
        .iter()
        .filter(|it| it.port == port && it.transport == facts.transport && conflicts(it, wanted))
        .collect();
    let who = format!("portsight who {port}");
    let sure = Certainty::Proved;
    let held = |socket: &&&Socket| !socket.state.is_connection();
    if let Some(socket) = holders.iter().copied().find(|socket| held(&socket)) {
        return Some(by_socket(facts, bound, socket));
    }
    let left: Vec<_> =
        holders.iter().filter(|socket| socket.state == SocketState::TimeWait).collect();
    let live = holders.iter().find(|socket| socket.state != SocketState::TimeWait);
    if let Some(socket) = live {
        return Some(by_connection(facts, socket).next(who));
    }
    if !left.is_empty() {
        let count = left.len();
        let (s, have) = if count == 1 { ("", "has") } else { ("s", "have") };
        let reuse = match bound.reuse {
            Ok(()) => "a server that sets SO_REUSEADDR can bind now",
            Err(_) => "SO_REUSEADDR does not help now, since the old server had not set it",
        };
        let text = format!(
            "no program has the port: {count} closed connection{s} {have} it for up to a minute; {reuse}"
        );
        let found = Found::new(Code::B02, sure, text);
        let next = format!("portsight why --bind {} --wait 2m", facts.target);
        return Some(found.seen("TIME_WAIT", count.to_string()).next(next));
    }
    if facts.inventory.may_lack_holders() {
        return None;
    }
    let text = format!("something holds port {port} that the kernel's tables do not show");
    Some(Found::new(Code::B05, Certainty::Possible, text).next(who))
}

/// One end of a connection has it: a client, or what a server that is gone has accepted.
fn by_connection(facts: &BindFacts, socket: &Socket) -> Found {
    let port = facts.port;
    let who = holder(&socket.held);
    let peer = socket.peer.map_or_else(String::new, |peer| format!(" to {peer}"));
    let given = |port: u16| facts.ephemeral.filter(|(low, high)| (*low..=*high).contains(&port));
    let Some((low, high)) = given(port.get()) else {
        let text = format!(
            "{who} has a connection that is open on {port}{peer}, of a server that is gone"
        );
        return Found::new(Code::B01, Certainty::Proved, text);
    };
    // Where either end may be the client's, which one it is is not known.
    let either = socket.peer.is_none_or(|peer| given(peer.port()).is_some());
    let sure = if either { Certainty::Likely } else { Certainty::Proved };
    let text = format!("{who} uses {port} as its own end of a connection{peer}");
    let range = format!("{low} to {high}: the kernel gives them to clients");
    let found = Found::new(Code::B03, sure, text).seen("range of source ports", range);
    found.next(format!("sudo sysctl -w net.ipv4.ip_local_reserved_ports={port}"))
}

/// An open socket has it.
fn by_socket(facts: &BindFacts, bound: &Bound, socket: &Socket) -> Found {
    let port = facts.port;
    let (who, at) = (holder(&socket.held), binding(socket));
    let next = format!("portsight who {port}");
    let sure = Certainty::Proved;
    let unowned = socket.held.owners_unknown.as_ref().map(|unknown| unknown.reason);
    let without = [OwnersUnknownReason::Kernel, OwnersUnknownReason::OtherPidNamespace];
    if unowned.is_some_and(|reason| without.contains(&reason)) {
        let text = format!("the kernel, or a process of another pid namespace, holds {at}");
        let told = socket.held.owners_unknown.as_ref().map(|unknown| unknown.text.clone());
        let found = Found::new(Code::B05, sure, text);
        return found.seen("holder", told.unwrap_or_default()).next(next);
    }
    let other_family = Family::of(socket.address.to_canonical()) != Family::of(bound.at.ip());
    if other_family && bound.v6_only.is_ok() {
        let text =
            format!("{who} has {at}, and {} takes IPv4 too unless IPV6_V6ONLY is set", bound.at);
        return Found::new(Code::B07, sure, text).seen("holder", at).next(next);
    }
    if other_family && socket.dual_stack().known() == Some(&true) {
        let text = format!("{who} has {at}, which takes IPv4 too, so {} is not free", bound.at);
        return Found::new(Code::B07, sure, text).seen("holder", at).next(next);
    }
    let does = match socket.state {
        SocketState::Bound => " and does not listen",
        _ => "",
    };
    let text = format!("{who} holds {at}{does}");
    let found = Found::new(Code::B01, sure, text).seen("holder", at).next(next);
    match socket.held.unit.known() {
        Some(unit) => found.seen("unit", unit.name.clone()),
        None => found,
    }
}

fn no_address(facts: &BindFacts, bound: &Bound) -> Found {
    let address = bound.at.ip();
    let tentative = facts.tentative.contains(&address);
    let text = if tentative {
        format!("{address} is not ready yet (duplicate address detection)")
    } else {
        format!("no interface of this host has the address {address}")
    };
    // An address that is there after all came meanwhile.
    let there = facts.local.contains(&address);
    let sure = if there { Certainty::Possible } else { Certainty::Proved };
    let found = Found::new(Code::B06, sure, text);
    found.next("ip address").next("systemctl status network-online.target")
}

fn denied(facts: &BindFacts) -> Found {
    let port = facts.port;
    match facts.unprivileged_from {
        Some(from) if port.get() < from && !facts.may_bind_low => {
            let text = format!("ports below {from} take a privilege, which this user lacks");
            Found::new(Code::B04, Certainty::Proved, text)
                .seen("net.ipv4.ip_unprivileged_port_start", from.to_string())
                .next("sudo setcap cap_net_bind_service+ep PROGRAM")
        }
        _ => {
            let text = "the kernel denies the port, and no privilege is missing: a security module, a filter of \
                        system calls, or a BPF program does";
            let mut found = Found::new(Code::B08, Certainty::Possible, text);
            if let Some(Security { modules, label, denials }) = &facts.security {
                if let Seen::Known(modules) = modules {
                    found = found.seen("security modules", modules.join(", "));
                }
                if let Some(label) = label {
                    found = found.seen("own label", label);
                }
                found = denials.iter().fold(found, |found, it| found.seen("kernel log", it));
            }
            found.next("sudo ausearch -m avc -ts recent")
        }
    }
}
