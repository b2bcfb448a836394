//! Where connections go on to, by a rule of NAT or a proxy, and what is there: in which network namespace and container,
//! and what serves in it.

use super::super::place::{addresses, homes};
use super::look::Looker;
use crate::inventory::{self, Across, Namespaces, Services, SockDiag};
use crate::model::{
    Container, Endpoint, Gap, Hides, Inside, Inventory, Need, Neighbour, Onward, Outcome, Owner,
    Port, Published, Seen, Socket, Surroundings, TakenBy, Transport, Way,
};
use crate::probe::{self, Call};
use crate::reconcile::why::{Case, redirection};
use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

/// A proxy that does not reach what is behind it gives up within this time: rootlessport takes a fifth of a second.
const GIVES_UP_WITHIN: Duration = Duration::from_millis(500);

/// The network namespaces of this host, as far as they may be looked into, and what serves in them.
struct Insides<'a> {
    namespaces: Namespaces,
    places: Vec<(Option<String>, Vec<IpAddr>)>,
    /// Without owners.
    all: Inventory,
    surroundings: &'a Surroundings,
}

impl<'a> Insides<'a> {
    fn look(services: &Services, surroundings: &'a Surroundings) -> io::Result<Self> {
        let namespaces = Namespaces::all()?;
        let mut source = Across { namespaces: &namespaces, what: SockDiag::default() };
        let all = inventory::take(&mut source, services);
        let places = addresses(&namespaces);
        Ok(Self { namespaces, places, all, surroundings })
    }

    /// One of them, with those of its servers that are wanted and who holds them; unknown where its sockets could not
    /// be listed whole.
    fn inside(&self, netns: Option<&str>, wanted: impl Fn(&Socket) -> bool) -> Seen<Inside> {
        let place = self.places.iter().find(|(name, _)| name.as_deref() == netns);
        let Some((_, addresses)) = place else { return Seen::Denied(Need::Root) };
        if let Some(gap) = self.all.gaps.iter().find(|gap| self.is_of(gap, netns)) {
            return Seen::Failed(format!("{}: {}", gap.what, gap.reason));
        }
        let is_there =
            |socket: &&Socket| socket.held.netns.as_deref() == netns && socket.state.serves();
        let all = self.all.sockets.iter().filter(is_there);
        let sockets = all.filter(|socket| wanted(socket)).cloned().collect();
        let mut owned = Inventory { sockets, ..Inventory::default() };
        let mut source = Across { namespaces: &self.namespaces, what: SockDiag::default() };
        inventory::find_owners(&mut owned, &mut source);
        inventory::find_units(&mut owned, self.surroundings);
        let addresses = addresses.iter().copied();
        let mut all = self.namespaces.processes();
        let processes = all.find(|(name, _)| Some(name.as_str()) == netns);
        let containers = containers(processes.map(|(_, it)| it), &owned.sockets);
        Seen::Known(Inside {
            is_starting: containers.iter().any(inventory::is_starting),
            netns: netns.map(str::to_owned),
            addresses: addresses.filter(|address| !address.is_loopback()).collect(),
            containers,
            servers: owned.sockets,
            proxied: Vec::new(),
        })
    }

    /// Whether what could not be seen is a server in this namespace.
    fn is_of(&self, gap: &Gap, netns: Option<&str>) -> bool {
        let ends_with = |name: &str| gap.what.ends_with(name);
        let of_another =
            || self.places.iter().any(|(name, _)| name.as_deref().is_some_and(ends_with));
        gap.hides == Hides::Sockets
            && !self.namespaces.gaps().contains(gap)
            && netns.map_or_else(|| !of_another(), ends_with)
    }

    /// What has this address; absent where nothing of this host has it. Of our own namespace only the port is of
    /// interest.
    fn at(&self, to: SocketAddr, transport: Transport) -> Seen<Inside> {
        let homes = homes(&self.places, to.ip());
        let netns = match homes.as_slice() {
            [netns] => *netns,
            [] if self.may_lack() => return Seen::Denied(Need::Root),
            [] => return Seen::Absent,
            several => {
                let Some(netns) = self.on_the_link(to.ip(), several) else {
                    let why = "several network namespaces have that address";
                    return Seen::Failed(why.to_owned());
                };
                Some(netns)
            }
        };
        self.inside(netns, |socket| {
            socket.transport == transport && (netns.is_some() || socket.port.get() == to.port())
        })
    }

