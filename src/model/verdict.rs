//! What the reconciler makes of the facts.

use super::{
    Answer, Checkpoint, Endpoint, Expected, Gap, Hook, Icmp, Identity, Interface, Journey, Method,
    Rule, Rulebook, Seen, Socket, Transport, Vantage,
};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

/// An answer as scanners read it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum State {
    /// Something took the probe.
    Open,
    /// It was refused.
    Closed,
    /// It was dropped or rejected.
    Filtered,
    /// UDP: silence that nothing explains.
    OpenFiltered,
    /// The probe failed on our side.
    Unknown,
}

impl State {
    /// Its name, nmap's where nmap has one.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Open => "open",
            Self::Closed => "closed",
            Self::Filtered => "filtered",
            Self::OpenFiltered => "open|filtered",
            Self::Unknown => "unknown",
        }
    }
}

/// The judgement of a port from a vantage. The order is the order in which a port's views are summed up:
/// the first one found is the port's. [`Verdict::meaning`] says what each one means.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
#[expect(missing_docs, reason = "`Verdict::meaning` is their documentation, for users too")]
pub enum Verdict {
    Unexpected,
    Inconclusive,
    Overloaded,
    Filtered,
    Forwarded,
    Reachable,
    LocalOnly,
    Shielded,
    Closed,
}

impl Verdict {
    /// Every verdict, in the order of the type.
    pub const ALL: [Self; 9] = [
        Self::Unexpected,
        Self::Inconclusive,
        Self::Overloaded,
        Self::Filtered,
        Self::Forwarded,
        Self::Reachable,
        Self::LocalOnly,
        Self::Shielded,
        Self::Closed,
    ];

    /// Its name on the command line and in the documents.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Unexpected => "unexpected",
            Self::Inconclusive => "inconclusive",
            Self::Overloaded => "overloaded",
            Self::Filtered => "filtered",
            Self::Forwarded => "forwarded",
            Self::Reachable => "reachable",
            Self::LocalOnly => "local-only",
            Self::Shielded => "shielded",
            Self::Closed => "closed",
        }
    }

    /// What it means, for the manual.
    #[must_use]
    pub fn meaning(self) -> &'static str {
        match self {
            Self::Unexpected => "the probe got through and nothing that can be seen explains it",
            Self::Inconclusive => {
                "the facts contradict each other or are missing; the reason is given"
            }
            Self::Overloaded => {
                "a socket listens, but its accept queue is full, so the kernel drops what comes"
            }
            Self::Filtered => {
                "a socket listens for this address, and something stopped the probe or its reply: dropped, rejected, \
                 reset, not-sent or reply-dropped"
            }
            Self::Forwarded => {
                "the probe got through and another socket took it: something redirects"
            }
            Self::Reachable => "a socket listens for this address and took the probe",
            Self::LocalOnly => "a socket listens, but is not bound towards this address",
            Self::Shielded => "nobody listens, and the probe was dropped or rejected",
            Self::Closed => "nobody listens, and a refusal came back",
        }
    }
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

/// How sure a verdict or a diagnosis is, the surest first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Certainty {
    /// The kernel showed it.
    Proved,
    /// Everything that we could look at fits, and one thing could not be looked at.
    Likely,
    /// It would explain what was seen, and so would something else. Only of diagnoses.
    Possible,
}

impl Certainty {
    /// Its name in the documents.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Proved => "proved",
            Self::Likely => "likely",
            Self::Possible => "possible",
        }
    }
}

/// How a probe was stopped.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum How {
    /// Nothing came back.
    Dropped,
    /// An ICMP error came back.
    Rejected,
    /// A reset came back although a socket listens.
    Reset,
    /// It was stopped on the way out.
    NotSent,
    /// It arrived, and its reply was dropped.
    ReplyDropped,
}

impl How {
    /// How a probe was stopped that brought this; `None` for one that was not.
    #[must_use]
    pub fn of(answer: &Answer) -> Option<Self> {
        match answer {
            Answer::Silence => Some(Self::Dropped),
            Answer::Rst => Some(Self::Reset),
            Answer::Icmp(_) => Some(Self::Rejected),
            Answer::NotSent => Some(Self::NotSent),
            Answer::SynAck(_) | Answer::Payload(_) | Answer::Failed(_) => None,
        }
    }

    /// Its name in the documents.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Dropped => "dropped",
            Self::Rejected => "rejected",
            Self::Reset => "reset",
            Self::NotSent => "not-sent",
            Self::ReplyDropped => "reply-dropped",
        }
    }
}

