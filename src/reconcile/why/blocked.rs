//! An error came back that says more than a refusal: of a firewall, of the link, or of this host's own routing.

use super::words::{self, holder};
use super::{Case, Facts, Found, forwarded};
use crate::model::{Certainty, Code, Hook, Icmp, Neighbour, Way, elapsed};
use std::net::{IpAddr, Ipv4Addr};
use std::time::Duration;

/// From then on an error is no answer, but what becomes of a question to the link that nobody answers.
const SLOW: Duration = Duration::from_millis(900);

/// What a rule sends back comes sooner.
pub(super) const NO_RULE: Duration = Duration::from_millis(50);

/// An ICMP error came back.
pub(super) fn by_icmp(facts: &Facts, case: &Case) -> Option<Found> {
    let error = case.attempt.icmp.as_ref()?;
    if let Some(found) = forwarded::gone(facts, case) {
        return Some(found);
    }
    let ipv4 = case.address().is_ipv4();
    let unreachable = [(3, 1), (1, 3)].contains(&(error.kind, error.code));
    // An address of this host has no neighbour, so it is one that a rule hands it on to; and no rule waits.
    if unreachable && case.device().is_some() && case.attempt.elapsed >= NO_RULE {
        let sure =
            if case.attempt.elapsed >= SLOW { Certainty::Likely } else { Certainty::Possible };
        let text = format!(
            "a rule forwards port {} to an address for which nobody on the link answers: the container or machine is \
             gone",
            facts.asked.port
        );
        let found = Found::new(Code::H04, sure, text);
        let found = found.seen("ICMP", format!("{error} in {}", elapsed(case.attempt.elapsed)));
        return Some(found.next(format!("sudo portsight why {}", facts.target())));
    }
    if unreachable
        && case.attempt.elapsed >= SLOW
        && case.neighbour == Neighbour::Answers
        && let Some(router) = error.from.filter(|from| !facts.local.contains(from))
    {
        let address = case.address();
        let text =
            format!("{router} finds nobody for {address}: there is no such machine behind it");
        let found = Found::new(Code::H04, Certainty::Likely, text);
        let found = found.seen("ICMP", format!("{error} in {}", elapsed(case.attempt.elapsed)));
        return Some(found.next(format!("ip route get {address}")));
    }
    // An entry may be left of what was asked before, and no rule waits.
    let is_silent = case.neighbour == Neighbour::Silent && case.attempt.elapsed >= NO_RULE;
    if unreachable && (case.attempt.elapsed >= SLOW || is_silent) {
        let sure = match case.neighbour {
            Neighbour::Silent => Certainty::Proved,
            _ => Certainty::Likely,
        };
        return Some(no_neighbour(case, sure).seen("ICMP", error.to_string()));
    }
    let behind = facts.takers(case).first().map(|socket| holder(&socket.held));
    let behind = match behind {
        Some(who) => format!("; {who} listens behind it"),
        None if case.decided.as_ref().is_some_and(|it| it.hook == Some(Hook::Forward)) => {
            ", on its way through, to where a rule hands it on".to_owned()
        }
        None if case.device().is_some() => words::behind(facts, None),
        None => String::new(),
    };
    let (code, said) = match (ipv4, error.kind, error.code) {
        (true, 3, 3) | (false, 1, 4) => (Code::R21, "port unreachable"),
        (true, 3, 1 | 10 | 13) | (false, 1, 3) => (Code::H01, "`No route to host`"),
        (false, 1, 1 | 5 | 6) => (Code::H02, "`Permission denied`"),
        (true, 3, 0 | 9) | (false, 1, 0) => (Code::H03, "`Network is unreachable`"),
        _ => return None,
    };
    let whose = match whose(case, error) {
        Some(router) => format!("{router} rejects with {said}"),
        None => format!("a firewall rule of this host rejects with {said}"),
    };
    let found = Found::new(code, Certainty::Likely, format!("{whose}{behind}"));
    let found = found.seen("ICMP", format!("{error} in {}", elapsed(case.attempt.elapsed)));
    Some(if case.device().is_some() {
        found.by_rule(case.decided.as_ref())
    } else {
        found.next(format!("ip route get {}", case.address()))
    })
}

