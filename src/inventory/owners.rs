//! Which processes hold which sockets, by a scan of `/proc/*/fd`.

use crate::model::{
    Gap, Hides, Need, Owner, OwnersUnknown, OwnersUnknownReason, Process, Role, Seen, Socket,
};
use crate::sys::{self, Procfs, Unreadable};
use std::collections::{BTreeSet, HashMap, HashSet};
use std::ffi::OsStr;
use std::io;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use sysinfo::{Pid, ProcessRefreshKind, ProcessesToUpdate, System, UpdateKind};

/// What a scan of all processes found.
#[derive(Debug, Default)]
struct Scan {
    /// The processes that hold each of the wanted inodes.
    holders: HashMap<u64, BTreeSet<u32>>,
    /// How many processes may not be read.
    denied: usize,
    /// How many could not be read for want of descriptors or memory.
    failed: usize,
    /// Whether `/proc` leaves out processes.
    hidden: bool,
}

/// Fills in the owners of the sockets. Returns what could not be seen.
pub(super) fn fill(sockets: &mut [Socket], still_there: impl Fn(&Socket) -> bool) -> Option<Gap> {
    if sockets.is_empty() {
        return None;
    }
    let wanted: HashSet<u64> =
        sockets.iter().map(|socket| socket.inode.0).filter(|inode| *inode != 0).collect();
    let looked = Procfs::open().and_then(|procfs| {
        let scan = scan(&procfs, &wanted)?;
        let processes = Processes::read(procfs, scan.holders.values().flatten().copied())?;
        Ok((scan, processes))
    });
    let (scan, processes) = match looked {
        Ok(looked) => looked,
        Err(error) => return Some(no_procfs(sockets, &error.to_string())),
    };
    let mut denied = 0;
    for socket in sockets {
        let holders = scan.holders.get(&socket.inode.0);
        let found = holders.into_iter().flatten().filter_map(|pid| processes.get(*pid)).collect();
        socket.owners = with_roles(found);
        if socket.owners.is_empty() {
            let unknown = why_unknown(&scan, holders.is_some() || !still_there(socket));
            denied += usize::from(unknown.reason == OwnersUnknownReason::Permission);
            socket.owners_unknown = Some(unknown);
        }
    }
    (denied > 0).then(|| Gap {
        what: match denied {
            1 => "the owner of 1 socket".to_owned(),
            many => format!("the owners of {many} sockets"),
        },
        reason: unreadable_processes(&scan),
        need: Some(if scan.denied > 0 || scan.hidden { Need::Root } else { Need::Retry }),
        hides: Hides::Owners,
    })
}

fn no_procfs(sockets: &mut [Socket], error: &str) -> Gap {
    for socket in sockets {
        socket.owners_unknown = Some(OwnersUnknown {
            reason: OwnersUnknownReason::NoProcfs,
            text: format!("processes could not be listed: {error}"),
        });
    }
    Gap {
        what: "the processes that own the sockets".to_owned(),
        reason: error.to_owned(),
        need: Some(Need::Procfs),
        hides: Hides::Owners,
    }
}

fn scan(procfs: &Procfs, wanted: &HashSet<u64>) -> io::Result<Scan> {
    let pids = procfs.pids()?;
    let next = AtomicUsize::new(0);
    let work = || {
        let mut found = Scan::default();
        while let Some(pid) = pids.get(next.fetch_add(1, Ordering::Relaxed)) {
            let read = procfs.open_sockets(*pid, |inode| {
                if wanted.contains(&inode) {
                    found.holders.entry(inode).or_default().insert(*pid);
                }
            });
            found.denied += usize::from(read == Err(Unreadable::Denied));
            found.failed += usize::from(read == Err(Unreadable::Failed));
        }
        found
    };
    let threads = thread::available_parallelism().map_or(1, |n| n.get().min(8));
    let mut all = thread::scope(|scope| {
        // Where the system gives no more threads, those that run do the work.
        let start = |_| thread::Builder::new().spawn_scoped(scope, work).ok();
        let others: Vec<_> = (1..threads).filter_map(start).collect();
        let mut all = work();
        for other in others {
            let found =
                other.join().map_err(|_panic| io::Error::other("a scanning thread failed"))?;
            all.denied += found.denied;
            all.failed += found.failed;
            for (inode, pids) in found.holders {
                all.holders.entry(inode).or_default().extend(pids);
            }
        }
        io::Result::Ok(all)
    })?;
    all.hidden = procfs.hides_processes();
    Ok(all)
}

fn unreadable_processes(scan: &Scan) -> String {
    let files = match scan.denied + scan.failed {
        0 => return "/proc hides the processes of other users".to_owned(),
        1 => "the open files of 1 process".to_owned(),
        many => format!("the open files of {many} processes"),
    };
    let why = if scan.failed > 0 { "could not be read" } else { "may not be read" };
    let hidden = if scan.hidden { ", and /proc hides others" } else { "" };
    format!("{files} {why}{hidden}")
}

