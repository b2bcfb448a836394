//! What is around the sockets that `who` found: who is connected, what is above their holders, and where a client's
//! packets land.

use super::hint;
use crate::inventory::{self, Across, Extra, Namespaces, Packet, Services, SockDiag};
use crate::model::{
    Arrival, Client, Cookie, Endpoint, Family, Gap, Hides, Holding, Interface, Inventory, Lookup,
    Named, Port, Seen, Socket, SocketState, Supervisor, Transport,
};
use crate::sys::LocalAddress;
use anyhow::{Context, Result, anyhow, bail};
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::net::{IpAddr, SocketAddr, SocketAddrV6};

/// Up to so many ports the kernel is asked for each; for more it is asked for all connections at once.
const ASKED_EACH: usize = 16;
/// The processes of so many clients of this host are looked for.
const NAMED_CLIENTS: usize = 64;

/// The connections, and what is left of them, at one end of these ports.
struct Connections<'a> {
    namespaces: &'a Namespaces,
    services: &'a Services,
    /// What is known not to be seen.
    known: &'a [Gap],
}

impl Connections<'_> {
    /// Those whose own end is at one of the ports.
    fn at(&self, ports: &BTreeSet<Endpoint>) -> Inventory {
        self.read(ports, SockDiag::at, |socket| Some(socket.port))
    }

    /// Those whose other end is at one of the ports: the clients of this host.
    fn towards(&self, ports: &BTreeSet<Endpoint>) -> Inventory {
        self.read(ports, SockDiag::towards, |socket| Port::new(socket.peer?.port()))
    }

    fn read(
        &self,
        ports: &BTreeSet<Endpoint>,
        only: impl Fn(SockDiag, Port) -> SockDiag,
        end: impl Fn(&Socket) -> Option<Port>,
    ) -> Inventory {
        let all = SockDiag::with([Extra::Connections, Extra::TimeWait]);
        let numbers: BTreeSet<Port> = ports.iter().map(|endpoint| endpoint.port).collect();
        let each = if numbers.len() > ASKED_EACH {
            vec![all]
        } else {
            numbers.into_iter().map(|port| only(all.clone(), port)).collect()
        };
        let mut found = Inventory::default();
        for what in each {
            let mut source = Across { namespaces: self.namespaces, what };
            let mut read = inventory::take(&mut source, self.services);
            let is_new = |gap: &Gap| !self.known.contains(gap) && !found.gaps.contains(gap);
            read.gaps.retain(|gap| gap.hides != Hides::OtherKinds && is_new(gap));
            found = found.and(read);
        }
        let is_at = |socket: &Socket| {
            let at = |port| Endpoint { port, transport: socket.transport };
            end(socket).is_some_and(|port| ports.contains(&at(port)))
        };
        found.sockets.retain(|socket| socket.state.is_connection() && is_at(socket));
        found
    }
}

/// The connections that use a port which nobody holds otherwise: they keep others from it, except those that are not
/// sockets yet. `known` is what is known not to be seen.
pub(super) fn users_of(
    ports: &BTreeSet<Endpoint>,
    known: &[Gap],
    namespaces: &Namespaces,
    services: &Services,
) -> Inventory {
    if ports.is_empty() {
        return Inventory::default();
    }
    let mut users = Connections { namespaces, services, known }.at(ports);
    users.sockets.retain(|socket| socket.state != SocketState::SynReceived);
    users
}

/// The sockets with what is around them, and the connections that they have, with those of a client's end on this host,
/// and what of them could not be seen. `all` is everything that serves; `with_holders` asks for the holders of the
/// connections also where no client is on this host.
pub(super) fn around(
    sockets: Vec<Socket>,
    all: &Inventory,
    with_holders: bool,
    namespaces: &Namespaces,
    services: &Services,
) -> (Vec<Holding>, Inventory) {
    let serving = sockets.iter().filter(|socket| socket.state.serves());
    let ports: BTreeSet<Endpoint> = serving.map(Socket::endpoint).collect();
    let connections = Connections { namespaces, services, known: &all.gaps };
    let (client_ends, server_ends) = if ports.is_empty() {
        Default::default()
    } else {
        (connections.towards(&ports), connections.at(&ports))
    };
    let held = |end: &Socket| end.held.owners_unknown.is_none();
    let client_ends: Vec<Socket> =
        client_ends.sockets.into_iter().filter(held).take(NAMED_CLIENTS).collect();
    let named = client_ends.len();
    // Both ends of a connection may be here: the same look at the processes finds the holders of either.
    let mut ends = Inventory { sockets: client_ends, ..Inventory::default() }.and(server_ends);
    if with_holders || ends.sockets.iter().take(named).any(|end| !ports.contains(&end.endpoint())) {
        let what = SockDiag::with([Extra::Connections]);
        // A holder that is not known is no gap of what was asked for.
        let gaps = std::mem::take(&mut ends.gaps);
        inventory::find_owners(&mut ends, &mut Across { namespaces, what });
        ends.gaps = gaps;
    }
    let (client_ends, server_ends) = ends.sockets.split_at(named);
    let surroundings = Surroundings {
        clients: Clients::of(client_ends),
        server_ends: server_ends.iter().map(|end| (end, foremost_rank(end, all))).collect(),
        all,
    };
    let mut processes = BTreeMap::new();
    let holding = |socket: Socket| surroundings.of(socket, &mut processes);
    let holdings = sockets.into_iter().map(holding).collect();
    (holdings, ends)
}

