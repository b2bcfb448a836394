//! Which processes hold which sockets: a look at all of `/proc/*/fd`, deeper looks for what that leaves without
//! a holder, and the reason where nobody is found.

mod deep;
mod processes;
mod roles;
mod scan;
mod unknown;

use super::ask;
use crate::model::{
    Gap, Held, Hides, Inode, Inventory, Need, OwnersUnknown, OwnersUnknownReason, Transport,
};
use crate::sys::{self, Procfs, Protocol};
use crate::wire::link::{self, Tunnel};
use deep::InFlight;
use processes::Processes;
use roles::Tree;
use scan::{Holders, Scan, Unread, Wanted};
use std::collections::{BTreeSet, HashSet};
use std::io;
use std::net::SocketAddr;

/// What all looks together found.
#[derive(Debug)]
struct Found {
    holders: Holders,
    processes: Processes,
    tree: Tree,
    unread: Unread,
    tunnels: Vec<Tunnel>,
    in_flight: InFlight,
    restless: bool,
    /// The sockets that there were after the last look, where one lacks a holder; `None` when that is not known.
    last: Option<HashSet<Inode>>,
}

/// A socket whose holders are looked for.
#[derive(Debug)]
struct Sought<'a> {
    held: &'a mut Held,
    /// Where it is bound to over UDP in our network namespace, whose tunnels are looked at.
    udp: Option<SocketAddr>,
}

impl Sought<'_> {
    /// The sockets that a process may have.
    fn all(inventory: &mut Inventory) -> Vec<Sought<'_>> {
        let sockets = inventory.sockets.iter_mut().map(|socket| Sought {
            udp: (socket.transport == Transport::Udp && socket.held.netns.is_none())
                .then(|| SocketAddr::new(socket.address, socket.port.get())),
            held: &mut socket.held,
        });
        let portless = inventory.portless.iter_mut();
        let portless = portless.map(|socket| Sought { held: &mut socket.held, udp: None });
        sockets.chain(portless).filter(|sought| sought.held.owners_unknown.is_none()).collect()
    }

    fn inode(&self) -> Inode {
        self.held.inode
    }
}

/// Fills in the owners of the sockets. `inodes` tells which sockets there are now in some network namespaces. Returns what
/// could not be seen.
pub(super) fn fill(
    inventory: &mut Inventory,
    inodes: impl FnMut(&BTreeSet<Option<String>>) -> Option<HashSet<Inode>>,
) -> Option<Gap> {
    let mut sockets = Sought::all(inventory);
    if sockets.is_empty() {
        return None;
    }
    let found = match Procfs::open().and_then(|procfs| find(&procfs, &sockets, inodes)) {
        Ok(found) => found,
        Err(error) => return Some(no_procfs(&mut sockets, &error.to_string())),
    };
    let mut denied = 0;
    for socket in sockets {
        let inode = socket.inode();
        let holders: Vec<_> = found
            .holders
            .of(inode.0)
            .filter_map(|(pid, via)| Some((found.processes.get(pid)?.clone(), via)))
            .collect();
        if holders.is_empty() {
            let ended = found.holders.of(inode.0).next().is_some();
            let facts = unknown::Facts {
                unread: found.unread,
                gone: ended || !is_in(found.last.as_ref(), inode),
                initial_namespace: sys::pid_namespace_is_initial(),
                tunnels: &found.tunnels,
                in_flight: &found.in_flight,
                restless: found.restless,
            };
            let unknown = unknown::why(socket.held, socket.udp, &facts);
            denied += usize::from(unknown.reason == OwnersUnknownReason::Permission);
            socket.held.owners_unknown = Some(unknown);
        } else {
            let maker = socket.held.uid.known().copied();
            socket.held.owners = roles::with_roles(holders, maker, &found.tree);
        }
    }
    (denied > 0).then(|| Gap {
        what: owners_of(denied),
        reason: unknown::unreadable_processes(found.unread),
        need: Some(match found.unread {
            Unread { denied: 0, hidden: false, .. } => Need::Retry,
            _ => Need::Root,
        }),
        hides: Hides::Owners,
    })
}

fn owners_of(sockets: usize) -> String {
    match sockets {
        1 => "the owner of 1 socket".to_owned(),
        many => format!("the owners of {many} sockets"),
    }
}

