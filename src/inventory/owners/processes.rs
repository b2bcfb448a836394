//! The details of the processes that hold something, each read once.

use super::roles::{Relative, Tree};
use crate::inventory::Users;
use crate::model::{Need, Process, Seen};
use crate::sys::Procfs;
use std::collections::{BTreeSet, HashMap};
use std::ffi::OsStr;
use std::io;
use sysinfo::{Pid, ProcessRefreshKind, ProcessesToUpdate, System, UpdateKind};

/// The details of processes.
#[derive(Debug, Default)]
pub(super) struct Processes(HashMap<u32, Process>);

impl Processes {
    /// Reads those that have not ended.
    pub(super) fn read(procfs: &Procfs, pids: impl Iterator<Item = u32>) -> io::Result<Self> {
        let pids: BTreeSet<u32> = pids.collect();
        if pids.is_empty() {
            return Ok(Self::default());
        }
        let listed: Vec<Pid> = pids.iter().copied().map(Pid::from_u32).collect();
        let mut system = System::new().map_err(io::Error::other)?;
        let what = ProcessRefreshKind::nothing().without_tasks().with_user(UpdateKind::Always);
        system.refresh_processes_specifics(ProcessesToUpdate::Some(&listed), false, what);
        // sysinfo counts from the boot, which a /proc without its first files does not tell. Asking is dear: the kernel
        // counts interrupts for the answer.
        let booted = matches!(System::boot_time(), Ok(1..));
        let reader = Reader { procfs, system, booted, users: Users::default() };
        let read = |pid: u32| Some((pid, reader.process(pid)?));
        Ok(Self(pids.into_iter().filter_map(read).collect()))
    }

    pub(super) fn get(&self, pid: u32) -> Option<&Process> {
        self.0.get(&pid)
    }

    /// Where they stand in the process tree, with the processes above them.
    pub(super) fn tree(&self, procfs: &Procfs, pids: impl Iterator<Item = u32>) -> Tree {
        let mut tree = Tree::new();
        let mut todo: Vec<u32> = pids.collect();
        while let Some(pid) = todo.pop() {
            if pid == 0 || tree.contains_key(&pid) {
                continue;
            }
            // A process that has ended has nobody above it any more.
            let Ok(kin) = procfs.kin(pid) else { continue };
            let exe = match self.get(pid) {
                Some(process) => process.exe.known().cloned(),
                None => link(procfs, pid, "exe").known().cloned(),
            };
            tree.insert(pid, Relative { parent: kin.parent, started: kin.started, exe });
            todo.push(kin.parent);
        }
        tree
    }
}

struct Reader<'a> {
    procfs: &'a Procfs,
    system: System,
    /// Whether it is known when the host booted.
    booted: bool,
    users: Users,
}

impl Reader<'_> {
    fn process(&self, pid: u32) -> Option<Process> {
        let process = self.system.process(Pid::from_u32(pid))?;
        // Not sysinfo's: it leaves out empty arguments, and tells no denied link from one that is not there.
        let exe = link(self.procfs, pid, "exe");
        let cmdline = self.procfs.arguments(pid).map(|words| {
            words.iter().map(|word| word.to_string_lossy().into_owned()).collect::<Vec<_>>()
        });
        let argv0 = cmdline.as_ref().ok().and_then(|words| words.first());
        let uid = process.user_id().map(|uid| **uid);
        Some(Process {
            pid,
            ppid: process.parent().map(Pid::as_u32).into(),
            name: program_name(exe.known(), argv0, process.name()),
            exe,
            cmdline: match cmdline {
                Ok(words) if words.is_empty() => Seen::Absent,
                Ok(words) => Seen::Known(words),
                Err(error) => Seen::Failed(error.to_string()),
            },
            cwd: link(self.procfs, pid, "cwd"),
            uid: uid.map_or_else(|| Seen::Failed("/proc does not say".to_owned()), Seen::Known),
            user: uid.map_or(Seen::Absent, |uid| self.users.name(uid)),
            started_at: if self.booted {
                Seen::Known(process.start_time())
            } else {
                Seen::Failed("/proc does not tell when the host booted".to_owned())
            },
        })
    }
}

/// A link of `/proc/PID` that only the owner of the process and root may read.
fn link(procfs: &Procfs, pid: u32, name: &str) -> Seen<String> {
    match procfs.link(pid, name) {
        Ok(target) => target.map(|path| path.to_string_lossy().into_owned()).into(),
        Err(error) if error.kind() == io::ErrorKind::PermissionDenied => Seen::Denied(Need::Root),
        Err(error) => Seen::Failed(error.to_string()),
    }
}

/// The program's name: not the kernel's 15 bytes, which a process may set to anything.
fn program_name(exe: Option<&String>, argv0: Option<&String>, comm: &OsStr) -> String {
    let base = |path: &String| path.rsplit('/').next().unwrap_or_default().to_owned();
    let exe = exe.map(&base).map(|name| name.trim_end_matches(" (deleted)").to_owned());
    [exe, argv0.map(base)]
        .into_iter()
        .flatten()
        .find(|name| !name.is_empty())
        .unwrap_or_else(|| comm.to_string_lossy().into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn we_stand_in_the_tree_below_our_parent() {
        let procfs = Procfs::open().unwrap();
        let us = std::process::id();
        let processes = Processes::read(&procfs, std::iter::once(us)).unwrap();
        let tree = processes.tree(&procfs, std::iter::once(us));
        let ours = processes.get(us).expect("we have not ended");
        assert_eq!(Seen::Known(tree[&us].parent), ours.ppid);
        assert_eq!(tree[&us].exe.as_ref(), ours.exe.known());
        assert!(tree.contains_key(&tree[&us].parent), "{tree:?}");
    }

    #[test]
    fn the_name_is_the_programs_own() {
        let name = |exe: Option<&str>, argv0: Option<&str>| {
            let own = |text: Option<&str>| text.map(str::to_owned);
            program_name(own(exe).as_ref(), own(argv0).as_ref(), OsStr::new("MainThread"))
        };
        assert_eq!(name(Some("/usr/bin/node"), Some("npm run dev")), "node");
        assert_eq!(name(Some("/usr/sbin/sshd (deleted)"), None), "sshd");
        assert_eq!(name(None, Some("/opt/x/server")), "server");
        assert_eq!(name(None, Some("")), "MainThread");
    }
}