fn address(socket: &Socket) -> SocketAddr {
    SocketAddr::new(socket.address.to_canonical(), socket.port.get())
}

fn peer(socket: &Socket) -> Option<SocketAddr> {
    socket.peer.map(|peer| SocketAddr::new(peer.ip().to_canonical(), peer.port()))
}

/// The client ends of connections within this host, by both addresses.
struct Clients<'a>(BTreeMap<(SocketAddr, SocketAddr), Vec<&'a Socket>>);

impl<'a> Clients<'a> {
    fn of(ends: &'a [Socket]) -> Self {
        let mut clients: BTreeMap<_, Vec<_>> = BTreeMap::new();
        for end in ends {
            if let Some(peer) = peer(end) {
                clients.entry((address(end), peer)).or_default().push(end);
            }
        }
        Self(clients)
    }

    /// The process at the other end of a connection. Each network namespace has its own loopback addresses, and two may
    /// have another address in common: then the one of the same namespace is meant, or it is not known which.
    fn process(&self, server_end: &Socket) -> Option<Named> {
        let client = peer(server_end)?;
        let ends = self.0.get(&(client, address(server_end)))?;
        let is_near = |end: &&&Socket| end.held.netns == server_end.held.netns;
        let end = match (ends.iter().find(is_near), ends.as_slice()) {
            (Some(near), _) => near,
            (None, [far]) if !client.ip().is_loopback() => far,
            _ => return None,
        };
        let process = &end.held.owners.first()?.process;
        Some(Named { pid: process.pid, name: process.name.clone() })
    }
}

/// What is told of a process, whichever of its sockets is asked for.
#[derive(Clone, Default)]
struct Beside {
    ancestors: Vec<Named>,
    supervisor: Option<Supervisor>,
    serves: BTreeSet<(Endpoint, IpAddr)>,
}

impl Beside {
    fn of(pid: u32, all: &Inventory) -> Self {
        let ancestors = inventory::ancestors(pid);
        let is_held = |socket: &&Socket| {
            socket.held.owners.first().is_some_and(|owner| owner.process.pid == pid)
                && socket.state.serves()
        };
        Self {
            supervisor: inventory::supervisor(pid, &ancestors),
            ancestors,
            serves: all
                .sockets
                .iter()
                .filter(is_held)
                .map(|it| (it.endpoint(), it.address))
                .collect(),
        }
    }
}

/// What is around all of the sockets.
struct Surroundings<'a> {
    clients: Clients<'a>,
    /// The connections, each with the rank of the sockets that it may have come in through.
    server_ends: Vec<(&'a Socket, Option<Rank>)>,
    all: &'a Inventory,
}

impl Surroundings<'_> {
    fn of(&self, socket: Socket, processes: &mut BTreeMap<u32, Beside>) -> Holding {
        let rank = Some(rank(&socket));
        let mine = |(end, foremost): &&(&Socket, Option<Rank>)| {
            *foremost == rank && may_be_server_end_of(end, &socket)
        };
        let mine = self.server_ends.iter().filter(mine).map(|(end, _)| *end);
        let (over, open): (Vec<&Socket>, Vec<&Socket>) =
            mine.partition(|end| end.state == SocketState::TimeWait);
        let client = |end: &&Socket| {
            Some(Client {
                address: peer(end)?,
                state: end.state,
                process: self.clients.process(end),
            })
        };
        let pid = socket.held.owners.first().map(|owner| owner.process.pid);
        let beside =
            |pid| processes.entry(pid).or_insert_with(|| Beside::of(pid, self.all)).clone();
        let Beside { ancestors, supervisor, serves } = pid.map(beside).unwrap_or_default();
        let is_another = |(endpoint, _): &(Endpoint, IpAddr)| *endpoint != socket.endpoint();
        Holding {
            supervisor,
            ancestors,
            clients: open.iter().filter_map(client).collect(),
            time_wait: over.len(),
            also: serves.into_iter().filter(is_another).collect(),
            socket,
        }
    }
}

/// Whether a connection may have come in through this socket, as far as addresses tell. One that is asked for from here
/// did not.
fn may_be_server_end_of(end: &Socket, socket: &Socket) -> bool {
    let device = match (&socket.interface, &end.interface) {
        (Seen::Known(bound), Seen::Known(of_end)) => bound.index == of_end.index,
        (Seen::Known(_), _) => false,
        _ => true,
    };
    socket.state.serves()
        && end.state != SocketState::SynSent
        && end.endpoint() == socket.endpoint()
        && end.held.netns == socket.held.netns
        && device
        && socket.takes(end.address.to_canonical())
}

/// What the kernel looks at where several sockets take a packet: an address of its own, then a device, then IPv4 alone.
type Rank = (bool, bool, bool);

