//! From where probes seem to come: a neighbour that does not exist, on a network of an interface, or a host beyond.

use super::ask::dump;
use super::subnet::{has, hosts, is_everybody};
use crate::model::{Gap, Hides, Interface, Target, Vantage};
use crate::sys::{LocalAddress, NetlinkSocket, Protocol};
use crate::wire::frame::{Mac, Way};
use crate::wire::link::{self, Device};
use crate::wire::netlink::{Answer, AnswerError};
use crate::wire::{neighbour, route};
use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

/// The address of the device that frames seem to come from: a locally administered one (IEEE 802, section 8.4).
const NOBODY: Mac = [0x02, 0x70, 0x73, 0, 0, 0xfa];
/// Where a client of the internet seems to be: in networks for documentation, which are nobody's (RFC 5737, RFC 3849).
const FAR: [IpAddr; 2] = [
    IpAddr::V4(Ipv4Addr::new(203, 0, 113, 77)),
    IpAddr::V6(Ipv6Addr::new(0x2001, 0xdb8, 0, 0x7073, 0, 0, 0, 0x77)),
];

/// A vantage of the network that is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Wanted {
    /// Which.
    pub vantage: Vantage,
    /// The address to probe from, where one was named.
    pub source: Option<IpAddr>,
}

/// An address of this host, and from where it is probed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Post {
    /// The address. Its interface and device are those that receive the probes.
    pub target: Target,
    /// The address that probes seem to come from.
    pub source: IpAddr,
    /// The address of the interface's device.
    mac: Mac,
    /// The number of the XDP program in the driver of that device: it sees frames of the wire, and none that is injected.
    pub(super) native_xdp: Option<u32>,
    /// Whether a device below it, as the port of a bridge, has an XDP program: that sees none of what is injected here.
    pub(super) has_xdp_below: bool,
    /// Whether another interface has the address: then only the ports that a socket is bound to there are asked.
    pub only_bound: bool,
}

impl Post {
    /// The way of probes from this port.
    pub(super) fn way(&self, port: u16) -> Way {
        Way {
            from: NOBODY,
            to: self.mac,
            source: SocketAddr::new(self.source, port),
            target: self.target.address,
        }
    }
}

/// What the kernel says of the network.
#[derive(Debug, Default)]
pub(super) struct Network {
    pub(super) devices: BTreeMap<u32, Device>,
    pub(super) neighbours: HashSet<IpAddr>,
    /// The devices of the routes to hosts beyond, for IPv4 and IPv6.
    pub(super) beyond: [Option<u32>; 2],
}

/// The addresses to probe, each from each vantage that is wanted, and what could not be had. `bound` are the addresses
/// that sockets are bound to.
#[must_use]
pub fn posts(local: &[LocalAddress], bound: &[IpAddr], wanted: &[Wanted]) -> (Vec<Post>, Vec<Gap>) {
    match Network::read() {
        Ok(network) => network.posts(local, bound, wanted),
        Err(error) => {
            let gap = |wanted: &Wanted| gap(wanted.vantage, error.with_cause());
            (Vec::new(), wanted.iter().map(gap).collect())
        }
    }
}

/// Why an address cannot be probed from; `None` where it can.
#[must_use]
pub fn unusable(source: IpAddr, local: &[LocalAddress]) -> Option<&'static str> {
    if local.iter().any(|local| local.address == source) {
        Some("it is an address of this host")
    } else if source.is_unspecified()
        || source.is_multicast()
        || source.is_loopback()
        || local.iter().any(|local| is_everybody(source, local))
    {
        Some("it is the address of no neighbour")
    } else if Network::read().map_or(true, |network| network.neighbours.contains(&source)) {
        Some("a neighbour has it, as far as is known, and would get the answers of this host")
    } else {
        None
    }
}

/// Which vantage an address is one of: `lan` where an interface has a network with it, else `internet`.
#[must_use]
pub fn vantage_of(source: IpAddr, local: &[LocalAddress]) -> Vantage {
    let is_near = |local: &LocalAddress| !local.address.is_loopback() && has(local, source);
    if local.iter().any(is_near) { Vantage::Lan } else { Vantage::Internet }
}

