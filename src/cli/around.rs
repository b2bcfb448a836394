//! What is around the sockets that `who` found: who is connected, what is above their holders, and where a client's
//! packets land.

use super::hint;
use crate::inventory::{self, Across, Extra, Namespaces, Packet, Services, SockDiag};
use crate::model::{
    Arrival, Client, Endpoint, Family, Holding, Interface, Inventory, Lookup, Named, Port, Seen,
    Socket, SocketState, Transport,
};
use crate::sys::LocalAddress;
use anyhow::{Context, Result, anyhow, bail};
use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, SocketAddr, SocketAddrV6};

/// Up to so many ports the kernel is asked for each; for more it is asked for all connections at once.
const ASKED_EACH: usize = 16;
/// The processes of so many clients of this host are looked for.
const NAMED_CLIENTS: usize = 64;

/// The connections, and what is left of them, at one end of these ports.
struct Connections<'a> {
    namespaces: &'a Namespaces,
    services: &'a Services,
}

impl Connections<'_> {
    /// Those whose own end is at one of the ports.
    fn at(&self, ports: &BTreeSet<Endpoint>) -> Vec<Socket> {
        let read = self.read(ports, SockDiag::at);
        let at = |socket: &Socket| ports.contains(&socket.endpoint());
        read.sockets.into_iter().filter(at).collect()
    }

    /// Those whose other end is at one of the ports: the clients of this host.
    fn towards(&self, ports: &BTreeSet<Endpoint>) -> Vec<Socket> {
        let read = self.read(ports, SockDiag::towards);
        let towards = |socket: &Socket| {
            let port = socket.peer.and_then(|peer| Port::new(peer.port()));
            port.is_some_and(|port| ports.contains(&Endpoint { port, transport: socket.transport }))
        };
        read.sockets.into_iter().filter(towards).collect()
    }

    fn read(
        &self,
        ports: &BTreeSet<Endpoint>,
        only: impl Fn(SockDiag, Port) -> SockDiag,
    ) -> Inventory {
        let all = SockDiag::with([Extra::Connections, Extra::TimeWait]);
        let numbers: BTreeSet<Port> = ports.iter().map(|endpoint| endpoint.port).collect();
        let each = if numbers.len() > ASKED_EACH {
            vec![all]
        } else {
            numbers.into_iter().map(|port| only(all.clone(), port)).collect()
        };
        let read = |what| {
            let mut source = Across { namespaces: self.namespaces, what };
            inventory::take(&mut source, self.services)
        };
        let mut found = each.into_iter().map(read).fold(Inventory::default(), Inventory::and);
        found.sockets.retain(|socket| socket.state.is_connection());
        found
    }
}

/// The connections that use a port which nobody holds otherwise: they keep others from it, except those that are not
/// sockets yet.
pub(super) fn users_of(
    ports: &BTreeSet<Endpoint>,
    namespaces: &Namespaces,
    services: &Services,
) -> Vec<Socket> {
    if ports.is_empty() {
        return Vec::new();
    }
    let mut users = Connections { namespaces, services }.at(ports);
    users.retain(|socket| socket.state != SocketState::SynReceived);
    users
}

/// The sockets with what is around them, and the connections that they have. `all` is everything that serves.
pub(super) fn around(
    sockets: Vec<Socket>,
    all: &Inventory,
    namespaces: &Namespaces,
    services: &Services,
) -> (Vec<Holding>, Vec<Socket>) {
    let serving = sockets.iter().filter(|socket| socket.state.serves());
    let ports: BTreeSet<Endpoint> = serving.map(Socket::endpoint).collect();
    let connections = Connections { namespaces, services };
    let (server_ends, client_ends) = if ports.is_empty() {
        Default::default()
    } else {
        (connections.at(&ports), connections.towards(&ports))
    };
    // Both ends of a connection may be here: the same look at the processes finds the holders of either.
    let held = |ends: Vec<Socket>| ends.into_iter().filter(|end| end.held.owners_unknown.is_none());
    let mut ends = Inventory {
        sockets: held(client_ends).take(NAMED_CLIENTS).chain(held(server_ends.clone())).collect(),
        ..Inventory::default()
    };
    if ends.sockets.iter().any(|end| ports.iter().all(|port| *port != end.endpoint())) {
        let what = SockDiag::with([Extra::Connections]);
        inventory::find_owners(&mut ends, &mut Across { namespaces, what });
    }
    let clients: BTreeMap<(SocketAddr, Option<SocketAddr>), Named> = ends
        .sockets
        .iter()
        .filter_map(|end| Some(((address(end), end.peer), holder(end)?)))
        .collect();
    let holding = |socket: Socket| holding(socket, all, &server_ends, &clients);
    let holdings = sockets.into_iter().map(holding).collect();
    (holdings, ends.sockets)
}

