//! A reset came back: nobody listens there, somebody listens elsewhere, or a rule resets.

use super::forwarded::forwarded;
use super::words::{at, binding, holder};
use super::{Case, Facts, Found, inside, units};
use crate::model::{Certainty, Code, Family, Passage, Port, Scope, Socket, SocketState};
use std::net::{IpAddr, Ipv4Addr};

pub(super) fn found(facts: &Facts, case: &Case) -> Found {
    let Some(device) = case.device() else { return elsewhere(facts, case) };
    if let Some(found) = forwarded(facts, case) {
        return found;
    }
    let takers = facts.takers(case);
    if let Some(socket) = takers.first() {
        return reset(facts, case, socket);
    }
    let found = no_taker(facts, case, device);
    match &case.decided {
        Some(decided) => found.with_rule(&decided.rule),
        None => found,
    }
}

/// Whether a reason is only that the server is bound otherwise.
pub(super) fn is_about_binding(code: Code) -> bool {
    use Code::{R03, R04, R05, R06, R07, R08, R09};
    matches!(code, R03 | R04 | R05 | R06 | R07 | R08 | R09)
}

/// No socket takes packets to the address.
fn no_taker(facts: &Facts, case: &Case, device: u32) -> Found {
    let sure = facts.certainty_of_table(case);
    let servers: Vec<&Socket> = facts.servers().collect();
    let by_device =
        |socket: &&&Socket| socket.takes(case.address()) && !socket.accepts(case.address(), device);
    if let Some(socket) = servers.iter().find(by_device) {
        return on_device(case, socket, sure);
    }
    if let Some(socket) = nearest(&servers, case.address()) {
        return bound_otherwise(facts, case, socket, sure);
    }
    let mut at_port = facts.after.at(facts.endpoint());
    if let Some(socket) = at_port.find(|socket| socket.state == SocketState::Bound) {
        let text = format!(
            "{} has bound port {}, and does not listen on it",
            holder(&socket.held),
            facts.asked.port
        );
        let next = format!("portsight who {}", facts.asked.port);
        return Found::new(Code::R10, sure, text).seen("bound", binding(socket)).next(next);
    }
    nothing(facts, case, sure)
}

/// An address of another host. Whether a rule there or a missing listener refuses cannot be told from here.
fn elsewhere(facts: &Facts, case: &Case) -> Found {
    let port = facts.asked.port;
    let (address, name) = (case.address(), &facts.resolution.name);
    let in_hosts = facts.resolution.in_hosts.contains(&address);
    if in_hosts && let Some(socket) = facts.servers().next() {
        let text = format!(
            "{name} means {address} by /etc/hosts, which is not this host; here {} listens on {port}",
            holder(&socket.held)
        );
        let found = Found::new(Code::R22, Certainty::Likely, text);
        return found.seen("/etc/hosts", format!("{address} {name}")).next("cat /etc/hosts");
    }
    let text = format!(
        "{address} refuses: nobody listens on port {port} there, or a firewall of it resets"
    );
    Found::new(Code::R01, Certainty::Likely, text)
        .seen("seen from here", "only the reset; portsight on that host sees the rest")
}

/// A socket listens, and yet a reset came.
fn reset(facts: &Facts, case: &Case, socket: &Socket) -> Found {
    let port = facts.asked.port;
    let who = holder(&socket.held);
    match case.passage {
        _ if case.came_in() => started(facts, &who),
        // The reset is the stack's own, so the packet was for something else by then.
        Some(passage) if passage.delivered >= 2 && facts.tracks_connections => {
            let text = format!(
                "{who} listens on {port}, and yet this host itself refuses: a rule sends the connection to where \
                 nobody listens"
            );
            let found = Found::new(Code::R19, Certainty::Possible, text);
            found.seen("counters", counters(&passage)).next("sudo nft -a list ruleset")
        }
        Some(passage) if passage.delivered >= 2 => started(facts, &who),
        passage => {
            let text = format!("{who} listens on {port}, and a firewall rule resets what comes");
            // Without the counters the reset may be that of a redirected connection.
            let sure = match passage {
                None if facts.tracks_connections => Certainty::Possible,
                _ => Certainty::Likely,
            };
            let mut found = Found::new(Code::R20, sure, text);
            if let Some(passage) = &passage {
                found = found.seen("counters", counters(passage));
            }
            found.by_rule(case.decided.as_ref())
        }
    }
}

