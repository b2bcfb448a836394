//! One port of one address: the judgement.

use super::{Look, Pair};
use crate::model::{
    Answer, Attempt, Certainty, Cookie, Delivery, Hides, How, Inventory, Seen, Socket, SocketState,
    State, TakenBy, Transport, Verdict,
};
use std::collections::BTreeSet;
use std::net::{IpAddr, SocketAddr};

/// Everything that bears on one pair.
#[derive(Debug)]
pub(super) struct Case<'a> {
    look: &'a Look,
    pair: &'a Pair,
    answer: &'a Answer,
    /// Sockets that serve the port and take packets for this address, before and after the probe.
    here: Vec<&'a Socket>,
    /// The same, but only before or only after.
    passing: Vec<&'a Socket>,
    /// Sockets that serve the port towards another address, family or device.
    elsewhere: Vec<&'a Socket>,
}

/// A judgement of one pair.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Judged {
    pub(super) verdict: Verdict,
    pub(super) certainty: Certainty,
    pub(super) how: Option<How>,
    pub(super) note: Option<String>,
    /// The state, where the sockets tell more than the answer alone.
    pub(super) state: Option<State>,
    /// Whether the pair should be looked at once more before this is said.
    pub(super) wants_second_look: bool,
}

impl Judged {
    fn new(verdict: Verdict, certainty: Certainty) -> Self {
        Self { verdict, certainty, how: None, note: None, state: None, wants_second_look: false }
    }

    fn proved(verdict: Verdict) -> Self {
        Self::new(verdict, Certainty::Proved)
    }

    fn likely(verdict: Verdict) -> Self {
        Self::new(verdict, Certainty::Likely)
    }

    /// Facts that contradict each other, or are missing. The second look may be luckier.
    fn inconclusive(note: impl Into<String>) -> Self {
        Self::likely(Verdict::Inconclusive).note(note).after_second_look()
    }

    fn how(self, how: How) -> Self {
        Self { how: Some(how), ..self }
    }

    fn note(self, note: impl Into<String>) -> Self {
        Self { note: Some(note.into()), ..self }
    }

    fn state(self, state: State) -> Self {
        Self { state: Some(state), ..self }
    }

    fn after_second_look(self) -> Self {
        Self { wants_second_look: true, ..self }
    }
}

impl<'a> Case<'a> {
    pub(super) fn new(look: &'a Look, pair: &'a Pair, attempt: &'a Attempt) -> Self {
        let (before, after) = (cookies(&look.before, pair), cookies(&look.after, pair));
        let mut case = Self {
            look,
            pair,
            answer: &attempt.answer,
            here: Vec::new(),
            passing: Vec::new(),
            elsewhere: Vec::new(),
        };
        let gone = look.before.at(pair.endpoint).filter(|socket| !after.contains(&socket.cookie));
        for socket in
            look.after.at(pair.endpoint).chain(gone).filter(|socket| socket.state.serves())
        {
            let stays = before.contains(&socket.cookie) && after.contains(&socket.cookie);
            match (socket.accepts(pair.target.address, pair.target.arrival_device()), stays) {
                (true, true) => case.here.push(socket),
                (true, false) => case.passing.push(socket),
                (false, _) => case.elsewhere.push(socket),
            }
        }
        case
    }

    pub(super) fn judge(&self) -> Judged {
        match self.answer {
            Answer::SynAck(TakenBy::Other(address)) => Judged::proved(Verdict::Forwarded)
                .note(format!("taken by the socket at {address}{}", self.holder(*address))),
            Answer::SynAck(taken) => self.opened(taken),
            Answer::Payload(_) => self.answered(),
            Answer::Silence
                if self.pair.endpoint.transport == Transport::Udp && !self.here.is_empty() =>
            {
                self.udp_silence()
            }
            Answer::Silence => self.stopped(How::Dropped),
            Answer::Rst => self.stopped(How::Reset),
            Answer::Icmp(_) => self.stopped(How::Rejected),
            Answer::NotSent => self.stopped(How::NotSent),
            Answer::Failed(error) => {
                Judged::inconclusive(format!("the probe failed on our side: {error}"))
            }
        }
    }

