//! `/proc`: processes and the sockets they have open (`proc(5)`).

use rustix::buffer::spare_capacity;
use rustix::fs::{Mode, OFlags, RawDir, openat, readlinkat, readlinkat_raw};
use rustix::io::Errno;
use std::ffi::{CStr, OsString};
use std::io;
use std::mem::MaybeUninit;
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStringExt;
use std::str::FromStr;

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

/// A descriptor table: a process has one, and each of its threads may have one of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Table {
    /// The process.
    pub process: u32,
    /// The thread whose own it is.
    pub thread: Option<u32>,
}

impl Table {
    /// The table of a process.
    #[must_use]
    pub fn of(process: u32) -> Self {
        Self { process, thread: None }
    }

    fn path(self, name: &str) -> String {
        let Self { process, thread } = self;
        thread.map_or_else(
            || format!("{process}/{name}"),
            |thread| format!("{process}/task/{thread}/{name}"),
        )
    }
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
        self.numbered(".")
    }

    /// The arguments of a process, empty ones too; none for a kernel thread.
    ///
    /// # Errors
    /// When they cannot be read.
    pub fn arguments(&self, table: Table) -> io::Result<Vec<OsString>> {
        self.words(&table.path("cmdline"))
    }

    /// The environment that a process was started with, as `NAME=VALUE`.
    ///
    /// # Errors
    /// When it may not be read, or the process has ended.
    pub fn environment(&self, pid: u32) -> io::Result<Vec<OsString>> {
        self.words(&format!("{pid}/environ"))
    }

    fn words(&self, path: &str) -> io::Result<Vec<OsString>> {
        let bytes = self.read(path)?;
        let words = bytes.split(|byte| *byte == 0);
        let mut words: Vec<_> = words.map(|word| OsString::from_vec(word.to_vec())).collect();
        // A zero byte ends each argument, and pads the rest when a program has shortened its own title.
        while words.pop_if(|word| word.is_empty()).is_some() {}
        Ok(words)
    }

    /// The cgroups of a process, one in each hierarchy, as the kernel writes them (`cgroups(7)`); `None` when it has
    /// ended.
    ///
    /// # Errors
    /// When they cannot be read.
    pub fn cgroups(&self, pid: u32) -> io::Result<Option<String>> {
        match self.text(&format!("{pid}/cgroup")) {
            Err(error) if has_ended(&error) => Ok(None),
            read => read.map(Some),
        }
    }

    /// Our own cgroups.
    ///
    /// # Errors
    /// When they cannot be read.
    pub fn own_cgroups(&self) -> io::Result<String> {
        self.text("self/cgroup")
    }

    fn text(&self, path: &str) -> io::Result<String> {
        Ok(String::from_utf8_lossy(&self.read(path)?).into_owned())
    }

    /// Where a link of a process leads, as `exe` or `cwd`; `None` where it has none (a kernel thread, or one that has
    /// ended).
    ///
    /// # Errors
    /// When it may not be read.
    pub fn link(&self, table: Table, name: &str) -> io::Result<Option<OsString>> {
        match readlinkat(&self.root, table.path(name), Vec::new()) {
            Ok(target) => Ok(Some(OsString::from_vec(target.into_bytes()))),
            Err(Errno::NOENT | Errno::SRCH) => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    /// Whether processes of others may be left out (the mount options `hidepid=2` and `hidepid=4`): the first
    /// process of every pid namespace is 1.
    #[must_use]
    pub fn hides_processes(&self) -> bool {
        rustix::fs::statat(&self.root, "1", rustix::fs::AtFlags::empty()).is_err()
    }

    /// Opens a descriptor table.
    ///
    /// # Errors
    /// When it cannot be read.
    pub fn open_table(&self, table: Table) -> Result<OpenTable, Unreadable> {
        let directory = openat(&self.root, table.path("fd"), DIRECTORY, Mode::empty());
        Ok(OpenTable { directory: directory.map_err(unreadable)?, table })
    }

    /// What the kernel says of a descriptor beside its link (`fdinfo`).
    ///
    /// # Errors
    /// When it may not be read, or the descriptor is closed.
    pub fn descriptor_info(&self, table: Table, descriptor: &CStr) -> io::Result<Vec<u8>> {
        let path = format!("{}/{}", table.path("fdinfo"), descriptor.to_string_lossy());
        self.read(&path)
    }

    /// The threads of a process, its first one included.
    ///
    /// # Errors
    /// When they cannot be listed.
    pub fn threads(&self, pid: u32) -> io::Result<Vec<u32>> {
        self.numbered(&format!("{pid}/task"))
    }

    /// The kernel's name of a process: 15 bytes, which it may set to anything.
    ///
    /// # Errors
    /// When it has ended.
    pub fn comm(&self, pid: u32) -> io::Result<String> {
        Ok(self.text(&format!("{pid}/comm"))?.trim_end_matches('\n').to_owned())
    }

    /// The users that a process is: real, effective, saved, and of its files.
    ///
    /// # Errors
    /// When it has ended.
    pub fn users(&self, pid: u32) -> io::Result<Vec<u32>> {
        let text = self.text(&format!("{pid}/status"))?;
        let line = text.lines().find_map(|line| line.strip_prefix("Uid:")).unwrap_or_default();
        Ok(line.split_whitespace().filter_map(|uid| uid.parse().ok()).collect())
    }

    /// How a process stands in the tree.
    ///
    /// # Errors
    /// When it has ended.
    pub fn kin(&self, pid: u32) -> io::Result<Kin> {
        let text = self.read(&format!("{pid}/stat"))?;
        kin(&text).ok_or_else(|| io::Error::other("/proc/PID/stat could not be read"))
    }

    fn read(&self, path: &str) -> io::Result<Vec<u8>> {
        read(&self.root, path)
    }

    fn numbered(&self, path: &str) -> io::Result<Vec<u32>> {
        let directory = openat(&self.root, path, DIRECTORY, Mode::empty())?;
        let mut buffer = [MaybeUninit::<u8>::uninit(); 16 * 1024];
        let mut entries = RawDir::new(&directory, &mut buffer);
        let mut numbers = Vec::new();
        while let Some(entry) = entries.next() {
            numbers.extend(number::<u32>(entry?.file_name().to_bytes()));
        }
        Ok(numbers)
    }
}

/// A descriptor table that is open. It stays that of its process, also when another one gets the id.
#[derive(Debug)]
pub struct OpenTable {
    directory: OwnedFd,
    table: Table,
}

impl OpenTable {
    /// Calls `found` with the number and the link of each descriptor (`socket:[4711]`), as far as the link is short:
    /// those of sockets are, and those of an `io_uring`.
    ///
    /// # Errors
    /// When a descriptor cannot be read.
    pub fn files(&self, mut found: impl FnMut(&CStr, &[u8])) -> Result<(), Unreadable> {
        let mut buffer = [MaybeUninit::<u8>::uninit(); 8 * 1024];
        let mut entries = RawDir::new(&self.directory, &mut buffer);
        // "socket:[" and an inode of up to 20 digits.
        let mut link = [MaybeUninit::<u8>::uninit(); 32];
        let mut read = Ok(());
        while let Some(entry) = entries.next() {
            let entry = entry.map_err(unreadable)?;
            // "." and "..", which are no links.
            if entry.file_name().to_bytes().starts_with(b".") {
                continue;
            }
            match readlinkat_raw(&self.directory, entry.file_name(), &mut link) {
                // A link that fills the buffer was cut.
                Ok((target, rest)) if !rest.is_empty() => found(entry.file_name(), target),
                // Closed since it was listed.
                Ok(_) | Err(Errno::NOENT) => {}
                // The kernel asks who may look into the process, and so says the same of each (proc(5)).
                Err(Errno::ACCESS) => return Err(Unreadable::Denied),
                // The next may be read all the same.
                Err(error) => read = Err(unreadable(error)),
            }
        }
        read
    }

    /// When its process started, in clock ticks since the boot; `None` when it has ended.
    #[must_use]
    pub fn started(&self) -> Option<u64> {
        let stat = if self.table.thread.is_none() { "../stat" } else { "../../../stat" };
        Some(kin(&read(&self.directory, stat).ok()?)?.started)
    }
}

fn read(directory: &OwnedFd, path: &str) -> io::Result<Vec<u8>> {
    let file = openat(directory, path, OFlags::RDONLY | OFlags::CLOEXEC, Mode::empty())?;
    // The kernel makes these files while they are read: asking for their size first tells nothing.
    let mut bytes = Vec::with_capacity(512);
    loop {
        if bytes.len() == bytes.capacity() {
            bytes.reserve(bytes.len());
        }
        match rustix::io::read(&file, spare_capacity(&mut bytes)) {
            Ok(0) => return Ok(bytes),
            Ok(_) | Err(Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
    }
}

/// How a process stands in the tree.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Kin {
    /// Its parent; 0 for a process without one in our pid namespace.
    pub parent: u32,
    /// When it started, in clock ticks since the boot.
    pub started: u64,
    /// Whether a signal or a debugger has stopped it.
    pub stopped: bool,
}

/// What `/proc/PID/stat` says: the first, the second and the twentieth field behind the name, which
/// stands in parentheses and may hold any byte.
fn kin(text: &[u8]) -> Option<Kin> {
    let name_ends = text.iter().rposition(|byte| *byte == b')')?;
    let mut fields = text.get(name_ends + 1..)?.split(|byte| *byte == b' ').skip(1);
    Some(Kin {
        stopped: matches!(fields.next()?, b"T" | b"t"),
        parent: number(fields.next()?)?,
        started: number(fields.nth(17)?)?,
    })
}

fn unreadable(error: Errno) -> Unreadable {
    match error {
        Errno::NOENT | Errno::SRCH => Unreadable::Gone,
        Errno::ACCESS | Errno::PERM => Unreadable::Denied,
        _ => Unreadable::Failed,
    }
}

/// What the kernel says of a process that is not there any more.
fn has_ended(error: &io::Error) -> bool {
    Errno::from_io_error(error).is_some_and(|errno| unreadable(errno) == Unreadable::Gone)
}

fn number<T: FromStr>(digits: &[u8]) -> Option<T> {
    str::from_utf8(digits).ok()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hostile_name_does_not_hide_the_parent() {
        let rest = "S 7 5 5 0 -1 4 1 0 0 0 0 0 0 0 20 0 1 0 4711 9 9";
        for name in ["sh", "a b", ") S 1 1", "((", "\u{1}\n"] {
            let text = format!("12 ({name}) {rest}");
            assert_eq!(
                kin(text.as_bytes()),
                Some(Kin { parent: 7, started: 4711, stopped: false }),
                "{text:?}"
            );
        }
        for (state, stopped) in [("T", true), ("t", true), ("R", false)] {
            let text = format!("12 (sh) {}", rest.replacen('S', state, 1));
            assert_eq!(kin(text.as_bytes()).map(|kin| kin.stopped), Some(stopped), "{state}");
        }
        for text in ["", "12 (sh)", "12 (sh) S 7", "12 sh S 7 5"] {
            assert_eq!(kin(text.as_bytes()), None, "{text:?}");
        }
    }

    #[test]
    fn we_have_a_parent_and_a_thread() {
        let procfs = Procfs::open().unwrap();
        let ours = procfs.kin(std::process::id()).unwrap();
        assert_eq!(ours.parent, std::os::unix::process::parent_id());
        assert!(ours.started > 0);
        assert!(procfs.threads(std::process::id()).unwrap().contains(&std::process::id()));
    }

    #[test]
    fn our_own_socket_is_found() {
        use std::os::fd::AsFd;
        let socket = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
        let inode = rustix::fs::fstat(socket.as_fd()).unwrap().st_ino;
        let wanted = format!("socket:[{inode}]");
        let procfs = Procfs::open().unwrap();
        let us = Table::of(std::process::id());
        let mut found = None;
        let look = |fd: &CStr, link: &[u8]| {
            if link == wanted.as_bytes() {
                found = Some(fd.to_owned());
            }
        };
        let table = procfs.open_table(us).unwrap();
        table.files(look).unwrap();
        assert_eq!(table.started(), Some(procfs.kin(us.process).unwrap().started));
        let thread = Table { thread: Some(us.process), ..us };
        assert_eq!(procfs.open_table(thread).unwrap().started(), table.started());
        let info = procfs.descriptor_info(us, &found.expect("it is open")).unwrap();
        assert!(info.starts_with(b"pos:"), "{}", info.escape_ascii());
    }
}
