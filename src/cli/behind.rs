//! The sockets that the firewall hands packets on to, in whichever network namespace they are.

use super::place::{addresses, homes};
use crate::inventory::{self, Across, Namespaces, Services, SockDiag};
use crate::model::{Inventory, Socket, Surroundings, Transport};
use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;

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
        let homes = homes(&places, to.ip());
        let [netns] = homes.as_slice() else { continue };
        let takes = |socket: &&Socket| {
            socket.held.netns.as_deref() == *netns
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
