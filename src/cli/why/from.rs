//! The facts for `why --from`: a port of this host as somebody on the network finds it.

use super::super::network::{addresses_inside, unavailable};
use super::super::request;
use super::look::Looker;
use super::trace::{read_around, rules_of};
use crate::model::{
    Answer, Asked, Attempt, Gap, Hides, Journey, Need, PortSet, Resolution, Target,
};
use crate::outside::{self, Outside, Post, Unavailable, Wanted};
use crate::probe;
use crate::reconcile::why::{Facts, Probed, Remote};
use crate::sys::{self, LocalAddress};
use anyhow::{Result, bail};
use std::collections::BTreeSet;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// A place on the network to ask from.
#[derive(Debug)]
pub(super) struct Place {
    word: String,
    wanted: Wanted,
}

/// What came of the probe of one address.
pub(super) struct Found {
    pub(super) post: Post,
    attempt: Attempt,
    journey: Option<Arc<Journey>>,
    took: Duration,
}

impl Found {
    pub(super) fn probed(&self, asked: &Asked) -> Probed<'_> {
        Probed {
            to: self.post.target.at(asked.port),
            device: self.post.target.device,
            attempt: &self.attempt,
            took: self.took,
            journey: self.journey.as_deref(),
        }
    }

    /// Where to, from where, and its way, where that was traced.
    pub(super) fn way(&self) -> Option<(&Target, IpAddr, &Journey)> {
        Some((&self.post.target, self.attempt.source?.ip(), self.journey.as_deref()?))
    }
}

impl Place {
    /// Reads `lan`, `lan=10.0.0.7`, `internet`, `10.0.0.7`.
    pub(super) fn parse(word: &str) -> Result<Self> {
        let local = sys::local_addresses().unwrap_or_default().usable;
        let here = "from this host it is asked without --from";
        Ok(Self { word: word.to_owned(), wanted: request::place(word, &local, here)? })
    }

    /// The probes, each by the traced way of one packet.
    fn probe(&self, posts: &[Post], asked: &Asked, gaps: &mut Vec<Gap>) -> Vec<Found> {
        probes(&self.word, posts, asked, gaps).unwrap_or_else(|error| {
            gaps.push(unavailable(&self.word, &error));
            Vec::new()
        })
    }

    fn gap(&self, reason: &str) -> Gap {
        let what = format!("the vantage {}", self.word);
        Gap { what, reason: reason.to_owned(), need: None, hides: Hides::Views }
    }
}

/// A probe from each of these posts, by the traced way of one packet. Forks a child, so it is done while there is one
/// thread.
pub(super) fn probes(
    word: &str,
    posts: &[Post],
    asked: &Asked,
    gaps: &mut Vec<Gap>,
) -> Result<Vec<Found>, Unavailable> {
    let mut outside = Outside::open(posts, &addresses_inside())?;
    let (port, none) = (PortSet::from_iter([asked.port]), PortSet::new());
    let mut found = Vec::new();
    for post in posts {
        let start = Instant::now();
        let mut sweep = outside.sweep(&outside::Job {
            post,
            transport: asked.transport,
            wanted: &port,
            excluded: &none,
            detail: &port,
            payload: probe::payload,
            stop: &sys::interrupted,
            at_once: 1,
            turns: &|_| {},
            advance: &|_| {},
        });
        gaps.append(&mut sweep.gaps);
        let Some(attempt) = sweep.attempts.remove(&asked.port) else { continue };
        if let Answer::Failed(text) = &attempt.answer {
            let what = format!("what {word} gets at {}", post.target.address);
            let need = Some(Need::Retry);
            gaps.push(Gap { what, reason: text.clone(), need, hides: Hides::Views });
            continue;
        }
        let journey = sweep.journeys.remove(&asked.port);
        found.push(Found { post: post.clone(), attempt, journey, took: start.elapsed() });
    }
    Ok(found)
}

