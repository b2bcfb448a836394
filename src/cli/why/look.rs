//! The facts for `why`: who is asked what, and in which order.

use super::proxy;
use super::systemd::Systemd;
use crate::firewall;
use crate::inventory::{self, Across, Namespaces, Packet, Services, SockDiag};
use crate::model::{
    Asked, ClientAttempt, Endpoint, Gap, Hides, Interface, Inventory, Outcome, Published,
    Resolution, Resolved, Seen, Socket, Surroundings, Target, Transport, Vantage, Way,
};
use crate::probe::{self, Call, Progress};
use crate::reconcile::why::{self, Case, Facts, Proxy};
use crate::sys::{self, LocalAddresses, NoAddress};
use std::fs;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV6};
use std::time::Duration;

/// Of a name with more addresses only so many are tried.
const MOST: usize = 16;
/// How long the other ends of attempts after the first round are waited for.
const PROXY_PATIENCE: Duration = Duration::from_millis(500);

/// What every look at a target has in common.
pub(super) struct Looker<'a> {
    /// What is asked for.
    pub(super) asked: &'a Asked,
    /// The names of services.
    pub(super) services: &'a Services,
    /// What we run in.
    pub(super) surroundings: &'a Surroundings,
    /// Who asks systemd.
    pub(super) systemd: &'a Systemd,
    /// A variable of the environment.
    pub(super) variable: fn(&str) -> Option<String>,
}

