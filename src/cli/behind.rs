//! The sockets that the firewall hands packets on to, in whichever network namespace they are.

use super::place::addresses;
use crate::inventory::{self, Across, Namespaces, Services, SockDiag};
use crate::model::{Inventory, Socket, Surroundings, Transport};
use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, SocketAddr};

/// The socket at each of these addresses and ports, with its owners and its container, as far as it is found. An address
/// that several namespaces have leads to none of them.
pub(super) fn behind(
    targets: &BTreeSet<(Transport, SocketAddr)>,
    services: &Services,
    surroundings: &Surroundings,
) -> BTreeMap<(Transport, SocketAddr), Socket> {
    if targets.is_empty() {
        return BTreeMap::new();
    }
    let Ok(namespaces) = Namespaces::all() else { return BTreeMap::new() };
    let mut source = Across { namespaces: &namespaces, what: SockDiag::default() };
    let places = addresses(&namespaces);
    let all = inventory::take(&mut source, services);
    let mut found = BTreeMap::new();
    for (transport, to) in targets {
        let has = |place: &&(Option<String>, Vec<IpAddr>)| place.1.contains(&to.ip());
        let mut homes = places.iter().filter(has);
        let ours = places.iter().find(|(netns, _)| netns.is_none()).filter(has);
        let ((Some((netns, _)), ..) | (None, Some((netns, _)), None)) =
            (ours, homes.next(), homes.next())
        else {
            continue;
        };
        let takes = |socket: &&Socket| {
            socket.held.netns == *netns
                && socket.transport == *transport
                && socket.port.get() == to.port()
                && socket.state.serves()
                && socket.takes(to.ip())
        };
        found.extend(all.sockets.iter().find(takes).map(|it| ((*transport, *to), it.clone())));
    }
    let sockets = found.values().cloned().collect();
    let mut owned = Inventory { sockets, ..Inventory::default() };
    inventory::find_owners(&mut owned, &mut source);
    inventory::find_units(&mut owned, surroundings);
    found.into_keys().zip(owned.sockets).collect()
}
