//! Joins what is bound with what answered: values in, verdicts out. No clock, no environment, no I/O.
//!
//! The inventory is taken before and after the probes. A verdict that rests on a contradiction, or that says
//! that a firewall stopped something, is given only after a second look: [`judge`] names the pairs that it
//! cannot settle, the caller probes those once more, and the second look decides.

mod case;
mod checkpoint;
mod doors;
mod nat;
mod order;
mod reading;
mod service;
mod tally;
mod traced;
mod unnamed;
pub mod why;

pub use checkpoint::{Scene, ended};
pub use doors::doors;
pub use nat::{Translator, link};
pub use order::put_in_order;
pub use service::identity;
pub use tally::{lost, unsteady, vantages};
pub use unnamed::{Unnamed, unnamed};

use crate::model::{
    Answer, Attempt, Delivery, DroppedBy, Endpoint, Filters, Inventory, Journey, Lookup, Port,
    PortFinding, Reached, RuleId, Rulebook, Seen, Socket, State, Sweep, Target, Transport, Verdict,
    VerdictFrom, View,
};
use case::Case;
use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

/// A port of one address.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Pair {
    /// The address.
    pub target: Target,
    /// The port.
    pub endpoint: Endpoint,
}

/// The facts of one look at the host.
#[derive(Debug, Clone)]
pub struct Look {
    /// What was bound before the probes.
    pub before: Inventory,
    /// What was bound after them.
    pub after: Inventory,
    /// What answered.
    pub sweeps: Vec<Sweep>,
    /// Where the kernel would deliver a packet for the pair, where it was asked.
    pub lookups: BTreeMap<Pair, Lookup>,
    /// Whether silent UDP probes arrived, where that was looked into; the text says why it could not be.
    pub deliveries: BTreeMap<Pair, Result<Delivery, String>>,
    /// What drops the TCP probes of some pairs at their listener.
    pub droppers: BTreeMap<Pair, DroppedBy>,
    /// Whether the kernel tracks connections here: only then can it hand a packet to another address or port.
    pub tracks_connections: bool,
}

impl Look {
    /// How long the slowest answer took, where that tells how long others take: not where something answered only when
    /// it was asked again, and not where nothing answered.
    #[must_use]
    pub fn slowest_answer(&self) -> Option<Duration> {
        let steady = self.sweeps.iter().all(|sweep| sweep.rescued == 0 && !sweep.unsteady);
        let attempts = self.sweeps.iter().flat_map(|sweep| sweep.attempts.values());
        attempts.filter_map(|attempt| attempt.rtt).max().filter(|_| steady)
    }

    fn sweep(&self, target: &Target, endpoint: Endpoint) -> Option<&Sweep> {
        self.sweeps.iter().find(|sweep| {
            sweep.target == *target
                && sweep.transport == endpoint.transport
                && sweep.wanted.contains(endpoint.port)
        })
    }
}

/// Everything that was found out.
#[derive(Debug, Clone)]
pub struct Facts {
    /// The look at everything that was asked for.
    pub first: Look,
    /// The look at the pairs that the first one left unsettled.
    pub second: Option<Look>,
    /// The ports that were named, which get a finding in any case.
    pub named: BTreeSet<Endpoint>,
    /// Whether the work was interrupted, so that there will be no second look, or none at some pairs.
    pub interrupted: bool,
    /// What is known of the rules of the firewall.
    pub rulebook: Rulebook,
    /// What else may end packets.
    pub filters: Filters,
    /// The sockets, also of other network namespaces, at the addresses that the firewall hands packets on to.
    pub behind: BTreeMap<(Transport, SocketAddr), Socket>,
}

impl Facts {
    /// Those of a first look, with the ports that were named.
    #[must_use]
    pub fn new(first: Look, named: BTreeSet<Endpoint>) -> Self {
        let (rulebook, filters) = (Rulebook::default(), Filters::default());
        let behind = BTreeMap::new();
        Self { first, second: None, named, interrupted: false, rulebook, filters, behind }
    }

    /// Whether the silence of a sweep's ports proves anything: not when asking again kept bringing answers, and not
    /// when the second look, which waits longer, got one where the first had none.
    fn silence_is_steady(&self, sweep: &Sweep) -> bool {
        let steady = |sweep: &Sweep| !sweep.unsteady;
        let broken = |second: &Sweep| {
            sweep.attempts.iter().any(|(port, attempt)| {
                let again = second.attempts.get(port).map(|attempt| &attempt.answer);
                attempt.answer == Answer::Silence
                    && !matches!(again, None | Some(Answer::Silence | Answer::Failed(_)))
            })
        };
        let mut second =
            self.second.iter().flat_map(|look| &look.sweeps).filter(|second| {
                second.target == sweep.target && second.transport == sweep.transport
            });
        steady(sweep) && second.all(|second| steady(second) && !broken(second))
    }