/// Who sent an error, where that is not this host.
fn whose(case: &Case, error: &Icmp) -> Option<String> {
    let from =
        || error.from.map_or_else(|| "something on the way".to_owned(), |from| from.to_string());
    case.device().is_none().then(from)
}

/// Nobody answers for the address on the link.
pub(super) fn no_neighbour(case: &Case, sure: Certainty) -> Found {
    let (address, hop) = (case.address(), case.next_hop());
    let asked = if hop.is_ipv4() { "ARP" } else { "neighbour discovery" };
    let text = if hop == address {
        format!("nobody answers {asked} for {address}: there is no such machine on the link")
    } else {
        format!("nobody answers {asked} for {hop}, the router on the way to {address}")
    };
    let found = Found::new(Code::H04, sure, text);
    let entry = match case.neighbour {
        Neighbour::Silent => "asked for, no answer",
        Neighbour::Answers => "answers now",
        Neighbour::NotAsked => "no entry",
    };
    found.seen("neighbour entry", entry).next(format!("ip neighbour show {hop}"))
}

/// `lo` is down, and packets of this host to itself take it.
pub(super) fn without_loopback(case: &Case) -> Found {
    let text = format!("lo is down, and packets to {} take it", case.address());
    let found = Found::new(Code::T08, Certainty::Proved, text);
    found.seen("lo", "not up").next("sudo ip link set lo up")
}

/// An error without ICMP: of routing, or of a filter before it.
pub(super) fn by_routing(facts: &Facts, case: &Case) -> Option<Found> {
    let errno = case.attempt.errno.as_ref()?;
    let address = case.address();
    // No TCP goes to many at once, whatever the routes are.
    let broadcast = address == IpAddr::V4(Ipv4Addr::BROADCAST);
    if address.is_multicast() || broadcast {
        return None;
    }
    let next = format!("ip route get {address}");
    let agrees = matches!(&case.way, Way::Refused(error) if error == errno);
    let sure = if agrees { Certainty::Proved } else { Certainty::Likely };
    let same = |found: Found| match &case.way {
        Way::Refused(error) => found.seen("routing", error.text.clone()),
        _ => found,
    };
    match errno.name.as_str() {
        "ENETUNREACH" | "EADDRNOTAVAIL" | "EAFNOSUPPORT" if case.device().is_none() => {
            let family = if address.is_ipv4() { "IPv4" } else { "IPv6" };
            let none = errno.is("ENETUNREACH");
            let text = if none {
                format!("there is no route to {address}")
            } else {
                format!("this host has no {family} for {address}")
            };
            let known = matches!(case.way, Way::Refused(_));
            let sure = if known || errno.is("EAFNOSUPPORT") { Certainty::Proved } else { sure };
            Some(same(Found::new(Code::H05, sure, text)).next(next))
        }
        "EHOSTUNREACH" | "EACCES" | "EINVAL" if matches!(case.way, Way::Refused(_)) => {
            let text = format!("a route or a routing rule forbids {address} ({})", errno.text);
            Some(same(Found::new(Code::H06, sure, text)).next(next).next("ip rule"))
        }
        "EHOSTUNREACH" if case.neighbour == Neighbour::Silent => {
            Some(no_neighbour(case, Certainty::Likely))
        }
        "EPERM" | "EACCES" => {
            let who = facts.takers(case).first().map(|socket| holder(&socket.held));
            let who = who.map_or_else(String::new, |who| format!(", although {who} listens"));
            let text = format!("this host does not let its own packet to {address} out{who}");
            let found = Found::new(Code::T02, Certainty::Likely, text);
            Some(found.seen("connect", errno.text.clone()).by_rule(case.decided.as_ref()))
        }
        _ => None,
    }
}
