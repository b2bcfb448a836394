//! The processes above one, up to the first of our pid namespace, and what supervises it.

use crate::model::{Named, Supervisor};
use crate::sys::{Procfs, Table};
use std::ffi::OsString;

/// No process tree is so deep. The bound is for one that changes while it is read.
const DEEPEST: usize = 1_000;

/// So many steps above a process its supervisor is: a shell script may stand between them.
const NEAR: usize = 2;

/// Programs that run others: what they run says more than their own name.
const INTERPRETERS: [&str; 7] = ["python", "perl", "ruby", "node", "bash", "dash", "sh"];

/// The processes above this one, its parent first. Those of other pid namespaces, and of a parent that has ended
/// meanwhile, are not among them.
#[must_use]
pub fn ancestors(pid: u32) -> Vec<Named> {
    let Ok(procfs) = Procfs::open() else { return Vec::new() };
    let parent = |pid: &u32| procfs.kin(*pid).ok().map(|kin| kin.parent).filter(|pid| *pid != 0);
    std::iter::successors(parent(&pid), parent)
        .take(DEEPEST)
        .map(|pid| Named { pid, name: name(&procfs, pid) })
        .collect()
}

/// The name of a process: of its program, else of what its first argument names, else the kernel's.
fn name(procfs: &Procfs, pid: u32) -> String {
    let exe = procfs.link(Table::of(pid), "exe").ok().flatten();
    let arguments = procfs.arguments(Table::of(pid)).unwrap_or_default();
    let comm = || procfs.comm(pid).unwrap_or_default();
    told(exe.as_ref(), &arguments).unwrap_or_else(comm)
}

fn told(exe: Option<&OsString>, arguments: &[OsString]) -> Option<String> {
    let base = |path: &OsString| {
        let path = path.to_string_lossy();
        let name = path.rsplit('/').next().unwrap_or_default();
        name.trim_end_matches(" (deleted)").to_owned()
    };
    let program = exe.or(arguments.first()).map(base).filter(|name| !name.is_empty())?;
    let kind = program.trim_end_matches(|c: char| c.is_ascii_digit() || c == '.');
    if !INTERPRETERS.contains(&kind) {
        return Some(program);
    }
    // `sh -c …` runs no file.
    let script = arguments.get(1).filter(|word| !word.to_string_lossy().starts_with('-'));
    Some(script.map(base).filter(|name| !name.is_empty()).unwrap_or(program))
}

/// What would start a process again: the nearest supervisor above it, of those that are known here.
#[must_use]
pub fn supervisor(pid: u32, ancestors: &[Named]) -> Option<Supervisor> {
    let procfs = Procfs::open().ok()?;
    // The process itself, or the one between it and the supervisor, has been given the name there.
    let mut below = pid;
    // Further up it has started something that runs others of its own, as a shell of a person.
    for process in ancestors.iter().take(NEAR) {
        let arguments = procfs.arguments(Table::of(process.pid)).unwrap_or_default();
        let environment = || procfs.environment(below).unwrap_or_default();
        if let Some(stop) = stop(&process.name, &arguments, environment) {
            return Some(Supervisor { process: process.clone(), stop: stop.words() });
        }
        below = process.pid;
    }
    None
}

/// How a supervisor is told to stop what it has started.
#[derive(Debug, PartialEq, Eq)]
enum Stop {
    With(&'static [&'static str], String),
    /// It could not be read what it calls it.
    Unknown,
}

impl Stop {
    fn words(self) -> Option<Vec<String>> {
        match self {
            Self::With(command, name) => {
                Some(command.iter().map(|word| (*word).to_owned()).chain([name]).collect())
            }
            Self::Unknown => None,
        }
    }
}

