//! A rule of destination NAT sends the connection on.

use super::blocked;
use super::inside::{self, Serves};
use super::words::{self, holder};
use super::{Case, Facts, Found};
use crate::model::{
    Certainty, Code, Evidence, Inside, Neighbour, Onward, Outcome, Passage, Reached, Seen, Through,
    Transport,
};
use std::net::SocketAddr;

/// A rule sends the packets on, to where nobody listens. `None` where somebody does: then the rule is not for packets
/// of this host, and not the cause.
pub(super) fn forwarded(facts: &Facts, case: &Case) -> Option<Found> {
    if let Some(to) = case.handed_on() {
        let not_asked = matches!(case.reached, Some(Reached::Away(_)));
        let silent = case.attempt.outcome == Outcome::TimedOut;
        let sure = match facts.asked.transport {
            _ if not_asked => Certainty::Possible,
            Transport::Udp if silent => Certainty::Possible,
            _ if silent => Certainty::Likely,
            _ => Certainty::Proved,
        };
        return Some(leads_to(facts, case, to, sure));
    }
    // It came to this host's sockets with the address and port that it was sent to, or a rule ended it before.
    if !case.may_be_redirected() {
        return None;
    }
    by_rule(facts, case).or_else(|| by_an_unknown_rule(facts, case))
}

/// By a rule that was read, and not seen at work.
fn by_rule(facts: &Facts, case: &Case) -> Option<Found> {
    let port = facts.asked.port;
    let rule = facts.redirection(case.address())?;
    let target_port = rule.leads_to(port).unwrap_or(port);
    let stays =
        rule.target.is_none_or(|target| target.is_loopback() || facts.local.contains(&target));
    let address = rule.target.unwrap_or_else(|| case.address());
    let listens = facts.after.sockets.iter().any(|socket| {
        socket.port == target_port
            && socket.transport == rule.transport
            && socket.state.serves()
            && socket.takes(address)
    });
    if stays && listens {
        return None;
    }
    let by_stack = case.passage.is_some_and(|passage| passage.delivered >= 2);
    // A rule that asks for more than is told may leave this packet alone. One that is only for packets from outside
    // would too, and then a socket at the port itself would take it.
    let sure = match () {
        () if rule.narrowed || rule.through != Through::Any => Certainty::Possible,
        () if stays && by_stack && !facts.takers(case).is_empty() => Certainty::Proved,
        () => Certainty::Likely,
    };
    Some(leads_to(facts, case, SocketAddr::new(address, target_port.get()), sure))
}

/// The rules could not be read, but the refusal is no packet of this host: it sent nothing but the question.
fn by_an_unknown_rule(facts: &Facts, case: &Case) -> Option<Found> {
    let alone = matches!(case.passage, Some(Passage { sent: 1, arrived: 1, delivered: 1, .. }));
    let refused = case.attempt.outcome == Outcome::Refused && case.attempt.icmp.is_none();
    let unread = facts.published.known().is_none();
    if !(alone && refused && unread && facts.tracks_connections) || facts.remote.is_some() {
        return None;
    }
    let port = facts.asked.port;
    let held = facts.takers(case).first().map(|socket| holder(&socket.held));
    let held = held.map_or_else(String::new, |who| format!(" (kept by {who})"));
    let text =
        format!("a rule forwards port {port}{held} to another host or a container, which refuses");
    let counters = "for one SYN: 1 sent, so the refusal came from elsewhere";
    let found = Found::new(Code::R19, Certainty::Likely, text).seen("counters", counters);
    Some(found.next(format!("sudo portsight why {}", facts.target())))
}

