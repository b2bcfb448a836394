//! Where to look: the network namespaces that are asked for, and what joins them.

use super::args::Place;
use crate::firewall;
use crate::inventory::Namespaces;
use crate::model::{Gap, Inventory};
use crate::reconcile::{self, Translator};
use crate::sys;
use anyhow::{Context, Result, anyhow};
use std::io::ErrorKind;
use std::net::IpAddr;

/// The network namespaces to look into: ours, unless others are asked for.
pub(super) fn namespaces(place: &Place) -> Result<Namespaces> {
    match place.netns.as_deref() {
        None => Ok(Namespaces::ours()),
        Some("all") => Namespaces::all().context("cannot list the network namespaces"),
        Some(name) => Namespaces::named(name).map_err(|error| match error.kind() {
            ErrorKind::NotFound => anyhow!("there is no network namespace {name:?}"),
            _ => anyhow!("cannot open the network namespace {name:?}: {error}"),
        }),
    }
}

/// The addresses of each network namespace that can be entered, with its name; that of ours is `None`.
pub(super) fn addresses(namespaces: &Namespaces) -> Vec<(Option<String>, Vec<IpAddr>)> {
    let addresses = || {
        let local = sys::local_addresses().unwrap_or_default().usable;
        local.into_iter().map(|local| local.address).collect()
    };
    let read = namespaces.visit(addresses).into_iter();
    read.filter_map(|(netns, addresses)| Some((netns, addresses.ok()?))).collect()
}

/// The network namespaces that have an address: ours alone, where it has it.
pub(super) fn homes(
    places: &[(Option<String>, Vec<IpAddr>)],
    address: IpAddr,
) -> Vec<Option<&str>> {
    let has = places.iter().filter(|(_, addresses)| addresses.contains(&address));
    let homes: Vec<Option<&str>> = has.map(|(netns, _)| netns.as_deref()).collect();
    if homes.contains(&None) { vec![None] } else { homes }
}

/// Joins both sides of each published port, as the rules of each network namespace tell.
pub(super) fn link(inventory: &mut Inventory, namespaces: &Namespaces) {
    let read = || {
        let local = sys::local_addresses().unwrap_or_default().usable;
        let addresses = local.into_iter().map(|local| local.address);
        let (published, gaps) = firewall::published();
        let addresses = addresses.filter(|address| !address.is_loopback()).collect();
        (Translator { netns: None, addresses, published }, gaps)
    };
    let mut translators = Vec::new();
    for (netns, read) in namespaces.visit(read) {
        // A namespace that could not be entered has a gap of its own.
        let Ok((translator, gaps)) = read else { continue };
        inventory.gaps.extend(gaps.into_iter().map(|gap| match &netns {
            Some(netns) => Gap { what: format!("{} in {netns}", gap.what), ..gap },
            None => gap,
        }));
        translators.push(Translator { netns, ..translator });
    }
    reconcile::link(inventory, &translators);
}
