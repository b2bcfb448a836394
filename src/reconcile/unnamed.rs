//! What must be known to name what ended probes.

use super::{Facts, judge};
use crate::model::Interface;
use std::collections::BTreeSet;
use std::net::IpAddr;

/// What must be read to name what ended the probes of the ports that get a finding.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Unnamed {
    /// The devices that the probes came in by.
    pub devices: BTreeSet<Interface>,
    /// The cgroups of the sockets at their ports.
    pub cgroups: BTreeSet<u64>,
    /// From where they came.
    pub sources: BTreeSet<IpAddr>,
}

/// What ended probes and is no rule; `None` where nothing did.
#[must_use]
pub fn unnamed(facts: &Facts) -> Option<Unnamed> {
    let mut unnamed = None;
    for item in judge(facts).items {
        let views: Vec<_> = item.views.iter().filter(|view| view.checkpoint.is_some()).collect();
        if views.is_empty() {
            continue;
        }
        let all = unnamed.get_or_insert_with(Unnamed::default);
        let outside = views.iter().filter(|view| view.vantage.is_network());
        all.devices.extend(outside.map(|view| view.interface.clone()));
        all.sources.extend(views.iter().filter_map(|view| Some(view.source?.ip())));
        let cgroups = item.listeners.iter().filter_map(|socket| socket.held.cgroup.known());
        all.cgroups.extend(cgroups.copied());
    }
    unnamed
}
