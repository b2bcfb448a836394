//! Which of our namespaces are the host's first ones, and the network namespaces of others (`namespaces(7)`).
#![expect(unsafe_code, reason = "NS_GET_NSTYPE (ioctl_ns(2)) has no safe wrapper")]

use super::limits::raise_open_files;
use super::mounts::{Mount, mounts};
use super::procfs::Procfs;
use rustix::fs::{Mode, OFlags, fstat, fstatfs};
use rustix::io::Errno;
use rustix::thread::{LinkNameSpaceType, move_into_link_name_space};
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::sync::Mutex;
use std::sync::PoisonError;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

/// The inodes of the first namespaces (`enum init_ns_ino` of `linux/nsfs.h`): numbers below those that later
/// namespaces get. That of the network namespace has been there since Linux 6.18 only.
const FIRST_PID: u64 = 0xEFFF_FFFC;
const FIRST_CGROUP: u64 = 0xEFFF_FFFB;
const FIRST_NET: u64 = 0xEFFF_FFF9;

/// `NSFS_MAGIC` (`linux/magic.h`).
const NSFS_MAGIC: rustix::fs::FsWord = 0x6e73_6673;

/// So many descriptors are left for all else, where namespaces are kept open.
const FREE_DESCRIPTORS: usize = 64;

/// A network namespace.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Namespace {
    /// Its inode.
    pub inode: u64,
}

impl Namespace {
    /// Whether its number says that it is the host's first one.
    #[must_use]
    pub fn has_first_number(self) -> bool {
        self.inode == FIRST_NET
    }
}

/// The network namespace of a process, as `self` or `1`.
///
/// # Errors
/// When we may not look at it, or there is no such process.
pub fn network_namespace(process: &str) -> io::Result<Namespace> {
    let status = rustix::fs::stat(format!("/proc/{process}/ns/net"))?;
    Ok(Namespace { inode: status.st_ino })
}

/// Whether the first process, and with it what a service manager starts, is in our network namespace. Each namespace
/// has the files of `/proc/PID/net` for itself, and anybody may ask for their numbers. `None` where `/proc` hides it.
#[must_use]
pub fn first_process_shares_network() -> Option<bool> {
    let number = |process: &str| {
        let status = rustix::fs::stat(format!("/proc/{process}/net/dev")).ok()?;
        Some((status.st_dev, status.st_ino))
    };
    Some(number("1")? == number("thread-self")?)
}

/// A network namespace that is kept open, so that it can be entered.
#[derive(Debug)]
pub struct OpenNamespace {
    /// Its inode.
    pub inode: u64,
    /// The name that `ip netns` gave it.
    pub name: Option<String>,
    /// The processes that are in it, as far as they were looked for: those of which a thread is.
    pub processes: Vec<u32>,
    handle: OwnedFd,
}

impl OpenNamespace {
    /// Opens the namespace that a file stands for, as `/run/netns/blue` or `/proc/812/ns/net`.
    ///
    /// # Errors
    /// When it cannot be opened, or is no network namespace.
    pub fn at(path: &str) -> io::Result<Self> {
        // A pipe would wait for somebody to write.
        let flags = OFlags::RDONLY | OFlags::CLOEXEC | OFlags::NONBLOCK;
        let handle = rustix::fs::open(path, flags, Mode::empty())?;
        // A file of `ip netns` that lost its mount is an ordinary one.
        let is_namespace = fstatfs(&handle)?.f_type == NSFS_MAGIC;
        // SAFETY: ioctl(2) with NS_GET_NSTYPE takes no argument.
        let kind = || unsafe { libc::ioctl(handle.as_raw_fd(), libc::NS_GET_NSTYPE) };
        if !is_namespace || kind() != libc::CLONE_NEWNET {
            return Err(io::Error::other("it is no network namespace"));
        }
        let inode = fstat(&handle)?.st_ino;
        Ok(Self { inode, name: name_in(path), processes: Vec::new(), handle })
    }

