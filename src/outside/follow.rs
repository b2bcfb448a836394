//! Puts together what the kernel tells of each probe, packet by packet and decision by decision.

use super::table::{
    LOCAL_AWAY, LOCAL_IN, LOCAL_OUT, PROBE_END, PROBE_FORWARDED, PROBE_IN, REPLY_END, REPLY_OUT,
    is_ours,
};
use crate::model::{
    Answer, Chain, Decision, Dropped, Icmp, Journey, Port, Reached, Reply, RuleId, Step, Table,
    TakenBy,
};
use crate::wire::frame::Way;
use crate::wire::nf_trace::{Content, Event, Headers};
use std::collections::{BTreeMap, HashMap, HashSet};
use std::net::SocketAddr;
use std::sync::Arc;

/// Follows the probes of one way.
#[derive(Debug)]
pub(super) struct Follower {
    /// The name of our own table.
    table: String,
    way: Way,
    keys: Keys,
    /// Which packets are whose: by the number that the kernel gives a packet.
    packets: HashMap<u32, Whose>,
    stories: BTreeMap<Port, Story>,
    /// Ways that probes have had so far: many have the same.
    journeys: HashSet<Arc<Journey>>,
}

/// By what a packet is known.
#[derive(Debug, Clone, Copy)]
pub(super) enum Keys {
    /// By the marks of frames of ours: sequence numbers that are made with this key, identifications and flow labels.
    Marks(u32),
    /// By its ports: the kernel makes the packets.
    Ports,
}

/// Whose packet it is.
#[derive(Debug, Clone, Copy)]
struct Whose {
    port: Port,
    is_reply: bool,
}

/// What is known of one probe.
#[derive(Debug, Clone, Default)]
pub(super) struct Story {
    reached: Option<Reached>,
    steps: Vec<Step>,
    reply: Option<ReplyStory>,
    dropped: Option<Dropped>,
}

#[derive(Debug, Clone)]
struct ReplyStory {
    answer: Answer,
    left: bool,
    steps: Vec<Step>,
}

/// The end of a story.
#[derive(Debug, Clone)]
pub(super) struct Told {
    /// What a client gets.
    pub(super) answer: Answer,
    /// The way of the probe.
    pub(super) journey: Arc<Journey>,
    /// Whether a SYN-ACK set out, so that something waits for the rest of the handshake.
    pub(super) is_half_open: bool,
}

impl Follower {
    pub(super) fn new(table: String, way: Way, keys: Keys) -> Self {
        Self {
            table,
            way,
            keys,
            packets: HashMap::new(),
            stories: BTreeMap::new(),
            journeys: HashSet::new(),
        }
    }

    /// A probe is about to be sent, perhaps once more: what was known of it counts no longer.
    pub(super) fn begin(&mut self, port: Port) {
        self.stories.insert(port, Story::default());
    }

    /// Takes an event.
    pub(super) fn take(&mut self, event: &Event<'_>) {
        let whose = match &event.headers {
            Some(headers) => {
                let whose = self.whose(headers).or_else(|| self.known(event.packet, headers));
                match whose {
                    Some(whose) => self.packets.insert(event.packet, whose),
                    None => self.packets.remove(&event.packet),
                };
                whose
            }
            None => self.packets.get(&event.packet).copied(),
        };
        let Some(whose) = whose else { return };
        let sent_to = SocketAddr::new(self.way.target, whose.port.get());
        let Some(story) = self.stories.get_mut(&whose.port) else { return };
        if event.table == self.table.as_bytes() {
            // A rule of ours is for packets of this kind; the policy of its chain is for all.
            let is_rule = event.handle.is_some();
            if let (Some(headers), Ok(chain), true) =
                (event.headers, std::str::from_utf8(event.chain), is_rule)
            {
                story.passes(chain, &headers, sent_to, whose.is_reply);
                // Our own rules end a probe only that would leave this host.
                let is_dropped = event.decision == Some(Decision::Drop) && !whose.is_reply;
                if let (true, Some(Reached::Through(to))) = (is_dropped, story.reached) {
                    story.reached = Some(Reached::Away(to));
                }
            }
        } else if !is_ours(event.table)
            && let Some(verdict) = event.decision.clone()
        {
            story.decide(step(event, verdict), whose.is_reply);
        }
    }