impl Looker<'_> {
    /// Says no to a target that nobody on the network reaches here.
    pub(super) fn must_lead_here(&self) -> Result<()> {
        let local = sys::local_addresses().unwrap_or_default().usable;
        meant(self.asked, &self.resolve(), &local).map(drop)
    }

    /// Everything, where the client is on the network. Forks a child, so it is done while there is one thread.
    pub(super) fn look_from(&self, place: &Place, resolution: Resolution) -> Facts {
        let before = self.table();
        let local = sys::local_addresses().unwrap_or_default().usable;
        // That it is of this host was seen at the start; it may have lost the address since.
        let meant = meant(self.asked, &resolution, &local).unwrap_or(Some(BTreeSet::new()));
        let bound: Vec<IpAddr> = match &meant {
            Some(addresses) => addresses.iter().copied().collect(),
            None => before.at(self.endpoint()).map(|it| it.address.to_canonical()).collect(),
        };
        let (posts, mut gaps) = outside::posts(&local, &bound, &[place.wanted]);
        let had_any = !posts.is_empty();
        let posts = chosen(posts, meant.as_ref());
        if had_any && posts.is_empty() && !resolution.answer.addresses().is_empty() {
            gaps.push(place.gap("no way leads from there to this address"));
        }
        let found =
            if posts.is_empty() { Vec::new() } else { place.probe(&posts, self.asked, &mut gaps) };
        let probed = || found.iter().map(|found| found.probed(self.asked));
        let rulebook =
            rules_of(|rulebook| probed().flat_map(|probed| probed.rules(rulebook)).collect());
        let filters = self.filters(&before, found.iter().filter_map(Found::way));
        let case = |probed: Probed<'_>| {
            let mut case = probed.case(
                &rulebook,
                &filters,
                self.taker(&before, probed.to.ip(), probed.device),
            );
            if let Some(journey) = probed.journey {
                read_around(&mut case, journey);
            }
            case
        };
        let cases = probed().map(case).collect();
        let from = |Found { post, .. }: &Found| {
            format!("{} by {}", post.source, post.target.interface.name)
        };
        let remote = Remote {
            word: place.word.clone(),
            places: found.iter().map(from).collect(),
            sources: found.iter().map(|found| found.post.source).collect(),
            every_address: meant.is_none(),
            there: None,
        };
        let untraced = place.gap("the kernel's trace does not tell the rule");
        let mut facts = self.facts(resolution, before, cases, untraced, true);
        // Where nothing was probed, what else is not known does not matter.
        if !found.is_empty() {
            gaps.append(&mut facts.gaps);
        }
        Facts { remote: Some(remote), gaps, ..facts }
    }
}

/// The addresses of this host that are meant; `None` for all of them, and none where the name has none.
fn meant(
    asked: &Asked,
    resolution: &Resolution,
    local: &[LocalAddress],
) -> Result<Option<BTreeSet<IpAddr>>> {
    let Asked { host, port, .. } = asked;
    match host.parse::<IpAddr>() {
        Ok(address) if address.is_loopback() => {
            bail!("{address} is reached from this host only: {port} asks for its other addresses")
        }
        Ok(address) if address.is_unspecified() => return Ok(None),
        _ => {}
    }
    let addresses: BTreeSet<IpAddr> =
        resolution.answer.addresses().iter().map(SocketAddr::ip).collect();
    if !addresses.is_empty() && addresses.iter().all(IpAddr::is_loopback) {
        return Ok(None);
    }
    let is_ours = |address: &&IpAddr| local.iter().any(|local| local.address == **address);
    let ours: BTreeSet<IpAddr> = addresses.iter().filter(is_ours).copied().collect();
    if ours.is_empty() && !addresses.is_empty() {
        bail!("{host} is not this host: --from asks how others reach a port of this host");
    }
    Ok(Some(ours))
}

/// Those that lead to what is meant. By an interface that does not have the address only where no other has it.
fn chosen(mut posts: Vec<Post>, meant: Option<&BTreeSet<IpAddr>>) -> Vec<Post> {
    posts.retain(|post| meant.is_none_or(|meant| meant.contains(&post.target.address)));
    let direct: BTreeSet<IpAddr> =
        posts.iter().filter(|post| !post.only_bound).map(|post| post.target.address).collect();
    posts.retain(|post| !post.only_bound || !direct.contains(&post.target.address));
    posts
}
