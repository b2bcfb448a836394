//! Which ports of an address a check asks.

use super::request::Request;
use crate::model::{Inventory, PortSet, Transport};
use std::net::IpAddr;

/// The ports of one transport in a check.
pub(super) struct Extent<'a> {
    inventory: &'a Inventory,
    /// The transport.
    pub(super) transport: Transport,
    /// The ports that are asked for.
    wanted: PortSet,
    /// The ports that no probe goes to.
    pub(super) excluded: PortSet,
    /// The ports that are told in detail: those that a socket is bound to, and those that were named.
    pub(super) detail: PortSet,
}

impl<'a> Extent<'a> {
    /// Those of each transport that is asked for.
    pub(super) fn of(request: &Request, inventory: &'a Inventory) -> Vec<Self> {
        let extent = |transport: &Transport| {
            let bound = bound(inventory, *transport, |_| true);
            let named = request.named();
            let named = named.iter().filter(|endpoint| endpoint.transport == *transport);
            let wanted = request.ports(*transport, &bound);
            let mut detail = bound;
            detail.extend(named.map(|endpoint| endpoint.port));
            let excluded = request.excluded(*transport);
            Self { inventory, transport: *transport, wanted, excluded, detail }
        };
        request.transports().iter().map(extent).collect()
    }

    /// The ports to ask at an address: all that are asked for, or of these only those that a socket is bound to there.
    pub(super) fn at(&self, address: IpAddr, only_bound: bool) -> PortSet {
        if !only_bound {
            return self.wanted.clone();
        }
        let bound = bound(self.inventory, self.transport, |other| other == address);
        self.wanted.iter().filter(|port| bound.contains(*port)).collect()
    }
}

/// The ports that sockets are bound to, at such addresses.
fn bound(inventory: &Inventory, transport: Transport, at: impl Fn(IpAddr) -> bool) -> PortSet {
    let sockets = inventory.sockets.iter();
    let kept =
        sockets.filter(|socket| socket.transport == transport && at(socket.address.to_canonical()));
    kept.map(|socket| socket.port).collect()
}