    /// With the name that `ip netns` gave it, however it was found.
    #[must_use]
    pub fn with_name(self) -> Self {
        let root = format!("net:[{}]", self.inode);
        let names = || {
            let mounts = mounts().ok()?;
            let mut mounts = mounts.iter().filter(|it| is_network(it) && it.root == root);
            mounts.find_map(|mount| name_in(&mount.point))
        };
        Self { name: self.name.clone().or_else(names), ..self }
    }

    /// Enters that a process is in it, whose threads come one after the other.
    fn is_home_of(&mut self, pid: u32) {
        if self.processes.last() != Some(&pid) {
            self.processes.push(pid);
        }
    }

    /// Opens one that is mounted; `None` for one that is mounted no more.
    fn mounted(mount: &Mount) -> io::Result<Option<Self>> {
        // One of the same name and number may have been mounted in its place.
        const TRIES: u32 = 3;
        let mut tries = 0;
        loop {
            tries += 1;
            match Self::at(&mount.point) {
                Ok(open) => return Ok(Some(open)),
                Err(_) if !mounts()?.contains(mount) => return Ok(None),
                Err(error) if tries == TRIES => return Err(error),
                Err(_) => {}
            }
        }
    }
}

/// The name of a file of `ip netns`.
fn name_in(path: &str) -> Option<String> {
    let name = path.strip_prefix("/run/netns/").or_else(|| path.strip_prefix("/var/run/netns/"))?;
    Some(name.to_owned())
}

fn is_network(mount: &Mount) -> bool {
    mount.kind == "nsfs" && mount.root.starts_with("net:[")
}

/// The network namespaces of this host, as far as they can be found: those that a thread is in, and those that are
/// mounted (`ip netns`, container runtimes). One that is only kept open by a descriptor is not among them.
#[derive(Debug, Default)]
pub struct OpenNamespaces {
    /// Those that could be opened, by their inodes.
    pub found: BTreeMap<u64, OpenNamespace>,
    /// How many processes are in one that we may not look at.
    pub denied: usize,
    /// Whether `/proc` leaves out processes.
    pub hidden: bool,
    /// What could not be opened, each once, and why.
    pub failed: Vec<(String, String)>,
    /// The inodes of those.
    unopened: BTreeSet<u64>,
}

/// Opens every network namespace that can be found.
///
/// # Errors
/// When the processes cannot be listed.
pub fn network_namespaces(procfs: &Procfs) -> io::Result<OpenNamespaces> {
    let mut all = OpenNamespaces { hidden: procfs.hides_processes(), ..OpenNamespaces::default() };
    let most = raise_open_files().saturating_sub(FREE_DESCRIPTORS);
    for mount in mounts()?.iter().filter(|mount| is_network(mount)) {
        match OpenNamespace::mounted(mount) {
            // The name that people gave goes before that of a runtime.
            Ok(Some(open)) if open.name.is_some() || !all.found.contains_key(&open.inode) => {
                all.found.insert(open.inode, open);
            }
            Ok(_) => {}
            Err(error) => all.failed.push((mount.point.clone(), error.to_string())),
        }
    }
    for pid in procfs.pids()? {
        let denied = all.denied;
        all.add(pid, format!("/proc/{pid}/ns/net"), most);
        // Each thread may be somewhere else. Of a process that may not be looked at, no thread may.
        if all.denied == denied {
            let threads = procfs.threads(pid).unwrap_or_default();
            let others = threads.into_iter().filter(|thread| *thread != pid);
            others
                .for_each(|thread| all.add(pid, format!("/proc/{pid}/task/{thread}/ns/net"), most));
        }
    }
    Ok(all)
}

