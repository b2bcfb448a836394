//! The deeper looks, for sockets that no process has in its descriptor table: the tables that threads have of
//! their own, the fixed files of `io_uring`, and messages that nobody has received yet.

use super::scan::{self, Holders, Scan, Wanted, shared_out};
use crate::inventory::ask;
use crate::model::Via;
use crate::sys::{self, Procfs, Protocol, Table};
use crate::wire::fdinfo::{fixed_sockets, socket_inode, waiting_descriptors};
use crate::wire::unix_diag;
use std::collections::{BTreeMap, BTreeSet};
use std::ffi::{CStr, CString};
use std::io;
use std::time::Duration;

/// A ring that is busy is asked so often, each time after a pause.
const TRIES: u32 = 4;
const PAUSE: Duration = Duration::from_millis(2);
/// A message that is still there after this time is not just being received.
const SETTLED: Duration = Duration::from_millis(10);
/// So often the processes are listed to read those that have just started.
const FOLLOWED: usize = 32;
/// A process with more tables than this has the rest of its threads read without comparing them.
const COMPARED: usize = 16;

/// What the deeper looks found.
#[derive(Debug, Default)]
pub(super) struct Deep {
    pub(super) holders: Holders,
    pub(super) in_flight: InFlight,
    /// Whether processes started up to the end: one of them may have been missed.
    pub(super) restless: bool,
}

/// Where a socket may be on its way from one process to another.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) enum InFlight {
    /// No message with descriptors waits anywhere.
    #[default]
    Nowhere,
    /// Only this process has a message that it can be in.
    Only(u32),
    /// One of these processes may have it in a message.
    Perhaps(Vec<u32>),
}

/// Looks for the sockets everywhere where a process may have them, after an ordinary look that found none.
/// `all_ours`: whether they are all of our network namespace.
pub(super) fn look(procfs: &Procfs, wanted: &Wanted, all_ours: bool) -> io::Result<Deep> {
    let pids = procfs.pids()?;
    // All once more: a socket may have been handed to a process that had been read. The threads come first, since the
    // one that runs another program becomes the first of its process.
    let mut tables = tables_of_threads(procfs, &pids)?;
    tables.extend(pids.iter().copied().map(Table::of));
    let mut found = scan::of_tables(procfs, &tables, wanted)?;
    let restless = !follow(procfs, pids, wanted, &mut found)?;
    let mut deep = Deep { holders: found.holders, in_flight: InFlight::Nowhere, restless };
    look_into_rings(procfs, &found.rings, wanted, &mut deep.holders);

    let left = wanted.without(&deep.holders).len();
    if left > 0 {
        deep.in_flight = whose(&settled(procfs, queues(procfs, &tables, all_ours)?), left);
    }
    Ok(deep)
}

/// Reads the processes that start meanwhile, to which one that ends may have left a socket, until there are no more or
/// nothing is missing. Whether it came to that end.
fn follow(procfs: &Procfs, pids: Vec<u32>, wanted: &Wanted, found: &mut Scan) -> io::Result<bool> {
    let mut known: BTreeSet<u32> = pids.into_iter().collect();
    for _ in 0..FOLLOWED {
        let mut started = procfs.pids()?;
        started.retain(|pid| known.insert(*pid));
        if started.is_empty() || wanted.without(&found.holders).len() == 0 {
            return Ok(true);
        }
        let started: Vec<_> = started.into_iter().map(Table::of).collect();
        let more = scan::of_tables(procfs, &started, wanted)?;
        found.holders.merge(more.holders);
        found.rings.extend(more.rings);
    }
    Ok(false)
}

/// The tables that are not the first thread's. The table of a process whose first thread has ended is one of
/// them.
fn tables_of_threads(procfs: &Procfs, pids: &[u32]) -> io::Result<Vec<Table>> {
    let parts = shared_out(pids, |pid, found: &mut Vec<Table>| {
        // The process may have ended.
        let threads = procfs.threads(*pid).unwrap_or_default();
        let mut known = vec![*pid];
        for thread in threads.into_iter().filter(|thread| thread != pid) {
            let shares = |other: &u32| sys::share_descriptors(*other, thread) == Some(true);
            if !known.iter().rev().any(shares) {
                found.push(Table { process: *pid, thread: Some(thread) });
                if known.len() < COMPARED {
                    known.push(thread);
                }
            }
        }
    })?;
    Ok(parts.into_iter().flatten().collect())
}