    /// Of several namespaces with an address the one that answers for it on the link.
    fn on_the_link<'n>(&self, address: IpAddr, several: &[Option<&'n str>]) -> Option<&'n str> {
        let mac = inventory::mac_of(address)?;
        let all = self.namespaces.visit(inventory::own_macs);
        let has = |netns: &&str| {
            let mut its = all.iter().filter(|(name, _)| name.as_deref() == Some(*netns));
            its.any(|(_, macs)| macs.as_ref().is_ok_and(|macs| macs.contains(&mac)))
        };
        let mut found = several.iter().flatten().copied().filter(has);
        found.next().filter(|_| found.next().is_none())
    }

    /// Where the proxy that holds a socket leads.
    fn behind(&self, socket: &Socket, proxy: &Owner) -> Onward {
        let into = inventory::leads_into(&proxy.process, &self.namespaces);
        let wanted = |server: &Socket| server.transport == socket.transport;
        let inside = match (into.to, into.netns.or_else(|| self.kept_for(socket))) {
            (_, Some(netns)) => self.inside(Some(&netns), wanted),
            (Some(to), None) => self.at(to, socket.transport),
            (None, None) if self.may_lack() => Seen::Denied(Need::Root),
            (None, None) => Seen::Failed("the proxy does not tell where it leads".to_owned()),
        };
        Onward { to: into.to, inside, neighbour: None }
    }

    /// The network namespace of the container that a socket is held for.
    fn kept_for(&self, socket: &Socket) -> Option<String> {
        let id = socket.held.container.known()?.id.known()?;
        let is_it = |processes: &[u32]| {
            let containers = inventory::containers_of(processes);
            containers.iter().any(|container| container.id.known() == Some(id))
        };
        let mut homes = self.namespaces.processes();
        homes.find(|(_, processes)| is_it(processes)).map(|(netns, _)| netns)
    }

    /// Whether some may not be looked into.
    fn may_lack(&self) -> bool {
        self.namespaces.gaps().iter().any(|gap| gap.need == Some(Need::Root))
            || self.all.gaps.iter().any(|gap| gap.need == Some(Need::Root))
    }

    /// What has a server at the port in other network namespaces; unknown where there is none, and some could not be
    /// looked into. `here` is what serves on this host.
    fn with(&self, endpoint: Endpoint, here: &Inventory) -> Seen<Vec<Inside>> {
        let is_it = |socket: &Socket| {
            socket.held.netns.is_some() && socket.endpoint() == endpoint && socket.state.serves()
        };
        let found = self.all.sockets.iter().filter(|socket| is_it(socket));
        let names: BTreeSet<&str> = found.filter_map(|it| it.held.netns.as_deref()).collect();
        if names.is_empty() && self.may_lack() {
            return Seen::Denied(Need::Root);
        }
        let insides = names.into_iter().filter_map(|netns| {
            let Seen::Known(inside) = self.inside(Some(netns), is_it) else { return None };
            Some(Inside { proxied: self.proxied(&inside, here), ..inside })
        });
        Seen::Known(insides.collect())
    }

    /// The ports of this host at which proxies take connections for a container.
    fn proxied(&self, inside: &Inside, here: &Inventory) -> Vec<Port> {
        let leads_there = |socket: &&Socket| {
            let Some(proxy) = proxy_of(socket).filter(|proxy| !proxy.process.only_keeps()) else {
                return false;
            };
            let into = inventory::leads_into(&proxy.process, &self.namespaces);
            let at_server = |to: SocketAddr| {
                let port = inside.servers.first().map(|server| server.port.get());
                inside.addresses.contains(&to.ip()) && port == Some(to.port())
            };
            into.to.map_or(into.netns.is_some() && into.netns == inside.netns, at_server)
        };
        let mut ports: Vec<Port> =
            here.sockets.iter().filter(leads_there).map(|it| it.port).collect();
        ports.dedup();
        ports
    }
}

/// The containers that these processes run in; where they may not be looked at, those of the sockets.
fn containers(processes: Option<&[u32]>, sockets: &[Socket]) -> Vec<Container> {
    let found = processes.map(inventory::containers_of).unwrap_or_default();
    let by_sockets = || sockets.iter().find_map(|socket| socket.held.container.known().cloned());
    if found.is_empty() { by_sockets().into_iter().collect() } else { found }
}

/// The proxy that holds a socket.
fn proxy_of(socket: &Socket) -> Option<&Owner> {
    socket.held.owners.iter().find(|owner| owner.process.is_proxy())
}