/// It is handed on to this address, and is of no use there.
fn leads_to(facts: &Facts, case: &Case, to: SocketAddr, sure: Certainty) -> Found {
    if let Some(found) = gone(facts, case) {
        return found;
    }
    let port = facts.asked.port;
    let inside = inside(case);
    let serves = inside.map(|inside| Serves::of(inside, Some(to)));
    let leads = format!("a rule forwards port {port} to {to}");
    if let (Some(inside), Some(serves)) = (inside, serves)
        && let Some(found) = inside::starting(facts, inside, serves, &leads)
    {
        return by_nat(found, case, to);
    }
    let what = match &case.attempt.icmp {
        Some(error) => format!("answers with {error}"),
        None if case.attempt.outcome == Outcome::TimedOut => "does not answer".to_owned(),
        None => "refuses".to_owned(),
    };
    let end = match (serves, case.onward.as_ref().map(|onward| &onward.inside)) {
        _ if matches!(case.reached, Some(Reached::Away(_))) => {
            ", which is another host and was not asked".to_owned()
        }
        (Some(Serves::Takes(socket)), _) => {
            format!(", which {what}, although {} listens there", holder(&socket.held))
        }
        (Some(serves), _) => match serves.words(Some(to)) {
            Some(words) => format!(", where {words}"),
            None => format!(", which {what}"),
        },
        (None, Some(Seen::Absent)) => {
            format!(", which {what}; no network namespace of this host has that address")
        }
        (None, _) => format!(", which {what}"),
    };
    let there = inside.map(inside::place).unwrap_or_default();
    let text = format!("{leads}{there}{end}");
    let mut found = Found::new(Code::R19, sure, text);
    if let (Some(inside), Some(serves)) = (inside, serves) {
        found = found.seen("behind it", inside::servers(inside));
        found.next.extend(serves.remedy(inside, port));
        found.next.extend(inside::list(inside));
    }
    by_nat(found, case, to)
}

/// Names the rule of NAT.
fn by_nat(found: Found, case: &Case, to: SocketAddr) -> Found {
    match &case.translated {
        Some(rule) => found.with_rule(rule),
        None => {
            found.seen("rule", format!("destination NAT to {to}")).next("sudo nft -a list ruleset")
        }
    }
}

/// ` (node 812) in the container web (podman 0d7251807737)`: who takes it where it is handed on to, as far as is known.
pub(super) fn server(case: &Case, to: SocketAddr) -> String {
    let Some(inside) = inside(case) else { return String::new() };
    let who = match Serves::of(inside, Some(to)) {
        Serves::Takes(socket) => format!(" ({})", holder(&socket.held)),
        _ => String::new(),
    };
    format!("{who}{}", inside::place(inside))
}

/// The rule of NAT that hands on what works, for one who asks from the network.
pub(super) fn evidence(facts: &Facts) -> Option<Evidence> {
    let handed_on = |case: &&Case| case.handed_on().is_some();
    facts.remote.as_ref()?;
    let rule = facts.cases.iter().filter(handed_on).find_map(|case| case.translated.as_ref())?;
    Some(Evidence { what: "rule".to_owned(), text: words::rule(rule) })
}

/// What is where it is handed on to.
pub(super) fn inside(case: &Case) -> Option<&Inside> {
    case.onward.as_ref()?.inside.known()
}

/// Nobody on the link has the address that it is handed on to.
pub(super) fn gone(facts: &Facts, case: &Case) -> Option<Found> {
    let Onward { to: Some(to), inside, neighbour: Some((hop, neighbour)) } =
        case.onward.as_ref()?
    else {
        return None;
    };
    let error = case.attempt.icmp.as_ref();
    let unreachable = error.filter(|it| [(3, 1), (1, 3)].contains(&(it.kind, it.code)));
    let silent = case.attempt.outcome == Outcome::TimedOut;
    // What comes at once is a rule's: the entry is left of what was asked before.
    if error.is_some() && case.attempt.elapsed < blocked::NO_RULE {
        return None;
    }
    let sure = match (unreachable, *neighbour, inside) {
        (Some(_), Neighbour::Silent, _) => Certainty::Proved,
        (None, Neighbour::Silent, _) if silent => Certainty::Likely,
        (Some(_), _, Seen::Absent) => Certainty::Likely,
        _ => return None,
    };
    let asked = if hop.is_ipv4() { "ARP" } else { "neighbour discovery" };
    let none =
        if *inside == Seen::Absent { ", and no network namespace of this host has it" } else { "" };
    let text = format!(
        "a rule forwards port {} to {to}, and nobody answers {asked} for {hop}: the container or machine is gone",
        facts.asked.port
    );
    let entry = match neighbour {
        Neighbour::Silent => "asked for, no answer",
        Neighbour::Answers => "answers now",
        Neighbour::NotAsked => "no entry",
    };
    let mut found = Found::new(Code::H04, sure, text);
    found = found.seen("neighbour entry", format!("{hop}: {entry}{none}"));
    if let Some(error) = error {
        found = found.seen("ICMP", error.to_string());
    }
    Some(by_nat(found.next(format!("ip neighbour show {hop}")), case, *to))
}
