//! The order of what was decided on a way: the old `ip_tables` tell of theirs apart from `nf_tables`.

use crate::model::{Base, Hook, Journey, Rulebook, Step, Sweep};
use std::collections::HashMap;
use std::sync::Arc;

/// Puts the decisions on each way where they were made.
pub fn put_in_order<'a>(sweeps: impl Iterator<Item = &'a mut Sweep>, rulebook: &Rulebook) {
    // Many probes share a way.
    let mut ordered: HashMap<Arc<Journey>, Arc<Journey>> = HashMap::new();
    for journey in sweeps.flat_map(|sweep| sweep.journeys.values_mut()) {
        let of_reply = journey.reply.as_ref().is_some_and(|reply| is_mixed(&reply.steps));
        if of_reply || is_mixed(&journey.steps) {
            let order = || {
                let mut way = Journey::clone(journey);
                order(&mut way.steps, rulebook);
                if let Some(reply) = &mut way.reply {
                    order(&mut reply.steps, rulebook);
                }
                Arc::new(way)
            };
            *journey = Arc::clone(ordered.entry(Arc::clone(journey)).or_insert_with(order));
        }
    }
}

fn is_mixed(steps: &[Step]) -> bool {
    let is_legacy = |step: &Step| step.rule.chain.table.family.is_legacy();
    steps.iter().any(is_legacy) && !steps.iter().all(is_legacy)
}

/// By where the ways through the rules began that led to each. What is not known to begin anywhere is left as it is.
fn order(steps: &mut [Step], rulebook: &Rulebook) {
    let bases: Vec<Option<Base>> = steps.iter().map(|step| rulebook.base(&step.rule)).collect();
    // A packet of this host to itself goes out before it comes in.
    let goes_out = bases.iter().flatten().any(|base| base.hook == Hook::Output);
    let mut place = None;
    let mut places = Vec::new();
    for base in bases {
        place = base.map(|base| (rank(base.hook, goes_out), base.priority)).or(place);
        let Some(place) = place else { return };
        places.push(place);
    }
    let mut ordered: Vec<_> = places.into_iter().zip(steps.iter().cloned()).collect();
    ordered.sort_by_key(|(place, _)| *place);
    for (step, (_, ordered)) in steps.iter_mut().zip(ordered) {
        *step = ordered;
    }
}

fn rank(hook: Hook, goes_out: bool) -> u8 {
    let (out, into) = if goes_out { (0, 10) } else { (10, 0) };
    match hook {
        Hook::Output => out,
        Hook::Postrouting => out + 1,
        Hook::Egress => out + 2,
        Hook::Ingress => into,
        Hook::Prerouting => into + 1,
        Hook::Input | Hook::Forward => into + 2,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{Chain, ChainKind, Decision, Policy, RuleId, Table, TableFamily};

    fn step(family: TableFamily, table: &str, chain: &str, handle: u64) -> Step {
        let table = Table { family, name: table.to_owned() };
        let rule = RuleId { chain: Chain { table, name: chain.to_owned() }, handle: Some(handle) };
        Step { rule, verdict: Decision::Continue }
    }

    fn ordered(steps: &[Step], rulebook: &Rulebook) -> Vec<u64> {
        let mut steps = steps.to_vec();
        order(&mut steps, rulebook);
        steps.iter().filter_map(|step| step.rule.handle).collect()
    }

    #[test]
    fn rules_of_both_kinds_stand_where_they_were_asked() {
        use Hook::{Input, Output, Prerouting};
        let mut rulebook = Rulebook::default();
        for (name, hook, priority) in
            [("pre", Prerouting, -150), ("in", Input, 10), ("out", Output, 0)]
        {
            let base = Base { hook, kind: ChainKind::Filter, priority, policy: Policy::Accept };
            let chain = step(TableFamily::Inet, "f", name, 0).rule.chain;
            rulebook.chains.insert(chain, Some(base));
        }
        let [new, old] = [TableFamily::Inet, TableFamily::LegacyIp];
        let steps = [
            step(new, "f", "pre", 2),
            step(new, "f", "in", 6),
            step(new, "f", "called", 7),
            step(old, "raw", "PREROUTING", 1),
            step(old, "nat", "PREROUTING", 3),
            step(old, "filter", "INPUT", 4),
            step(old, "filter", "called", 5),
        ];
        assert_eq!(ordered(&steps, &rulebook), [1, 2, 3, 4, 5, 6, 7]);
        let local = [
            step(new, "f", "out", 2),
            step(new, "f", "pre", 4),
            step(old, "raw", "OUTPUT", 1),
            step(old, "filter", "OUTPUT", 3),
            step(old, "filter", "INPUT", 5),
        ];
        assert_eq!(ordered(&local, &rulebook), [1, 2, 3, 4, 5]);
        let unread = Rulebook::default();
        assert_eq!(ordered(&steps, &unread), [2, 6, 7, 1, 3, 4, 5], "left as it is");
    }
}
