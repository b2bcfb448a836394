//! Why a port has its verdict, in a few words behind the verdict.

use super::bind;
use super::owners::holders;
use super::sanitize::sanitize;
use crate::model::{
    Certainty, How, Icmp, PortFinding, Rule, Seen, Socket, Verdict, VerdictFrom, View,
};
use std::net::IpAddr;

/// The view that decides the port's verdict; `None` when the port was not probed.
pub(super) fn deciding(finding: &PortFinding) -> Option<&View> {
    let counts =
        |view: &&View| finding.verdict_from == VerdictFrom::Local || view.vantage.is_network();
    finding.views.iter().filter(counts).min_by_key(|view| view.verdict)
}

/// What stands behind the verdict's word: where it holds, why, and how sure it is.
pub(super) fn reason(finding: &PortFinding) -> String {
    let Some(view) = deciding(finding) else { return String::new() };
    let scope = match (view.verdict, finding.verdict_from, view.certainty) {
        (Verdict::Reachable, VerdictFrom::Local, Certainty::Proved) => {
            " (locally; network not tested)"
        }
        (Verdict::Reachable, VerdictFrom::Local, Certainty::Likely) => {
            " (likely; network not tested)"
        }
        _ => "",
    };
    let place = place(finding, view);
    let why = why(finding, view);
    let separator = if why.is_empty() { "" } else { ": " };
    format!("{scope}{place}{separator}{why}")
}

/// The address that a trouble is about, when the port's other views say something else. Those of addresses that
/// it is not bound to say nothing of it.
fn place(finding: &PortFinding, view: &View) -> String {
    let is_trouble =
        !matches!(view.verdict, Verdict::Reachable | Verdict::LocalOnly | Verdict::Closed);
    let is_shared = finding
        .views
        .iter()
        .filter(|other| other.vantage.is_network() == view.vantage.is_network())
        .all(|other| [view.verdict, Verdict::LocalOnly].contains(&other.verdict));
    if is_trouble && !is_shared { format!(" at {}", target(view)) } else { String::new() }
}

/// The address of a view, with its zone where it is link-local.
pub(super) fn target(view: &View) -> String {
    match view.target {
        IpAddr::V6(address) if address.is_unicast_link_local() => {
            format!("{address}%{}", sanitize(&view.interface.name))
        }
        address => address.to_string(),
    }
}

fn why(finding: &PortFinding, view: &View) -> String {
    let cause = cause(finding, view);
    // Of the others, some say it beside their word, and for some it goes without saying.
    let says_so =
        !matches!(view.verdict, Verdict::Reachable | Verdict::Closed | Verdict::Inconclusive);
    let cause = match (cause, view.certainty == Certainty::Likely && says_so) {
        (Some(cause), true) => format!("{cause} (likely)"),
        (Some(cause), false) => cause,
        (None, true) => "likely".into(),
        (None, false) => String::new(),
    };
    match view.verdict {
        Verdict::Filtered | Verdict::Shielded => match (&view.rule, &view.note) {
            (Seen::Known(rule), _) => format!("{cause} by {}", self::rule(rule)),
            _ if view.checkpoint.is_some() => {
                let by = view.checkpoint.iter().map(|it| sanitize(&it.text));
                let likely = if view.certainty == Certainty::Likely { " (likely)" } else { "" };
                format!("{} by {}{likely}", stopped(view), by.collect::<String>())
            }
            (Seen::Absent, Some(note)) => format!("{cause}: {}", sanitize(note)),
            _ => format!("{cause}; the rule was not traced"),
        },
        _ => cause,
    }
}

/// `inet filter input handle 12 "tcp dport 8080 drop"`
pub(super) fn rule(rule: &Rule) -> String {
    let chain = &rule.id.chain;
    let place = [chain.table.family.name(), &chain.table.name, &chain.name].join(" ");
    let place = sanitize(&place).into_owned();
    let text = rule.text.as_deref().map(|text| format!(" \"{}\"", sanitize(text)));
    let text = text.unwrap_or_default();
    match rule.id.handle {
        Some(number) if chain.table.family.is_legacy() => {
            format!("{place} rule {number} (iptables-legacy){text}")
        }
        Some(handle) => format!("{place} handle {handle}{text}"),
        None if chain.table.family.is_legacy() => {
            format!("the policy of {place} (iptables-legacy)")
        }
        None => format!("the policy of {place}"),
    }
}

/// What explains the verdict.
fn cause(finding: &PortFinding, view: &View) -> Option<String> {
    match view.verdict {
        Verdict::Filtered | Verdict::Shielded => Some(stopped(view)),
        Verdict::LocalOnly
        | Verdict::Overloaded
        | Verdict::Unexpected
        | Verdict::Inconclusive
        | Verdict::Forwarded => Some(note(view)),
        Verdict::Reachable => {
            let partly = finding.views.iter().any(|view| view.verdict == Verdict::LocalOnly);
            let serving = finding.listeners.iter().filter(|socket| socket.state.serves());
            let bound = || format!("bound to {}", bind::short(&serving.collect::<Vec<_>>()));
            let is_doubted = view.certainty == Certainty::Likely && view.note.is_some();
            partly.then(bound).or_else(|| is_doubted.then(|| note(view)))
        }
        Verdict::Closed => finding.listeners.first().map(held),
    }
}

/// A closed port that a socket holds nevertheless.
fn held(socket: &Socket) -> String {
    format!("held by {}, not listening", holders(&[&socket.held]))
}

/// The note as a clause, else what scanners call the answer.
fn note(view: &View) -> String {
    let note = view.note.as_deref().unwrap_or(view.reason);
    sanitize(note.trim_end_matches('.')).into_owned()
}

/// How a probe was stopped.
fn stopped(view: &View) -> String {
    let how = match view.how {
        Some(How::Dropped) => "dropped",
        Some(How::Rejected) => "rejected",
        Some(How::Reset) => "reset",
        Some(How::NotSent) => "stopped on the way out",
        Some(How::ReplyDropped) => "reply dropped",
        None => view.reason,
    };
    format!("{how}{}", view.icmp.as_ref().map(icmp).unwrap_or_default())
}

fn icmp(icmp: &Icmp) -> String {
    let from = icmp.from.map(|from| format!(" from {from}")).unwrap_or_default();
    format!(", icmp {}/{}{from}", icmp.kind, icmp.code)
}
