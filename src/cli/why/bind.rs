//! The facts for `why --bind`, and for the path of a Unix socket.

use super::systemd::Systemd;
use crate::inventory::{self, Across, Extra, Namespaces, Services, SockDiag};
use crate::model::{
    Endpoint, Hides, Port, Portless, PortlessKind, Seen, Socket, Surroundings, Transport,
};
use crate::reconcile::why::{self, BindFacts, Bound, PathFacts};
use crate::sys::{self, Binding};
use std::net::{IpAddr, SocketAddr};
use std::path::Path;

/// What is asked for.
pub(super) struct Place {
    /// As it was written.
    pub(super) text: String,
    /// Each address, with the port.
    pub(super) at: Vec<SocketAddr>,
    /// The port.
    pub(super) port: Port,
    /// The transport.
    pub(super) transport: Transport,
}

/// What the kernel says to a bind of each address.
pub(super) fn bound(place: &Place) -> Vec<Bound> {
    let one = |at: &SocketAddr| {
        let plain = Binding { transport: place.transport, at: *at, reuse: false, v6_only: false };
        let bind = sys::bind_for_a_moment;
        Bound {
            at: *at,
            plain: bind(plain),
            reuse: bind(Binding { reuse: true, ..plain }),
            v6_only: bind(Binding { v6_only: true, ..plain }),
        }
    };
    place.at.iter().map(one).collect()
}

/// Everything that bears on a bind.
pub(super) fn look(
    place: &Place,
    services: &Services,
    surroundings: &Surroundings,
    systemd: &Systemd,
) -> BindFacts {
    let bound = bound(place);
    let what = SockDiag::with([Extra::Connections, Extra::TimeWait]).at(place.port);
    let mut source = Across { namespaces: &Namespaces::ours(), what };
    let mut inventory = inventory::take(&mut source, services);
    inventory.gaps.retain(|gap| gap.hides != Hides::OtherKinds);
    inventory.sockets.retain(|socket| socket.transport == place.transport);
    if bound.iter().any(|bound| bound.plain.is_err()) {
        inventory::find_owners(&mut inventory, &mut source);
        inventory::find_units(&mut inventory, surroundings);
    }
    inventory.sockets.sort_by_key(Socket::endpoint);
    let mut gaps = std::mem::take(&mut inventory.gaps);
    let endpoint = Endpoint { port: place.port, transport: place.transport };
    let units = if why::bind_wants_units(&bound, &inventory) {
        systemd.units(endpoint, services, &mut gaps)
    } else {
        Seen::Skipped("not asked for")
    };
    let unprivileged_from = sys::unprivileged_port_start();
    let may_bind_low = sys::capabilities().iter().any(|name| name == "cap_net_bind_service");
    let lacks_privilege =
        !may_bind_low && unprivileged_from.is_some_and(|from| place.port.get() < from);
    let denied = !lacks_privilege && bound.iter().any(Bound::is_denied);
    let own_unit = if denied { inventory::own_unit() } else { None };
    let own = Systemd::restrictions(own_unit.as_ref(), &mut gaps);
    let security = denied.then(|| {
        let (security, gap) = inventory::security(place.port);
        gaps.extend(gap);
        security
    });
    let local = sys::local_addresses().unwrap_or_default();
    let addresses = |list: &[sys::LocalAddress]| -> Vec<IpAddr> {
        list.iter().map(|local| local.address).collect()
    };
    BindFacts {
        target: place.text.clone(),
        port: place.port,
        transport: place.transport,
        bound,
        local: addresses(&local.usable),
        tentative: addresses(&local.tentative),
        unprivileged_from,
        may_bind_low,
        ephemeral: sys::local_port_range(),
        service: services.name(endpoint).map(str::to_owned),
        units,
        own,
        security,
        gaps,
        inventory,
    }
}

/// Everything that bears on a path.
pub(super) fn look_at_path(
    path: &str,
    services: &Services,
    surroundings: &Surroundings,
) -> PathFacts {
    let connected = sys::connect_to_path(Path::new(path));
    let mut source =
        Across { namespaces: &Namespaces::ours(), what: SockDiag::with([Extra::Unix]) };
    let mut table = inventory::take(&mut source, services);
    table.sockets.clear();
    // The table has each path as the server wrote it.
    let names: Vec<String> = [std::fs::canonicalize(path).ok(), Some(path.into())]
        .into_iter()
        .flatten()
        .map(|path| path.to_string_lossy().into_owned())
        .collect();
    table.portless.retain(|socket: &Portless| match &socket.kind {
        PortlessKind::Unix { path } => names.contains(path),
        _ => false,
    });
    inventory::find_owners(&mut table, &mut source);
    inventory::find_units(&mut table, surroundings);
    let gaps = table.gaps.into_iter().filter(|gap| gap.hides != Hides::Sockets).collect();
    PathFacts { path: path.to_owned(), connected, sockets: table.portless, gaps }
}