impl OpenNamespaces {
    /// Opens the namespace of a process or one of its threads, if it is a new one, and if fewer than `most` are open.
    fn add(&mut self, pid: u32, path: String, most: usize) {
        let inode = rustix::fs::stat(&path).map(|status| status.st_ino);
        let known = inode.as_ref().ok().and_then(|inode| self.found.get_mut(inode));
        if let Some(known) = known {
            known.is_home_of(pid);
            return;
        }
        let opened = match inode {
            Ok(inode) if self.unopened.contains(&inode) => return,
            Ok(_) if self.found.len() < most => OpenNamespace::at(&path),
            Ok(_) => Err(Errno::MFILE.into()),
            Err(error) => Err(error.into()),
        };
        match opened {
            Ok(mut open) => {
                open.is_home_of(pid);
                self.found.insert(open.inode, open);
            }
            // It has ended. The kernel refuses the link of a process that ends while it is followed.
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(_) if !fs::exists(format!("/proc/{pid}")).unwrap_or(true) => {}
            Err(error) if error.kind() == io::ErrorKind::PermissionDenied => self.denied += 1,
            Err(error) => {
                self.unopened.extend(inode);
                self.failed.push((path, error.to_string()));
            }
        }
    }
}

/// Does the work in each namespace, on threads of its own, and gives what came of it in the order of the namespaces.
pub fn in_namespaces<T: Send>(
    namespaces: &[&OpenNamespace],
    work: impl Fn(&OpenNamespace) -> T + Sync,
) -> Vec<io::Result<T>> {
    if namespaces.is_empty() {
        return Vec::new();
    }
    let threads = thread::available_parallelism().map_or(1, |n| n.get().min(8));
    let next = AtomicUsize::new(0);
    let done = Mutex::new(BTreeMap::new());
    let go_round = || {
        loop {
            let at = next.fetch_add(1, Ordering::Relaxed);
            let Some(namespace) = namespaces.get(at) else { break };
            let entered = move_into_link_name_space(
                namespace.handle.as_fd(),
                Some(LinkNameSpaceType::Network),
            );
            let result = entered.map(|()| work(namespace)).map_err(io::Error::from);
            done.lock().unwrap_or_else(PoisonError::into_inner).insert(at, result);
        }
    };
    thread::scope(|scope| {
        for _ in 0..threads.min(namespaces.len()) {
            // Never on the caller's thread, which would be somewhere else afterwards.
            drop(thread::Builder::new().spawn_scoped(scope, go_round));
        }
    });
    let mut done = done.into_inner().unwrap_or_else(PoisonError::into_inner);
    let lost = || Err(io::Error::other("a thread of portsight failed"));
    (0..namespaces.len()).map(|at| done.remove(&at).unwrap_or_else(lost)).collect()
}

/// Whether we are in the host's first pid namespace: from there every process has an id that we can see.
#[must_use]
pub fn pid_namespace_is_initial() -> bool {
    is_first("pid", FIRST_PID) == Some(true)
}

/// Whether we are in the host's first cgroup namespace; `None` where `/proc` does not tell.
#[must_use]
pub fn cgroup_namespace_is_initial() -> Option<bool> {
    is_first("cgroup", FIRST_CGROUP)
}

fn is_first(kind: &str, first: u64) -> Option<bool> {
    match rustix::fs::stat(format!("/proc/self/ns/{kind}")) {
        Ok(status) => Some(status.st_ino == first),
        // A kernel without namespaces of this kind has only the first one.
        Err(Errno::NOENT) if fs::exists("/proc/self/ns/mnt").unwrap_or(false) => Some(true),
        Err(_) => None,
    }
}

/// The environment that the first process of our pid namespace was started with.
///
/// # Errors
/// When it may not be read.
pub fn first_process_environment() -> io::Result<Vec<String>> {
    let bytes = fs::read("/proc/1/environ")?;
    let words = bytes.split(|byte| *byte == 0).filter(|word| !word.is_empty());
    Ok(words.map(|word| String::from_utf8_lossy(word).into_owned()).collect())
}