/// One port as seen from one vantage towards one address.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct View {
    /// The vantage.
    pub vantage: Vantage,
    /// The interface that has the address.
    pub interface: Interface,
    /// The address that was probed.
    pub target: IpAddr,
    /// Where the probe came from, when known.
    pub source: Option<SocketAddr>,
    /// How it was probed.
    pub method: Method,
    /// What scanners call it.
    pub state: State,
    /// Why, in nmap's words for the method.
    pub reason: &'static str,
    /// The ICMP error, where one came back.
    pub icmp: Option<Icmp>,
    /// From the last send to the answer.
    pub rtt: Option<Duration>,
    /// How many times it was sent.
    pub attempts: u8,
    /// The judgement.
    pub verdict: Verdict,
    /// How sure it is.
    pub certainty: Certainty,
    /// How it was stopped, for `filtered` and `shielded`.
    pub how: Option<How>,
    /// Where on its way the firewall decided.
    pub hook: Seen<Hook>,
    /// What decided: the rule or policy that stopped the probe or its reply, else the last that let the probe go on.
    pub rule: Seen<Rule>,
    /// What stopped the probe or its reply, where that is no rule of `nf_tables`.
    pub checkpoint: Option<Checkpoint>,
    /// A sentence on what the verdict rests on, or what would settle it.
    pub note: Option<String>,
    /// Its probe's way through the rules, where the kernel traced it.
    pub journey: Option<Arc<Journey>>,
}

/// Over which vantages a port's verdict was found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum VerdictFrom {
    /// Over `loopback` and `self`: the network was not tested.
    Local,
    /// Over `lan` and `internet`.
    Network,
}

impl VerdictFrom {
    /// Over the vantages of the network where any of the views is from there.
    #[must_use]
    pub fn of(views: &[View]) -> Self {
        let network = views.iter().any(|view| view.vantage.is_network());
        if network { Self::Network } else { Self::Local }
    }

    /// Its name in the documents.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Local => "local",
            Self::Network => "network",
        }
    }
}

/// One port with everything that is known of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PortFinding {
    /// The port.
    pub endpoint: Endpoint,
    /// The service that the number is registered for.
    pub service: Option<String>,
    /// The sockets that hold it, also those that are bound and not listening.
    pub listeners: Vec<Socket>,
    /// The views, by vantage and address.
    pub views: Vec<View>,
    /// The port's verdict: the first of its views' in the order of [`Verdict`]; `None` when it was not probed.
    pub verdict: Option<Verdict>,
    /// Over which vantages.
    pub verdict_from: VerdictFrom,
    /// What serves it; absent when that was not asked, or nothing was open.
    pub identity: Seen<Identity>,
}

/// What was probed on one transport from one vantage, in ports summed over the targets.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Tally {
    /// Ports asked for at one address: the most of any.
    pub ports: u64,
    /// Ports probed.
    pub probed: u64,
    /// Ports that were found closed.
    pub closed: u64,
    /// Ports that were found shielded.
    pub shielded: u64,
    /// Ports that were not probed.
    pub not_probed: u64,
}

/// What one vantage did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VantageSummary {
    /// The vantage.
    pub vantage: Vantage,
    /// The addresses that were probed.
    pub targets: Vec<IpAddr>,
    /// How they were probed.
    pub methods: BTreeSet<Method>,
    /// Probes sent in the look at every port.
    pub sent: u64,
    /// Ports that answered.
    pub answered: u64,
    /// Ports whose probe failed on our side.
    pub lost: u64,
    /// Ports that answered only when asked again.
    pub rescued: u64,
    /// The numbers for each transport that was probed.
    pub transports: BTreeMap<Transport, Tally>,
}

/// The report of `portsight check`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Check {
    /// A finding for each port that has a socket, got through from any vantage, or was named.
    pub items: Vec<PortFinding>,
    /// What each vantage did.
    pub vantages: Vec<VantageSummary>,
    /// What could not be seen.
    pub gaps: Vec<Gap>,
    /// Whether it was interrupted before its end.
    pub partial: bool,
    /// Whether open ports were asked what they serve.
    pub identified: bool,
    /// What should be, held against what was found.
    pub expected: Vec<Expected>,
    /// Ports that the firewall lets through from the network, and that nobody serves.
    pub doors: Vec<Door>,
    /// What the rules on the ways of the probes say; `None` when the ways are not to be shown.
    pub ways: Option<Rulebook>,
}

/// A port that the firewall lets through although it stops most others, and that nobody serves.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Door {
    /// From where.
    pub vantage: Vantage,
    /// The port.
    pub endpoint: Endpoint,
    /// What lets it through, where that is a rule or a policy.
    pub rule: Option<Rule>,
}

impl Check {
    /// How many items have each verdict. Verdicts that no item has are left out.
    #[must_use]
    pub fn summary(&self) -> BTreeMap<Verdict, u64> {
        let mut counts = BTreeMap::new();
        for verdict in self.items.iter().filter_map(|item| item.verdict) {
            *counts.entry(verdict).or_default() += 1;
        }
        counts
    }
}
