//! What an answer is called, before anything is known of the sockets.

use super::Pair;
use super::case::Judged;
use crate::model::{Answer, Attempt, Icmp, Journey, Method, State, Transport, View};
use std::net::IpAddr;
use std::sync::Arc;

/// The view of a pair.
pub(super) fn view(
    pair: &Pair,
    method: Method,
    attempt: &Attempt,
    judged: Judged,
    journey: Option<&Arc<Journey>>,
) -> View {
    let (state, reason) = read(pair, method, &attempt.answer);
    View {
        vantage: pair.target.vantage,
        interface: pair.target.interface.clone(),
        target: pair.target.address,
        source: attempt.source,
        method,
        state: judged.state.unwrap_or(state),
        reason,
        icmp: match attempt.answer {
            Answer::Icmp(icmp) => Some(icmp),
            _ => None,
        },
        rtt: attempt.rtt,
        attempts: attempt.tries,
        verdict: judged.verdict,
        certainty: judged.certainty,
        how: judged.how,
        hook: judged.hook,
        rule: judged.rule,
        checkpoint: judged.checkpoint,
        note: judged.note,
        journey: journey.cloned(),
    }
}

/// The state and the reason, in the words of nmap for a scan by the method.
fn read(pair: &Pair, method: Method, answer: &Answer) -> (State, &'static str) {
    let udp = pair.endpoint.transport == Transport::Udp;
    match answer {
        Answer::SynAck(_) => (State::Open, "syn-ack"),
        Answer::Payload(_) => (State::Open, "udp-response"),
        Answer::Rst if matches!(method, Method::Syn | Method::Inject) => (State::Closed, "reset"),
        Answer::Rst => (State::Closed, "conn-refused"),
        Answer::Icmp(icmp) if udp && icmp.is_port_unreachable(pair.target.address) => {
            (State::Closed, "port-unreach")
        }
        Answer::Icmp(icmp) => (State::Filtered, icmp_reason(*icmp, pair.target.address)),
        Answer::Silence if udp => (State::OpenFiltered, "no-response"),
        Answer::Silence => (State::Filtered, "no-response"),
        Answer::NotSent => (State::Filtered, "not-sent"),
        Answer::Failed(_) => (State::Unknown, "local-error"),
    }
}

/// nmap's word for a destination-unreachable (RFC 792, RFC 1812 section 5.2.7.1, RFC 4443 section 3.1).
fn icmp_reason(icmp: Icmp, target: IpAddr) -> &'static str {
    match (target, icmp.kind, icmp.code) {
        (IpAddr::V4(_), 3, 0) | (IpAddr::V6(_), 1, 0) => "net-unreach",
        (IpAddr::V4(_), 3, 1) | (IpAddr::V6(_), 1, 3) => "host-unreach",
        (IpAddr::V4(_), 3, 2) => "proto-unreach",
        (IpAddr::V4(_), 3, 3) | (IpAddr::V6(_), 1, 4) => "port-unreach",
        (IpAddr::V4(_), 3, 9) => "net-prohibited",
        (IpAddr::V4(_), 3, 10) => "host-prohibited",
        (IpAddr::V4(_), 3, 13) | (IpAddr::V6(_), 1, 1) => "admin-prohibited",
        (IpAddr::V4(_), 3, _) | (IpAddr::V6(_), 1, _) => "dest-unreach",
        (IpAddr::V4(_), 11, _) | (IpAddr::V6(_), 3, _) => "time-exceeded",
        _ => "unknown-response",
    }
}
