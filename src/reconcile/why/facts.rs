//! The facts that a reason is found from.

use super::{Manager, Remote, words};
use crate::model::{
    Asked, Certainty, Checkpoint, ClientAttempt, Delivery, Endpoint, Family, Gap, Hides, Hook,
    Inside, Inventory, Journey, Lookup, Neighbour, Onward, Outcome, Passage, Policy, Port,
    Published, Reached, Resolution, Restrictions, Rule, RuleId, Rulebook, Seen, Socket, Step,
    Surroundings, Transport, UnitState, Way,
};
use std::net::{IpAddr, SocketAddr};

/// One address that a client would try, with everything that bears on it.
#[derive(Debug, Clone)]
pub struct Case {
    /// What the client saw.
    pub attempt: ClientAttempt,
    /// How the kernel would send there.
    pub way: Way,
    /// In which socket of this host a packet would land.
    pub lands: Lookup,
    /// What lone SYNs caused, where that was looked at.
    pub passage: Option<Passage>,
    /// Whether datagrams arrive, where that was looked at.
    pub delivery: Option<Result<Delivery, String>>,
    /// What is known of the neighbour.
    pub neighbour: Neighbour,
    /// What decided against it, by a trace.
    pub decided: Option<Decided>,
    /// The rule of NAT that gave it another destination, by a trace.
    pub translated: Option<Rule>,
    /// How far a trace has seen one more such packet come.
    pub reached: Option<Reached>,
    /// What ended it, where that is no rule.
    pub ended: Option<Checkpoint>,
    /// Where connections go on to, and what is there.
    pub onward: Option<Onward>,
}

/// A rule or a policy that ended a packet or its answer, as the kernel traced it.
#[derive(Debug, Clone)]
pub struct Decided {
    /// Where the packet was; `None` where the chains could not be read.
    pub hook: Option<Hook>,
    /// The rule.
    pub rule: Rule,
    /// The policy of its chain, where a way through rules begins in that.
    pub policy: Option<Policy>,
    /// What wrote the rules.
    pub manager: Manager,
    /// The rules that were asked before, and did not decide.
    pub passed: Vec<Rule>,
}

impl Decided {
    /// What ended a traced packet, or where nothing came back its answer.
    #[must_use]
    pub fn of(journey: &Journey, outcome: Outcome, rulebook: &Rulebook) -> Option<Self> {
        let (rule, steps) = Self::rule(journey, outcome)?;
        Some(Self {
            hook: rulebook.hook_at(steps, rule),
            rule: rulebook.rule(rule),
            policy: rulebook.base(rule).map(|base| base.policy),
            manager: Manager::of(rule, steps, rulebook),
            passed: Vec::new(),
        })
    }

    /// The rules and policies on the way of a packet that explain what became of it: the one that ended it, and that
    /// of NAT. The chains of the rulebook say which that is.
    #[must_use]
    pub fn rules(journey: &Journey, outcome: Outcome, rulebook: &Rulebook) -> Vec<RuleId> {
        let decided = Self::rule(journey, outcome).map(|(rule, _)| rule);
        decided.into_iter().chain(rulebook.translated_by(&journey.steps)).cloned().collect()
    }

    fn rule(journey: &Journey, outcome: Outcome) -> Option<(&RuleId, &[Step])> {
        let stopped = journey.stopped_by().map(|rule| (rule, journey.steps.as_slice()));
        let of_reply = || {
            let silent = outcome == Outcome::TimedOut;
            let reply = journey.reply.as_ref().filter(|_| silent)?;
            Some((journey.reply_stopped_by()?, reply.steps.as_slice()))
        };
        stopped.or_else(of_reply)
    }
}

impl Case {
    /// An attempt of which nothing more is known.
    #[must_use]
    pub fn unasked(attempt: ClientAttempt, way: Way) -> Self {
        Self {
            attempt,
            way,
            lands: Lookup::Unknown("not asked".to_owned()),
            passage: None,
            delivery: None,
            neighbour: Neighbour::NotAsked,
            decided: None,
            translated: None,
            reached: None,
            ended: None,
            onward: None,
        }
    }

    /// The address.
    pub(super) fn address(&self) -> IpAddr {
        self.attempt.to.ip()
    }

    /// The neighbour on the link that packets to it go to.
    #[must_use]
    pub fn next_hop(&self) -> IpAddr {
        match self.way {
            Way::Out { gateway: Some(gateway), .. } => gateway,
            _ => self.address(),
        }
    }

    /// The device on which the kernel looks for the socket; `None` for an address that is not of this host.
    pub(super) fn device(&self) -> Option<u32> {
        match self.way {
            Way::Local(device) => Some(device),
            _ => None,
        }
    }
}

impl Case {
    /// Whether a trace saw the packet come to the sockets of this host, as it was sent, and no rule end its answer.
    pub(super) fn came_in(&self) -> bool {
        let is_ended = self.decided.is_some() || self.is_ended();
        self.reached == Some(Reached::Host(None)) && !is_ended
    }

    /// Whether the kernel told that something that is no rule ended it.
    pub(super) fn is_ended(&self) -> bool {
        self.ended.as_ref().is_some_and(Checkpoint::is_told)
    }

    /// Whether no trace has shown that it comes to this host's sockets as it was sent, or what ends it.
    #[must_use]
    pub fn may_be_redirected(&self) -> bool {
        !self.came_in() && self.decided.is_none()
    }