    /// A TCP connection that was opened, and that no other socket of this host took.
    fn opened(&self, taken: &TakenBy) -> Judged {
        let judged = match taken {
            TakenBy::Nobody if !self.here.is_empty() => {
                let note = "the listening socket did not take the connection: it was handed on to somewhere outside \
                            this network namespace";
                return Judged::likely(Verdict::Forwarded).note(note);
            }
            TakenBy::Unknown(error) => self
                .answered()
                .note(format!("which socket took the connection is not known: {error}")),
            TakenBy::Gone => self
                .answered()
                .note("the connection was closed before its socket could be looked up"),
            _ => return self.answered(),
        };
        Judged { certainty: Certainty::Likely, ..judged }
    }

    /// A probe that somebody answered.
    fn answered(&self) -> Judged {
        if !self.here.is_empty() {
            return Judged::proved(Verdict::Reachable);
        }
        if !self.passing.is_empty() {
            return Judged::likely(Verdict::Reachable)
                .note("its socket came or went during the check")
                .after_second_look();
        }
        if self.may_lack_sockets() {
            return Judged::inconclusive("it answers, and the list of sockets is not complete");
        }
        Judged::proved(Verdict::Unexpected)
            .note("it answers, and no socket that can be seen explains it")
            .after_second_look()
    }

    /// A probe that was refused, rejected or lost in silence.
    fn stopped(&self, how: How) -> Judged {
        if !self.here.is_empty() {
            return self.stopped_before_a_listener(how);
        }
        if !self.passing.is_empty() {
            return Judged::inconclusive("its socket came or went during the check");
        }
        let (transport, target) = (self.pair.endpoint.transport, self.pair.target.address);
        let refused = *self.answer == Answer::plain_refusal(transport, target);
        if !self.elsewhere.is_empty() {
            let bound = self.bindings();
            return if refused {
                Judged::proved(Verdict::LocalOnly).note(bound)
            } else {
                Judged::likely(Verdict::LocalOnly)
                    .note(format!("{bound}; and something {} it", stopped_how(how)))
                    .state(State::Filtered)
            };
        }
        if refused {
            let closed = Judged::likely(Verdict::Closed);
            return match self.bound_and_silent() {
                Some(_) => closed.note("a socket is bound to the port and does not listen"),
                None => closed,
            };
        }
        if self.may_lack_sockets() {
            return Judged::inconclusive("the list of sockets is not complete")
                .state(State::Filtered);
        }
        Judged::likely(Verdict::Shielded).how(how).state(State::Filtered)
    }

    /// `filtered` is claimed only after the accept queue, the bound device (by `here`) and the kernel's own
    /// lookup were checked, and twice.
    fn stopped_before_a_listener(&self, how: How) -> Judged {
        if how == How::Dropped
            && let Some(queue) = self.full_queue()
        {
            return Judged::proved(Verdict::Overloaded).note(queue);
        }
        match self.look.lookups.get(self.pair) {
            Some(Seen::Known(cookie))
                if self.here.iter().any(|socket| socket.cookie == *cookie) =>
            {
                Judged::likely(Verdict::Filtered)
                    .how(how)
                    .note(format!(
                        "a socket listens, and something {} the probe; the rule was not traced",
                        stopped_how(how)
                    ))
                    .after_second_look()
            }
            Some(Seen::Known(_)) => {
                Judged::inconclusive("the kernel would deliver to a socket that is not listed")
            }
            Some(Seen::Absent) => Judged::inconclusive(
                "a listening socket is listed, and the kernel would deliver to none",
            ),
            Some(Seen::Failed(error)) => Judged::inconclusive(format!(
                "which socket the kernel would deliver to is not known: {error}"
            )),
            None | Some(Seen::Denied(_) | Seen::Skipped(_)) => {
                Judged::inconclusive("which socket the kernel would deliver to is not known")
            }
        }
    }

