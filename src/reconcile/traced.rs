//! One port of one address, where the kernel told which rules the probe met: the judgement.

use super::case::{Case, Judged, story};
use super::checkpoint::{self, Scene};
use crate::model::{
    Answer, Certainty, Checkpoint, Decision, Hook, How, Journey, Lookup, Place, Reached, RuleId,
    Seen, Socket, State, Step, Transport, Verdict,
};
use std::net::SocketAddr;

impl Case<'_> {
    /// By the probe's way through the rules, and by what came back.
    pub(super) fn traced(&self, journey: &Journey) -> Judged {
        if let Answer::Failed(error) = self.answer {
            return Judged::failed(error);
        }
        if let Some(rule) = journey.stopped_by() {
            return self.decided(self.barred(self.how(rule)), &journey.steps, Some(rule));
        }
        if let (Some(rule), Some(reply)) = (journey.reply_stopped_by(), &journey.reply) {
            return self.decided(self.barred(How::ReplyDropped), &reply.steps, Some(rule));
        }
        let judged = match journey.reached {
            Reached::Nothing => return self.ended(journey),
            Reached::Rules => return self.short(journey),
            Reached::Host(None) if self.is_swallowed() => return self.swallowed(journey),
            Reached::Through(to) | Reached::Away(to) => self.forwarded(journey, to, "handed on"),
            Reached::Host(Some(to)) => self.forwarded(journey, to, "redirected"),
            Reached::Host(None) => self.delivered(journey),
        };
        let translated = match journey.reached {
            Reached::Through(_) | Reached::Away(_) | Reached::Host(Some(_)) => {
                self.rulebook.translated_by(&journey.steps)
            }
            _ => None,
        };
        self.decided(judged, &journey.steps, translated.or(self.rulebook.let_in_by(journey)))
    }

    /// By what came back to a client of this host, and by the way of one more probe through the rules.
    pub(super) fn explained(&self, journey: &Journey) -> Judged {
        let Some(how) = How::of(self.answer) else { return self.judge() };
        if let Some(rule) = journey.stopped_by() {
            return self.decided(self.barred(how), &journey.steps, Some(rule));
        }
        match (journey.reply_stopped_by(), &journey.reply) {
            (Some(rule), Some(reply)) if how == How::Dropped => {
                self.decided(self.barred(How::ReplyDropped), &reply.steps, Some(rule))
            }
            _ if journey.is_cut_short() && self.is_ended_silently(journey) => self.ended(journey),
            _ => {
                let judged = self.judge();
                let came = journey.reached == Reached::Host(None);
                let is_datagram = self.pair.endpoint.transport == Transport::Udp;
                match judged.verdict {
                    // No rule imitated the refusal.
                    Verdict::Closed if came => Judged { certainty: Certainty::Proved, ..judged },
                    Verdict::Inconclusive if came && is_datagram && how == How::Dropped => {
                        self.taken_in()
                    }
                    _ => judged,
                }
            }
        }
    }

    /// With what decided, and where.
    fn decided(&self, judged: Judged, steps: &[Step], rule: Option<&RuleId>) -> Judged {
        let Some(rule) = rule else { return judged };
        let hook = self.rulebook.hook_at(steps, rule);
        let hook = hook.map_or(Seen::Skipped("the chains could not be read"), Seen::Known);
        Judged { hook, rule: Seen::Known(self.rulebook.rule(rule)), ..judged }
    }

    /// How a rule stopped the probe: by what it sent back, or what it says where the kernel held that back.
    fn how(&self, rule: &RuleId) -> How {
        let rejects = || {
            let text = self.rulebook.rule(rule).text.unwrap_or_default();
            text.split([' ', '-']).any(|word| word.eq_ignore_ascii_case("reject"))
        };
        match How::of(self.answer).unwrap_or(How::Dropped) {
            How::Dropped if rejects() => How::Rejected,
            how => how,
        }
    }

    /// A rule or policy stopped the probe or its reply.
    fn barred(&self, how: How) -> Judged {
        let judged = if !self.here.is_empty() {
            Judged::proved(Verdict::Filtered).how(how)
        } else if !self.passing.is_empty() {
            Judged::likely(Verdict::Filtered)
                .how(how)
                .note("its socket came or went during the check")
        } else if !self.elsewhere.is_empty() {
            Judged::proved(Verdict::LocalOnly).note(format!(
                "{}; and {}",
                self.bindings(),
                story(how)
            ))
        } else if self.may_lack_servers() {
            Judged::inconclusive("the list of sockets is not complete")
        } else {
            Judged::proved(Verdict::Shielded).how(how)
        };
        match self.answer {
            // Scanners see what came back.
            Answer::Rst | Answer::Icmp(_) => judged,
            _ => judged.state(State::Filtered),
        }
    }

    /// Whether nothing came back for a reason that is no lack of a socket or of its room.
    fn is_ended_silently(&self, journey: &Journey) -> bool {
        *self.answer == Answer::Silence
            && (journey.dropped.is_none() || self.is_filtered(journey))
            && self.queue_is_full().is_none()
    }

    fn is_filtered(&self, journey: &Journey) -> bool {
        checkpoint::is_filtered(journey, self.pair.endpoint.transport)
    }

    /// An accept queue that explains it.
    fn queue_is_full(&self) -> Option<Judged> {
        let judged = self.here_or_looked_up().and_then(|socket| self.dropped_at(socket))?;
        (judged.verdict == Verdict::Overloaded).then_some(judged)
    }

    /// Something that is no rule stopped the probe or its reply.
    fn ended(&self, journey: &Journey) -> Judged {
        let is_reply = journey.reply.as_ref().is_some_and(|reply| !reply.left);
        let how = How::of(self.answer).unwrap_or(How::Dropped);
        let judged = self.barred(if is_reply { How::ReplyDropped } else { how });
        let checkpoint = self.checkpoint(journey);
        let what = if is_reply { "its reply was dropped" } else { "the probe was dropped" };
        let why = format!("{what} by {}", checkpoint.text);
        let note =
            judged.note.as_ref().map_or_else(|| why.clone(), |note| format!("{note}; {why}"));
        let certainty = if checkpoint.is_told() { judged.certainty } else { Certainty::Likely };
        let hook = checkpoint.hook.map_or(Seen::Absent, Seen::Known);
        Judged { certainty, hook, checkpoint: Some(checkpoint), ..judged }.note(note)
    }

    fn checkpoint(&self, journey: &Journey) -> Checkpoint {
        let is_outside = self.pair.target.vantage.is_network();
        let scene = Scene {
            journey,
            filters: self.filters,
            rulebook: self.rulebook,
            device: is_outside.then_some(self.pair.target.device),
            source: self.source.map(|source| source.ip()),
            socket: self.here_or_looked_up(),
        };
        scene.checkpoint()
    }

    /// The probe came to rules, and neither to the end of a drop nor to the sockets.
    fn short(&self, journey: &Journey) -> Judged {
        if self.answer.got_through() {
            let answered = Judged { certainty: Certainty::Likely, ..self.answered() };
            return answered.note("something answers for the socket: the probe did not come to it");
        }
        let last = journey.steps.last();
        let judged = self.ended(journey);
        match last.filter(|step| matches!(step.verdict, Decision::Queue | Decision::Stolen)) {
            Some(step) => {
                let why = "a rule hands it to a program, or keeps it";
                let place = Place::Queue;
                let checkpoint = judged.checkpoint.clone();
                let checkpoint = checkpoint.map(|it| Checkpoint { place, text: why.into(), ..it });
                let likely = Certainty::Likely;
                let judged = Judged { certainty: likely, checkpoint, ..judged }.note(why);
                self.decided(judged, &journey.steps, Some(&step.rule))
            }
            None => judged,
        }
    }

    /// Whether nothing came back to a SYN: a datagram need not be answered.
    fn is_swallowed(&self) -> bool {
        *self.answer == Answer::Silence && self.pair.endpoint.transport != Transport::Udp
    }

    /// The rules gave the probe another destination.
    fn forwarded(&self, journey: &Journey, to: SocketAddr, word: &str) -> Judged {
        let end = match self.answer {
            _ if matches!(journey.reached, Reached::Away(_)) => {
                ", on another host, which was not asked"
            }
            Answer::Rst => ", where nobody listens",
            Answer::Icmp(_) => ", from where an error comes back",
            Answer::Silence => ", which does not answer",
            _ => "",
        };
        let note = format!("{word} to {to}{}{end}", self.server(to));
        match self.answer {
            Answer::Silence => Judged::likely(Verdict::Forwarded),
            _ => Judged::proved(Verdict::Forwarded),
        }
        .note(note)
    }

    /// The probe passed every rule on its way to the sockets of this host.
    fn delivered(&self, journey: &Journey) -> Judged {
        match self.answer {
            Answer::SynAck(_) | Answer::Payload(_) if self.is_proxied(journey) => {
                let note = "a rule (tproxy) hands it to the socket of a proxy";
                Judged::proved(Verdict::Forwarded).note(note)
            }
            Answer::SynAck(_) | Answer::Payload(_) => self.answered(),
            Answer::Silence if self.is_filtered(journey) => self.ended(journey),
            Answer::Silence => self.taken_in(),
            _ => self.refused(),
        }
    }

    fn is_proxied(&self, journey: &Journey) -> bool {
        let says_so = |step: &&Step| {
            let text = self.rulebook.rule(&step.rule).text;
            text.is_some_and(|text| text.to_lowercase().contains("tproxy"))
        };
        // A rule that finds no socket for it is broken off, and no step.
        let goes_on = |step: &&Step| matches!(step.verdict, Decision::Accept | Decision::Continue);
        journey.steps.iter().filter(goes_on).any(|step| says_so(&step))
    }

    /// Every rule let it pass, and this host itself refused it.
    fn refused(&self) -> Judged {
        if !self.here.is_empty() || !self.passing.is_empty() {
            return Judged::inconclusive(
                "a socket listens, no rule stopped the probe, and it was refused",
            );
        }
        if !self.elsewhere.is_empty() {
            return Judged::proved(Verdict::LocalOnly).note(self.bindings());
        }
        let closed = Judged::proved(Verdict::Closed);
        if self.is_held() {
            closed.note("a socket is bound to the port and does not listen")
        } else {
            closed
        }
    }

    /// Every rule let a SYN pass, and nothing came back.
    fn swallowed(&self, journey: &Journey) -> Judged {
        let Some(judged) = self.queue_is_full() else { return self.ended(journey) };
        let text = judged.note.clone().unwrap_or_default();
        let (hook, dropped) = (Some(Hook::Input), journey.dropped.clone());
        let checkpoint = Some(Checkpoint { place: Place::SocketQueue, hook, dropped, text });
        Judged { hook: Seen::Known(Hook::Input), checkpoint, ..judged }
    }

    /// Every rule let a datagram pass, and nothing came back.
    fn taken_in(&self) -> Judged {
        let open = |judged: Judged| judged.state(State::Open);
        if let Some(socket) = self.here_or_looked_up() {
            let queue = |inventory| self.same(inventory, socket)?.queue.known();
            return match (queue(&self.look.before), queue(&self.look.after)) {
                (Some(before), Some(after)) if after.drops > before.drops => {
                    let note = "the datagram came to its socket, whose receive buffer is full";
                    Judged::likely(Verdict::Overloaded).note(note).state(State::OpenFiltered)
                }
                (Some(before), Some(after)) if after.length > before.length => {
                    let note = "no answer, but the datagram is in the socket's queue";
                    open(Judged::proved(Verdict::Reachable)).note(note)
                }
                _ => {
                    let note = "no answer, but every rule let the datagram pass to the socket";
                    open(Judged::likely(Verdict::Reachable)).note(note)
                }
            };
        }
        if !self.passing.is_empty() {
            return Judged::inconclusive("its socket came or went during the check");
        }
        let silent =
            "every rule let it pass, and the kernel told it to no client: it sends few such errors";
        let judged = if !self.elsewhere.is_empty() {
            Judged::proved(Verdict::LocalOnly).note(self.bindings())
        } else if self.may_lack_servers() {
            return Judged::inconclusive("the list of sockets is not complete");
        } else {
            Judged::proved(Verdict::Closed).note(silent)
        };
        judged.state(State::Closed)
    }

    /// The socket that the probe should have come to.
    fn here_or_looked_up(&self) -> Option<&Socket> {
        match self.look.lookups.get(self.pair) {
            Some(Lookup::Nobody) => None,
            _ => self.looked_up().or_else(|| self.here.first().copied()),
        }
    }
}

#[cfg(test)]
mod tests;
