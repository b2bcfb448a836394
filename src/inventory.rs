//! What is bound on this host, by whom, and what manages them.
//!
//! A failure to see is data: it comes back as a [`Gap`] of the [`Inventory`], never as an empty list.

mod cgroup_path;
mod container_names;
mod lookup;
mod netstat;
mod owners;
mod services;
mod sock_diag;
mod surroundings;
mod units;

pub use lookup::{Packet, exact};
pub use netstat::{Disagreement, Netstat, second_opinion};
pub use services::Services;
pub use sock_diag::SockDiag;
pub use surroundings::surroundings;
pub use units::find_units;

use crate::model::{Cookie, Gap, Hides, Inventory, Seen, Socket};
use crate::sys;
use std::cell::RefCell;
use std::collections::{HashMap, HashSet};

/// Something that lists the sockets that hold a port.
pub trait Source {
    /// The sockets, in any order and without owners, and what could not be seen.
    fn sockets(&mut self) -> (Vec<Socket>, Vec<Gap>);
}

/// Lists the sockets of our network namespace that hold a port, without their owners.
pub fn take(source: &mut dyn Source, services: &Services) -> Inventory {
    let (mut sockets, gaps) = source.sockets();
    let users = Users::default();
    for socket in &mut sockets {
        socket.user = users.name(socket.uid);
        socket.service = services.name(socket.endpoint()).map(str::to_owned);
    }
    sockets.sort_by(|a, b| order(a).cmp(&order(b)));
    Inventory { sockets, gaps }
}

/// Finds the processes that hold the sockets of an inventory: nearly all of the cost of one, so leave out first
/// what will not be shown.
pub fn find_owners(inventory: &mut Inventory) {
    let gap = owners::fill(&mut inventory.sockets, cookies);
    inventory.gaps.extend(gap);
}

/// The sockets that there are now. A table that cannot be read again tells of no socket that it is gone.
fn cookies() -> Option<HashSet<Cookie>> {
    let (sockets, gaps) = SockDiag.sockets();
    let read = gaps.iter().all(|gap| gap.hides != Hides::Sockets);
    read.then(|| sockets.iter().map(|socket| socket.cookie).collect())
}

fn order(socket: &Socket) -> impl Ord {
    (socket.endpoint(), socket.state, socket.family, socket.address, socket.inode)
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