    /// Whose packet has these headers. The addresses and ports of a packet may have been translated; a sequence number,
    /// an identification and a flow label are not.
    fn whose(&self, headers: &Headers) -> Option<Whose> {
        let port = |number| Port::new(number).filter(|port| self.stories.contains_key(port));
        let from_us = headers.source == self.way.source;
        let to_us = headers.target == self.way.source;
        let whose = |port: Option<Port>, is_reply| port.map(|port| Whose { port, is_reply });
        let Keys::Marks(key) = self.keys else {
            let probe = whose(port(headers.target.port()).filter(|_| from_us), false);
            return probe.or_else(|| whose(port(headers.source.port()).filter(|_| to_us), true));
        };
        let of_sequence = |sequence: u32| port(u16::try_from(sequence ^ key).ok()?);
        match headers.content {
            Content::Tcp { sequence, acknowledgement, .. } => {
                whose(of_sequence(sequence).filter(|_| from_us || acknowledgement == 0), false)
                    .or_else(|| whose(of_sequence(acknowledgement.wrapping_sub(1)), true))
            }
            Content::Udp(_) if from_us => whose(port(headers.mark), false),
            Content::Udp(_) if to_us => whose(port(headers.source.port()), true),
            // A datagram whose source was translated too.
            Content::Udp(_) => whose(port(headers.mark), false),
            Content::Icmp { quoted, .. } if headers.target.ip() == self.way.source.ip() => {
                whose(port(quoted), true)
            }
            Content::Icmp { .. } | Content::Other => None,
        }
    }

    /// A rule of the old `ip_tables` met a packet with these headers.
    pub(super) fn meets(&mut self, headers: &Headers, step: Step) {
        let Some(whose) = self.whose(headers) else { return };
        if let Some(story) = self.stories.get_mut(&whose.port) {
            story.decide(step, whose.is_reply);
        }
    }

    /// The kernel said why it dropped the probe or its reply.
    pub(super) fn drops(&mut self, port: Port, dropped: Dropped) {
        if let Some(story) = self.stories.get_mut(&port) {
            story.dropped = Some(dropped);
        }
    }

    /// Whether no rule ended a probe that came to no socket, or a reply that set out and did not leave.
    pub(super) fn is_cut_short(&self, port: Port) -> bool {
        self.stories.get(&port).is_some_and(Story::is_cut_short)
    }

    /// Whether nothing came back, and no rule is the reason.
    pub(super) fn is_silent(&self, port: Port) -> bool {
        self.stories.get(&port).is_some_and(|story| {
            let came = matches!(story.reached, Some(Reached::Host(_)));
            let is_unexplained = !story.is_barred() && story.dropped.is_none();
            story.is_cut_short() || (came && story.reply.is_none() && is_unexplained)
        })
    }

    /// Whether a SYN-ACK set out, so that something waits for the rest of the handshake.
    pub(super) fn is_half_open(&self, port: Port) -> bool {
        self.stories.get(&port).is_some_and(Story::is_half_open)
    }

    /// Takes a story away, so that what is told of its port counts no longer. `None` where nothing was told.
    pub(super) fn put_aside(&mut self, port: Port) -> Option<Story> {
        self.stories.remove(&port).filter(|story| story.reached.is_some())
    }

    /// Brings a story back, unless more was told since then.
    pub(super) fn bring_back(&mut self, port: Port, story: Option<Story>) {
        if !self.has_begun(port)
            && let Some(story) = story
        {
            self.stories.insert(port, story);
        }
    }

    /// Whose packet it is that has its source from us, and a destination that NAT has given it since it set out.
    fn known(&self, packet: u32, headers: &Headers) -> Option<Whose> {
        let by_ports = matches!(self.keys, Keys::Ports) && headers.source == self.way.source;
        let known = self.packets.get(&packet).filter(|_| by_ports);
        known.copied().filter(|whose| !whose.is_reply)
    }

    /// Whether the end of a probe's story is known.
    pub(super) fn is_settled(&self, port: Port) -> bool {
        self.stories.get(&port).is_some_and(Story::is_settled)
    }

    /// Whether a probe's story has begun: the kernel told of it at all.
    pub(super) fn has_begun(&self, port: Port) -> bool {
        self.stories.get(&port).is_some_and(|story| story.reached.is_some())
    }

