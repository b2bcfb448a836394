//! Ports that the firewall lets through, and that nobody serves.

use super::Facts;
use crate::model::{Door, Endpoint, Journey, Port, Reached, RuleId, Sweep, Vantage};
use std::collections::BTreeMap;
use std::sync::Arc;

/// The open doors, by vantage and port. There are none where the firewall lets most through: then nobody meant to close
/// them.
#[must_use]
pub fn doors(facts: &Facts) -> Vec<Door> {
    let rule = |id: &RuleId| facts.rulebook.rule(id);
    let doors = opened(facts).into_iter();
    doors
        .map(|((vantage, endpoint), journey)| Door {
            vantage,
            endpoint,
            rule: facts.rulebook.let_in_by(journey).map(rule),
        })
        .collect()
}

/// The rules that open them.
pub(super) fn rules(facts: &Facts) -> impl Iterator<Item = RuleId> {
    opened(facts).into_values().filter_map(|journey| facts.rulebook.let_in_by(journey).cloned())
}

fn opened(facts: &Facts) -> BTreeMap<(Vantage, Endpoint), &Arc<Journey>> {
    let from_network = facts.first.sweeps.iter().filter(|it| it.target.vantage.is_network());
    let mut opened = BTreeMap::new();
    for sweep in from_network.filter(|sweep| is_mostly_closed(sweep)) {
        for (port, journey) in &sweep.journeys {
            let endpoint = Endpoint { port: *port, transport: sweep.transport };
            if is_refused(sweep, *port, journey) && !is_served(facts, endpoint) {
                opened.entry((sweep.target.vantage, endpoint)).or_insert(journey);
            }
        }
    }
    opened
}

/// Whether rules stop most of what is sent.
fn is_mostly_closed(sweep: &Sweep) -> bool {
    let barred = sweep.journeys.values().filter(|journey| journey.is_barred()).count();
    barred * 2 > sweep.journeys.len()
}

/// Whether every rule let the probe pass, and no socket took it.
fn is_refused(sweep: &Sweep, port: Port, journey: &Journey) -> bool {
    let got_through = || {
        let attempt = sweep.attempts.get(&port);
        attempt.is_some_and(|attempt| attempt.answer.got_through())
    };
    journey.reached == Reached::Host(None) && !journey.is_barred() && !got_through()
}

fn is_served(facts: &Facts, endpoint: Endpoint) -> bool {
    let looks = std::iter::once(&facts.first).chain(&facts.second);
    let mut inventories = looks.flat_map(|look| [&look.before, &look.after]);
    inventories.any(|inventory| inventory.at(endpoint).any(|socket| socket.state.serves()))
}
