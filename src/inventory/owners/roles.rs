//! What each holder is to a socket, read from the process tree. Pure.
//!
//! The kernel does not record who made a socket. A child gets it from its parent, so the holder above all others
//! is taken for its maker; where several stand beside each other (the link between them has ended, or a
//! descriptor was handed over), the eldest.

use crate::model::{Owner, Process, Role, Via};
use std::collections::{BTreeSet, HashMap};

/// The systemd manager, of the system or of a user: it opens sockets for services, and keeps them.
const SERVICE_MANAGER: &str = "systemd";
/// No process tree is so deep. The bound is for one that changes while it is read.
const DEEPEST: usize = 1_000;

/// A process in the tree.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Relative {
    pub(super) parent: u32,
    /// When it started, in ticks since the boot.
    pub(super) started: u64,
    /// Its executable, where that can be read.
    pub(super) exe: Option<String>,
}

/// The holders and the processes above them.
pub(super) type Tree = HashMap<u32, Relative>;

/// The holders of one socket of the user `uid` with their roles, the listener first.
pub(super) fn with_roles(
    holders: Vec<(Process, Option<Via>)>,
    uid: Option<u32>,
    tree: &Tree,
) -> Vec<Owner> {
    let processes: Vec<&Process> = holders.iter().map(|(process, _)| process).collect();
    let roles = roles(&processes, uid, tree);
    let mut owners: Vec<Owner> = holders
        .into_iter()
        .zip(roles)
        .map(|((process, via), role)| Owner { process, role, via })
        .collect();
    owners.sort_by_key(|owner| (owner.role != Role::Listener, owner.process.pid));
    owners
}

fn roles(holders: &[&Process], uid: Option<u32>, tree: &Tree) -> Vec<Role> {
    let by_pid: HashMap<u32, &Process> =
        holders.iter().map(|process| (process.pid, *process)).collect();
    let above: Vec<Option<&Process>> =
        holders.iter().map(|process| holder_above(process, &by_pid, tree)).collect();
    let tops: Vec<&Process> = holders
        .iter()
        .zip(&above)
        .filter_map(|(process, above)| above.is_none().then_some(*process))
        .collect();
    let maker = maker(&tops, uid, tree);
    let role = |(process, above): (&&Process, Option<&Process>)| match (above, maker) {
        (None, Some(maker)) if maker.pid == process.pid => Role::Listener,
        // A parent that has closed its copy leaves workers without a listener.
        (None, None) => Role::Worker,
        (Some(other), _) | (None, Some(other)) => from(other, process),
    };
    holders.iter().zip(above).map(role).collect()
}

/// What `process` is, that has the socket from `other`.
fn from(other: &Process, process: &Process) -> Role {
    if program(other) == program(process) {
        Role::Worker
    } else if other.name == SERVICE_MANAGER {
        Role::SocketActivated
    } else {
        Role::Inherited
    }
}

/// The next process above this one that holds the socket too: its parent, or one further up, since a process
/// between them may have closed its copy.
fn holder_above<'a>(
    process: &Process,
    holders: &HashMap<u32, &'a Process>,
    tree: &Tree,
) -> Option<&'a Process> {
    let parent = |pid: &u32| tree.get(pid).map(|relative| relative.parent);
    let first = process.ppid.known().copied();
    std::iter::successors(first, parent)
        .take(DEEPEST)
        .take_while(|pid| *pid != process.pid)
        .find_map(|pid| holders.get(&pid).copied())
}

/// Which of the holders that stand beside each other made the socket; `None` when their parent did, which runs
/// the same program and has closed its copy.
///
/// Else it is the eldest, those of the user who made it first: a child is younger than its parent, also when
/// what stood between them has ended.
fn maker<'a>(tops: &[&'a Process], uid: Option<u32>, tree: &Tree) -> Option<&'a Process> {
    let parents: BTreeSet<Option<&u32>> = tops.iter().map(|process| process.ppid.known()).collect();
    if let ([Some(parent)], true) = (Vec::from_iter(parents).as_slice(), tops.len() > 1) {
        let exe = tree.get(parent).and_then(|relative| relative.exe.as_deref());
        if exe.is_some_and(|exe| tops.iter().all(|top| program(top) == bare(exe))) {
            return None;
        }
    }
    let age = |process: &&&Process| {
        let started = tree.get(&process.pid).map_or(u64::MAX, |relative| relative.started);
        (process.uid.known() != uid.as_ref(), started, process.pid)
    };
    tops.iter().min_by_key(age).copied()
}

/// What a process runs: its executable, else its name.
fn program(process: &Process) -> &str {
    process.exe.known().map_or(process.name.as_str(), |exe| bare(exe))
}

/// The path of an executable, also of one that an upgrade has replaced.
fn bare(exe: &str) -> &str {
    exe.strip_suffix(" (deleted)").unwrap_or(exe)
}

#[cfg(test)]
mod tests;