    /// Some of the ports whose silence nothing else explains, spread over each sweep: the second look asks them
    /// again, and longer, to see whether silence is steady.
    #[must_use]
    pub fn samples(&self) -> Vec<Pair> {
        const MOST: usize = 32;
        let samples = |sweep: &Sweep| -> Vec<Pair> {
            // Silence that was traced is explained.
            let silent = sweep.attempts.iter().filter(|(port, attempt)| {
                attempt.answer == Answer::Silence && !sweep.journeys.contains_key(port)
            });
            let ports: Vec<Port> = silent.map(|(port, _)| *port).collect();
            let step = ports.len().div_ceil(MOST).max(1);
            let pair = |port: &Port| Pair {
                target: sweep.target.clone(),
                endpoint: Endpoint { port: *port, transport: sweep.transport },
            };
            ports.iter().step_by(step).map(pair).collect()
        };
        self.first.sweeps.iter().flat_map(samples).collect()
    }
}

/// What follows from the facts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Judgement {
    /// A finding for each port in question that has a socket, got through, or was named.
    pub items: Vec<PortFinding>,
    /// The pairs that want a second look; empty after one.
    pub unsettled: Vec<Pair>,
}

/// Judges every port.
#[must_use]
pub fn judge(facts: &Facts) -> Judgement {
    let mut unsettled = Vec::new();
    let sweeps: Vec<(&Sweep, bool)> =
        facts.first.sweeps.iter().map(|sweep| (sweep, facts.silence_is_steady(sweep))).collect();
    let mut items: Vec<PortFinding> = endpoints(facts)
        .into_iter()
        .map(|endpoint| finding(facts, &sweeps, endpoint, &mut unsettled))
        .collect();
    // What answered once and is closed at the second look was a stray: a probe of ours that met another.
    items.retain(|item| {
        let views = || item.views.iter();
        facts.named.contains(&item.endpoint)
            || !item.listeners.is_empty()
            || views()
                .any(|view| view.state == State::Open || view.verdict == Verdict::Inconclusive)
    });
    Judgement { items, unsettled }
}

/// The rules and policies that decided about the probes of the ports that get a finding.
#[must_use]
pub fn deciding_rules(facts: &Facts) -> BTreeSet<RuleId> {
    let views = judge(facts).items.into_iter().flat_map(|item| item.views);
    let of_views = views.filter_map(|view| Some(view.rule.known()?.id.clone()));
    of_views.chain(doors::rules(facts)).collect()
}

/// Every rule and policy that was asked about the probes of the ports that get a finding, and about the replies.
#[must_use]
pub fn rules_on_the_way(facts: &Facts) -> BTreeSet<RuleId> {
    let views = judge(facts).items.into_iter().flat_map(|item| item.views);
    let journeys = views.filter_map(|view| view.journey);
    journeys
        .flat_map(|journey| {
            let of_reply = journey.reply.iter().flat_map(|reply| &reply.steps);
            let steps = journey.steps.iter().chain(of_reply);
            steps.map(|step| step.rule.clone()).collect::<Vec<_>>()
        })
        .collect()
}

/// Where the firewall hands probes on to.
#[must_use]
pub fn targets(facts: &Facts) -> BTreeSet<(Transport, SocketAddr)> {
    let looks = std::iter::once(&facts.first).chain(&facts.second);
    let sweeps = looks.flat_map(|look| &look.sweeps);
    let of_sweep = |sweep: &Sweep| -> Vec<(Transport, SocketAddr)> {
        let to = |journey: &Arc<Journey>| match journey.reached {
            Reached::Through(to) | Reached::Away(to) | Reached::Host(Some(to)) => {
                Some((sweep.transport, to))
            }
            _ => None,
        };
        sweep.journeys.values().filter_map(to).collect()
    };
    sweeps.flat_map(of_sweep).collect()
}