/// Counts the sockets anew whose owners could not be seen, for what is left of an inventory.
pub(super) fn recount(inventory: &mut Inventory) {
    let unknown = |held: &Held| held.owners_unknown.as_ref().map(|unknown| unknown.reason);
    let denied = inventory.held().filter_map(unknown);
    let denied = denied.filter(|reason| *reason == OwnersUnknownReason::Permission).count();
    let is_counted = |gap: &Gap| gap.hides == Hides::Owners && gap.need != Some(Need::Procfs);
    inventory.gaps.retain(|gap| denied > 0 || !is_counted(gap));
    for gap in inventory.gaps.iter_mut().filter(|gap| is_counted(gap)) {
        gap.what = owners_of(denied);
    }
}

fn no_procfs(sockets: &mut [Sought<'_>], error: &str) -> Gap {
    for socket in sockets {
        socket.held.owners_unknown = Some(OwnersUnknown {
            reason: OwnersUnknownReason::NoProcfs,
            text: format!("processes could not be listed: {error}"),
        });
    }
    Gap {
        what: "the processes that own the sockets".to_owned(),
        reason: error.to_owned(),
        need: Some(Need::Procfs),
        hides: Hides::Owners,
    }
}

fn find(
    procfs: &Procfs,
    sockets: &[Sought<'_>],
    mut inodes: impl FnMut(&BTreeSet<Option<String>>) -> Option<HashSet<Inode>>,
) -> io::Result<Found> {
    let wanted: Wanted = sockets.iter().map(|socket| socket.inode().0).collect();
    let mut scan = scan::ordinary(procfs, &wanted)?;
    let mut unheld: Vec<&Sought<'_>> = sockets
        .iter()
        .filter(|socket| scan.holders.of(socket.inode().0).next().is_none())
        .collect();
    // Asked only when an owner is missing, and only where.
    let places: BTreeSet<_> = unheld.iter().map(|socket| socket.held.netns.clone()).collect();
    let mut last = if unheld.is_empty() { None } else { inodes(&places) };
    unheld.retain(|socket| is_in(last.as_ref(), socket.inode()));
    let of_udp = unheld.iter().any(|socket| socket.udp.is_some());
    let tunnels = if of_udp { tunnels() } else { Vec::new() };
    let (mut in_flight, mut restless) = (InFlight::Nowhere, false);
    unheld.retain(|socket| {
        unknown::tunnel_of(socket.udp, &tunnels).is_none() && may_be_found(socket.held, scan.unread)
    });
    let all_ours = unheld.iter().all(|socket| socket.held.netns.is_none());
    let missing: Wanted = unheld.into_iter().map(|socket| socket.inode().0).collect();
    if missing.len() > 0 {
        let mut deep = deep::look(procfs, &missing, all_ours)?;
        // Who cannot see every process cannot say that only one can have it.
        if let InFlight::Only(pid) = deep.in_flight
            && scan.unread.nothing()
            && !deep.restless
        {
            deep.holders.add_rest(&missing, pid);
        }
        if missing.without(&deep.holders).len() > 0 {
            last = inodes(&places);
        }
        scan.holders.merge(deep.holders);
        (in_flight, restless) = (deep.in_flight, deep.restless);
    }
    let Scan { holders, unread, .. } = scan;
    let processes = Processes::read(procfs, &holders)?;
    let tree = processes.tree(procfs, holders.of_shared());
    Ok(Found { holders, processes, tree, unread, tunnels, in_flight, restless, last })
}

fn is_in(inodes: Option<&HashSet<Inode>>, inode: Inode) -> bool {
    inodes.is_none_or(|inodes| inodes.contains(&inode))
}

/// Whether a deeper look may find the holder: not when it is another user's, whose processes may not be read.
fn may_be_found(held: &Held, unread: Unread) -> bool {
    unread.nothing() || held.uid.known().is_none_or(|uid| *uid == sys::effective_uid())
}

/// The tunnels of our network namespace; none where they cannot be read, which leaves the reason less exact.
fn tunnels() -> Vec<Tunnel> {
    match ask::rows(Protocol::Route, link::dump, link::tunnel) {
        (tunnels, None) => tunnels,
        (_, Some(_)) => Vec::new(),
    }
}