impl Looker<'_> {
    /// What became of the name.
    pub(super) fn resolve(&self) -> Resolution {
        let Asked { host, port, .. } = self.asked;
        Resolution {
            name: host.clone(),
            answer: resolved(host, port.get()),
            in_hosts: addresses_in_hosts(host),
        }
    }

    /// What connecting to each address gives; `patience` is how long nothing may come back.
    pub(super) fn calls(&self, resolution: &Resolution, patience: Duration) -> Vec<(Call, Way)> {
        let addresses = resolution.answer.addresses().iter().take(MOST);
        let call = |to: &SocketAddr| {
            let scope = match to {
                SocketAddr::V6(to) => to.scope_id(),
                SocketAddr::V4(_) => 0,
            };
            let way = inventory::way_to(to.ip(), scope);
            let device = match way {
                Way::Local(device) => Some(device),
                _ => None,
            };
            (Call { to: *to, transport: self.asked.transport, device, patience }, way)
        };
        addresses.map(call).collect()
    }

    /// Everything.
    pub(super) fn look(&self, resolution: Resolution, patience: Duration) -> Facts {
        let before = self.table();
        let calls = self.calls(&resolution, patience);
        let asked: Vec<Call> = calls.iter().map(|(call, _)| *call).collect();
        let attempts = probe::connect(&asked);
        let local = sys::local_addresses().unwrap_or_default();
        let mut cases = cases(calls, attempts);
        ask_neighbours(&mut cases);
        for case in &mut cases {
            self.look_closer(case, &local);
        }
        let untraced = self.trace(&mut cases, &local, &before);
        Facts { proxy: self.proxy(), ..self.facts(resolution, before, cases, untraced, false) }
    }

    /// What of this host bears on these cases.
    pub(super) fn facts(
        &self,
        resolution: Resolution,
        before: Inventory,
        mut cases: Vec<Case>,
        untraced: Gap,
        from_network: bool,
    ) -> Facts {
        let local = sys::local_addresses().unwrap_or_default();
        let mut after = self.table();
        let endpoint = self.endpoint();
        self.ask_lookups(&mut cases);
        self.find_owners(&mut after);
        self.wait_for_proxies(&mut cases, &after);
        let is_served = |case: &Case| match &case.attempt.opened {
            Some(opened) => !opened.ended && opened.waits.is_none(),
            None => case.attempt.outcome == Outcome::Connected,
        };
        let failed = !cases.iter().all(is_served);
        let mut gaps = std::mem::take(&mut after.gaps);
        let tracks_connections = failed && probe::tracks_connections();
        let published =
            if tracks_connections { published(&mut gaps) } else { Seen::Known(Vec::new()) };
        let is_free = after.at(endpoint).next().is_none();
        let refused = cases.iter().any(|case| {
            case.attempt.outcome == Outcome::Refused && matches!(case.way, Way::Local(_))
        });
        let elsewhere = if is_free && refused {
            self.elsewhere(&after, &mut gaps)
        } else {
            Seen::Skipped("not asked for")
        };
        let at_port: Vec<&Socket> = after.at(endpoint).collect();
        let units = if why::wants_units(&cases, &at_port) {
            self.systemd.units(endpoint, self.services, &mut gaps)
        } else {
            Seen::Skipped("not asked for")
        };
        let restrictions = Systemd::restrictions(why::silent_unit(&cases, &at_port), &mut gaps);
        self.look_onward(&mut cases, &after, &published, from_network);
        Facts {
            asked: self.asked.clone(),
            service: self.services.name(endpoint).map(str::to_owned),
            units,
            restrictions,
            cases,
            before,
            after,
            elsewhere,
            published,
            tracks_connections,
            conntrack_is_full: sys::conntrack_room().is_some_and(|(free, _)| free == 0),
            local: local.usable.iter().map(|local| local.address).collect(),
            loopback_is_up: sys::loopback_is_up(),
            remote: None,
            proxy: None,
            surroundings: self.surroundings.clone(),
            gateway: self.gateway(),
            kernel: sys::kernel_release(),
            gaps,
            untraced,
            resolution,
        }
    }

    /// The router of the way to everywhere, where we are in a container.
    fn gateway(&self) -> Option<IpAddr> {
        /// An address of nobody (RFC 5737).
        const NOBODY: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 1);
        self.surroundings.container.known()?;
        match inventory::way_to(NOBODY.into(), 0) {
            Way::Out { gateway, .. } => gateway,
            _ => None,
        }
    }

    pub(super) fn endpoint(&self) -> Endpoint {
        Endpoint { port: self.asked.port, transport: self.asked.transport }
    }

    /// What is bound, without owners.
    pub(super) fn table(&self) -> Inventory {
        let namespaces = Namespaces::ours();
        let mut source = Across { namespaces: &namespaces, what: SockDiag::default() };
        let mut table = inventory::take(&mut source, self.services);
        table.gaps.retain(|gap| gap.hides != Hides::OtherKinds);
        table
    }

    /// Finds the owners of everything that serves; what is not known of others than the port's is no gap.
    fn find_owners(&self, table: &mut Inventory) {
        let namespaces = Namespaces::ours();
        let mut source = Across { namespaces: &namespaces, what: SockDiag::default() };
        inventory::find_owners(table, &mut source);
        let endpoint = self.endpoint();
        let rest = inventory::split_off(table, |socket| socket.endpoint() == endpoint);
        inventory::find_units(table, self.surroundings);
        table.sockets.extend(rest);
        table.sockets.sort_by_key(Socket::endpoint);
    }

    /// What a lone SYN causes, or whether datagrams arrive, where an address of this host does not answer.
    fn look_closer(&self, case: &mut Case, local: &LocalAddresses) {
        let Way::Local(device) = case.way else { return };
        let to = case.attempt.to;
        let silent = case.attempt.outcome == Outcome::TimedOut;
        match self.asked.transport {
            Transport::Tcp if silent || case.attempt.outcome == Outcome::Refused => {
                case.passage = probe::passage(to);
            }
            Transport::Udp if silent => {
                let target = target(to, device, local);
                let progress = Progress::new(sys::interrupted);
                let found = probe::deliveries(&[(target, self.asked.port)], &progress);
                let found = found.into_iter().next().map(|(_, _, delivery)| delivery);
                case.delivery = found.map(|it| it.map_err(|error| error.to_string()));
            }
            _ => {}
        }
    }

    /// Where the kernel would deliver a packet for each case.
    fn ask_lookups(&self, cases: &mut [Case]) {
        let packet = |case: &Case| {
            let Way::Local(device) = case.way else { return None };
            let to = case.attempt.to;
            let from = SocketAddr::new(to.ip(), u16::MAX);
            Some(Packet { transport: self.asked.transport, to, from, device })
        };
        let packets: Vec<Packet> = cases.iter().filter_map(packet).collect();
        let lands = inventory::exact(&packets);
        let local = cases.iter_mut().filter(|case| matches!(case.way, Way::Local(_)));
        for (case, lands) in local.zip(lands) {
            case.lands = lands;
        }
    }

    /// The proxy for the URL, tried where it is of this host.
    fn proxy(&self) -> Option<Proxy> {
        let (variable, value) = proxy::of(self.asked, self.variable)?;
        let shown = value.rsplit_once('@').map_or(value.as_str(), |(_, place)| place).to_owned();
        Some(Proxy { variable, value: shown, attempts: try_proxy(&value) })
    }
}

