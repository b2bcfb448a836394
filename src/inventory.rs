//! What is bound on this host, by whom, and what manages them.
//!
//! A failure to see is data: it comes back as a [`Gap`](crate::model::Gap) of the [`Inventory`], never as an empty list.

mod ancestors;
mod ask;
mod cgroup_path;
mod container_health;
mod container_names;
mod lookup;
mod namespaces;
mod netstat;
mod owners;
mod portless;
mod proxies;
mod security;
mod services;
mod sock_diag;
mod sshd;
mod surroundings;
mod systemd;
mod units;

pub use ancestors::{ancestors, supervisor};
pub use container_health::is_starting;
pub use lookup::{Packet, exact, mac_of, neighbours, own_macs, way_from, way_to};
pub use namespaces::{Across, Namespaces};
pub use netstat::{Disagreement, Netstat, second_opinion};
pub use proxies::{LeadsInto, a_proxy_may_take, leads_into};
pub use security::security;
pub use services::Services;
pub use sock_diag::SockDiag;
pub use surroundings::surroundings;
pub use systemd::{restrictions, unit_states};
pub use units::{containers_of, find_units, own_unit};

use crate::model::{Hides, Inode, Inventory, Seen, Socket};
use crate::sys;
use std::cell::RefCell;
use std::collections::{BTreeSet, HashMap, HashSet};

/// Something that lists sockets.
pub trait Source {
    /// The sockets, in any order and without owners, and what could not be seen.
    fn read(&mut self) -> Inventory;

    /// Those of these network namespaces at least; `None` is ours.
    fn read_in(&mut self, _namespaces: &BTreeSet<Option<String>>) -> Inventory {
        self.read()
    }
}

/// What can be listed beside the sockets that hold a port.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Extra {
    /// Connections, TCP and UDP with a peer.
    Connections,
    /// What is left of TCP connections (`TIME_WAIT`).
    TimeWait,
    /// Unix sockets that clients can find.
    Unix,
    /// Raw and packet sockets.
    Raw,
}

/// Lists the sockets of our network namespace, without their owners.
pub fn take(source: &mut dyn Source, services: &Services) -> Inventory {
    let mut inventory = source.read();
    let users = Users::default();
    for held in inventory.held_mut() {
        held.user = held.uid.clone().and_then(|uid| users.name(uid));
    }
    for socket in &mut inventory.sockets {
        socket.service = services.name(socket.endpoint()).map(str::to_owned);
    }
    inventory.sockets.sort_by(|a, b| order(a).cmp(&order(b)));
    inventory.portless.sort_by(|a, b| (&a.kind, a.held.inode).cmp(&(&b.kind, b.held.inode)));
    inventory
}

/// Finds the processes that hold the sockets of an inventory: nearly all of the cost of one, so leave out first
/// what will not be shown. `source` is asked again when an owner is missing.
pub fn find_owners(inventory: &mut Inventory, source: &mut dyn Source) {
    let gap = owners::fill(inventory, |namespaces| inodes(source, namespaces));
    inventory.gaps.extend(gap);
}

/// Leaves of an inventory what is asked for, with its gaps, and gives the other sockets.
pub fn split_off(inventory: &mut Inventory, asked: impl Fn(&Socket) -> bool) -> Vec<Socket> {
    let sockets = std::mem::take(&mut inventory.sockets);
    let (asked, rest) = sockets.into_iter().partition(asked);
    inventory.sockets = asked;
    owners::recount(inventory);
    rest
}

/// The sockets that there are now in these network namespaces at least. A table that cannot be read again tells of no
/// socket that it is gone.
fn inodes(
    source: &mut dyn Source,
    namespaces: &BTreeSet<Option<String>>,
) -> Option<HashSet<Inode>> {
    let later = source.read_in(namespaces);
    let read = later.gaps.iter().all(|gap| gap.hides != Hides::Sockets);
    read.then(|| later.held().map(|held| held.inode).collect())
}

fn order(socket: &Socket) -> impl Ord {
    let Socket { state, family, address, peer, .. } = socket;
    (socket.endpoint(), *state, *family, *address, *peer, socket.held.inode)
}

/// The names of users, each asked for once.
#[derive(Debug, Default)]
struct Users(RefCell<HashMap<u32, Seen<String>>>);

impl Users {
    fn name(&self, uid: u32) -> Seen<String> {
        let mut names = self.0.borrow_mut();
        let name = names.entry(uid).or_insert_with(|| match sys::user_name(uid) {
            Ok(name) => name.into(),
            Err(error) => Seen::Failed(error.to_string()),
        });
        name.clone()
    }
}
