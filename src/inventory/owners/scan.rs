//! The ordinary look: the descriptor tables of all processes.
//!
//! Nearly all of the cost of an inventory is here, some microseconds for each descriptor on the host, so all
//! cores share it. It never stops early: what reads the lowest descriptors first and stops when each socket has
//! a holder finds PID 1 and misses the service that it started, since that has the socket under another number.

use crate::model::Via;
use crate::sys::{Procfs, Table, Unreadable};
use crate::wire::fdinfo::socket_inode;
use std::collections::{BTreeMap, HashMap};
use std::ffi::CString;
use std::io;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

/// The link of an `io_uring`.
const RING: &[u8] = b"anon_inode:[io_uring]";

/// The inodes of the sockets that are looked for.
#[derive(Debug)]
pub(super) struct Wanted {
    inodes: Vec<u64>,
    /// A bit for each value of their lowest bits: most sockets of a host belong to connections, and are told
    /// apart by one look here.
    lowest_bits: Vec<u64>,
}

impl FromIterator<u64> for Wanted {
    /// Inode 0 is none.
    fn from_iter<I: IntoIterator<Item = u64>>(inodes: I) -> Self {
        let mut inodes: Vec<_> = inodes.into_iter().filter(|inode| *inode != 0).collect();
        inodes.sort_unstable();
        let mut lowest_bits = vec![0; Self::WORDS];
        for inode in &inodes {
            let (word, bit) = Self::place(*inode);
            if let Some(word) = lowest_bits.get_mut(word) {
                *word |= bit;
            }
        }
        Self { inodes, lowest_bits }
    }
}

impl Wanted {
    /// 32 kilobits: 4 KiB stay in the nearest cache.
    const WORDS: usize = 512;

    fn place(inode: u64) -> (usize, u64) {
        let word = usize::try_from(inode / 64 % 512).unwrap_or_default();
        (word, 1 << (inode % 64))
    }

    pub(super) fn contains(&self, inode: u64) -> bool {
        let (word, bit) = Self::place(inode);
        self.lowest_bits.get(word).is_some_and(|bits| bits & bit != 0)
            && self.inodes.binary_search(&inode).is_ok()
    }

    pub(super) fn len(&self) -> usize {
        self.inodes.len()
    }

    /// Those that nobody was found to hold.
    pub(super) fn without(&self, holders: &Holders) -> Self {
        self.inodes.iter().copied().filter(|inode| !holders.of.contains_key(inode)).collect()
    }
}

/// The processes that hold sockets.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Holders {
    /// Those of each socket, and how: `None` is the ordinary way.
    of: HashMap<u64, BTreeMap<u32, Option<Via>>>,
    /// When each started, of those in whose tables a socket was seen; `None` when it had ended right after.
    started: HashMap<u32, Option<u64>>,
}

impl Holders {
    /// A process that holds a socket in two ways is named with the first that was found.
    pub(super) fn add(&mut self, inode: u64, pid: u32, via: Option<Via>) {
        self.of.entry(inode).or_default().entry(pid).or_insert(via);
    }

    /// Whether a process that started then is the holder of this id, and not another one that got the id after it.
    pub(super) fn is(&self, pid: u32, started: u64) -> bool {
        self.started.get(&pid).is_none_or(|known| *known == Some(started))
    }

    /// Adds a process that has those that nobody else has, in a message.
    pub(super) fn add_rest(&mut self, wanted: &Wanted, pid: u32) {
        for inode in wanted.without(self).inodes {
            self.add(inode, pid, Some(Via::InFlight));
        }
    }

    pub(super) fn of(&self, inode: u64) -> impl Iterator<Item = (u32, Option<Via>)> {
        self.of.get(&inode).into_iter().flatten().map(|(pid, via)| (*pid, *via))
    }

    pub(super) fn all(&self) -> impl Iterator<Item = u32> {
        self.of.values().flatten().map(|(pid, _)| *pid)
    }

    /// The holders of sockets that have several: one alone needs no process tree to be the listener.
    pub(super) fn of_shared(&self) -> impl Iterator<Item = u32> {
        self.of.values().filter(|pids| pids.len() > 1).flatten().map(|(pid, _)| *pid)
    }

    pub(super) fn merge(&mut self, other: Self) {
        for (inode, pids) in other.of {
            self.of.entry(inode).or_default().extend(pids);
        }
        for (pid, started) in other.started {
            self.started.entry(pid).or_insert(started);
        }
    }
}

/// What the look found.
#[derive(Debug, Default)]
pub(super) struct Scan {
    pub(super) holders: Holders,
    /// The rings that processes have open: they may hold sockets.
    pub(super) rings: Vec<(Table, CString)>,
    pub(super) unread: Unread,
}