    /// The story of a probe as it is now; from now on nothing more is taken to it.
    pub(super) fn end(&mut self, port: Port) -> Told {
        let story = self.stories.remove(&port).unwrap_or_default();
        let is_half_open = story.is_half_open();
        let answer = match &story.reply {
            Some(reply) if reply.left => reply.answer.clone(),
            _ => Answer::Silence,
        };
        let journey = Journey {
            reached: story.reached.unwrap_or(Reached::Nothing),
            steps: story.steps,
            reply: story.reply.map(|reply| Reply { left: reply.left, steps: reply.steps }),
            dropped: story.dropped,
        };
        let journey = if let Some(known) = self.journeys.get(&journey) {
            Arc::clone(known)
        } else {
            let new = Arc::new(journey);
            self.journeys.insert(Arc::clone(&new));
            new
        };
        Told { answer, journey, is_half_open }
    }

    /// Forgets which packets were whose: the kernel gives the same numbers again.
    pub(super) fn forget_packets(&mut self) {
        self.packets.clear();
    }
}

/// The sequence number of the SYN to a port: the lower half says which port.
pub(super) fn sequence(key: u32, port: Port) -> u32 {
    key ^ u32::from(port.get())
}

impl Story {
    /// A packet is at one of our own chains.
    fn passes(&mut self, chain: &str, headers: &Headers, sent_to: SocketAddr, is_reply: bool) {
        match (chain, is_reply) {
            (PROBE_IN | LOCAL_OUT, false) => self.reached = self.reached.or(Some(Reached::Rules)),
            (PROBE_END | LOCAL_IN, false) => {
                let elsewhere = (headers.target != sent_to).then_some(headers.target);
                self.reached = Some(Reached::Host(elsewhere));
            }
            (PROBE_FORWARDED, false) => self.reached = Some(Reached::Through(headers.target)),
            // Every packet of this host to itself comes by here, so only another destination says something.
            (LOCAL_AWAY, false) if headers.target != sent_to => {
                self.reached = Some(Reached::Through(headers.target));
            }
            (PROBE_IN | REPLY_OUT | LOCAL_OUT, true) => self.reply_sets_out(headers),
            (REPLY_END | LOCAL_IN, true) => {
                self.reply_sets_out(headers);
                if let Some(reply) = &mut self.reply {
                    reply.left = true;
                }
            }
            _ => {}
        }
    }

    /// The first reply counts.
    fn reply_sets_out(&mut self, headers: &Headers) {
        if self.reply.is_none()
            && let Some(answer) = answer(headers)
        {
            self.reply = Some(ReplyStory { answer, left: false, steps: Vec::new() });
        }
    }

    fn decide(&mut self, step: Step, is_reply: bool) {
        match &mut self.reply {
            Some(reply) if is_reply => reply.steps.push(step),
            _ if is_reply => {}
            _ => self.steps.push(step),
        }
    }

    fn is_settled(&self) -> bool {
        matches!(self.reached, Some(Reached::Away(_)))
            || self.dropped.is_some()
            || self.is_barred()
            || self.reply.as_ref().is_some_and(|reply| reply.left)
    }

    fn is_half_open(&self) -> bool {
        self.reply.as_ref().is_some_and(|reply| matches!(reply.answer, Answer::SynAck(_)))
    }

    /// Whether a rule ended the probe or its reply.
    fn is_barred(&self) -> bool {
        let ends = |steps: &[Step]| steps.iter().any(|step| step.verdict == Decision::Drop);
        ends(&self.steps) || self.reply.as_ref().is_some_and(|reply| ends(&reply.steps))
    }

    fn is_cut_short(&self) -> bool {
        let is_lost = match &self.reply {
            Some(reply) => !reply.left || self.reached == Some(Reached::Rules),
            None => matches!(self.reached, None | Some(Reached::Nothing | Reached::Rules)),
        };
        is_lost && !self.is_barred() && self.dropped.is_none()
    }
}

/// What a packet says to a client.
fn answer(headers: &Headers) -> Option<Answer> {
    const SYN: u8 = 0x02;
    const RST: u8 = 0x04;
    match headers.content {
        Content::Tcp { flags, .. } if flags & RST != 0 => Some(Answer::Rst),
        Content::Tcp { flags, .. } if flags & SYN != 0 => Some(Answer::SynAck(TakenBy::HalfOpen)),
        Content::Udp(length) => Some(Answer::Payload(length.into())),
        Content::Icmp { kind, code, .. } => {
            Some(Answer::Icmp(Icmp { kind, code, from: Some(headers.source.ip()) }))
        }
        Content::Tcp { .. } | Content::Other => None,
    }
}

fn step(event: &Event<'_>, verdict: Decision) -> Step {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let table = Table { family: event.family, name: text(event.table) };
    let chain = Chain { table, name: text(event.chain) };
    Step { rule: RuleId { chain, handle: event.handle }, verdict }
}

#[cfg(test)]
mod tests;
