//! Nothing came back.

use super::forwarded::forwarded;
use super::refused::counters;
use super::words::{behind, binding, holder};
use super::{Case, Facts, Found, ended, unit_filter};
use crate::model::{
    Certainty, Code, Hook, Lookup, Neighbour, Passage, Queue, Reached, Seen, Socket, Way,
};

/// Where a packet that nothing came back to was lost.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Lost {
    /// It never left.
    GoingOut,
    /// It arrived, and was not delivered.
    ComingIn,
    /// It was delivered, and the socket said nothing.
    AtTheSocket,
    /// The answer never left.
    AnswerGoingOut,
    /// The answer arrived, and was not delivered.
    AnswerComingIn,
    /// The counters fit none of these.
    Unclear,
}

impl Lost {
    fn of(passage: &Passage) -> Self {
        match (passage.sent, passage.arrived, passage.delivered) {
            (1, 0, 0) => Self::GoingOut,
            (1, 1, 0) => Self::ComingIn,
            (1, 1, 1) => Self::AtTheSocket,
            (2, 1, 1) => Self::AnswerGoingOut,
            (2, 2, 1) => Self::AnswerComingIn,
            _ => Self::Unclear,
        }
    }
}

pub(super) fn found(facts: &Facts, case: &Case) -> Found {
    if case.device().is_none() {
        return elsewhere(facts, case);
    }
    if let Some(found) = forwarded(facts, case) {
        return found;
    }
    let lost = case.passage.as_ref().map_or(Lost::Unclear, Lost::of);
    let takers = facts.takers(case);
    let taker = takers.iter().find(|socket| case.lands == Lookup::Socket(socket.cookie));
    let taker = taker.or(takers.first()).copied();
    if let Some(socket) = taker
        && let Some(found) = at_socket(facts, case, socket, lost)
    {
        return found;
    }
    if facts.conntrack_is_full && case.decided.is_none() {
        let text = "the table of tracked connections is full, so new connections are dropped";
        let found = Found::new(Code::T07, Certainty::Possible, text);
        return found.next("sysctl net.netfilter.nf_conntrack_max");
    }
    ended::found(facts, case, taker).unwrap_or_else(|| dropped(facts, case, taker, lost))
}

/// What the socket itself explains, where it is not known how far the packet came.
pub(super) fn by_socket(facts: &Facts, case: &Case, socket: &Socket) -> Option<Found> {
    at_socket(facts, case, socket, Lost::Unclear)
}

/// What the socket itself explains.
fn at_socket(facts: &Facts, case: &Case, socket: &Socket, lost: Lost) -> Option<Found> {
    // A packet that was stopped on its way has not come to the socket.
    if matches!(lost, Lost::GoingOut | Lost::ComingIn) || case.decided.is_some() {
        return None;
    }
    let who = holder(&socket.held);
    let port = facts.asked.port;
    let overflowed = case.passage.is_some_and(|passage| passage.overflowed > 0);
    if let Seen::Known(queue @ Queue { length, limit, .. }) = &socket.queue
        && queue.is_full()
    {
        let before = facts.before.sockets.iter().find(|before| before.cookie == socket.cookie);
        let before = before.and_then(|before| before.queue.known());
        let was_full = case.came_in() && before.is_some_and(Queue::is_full);
        let sure = if overflowed || was_full { Certainty::Proved } else { Certainty::Likely };
        let stopped = if is_stopped(socket) { ", since its process is stopped" } else { "" };
        let text = format!(
            "{who} does not accept its connections{stopped}: {length} wait, where {limit} may"
        );
        let found = Found::new(Code::T03, sure, text);
        let counted = if overflowed { "; each attempt overflows it" } else { "" };
        let found = found.seen("accept queue", format!("{length}, limit {limit}{counted}"));
        return Some(found.next(format!("portsight who {port}")));
    }
    let unsigned = case.passage.is_some_and(|passage| passage.unsigned > 0);
    if unsigned || socket.signed {
        let sure = if unsigned && socket.signed { Certainty::Proved } else { Certainty::Likely };
        let text = format!("{who} wants TCP signatures (as BGP has them), and drops what has none");
        let mut found = Found::new(Code::T05, sure, text);
        if unsigned {
            found = found.seen("counters", "segments without a signature rise with each attempt");
        }
        if socket.signed {
            found = found.seen("listener", "it has keys of TCP signatures");
        }
        return Some(found.next(format!("portsight who {port}")));
    }
    let dropped = drops(facts, socket).is_some_and(|dropped| dropped > 0);
    // What the kernel itself told of it says more.
    if dropped && !case.is_ended() && matches!(lost, Lost::AtTheSocket | Lost::Unclear) {
        let rising = "they rise with each attempt";
        if let Some(found) = unit_filter::drops(facts, case, socket) {
            return Some(found.seen("drops of the socket", rising));
        }
        let text =
            format!("what comes reaches the socket of {who} and is dropped there: it has a filter");
        let found = Found::new(Code::T04, Certainty::Likely, text);
        let found = found.seen("drops of the socket", rising);
        return Some(found.next(format!("portsight who {port}")));
    }
    None
}

