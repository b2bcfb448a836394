//! UDP: an answer, an error, or a silence that may be quite in order.

use super::words::holder;
use super::{Case, Facts, Found, blocked, ended, refused, silent, unit_filter};
use crate::model::{Certainty, Code, Delivery, Outcome, Transport};

pub(super) fn found(facts: &Facts, case: &Case) -> Option<Found> {
    let takers = facts.takers(case);
    let attempt = &case.attempt;
    match (attempt.outcome, &attempt.icmp) {
        (_, Some(_)) if case.decided.is_some() && takers.is_empty() => {
            blocked::by_icmp(facts, case)
        }
        (_, Some(error)) if error.is_port_unreachable(case.address()) => {
            let own = error.from == Some(case.address());
            match takers.first() {
                // The stack says this only where no socket is.
                Some(socket) => {
                    let who = holder(&socket.held);
                    let text = format!("{who} is there, and a firewall rule rejects what comes");
                    let found = Found::new(Code::R21, Certainty::Likely, text);
                    Some(found.seen("ICMP", error.to_string()).by_rule(case.decided.as_ref()))
                }
                None if own || case.device().is_some() => Some(refused::found(facts, case)),
                None => blocked::by_icmp(facts, case),
            }
        }
        (_, Some(_)) => blocked::by_icmp(facts, case),
        (Outcome::Denied | Outcome::Unreachable, None) => blocked::by_routing(facts, case),
        (Outcome::TimedOut, None) => Some(silent(facts, case)),
        (Outcome::Connected | Outcome::Refused | Outcome::Failed, None) => None,
    }
}

/// Whether a trace saw a datagram that nothing came back to come to where the sockets are.
pub(super) fn came_in(facts: &Facts, case: &Case) -> bool {
    facts.asked.transport == Transport::Udp
        && case.attempt.outcome == Outcome::TimedOut
        && case.came_in()
}

fn silent(facts: &Facts, case: &Case) -> Found {
    let address = case.address();
    let port = facts.asked.port;
    let takers = facts.takers(case);
    if let Some(found) = ended::found(facts, case, takers.first().copied())
        && !case.came_in()
    {
        return found;
    }
    let Some(socket) = takers.first().copied() else {
        // The kernel tells few clients in a second that a port is closed.
        if case.came_in() {
            return refused::found(facts, case);
        }
        if case.device().is_none() {
            let text = format!("{address} does not answer; over UDP that proves nothing");
            return Found::new(Code::U01, Certainty::Possible, text);
        }
        let text = format!("a firewall of this host drops what comes; no socket has {port} here");
        let found = Found::new(Code::T01, Certainty::Likely, text);
        let told = "nobody refuses, as this host would without a rule";
        return found.seen("answer", told).by_rule(case.decided.as_ref());
    };
    // Datagrams that are dropped there count as delivered.
    let to_socket = case.came_in() || matches!(case.delivery, Some(Ok(Delivery::Queued)));
    if to_socket
        && silent::drops(facts, socket).is_some_and(|drops| drops > 0)
        && let Some(found) = unit_filter::drops(facts, case, socket)
    {
        return found.seen("drops of the socket", "they rise with each attempt");
    }
    let who = holder(&socket.held);
    let silent = |certainty, what: &str| {
        let text = format!("datagrams arrive at {who}, which does not answer this one");
        let found = Found::new(Code::U01, certainty, text).seen("delivery", what);
        Found { works: certainty != Certainty::Possible, ..found }
    };
    match &case.delivery {
        Some(Ok(Delivery::Queued)) => {
            silent(Certainty::Proved, "the socket's queue, or its drops, rose with each datagram")
        }
        Some(Ok(Delivery::Read | Delivery::Replied)) => {
            silent(Certainty::Likely, "the count of received datagrams rose with each one")
        }
        _ if case.came_in() && silent::drops(facts, socket).is_some_and(|drops| drops > 0) => {
            let text = format!(
                "datagrams come to the socket of {who}, which drops them: its buffer is full, or it filters"
            );
            let found = Found::new(Code::T04, Certainty::Likely, text);
            found.seen("drops of the socket", "they rise with each attempt")
        }
        _ if case.came_in() => silent(Certainty::Likely, "a trace shows every rule let one pass"),
        Some(Ok(Delivery::Noisy) | Err(_)) | None if case.decided.is_some() => {
            let text = format!("a firewall of this host drops what comes for {who}");
            Found::new(Code::T01, Certainty::Likely, text).by_rule(case.decided.as_ref())
        }
        Some(Ok(Delivery::Unseen)) => {
            let text = format!("a firewall of this host drops what comes for {who}");
            let found = Found::new(Code::T01, Certainty::Likely, text);
            found.seen("delivery", "no counter moved").by_rule(case.decided.as_ref())
        }
        Some(Ok(Delivery::Noisy) | Err(_)) | None => {
            let text =
                format!("{who} has the port and is silent; whether datagrams arrive is not known");
            Found::new(Code::U01, Certainty::Possible, text)
        }
    }
}
