//! Which of our namespaces are the host's first ones (`namespaces(7)`).

use rustix::io::Errno;
use std::fs;
use std::io;

/// The inodes of the first namespaces (`enum init_ns_ino` of `linux/nsfs.h`): numbers below those that later
/// namespaces get. That of the network namespace has been there since Linux 6.18 only.
const FIRST_PID: u64 = 0xEFFF_FFFC;
const FIRST_CGROUP: u64 = 0xEFFF_FFFB;
const FIRST_NET: u64 = 0xEFFF_FFF9;

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
