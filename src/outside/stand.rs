//! Where a program stands that is run as a neighbour: at one interface, with addresses that are nobody's.

use super::post::{Network, Post, Wanted, is_link_local};
use crate::model::{Gap, Hides, Interface, Vantage};
use crate::sys::{self, Claim, LocalAddress};
use crate::wire::frame::Way;
use crate::wire::netlink::AnswerError;
use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::net::IpAddr;
use std::time::{Duration, Instant};

/// What the word begins with that one process has for each address: a second one would get half of the answers.
const CLAIM: &str = "portsight-outside-";

/// The addresses of a program outside, and how its packets come in.
#[derive(Debug)]
pub struct Stand {
    /// The interface that its packets come in by; for a client of the internet that of IPv4, where it has one.
    pub interface: Interface,
    pub(super) doors: BTreeMap<IpAddr, Door>,
    pub(super) claims: Vec<Claim>,
}

/// How the packets from one address come in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Door {
    /// The index of the device that receives them.
    pub(super) device: u32,
    /// The largest packet of that device, in bytes.
    pub(super) mtu: u32,
    /// Between which devices they pass; its target and port mean nothing.
    pub(super) way: Way,
}

/// Why nobody can stand there.
#[derive(Debug, thiserror::Error)]
pub enum NoStand {
    /// The kernel did not say what the network is.
    #[error("what the network is could not be read")]
    Network(#[from] AnswerError),
    /// There is no such place.
    #[error("{0}")]
    Nowhere(String),
    /// Somebody stands there.
    #[error(
        "another portsight stands at {0}, or has just ended there: name another address with --from"
    )]
    Taken(IpAddr),
    /// The kernel refused to say whether somebody stands there.
    #[error("the address cannot be reserved")]
    Unclaimed(#[from] io::Error),
}

impl Stand {
    /// Chooses the addresses, and keeps other processes of portsight from them: those of one interface for `lan`, that of
    /// the default route's where there is a choice. With it comes what is not as on the network.
    ///
    /// # Errors
    /// Where there is no such network, or somebody stands there.
    pub fn choose(local: &[LocalAddress], wanted: Wanted) -> Result<(Self, Vec<Gap>), NoStand> {
        /// How many addresses are tried that turn out to be taken.
        const TRIES: u32 = 64;
        /// How long an address is waited for that no other can take the place of.
        const SOON: Duration = Duration::from_secs(5);
        const TICK: Duration = Duration::from_millis(50);
        let mut network = Network::read()?;
        let began = Instant::now();
        let mut tries = 0;
        loop {
            tries += 1;
            let (posts, gaps) = network.posts(local, &[], &[wanted]);
            let Some(posts) = at_one_interface(posts, wanted.vantage, network.beyond) else {
                let why = gaps.into_iter().next().map(|gap| gap.reason).unwrap_or_default();
                return Err(NoStand::Nowhere(why));
            };
            match claims(posts.keys()) {
                Ok(claims) => {
                    let interface = posts.values().next().map(|post| post.target.interface.clone());
                    let interface = interface.ok_or_else(|| NoStand::Nowhere(String::new()))?;
                    // What a program sends is not shown to that of a driver first, as probes are.
                    let gaps = bypassed(&posts);
                    let doors = posts.iter().filter_map(|(source, post)| {
                        let device = network.devices.get(&post.target.device)?;
                        let way = post.way(0);
                        Some((*source, Door { device: device.index, mtu: device.mtu, way }))
                    });
                    return Ok((Self { interface, doors: doors.collect(), claims }, gaps));
                }
                Err(NoStand::Taken(address))
                    if tries < TRIES
                        && wanted.source.is_none()
                        && wanted.vantage == Vantage::Lan =>
                {
                    network.neighbours.insert(address);
                }
                // What is left of one that has ended is soon cleaned up.
                Err(NoStand::Taken(_)) if began.elapsed() < SOON => sys::pause(TICK),
                Err(error) => return Err(error),
            }
        }
    }

    /// The addresses.
    pub fn addresses(&self) -> impl Iterator<Item = IpAddr> {
        self.doors.keys().copied()
    }
}

/// One post for each source: of a network that of one interface, and of the internet all, for each family may have its
/// own default route. `None` where there is none.
fn at_one_interface(
    posts: Vec<Post>,
    vantage: Vantage,
    beyond: [Option<u32>; 2],
) -> Option<BTreeMap<IpAddr, Post>> {
    let is_at = |device: &u32| posts.iter().any(|post| post.target.device == *device);
    let usual = beyond.into_iter().flatten().find(is_at);
    // Every device that is up has an address of its link, also one that leads nowhere.
    let is_wide = |post: &&Post| !is_link_local(post.source);
    let first = posts.iter().find(is_wide).or(posts.first()).map(|post| post.target.device);
    let device = usual.or(first)?;
    let chosen = posts
        .into_iter()
        .filter(|post| vantage == Vantage::Internet || post.target.device == device)
        .map(|post| (post.source, post));
    Some(chosen.collect())
}

/// The programs of XDP that see frames of the wire, and none that is injected.
fn bypassed(posts: &BTreeMap<IpAddr, Post>) -> Vec<Gap> {
    let programmed = posts.values().filter(|post| post.native_xdp.is_some() || post.has_xdp_below);
    let devices: BTreeSet<_> = programmed.map(|post| &post.target.interface).collect();
    let reason = "a program in its driver, or of a device below it, sees the frames of neighbours, and \
                  none of these";
    let gap = |interface: &Interface| Gap {
        what: format!("what XDP stops at {}", interface.name),
        reason: reason.to_owned(),
        need: None,
        hides: Hides::Views,
    };
    devices.into_iter().map(gap).collect()
}

fn claims<'a>(addresses: impl Iterator<Item = &'a IpAddr>) -> Result<Vec<Claim>, NoStand> {
    let mut claims = Vec::new();
    for address in addresses {
        let claim = Claim::take(&format!("{CLAIM}{address}"))?;
        claims.push(claim.ok_or(NoStand::Taken(*address))?);
    }
    Ok(claims)
}
