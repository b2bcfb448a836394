//! The numbers of each vantage.

use super::Facts;
use crate::model::{
    Answer, Endpoint, Gap, Hides, Need, PortFinding, Sweep, Tally, Transport, Vantage,
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
        add(summary, sweep, &listed);
    }
    for sweep in facts.second.iter().flat_map(|look| &look.sweeps) {
        if let Some(summary) = summaries.get_mut(&sweep.target.vantage) {
            summary.sent += sweep.sent;
            summary.lost += sweep.lost;
        }
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
        sent: 0,
        answered: 0,
        lost: 0,
        rescued: 0,
        transports: BTreeMap::new(),
    }
}

/// Adds a sweep: its probes, and of its ports those that no finding lists.
fn add(summary: &mut VantageSummary, sweep: &Sweep, listed: &BTreeSet<Endpoint>) {
    let lists = |port| listed.contains(&Endpoint { port, transport: sweep.transport });
    let failed = lost_ports(sweep);
    let not_probed = sweep.not_probed().count() as u64 + failed;
    let answers = sweep.attempts.iter().filter(|(port, attempt)| {
        !sweep.refused.contains(**port)
            && !matches!(attempt.answer, Answer::Silence | Answer::NotSent | Answer::Failed(_))
    });
    summary.sent += sweep.sent;
    summary.lost += sweep.lost;
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
    tally.shielded += unlisted.filter(|(_, attempt)| stopped(&attempt.answer)).count() as u64;
}

fn lost_ports(sweep: &Sweep) -> u64 {
    sweep.attempts.values().filter(|attempt| matches!(attempt.answer, Answer::Failed(_))).count()
        as u64
}

/// A gap for each sweep with probes that failed on our side.
#[must_use]
pub fn lost(facts: &Facts) -> Vec<Gap> {
    let gap = |sweep: &Sweep| -> Option<Gap> {
        let ports = lost_ports(sweep);
        let mut answers = sweep.attempts.values().map(|attempt| &attempt.answer);
        let error = answers.find_map(|answer| match answer {
            Answer::Failed(error) => Some(error.clone()),
            _ => None,
        })?;
        let transport: Transport = sweep.transport;
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
