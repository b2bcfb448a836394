//! A rule of destination NAT sends the connection on.

use super::words::at;
use super::{Case, Facts, Found};
use crate::model::{Certainty, Code, Outcome, Reached, Through, Transport};

/// A rule sends the packets on, to where nobody listens. `None` where somebody does: then the rule is not for packets
/// of this host, and not the cause.
pub(super) fn forwarded(facts: &Facts, case: &Case) -> Option<Found> {
    let port = facts.asked.port;
    let silent = case.attempt.outcome == Outcome::TimedOut;
    let what = match &case.attempt.icmp {
        Some(error) => format!("answers with {error}"),
        None if silent => "does not answer".to_owned(),
        None => "refuses".to_owned(),
    };
    if let Some(to) = case.handed_on() {
        let not_asked = matches!(case.reached, Some(Reached::Away(_)));
        let (sure, what) = match facts.asked.transport {
            _ if not_asked => (Certainty::Possible, "is another host and was not asked".to_owned()),
            Transport::Udp if silent => (Certainty::Possible, what),
            _ if silent => (Certainty::Likely, what),
            _ => (Certainty::Proved, what),
        };
        let text = format!("a rule forwards port {port} to {to}, which {what}");
        let found = Found::new(Code::R19, sure, text).seen("trace", format!("redirected to {to}"));
        return Some(found.next("sudo nft -a list ruleset"));
    }
    // It came to this host's sockets with the address and port that it was sent to, or a rule ended it before.
    if case.came_in() || case.decided.is_some() {
        return None;
    }
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
    let target = rule.target.map_or_else(
        || format!("port {target_port} of this host"),
        |target| at(&target.to_string(), target_port),
    );
    let by_stack = case.passage.is_some_and(|passage| passage.delivered >= 2);
    // A rule that asks for more than is told may leave this packet alone. One that is only for packets from outside
    // would too, and then a socket at the port itself would take it.
    let sure = match () {
        () if rule.narrowed || rule.through != Through::Any => Certainty::Possible,
        () if stays && by_stack && !facts.takers(case).is_empty() => Certainty::Proved,
        () => Certainty::Likely,
    };
    let text = format!("a rule forwards port {port} to {target}, which {what}");
    let found = Found::new(Code::R19, sure, text);
    Some(
        found.seen("rule", format!("destination NAT to {target}")).next("sudo nft -a list ruleset"),
    )
}
