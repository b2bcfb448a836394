//! One port of one address: the judgement.

use super::{Facts, Look, Pair};
use crate::model::{
    Answer, Attempt, Certainty, Checkpoint, Cookie, Delivery, DroppedBy, Filters, Hook, How,
    Inventory, Lookup, Rule, Rulebook, Seen, Socket, SocketState, State, TakenBy, Transport,
    Verdict,
};
use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, SocketAddr};

/// Why a rule is not known.
const NOT_TRACED: &str = "not traced";

/// Everything that bears on one pair.
#[derive(Debug)]
pub(super) struct Case<'a> {
    pub(super) look: &'a Look,
    pub(super) pair: &'a Pair,
    pub(super) answer: &'a Answer,
    pub(super) rulebook: &'a Rulebook,
    pub(super) filters: &'a Filters,
    /// Where the probe came from.
    pub(super) source: Option<SocketAddr>,
    behind: &'a BTreeMap<(Transport, SocketAddr), Socket>,
    /// Whether silence means anything on the way to this address.
    silence_is_steady: bool,
    /// Sockets that serve the port and take packets for this address, before and after the probe.
    pub(super) here: Vec<&'a Socket>,
    /// The same, but only before or only after.
    pub(super) passing: Vec<&'a Socket>,
    /// Sockets that serve the port towards another address, family or device.
    pub(super) elsewhere: Vec<&'a Socket>,
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
    /// Where on its way the firewall decided, and what did.
    pub(super) hook: Seen<Hook>,
    pub(super) rule: Seen<Rule>,
    /// What else did.
    pub(super) checkpoint: Option<Checkpoint>,
    /// Whether the pair should be looked at once more before this is said.
    pub(super) wants_second_look: bool,
}

impl Judged {
    fn new(verdict: Verdict, certainty: Certainty) -> Self {
        Self {
            verdict,
            certainty,
            how: None,
            note: None,
            state: None,
            hook: Seen::Absent,
            rule: Seen::Absent,
            checkpoint: None,
            wants_second_look: false,
        }
    }

    pub(super) fn proved(verdict: Verdict) -> Self {
        Self::new(verdict, Certainty::Proved)
    }

    pub(super) fn likely(verdict: Verdict) -> Self {
        Self::new(verdict, Certainty::Likely)
    }

    /// Facts that contradict each other, or are missing. The second look may be luckier.
    pub(super) fn inconclusive(note: impl Into<String>) -> Self {
        Self::likely(Verdict::Inconclusive).note(note).after_second_look()
    }

    /// Nothing is known of a probe that was not made.
    pub(super) fn failed(error: &str) -> Self {
        Self::inconclusive(format!("the probe failed on our side: {error}"))
    }

    pub(super) fn how(self, how: How) -> Self {
        Self { how: Some(how), ..self }
    }

    pub(super) fn note(self, note: impl Into<String>) -> Self {
        Self { note: Some(note.into()), ..self }
    }

    pub(super) fn state(self, state: State) -> Self {
        Self { state: Some(state), ..self }
    }

    pub(super) fn after_second_look(self) -> Self {
        Self { wants_second_look: true, ..self }
    }
}

impl<'a> Case<'a> {
    pub(super) fn new(
        facts: &'a Facts,
        look: &'a Look,
        pair: &'a Pair,
        attempt: &'a Attempt,
        silence_is_steady: bool,
    ) -> Self {
        let mut case = Self {
            look,
            pair,
            answer: &attempt.answer,
            rulebook: &facts.rulebook,
            filters: &facts.filters,
            source: attempt.source,
            behind: &facts.behind,
            silence_is_steady,
            here: Vec::new(),
            passing: Vec::new(),
            elsewhere: Vec::new(),
        };
        let (before, after) = (servers(&look.before, pair), servers(&look.after, pair));
        let earlier = [&look.before, &facts.first.before, &facts.first.after];
        let mut seen = BTreeSet::new();
        for inventory in [&look.after].into_iter().chain(earlier) {
            for socket in inventory.at(pair.endpoint).filter(|socket| socket.state.serves()) {
                if !seen.insert(socket.cookie) {
                    continue;
                }
                let stays = before.contains(&socket.cookie) && after.contains(&socket.cookie);
                let accepts = socket.accepts(pair.target.address, pair.target.device);
                match (accepts, stays) {
                    (true, true) => case.here.push(socket),
                    (true, false) => case.passing.push(socket),
                    (false, _) => case.elsewhere.push(socket),
                }
            }
        }
        case
    }

