//! Cgroups of a test's own in the cgroup2 hierarchy of this machine, for its processes to be in.

use rustix::event::{Timespec, poll};
use std::env;
use std::fs::{self, File};
use std::io::{self, ErrorKind, Write as _};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};

/// The environment variable for a machine on which no cgroup, no systemd or no container can be made.
const WITHOUT: &str = "PORTSIGHT_WITHOUT_WORLDS";

/// Says that a world cannot be made here; fails, unless that was agreed to.
#[track_caller]
pub(crate) fn did_not_run(why: &str) {
    assert!(env::var_os(WITHOUT).is_some(), "did not run: {why} ({WITHOUT}=1 lets it pass)");
    let test = std::thread::current().name().unwrap_or_default().to_owned();
    drop(writeln!(io::stderr(), "did not run: {test}: {why}"));
}

/// A directory of cgroups: below it are those of the test. All are removed when it is dropped.
pub(crate) struct Cgroups {
    top: PathBuf,
    name: String,
}

/// A cgroup.
pub(crate) struct Cgroup(PathBuf);

impl Cgroups {
    /// A slice of the test's own; `None` where there is no cgroup2 hierarchy that we may write to.
    pub(crate) fn new() -> Option<Self> {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let number = COUNT.fetch_add(1, Ordering::Relaxed);
        let name = format!("portsight-test-{}-{number}.slice", std::process::id());
        let made = mounted().ok_or_else(|| "no cgroup2 hierarchy is mounted".to_owned());
        let made = made.and_then(|root| {
            let top = root.join(&name);
            fs::create_dir(&top).map(|()| top).map_err(|error| format!("no cgroup: {error}"))
        });
        match made {
            Ok(top) => Some(Self { top, name }),
            Err(why) => {
                did_not_run(&why);
                None
            }
        }
    }

    /// The cgroup with this path below the slice.
    pub(crate) fn at(&self, path: &str) -> Cgroup {
        let path = self.top.join(path);
        fs::create_dir_all(&path).unwrap();
        Cgroup(path)
    }
}

impl Drop for Cgroups {
    fn drop(&mut self) {
        remove(&self.top);
        // What systemd runs has its place in the hierarchies of cgroup v1 too.
        remove_everywhere(&self.name);
    }
}

impl Cgroup {
    /// The file that takes processes in.
    pub(crate) fn door(&self) -> File {
        File::options().write(true).open(self.0.join("cgroup.procs")).unwrap()
    }

    /// Its directory.
    pub(crate) fn path(&self) -> &Path {
        &self.0
    }

    /// Takes in a process.
    pub(crate) fn take(&self, pid: u32) {
        write!(self.door(), "{pid}").expect("a process can be moved");
    }

    /// Removes it: it must be empty.
    pub(crate) fn remove(self) {
        fs::remove_dir(self.0).expect("an empty cgroup can be removed");
    }
}

/// Waits for so many milliseconds; for something that tells nobody when it has happened.
pub(crate) fn pause(milliseconds: i64) {
    let time = Timespec { tv_sec: 0, tv_nsec: milliseconds * 1_000_000 };
    poll(&mut [], Some(&time)).unwrap();
}

/// Removes the cgroup of this name in each hierarchy, where there are several.
pub(crate) fn remove_everywhere(name: &str) {
    for hierarchy in fs::read_dir("/sys/fs/cgroup").into_iter().flatten().flatten() {
        remove(&hierarchy.path().join(name));
    }
    remove(&Path::new("/sys/fs/cgroup").join(name));
}

/// Removes a cgroup and what is below, as soon as the last process in it is gone: one that was killed takes its time.
fn remove(path: &Path) {
    for entry in fs::read_dir(path).into_iter().flatten().flatten() {
        if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
            remove(&entry.path());
        }
    }
    for _ in 0..100 {
        match fs::remove_dir(path) {
            Err(error) if error.kind() == ErrorKind::ResourceBusy => pause(50),
            _ => return,
        }
    }
}

/// Where the cgroup2 hierarchy is.
fn mounted() -> Option<PathBuf> {
    let mounts = fs::read_to_string("/proc/self/mountinfo").unwrap();
    let line = mounts.lines().find(|line| line.contains(" - cgroup2 "))?;
    line.split(' ').nth(4).map(PathBuf::from)
}
