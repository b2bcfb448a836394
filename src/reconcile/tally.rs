//! The numbers of each vantage.

use super::Facts;
use crate::model::{
    Answer, Attempt, Endpoint, Gap, Hides, Need, Port, PortFinding, Reached, Sweep, Tally, Vantage,
    VantageSummary, Verdict,
};
use std::collections::{BTreeMap, BTreeSet};

/// What each vantage did, in the order of the vantages.
#[must_use]
pub fn vantages(facts: &Facts, items: &[PortFinding]) -> Vec<VantageSummary> {
    let listed: BTreeSet<Endpoint> = items.iter().map(|item| item.endpoint).collect();
    let mut summaries: BTreeMap<Vantage, VantageSummary> = BTreeMap::new();
    for sweep in &facts.first.sweeps {
        let summary = summaries
            .entry(sweep.target.vantage)
            .or_insert_with(|| new_summary(sweep.target.vantage));
        if !summary.targets.contains(&sweep.target.address) {
            summary.targets.push(sweep.target.address);
        }
        if sweep.sent > 0 {
            summary.methods.insert(sweep.method);
        }
        add(summary, facts, sweep, &listed);
    }
    for view in items
        .iter()
        .flat_map(|item| item.views.iter().map(move |view| (item.endpoint.transport, view)))
    {
        let (transport, view) = view;
        let tally = summaries
            .get_mut(&view.vantage)
            .and_then(|summary| summary.transports.get_mut(&transport));
        if let Some(tally) = tally {
            tally.closed += u64::from(view.verdict == Verdict::Closed);
            tally.shielded += u64::from(view.verdict == Verdict::Shielded);
        }
    }
    summaries.into_values().collect()
}

fn new_summary(vantage: Vantage) -> VantageSummary {
    VantageSummary {
        vantage,
        targets: Vec::new(),
        methods: BTreeSet::new(),
        sent: 0,
        answered: 0,
        lost: 0,
        rescued: 0,
        transports: BTreeMap::new(),
    }
}

/// Adds a sweep: its probes, and of its ports those that no finding lists.
fn add(summary: &mut VantageSummary, facts: &Facts, sweep: &Sweep, listed: &BTreeSet<Endpoint>) {
    let lists = |port| listed.contains(&Endpoint { port, transport: sweep.transport });
    let lost = lost_ports(facts, sweep).count() as u64;
    let not_probed = sweep.not_probed().count() as u64 + lost;
    let answers = sweep.attempts.iter().filter(|(port, attempt)| {
        !sweep.refused.contains(**port)
            && !matches!(attempt.answer, Answer::Silence | Answer::NotSent | Answer::Failed(_))
    });
    summary.sent += sweep.sent;
    summary.lost += lost;
    summary.rescued += sweep.rescued;
    summary.answered += u64::from(sweep.refused.len()) + answers.count() as u64;
    let tally: &mut Tally = summary.transports.entry(sweep.transport).or_default();
    tally.ports = tally.ports.max(u64::from(sweep.wanted.len()));
    tally.probed += u64::from(sweep.wanted.len()) - not_probed;
    tally.not_probed += not_probed;
    tally.closed += sweep.refused.iter().filter(|port| !lists(*port)).count() as u64;
    let stopped =
        |answer: &Answer| matches!(answer, Answer::Silence | Answer::Icmp(_) | Answer::NotSent);
    let unlisted =
        sweep.attempts.iter().filter(|(port, _)| !lists(**port) && !sweep.refused.contains(**port));
    let steady = facts.silence_is_steady(sweep);
    for (port, attempt) in unlisted {
        match sweep.journeys.get(port) {
            // A datagram that came to no socket: the kernel sends few errors.
            Some(journey) if journey.reached == Reached::Host(None) && !journey.is_barred() => {
                tally.closed += u64::from(attempt.answer == Answer::Silence);
            }
            Some(_) => tally.shielded += u64::from(!attempt.answer.got_through()),
            None => {
                let counts =
                    stopped(&attempt.answer) && (steady || attempt.answer != Answer::Silence);
                tally.shielded += u64::from(counts);
            }
        }
    }
}

/// The ports of a sweep whose probe failed on our side, with the error. One that the second look settled is not
/// lost.
fn lost_ports<'a>(
    facts: &'a Facts,
    sweep: &'a Sweep,
) -> impl Iterator<Item = (Port, &'a str)> + use<'a> {
    let settled = |port: Port| {
        let endpoint = Endpoint { port, transport: sweep.transport };
        let second = facts.second.as_ref().and_then(|look| look.sweep(&sweep.target, endpoint));
        second
            .and_then(|sweep| sweep.attempts.get(&port))
            .is_some_and(|attempt| error(attempt).is_none())
    };
    let failed = sweep.attempts.iter().filter_map(|(port, attempt)| Some((*port, error(attempt)?)));
    failed.filter(move |(port, _)| !settled(*port))
}

fn error(attempt: &Attempt) -> Option<&str> {
    match &attempt.answer {
        Answer::Failed(error) => Some(error),
        _ => None,
    }
}

/// A gap for each sweep whose silence proves nothing.
#[must_use]
pub fn unsteady(facts: &Facts) -> Vec<Gap> {
    let unsteady = facts.first.sweeps.iter().filter(|sweep| !facts.silence_is_steady(sweep));
    let gap = |sweep: &Sweep| {
        let silent = sweep.attempts.values().filter(|attempt| attempt.answer == Answer::Silence);
        let (address, vantage) = (sweep.target.address, sweep.target.vantage.name());
        Gap {
            what: format!("{} silent {} ports of {address} from {vantage}", silent.count(), sweep.transport),
            reason: "others there answered only when asked again or waited for longer: a rate limit, loss or \
                     delay makes silence no proof"
                .to_owned(),
            need: Some(Need::Retry),
            hides: Hides::Views,
        }
    };
    unsteady.map(gap).collect()
}

/// A gap for each sweep with probes that failed on our side.
#[must_use]
pub fn lost(facts: &Facts) -> Vec<Gap> {
    let gap = |sweep: &Sweep| -> Option<Gap> {
        let (_, error) = lost_ports(facts, sweep).next()?;
        let (ports, transport) = (lost_ports(facts, sweep).count(), sweep.transport);
        let (address, vantage) = (sweep.target.address, sweep.target.vantage.name());
        Some(Gap {
            what: format!("{ports} {transport} ports of {address} from {vantage}"),
            reason: format!("the probes failed on our side: {error}"),
            need: Some(Need::Retry),
            hides: Hides::Views,
        })
    };
    facts.first.sweeps.iter().filter_map(gap).collect()
}