    /// UDP silence towards a socket: open only with evidence that the probe arrived.
    fn udp_silence(&self) -> Judged {
        match self.look.deliveries.get(self.pair) {
            Some(Delivery::Replied) => Judged::proved(Verdict::Reachable).state(State::Open),
            Some(Delivery::Queued) => Judged::proved(Verdict::Reachable)
                .state(State::Open)
                .note("no answer, but the probes arrived in the socket's queue"),
            Some(Delivery::Read) => Judged::likely(Verdict::Reachable)
                .state(State::Open)
                .note("no answer, but a program received a datagram for each probe"),
            Some(Delivery::Unseen) => Judged::inconclusive(
                "no answer, and nothing shows that the probes arrived: a trace of the firewall would settle it",
            ),
            Some(Delivery::Noisy) | None => Judged::inconclusive(
                "no answer, and other traffic hides whether the probes arrived: a quieter moment or a trace of the \
                 firewall would settle it",
            ),
        }
    }

    /// The accept queue of a listener that is full: the kernel drops the SYN of every new client.
    fn full_queue(&self) -> Option<String> {
        let cookies: BTreeSet<Cookie> = self.here.iter().map(|socket| socket.cookie).collect();
        let both =
            self.look.before.at(self.pair.endpoint).chain(self.look.after.at(self.pair.endpoint));
        both.filter(|socket| {
            socket.state == SocketState::Listen && cookies.contains(&socket.cookie)
        })
        .filter_map(|socket| socket.queue.known())
        .find(|queue| queue.length > queue.limit)
        .map(|queue| format!("accept queue {}/{}", queue.length, queue.limit))
    }

    fn bound_and_silent(&self) -> Option<&Socket> {
        self.look.after.at(self.pair.endpoint).find(|socket| !socket.state.serves())
    }

    fn may_lack_sockets(&self) -> bool {
        let gaps = self.look.before.gaps.iter().chain(&self.look.after.gaps);
        gaps.into_iter().any(|gap| gap.hides == Hides::Sockets)
    }

    /// "bound to 127.0.0.1", for the sockets that serve the port elsewhere.
    fn bindings(&self) -> String {
        let bindings: BTreeSet<String> =
            self.elsewhere.iter().map(|socket| binding(socket)).collect();
        format!("bound to {}", bindings.into_iter().collect::<Vec<_>>().join(" and "))
    }

    /// " (sshd 812)", for the process that listens at an address.
    fn holder(&self, address: SocketAddr) -> String {
        let mut sockets = self.look.after.sockets.iter();
        let listener = sockets.find(|socket| {
            socket.state == SocketState::Listen
                && socket.port.get() == address.port()
                && socket.accepts(address.ip(), self.pair.target.arrival_device())
        });
        let process = listener.and_then(|socket| socket.owners.first()).map(|owner| &owner.process);
        process.map_or_else(String::new, |process| format!(" ({} {})", process.name, process.pid))
    }
}

fn cookies(inventory: &Inventory, pair: &Pair) -> BTreeSet<Cookie> {
    inventory.at(pair.endpoint).map(|socket| socket.cookie).collect()
}

fn binding(socket: &Socket) -> String {
    let address = match socket.address {
        IpAddr::V4(address) if address.is_unspecified() => "IPv4 only".to_owned(),
        IpAddr::V6(address) if address.is_unspecified() => match socket.v6_only {
            Seen::Known(true) => "IPv6 only".to_owned(),
            _ => "every address".to_owned(),
        },
        address => address.to_string(),
    };
    match &socket.interface {
        Seen::Known(interface) => format!("{address} on {}", interface.name),
        _ => address,
    }
}

fn stopped_how(how: How) -> &'static str {
    match how {
        How::Dropped => "drops",
        How::Rejected => "rejects",
        How::Reset => "resets",
        How::NotSent => "stops on the way out",
    }
}