/// The command for a process whose parent is this; `None` when that is no supervisor. `environment` is that of the
/// process below it.
fn stop(
    name: &str,
    arguments: &[OsString],
    environment: impl FnOnce() -> Vec<OsString>,
) -> Option<Stop> {
    let argument = |at: usize| arguments.get(at).map(|word| word.to_string_lossy().into_owned());
    // A process writes its environment and its arguments itself: it may not stop others in its place.
    let is_name = |name: &String| !name.starts_with('-') && name != "all";
    let with = |command, name: Option<String>| {
        Some(name.filter(is_name).map_or(Stop::Unknown, |name| Stop::With(command, name)))
    };
    match name {
        "supervisord" => {
            let words = environment();
            let (group, name) = (
                variable(&words, "SUPERVISOR_GROUP_NAME="),
                variable(&words, "SUPERVISOR_PROCESS_NAME="),
            );
            let name = match (group, name) {
                (Some(group), Some(name)) if group != name => Some(format!("{group}:{name}")),
                (_, name) => name,
            };
            with(&["supervisorctl", "stop"], name)
        }
        "runsv" => with(&["sv", "stop"], argument(1)),
        "s6-supervise" => with(&["s6-svc", "-d"], argument(1)),
        _ if argument(0)
            .is_some_and(|title| title.starts_with("PM2 ") && title.contains("God")) =>
        {
            with(&["pm2", "stop"], variable(&environment(), "pm_id="))
        }
        _ => None,
    }
}

/// The value of the variable that begins so.
fn variable(environment: &[OsString], start: &str) -> Option<String> {
    let value = |word: &OsString| Some(word.to_string_lossy().strip_prefix(start)?.to_owned());
    environment.iter().find_map(value)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(text: &str) -> Vec<OsString> {
        text.split('|').map(OsString::from).collect()
    }

    #[test]
    fn an_interpreter_goes_by_what_it_runs() {
        let table = [
            ("/usr/sbin/nginx", "nginx: master process", "nginx"),
            ("/usr/bin/python3.11", "/usr/bin/python3|/usr/bin/supervisord|-n", "supervisord"),
            ("/usr/bin/python3.11", "python3|-m|http.server", "python3.11"),
            ("/usr/bin/dash", "sh|-c|exec node", "dash"),
            ("/usr/bin/bash", "bash|./run.sh", "run.sh"),
            ("/usr/bin/bash", "-bash", "bash"),
            ("/usr/bin/sshd (deleted)", "sshd", "sshd"),
        ];
        for (exe, arguments, name) in table {
            let exe = OsString::from(exe);
            assert_eq!(told(Some(&exe), &words(arguments)).as_deref(), Some(name), "{arguments}");
        }
        assert_eq!(told(None, &words("/opt/x/server|-d")).as_deref(), Some("server"));
        assert_eq!(told(None, &[]), None);
    }

    #[test]
    fn each_supervisor_has_its_command() {
        let table = [
            (
                "supervisord",
                "python3",
                "SUPERVISOR_GROUP_NAME=web|SUPERVISOR_PROCESS_NAME=web",
                "supervisorctl stop web",
            ),
            (
                "supervisord",
                "python3",
                "SUPERVISOR_GROUP_NAME=web|SUPERVISOR_PROCESS_NAME=web_00",
                "supervisorctl stop web:web_00",
            ),
            ("supervisord", "python3", "HOME=/", "?"),
            ("supervisord", "python3", "SUPERVISOR_PROCESS_NAME=all", "?"),
            ("runsv", "runsv|--help", "", "?"),
            ("runsv", "runsv|nginx", "", "sv stop nginx"),
            ("s6-supervise", "s6-supervise|/run/service/web", "", "s6-svc -d /run/service/web"),
            ("node", "PM2 v5.3.0: God Daemon (/root/.pm2)", "pm_id=3|HOME=/", "pm2 stop 3"),
            ("systemd", "/sbin/init", "", "-"),
            ("bash", "-bash", "pm_id=3", "-"),
        ];
        for (name, arguments, environment, command) in table {
            let found = stop(name, &words(arguments), || words(environment));
            let told = match found.map(Stop::words) {
                None => "-".to_owned(),
                Some(None) => "?".to_owned(),
                Some(Some(words)) => words.join(" "),
            };
            assert_eq!(told, command, "{name} {arguments} {environment}");
        }
    }

    #[test]
    fn our_own_ancestors_end_at_the_first_process() {
        let above = ancestors(std::process::id());
        assert_eq!(above.first().map(|it| it.pid), Some(std::os::unix::process::parent_id()));
        assert!(above.iter().all(|it| !it.name.is_empty()), "{above:?}");
    }
}