    /// Where rules of NAT hand it on to, when none ends it.
    #[must_use]
    pub fn handed_on(&self) -> Option<SocketAddr> {
        match self.reached {
            Some(Reached::Host(Some(to)) | Reached::Through(to) | Reached::Away(to))
                if self.decided.is_none() =>
            {
                Some(to)
            }
            _ => None,
        }
    }
}

/// A proxy that clients would use instead.
#[derive(Debug, Clone)]
pub struct Proxy {
    /// The variable that names it.
    pub variable: String,
    /// What it names.
    pub value: String,
    /// What connecting to the proxy gave; the text says why that could not be tried.
    pub attempts: Result<Vec<ClientAttempt>, String>,
}

/// Everything that was found out.
#[derive(Debug, Clone)]
pub struct Facts {
    /// What was asked.
    pub asked: Asked,
    /// What became of the name.
    pub resolution: Resolution,
    /// The addresses, in the order in which clients try them.
    pub cases: Vec<Case>,
    /// What was bound before the attempts.
    pub before: Inventory,
    /// What was bound after them, with owners.
    pub after: Inventory,
    /// The other network namespaces with a server at the port; unknown where they could not be looked into.
    pub elsewhere: Seen<Vec<Inside>>,
    /// The ports that rules publish; a gap says where some could not be read.
    pub published: Seen<Vec<Published>>,
    /// The service that the port is registered for.
    pub service: Option<String>,
    /// What systemd says of the units that may be about the port; absent where no systemd runs.
    pub units: Seen<Vec<UnitState>>,
    /// What keeps packets out of the unit that listens, where that was asked for.
    pub restrictions: Option<Restrictions>,
    /// Whether the kernel tracks connections here: only then can it hand a packet to another address or port.
    pub tracks_connections: bool,
    /// Whether the table of tracked connections has no room.
    pub conntrack_is_full: bool,
    /// The addresses of this host.
    pub local: Vec<IpAddr>,
    /// Whether `lo` is up.
    pub loopback_is_up: bool,
    /// The place on the network that is asked from; `None` for this host itself.
    pub remote: Option<Remote>,
    /// The proxy that clients would use for this URL.
    pub proxy: Option<Proxy>,
    /// The container that we are in.
    pub surroundings: Surroundings,
    /// The router of the way to everywhere, where we are in a container: often the host itself.
    pub gateway: Option<IpAddr>,
    /// The release of the kernel.
    pub kernel: String,
    /// What could not be seen.
    pub gaps: Vec<Gap>,
    /// Why no rule is known where one must have decided.
    pub untraced: Gap,
}

/// The rule of destination NAT among these that takes packets to a port of an address.
#[must_use]
pub fn redirection(
    published: &[Published],
    Endpoint { port, transport }: Endpoint,
    address: IpAddr,
) -> Option<&Published> {
    published.iter().find(|rule| {
        rule.transport == transport
            && rule.leads_to(port).is_some()
            && rule.address.is_none_or(|at| at == address)
            && rule.family.is_none_or(|family| family == Family::of(address))
    })
}

impl Facts {
    pub(super) fn endpoint(&self) -> Endpoint {
        Endpoint { port: self.asked.port, transport: self.asked.transport }
    }

    /// The sockets at the port that serve.
    pub(super) fn servers(&self) -> impl Iterator<Item = &Socket> {
        self.after.at(self.endpoint()).filter(|socket| socket.state.serves())
    }

    /// Those that take packets to the address of a case.
    pub(super) fn takers<'a>(&'a self, case: &Case) -> Vec<&'a Socket> {
        let Some(device) = case.device() else { return Vec::new() };
        let address = case.address();
        self.servers().filter(|socket| socket.accepts(address, device)).collect()
    }

    /// How sure it is that no socket is there but those that are listed, and that no rule sends packets elsewhere.
    pub(super) fn certainty_of_table(&self, case: &Case) -> Certainty {
        let seen = !self.before.may_lack_servers() && !self.after.may_lack_servers();
        let unread = self.gaps.iter().any(|gap| gap.hides == Hides::Published);
        let not_redirected = !self.tracks_connections
            || case.reached == Some(Reached::Host(None))
            || (self.published.known().is_some() && !unread);
        if seen && not_redirected { Certainty::Proved } else { Certainty::Likely }
    }

    /// The rule of destination NAT that takes packets to an address.
    pub(super) fn redirection(&self, address: IpAddr) -> Option<&Published> {
        redirection(self.published.known()?, self.endpoint(), address)
    }

    /// `localhost:3000`, as a word for the command line.
    pub(super) fn target(&self) -> String {
        self.target_at(self.asked.port)
    }

    /// The same with another port.
    pub(super) fn target_at(&self, port: Port) -> String {
        let from = self.remote.as_ref();
        let from = from.map_or_else(String::new, |remote| format!(" --from {}", remote.word));
        format!("{}{from}", self.target_there_at(port))
    }

    /// The target as it is asked for on the machine that asks.
    pub(super) fn target_there(&self) -> String {
        self.target_there_at(self.asked.port)
    }

    fn target_there_at(&self, port: Port) -> String {
        let udp = if self.asked.transport == Transport::Udp { " --udp" } else { "" };
        format!("{}{udp}", words::at(&self.asked.host, port))
    }
}
