//! The cgroup2 hierarchy (`cgroups(7)`): from the id of a cgroup to its path.

use super::mounts;
use rustix::fs::{AtFlags, FileType, Mode, OFlags, RawDir, fstat, fstatfs, openat, statat};
use std::collections::{HashMap, HashSet};
use std::io;
use std::mem::MaybeUninit;
use std::os::fd::OwnedFd;

/// `CGROUP2_SUPER_MAGIC` (`linux/magic.h`).
const MAGIC: u64 = 0x6367_7270;
/// The inode of the first directory of a hierarchy (kernfs numbers from here).
const FIRST: u64 = 1;
/// A hierarchy with more directories is walked no further.
const MOST: usize = 100_000;

const DIRECTORY: OFlags = OFlags::RDONLY.union(OFlags::DIRECTORY).union(OFlags::CLOEXEC);

/// A mounted cgroup2 hierarchy, or the part of it that is mounted.
#[derive(Debug)]
pub struct Cgroup2 {
    root: OwnedFd,
    id: u64,
    /// The path of the mounted part within what our cgroup namespace shows.
    prefix: String,
}

/// The paths that a walk found.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct CgroupPaths {
    /// The path of each id that was found.
    pub found: HashMap<u64, String>,
    /// How many directories could not be read.
    pub unread: usize,
    /// Whether it ended before the end of the hierarchy was reached.
    pub cut: bool,
}

impl Cgroup2 {
    /// The hierarchy where it is mounted; the whole of it rather than a part. `None` where none is.
    ///
    /// # Errors
    /// When the mounts cannot be listed, or none of the mounted hierarchies can be opened.
    pub fn open() -> io::Result<Option<Self>> {
        let mut failure = None;
        let mut best: Option<Self> = None;
        for mount in mounts::mounts()?.into_iter().filter(|mount| mount.kind == "cgroup2") {
            match Self::at(&mount) {
                Ok(Some(found)) if best.as_ref().is_none_or(|best| !best.is_whole()) => {
                    best = Some(found);
                }
                Ok(_) => {}
                Err(error) => failure = Some(error),
            }
        }
        match (best, failure) {
            (None, Some(error)) => Err(error),
            (best, _) => Ok(best),
        }
    }

    /// `None` when something else is mounted over it.
    fn at(mount: &mounts::Mount) -> io::Result<Option<Self>> {
        let root = rustix::fs::open(&mount.point, DIRECTORY, Mode::empty())?;
        if u64::try_from(fstatfs(&root)?.f_type) != Ok(MAGIC) {
            return Ok(None);
        }
        let id = fstat(&root)?.st_ino;
        let is_known = mount.root != "/" && !mount.root.contains("/..") && id != FIRST;
        let prefix = if is_known { mount.root.clone() } else { String::new() };
        Ok(Some(Self { root, id, prefix }))
    }

    /// Whether its first directory is that of the hierarchy, and not one that a cgroup namespace begins at.
    #[must_use]
    pub fn is_whole(&self) -> bool {
        self.id == FIRST
    }

    /// The id of its first directory.
    #[must_use]
    pub fn id(&self) -> u64 {
        self.id
    }

    /// The directory with this path, as [`Cgroup2::paths`] gives it.
    ///
    /// # Errors
    /// When it is gone, or must not be opened.
    pub fn descend(&self, path: &str) -> io::Result<OwnedFd> {
        let below = path.strip_prefix(&self.prefix).unwrap_or(path).trim_matches('/');
        let below = if below.is_empty() { "." } else { below };
        Ok(openat(&self.root, below, DIRECTORY, Mode::empty())?)
    }

    /// The paths of these ids, by a walk through the directories that ends when all are found.
    #[must_use]
    pub fn paths(&self, wanted: &HashSet<u64>) -> CgroupPaths {
        let mut walk = CgroupPaths::default();
        if wanted.contains(&self.id) {
            walk.found.insert(self.id, format!("{}/", self.prefix));
        }
        let mut buffer = [MaybeUninit::<u8>::uninit(); 16 * 1024];
        let mut open = vec![String::new()];
        let mut seen = 0;
        while let Some(path) = open.pop() {
            if walk.found.len() == wanted.len() {
                break;
            }
            if seen > MOST {
                walk.cut = true;
                break;
            }
            match self.read(&path, wanted, &mut buffer, &mut walk.found) {
                Ok(below) => {
                    seen += below.len();
                    open.extend(below);
                }
                // Removed since it was listed.
                Err(rustix::io::Errno::NOENT | rustix::io::Errno::NODEV) => {}
                Err(_) => walk.unread += 1,
            }
        }
        walk
    }

    /// Reads one directory, whose path is without the leading slash; gives those below it that have directories
    /// themselves. A leaf is never opened: it may hold a hundred files of the kernel's.
    fn read(
        &self,
        path: &str,
        wanted: &HashSet<u64>,
        buffer: &mut [MaybeUninit<u8>],
        found: &mut HashMap<u64, String>,
    ) -> Result<Vec<String>, rustix::io::Errno> {
        /// `.` and the entry in the directory above.
        const LINKS_OF_A_LEAF: libc::nlink_t = 2;
        let name = if path.is_empty() { "." } else { path };
        let directory = openat(&self.root, name, DIRECTORY, Mode::empty())?;
        let mut entries = RawDir::new(&directory, buffer);
        let mut below = Vec::new();
        while let Some(entry) = entries.next() {
            let entry = entry?;
            let name = entry.file_name();
            if entry.file_type() != FileType::Directory || matches!(name.to_bytes(), b"." | b"..") {
                continue;
            }
            let full = match path {
                "" => name.to_string_lossy().into_owned(),
                path => format!("{path}/{}", name.to_string_lossy()),
            };
            if wanted.contains(&entry.ino()) {
                found.insert(entry.ino(), format!("{}/{full}", self.prefix));
            }
            // A directory that is gone has nothing below; one whose links cannot be counted is opened.
            let links = statat(&directory, name, AtFlags::SYMLINK_NOFOLLOW);
            if links.map_or(true, |status| status.st_nlink > LINKS_OF_A_LEAF) {
                below.push(full);
            }
        }
        Ok(below)
    }
}
