//! Running another program for a limited time, and reading a limited part of what it prints.

use super::clock::pause;
use super::interrupt::interrupted;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::{MemfdFlags, memfd_create};
use std::fs::File;
use std::io::{self, Read, Seek as _, Write as _};
use std::os::fd::AsFd;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// Of what it writes to standard error so much is kept.
const ERRORS: usize = 8 << 10;

/// Where the programs of the system may be. A path that the user chose is not among them: portsight may have more
/// rights than its user.
pub(super) const DIRECTORIES: [&str; 5] =
    ["/usr/sbin", "/sbin", "/usr/local/sbin", "/usr/bin", "/bin"];

/// The program of the system with this name.
pub(super) fn of_system(name: &str) -> Option<PathBuf> {
    let mut paths = DIRECTORIES.iter().map(|directory| Path::new(directory).join(name));
    paths.find(|path| is_program(path))
}

/// A program, and what it may take.
#[derive(Debug, Clone, Copy)]
pub struct Program<'a> {
    /// Its file.
    pub path: &'a Path,
    /// Its arguments, which no shell reads.
    pub arguments: &'a [&'a str],
    /// All of its environment; `None` for ours.
    pub environment: Option<&'a [(&'a str, &'a str)]>,
    /// What it reads from standard input.
    pub input: &'a str,
    /// How long it may take.
    pub patience: Duration,
    /// How many bytes it may print.
    pub bound: usize,
}

/// What a program did that has ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ended {
    /// Its exit status; `None` where a signal ended it.
    pub status: Option<i32>,
    /// What it printed.
    pub output: Vec<u8>,
    /// The beginning of what it wrote to standard error.
    pub errors: Vec<u8>,
}

/// Why there is no end of a program.
#[derive(Debug, thiserror::Error)]
pub enum Unfinished {
    /// It could not be started, or not be read.
    #[error("{0}")]
    Failed(#[from] io::Error),
    /// It took too long, and was ended.
    #[error("it took too long")]
    TooLate,
    /// It printed too much, and was ended.
    #[error("it said too much")]
    TooMuch,
    /// The user interrupted us.
    #[error("interrupted")]
    Interrupted,
}

/// Runs a program to its end that gets nothing of our environment, but these variables, and speaks no language of the
/// user's.
pub(super) fn run_apart(
    path: &Path,
    arguments: &[&str],
    variables: &[(&str, &str)],
    patience: Duration,
    bound: usize,
) -> Result<Ended, Unfinished> {
    let search = DIRECTORIES.join(":");
    let environment = [&[("LC_ALL", "C"), ("PATH", search.as_str())][..], variables].concat();
    Program { path, arguments, environment: Some(&environment), input: "", patience, bound }.run()
}

impl Program<'_> {
    /// Runs it to its end.
    ///
    /// # Errors
    /// When it does not start, or was ended since it took or printed more than it may.
    pub fn run(&self) -> Result<Ended, Unfinished> {
        #[expect(
            clippy::disallowed_methods,
            reason = "the one place that starts programs of the system: nft and iptables-legacy for what rules say, \
                      systemctl for units, ssh to ask another machine"
        )]
        let mut command = Command::new(self.path);
        command.args(self.arguments).current_dir("/").stdin(self.stdin()?);
        command.stdout(Stdio::piped()).stderr(Stdio::piped());
        if let Some(environment) = self.environment {
            command.env_clear().envs(environment.iter().copied());
        }
        let mut child = command.spawn()?;
        let deadline = Instant::now() + self.patience;
        let printed = printed(&mut child, deadline, self.bound);
        if printed.is_err() {
            // One that has ended already is not there to be killed.
            drop(child.kill());
        }
        let status = child.wait()?;
        let (output, errors) = printed?;
        Ok(Ended { status: status.code(), output, errors })
    }

    /// A file in memory: the program reads it when it likes, and nobody waits for that.
    fn stdin(&self) -> io::Result<Stdio> {
        if self.input.is_empty() {
            return Ok(Stdio::null());
        }
        let mut file: File = memfd_create("input", MemfdFlags::CLOEXEC)?.into();
        file.write_all(self.input.as_bytes())?;
        file.rewind()?;
        Ok(file.into())
    }
}

/// Whether a path is a file that somebody may execute.
#[must_use]
pub fn is_program(path: &Path) -> bool {
    path.metadata().is_ok_and(|found| found.is_file() && found.permissions().mode() & 0o111 != 0)
}

/// What the program prints until it has closed its output and ended.
fn printed(
    child: &mut Child,
    deadline: Instant,
    bound: usize,
) -> Result<(Vec<u8>, Vec<u8>), Unfinished> {
    let (Some(mut output), Some(mut errors)) = (child.stdout.take(), child.stderr.take()) else {
        return Err(io::Error::from(io::ErrorKind::BrokenPipe).into());
    };
    let (mut printed, mut said) = (Vec::new(), Vec::new());
    let mut more_errors = true;
    loop {
        let ready = wait(&output, more_errors.then_some(&errors), deadline)?;
        if ready.1 {
            more_errors = read(&mut errors, &mut said)?;
            said.truncate(ERRORS);
        }
        if ready.0 {
            if !read(&mut output, &mut printed)? {
                break;
            }
            if printed.len() > bound {
                return Err(Unfinished::TooMuch);
            }
        }
    }
    // Another process may have its standard error and go on, so the end of that is not waited for.
    while child.try_wait()?.is_none() {
        if interrupted() {
            return Err(Unfinished::Interrupted);
        }
        if Instant::now() >= deadline {
            return Err(Unfinished::TooLate);
        }
        pause(Duration::from_millis(1));
    }
    while more_errors && said.len() < ERRORS && is_ready(&errors)? {
        more_errors = read(&mut errors, &mut said)?;
    }
    said.truncate(ERRORS);
    Ok((printed, said))
}

