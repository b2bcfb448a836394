//! What the kernel told of a probe's way through the rules of the firewall.

use super::{Dropped, RuleId};
use std::net::SocketAddr;

/// What happened to one probe, as the kernel traced it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Journey {
    /// How far the probe came.
    pub reached: Reached,
    /// The decisions about the probe, in their order.
    pub steps: Vec<Step>,
    /// The reply to it, when one set out.
    pub reply: Option<Reply>,
    /// What the kernel said when it dropped the one or the other, where that was heard: only where no rule did.
    pub dropped: Option<Dropped>,
}

/// How far a probe came.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Reached {
    /// It did not come to the first rule: something at the device took it.
    Nothing,
    /// It came to the first rule, and not to the end of those before a socket.
    Rules,
    /// It passed all rules before the sockets of this host. With where to, when that is not where it was sent to.
    Host(Option<SocketAddr>),
    /// It passed all rules on the way through this host, to this address and port.
    Through(SocketAddr),
    /// It was about to leave for another host, at this address and port, and was held back.
    Away(SocketAddr),
}

impl Reached {
    /// Its name in the documents.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Nothing => "interface",
            Self::Rules => "rules",
            Self::Host(None) => "host",
            Self::Host(Some(_)) => "redirected",
            Self::Through(_) => "forwarded",
            Self::Away(_) => "held-back",
        }
    }

    /// Where to, when that is not where it was sent to.
    #[must_use]
    pub fn elsewhere(self) -> Option<SocketAddr> {
        match self {
            Self::Host(to) => to,
            Self::Through(to) | Self::Away(to) => Some(to),
            Self::Nothing | Self::Rules => None,
        }
    }
}

/// One decision about a packet.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Step {
    /// What decided.
    pub rule: RuleId,
    /// What it decided.
    pub verdict: Decision,
}

/// What a rule or a policy does with a packet (`enum nft_verdicts`, `linux/netfilter.h`).
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Decision {
    /// The rule matched, and the next one is asked.
    Continue,
    /// The next base chain is asked.
    Accept,
    /// The packet ends here.
    Drop,
    /// A chain is asked, and then the next rule.
    Jump(String),
    /// A chain is asked, and then no other rule of this one.
    Goto(String),
    /// The rule behind the last jump is asked.
    Return,
    /// A program decides (`NFQUEUE`).
    Queue,
    /// The rule keeps the packet.
    Stolen,
}

impl Decision {
    /// Its word in the rules of `nft`, where it is one: for people, and in the documents.
    #[must_use]
    pub fn name(&self) -> &'static str {
        match self {
            Self::Continue => "continue",
            Self::Accept => "accept",
            Self::Drop => "drop",
            Self::Jump(_) => "jump",
            Self::Goto(_) => "goto",
            Self::Return => "return",
            Self::Queue => "queue",
            Self::Stolen => "stolen",
        }
    }

    /// The chain that is asked next.
    #[must_use]
    pub fn chain(&self) -> Option<&str> {
        match self {
            Self::Jump(chain) | Self::Goto(chain) => Some(chain),
            _ => None,
        }
    }
}

/// A reply on its way out.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Reply {
    /// Whether it passed all rules on the way out.
    pub left: bool,
    /// The decisions about it, in their order.
    pub steps: Vec<Step>,
}

impl Journey {
    /// The rule or policy that ended the probe.
    #[must_use]
    pub fn stopped_by(&self) -> Option<&RuleId> {
        dropped(&self.steps)
    }

    /// The rule or policy that ended the reply.
    #[must_use]
    pub fn reply_stopped_by(&self) -> Option<&RuleId> {
        self.reply.as_ref().filter(|reply| !reply.left).and_then(|reply| dropped(&reply.steps))
    }

    /// Whether something that is no rule ended it, as far as the trace goes: it came to no socket, or a reply that set
    /// out did not leave. Silence of a socket is not counted here.
    #[must_use]
    pub fn is_cut_short(&self) -> bool {
        let is_lost = match &self.reply {
            Some(reply) => !reply.left,
            None => matches!(self.reached, Reached::Nothing | Reached::Rules),
        };
        !self.is_barred() && (is_lost || self.dropped.is_some())
    }

    /// Whether a rule or policy ended the probe or its reply.
    #[must_use]
    pub fn is_barred(&self) -> bool {
        self.stopped_by().is_some() || self.reply_stopped_by().is_some()
    }
}

fn dropped(steps: &[Step]) -> Option<&RuleId> {
    steps.iter().rev().find(|step| step.verdict == Decision::Drop).map(|step| &step.rule)
}
