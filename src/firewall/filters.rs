//! What there is on this host that may end packets and is no rule of `nf_tables`: programs of BPF, filters of traffic
//! control, the old `ip_tables`, the kernel's check of sources.

use super::ask;
use crate::model::{
    CgroupFilters, DeviceFilters, Family, Filters, Hook, Interface, Program, TableFamily,
};
use crate::sys::{self, Cgroup2, NetlinkSocket, Protocol};
use crate::wire::netlink::{Answer, AnswerError};
use crate::wire::{link, nf_tables, route, tc_filter};
use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::net::IpAddr;
use std::os::fd::AsFd as _;

/// Reads what may end packets at these devices, at the hooks of netfilter and at the sockets of these cgroups, and which of
/// these sources no route leads back to. What cannot be read is left out.
#[must_use]
pub fn filters(
    devices: &BTreeSet<Interface>,
    cgroups: &BTreeSet<u64>,
    sources: &BTreeSet<IpAddr>,
) -> Filters {
    Filters {
        devices: at_devices(devices),
        netfilter: at_hooks(),
        legacy: legacy(),
        cgroups: at_cgroups(cgroups),
        no_way_to: without_route(sources),
    }
}

/// Those of these addresses that no route leads to.
fn without_route(addresses: &BTreeSet<IpAddr>) -> BTreeSet<IpAddr> {
    let Ok(mut netlink) = NetlinkSocket::open(Protocol::Route) else { return BTreeSet::new() };
    let is_cut_off = |address: &&IpAddr| {
        let seq = netlink.next_seq();
        let mut answer = Answer::entry(seq);
        let request = route::get(**address, 0, seq);
        let asked = netlink.converse(&request, |datagram| answer.take(datagram, |_, _| ()));
        let code = match asked {
            Err(AnswerError::Refused(error)) => error.raw_os_error(),
            _ => None,
        };
        // No route, one that says unreachable or prohibit, and a blackhole.
        matches!(code, Some(libc::ENETUNREACH | libc::EHOSTUNREACH | libc::EACCES | libc::EINVAL))
    };
    addresses.iter().filter(is_cut_off).copied().collect()
}

fn program(id: u32) -> Program {
    let name = sys::program_name(id).ok().filter(|name| !name.is_empty());
    Program { id, name }
}

fn at_devices(devices: &BTreeSet<Interface>) -> BTreeMap<u32, DeviceFilters> {
    let mut netlink = NetlinkSocket::open(Protocol::Route).ok();
    let mut xdp = BTreeMap::new();
    if let Some(netlink) = netlink.as_mut().filter(|_| !devices.is_empty()) {
        let read = ask::dump(netlink, link::dump, link::device).unwrap_or_default();
        xdp.extend(read.into_iter().map(|device| (device.index, device.xdp)));
    }
    let one = |device: &Interface| {
        let (index, name) = (device.index, device.name.clone());
        let xdp = xdp.get(&index).copied().unwrap_or_default();
        let mut tc: Vec<String> = sys::tcx_programs(index)
            .unwrap_or_default()
            .into_iter()
            .map(|id| format!("tcx: {}", program(id)))
            .collect();
        if let Some(netlink) = netlink.as_mut() {
            let filters = ask::dump(netlink, |seq| tc_filter::dump(index, seq), tc_filter::filter);
            tc.extend(filters.unwrap_or_default().into_iter().map(|filter| {
                let name = filter.name.map_or_else(String::new, |name| format!(" {name}"));
                format!("filter {} pref {}{name}", filter.kind, filter.preference)
            }));
        }
        let rp_filter = sys::reverse_path_filter(&name);
        let (generic_xdp, native_xdp) = (xdp.generic.map(program), xdp.native.map(program));
        (index, DeviceFilters { name, generic_xdp, native_xdp, tc, rp_filter })
    };
    devices.iter().map(one).collect()
}

fn at_hooks() -> Vec<(TableFamily, Hook, Program)> {
    let links = sys::netfilter_links().unwrap_or_default().into_iter();
    let known = links.filter_map(|link| {
        let (family, hook) = nf_tables::family_and_hook(link.family, link.hook)?;
        Some((family, hook, program(link.program)))
    });
    known.collect()
}

fn legacy() -> Vec<(TableFamily, String)> {
    let of = |family: Family| {
        let tables = sys::legacy_tables(family).unwrap_or_default();
        tables.into_iter().map(move |table| (TableFamily::of_legacy(family), table))
    };
    [Family::Ipv4, Family::Ipv6].into_iter().flat_map(of).collect()
}

fn at_cgroups(wanted: &BTreeSet<u64>) -> BTreeMap<u64, CgroupFilters> {
    let mut found = BTreeMap::new();
    if wanted.is_empty() {
        return found;
    }
    let Ok(Some(hierarchy)) = Cgroup2::open() else { return found };
    let paths = hierarchy.paths(&wanted.iter().copied().collect::<HashSet<_>>());
    for (id, path) in paths.found {
        let directory = hierarchy.descend(&path);
        let programs = directory.and_then(|directory| sys::cgroup_programs(directory.as_fd()));
        if let Ok(programs) = programs {
            let ingress = programs.into_iter().map(program).collect();
            found.insert(id, CgroupFilters { path, ingress });
        }
    }
    found
}
