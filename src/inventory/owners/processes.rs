//! The details of the processes that hold something, each read once.

use super::roles::{Relative, Tree};
use super::scan::Holders;
use crate::inventory::Users;
use crate::model::{Need, Process, Seen};
use crate::sys::{self, Kin, Procfs, Table};
use std::collections::{BTreeSet, HashMap};
use std::ffi::OsStr;
use std::io;
use std::iter;
use std::time::Duration;
use sysinfo::{Pid, ProcessRefreshKind, ProcessesToUpdate, System, UpdateKind};

/// A process that turns into another program while it is read is read so often, each time after a pause.
const TRIES: u32 = 4;
const PAUSE: Duration = Duration::from_micros(500);

/// The details of processes.
#[derive(Debug, Default)]
pub(super) struct Processes(HashMap<u32, Process>);

impl Processes {
    /// Reads the holders that have not ended.
    pub(super) fn read(procfs: &Procfs, holders: &Holders) -> io::Result<Self> {
        let pids: BTreeSet<u32> = holders.all().collect();
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
        let read = |pid: u32| {
            let process = reader.process(pid)?;
            // Asked last: what was read before is of this process then.
            let Kin { started, stopped, .. } = procfs.kin(pid).ok()?;
            holders.is(pid, started).then_some((pid, Process { stopped, ..process }))
        };
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
                None => link(procfs, Table::of(pid), "exe").known().cloned(),
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
        let Program { exe, cmdline, cwd } = self.program(pid)?;
        let argv0 = cmdline.known().and_then(|words| words.first());
        let uid = process.user_id().map(|uid| **uid);
        Some(Process {
            pid,
            ppid: process.parent().map(Pid::as_u32).into(),
            name: program_name(exe.known(), argv0, process.name()),
            exe,
            cmdline,
            cwd,
            uid: uid.map_or_else(|| Seen::Failed("/proc does not say".to_owned()), Seen::Known),
            user: uid.map_or(Seen::Absent, |uid| self.users.name(uid)),
            stopped: false,
            started_at: if self.booted {
                Seen::Known(process.start_time())
            } else {
                Seen::Failed("/proc does not tell when the host booted".to_owned())
            },
        })
    }

    /// What it runs, all of it of one program; `None` when it has ended.
    fn program(&self, pid: u32) -> Option<Program> {
        let mut tries = 0;
        loop {
            tries += 1;
            let living = self.living(pid)?;
            let exe = link(self.procfs, living, "exe");
            let words = self.procfs.arguments(living).map(|words| {
                words.iter().map(|word| word.to_string_lossy().into_owned()).collect::<Vec<_>>()
            });
            let cmdline = match words {
                Ok(words) if words.is_empty() => Seen::Absent,
                Ok(words) => Seen::Known(words),
                Err(error) => Seen::Failed(error.to_string()),
            };
            let cwd = link(self.procfs, living, "cwd");
            let same = exe != Seen::Absent && exe == link(self.procfs, living, "exe");
            // A program that is being started has no arguments yet.
            if tries == TRIES || (same && cmdline.known().is_some()) {
                return (exe != Seen::Absent).then_some(Program { exe, cmdline, cwd });
            }
            sys::pause(PAUSE);
        }
    }

    /// The thread that tells of it: the first, or another when that has ended, as it has for a moment in each program
    /// that turns into another one. A process that has none has ended, and what is left of it runs nothing.
    fn living(&self, pid: u32) -> Option<Table> {
        let first = Table::of(pid);
        let threads = || self.procfs.threads(pid).unwrap_or_default();
        let others = iter::once_with(threads).flatten().filter(|thread| *thread != pid);
        iter::once(first)
            .chain(others.map(|thread| Table { process: pid, thread: Some(thread) }))
            // The other has become the first.
            .chain(iter::once(first))
            .find(|table| link(self.procfs, *table, "exe") != Seen::Absent)
    }
}

/// What a process runs. Not sysinfo's: that leaves out empty arguments, and tells no denied link from one that is not
/// there.
struct Program {
    exe: Seen<String>,
    cmdline: Seen<Vec<String>>,
    cwd: Seen<String>,
}

/// A link of `/proc/PID` that only the owner of the process and root may read.
fn link(procfs: &Procfs, table: Table, name: &str) -> Seen<String> {
    match procfs.link(table, name) {
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
        let mut holders = Holders::default();
        holders.add(4, us, None);
        let processes = Processes::read(&procfs, &holders).unwrap();
        let tree = processes.tree(&procfs, iter::once(us));
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