/// The pairs of this host with itself that something stopped, or may have: a trace would tell what. The first so many.
#[must_use]
pub fn unexplained(facts: &Facts, most: usize) -> BTreeSet<Pair> {
    let mut pairs = BTreeSet::new();
    for item in judge(facts).items {
        for view in &item.views {
            let is_stopped =
                matches!(view.state, State::Filtered | State::OpenFiltered | State::Closed)
                    && view.verdict != Verdict::LocalOnly
                    && !view.vantage.is_network();
            let sweeps = || facts.first.sweeps.iter();
            let of_view = |sweep: &&Sweep| {
                sweep.target.vantage == view.vantage
                    && sweep.target.address == view.target
                    && sweep.target.interface == view.interface
            };
            if let Some(sweep) = sweeps().find(of_view).filter(|_| is_stopped) {
                pairs.insert(Pair { target: sweep.target.clone(), endpoint: item.endpoint });
            }
        }
    }
    pairs.into_iter().take(most).collect()
}

/// The ports that get a finding.
fn endpoints(facts: &Facts) -> BTreeSet<Endpoint> {
    let in_question = |endpoint: &Endpoint| {
        let asks = |sweep: &Sweep| {
            sweep.transport == endpoint.transport && sweep.wanted.contains(endpoint.port)
        };
        facts.first.sweeps.iter().any(asks)
    };
    let bound = facts.first.after.sockets.iter().map(Socket::endpoint).filter(in_question);
    let mut endpoints: BTreeSet<Endpoint> = facts.named.iter().copied().chain(bound).collect();
    for sweep in &facts.first.sweeps {
        let open = sweep.attempts.iter().filter(|(_, attempt)| attempt.answer.got_through());
        endpoints
            .extend(open.map(|(port, _)| Endpoint { port: *port, transport: sweep.transport }));
    }
    endpoints
}

fn finding(
    facts: &Facts,
    sweeps: &[(&Sweep, bool)],
    endpoint: Endpoint,
    unsettled: &mut Vec<Pair>,
) -> PortFinding {
    let mut views = Vec::new();
    let mut latest = &facts.first;
    let transport = endpoint.transport;
    for (sweep, steady) in sweeps.iter().filter(|(sweep, _)| sweep.transport == transport) {
        let pair = Pair { target: sweep.target.clone(), endpoint };
        let again = facts.second.as_ref().and_then(|second| {
            let sweep = second.sweep(&pair.target, endpoint)?;
            Some((second, sweep, sweep.attempts.get(&endpoint.port)?))
        });
        let looked_again = again.is_some();
        let (look, judged_by, recorded) = match again {
            Some((second, sweep, attempt)) => {
                latest = second;
                (second, sweep, Some(attempt))
            }
            None => (&facts.first, *sweep, sweep.attempts.get(&endpoint.port)),
        };
        let Some(attempt) = recorded.cloned().or_else(|| refusal(sweep, endpoint.port)) else {
            continue;
        };
        let case = Case::new(facts, look, &pair, &attempt, *steady);
        let journey = judged_by.journeys.get(&endpoint.port);
        let mut judged = match journey {
            Some(journey) if pair.target.vantage.is_network() => case.traced(journey),
            Some(journey) => case.explained(journey),
            None => case.judge(),
        };
        // A refusal that was kept as one bit lacks what a view tells.
        let wants_second_look =
            judged.wants_second_look || (recorded.is_none() && journey.is_none());
        if judged.wants_second_look && !looked_again && facts.interrupted {
            judged = case::Judged::inconclusive("interrupted before the second look");
        }
        views.push(reading::view(&pair, judged_by.method, &attempt, judged, journey));
        if wants_second_look && facts.second.is_none() {
            unsettled.push(pair);
        }
    }
    let verdict_from = VerdictFrom::of(&views);
    PortFinding {
        endpoint,
        service: None,
        listeners: latest.after.at(endpoint).cloned().collect(),
        verdict: verdict(&views, verdict_from),
        verdict_from,
        identity: Seen::Absent,
        views,
    }
}

/// The first verdict in their order, of the views from the network where there are any: what local clients get besides
/// is theirs alone.
fn verdict(views: &[View], from: VerdictFrom) -> Option<Verdict> {
    let counts = |view: &&View| from == VerdictFrom::Local || view.vantage.is_network();
    views.iter().filter(counts).map(|view| view.verdict).min()
}

/// The attempt at a port whose plain refusal was not recorded in detail.
fn refusal(sweep: &Sweep, port: Port) -> Option<Attempt> {
    sweep.refused.contains(port).then(|| Attempt {
        answer: Answer::plain_refusal(sweep.transport, sweep.target.address),
        source: None,
        rtt: None,
        tries: 1,
    })
}

#[cfg(test)]
mod tests;
