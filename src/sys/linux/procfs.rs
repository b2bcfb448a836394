//! `/proc`: processes and the sockets they have open (`proc(5)`).

use rustix::fs::{Mode, OFlags, RawDir, openat, readlinkat, readlinkat_raw};
use rustix::io::Errno;
use std::ffi::OsString;
use std::fs::File;
use std::io::{self, Read};
use std::mem::MaybeUninit;
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStringExt;

/// `/proc`, opened once.
#[derive(Debug)]
pub struct Procfs {
    root: OwnedFd,
}

/// Why the descriptors of a process were not read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unreadable {
    /// The kernel refused.
    Denied,
    /// The process has ended.
    Gone,
    /// It failed on our side: no descriptor, no memory.
    Failed,
}

const DIRECTORY: OFlags = OFlags::RDONLY.union(OFlags::DIRECTORY).union(OFlags::CLOEXEC);

impl Procfs {
    /// Opens `/proc`.
    ///
    /// # Errors
    /// When it is not mounted, or shows no process: not even our own.
    pub fn open() -> io::Result<Self> {
        let root = rustix::fs::open("/proc", DIRECTORY, Mode::empty())?;
        openat(&root, "self/fd", DIRECTORY, Mode::empty())
            .map_err(|error| io::Error::other(format!("/proc shows no processes: {error}")))?;
        Ok(Self { root })
    }

    /// The ids of all processes that it shows.
    ///
    /// # Errors
    /// When it cannot be listed.
    pub fn pids(&self) -> io::Result<Vec<u32>> {
        let directory = openat(&self.root, ".", DIRECTORY, Mode::empty())?;
        let mut buffer = [MaybeUninit::<u8>::uninit(); 16 * 1024];
        let mut entries = RawDir::new(&directory, &mut buffer);
        let mut pids = Vec::new();
        while let Some(entry) = entries.next() {
            pids.extend(
                number(entry?.file_name().to_bytes()).and_then(|pid| u32::try_from(pid).ok()),
            );
        }
        Ok(pids)
    }

    /// The arguments of a process, empty ones too; none for a kernel thread.
    ///
    /// # Errors
    /// When they cannot be read.
    pub fn arguments(&self, pid: u32) -> io::Result<Vec<OsString>> {
        let path = format!("{pid}/cmdline");
        let file = openat(&self.root, path, OFlags::RDONLY | OFlags::CLOEXEC, Mode::empty())?;
        let mut bytes = Vec::new();
        File::from(file).read_to_end(&mut bytes)?;
        let words = bytes.split(|byte| *byte == 0);
        let mut words: Vec<_> = words.map(|word| OsString::from_vec(word.to_vec())).collect();
        // A zero byte ends each argument, and pads the rest when a program has shortened its own title.
        while words.pop_if(|word| word.is_empty()).is_some() {}
        Ok(words)
    }

    /// The cgroups of a process, one in each hierarchy, as the kernel writes them (`cgroups(7)`).
    ///
    /// # Errors
    /// When they cannot be read.
    pub fn cgroups(&self, pid: u32) -> io::Result<String> {
        self.text(&format!("{pid}/cgroup"))
    }

    /// Our own cgroups.
    ///
    /// # Errors
    /// When they cannot be read.
    pub fn own_cgroups(&self) -> io::Result<String> {
        self.text("self/cgroup")
    }

    fn text(&self, path: &str) -> io::Result<String> {
        let file = openat(&self.root, path, OFlags::RDONLY | OFlags::CLOEXEC, Mode::empty())?;
        let mut bytes = Vec::new();
        File::from(file).read_to_end(&mut bytes)?;
        Ok(String::from_utf8_lossy(&bytes).into_owned())
    }

    /// Where a link of a process leads, as `exe` or `cwd`; `None` where it has none (a kernel thread).
    ///
    /// # Errors
    /// When it may not be read, or the process has ended.
    pub fn link(&self, pid: u32, name: &str) -> io::Result<Option<OsString>> {
        match readlinkat(&self.root, format!("{pid}/{name}"), Vec::new()) {
            Ok(target) => Ok(Some(OsString::from_vec(target.into_bytes()))),
            Err(Errno::NOENT) => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    /// Whether processes of others may be left out (the mount options `hidepid=2` and `hidepid=4`): the first
    /// process of every pid namespace is 1.
    #[must_use]
    pub fn hides_processes(&self) -> bool {
        rustix::fs::statat(&self.root, "1", rustix::fs::AtFlags::empty()).is_err()
    }

    /// Calls `found` with the inode of each socket that the process has open, as often as it has it open.
    ///
    /// # Errors
    /// When its descriptors cannot be read.
    pub fn open_sockets(&self, pid: u32, mut found: impl FnMut(u64)) -> Result<(), Unreadable> {
        let path = format!("{pid}/fd");
        let directory = openat(&self.root, path, DIRECTORY, Mode::empty()).map_err(unreadable)?;
        let mut buffer = [MaybeUninit::<u8>::uninit(); 8 * 1024];
        let mut entries = RawDir::new(&directory, &mut buffer);
        // "socket:[" and an inode of up to 20 digits; a longer link is no socket.
        let mut link = [MaybeUninit::<u8>::uninit(); 32];
        let mut read = Ok(());
        while let Some(entry) = entries.next() {
            let entry = entry.map_err(unreadable)?;
            match readlinkat_raw(&directory, entry.file_name(), &mut link) {
                Ok((target, _)) => {
                    if let Some(inode) = socket_inode(target) {
                        found(inode);
                    }
                }
                // Closed since it was listed; "." and ".." are no links.
                Err(Errno::NOENT | Errno::INVAL) => {}
                // The next may be read all the same.
                Err(error) => read = Err(unreadable(error)),
            }
        }
        read
    }
}

fn unreadable(error: Errno) -> Unreadable {
    match error {
        Errno::NOENT | Errno::SRCH => Unreadable::Gone,
        Errno::ACCESS | Errno::PERM => Unreadable::Denied,
        _ => Unreadable::Failed,
    }
}

/// The inode in the link of an open socket, `socket:[4711]`.
fn socket_inode(link: &[u8]) -> Option<u64> {
    number(link.strip_prefix(b"socket:[")?.strip_suffix(b"]")?)
}

fn number(digits: &[u8]) -> Option<u64> {
    str::from_utf8(digits).ok()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_socket_links_have_a_socket_inode() {
        assert_eq!(socket_inode(b"socket:[4711]"), Some(4711));
        for link in [
            &b"pipe:[4711]"[..],
            b"socket:[]",
            b"socket:[4711",
            b"/tmp/socket:[4711]",
            b"socket:[-1]",
        ] {
            assert_eq!(socket_inode(link), None, "{}", link.escape_ascii());
        }
    }

    #[test]
    fn our_own_socket_is_found() {
        use std::os::fd::AsFd;
        let socket = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
        let inode = rustix::fs::fstat(socket.as_fd()).unwrap().st_ino;
        let mut seen = Vec::new();
        Procfs::open().unwrap().open_sockets(std::process::id(), |inode| seen.push(inode)).unwrap();
        assert!(seen.contains(&inode), "{inode} in {seen:?}");
    }
}