/// What the kernel knows of those that are not of this host. The entry of one that is asked for in vain is gone a
/// few seconds later.
fn ask_neighbours(cases: &mut [Case]) {
    let out = |case: &&mut Case| {
        matches!(case.way, Way::Out { .. }) && case.attempt.outcome != Outcome::Connected
    };
    let cases: Vec<&mut Case> = cases.iter_mut().filter(out).collect();
    let addresses: Vec<IpAddr> = cases.iter().map(|case| case.next_hop()).collect();
    let Ok(neighbours) = inventory::neighbours(&addresses) else { return };
    for (case, neighbour) in cases.into_iter().zip(neighbours) {
        case.neighbour = neighbour;
    }
}

fn try_proxy(value: &str) -> Result<Vec<ClientAttempt>, String> {
    let (host, port) = proxy::place(value).ok_or("its value cannot be read")?;
    let answer = resolved(&host, port);
    let calls = answer.addresses().iter().filter_map(|to| match inventory::way_to(to.ip(), 0) {
        Way::Local(device) => {
            let device = Some(device);
            Some(Call { to: *to, transport: Transport::Tcp, device, patience: PROXY_PATIENCE })
        }
        _ => None,
    });
    let calls: Vec<Call> = calls.collect();
    if calls.is_empty() {
        return Err("it is not of this host".to_owned());
    }
    Ok(probe::connect(&calls))
}

/// The addresses of a name or of an address with its zone.
fn resolved(host: &str, port: u16) -> Resolved {
    if let Ok(address) = host.parse::<IpAddr>() {
        // The kernel takes a client of no address to the loopback.
        let address = match address {
            IpAddr::V4(Ipv4Addr::UNSPECIFIED) => Ipv4Addr::LOCALHOST.into(),
            IpAddr::V6(Ipv6Addr::UNSPECIFIED) => Ipv6Addr::LOCALHOST.into(),
            address => address,
        };
        return Resolved::Literal(SocketAddr::new(address, port));
    }
    match sys::resolve(host, port) {
        Ok(addresses) => Resolved::Addresses(addresses),
        Err(NoAddress::Denied(text)) => Resolved::Denied(text),
        Err(NoAddress::Unreachable(text)) => Resolved::Unreachable(text),
    }
}

/// The addresses that `/etc/hosts` gives a name.
pub(super) fn addresses_in_hosts(name: &str) -> Vec<IpAddr> {
    let text = fs::read("/etc/hosts").unwrap_or_default();
    let text = String::from_utf8_lossy(&text);
    let lines = text.lines().map(|line| line.split('#').next().unwrap_or_default());
    let address = |line: &str| {
        let mut words = line.split_ascii_whitespace();
        let address = words.next()?.parse().ok()?;
        words.any(|word| word.eq_ignore_ascii_case(name)).then_some(address)
    };
    lines.filter_map(address).collect()
}

fn cases(calls: Vec<(Call, Way)>, attempts: Vec<ClientAttempt>) -> Vec<Case> {
    calls.into_iter().zip(attempts).map(|((_, way), attempt)| Case::unasked(attempt, way)).collect()
}

/// The ports that rules publish; unknown where they cannot be read whole.
fn published(gaps: &mut Vec<Gap>) -> Seen<Vec<Published>> {
    let (published, unread) = firewall::published();
    match unread.into_iter().next() {
        None => Seen::Known(published),
        Some(gap) if published.is_empty() => {
            let unknown = match gap.need {
                Some(need) => Seen::Denied(need),
                None => Seen::Failed(gap.reason.clone()),
            };
            gaps.push(gap);
            unknown
        }
        Some(gap) => {
            gaps.push(gap);
            Seen::Known(published)
        }
    }
}

/// An address of this host as a target of probes.
pub(super) fn target(to: SocketAddr, device: u32, local: &LocalAddresses) -> Target {
    let vantage = if to.ip().is_loopback() { Vantage::Loopback } else { Vantage::Own };
    let known = local.usable.iter().find(|local| local.address == to.ip());
    let interface = known.map(|local| local.interface.clone());
    let interface = interface.unwrap_or_else(|| Interface { index: device, name: "lo".to_owned() });
    let scope_id = match to {
        SocketAddr::V6(to) => SocketAddrV6::scope_id(&to),
        SocketAddr::V4(_) => 0,
    };
    Target { vantage, address: to.ip(), interface, scope_id, device }
}