/// What a look at the processes could not see.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Unread {
    /// How many processes may not be read.
    pub(super) denied: usize,
    /// How many could not be read for want of descriptors or memory.
    pub(super) failed: usize,
    /// Whether `/proc` leaves out processes.
    pub(super) hidden: bool,
}

impl Unread {
    pub(super) fn nothing(self) -> bool {
        self == Self::default()
    }
}

/// Reads the table of every process.
pub(super) fn ordinary(procfs: &Procfs, wanted: &Wanted) -> io::Result<Scan> {
    let pids = procfs.pids()?;
    let tables: Vec<_> = pids.into_iter().map(Table::of).collect();
    of_tables(procfs, &tables, wanted)
}

/// Reads these tables.
pub(super) fn of_tables(procfs: &Procfs, tables: &[Table], wanted: &Wanted) -> io::Result<Scan> {
    let parts = shared_out(tables, |table, part: &mut Scan| {
        let via = table.thread.map(|_| Via::Thread);
        let read = procfs.open_table(*table).and_then(|open| {
            let mut holds = false;
            let read = open.files(|descriptor, link| {
                if let Some(inode) = socket_inode(link) {
                    if wanted.contains(inode) {
                        part.holders.add(inode, table.process, via);
                        holds = true;
                    }
                } else if link == RING {
                    part.rings.push((*table, descriptor.to_owned()));
                }
            });
            if holds {
                part.holders.started.entry(table.process).or_insert_with(|| open.started());
            }
            read
        });
        part.unread.denied += usize::from(read == Err(Unreadable::Denied));
        part.unread.failed += usize::from(read == Err(Unreadable::Failed));
    })?;
    let mut scan = Scan::default();
    for part in parts {
        scan.holders.merge(part.holders);
        scan.rings.extend(part.rings);
        scan.unread.denied += part.unread.denied;
        scan.unread.failed += part.unread.failed;
    }
    scan.unread.hidden = procfs.hides_processes();
    Ok(scan)
}

/// Does the work of each item once, on as many threads as there are cores (up to eight), and gives what each
/// thread has gathered.
pub(super) fn shared_out<I: Sync, T: Default + Send>(
    items: &[I],
    work: impl Fn(&I, &mut T) + Sync,
) -> io::Result<Vec<T>> {
    let next = AtomicUsize::new(0);
    let gather = || {
        let mut gathered = T::default();
        while let Some(item) = items.get(next.fetch_add(1, Ordering::Relaxed)) {
            work(item, &mut gathered);
        }
        gathered
    };
    let threads = thread::available_parallelism().map_or(1, |n| n.get().min(8).min(items.len()));
    thread::scope(|scope| {
        // Where the system gives no more threads, those that run do the work.
        let start = |_| thread::Builder::new().spawn_scoped(scope, gather).ok();
        let others: Vec<_> = (1..threads).filter_map(start).collect();
        let mut parts = vec![gather()];
        for other in others {
            parts
                .push(other.join().map_err(|_panic| io::Error::other("a scanning thread failed"))?);
        }
        Ok(parts)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_has_no_inode_is_not_looked_for() {
        // 4 and 4 + 32,768 share their lowest bits.
        let wanted: Wanted = [9, 0, 4].into_iter().collect();
        assert!(!wanted.contains(4 + 32_768));
        assert_eq!((wanted.len(), wanted.contains(4), wanted.contains(0)), (2, true, false));
        let mut holders = Holders::default();
        holders.add(4, 812, None);
        assert!(!wanted.without(&holders).contains(4) && wanted.without(&holders).contains(9));
    }

    #[test]
    fn each_item_is_worked_on_once() {
        let items: Vec<u32> = (0..1000).collect();
        let parts = shared_out(&items, |item, part: &mut Vec<u32>| part.push(*item)).unwrap();
        let mut all: Vec<_> = parts.into_iter().flatten().collect();
        all.sort_unstable();
        assert_eq!(all, items);
    }

    #[test]
    fn one_holder_is_named_once_for_each_socket() {
        let mut holders = Holders::default();
        holders.add(4, 812, None);
        holders.add(4, 812, Some(Via::Thread));
        holders.add(4, 7, Some(Via::IoUring));
        let found: Vec<_> = holders.of(4).collect();
        assert_eq!(found, [(7, Some(Via::IoUring)), (812, None)]);
        assert_eq!(holders.of(5).count(), 0);
        // Of a process that was found otherwise nothing speaks against it.
        holders.started.extend([(7, Some(4711)), (9, None)]);
        assert!(holders.is(7, 4711) && holders.is(812, 4711));
        assert!(!holders.is(7, 4712) && !holders.is(9, 4711));
    }
}
