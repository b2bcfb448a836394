//! The vantages of the network in a check: from where, which ports, and what the rules said.

use super::extent::Extent;
use super::place::addresses;
use super::request::Request;
use crate::firewall;
use crate::inventory::Namespaces;
use crate::model::{
    Family, Gap, Hides, Inventory, Need, PortSet, RuleId, Rulebook, Sweep, Target, Transport,
};
use crate::outside::{self, Outside, Post, Unavailable, Wanted};
use crate::probe::{self, Progress};
use crate::reconcile::{self, Facts, Pair};
use crate::sys::LocalAddress;
use anyhow::{Result, bail};
use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::sync::Arc;

/// What probes from the network and traces take; empty where they were not asked for, or cannot be had.
pub(super) struct Network {
    outside: Option<Outside>,
    /// What is probed from the network.
    jobs: Vec<Job>,
    /// What could not be had.
    pub(super) gaps: Vec<Gap>,
}

struct Job {
    post: Post,
    transport: Transport,
    wanted: PortSet,
    excluded: PortSet,
    detail: PortSet,
}

impl Network {
    /// Prepares everything, and forks a child: to be called while this process has one thread.
    ///
    /// # Errors
    /// When a source was named that somebody has.
    pub(super) fn prepare(
        request: &Request,
        local: &[LocalAddress],
        inventory: &Inventory,
    ) -> Result<Self> {
        let none = |gaps| Self { outside: None, jobs: Vec::new(), gaps };
        let wanted = request.network();
        let traces_only =
            |gaps| Self { outside: Outside::open(&[], &BTreeSet::new()).ok(), ..none(gaps) };
        if wanted.is_empty() {
            return Ok(traces_only(Vec::new()));
        }
        for Wanted { vantage, source } in &wanted {
            let Some(source) = source else { continue };
            if let Some(why) = outside::unusable(*source, local) {
                bail!("--from {}={source}: {why}", vantage.name());
            }
        }
        let bound: Vec<IpAddr> =
            inventory.sockets.iter().map(|socket| socket.address.to_canonical()).collect();
        let (mut posts, mut gaps) = outside::posts(local, &bound, &wanted);
        posts.retain(|post| request.wants(Family::of(post.target.address)));
        if posts.is_empty() {
            return Ok(traces_only(gaps));
        }
        Ok(match Outside::open(&posts, &addresses_inside()) {
            Ok(outside) => {
                let jobs = jobs(request, &posts, inventory);
                Self { outside: Some(outside), jobs, gaps }
            }
            Err(error) => {
                gaps.extend(wanted.iter().map(|wanted| unavailable(wanted.vantage.name(), &error)));
                traces_only(gaps)
            }
        })
    }

    /// Whether anything is probed from the network.
    pub(super) fn is_there(&self) -> bool {
        !self.jobs.is_empty()
    }

    /// How many probes that takes.
    pub(super) fn total(&self) -> u64 {
        self.jobs.iter().map(|job| u64::from(job.wanted.len())).sum()
    }

    /// Probes every port that is wanted.
    pub(super) fn sweep(&mut self, progress: &Progress) -> Vec<Sweep> {
        let jobs = std::mem::take(&mut self.jobs);
        let sweeps = jobs.iter().filter_map(|job| self.one(job, progress)).collect();
        self.jobs = jobs;
        sweeps
    }

    /// Probes some pairs again.
    pub(super) fn sweep_again(
        &mut self,
        pairs: &BTreeSet<Pair>,
        progress: &Progress,
    ) -> Vec<Sweep> {
        let again = |((target, transport), wanted): ((&Target, Transport), PortSet)| {
            let post = self.jobs.iter().map(|job| &job.post).find(|post| post.target == *target)?;
            let (detail, excluded) = (wanted.clone(), PortSet::new());
            Some(Job { post: post.clone(), transport, wanted, excluded, detail })
        };
        let jobs: Vec<Job> = by_target(pairs).into_iter().filter_map(again).collect();
        jobs.iter().filter_map(|job| self.one(job, progress)).collect()
    }