fn why_unknown(scan: &Scan, gone: bool) -> OwnersUnknown {
    let (reason, text) = if gone {
        (OwnersUnknownReason::Vanished, "its holder ended while it was looked for".to_owned())
    } else if scan.denied + scan.failed > 0 || scan.hidden {
        (OwnersUnknownReason::Permission, unreadable_processes(scan))
    } else if sys::pid_namespace_is_initial() {
        let text = "every process was read and none holds it: a kernel socket (a tunnel, NFS), or a descriptor in a \
                    message, an io_uring or a thread's own table";
        (OwnersUnknownReason::Kernel, text.to_owned())
    } else {
        let text = "no process of this pid namespace holds it; a process outside may";
        (OwnersUnknownReason::OtherPidNamespace, text.to_owned())
    };
    OwnersUnknown { reason, text }
}

/// The details of processes.
struct Processes {
    procfs: Procfs,
    system: System,
    users: super::Users,
}

impl Processes {
    fn read(procfs: Procfs, pids: impl Iterator<Item = u32>) -> io::Result<Self> {
        let pids: Vec<Pid> =
            pids.collect::<BTreeSet<u32>>().into_iter().map(Pid::from_u32).collect();
        let mut system = System::new().map_err(io::Error::other)?;
        let what = ProcessRefreshKind::nothing().without_tasks().with_user(UpdateKind::Always);
        system.refresh_processes_specifics(ProcessesToUpdate::Some(&pids), false, what);
        Ok(Self { procfs, system, users: super::Users::default() })
    }

    fn get(&self, pid: u32) -> Option<Process> {
        let process = self.system.process(Pid::from_u32(pid))?;
        // Not sysinfo's: it leaves out empty arguments, and tells no denied link from one that is not there.
        let exe = self.link(pid, "exe");
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
            cwd: self.link(pid, "cwd"),
            uid: uid.map_or_else(|| Seen::Failed("/proc does not say".to_owned()), Seen::Known),
            user: uid.map_or(Seen::Absent, |uid| self.users.name(uid)),
            // sysinfo counts from the boot, which a /proc without its first files does not tell.
            started_at: match System::boot_time() {
                Ok(0) | Err(_) => {
                    Seen::Failed("/proc does not tell when the host booted".to_owned())
                }
                Ok(_) => Seen::Known(process.start_time()),
            },
        })
    }

    /// A link of `/proc/PID` that only the owner of the process and root may read.
    fn link(&self, pid: u32, name: &str) -> Seen<String> {
        match self.procfs.link(pid, name) {
            Ok(target) => target.map(|path| path.to_string_lossy().into_owned()).into(),
            Err(error) if error.kind() == io::ErrorKind::PermissionDenied => {
                Seen::Denied(Need::Root)
            }
            Err(error) => Seen::Failed(error.to_string()),
        }
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

/// The holders of one socket with their roles, the listener first.
fn with_roles(processes: Vec<Process>) -> Vec<Owner> {
    const INIT: u32 = 1;
    let holders: HashMap<u32, (String, Seen<String>)> = processes
        .iter()
        .map(|process| (process.pid, (process.name.clone(), process.exe.clone())))
        .collect();
    let role = |process: &Process| {
        let parent = process.ppid.known().filter(|ppid| **ppid != process.pid);
        match parent.and_then(|ppid| holders.get(ppid).map(|program| (*ppid, program))) {
            None => Role::Listener,
            Some((_, program)) if *program == (process.name.clone(), process.exe.clone()) => {
                Role::Worker
            }
            Some((INIT, _)) => Role::SocketActivated,
            Some(_) => Role::Inherited,
        }
    };
    let mut owners: Vec<Owner> = processes
        .into_iter()
        .map(|process| Owner { role: role(&process), process, via: None })
        .collect();
    owners.sort_by_key(|owner| (owner.role != Role::Listener, owner.process.pid));
    owners
}

#[cfg(test)]
mod tests {
    use super::*;

    fn process(pid: u32, parent: u32, exe: &str) -> Process {
        Process {
            pid,
            ppid: Seen::Known(parent),
            name: program_name(Some(&exe.to_owned()), None, OsStr::new("")),
            exe: Seen::Known(exe.to_owned()),
            cmdline: Seen::Absent,
            cwd: Seen::Absent,
            uid: Seen::Known(0),
            user: Seen::Absent,
            started_at: Seen::Absent,
        }
    }

    #[test]
    fn roles_follow_the_process_tree() {
        let table = [
            (vec![process(5, 4, "/usr/sbin/nginx")], vec![(5, Role::Listener)]),
            (
                vec![process(6, 7, "/usr/sbin/nginx"), process(7, 2, "/usr/sbin/nginx")],
                vec![(7, Role::Listener), (6, Role::Worker)],
            ),
            (
                vec![process(5, 4, "/usr/bin/node"), process(9, 5, "/usr/bin/sleep")],
                vec![(5, Role::Listener), (9, Role::Inherited)],
            ),
            (
                vec![process(1, 0, "/lib/systemd/systemd"), process(80, 1, "/usr/sbin/sshd")],
                vec![(1, Role::Listener), (80, Role::SocketActivated)],
            ),
            (
                vec![process(1, 0, "/usr/sbin/nginx"), process(29, 1, "/usr/sbin/nginx")],
                vec![(1, Role::Listener), (29, Role::Worker)],
            ),
        ];
        for (holders, expected) in table {
            let roles: Vec<_> =
                with_roles(holders).iter().map(|owner| (owner.process.pid, owner.role)).collect();
            assert_eq!(roles, expected);
        }
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