    /// By what came back alone.
    pub(super) fn judge(&self) -> Judged {
        let judged = self.judge_by_answer();
        if judged.how.is_none() {
            return judged;
        }
        Judged { hook: Seen::Skipped(NOT_TRACED), rule: Seen::Skipped(NOT_TRACED), ..judged }
    }

    fn judge_by_answer(&self) -> Judged {
        match self.answer {
            Answer::SynAck(TakenBy::Other(address)) => Judged::proved(Verdict::Forwarded)
                .note(format!("taken by the socket at {address}{}", self.holder(*address))),
            Answer::SynAck(taken) => self.opened(taken),
            Answer::Payload(_) => self.replied(),
            Answer::Silence
                if self.pair.endpoint.transport == Transport::Udp && !self.here.is_empty() =>
            {
                self.udp_silence()
            }
            Answer::Failed(error) => Judged::failed(error),
            answer => self.stopped(How::of(answer).unwrap_or(How::Dropped)),
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
            TakenBy::HalfOpen if self.look.tracks_connections => self
                .answered()
                .note("it answers; which socket would take a connection was not asked"),
            TakenBy::Gone => self
                .answered()
                .note("the connection was closed before its socket could be looked up"),
            _ => return self.answered(),
        };
        Judged { certainty: Certainty::Likely, ..judged }
    }

    /// A UDP probe that was answered. The answer looks the same when another socket gave it: the kernel rewrites its
    /// address, where it tracks connections.
    pub(super) fn replied(&self) -> Judged {
        let judged = self.answered();
        if judged.verdict == Verdict::Reachable && self.look.tracks_connections {
            let note = "it answers; which socket did cannot be seen where connections are tracked";
            return Judged { certainty: Certainty::Likely, ..judged }.note(note);
        }
        judged
    }