/// How much more the socket has dropped than before the attempts.
pub(super) fn drops(facts: &Facts, socket: &Socket) -> Option<u32> {
    let of = |socket: &Socket| socket.queue.known().map(|queue| queue.drops);
    let before = facts.before.sockets.iter().find(|before| before.cookie == socket.cookie);
    Some(of(socket)?.wrapping_sub(of(before?)?))
}

fn is_stopped(socket: &Socket) -> bool {
    let owners = &socket.held.owners;
    !owners.is_empty() && owners.iter().all(|owner| owner.process.stopped)
}

/// A firewall, or what looks like one.
fn dropped(facts: &Facts, case: &Case, taker: Option<&Socket>, lost: Lost) -> Found {
    let hook = case.decided.as_ref().and_then(|decided| decided.hook);
    let is_output = match hook {
        Some(hook) => matches!(hook, Hook::Output | Hook::Postrouting),
        None => matches!(lost, Lost::GoingOut | Lost::AnswerGoingOut),
    };
    let behind = behind(facts, taker);
    // Then it may have been handed on.
    let unread =
        facts.tracks_connections && facts.published.known().is_none() && case.decided.is_none();
    let of_answer = case.decided.is_some() && case.reached == Some(Reached::Host(None));
    let what = match lost {
        Lost::AnswerGoingOut | Lost::AnswerComingIn => "drops the answer",
        _ if of_answer => "drops the answer",
        _ => "drops what comes for it",
    };
    let (code, text) = if is_output {
        let what = if what == "drops the answer" { what } else { "drops it on the way out" };
        let or = if unread { ", or a rule forwards it to where nobody answers" } else { "" };
        (Code::T02, format!("this host's own output path {what}{or}{behind}"))
    } else if hook == Some(Hook::Forward) {
        let text =
            "a firewall of this host drops it on its way through, to where a rule hands it on";
        (Code::T01, text.to_owned())
    } else {
        (Code::T01, format!("a firewall of this host {what}{behind}"))
    };
    // Silence that the counters do not place may have another cause.
    let sure = match lost {
        Lost::AtTheSocket | Lost::Unclear if taker.is_none() => Certainty::Possible,
        Lost::AtTheSocket => Certainty::Possible,
        Lost::Unclear | Lost::GoingOut if unread => Certainty::Possible,
        _ => Certainty::Likely,
    };
    let mut found = Found::new(code, sure, text);
    if let Some(socket) = taker {
        found = found.seen("listener", format!("{}, with room in its queue", binding(socket)));
    }
    if let Some(passage) = &case.passage {
        found = found.seen("counters", counters(passage));
    }
    found.by_rule(case.decided.as_ref())
}

/// An address of another host.
fn elsewhere(facts: &Facts, case: &Case) -> Found {
    let address = case.address();
    if case.neighbour == Neighbour::Silent {
        return super::blocked::no_neighbour(case, Certainty::Likely);
    }
    let text = format!("{address} does not answer: it is down, or a firewall on the way drops");
    let found = Found::new(Code::T01, Certainty::Possible, text);
    let found = match case.neighbour {
        Neighbour::Answers => {
            found.seen("neighbour", format!("{} answers on the link", case.next_hop()))
        }
        _ => found,
    };
    match case.way {
        Way::Out { .. } => found.next(format!("ip route get {address}")),
        _ => found,
    }
    .next(format!("portsight why {} --wait 1m", facts.target()))
}