/// The refusal is this host's own.
fn started(facts: &Facts, who: &str) -> Found {
    let port = facts.asked.port;
    let text = format!(
        "{who} listens on {port}, and yet this host itself refuses; it may have begun to listen just now"
    );
    let found = Found::new(Code::R12, Certainty::Possible, text);
    found.next(format!("portsight why {} --wait 30s", facts.target()))
}

/// The counters around one attempt, in words.
pub(super) fn counters(passage: &Passage) -> String {
    let Passage { sent, arrived, delivered, .. } = passage;
    format!("for one SYN: {sent} sent, {arrived} arrived, {delivered} delivered")
}

fn on_device(case: &Case, socket: &Socket, sure: Certainty) -> Found {
    let device = socket.interface.known().map_or("a device", |device| device.name.as_str());
    let text = format!(
        "{} takes only what comes by {device}, and packets to {} do not",
        holder(&socket.held),
        case.address()
    );
    let found = Found::new(Code::R09, sure, text).seen("listener", binding(socket));
    found.next(format!("ip address show dev {device}"))
}

/// Of the listeners that do not take packets to this address the one that was most likely meant.
fn nearest<'a>(servers: &[&'a Socket], address: IpAddr) -> Option<&'a Socket> {
    let family = Family::of(address);
    let of_family = |socket: &Socket| Family::of(socket.address.to_canonical()) == family;
    servers.iter().copied().min_by_key(|socket| {
        let same_reach = socket.address.is_loopback() == address.is_loopback();
        (socket.scope() != Scope::Any, !same_reach, !of_family(socket))
    })
}

/// A listener is there, for another address or family.
fn bound_otherwise(facts: &Facts, case: &Case, socket: &Socket, sure: Certainty) -> Found {
    let port = facts.asked.port;
    let address = case.address();
    let bound = socket.address.to_canonical();
    let (who, at_socket) = (holder(&socket.held), binding(socket));
    let other_family = Family::of(bound) != Family::of(address);
    let reach = |address: IpAddr| address.is_loopback();
    let served = || facts.cases.iter().find(|case| socket.takes(case.address()));
    let use_it = |host: &str| match (&facts.remote, served()) {
        (None, _) => format!("use {}", url(facts, host, port)),
        (_, Some(case)) => format!("use {}", url(facts, &case.address().to_string(), port)),
        // What this host can use is of no help to another one.
        (_, None) => format!("portsight who {port}"),
    };
    let loopback = if bound.is_ipv4() { "127.0.0.1" } else { "::1" };
    let found = if bound.is_unspecified() && bound.is_ipv6() {
        let text = format!(
            "{who} listens on [::]:{port} without IPv4 (IPV6_V6ONLY), and {address} is an IPv4 address"
        );
        Found::new(Code::R07, sure, text).next(use_it("::1"))
    } else if bound.is_unspecified() {
        let text = format!(
            "{who} listens on IPv4 only, and the client that tries {address} first is refused"
        );
        Found::new(Code::R06, sure, text).next(use_it("127.0.0.1"))
    } else if address == IpAddr::V4(Ipv4Addr::new(127, 0, 1, 1)) && bound.is_loopback() {
        let text = format!(
            "{} means 127.0.1.1, and {who} listens on {at_socket} only",
            facts.resolution.name
        );
        Found::new(Code::R04, sure, text).next(use_it("localhost"))
    } else if other_family && reach(bound) == reach(address) {
        let (code, family, used) =
            if bound.is_ipv6() { (Code::R05, "IPv6", "IPv4") } else { (Code::R06, "IPv4", "IPv6") };
        let text =
            format!("the server listens on {family} only ({who}), and the client used {used}");
        Found::new(code, sure, text).next(use_it(&bound.to_string()))
    } else if bound.is_loopback() && !address.is_loopback() {
        let text = format!("{who} is bound to loopback ({at_socket}): only this host reaches it");
        Found::new(Code::R03, sure, text).next(use_it(loopback))
    } else {
        let text = format!("{who} is bound to {bound} only, and {address} was tried");
        Found::new(Code::R08, sure, text).next(use_it(&bound.to_string()))
    };
    found.seen("listener", at_socket)
}