    /// A probe that somebody answered.
    pub(super) fn answered(&self) -> Judged {
        if !self.here.is_empty() {
            return Judged::proved(Verdict::Reachable);
        }
        if !self.passing.is_empty() {
            return Judged::likely(Verdict::Reachable)
                .note("its socket came or went during the check")
                .after_second_look();
        }
        if self.may_lack_servers() {
            return Judged::inconclusive("it answers, and the list of sockets is not complete");
        }
        // Where a socket of this host took it, that may be of a listener that came and went, also twice.
        let judged = match self.answer {
            Answer::SynAck(TakenBy::Nobody) => Judged::proved(Verdict::Unexpected),
            _ => Judged::likely(Verdict::Unexpected),
        };
        judged.note("it answers, and no socket that can be seen explains it").after_second_look()
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
                    .note(format!("{bound}; and {}", story(how)))
                    .state(State::Filtered)
            };
        }
        if refused {
            let closed = Judged::likely(Verdict::Closed);
            return if self.is_held() {
                closed.note("a socket is bound to the port and does not listen")
            } else {
                closed
            };
        }
        if self.may_lack_servers() {
            return Judged::inconclusive("the list of sockets is not complete")
                .state(State::Filtered);
        }
        Judged::likely(Verdict::Shielded).how(how).state(State::Filtered)
    }

    /// `filtered` is claimed only after the accept queue, the bound device (by `here`) and the kernel's own
    /// lookup were checked, and twice.
    fn stopped_before_a_listener(&self, how: How) -> Judged {
        if how == How::Dropped
            && let Some(socket) = self.looked_up()
            && let Some(judged) = self.dropped_at(socket)
        {
            return judged;
        }
        if how == How::Dropped && !self.silence_is_steady {
            return Judged::inconclusive(
                "no answer, but others on this way answered only when asked again: it may be a rate limit or loss",
            );
        }
        let how = match self.look.lookups.get(self.pair) {
            Some(Lookup::Socket(cookie)) if self.is_here(*cookie) => how,
            Some(Lookup::Connection) if how == How::Dropped => How::ReplyDropped,
            Some(Lookup::Socket(_) | Lookup::Connection) => {
                return Judged::inconclusive(
                    "the kernel would deliver to a socket that is not listed",
                );
            }
            Some(Lookup::Nobody) => {
                let note = "a listening socket is listed, and the kernel would deliver to none";
                return Judged::inconclusive(note);
            }
            Some(Lookup::Unknown(error)) => {
                let note = "which socket the kernel would deliver to is not known";
                return Judged::inconclusive(format!("{note}: {error}"));
            }
            None => {
                return Judged::inconclusive("the kernel was not asked where it would deliver");
            }
        };
        Judged::likely(Verdict::Filtered)
            .how(how)
            .note(format!("a socket listens, and {}; the rule was not traced", story(how)))
            .after_second_look()
    }

    /// UDP silence towards a socket: open only with evidence that the probe arrived.
    fn udp_silence(&self) -> Judged {
        let open = |judged: Judged| judged.state(State::Open);
        let undecided = |note: String| Judged::inconclusive(format!("no answer, and {note}"));
        match self.look.deliveries.get(self.pair) {
            Some(Ok(Delivery::Replied)) => open(Judged::proved(Verdict::Reachable)),
            Some(Ok(Delivery::Queued)) => open(Judged::proved(Verdict::Reachable))
                .note("no answer, but the probes arrived in the socket's queue"),
            Some(Ok(Delivery::Read)) => open(Judged::likely(Verdict::Reachable))
                .note("no answer, but a program received a datagram for each probe"),
            Some(Ok(Delivery::Unseen)) => undecided(
                "nothing shows that the probes arrived: a trace of the firewall would settle it".into(),
            ),
            Some(Ok(Delivery::Noisy)) => undecided(
                "other traffic hides whether the probes arrived: a quieter moment or a trace of the \
                 firewall would settle it"
                    .into(),
            ),
            Some(Err(error)) => undecided(format!("whether the probes arrived is not known: {error}")),
            None => undecided("whether the probes arrived was not looked into".into()),
        }
    }

    /// The socket that the kernel would deliver to, where that is one that should take the probe.
    pub(super) fn looked_up(&self) -> Option<&'a Socket> {
        let Some(Lookup::Socket(cookie)) = self.look.lookups.get(self.pair) else { return None };
        self.here.iter().find(|socket| socket.cookie == *cookie).copied()
    }

    /// A socket as it is in an inventory.
    pub(super) fn same<'i>(&self, inventory: &'i Inventory, socket: &Socket) -> Option<&'i Socket> {
        inventory.at(self.pair.endpoint).find(|other| other.cookie == socket.cookie)
    }

    /// What the socket itself shows: an accept queue without room, for which the kernel drops the SYN of every new
    /// client, or drops that were counted at the socket while it was probed.
    pub(super) fn dropped_at(&self, socket: &Socket) -> Option<Judged> {
        let queue = |inventory: &'a Inventory| {
            let same = self.same(inventory, socket)?;
            (same.state == SocketState::Listen).then(|| same.queue.known()).flatten()
        };
        let (before, after) = (queue(&self.look.before)?, queue(&self.look.after)?);
        let full = [after, before].into_iter().find(|queue| queue.is_full());
        if let Some(full) = full {
            let note = format!("accept queue {}/{}{}", full.length, full.limit, stopped(socket));
            let both = before.is_full() && after.is_full();
            let sure = if both { Judged::proved } else { Judged::likely };
            return Some(sure(Verdict::Overloaded).note(note));
        }
        (after.drops > before.drops).then(|| {
            let why = match self.look.droppers.get(self.pair) {
                _ if socket.signed => "it demands TCP signatures (MD5), which the probe lacks",
                Some(DroppedBy::Signature) => "it demands TCP signatures, which the probe lacks",
                Some(DroppedBy::Queue) => "its SYN queue is full",
                Some(DroppedBy::Filter) => {
                    "a filter of the socket, of its cgroup or of a security module"
                }
                Some(DroppedBy::Unknown) | None => {
                    "a full SYN queue, a filter on the socket or a missing TCP signature"
                }
            };
            Judged::likely(Verdict::Filtered).how(How::Dropped).after_second_look().note(format!(
                "the probe reached the socket and was dropped there: {why}, and no firewall rule"
            ))
        })
    }

    fn is_here(&self, cookie: Cookie) -> bool {
        self.here.iter().any(|socket| socket.cookie == cookie)
    }

    /// Whether a socket blocks the port and answers nobody.
    pub(super) fn is_held(&self) -> bool {
        self.look.after.at(self.pair.endpoint).any(|socket| !socket.state.serves())
    }

    pub(super) fn may_lack_servers(&self) -> bool {
        self.look.before.may_lack_servers() || self.look.after.may_lack_servers()
    }

    /// "bound to 127.0.0.1", for the sockets that serve the port elsewhere.
    pub(super) fn bindings(&self) -> String {
        let bindings: BTreeSet<String> =
            self.elsewhere.iter().map(|socket| binding(socket)).collect();
        format!("bound to {}", bindings.into_iter().collect::<Vec<_>>().join(" and "))
    }

    /// What serves at an address that packets are handed on to.
    pub(super) fn behind(&self, to: SocketAddr) -> Option<&'a Socket> {
        self.behind.get(&(self.pair.endpoint.transport, to))
    }

    /// " (nginx 812, container web)", for what serves at an address that packets are handed on to.
    pub(super) fn server(&self, to: SocketAddr) -> String {
        let Some(socket) = self.behind(to) else { return self.holder(to) };
        let owner = socket.held.owners.first();
        let process = owner.map(|it| format!("{} {}", it.process.name, it.process.pid));
        let container = socket.held.container.known().and_then(|container| {
            let name = container.name.known().or(container.id.known())?;
            Some(format!("container {name}"))
        });
        let netns = || socket.held.netns.as_ref().map(|netns| format!("in {netns}"));
        let place = container.or_else(netns);
        let parts: Vec<String> = process.into_iter().chain(place).collect();
        if parts.is_empty() { String::new() } else { format!(" ({})", parts.join(", ")) }
    }

    /// " (sshd 812)", for the process that listens at an address.
    pub(super) fn holder(&self, address: SocketAddr) -> String {
        let mut sockets = self.look.after.sockets.iter();
        let listener = sockets.find(|socket| {
            socket.state == SocketState::Listen
                && socket.port.get() == address.port()
                && socket.accepts(address.ip(), self.pair.target.device)
        });
        let process =
            listener.and_then(|socket| socket.held.owners.first()).map(|owner| &owner.process);
        process.map_or_else(String::new, |process| format!(" ({} {})", process.name, process.pid))
    }
}

/// The processes of a socket that a signal has stopped: they accept nothing.
fn stopped(socket: &Socket) -> String {
    let owners = || socket.held.owners.iter().map(|owner| &owner.process);
    let all_stopped = owners().all(|process| process.stopped);
    match owners().next() {
        Some(process) if all_stopped => {
            format!("; its process {} {} is stopped", process.name, process.pid)
        }
        _ => String::new(),
    }
}

fn servers(inventory: &Inventory, pair: &Pair) -> BTreeSet<Cookie> {
    let serving = inventory.at(pair.endpoint).filter(|socket| socket.state.serves());
    serving.map(|socket| socket.cookie).collect()
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

/// What happened to the probe.
pub(super) fn story(how: How) -> &'static str {
    match how {
        How::Dropped => "the probe was dropped",
        How::Rejected => "the probe was rejected",
        How::Reset => "the probe was reset",
        How::NotSent => "the probe was stopped on the way out",
        How::ReplyDropped => "the probe arrived, but its reply was dropped",
    }
}
