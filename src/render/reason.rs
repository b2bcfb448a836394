//! Why a port has its verdict, in a few words behind the verdict.

use super::bind;
use super::group::full_queue;
use super::owners::holders;
use super::sanitize::sanitize;
use crate::model::{Certainty, How, Icmp, PortFinding, Socket, Verdict, VerdictFrom, View};
use std::net::IpAddr;

/// What stands behind the verdict's word: where it holds, why, and how sure it is.
pub(super) fn reason(finding: &PortFinding) -> String {
    let view = finding.views.iter().find(|view| view.verdict == finding.verdict);
    let scope = match (finding.verdict, finding.verdict_from, is_likely(view)) {
        (Verdict::Reachable, VerdictFrom::Local, false) => " (locally; network not tested)",
        (Verdict::Reachable, VerdictFrom::Local, true) => " (likely; network not tested)",
        _ => "",
    };
    let place = view.map(|view| place(finding, view)).unwrap_or_default();
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

fn why(finding: &PortFinding, view: Option<&View>) -> String {
    let cause = cause(finding, view);
    // Of the others, some say it beside their word, and for some it goes without saying.
    let says_so =
        !matches!(finding.verdict, Verdict::Reachable | Verdict::Closed | Verdict::Inconclusive);
    let cause = match (cause, is_likely(view) && says_so) {
        (Some(cause), true) => format!("{cause} (likely)"),
        (Some(cause), false) => cause,
        (None, true) => "likely".into(),
        (None, false) => String::new(),
    };
    match finding.verdict {
        Verdict::Filtered | Verdict::Shielded => format!("{cause}; the rule was not traced"),
        _ => cause,
    }
}

fn is_likely(view: Option<&View>) -> bool {
    view.is_some_and(|view| view.certainty == Certainty::Likely)
}

/// What explains the verdict, from the facts; from the reconciler's note where the facts do not.
fn cause(finding: &PortFinding, view: Option<&View>) -> Option<String> {
    let serving = || finding.listeners.iter().filter(|socket| socket.state.serves());
    let noted = || view.map(note);
    let bound = || format!("bound to {}", bind::short(&serving().collect::<Vec<_>>()));
    match finding.verdict {
        Verdict::Filtered | Verdict::Shielded => view.map(stopped),
        Verdict::LocalOnly => Some(bound()),
        Verdict::Overloaded => {
            let full = serving().find_map(full_queue);
            full.map(|full| format!("accept queue {full}")).or_else(noted)
        }
        Verdict::Unexpected | Verdict::Inconclusive | Verdict::Forwarded => noted(),
        Verdict::Reachable => {
            let partly = finding.views.iter().any(|view| view.verdict == Verdict::LocalOnly);
            let is_doubted =
                |view: &&View| view.certainty == Certainty::Likely && view.note.is_some();
            partly.then(bound).or_else(|| view.filter(is_doubted).map(note))
        }
        Verdict::Closed => finding.listeners.first().map(held),
    }
}

/// A closed port that a socket holds nevertheless.
fn held(socket: &Socket) -> String {
    format!("held by {}, not listening", holders(socket))
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
        None => view.reason,
    };
    format!("{how}{}", view.icmp.as_ref().map(icmp).unwrap_or_default())
}

fn icmp(icmp: &Icmp) -> String {
    let from = icmp.from.map(|from| format!(" from {from}")).unwrap_or_default();
    format!(", icmp {}/{}{from}", icmp.kind, icmp.code)
}
