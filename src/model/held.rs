//! What every socket has, with a port or without: its number, its user, its holders, and what manages it.

use super::{Container, Owner, OwnersUnknown, Role, Seen, Unit};

/// The inode number of a socket; 0 for one that no process has: not accepted yet, or closed already.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Inode(pub u64);

/// Who made a socket, who holds it, and what manages it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Held {
    /// Its inode.
    pub inode: Inode,
    /// The user who made it.
    pub uid: Seen<u32>,
    /// That user's name.
    pub user: Seen<String>,
    /// The id of its cgroup (the inode number of the cgroup2 directory); absent for what is left of a connection.
    pub cgroup: Seen<u64>,
    /// The unit of systemd that it belongs to.
    pub unit: Seen<Unit>,
    /// The container that it belongs to.
    pub container: Seen<Container>,
    /// Its network namespace by name, else as `net:[4026532281]`; `None` for ours.
    pub netns: Option<String>,
    /// The processes that hold it, the listener first.
    pub owners: Vec<Owner>,
    /// Why `owners` is empty.
    pub owners_unknown: Option<OwnersUnknown>,
}

impl Held {
    /// A socket of which only the kernel's table has been read.
    #[must_use]
    pub fn new(inode: Inode, uid: Seen<u32>) -> Self {
        const NOT_YET: &str = "not looked for";
        Self {
            inode,
            uid,
            user: Seen::Absent,
            cgroup: Seen::Skipped("not shown for this kind of socket"),
            unit: Seen::Skipped(NOT_YET),
            container: Seen::Skipped(NOT_YET),
            netns: None,
            owners: Vec::new(),
            owners_unknown: None,
        }
    }

    /// The holder to name: the service where a service manager keeps its socket, else the listener.
    #[must_use]
    pub fn foremost(&self) -> Option<&Owner> {
        let is_service = |owner: &&Owner| owner.role == Role::SocketActivated;
        self.owners.iter().find(is_service).or(self.owners.first())
    }
}