impl Looker<'_> {
    fn insides(&self) -> io::Result<Insides<'_>> {
        Insides::look(self.services, self.surroundings)
    }

    /// What listens at the port in other network namespaces.
    pub(super) fn elsewhere(&self, here: &Inventory, gaps: &mut Vec<Gap>) -> Seen<Vec<Inside>> {
        let found = match self.insides() {
            Ok(insides) => insides.with(self.endpoint(), here),
            Err(error) => Seen::Failed(error.to_string()),
        };
        if let Seen::Denied(need) = found {
            gaps.push(Gap {
                what: "the other network namespaces".to_owned(),
                reason: "only root may look into them".to_owned(),
                need: Some(need),
                hides: Hides::Views,
            });
        }
        found
    }

    /// Connects once more where a proxy may have taken the connection: it closes it only when it has not reached what is
    /// behind it, which takes longer than the first moments.
    pub(super) fn wait_for_proxies(&self, cases: &mut [Case], here: &Inventory) {
        let mut may_take = BTreeMap::new();
        for case in cases {
            let Way::Local(device) = case.way else { continue };
            let stays = case.attempt.opened.as_ref().is_some_and(|opened| {
                opened.taken == TakenBy::Probed && !opened.ended && opened.waits.is_none()
            });
            let to = case.attempt.to;
            let mut takers = here
                .at(self.endpoint())
                .filter(|socket| stays && socket.state.serves() && socket.accepts(to.ip(), device));
            let may_be = takers.any(|socket| {
                let owner_is_hidden = socket.held.owners.is_empty();
                let user = socket.held.uid.known().copied();
                let by_user = || inventory::a_proxy_may_take(self.asked.port, user);
                proxy_of(socket).is_some()
                    || (owner_is_hidden && *may_take.entry(user).or_insert_with(by_user))
            });
            if may_be {
                let (transport, device) = (self.asked.transport, Some(device));
                let call = Call { to, transport, device, patience: GIVES_UP_WITHIN };
                case.attempt = probe::connect_and_stay(&call, GIVES_UP_WITHIN);
            }
        }
    }

    /// Enters in each case where connections go on to, and what is there; for those that do not work, and those from the
    /// network. `after` is what serves on this host.
    pub(super) fn look_onward(
        &self,
        cases: &mut [Case],
        after: &Inventory,
        published: &Seen<Vec<Published>>,
        from_network: bool,
    ) {
        let mut insides = None;
        for case in cases {
            let Way::Local(device) = case.way else { continue };
            let fails = match &case.attempt.opened {
                Some(opened) => opened.ended || opened.waits.is_some(),
                None => case.attempt.outcome != Outcome::Connected,
            };
            if !fails && !from_network {
                continue;
            }
            let by_rule = || {
                let rules = published.known().filter(|_| fails && case.may_be_redirected())?;
                let to = case.attempt.to;
                let rule = redirection(rules, self.endpoint(), to.ip())?;
                let port = rule.leads_to(self.asked.port)?;
                Some(SocketAddr::new(rule.target.unwrap_or(to.ip()), port.get()))
            };
            let to = case.handed_on().or_else(by_rule);
            let takes = |socket: &&Socket| {
                socket.state.serves() && socket.accepts(case.attempt.to.ip(), device)
            };
            let proxy = after
                .at(self.endpoint())
                .filter(takes)
                .find_map(|socket| Some((socket, proxy_of(socket)?)));
            if to.is_none() && proxy.is_none() {
                continue;
            }
            let insides = &*insides.get_or_insert_with(|| self.insides());
            let inside = |to: SocketAddr| match insides {
                Ok(insides) => insides.at(to, self.asked.transport),
                Err(error) => Seen::Failed(error.to_string()),
            };
            case.onward = match (to, proxy, insides) {
                (Some(to), ..) => {
                    let (inside, neighbour) = (inside(to), neighbour(to.ip()));
                    Some(Onward { to: Some(to), inside, neighbour })
                }
                (None, Some((socket, proxy)), Ok(insides)) => Some(insides.behind(socket, proxy)),
                _ => None,
            };
        }
    }
}

/// The neighbour that packets to an address go to, where they leave.
fn neighbour(address: IpAddr) -> Option<(IpAddr, Neighbour)> {
    let Way::Out { gateway, .. } = inventory::way_to(address, 0) else { return None };
    let hop = gateway.unwrap_or(address);
    let known = inventory::neighbours(&[hop]).ok()?;
    known.into_iter().next().map(|known| (hop, known))
}
