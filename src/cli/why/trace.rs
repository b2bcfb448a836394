//! What the kernel tells of the packets of `why`: the rules that they met, and what else may have ended them.

use super::super::network::{rulebook, with_causes};
use super::look::{Looker, target};
use crate::firewall;
use crate::model::{
    Filters, Gap, Hides, Inventory, Journey, Need, Outcome, PortSet, RuleId, Rulebook, Socket,
    Target, Way,
};
use crate::outside::{Outside, Unavailable};
use crate::probe;
use crate::reconcile::why::{Case, Decided};
use crate::reconcile::{self, Scene};
use crate::sys::LocalAddresses;
use std::collections::BTreeSet;
use std::net::IpAddr;

impl Looker<'_> {
    /// Traces one more packet for each address of this host that does not answer, where we may. Forks a child, so it is
    /// done while there is one thread.
    ///
    /// Gives the reason for what no trace shows.
    pub(super) fn trace(
        &self,
        cases: &mut [Case],
        local: &LocalAddresses,
        before: &Inventory,
    ) -> Gap {
        let not_told = untraced("the kernel's trace does not tell it", None);
        let failed: Vec<(&mut Case, Target)> = cases
            .iter_mut()
            .filter(|case| case.attempt.outcome != Outcome::Connected)
            .filter_map(|case| {
                let Way::Local(device) = case.way else { return None };
                let target = target(case.attempt.to, device, local);
                Some((case, target))
            })
            .collect();
        if failed.is_empty() {
            return not_told;
        }
        let mut outside = match Outside::open(&[], &BTreeSet::new()) {
            Ok(outside) => outside,
            Err(error) => return not_traced(&error),
        };
        let port = PortSet::from_iter([self.asked.port]);
        let told = failed.into_iter().filter_map(|(case, target)| {
            let told = outside.explain(&target, self.asked.transport, &port, probe::payload);
            Some((case, target, told.into_values().next()?))
        });
        let mut told: Vec<_> = told.collect();
        drop(outside);
        let rulebook = rules_of(|rulebook| {
            told.iter()
                .flat_map(|(case, _, way)| Decided::rules(way, case.attempt.outcome, rulebook))
                .collect()
        });
        let ways = told.iter().map(|(_, target, way)| (target, target.address, &**way));
        let filters = self.filters(before, ways);
        for (case, target, journey) in &mut told {
            case.decided = Decided::of(journey, case.attempt.outcome, &rulebook);
            case.reached = Some(journey.reached);
            case.translated = rulebook.translated_by(&journey.steps).map(|it| rulebook.rule(it));
            if case.attempt.outcome == Outcome::TimedOut {
                case.ended = reconcile::ended(&Scene {
                    journey,
                    filters: &filters,
                    rulebook: &rulebook,
                    device: None,
                    source: Some(target.address),
                    socket: self.taker(before, target.address, target.device),
                });
            }
            read_around(case, journey);
        }
        not_told
    }

    /// The socket that should get a packet for an address that comes by a device.
    pub(super) fn taker<'a>(
        &self,
        table: &'a Inventory,
        address: IpAddr,
        device: u32,
    ) -> Option<&'a Socket> {
        let mut servers = table.at(self.endpoint()).filter(|socket| socket.state.serves());
        servers.find(|socket| socket.accepts(address, device))
    }

    /// What may have ended traced packets that no rule ended: read only where there are some.
    pub(super) fn filters<'a>(
        &self,
        table: &Inventory,
        traced: impl Iterator<Item = (&'a Target, IpAddr, &'a Journey)>,
    ) -> Filters {
        let (mut devices, mut sources) = (BTreeSet::new(), BTreeSet::new());
        for (target, source, journey) in traced {
            let is_silent = journey.reply.is_none() && !journey.is_barred();
            if journey.is_cut_short() || is_silent {
                devices.insert(target.interface.clone());
                sources.insert(source);
            }
        }
        if devices.is_empty() {
            return Filters::default();
        }
        let servers = table.at(self.endpoint()).filter(|socket| socket.state.serves());
        let cgroups = servers.filter_map(|socket| socket.held.cgroup.known().copied());
        firewall::filters(&devices, &cgroups.collect(), &sources)
    }
}

/// The chains, and the rules that are wanted of them. Without the chains nobody knows which rule on the way of a packet
/// is one of NAT.
pub(super) fn rules_of(wanted: impl FnOnce(&Rulebook) -> Vec<RuleId>) -> Rulebook {
    let mut found = rulebook(&BTreeSet::new());
    found.rules = firewall::rules(&wanted(&found).into_iter().collect());
    found
}

/// Reads the rules that were asked before the one that decided a case.
pub(super) fn read_around(case: &mut Case, journey: &Journey) {
    if let Some(decided) = &mut case.decided {
        decided.passed = firewall::rules_before(&decided.asked_before(journey));
    }
}

/// The gap of packets whose rules no trace has shown.
pub(super) fn untraced(reason: &str, need: Option<Need>) -> Gap {
    let what = "the rule that decided".to_owned();
    Gap { what, reason: reason.to_owned(), need, hides: Hides::Published }
}

/// The same, where there was no trace.
pub(super) fn not_traced(error: &Unavailable) -> Gap {
    untraced(&with_causes(error), error.is_denied().then_some(Need::Root))
}