fn rank(socket: &Socket) -> Rank {
    let has_address = !socket.address.to_canonical().is_unspecified();
    (has_address, socket.interface.known().is_some(), socket.family == Family::Ipv4)
}

/// The rank of the sockets that this connection came in through, if it came in through one that is there.
fn foremost_rank(end: &Socket, all: &Inventory) -> Option<Rank> {
    all.at(end.endpoint()).filter(|socket| may_be_server_end_of(end, socket)).map(rank).max()
}

/// The client that `--from` names: an address, with or without a port (0 then).
pub(super) fn client(text: &str, local: &[LocalAddress]) -> Result<SocketAddr> {
    let scope = |name: &str| {
        let devices = || local.iter().map(|local| &local.interface);
        let near = || hint::did_you_mean(name, devices().map(|it| it.name.as_str()));
        let found = devices().find(|interface| interface.name == name);
        found.map(|it| it.index).ok_or_else(|| anyhow!("there is no device {name:?}{}", near()))
    };
    if let Ok(address) = text.parse::<SocketAddr>() {
        if let SocketAddr::V6(at) = address
            && at.ip().is_unicast_link_local()
            && at.scope_id() == 0
        {
            bail!("{text:?}: a link-local address needs its device, as in {}%eth0", at.ip());
        }
        return Ok(address);
    }
    let (host, device) = text.split_once('%').map_or((text, None), |(h, d)| (h, Some(d)));
    let address = host.trim_matches(['[', ']']).parse::<IpAddr>();
    match (address, device) {
        (Ok(IpAddr::V6(address)), Some(device)) => {
            Ok(SocketAddrV6::new(address, 0, 0, scope(device)?).into())
        }
        (Ok(IpAddr::V6(address)), None) if address.is_unicast_link_local() => {
            bail!("{text:?}: a link-local address needs its device, as in {address}%eth0")
        }
        (Ok(address), None) => Ok(SocketAddr::new(address, 0)),
        _ => bail!("{text:?} is no address: write 10.0.0.7, 10.0.0.7:4000 or fe80::1%eth0"),
    }
}

/// Where packets from a client to each of these ports land, at each address of ours that it can reach. `known` are
/// the sockets to name.
pub(super) fn arrivals(
    from: SocketAddr,
    ports: &BTreeSet<Endpoint>,
    local: &[LocalAddress],
    known: &[&Socket],
) -> Result<Vec<Arrival>> {
    let scope = match from {
        SocketAddr::V6(from) => from.scope_id(),
        SocketAddr::V4(_) => 0,
    };
    let way = inventory::way_from(from.ip(), scope).map_err(|error| anyhow!(error));
    let Some((is_ours, device)) = way.context("cannot ask for the route")? else {
        bail!("there is no route to {}, so it is no client of this host", from.ip());
    };
    let mut packets = Vec::new();
    for at in local.iter().filter(|at| Family::of(at.address) == Family::of(from.ip())) {
        let is_link_local = matches!(at.address, IpAddr::V6(it) if it.is_unicast_link_local());
        // What comes from outside cannot go to a loopback address, nor to a link-local one of another link.
        let reachable =
            !at.address.is_loopback() && (!is_link_local || at.interface.index == device);
        let to = if is_ours {
            let scope = if is_link_local { at.interface.index } else { 0 };
            let own = inventory::way_from(at.address, scope).ok().flatten();
            own.map(|(_, device)| device)
        } else {
            reachable.then_some(device)
        };
        packets.extend(to.into_iter().flat_map(|device| {
            ports.iter().filter(|port| port.transport != Transport::Sctp).map(move |endpoint| {
                let to = SocketAddr::new(at.address, endpoint.port.get());
                let source = if from.port() == 0 { u16::MAX } else { from.port() };
                let from = SocketAddr::new(from.ip(), source);
                (*endpoint, Packet { transport: endpoint.transport, to, from, device })
            })
        }));
    }
    let name = |index: u32| {
        let found = local.iter().map(|at| &at.interface).find(|it| it.index == index);
        found.cloned().unwrap_or_else(|| Interface { index, name: format!("if{index}") })
    };
    let asked: Vec<Packet> = packets.iter().map(|(_, packet)| *packet).collect();
    let by_cookie: HashMap<Cookie, &Socket> =
        known.iter().map(|socket| (socket.cookie, *socket)).collect();
    let arrival = |((endpoint, packet), lands): ((Endpoint, Packet), Lookup)| {
        let is_end = |socket: &&&Socket| {
            socket.transport == endpoint.transport
                && address(socket) == packet.to
                && peer(socket) == Some(packet.from)
        };
        let socket = match lands {
            Lookup::Socket(cookie) => by_cookie.get(&cookie),
            Lookup::Connection => known.iter().find(is_end),
            Lookup::Nobody | Lookup::Unknown(_) => None,
        };
        let (socket, interface) = (socket.map(|it| (*it).clone()), name(packet.device));
        Arrival { endpoint, from, to: packet.to.ip(), interface, lands, socket }
    };
    let lands = inventory::exact(&asked);
    Ok(packets.into_iter().zip(lands).map(arrival).collect())
}
