//! Starting one of the few programs that know what is not understood here: `nft` and `systemctl`. No shell, nothing of
//! our environment, no more time and no more text than is given.

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;
use rustix::process::{Pid, PidfdFlags, pidfd_open};
use std::fs::File;
use std::io::{self, Read as _};
use std::os::fd::{AsFd, OwnedFd};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};
use thiserror::Error;

/// Where programs may be. A path that the user chose is not among them: portsight may have more rights than its user.
const DIRECTORIES: [&str; 5] = ["/usr/sbin", "/sbin", "/usr/local/sbin", "/usr/bin", "/bin"];

/// How much of what it says to standard error is kept.
const COMPLAINT: usize = 4096;

/// How long a program may take, and how much it may print.
#[derive(Debug, Clone, Copy)]
pub(super) struct Bounds {
    pub(super) patience: Duration,
    pub(super) bytes: usize,
}

/// Why a program told nothing.
#[derive(Debug, Error)]
pub enum Untold {
    /// There is none of this name.
    #[error("there is no program {0}")]
    Missing(&'static str),
    /// It could not be started, or not be heard.
    #[error("{0} cannot be run: {1}")]
    NotRun(&'static str, io::Error),
    /// It did not end in time.
    #[error("{0} did not answer within {1} ms")]
    TooLate(&'static str, u128),
    /// It printed more than is read.
    #[error("{0} says too much")]
    TooMuch(&'static str),
    /// It failed, with these words.
    #[error("{0} fails: {1}")]
    Failed(&'static str, String),
}

/// What the program of this name prints, with these arguments and variables.
pub(super) fn told_by(
    name: &'static str,
    arguments: &[&str],
    variables: &[(&str, String)],
    bounds: Bounds,
) -> Result<String, Untold> {
    let programs = DIRECTORIES.iter().map(|directory| Path::new(directory).join(name));
    let program = programs.into_iter().find(|program| program.is_file());
    told(name, &program.ok_or(Untold::Missing(name))?, arguments, variables, bounds)
}

fn told(
    name: &'static str,
    program: &Path,
    arguments: &[&str],
    variables: &[(&str, String)],
    bounds: Bounds,
) -> Result<String, Untold> {
    #[expect(
        clippy::disallowed_methods,
        reason = "the only place where portsight starts a program: it knows what is not understood here"
    )]
    let mut command = Command::new(program);
    command.args(arguments).env_clear().env("LC_ALL", "C").env("PATH", DIRECTORIES.join(":"));
    command.envs(variables.iter().map(|(name, value)| (name, value)));
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).current_dir("/");
    let mut child = command.spawn().map_err(|error| Untold::NotRun(name, error))?;
    let heard = heard(&mut child, Instant::now() + bounds.patience, bounds.bytes);
    if heard.is_err() {
        // One that has ended already is not there to be killed.
        drop(child.kill());
    }
    let status = child.wait().map_err(|error| Untold::NotRun(name, error))?;
    let [printed, complaint] = heard.map_err(|broken| match broken {
        Broken::TooLate => Untold::TooLate(name, bounds.patience.as_millis()),
        Broken::TooMuch => Untold::TooMuch(name),
        Broken::Io(error) => Untold::NotRun(name, error),
    })?;
    if status.success() {
        return Ok(String::from_utf8_lossy(&printed).into_owned());
    }
    let complaint = String::from_utf8_lossy(&complaint);
    let first = complaint.lines().map(str::trim).find(|line| !line.is_empty());
    Err(Untold::Failed(name, first.map_or_else(|| status.to_string(), str::to_owned)))
}

/// What came between.
enum Broken {
    TooLate,
    TooMuch,
    Io(io::Error),
}

/// One of the streams that a program writes to; `None` when the program has closed it.
struct Stream {
    pipe: Option<File>,
    text: Vec<u8>,
}

impl Stream {
    fn new(pipe: Option<impl Into<OwnedFd>>) -> Self {
        Self { pipe: pipe.map(|pipe| pipe.into().into()), text: Vec::new() }
    }

    /// Reads what is there.
    fn read(&mut self) -> Result<(), Broken> {
        let Some(pipe) = &mut self.pipe else { return Ok(()) };
        let mut chunk = [0; 16 * 1024];
        match pipe.read(&mut chunk) {
            Ok(0) => self.pipe = None,
            Ok(length) => self.text.extend_from_slice(chunk.get(..length).unwrap_or_default()),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(Broken::Io(error)),
        }
        Ok(())
    }
}

/// What the program prints and what it complains of, when it has closed both and ended.
fn heard(child: &mut Child, deadline: Instant, bound: usize) -> Result<[Vec<u8>; 2], Broken> {
    let pidfd = pidfd_open(Pid::from_child(child), PidfdFlags::empty());
    let pidfd = pidfd.map_err(|errno| Broken::Io(errno.into()))?;
    let mut streams = [Stream::new(child.stdout.take()), Stream::new(child.stderr.take())];
    while streams.iter().any(|stream| stream.pipe.is_some()) {
        let open = streams.iter_mut().filter(|stream| stream.pipe.is_some());
        let open: Vec<&mut Stream> = open.collect();
        let ends: Vec<&File> = open.iter().filter_map(|stream| stream.pipe.as_ref()).collect();
        let ready = ready(&ends, deadline)?;
        for (stream, _) in open.into_iter().zip(ready).filter(|(_, ready)| *ready) {
            stream.read()?;
        }
        let [printed, complaint] = &mut streams;
        if printed.text.len() > bound {
            return Err(Broken::TooMuch);
        }
        complaint.text.truncate(COMPLAINT);
    }
    // Who has closed its output may still go on.
    ready(&[&pidfd], deadline)?;
    Ok(streams.map(|stream| stream.text))
}

/// Which of these can be read, as soon as one can.
fn ready(ends: &[&impl AsFd], deadline: Instant) -> Result<Vec<bool>, Broken> {
    loop {
        let left = deadline.checked_duration_since(Instant::now()).ok_or(Broken::TooLate)?;
        let left = Timespec::try_from(left).ok();
        let mut ends: Vec<_> = ends.iter().map(|end| PollFd::new(*end, PollFlags::IN)).collect();
        match poll(&mut ends, left.as_ref()) {
            Ok(0) | Err(Errno::INTR) => {}
            Ok(_) => return Ok(ends.iter().map(|end| !end.revents().is_empty()).collect()),
            Err(errno) => return Err(Broken::Io(errno.into())),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn by_shell(script: &str) -> Result<String, String> {
        let bounds = Bounds { patience: Duration::from_millis(500), bytes: 1000 };
        let shell = Path::new("/bin/sh");
        told("sh", shell, &["-c", script], &[("EXTRA", "x".to_owned())], bounds)
            .map_err(|error| error.to_string())
    }

    #[test]
    fn a_program_is_read_to_its_end_and_no_longer_than_it_may_take() {
        assert_eq!(by_shell("echo one; echo aside >&2; echo two").as_deref(), Ok("one\ntwo\n"));
        assert_eq!(by_shell("printf '\\377'").as_deref(), Ok("\u{fffd}"));
        let refused = by_shell("echo one; echo; echo no such thing >&2; exit 1");
        assert_eq!(refused.unwrap_err(), "sh fails: no such thing");
        assert_eq!(by_shell("exit 3").unwrap_err(), "sh fails: exit status: 3");
        assert_eq!(by_shell("head -c 2000 /dev/zero").unwrap_err(), "sh says too much");
        // So many words of complaint are neither kept nor waited for.
        assert_eq!(by_shell("head -c 200000 /dev/zero >&2; echo one").as_deref(), Ok("one\n"));
        let begun = Instant::now();
        for endless in
            ["echo one; exec sleep 20", "exec sleep 20 >/dev/null 2>&1", "exec >&- 2>&-; sleep 20"]
        {
            assert_eq!(by_shell(endless).unwrap_err(), "sh did not answer within 500 ms");
        }
        assert!(begun.elapsed() < Duration::from_secs(10));
        let bounds = Bounds { patience: Duration::from_secs(1), bytes: 1 };
        let nowhere = told_by("no-such-program", &[], &[], bounds);
        assert!(matches!(nowhere, Err(Untold::Missing(_))), "{nowhere:?}");
    }

    #[test]
    fn a_program_gets_no_variable_of_ours() {
        let variables = by_shell("/usr/bin/env").expect("env runs");
        let names: Vec<_> = variables.lines().filter_map(|line| line.split('=').next()).collect();
        let known = ["LC_ALL", "PATH", "PWD", "_", "SHLVL", "OLDPWD", "EXTRA"];
        assert!(names.iter().all(|name| known.contains(name)), "{names:?}");
        assert!(names.contains(&"EXTRA"), "{names:?}");
    }
}