/// Waits until one of the two has something to read, or has ended, and says which.
fn wait(
    output: &impl AsFd,
    errors: Option<&impl AsFd>,
    deadline: Instant,
) -> Result<(bool, bool), Unfinished> {
    loop {
        let left = deadline.checked_duration_since(Instant::now()).ok_or(Unfinished::TooLate)?;
        let left = Timespec::try_from(left).map_err(|_error| Unfinished::TooLate)?;
        let mut both = vec![PollFd::new(output, PollFlags::IN)];
        both.extend(errors.map(|errors| PollFd::new(errors, PollFlags::IN)));
        match poll(&mut both, Some(&left)) {
            Ok(0) => return Err(Unfinished::TooLate),
            Ok(_) => {
                let mut ready = both.iter().map(|end| !end.revents().is_empty());
                return Ok((ready.next() == Some(true), ready.next() == Some(true)));
            }
            Err(rustix::io::Errno::INTR) if interrupted() => return Err(Unfinished::Interrupted),
            Err(rustix::io::Errno::INTR) => {}
            Err(error) => return Err(io::Error::from(error).into()),
        }
    }
}

fn is_ready(end: &impl AsFd) -> io::Result<bool> {
    Ok(poll(&mut [PollFd::new(end, PollFlags::IN)], Some(&Timespec::default()))? > 0)
}

/// Reads what is there; whether more may come.
fn read(from: &mut impl Read, to: &mut Vec<u8>) -> io::Result<bool> {
    let mut chunk = [0; 16 * 1024];
    let read = from.read(&mut chunk)?;
    to.extend_from_slice(chunk.get(..read).unwrap_or_default());
    Ok(read > 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn by_shell(script: &str, input: &str) -> Result<Ended, Unfinished> {
        let program = Program {
            path: Path::new("/bin/sh"),
            arguments: &["-c", script],
            environment: Some(&[("LC_ALL", "C"), ("PATH", "/usr/bin:/bin")]),
            input,
            patience: Duration::from_millis(500),
            bound: 1000,
        };
        program.run()
    }

    fn output(script: &str) -> String {
        let ended = by_shell(script, "").unwrap();
        String::from_utf8_lossy(&ended.output).into_owned()
    }

    #[test]
    fn a_program_is_read_to_its_end_and_no_longer_than_it_may_take() {
        assert_eq!(output("echo one; echo two"), "one\ntwo\n");
        let ended = by_shell("echo one; echo two >&2; exit 3", "").unwrap();
        let expected = Ended { status: Some(3), output: b"one\n".into(), errors: b"two\n".into() };
        assert_eq!(ended, expected);
        assert_eq!(by_shell("kill -9 $$", "").unwrap().status, None);
        assert!(matches!(by_shell("head -c 2000 /dev/zero", ""), Err(Unfinished::TooMuch)));
        let begun = Instant::now();
        assert!(matches!(by_shell("echo one; exec sleep 20", ""), Err(Unfinished::TooLate)));
        assert!(matches!(by_shell("exec >&-; exec sleep 20", ""), Err(Unfinished::TooLate)));
        assert!(begun.elapsed() < Duration::from_secs(10));
        let nowhere = Path::new("/nowhere/x");
        let nowhere = Program {
            path: nowhere,
            arguments: &[],
            environment: None,
            input: "",
            patience: Duration::from_secs(1),
            bound: 0,
        };
        assert!(matches!(nowhere.run(), Err(Unfinished::Failed(_))));
    }

    #[test]
    fn errors_are_bounded_and_who_keeps_them_open_is_not_waited_for() {
        let ended = by_shell("head -c 100000 /dev/zero >&2; echo done", "").unwrap();
        assert_eq!((ended.output.as_slice(), ended.errors.len()), (b"done\n".as_slice(), ERRORS));
        let begun = Instant::now();
        assert_eq!(output("sleep 20 >/dev/null & echo one"), "one\n");
        assert!(begun.elapsed() < Duration::from_secs(10));
    }

    #[test]
    fn it_reads_what_it_is_given_and_gets_no_variable_of_ours() {
        let long = "x".repeat(100_000);
        let ended = by_shell("wc -c", &long).unwrap();
        assert_eq!(String::from_utf8_lossy(&ended.output).trim(), "100000");
        let variables = output("/usr/bin/env");
        let names: Vec<_> = variables.lines().filter_map(|line| line.split('=').next()).collect();
        let ours = ["LC_ALL", "PATH", "PWD", "_", "SHLVL", "OLDPWD"];
        assert!(names.iter().all(|name| ours.contains(name)), "{names:?}");
    }
}