fn gap(vantage: Vantage, reason: String) -> Gap {
    let what = format!("the vantage {}", vantage.name());
    Gap { what, reason, need: None, hides: Hides::Views }
}

impl Network {
    pub(super) fn read() -> Result<Self, AnswerError> {
        let mut netlink = NetlinkSocket::open(Protocol::Route)?;
        let mut network = Self::default();
        dump(&mut netlink, link::dump, |payload| {
            network.devices.extend(link::device(payload).map(|device| (device.index, device)));
        })?;
        dump(&mut netlink, neighbour::dump, |payload| {
            network.neighbours.extend(neighbour::address(payload));
        })?;
        network.beyond = FAR.map(|far| {
            let mut found = None;
            let seq = netlink.next_seq();
            let mut answer = Answer::entry(seq);
            let asked = netlink.converse(&route::get(far, 0, seq), |datagram| {
                answer.take(datagram, |_, payload| found = route::route(payload))
            });
            // No route is an error of the kernel's.
            asked.ok().and(found).filter(|route| !route.is_local).and_then(|route| route.device)
        });
        Ok(network)
    }

    pub(super) fn posts(
        &self,
        local: &[LocalAddress],
        bound: &[IpAddr],
        wanted: &[Wanted],
    ) -> (Vec<Post>, Vec<Gap>) {
        let mut posts = Vec::new();
        let mut gaps = Vec::new();
        for wanted in wanted {
            let before = posts.len();
            for interface in interfaces(local) {
                let Some(device) = self.devices.get(&interface.index) else { continue };
                if device.is_up {
                    posts.extend(self.at(device, interface, local, bound, *wanted));
                }
            }
            if posts.len() == before {
                gaps.push(gap(wanted.vantage, why_none(*wanted)));
            }
        }
        (posts, gaps)
    }

    /// The posts at one interface: for each of its addresses, and for those of others that a socket is bound to.
    fn at(
        &self,
        device: &Device,
        interface: &Interface,
        local: &[LocalAddress],
        bound: &[IpAddr],
        wanted: Wanted,
    ) -> Vec<Post> {
        let has_xdp_below = self.has_xdp_below(interface.index);
        let post = |address: IpAddr, source, only_bound| Post {
            target: Target {
                vantage: wanted.vantage,
                address,
                interface: interface.clone(),
                scope_id: if is_link_local(address) { interface.index } else { 0 },
                device: interface.index,
            },
            source,
            mac: device.mac,
            native_xdp: device.xdp.native,
            has_xdp_below,
            only_bound,
        };
        let mut posts = Vec::new();
        for kind in Kind::ALL {
            let is_here = |local: &LocalAddress| local.interface.index == interface.index;
            let of_kind = |local: &&LocalAddress| Kind::of(local.address) == kind;
            let here: Vec<_> = local.iter().filter(of_kind).filter(|it| is_here(it)).collect();
            let Some(source) = self.source(wanted, kind, interface, &here, local) else { continue };
            posts.extend(here.iter().map(|here| post(here.address, source, false)));
            let elsewhere = local.iter().filter(of_kind).filter(|local| {
                kind != Kind::LinkLocal
                    && !is_here(local)
                    && !local.address.is_loopback()
                    && bound.contains(&local.address)
                    && !here.iter().any(|here| here.address == local.address)
            });
            posts.extend(elsewhere.map(|elsewhere| post(elsewhere.address, source, true)));
        }
        posts
    }

    /// Whether a device that frames come by before this one has an XDP program.
    fn has_xdp_below(&self, index: u32) -> bool {
        let mut below = BTreeSet::from([index]);
        loop {
            let is_next = |device: &&Device| {
                let is_port = device.above.is_some_and(|above| below.contains(&above));
                let carries =
                    |it: &Device| below.contains(&it.index) && it.below == Some(device.index);
                !below.contains(&device.index) && (is_port || self.devices.values().any(carries))
            };
            let Some(device) = self.devices.values().find(is_next) else { return false };
            if device.xdp != link::Xdp::default() {
                return true;
            }
            below.insert(device.index);
        }
    }