fn look_into_rings(
    procfs: &Procfs,
    rings: &[(Table, CString)],
    wanted: &Wanted,
    holders: &mut Holders,
) {
    for (table, descriptor) in rings {
        for _ in 0..TRIES {
            // The ring may have been closed.
            let Ok(text) = procfs.descriptor_info(*table, descriptor) else { break };
            if let Some(sockets) = fixed_sockets(&text) {
                for inode in sockets.into_iter().filter(|inode| wanted.contains(*inode)) {
                    holders.add(inode, table.process, Some(Via::IoUring));
                }
                break;
            }
            sys::pause(PAUSE);
        }
    }
}

/// A socket in whose messages descriptors wait to be received.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Queue {
    inode: u64,
    table: Table,
    descriptor: CString,
    waiting: u64,
}

/// The queues in which descriptors wait.
///
/// Asking a socket costs more than finding it, so only those are asked in which anything waits. The kernel lists
/// them for our network namespace; where it does not, or the sockets are of another one, every socket is asked.
fn queues(procfs: &Procfs, tables: &[Table], all_ours: bool) -> io::Result<Vec<Queue>> {
    let filled = if all_ours { filled_queues() } else { None };
    if filled.as_ref().is_some_and(|filled| filled.len() == 0) {
        return Ok(Vec::new());
    }
    let may_wait = |inode| filled.as_ref().is_none_or(|filled| filled.contains(inode));
    let parts = shared_out(tables, |table, found: &mut Vec<Queue>| {
        // A table that cannot be read shows nothing: the ordinary look has said so.
        let Ok(open) = procfs.open_table(*table) else { return };
        let _ended = open.files(|descriptor, link| {
            let Some(inode) = socket_inode(link).filter(|inode| may_wait(*inode)) else { return };
            let waiting = waiting_in(procfs, *table, descriptor);
            if waiting > 0 {
                let descriptor = descriptor.to_owned();
                found.push(Queue { inode, table: *table, descriptor, waiting });
            }
        });
    })?;
    Ok(parts.into_iter().flatten().collect())
}

/// The Unix sockets of our network namespace in which something may wait; `None` where they cannot be listed.
fn filled_queues() -> Option<Wanted> {
    let (inodes, problem) =
        ask::rows(Protocol::SockDiag, unix_diag::dump, unix_diag::may_have_messages);
    problem.is_none().then(|| inodes.into_iter().collect())
}

fn waiting_in(procfs: &Procfs, table: Table, descriptor: &CStr) -> u64 {
    // A descriptor that was closed has nothing waiting.
    procfs.descriptor_info(table, descriptor).map_or(0, |text| waiting_descriptors(&text))
}

/// The queues in which descriptors still wait a moment later.
fn settled(procfs: &Procfs, mut queues: Vec<Queue>) -> Vec<Queue> {
    if !queues.is_empty() {
        sys::pause(SETTLED);
        queues.retain(|queue| waiting_in(procfs, queue.table, &queue.descriptor) > 0);
    }
    queues
}

/// Who has the sockets that were found nowhere else, if anyone: a process is named only when no other can have
/// them, and when at least as many descriptors wait as sockets are missing.
fn whose(queues: &[Queue], missing: usize) -> InFlight {
    let processes: BTreeSet<u32> = queues.iter().map(|queue| queue.table.process).collect();
    let counts: BTreeMap<u64, u64> =
        queues.iter().map(|queue| (queue.inode, queue.waiting)).collect();
    let waiting: u64 = counts.values().sum();
    match processes.into_iter().collect::<Vec<_>>().as_slice() {
        [] => InFlight::Nowhere,
        [only] if usize::try_from(waiting).is_ok_and(|waiting| waiting >= missing) => {
            InFlight::Only(*only)
        }
        several => InFlight::Perhaps(several.to_vec()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn queue(process: u32, inode: u64, waiting: u64) -> Queue {
        Queue { inode, table: Table::of(process), descriptor: CString::default(), waiting }
    }

    #[test]
    fn a_process_is_named_only_when_it_alone_can_have_them() {
        let table = [
            (vec![], 1, InFlight::Nowhere),
            (vec![queue(7, 1, 1)], 1, InFlight::Only(7)),
            (vec![queue(7, 1, 1)], 2, InFlight::Perhaps(vec![7])),
            (vec![queue(7, 1, 1), queue(7, 2, 1)], 2, InFlight::Only(7)),
            // The same queue through two descriptors is one queue.
            (vec![queue(7, 1, 1), queue(7, 1, 1)], 2, InFlight::Perhaps(vec![7])),
            (vec![queue(7, 1, 1), queue(5, 1, 1)], 1, InFlight::Perhaps(vec![5, 7])),
            (vec![queue(7, 1, 1), queue(5, 2, 4)], 1, InFlight::Perhaps(vec![5, 7])),
        ];
        for (queues, missing, expected) in table {
            assert_eq!(whose(&queues, missing), expected, "{queues:?} for {missing}");
        }
    }
}