/// The target with another host, in the form in which it was asked.
fn url(facts: &Facts, host: &str, port: Port) -> String {
    match &facts.asked.scheme {
        Some(scheme) => format!("{scheme}://{}", at(host, port)),
        None => at(host, port),
    }
}

/// Nobody has the port here.
fn nothing(facts: &Facts, case: &Case, sure: Certainty) -> Found {
    let port = facts.asked.port;
    let reset_too = |found: Found| match case.passage {
        Some(passage) if passage.delivered < 2 => {
            let text = "a firewall rule resets it as well: this host's own stack did not answer";
            found.seen("counters", format!("{text} ({})", counters(&passage)))
        }
        _ => found,
    };
    if let Some(found) = units::in_trouble(facts, case, sure) {
        return reset_too(found);
    }
    if let Some(found) = inside::elsewhere(facts) {
        return found;
    }
    if let Some(found) = units::idle(facts, case, true) {
        return reset_too(found);
    }
    if let Some(socket) = near_miss(facts) {
        let text = format!(
            "nothing listens on {port}; {} listens on {}",
            holder(&socket.held),
            socket.port
        );
        let found = Found::new(Code::R02, Certainty::Likely, text);
        let next = format!("portsight why {}", facts.target_at(socket.port));
        return found.seen("listener", binding(socket)).next(next);
    }
    if let Some(found) = units::idle(facts, case, false) {
        return reset_too(found);
    }
    let found = Found::new(Code::R01, sure, format!("nothing listens on port {port} here"));
    let found = units::beside(facts)
        .into_iter()
        .fold(found, |found, (unit, state)| found.seen(&unit, state));
    reset_too(found).next(format!("portsight why {} --wait 1m", facts.target()))
}

/// A listener at a port that looks like the one that was asked for.
fn near_miss(facts: &Facts) -> Option<&Socket> {
    let wanted = facts.asked.port;
    let service = facts.asked.scheme.as_deref();
    let like = |socket: &&Socket| {
        socket.state.serves()
            && socket.transport == facts.asked.transport
            && (looks_like(wanted, socket.port)
                || service.is_some_and(|name| socket.service.as_deref() == Some(name)))
    };
    facts.after.sockets.iter().find(like)
}

/// Whether two ports of three digits or more differ in one digit, or by two neighbours that changed places.
fn looks_like(one: Port, other: Port) -> bool {
    let digits = |port: Port| port.to_string().into_bytes();
    let (one, other) = (digits(one), digits(other));
    if one.len() != other.len() || one.len() < 3 {
        return false;
    }
    let differing: Vec<usize> =
        (0..one.len()).filter(|at| one.get(*at) != other.get(*at)).collect();
    match *differing.as_slice() {
        [_] => true,
        [first, second] => {
            second == first + 1
                && one.get(first) == other.get(second)
                && one.get(second) == other.get(first)
        }
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slip_of_the_pen_is_one_digit_or_two_that_changed_places() {
        let port = |number| Port::new(number).unwrap();
        for (one, other) in [(8080, 8081), (8080, 8000), (5432, 5433), (5432, 5342), (443, 433)] {
            assert!(looks_like(port(one), port(other)), "{one} {other}");
        }
        for (one, other) in [(8080, 9090), (22, 23), (8080, 808), (8080, 8080), (5432, 4532 + 1)] {
            assert!(!looks_like(port(one), port(other)), "{one} {other}");
        }
    }
}