    /// The address that probes of an interface's addresses of one kind come from.
    fn source(
        &self,
        wanted: Wanted,
        kind: Kind,
        interface: &Interface,
        here: &[&LocalAddress],
        local: &[LocalAddress],
    ) -> Option<IpAddr> {
        let far = match kind {
            Kind::Ipv4 => Some((self.beyond[0], FAR[0])),
            Kind::Ipv6 => Some((self.beyond[1], FAR[1])),
            Kind::LinkLocal => None,
        };
        match (wanted.vantage, wanted.source) {
            (Vantage::Internet, named) => {
                let (device, usual) = far?;
                let named = named
                    .map_or(Some(usual), |named| (Kind::of(named) == kind).then_some(named))?;
                (device == Some(interface.index)).then_some(named)
            }
            (_, Some(named)) => here.iter().any(|here| has(here, named)).then_some(named),
            (_, None) => {
                let widest = here.iter().min_by_key(|here| here.prefix)?;
                let taken = |address: &IpAddr| {
                    self.neighbours.contains(address)
                        || local.iter().any(|local| local.address == *address)
                };
                hosts(widest.address, widest.prefix).find(|address| !taken(address))
            }
        }
    }
}

/// The kinds of addresses that are neighbours of each other.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Ipv4,
    Ipv6,
    LinkLocal,
}

impl Kind {
    const ALL: [Self; 3] = [Self::Ipv4, Self::Ipv6, Self::LinkLocal];

    fn of(address: IpAddr) -> Self {
        match address {
            IpAddr::V4(_) => Self::Ipv4,
            address if is_link_local(address) => Self::LinkLocal,
            IpAddr::V6(_) => Self::Ipv6,
        }
    }
}

pub(super) fn is_link_local(address: IpAddr) -> bool {
    matches!(address, IpAddr::V6(address) if address.is_unicast_link_local())
}

/// The interfaces that have an address and are on a network.
fn interfaces(local: &[LocalAddress]) -> Vec<&Interface> {
    let on_network = local.iter().filter(|local| !local.address.is_loopback());
    let mut interfaces: Vec<_> = on_network.map(|local| &local.interface).collect();
    interfaces.sort();
    interfaces.dedup();
    // The loopback device may have further addresses, and no neighbours.
    let loops = |interface: &Interface| {
        local.iter().any(|it| it.address.is_loopback() && it.interface == *interface)
    };
    interfaces.retain(|interface| !loops(interface));
    interfaces
}