    /// Traces one more probe of this host to itself for each of these pairs, and adds what the kernel told to the sweeps.
    pub(super) fn explain<'a>(
        &mut self,
        pairs: &BTreeSet<Pair>,
        sweeps: impl Iterator<Item = &'a mut Sweep>,
        progress: &Progress,
    ) {
        let Some(outside) = &mut self.outside else { return };
        let mut journeys = BTreeMap::new();
        for ((target, transport), ports) in by_target(pairs) {
            if !progress.stopped() {
                let told = outside.explain(target, transport, &ports, probe::payload);
                journeys.insert((target.clone(), transport), told);
            }
        }
        for sweep in sweeps {
            let told = journeys.get(&(sweep.target.clone(), sweep.transport));
            for (port, journey) in told.into_iter().flatten() {
                sweep.journeys.insert(*port, Arc::clone(journey));
            }
        }
    }

    fn one(&mut self, job: &Job, progress: &Progress) -> Option<Sweep> {
        let swept = self.outside.as_mut()?.sweep(&outside::Job {
            post: &job.post,
            transport: job.transport,
            wanted: &job.wanted,
            excluded: &job.excluded,
            detail: &job.detail,
            payload: probe::payload,
            stop: &|| progress.stopped(),
            at_once: progress.at_once(),
            turns: &|probes| progress.take_turns(probes),
            advance: &|ports| progress.advance(ports),
        });
        Some(swept)
    }
}

fn by_target(pairs: &BTreeSet<Pair>) -> BTreeMap<(&Target, Transport), PortSet> {
    let mut ports: BTreeMap<(&Target, Transport), PortSet> = BTreeMap::new();
    for pair in pairs {
        let key = (&pair.target, pair.endpoint.transport);
        ports.entry(key).or_default().insert(pair.endpoint.port);
    }
    ports
}

fn jobs(request: &Request, posts: &[Post], inventory: &Inventory) -> Vec<Job> {
    let mut jobs = Vec::new();
    for extent in Extent::of(request, inventory) {
        for post in posts {
            let wanted = extent.at(post.target.address, post.only_bound);
            if !wanted.is_empty() {
                jobs.push(Job {
                    post: post.clone(),
                    transport: extent.transport,
                    wanted,
                    excluded: extent.excluded.clone(),
                    detail: extent.detail.clone(),
                });
            }
        }
    }
    jobs
}

/// An error with all its causes, in one line.
pub(super) fn with_causes(error: &dyn std::error::Error) -> String {
    let all = std::iter::successors(Some(error), |error| error.source());
    all.map(ToString::to_string).collect::<Vec<_>>().join(": ")
}

pub(super) fn unavailable(vantage: &str, error: &Unavailable) -> Gap {
    Gap {
        what: format!("the vantage {vantage}"),
        reason: with_causes(error),
        need: error.is_denied().then_some(Need::Root),
        hides: Hides::Views,
    }
}

/// The addresses of the other network namespaces of this host, as far as they can be entered.
pub(super) fn addresses_inside() -> BTreeSet<IpAddr> {
    let all = Namespaces::all().map(|namespaces| addresses(&namespaces)).unwrap_or_default();
    let others = all.into_iter().filter(|(netns, _)| netns.is_some());
    let found = others.flat_map(|(_, addresses)| addresses);
    found.filter(|address| !address.is_loopback()).collect()
}

/// What these rules say, and where their chains begin.
pub(super) fn rulebook(wanted: &BTreeSet<RuleId>) -> Rulebook {
    // Without the chains the hooks are unknown, and each view says so.
    Rulebook { chains: firewall::chains().unwrap_or_default(), rules: firewall::rules(wanted) }
}

/// Reads what the rules say that decided about traced probes, or every rule that was asked. Which of them decided depends
/// on where their chains begin.
pub(super) fn read_rules(facts: &mut Facts, every: bool) {
    let looks = std::iter::once(&facts.first).chain(&facts.second);
    if looks.flat_map(|look| &look.sweeps).any(|sweep| !sweep.journeys.is_empty()) {
        facts.rulebook = rulebook(&BTreeSet::new());
        let looks = std::iter::once(&mut facts.first).chain(&mut facts.second);
        let sweeps = looks.flat_map(|look| &mut look.sweeps);
        reconcile::put_in_order(sweeps, &facts.rulebook);
        let mut wanted = reconcile::deciding_rules(facts);
        if every {
            wanted.extend(reconcile::rules_on_the_way(facts));
        }
        facts.rulebook.rules = firewall::rules(&wanted);
        if let Some(unnamed) = reconcile::unnamed(facts) {
            facts.filters = firewall::filters(&unnamed.devices, &unnamed.cgroups, &unnamed.sources);
        }
    }
}