fn address(socket: &Socket) -> SocketAddr {
    SocketAddr::new(socket.address.to_canonical(), socket.port.get())
}

/// The foremost holder by name.
fn holder(socket: &Socket) -> Option<Named> {
    let process = &socket.held.owners.first()?.process;
    Some(Named { pid: process.pid, name: process.name.clone() })
}

fn holding(
    socket: Socket,
    all: &Inventory,
    server_ends: &[Socket],
    clients: &BTreeMap<(SocketAddr, Option<SocketAddr>), Named>,
) -> Holding {
    let mine = |end: &&Socket| is_server_end_of(end, &socket);
    let (over, open): (Vec<&Socket>, Vec<&Socket>) =
        server_ends.iter().filter(mine).partition(|end| end.state == SocketState::TimeWait);
    let client = |end: &&Socket| {
        let peer = end.peer?;
        let canonical = SocketAddr::new(peer.ip().to_canonical(), peer.port());
        let process = clients.get(&(canonical, Some(address(end)))).cloned();
        Some(Client { address: canonical, state: end.state, process })
    };
    let pid = socket.held.owners.first().map(|owner| owner.process.pid);
    let ancestors = pid.map(inventory::ancestors).unwrap_or_default();
    Holding {
        supervisor: pid.and_then(|pid| inventory::supervisor(pid, &ancestors)),
        ancestors,
        clients: open.iter().filter_map(client).collect(),
        time_wait: over.len(),
        also: pid.map(|pid| also(pid, &socket, all)).unwrap_or_default(),
        socket,
    }
}

/// Whether a connection came in through this socket, as far as addresses tell.
fn is_server_end_of(end: &Socket, socket: &Socket) -> bool {
    let device = match (&socket.interface, &end.interface) {
        (Seen::Known(bound), Seen::Known(of_end)) => bound.index == of_end.index,
        (Seen::Known(_), _) => false,
        _ => true,
    };
    socket.state.serves()
        && end.endpoint() == socket.endpoint()
        && end.held.netns == socket.held.netns
        && device
        && (socket.takes(end.address.to_canonical()))
}

/// What else a process serves, in the order of the ports.
fn also(pid: u32, but: &Socket, all: &Inventory) -> Vec<(Endpoint, IpAddr)> {
    let is_held = |socket: &&Socket| {
        socket.held.owners.first().is_some_and(|owner| owner.process.pid == pid)
            && socket.state.serves()
            && socket.endpoint() != but.endpoint()
    };
    let serves: BTreeSet<(Endpoint, IpAddr)> =
        all.sockets.iter().filter(is_held).map(|it| (it.endpoint(), it.address)).collect();
    serves.into_iter().collect()
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
    let arrival = |((endpoint, packet), lands): ((Endpoint, Packet), Lookup)| {
        let is_it = |socket: &&&Socket| match lands {
            Lookup::Socket(cookie) => socket.cookie == cookie,
            Lookup::Connection => {
                socket.endpoint() == endpoint
                    && socket.peer == Some(packet.from)
                    && socket.address.to_canonical() == packet.to.ip()
            }
            Lookup::Nobody | Lookup::Unknown(_) => false,
        };
        let socket = known.iter().find(is_it).map(|socket| (*socket).clone());
        let interface = name(packet.device);
        Arrival { endpoint, from, to: packet.to.ip(), interface, lands, socket }
    };
    let lands = inventory::exact(&asked);
    Ok(packets.into_iter().zip(lands).map(arrival).collect())
}