/// Why there is no post for a vantage.
fn why_none(wanted: Wanted) -> String {
    match (wanted.vantage, wanted.source) {
        (Vantage::Internet, _) => "there is no route to hosts beyond this network".to_owned(),
        (_, Some(named)) => format!("no interface that is up has a network with {named}"),
        (_, None) => "no interface that is up has a network with a free address".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn local(address: &str, index: u32) -> LocalAddress {
        let (address, prefix) = address.split_once('/').unwrap();
        LocalAddress {
            address: address.parse().unwrap(),
            prefix: prefix.parse().unwrap(),
            interface: Interface { index, name: format!("eth{index}") },
        }
    }

    fn network(neighbours: &[&str], beyond: Option<u32>) -> Network {
        let device = |index| Device {
            index,
            is_up: index != 9,
            mac: [4; 6],
            mtu: 1500,
            xdp: link::Xdp::default(),
            above: None,
            below: None,
        };
        Network {
            devices: (1..=9).map(|index| (index, device(index))).collect(),
            neighbours: neighbours.iter().map(|address| address.parse().unwrap()).collect(),
            beyond: [beyond, beyond],
        }
    }

    fn told(network: &Network, bound: &[&str], wanted: Wanted) -> (Vec<String>, usize) {
        let local = [
            local("127.0.0.1/8", 1),
            local("10.0.0.5/24", 2),
            local("10.0.0.6/32", 2),
            local("fd00::5/64", 2),
            local("fe80::5/64", 2),
            local("10.1.0.5/30", 3),
            local("10.2.0.5/24", 9),
        ];
        let bound: Vec<IpAddr> = bound.iter().map(|address| address.parse().unwrap()).collect();
        let (posts, gaps) = network.posts(&local, &bound, &[wanted]);
        let post = |post: &Post| {
            let mark = if post.only_bound { " (bound)" } else { "" };
            format!("{} {} {}{mark}", post.target.interface.name, post.source, post.target.address)
        };
        (posts.iter().map(post).collect(), gaps.len())
    }

    const LAN: Wanted = Wanted { vantage: Vantage::Lan, source: None };

    #[test]
    fn a_program_is_found_below_a_bridge_and_a_vlan() {
        let mut network = network(&[], None);
        // 5 is a port of the bridge 2, and a VLAN of 6, which is a port of the bond 7.
        let mut change =
            |index: u32, change: fn(&mut Device)| change(network.devices.get_mut(&index).unwrap());
        change(5, |it| (it.above, it.below) = (Some(2), Some(6)));
        change(6, |it| it.above = Some(7));
        change(7, |it| it.xdp.native = Some(1));
        assert!(!network.has_xdp_below(2), "above it");
        assert!(!network.has_xdp_below(7), "its own");
        network.devices.get_mut(&6).unwrap().xdp.generic = Some(1);
        let found = [2, 5, 7, 6, 3].map(|index| network.has_xdp_below(index));
        assert_eq!(found, [true, true, true, false, false]);
    }

    #[test]
    fn each_address_is_probed_by_a_neighbour_that_nobody_is() {
        let (posts, gaps) = told(&network(&["10.0.0.254", "10.0.0.253"], None), &[], LAN);
        assert_eq!(
            posts,
            [
                "eth2 10.0.0.252 10.0.0.5",
                "eth2 10.0.0.252 10.0.0.6",
                "eth2 fd00::270:73ff:fe00:7000 fd00::5",
                "eth2 fe80::270:73ff:fe00:7000 fe80::5",
                "eth3 10.1.0.6 10.1.0.5",
            ]
        );
        assert_eq!(gaps, 0);
    }

    #[test]
    fn a_bound_address_is_probed_through_the_other_interfaces_too() {
        let (posts, _) = told(&network(&["10.1.0.6"], None), &["10.0.0.5", "10.1.0.5"], LAN);
        let bound: Vec<_> = posts.iter().filter(|post| post.ends_with("(bound)")).collect();
        assert_eq!(bound, ["eth2 10.0.0.254 10.1.0.5 (bound)"], "eth3 has no free address");
    }

    #[test]
    fn the_internet_comes_through_the_default_route() {
        let internet = Wanted { vantage: Vantage::Internet, source: None };
        let (posts, _) = told(&network(&[], Some(3)), &[], internet);
        assert_eq!(posts, ["eth3 203.0.113.77 10.1.0.5"]);
        assert_eq!(told(&network(&[], None), &[], internet), (vec![], 1));
        let named = Wanted { source: Some("198.51.100.1".parse().unwrap()), ..internet };
        assert_eq!(told(&network(&[], Some(3)), &[], named).0, ["eth3 198.51.100.1 10.1.0.5"]);
    }

    #[test]
    fn a_named_neighbour_is_one_of_its_network_only() {
        let named = |address: &str| Wanted { source: Some(address.parse().unwrap()), ..LAN };
        let (posts, _) = told(&network(&[], None), &[], named("10.0.0.77"));
        assert_eq!(posts, ["eth2 10.0.0.77 10.0.0.5", "eth2 10.0.0.77 10.0.0.6"]);
        assert_eq!(told(&network(&[], None), &[], named("10.9.0.1")), (vec![], 1));
    }

    #[test]
    fn an_address_is_a_neighbour_in_a_network_of_ours_only() {
        let of = |source: &str| {
            let local = [local("127.0.0.1/8", 1), local("10.0.0.5/24", 2), local("fd00::5/64", 2)];
            vantage_of(source.parse().unwrap(), &local).name()
        };
        assert_eq!([of("10.0.0.7"), of("fd00::7")], ["lan", "lan"]);
        assert_eq!([of("10.0.1.7"), of("fd01::7"), of("127.0.0.7")], ["internet"; 3]);
    }
}
