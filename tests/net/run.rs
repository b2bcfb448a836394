//! Running portsight: what it printed, how it ended, on what it was let loose.

use crate::world::{World, alone};
use jsonschema::Validator;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::{MemfdFlags, memfd_create};
use rustix::process::{Pid, PidfdFlags, Signal, kill_process, pidfd_open};
use rustix::process::{Resource, Rlimit, setrlimit};
use rustix::termios::{Winsize, tcsetwinsize};
use serde_json::Value;
use std::ffi::{CStr, OsStr};
use std::fs::File;
use std::io::{self, Read as _, Seek as _};
use std::os::fd::{AsFd, AsRawFd as _, FromRawFd as _, OwnedFd};
use std::os::unix::process::{CommandExt as _, ExitStatusExt as _};
use std::process::{Child, Command, Stdio};
use std::ptr;
use std::sync::LazyLock;

/// How long a run may take.
const LIMIT: Timespec = Timespec { tv_sec: 120, tv_nsec: 0 };

/// A run that has ended.
#[derive(Debug)]
pub(crate) struct Run {
    /// The exit status; minus the number of the signal that ended it.
    pub(crate) status: i32,
    /// The line that says in what part of the host it runs: every world has a network namespace of its own.
    pub(crate) header: String,
    /// What else it wrote to standard output. Not valid UTF-8 is an error of its own.
    pub(crate) stdout: String,
    /// What it wrote to standard error.
    pub(crate) stderr: String,
}

impl Run {
    /// The JSON document on standard output.
    #[track_caller]
    pub(crate) fn document(&self) -> Value {
        match serde_json::from_str(&self.stdout) {
            Ok(document) => {
                assert_valid(&document);
                document
            }
            Err(error) => panic!("no JSON ({error}): {self:?}"),
        }
    }

    /// Asserts the exit status.
    #[track_caller]
    pub(crate) fn exits(self, status: i32) -> Self {
        assert_eq!(self.status, status, "exit status of {self:#?}");
        self
    }

    /// Asserts that standard error is one line that holds each of these.
    #[track_caller]
    pub(crate) fn says_in_one_line(self, words: &[&str]) -> Self {
        assert_eq!(self.stderr.lines().count(), 1, "lines on standard error: {self:#?}");
        for word in words {
            assert!(self.stderr.contains(word), "{word:?} on standard error: {self:#?}");
        }
        self
    }
}

impl World {
    /// Runs portsight with these arguments, split at spaces, in this world.
    #[track_caller]
    pub(crate) fn portsight(&self, arguments: &str) -> Run {
        self.prepare(arguments).run()
    }

    /// The document that portsight prints with `-o json`, whatever its exit status is.
    #[track_caller]
    pub(crate) fn json(&self, arguments: &str) -> Value {
        self.portsight(&format!("{arguments} -o json")).document()
    }

    /// portsight with these arguments, to be started in this world.
    #[expect(clippy::unused_self, reason = "the thread of this world starts it")]
    pub(crate) fn prepare(&self, arguments: &str) -> Prepared {
        let mut command = Command::new(env!("CARGO_BIN_EXE_portsight"));
        command
            .args(arguments.split_whitespace())
            .env_clear()
            .envs(std::env::var_os("PATH").map(|path| ("PATH", path)))
            .envs([("LC_ALL", "C.UTF-8"), ("TERM", "xterm")])
            .stdin(Stdio::null());
        let (stdout, stderr) = (capture("stdout"), capture("stderr"));
        command.stdout(stdout.try_clone().unwrap()).stderr(stderr.try_clone().unwrap());
        Prepared { command, stdout, stderr }
    }
}

/// Asserts that a document is what its schema says.
fn assert_valid(document: &Value) {
    const COMMANDS: [&str; 4] = ["ls", "who", "check", "why"];
    static VALIDATORS: LazyLock<[Validator; 4]> = LazyLock::new(|| {
        COMMANDS.map(|command| {
            let mut portsight = Command::new(env!("CARGO_BIN_EXE_portsight"));
            let schema = portsight.args(["schema", command]).output().unwrap();
            jsonschema::validator_for(&serde_json::from_slice(&schema.stdout).unwrap()).unwrap()
        })
    });
    let name = document["schema"].as_str().and_then(|schema| schema.strip_prefix("portsight/"));
    let at = COMMANDS.iter().position(|command| Some(*command) == name);
    let validator = &VALIDATORS[at.expect("the document says which it is")];
    let errors: Vec<_> = validator.iter_errors(document).map(|error| error.to_string()).collect();
    assert!(errors.is_empty(), "{errors:#?} in {document:#}");
}

/// A run that has not started.
pub(crate) struct Prepared {
    command: Command,
    stdout: File,
    stderr: File,
}

impl Prepared {
    /// Adds an argument as it is.
    pub(crate) fn arg(mut self, argument: impl AsRef<OsStr>) -> Self {
        self.command.arg(argument);
        self
    }

    /// Sets a variable of its environment.
    pub(crate) fn variable(mut self, name: &str, value: &str) -> Self {
        self.command.env(name, value);
        self
    }

    /// Sends standard output elsewhere.
    pub(crate) fn to(mut self, stdout: impl Into<Stdio>) -> Self {
        self.command.stdout(stdout);
        self
    }

    /// Sends standard error elsewhere.
    pub(crate) fn errors_to(mut self, stderr: impl Into<Stdio>) -> Self {
        self.command.stderr(stderr);
        self
    }

    /// Changes the command that starts it.
    pub(crate) fn with(mut self, change: impl FnOnce(&mut Command)) -> Self {
        change(&mut self.command);
        self
    }

    /// Runs as an ordinary user.
    pub(crate) fn by_ordinary_user(mut self) -> Self {
        // The user may not be allowed to walk to the program; an open descriptor is a way in.
        let program = File::open(env!("CARGO_BIN_EXE_portsight")).unwrap();
        let mut command = Command::new(format!("/proc/self/fd/{}", program.as_raw_fd()));
        command.arg0("portsight").args(self.command.get_args()).env_clear().stdin(Stdio::null());
        command.envs(self.command.get_envs().filter_map(|(name, value)| Some((name, value?))));
        command.stdout(self.stdout.try_clone().unwrap()).stderr(self.stderr.try_clone().unwrap());
        before_exec(&mut command, move || {
            let _open_until_exec = &program;
            become_ordinary()
        });
        self.command = command;
        self
    }

    /// Runs it without these capabilities (`linux/capability.h`).
    pub(crate) fn without_capabilities(mut self, capabilities: &'static [i32]) -> Self {
        before_exec(&mut self.command, move || {
            for capability in capabilities {
                // SAFETY: prctl(2) with these arguments takes numbers only.
                if unsafe { libc::prctl(libc::PR_CAPBSET_DROP, *capability, 0, 0, 0) } != 0 {
                    return Err(io::Error::last_os_error());
                }
            }
            Ok(())
        });
        self
    }

    /// Runs with no more than this many descriptors, also if it asks for more.
    pub(crate) fn with_descriptors(mut self, number: u64) -> Self {
        before_exec(&mut self.command, move || {
            let limit = Rlimit { current: Some(number), maximum: Some(number) };
            Ok(setrlimit(Resource::Nofile, limit)?)
        });
        self
    }

    /// Runs where `/proc` is an empty directory.
    pub(crate) fn without_proc(mut self) -> Self {
        before_exec(&mut self.command, || mount_for_this_thread(c"none", c"/proc", c"tmpfs", 0));
        self
    }

    /// Starts it.
    pub(crate) fn start(mut self) -> Running {
        let child = alone(|| self.command.spawn())
            .unwrap_or_else(|e| panic!("did not run: portsight: {e}"));
        Running { child, stdout: self.stdout, stderr: self.stderr }
    }

    /// Runs it to its end.
    #[track_caller]
    pub(crate) fn run(self) -> Run {
        self.start().end()
    }
}

/// A run that has not ended. Dropping it kills it.
pub(crate) struct Running {
    child: Child,
    stdout: File,
    stderr: File,
}

impl Running {
    /// Sends SIGINT, as Ctrl-C does.
    pub(crate) fn interrupt(&self) {
        self.signal(Signal::INT);
    }

    /// Sends it a signal.
    pub(crate) fn signal(&self, signal: Signal) {
        kill_process(Pid::from_child(&self.child), signal).unwrap();
    }

    /// The number of its process.
    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Whether it has not ended.
    pub(crate) fn goes_on(&mut self) -> bool {
        self.child.try_wait().unwrap().is_none()
    }

    /// Holds it while something happens.
    pub(crate) fn held(&self, action: impl FnOnce()) {
        let process = Pid::from_child(&self.child);
        kill_process(process, Signal::STOP).unwrap();
        action();
        kill_process(process, Signal::CONT).unwrap();
    }

    /// Waits for its end.
    #[track_caller]
    pub(crate) fn end(mut self) -> Run {
        let pidfd = pidfd_open(Pid::from_child(&self.child), PidfdFlags::empty()).unwrap();
        let ended = poll(&mut [PollFd::new(&pidfd, PollFlags::IN)], Some(&LIMIT)).unwrap();
        if ended == 0 {
            self.child.kill().unwrap();
        }
        let status = self.child.wait().unwrap();
        let status = status.code().or_else(|| status.signal().map(|signal| -signal)).unwrap();
        let (header, stdout) = without_header(text(&mut self.stdout));
        let run = Run { status, header, stdout, stderr: text(&mut self.stderr) };
        assert_ne!(ended, 0, "no end after {} s: {run:#?}", LIMIT.tv_sec);
        run
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

/// Mounts something in a mount namespace of this thread's own, which what it starts has too. It ends with them.
pub(crate) fn mount_for_this_thread(
    source: &CStr,
    target: &CStr,
    kind: &CStr,
    flags: libc::c_ulong,
) -> io::Result<()> {
    let (none, root) = (ptr::null(), c"/".as_ptr());
    // SAFETY: unshare(2) and mount(2) get strings that live through the calls, and null pointers. The new mount
    // namespace is this thread's only, and is cut off from the old one before anything is mounted.
    let failed = unsafe {
        libc::unshare(libc::CLONE_NEWNS) != 0
            || libc::mount(ptr::null(), root, none, libc::MS_REC | libc::MS_PRIVATE, ptr::null())
                != 0
            || libc::mount(source.as_ptr(), target.as_ptr(), kind.as_ptr(), flags, ptr::null()) != 0
    };
    if failed { Err(io::Error::last_os_error()) } else { Ok(()) }
}

/// Adds a step between fork and exec.
pub(crate) fn before_exec(
    command: &mut Command,
    step: impl FnMut() -> io::Result<()> + Send + Sync + 'static,
) {
    // SAFETY: the steps of this harness only make system calls; they neither allocate nor lock.
    unsafe { command.pre_exec(step) };
}

/// Makes this process one of an ordinary user: another uid where there is one, and no capabilities.
///
/// In a user namespace with one user only the capabilities go, which the kernel treats alike: the sockets of
/// this test's process are then those of a more powerful one.
pub(crate) fn become_ordinary() -> io::Result<()> {
    const NOBODY: u32 = 65_534;
    // SAFETY: prctl(2) with these options, setgroups(2) with an empty list, setresgid(2) and setresuid(2) take
    // no pointers. The raw capset(2) gets a header and two data words that live through the call.
    unsafe {
        for capability in 0..=63 {
            // Beyond the last capability it fails with EINVAL: nothing to drop.
            libc::prctl(libc::PR_CAPBSET_DROP, capability, 0, 0, 0);
        }
        if libc::setgroups(0, ptr::null()) == 0 && libc::setresgid(NOBODY, NOBODY, NOBODY) == 0 {
            libc::setresuid(NOBODY, NOBODY, NOBODY);
        }
        let header = [0x2008_0522_u32, 0]; // _LINUX_CAPABILITY_VERSION_3, this process
        let none = [0_u32; 6];
        if libc::syscall(libc::SYS_capset, header.as_ptr(), none.as_ptr()) != 0 {
            return Err(io::Error::last_os_error());
        }
    }
    Ok(())
}

/// Runs this test once more, in a process namespace in which every process can be read; whether this is that run.
/// The other one then has nothing left to do.
#[track_caller]
pub(crate) fn in_own_process_namespace(test: &str) -> bool {
    const INSIDE: &str = "PORTSIGHT_TEST_INSIDE";
    if std::env::var_os(INSIDE).is_some() {
        return true;
    }
    let mut command = Command::new("unshare");
    command.args(["--pid", "--fork", "--mount-proc", "--kill-child"]);
    command.arg(std::env::current_exe().unwrap()).env(INSIDE, "1");
    command.args(["--include-ignored", "--nocapture", "--exact", test]);
    let child = alone(|| command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn());
    let output = child.and_then(Child::wait_with_output).expect("did not run: no unshare");
    let said = String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned();
    assert!(output.status.success() && said.contains("1 passed"), "{said}");
    false
}

/// A terminal of this width: our end, and the end for the program.
pub(crate) fn terminal(columns: u16) -> (File, OwnedFd) {
    let flags = libc::O_RDWR | libc::O_NOCTTY | libc::O_CLOEXEC;
    // SAFETY: posix_openpt(3), unlockpt(3) and TIOCGPTPEER take numbers only, and each descriptor that they
    // give belongs to nobody else. A failure gives -1, which the next call refuses.
    let (ours, theirs) = unsafe {
        let ours = libc::posix_openpt(flags);
        libc::unlockpt(ours);
        let theirs = libc::ioctl(ours, libc::TIOCGPTPEER, flags);
        assert!(theirs >= 0, "did not run: no terminal: {}", io::Error::last_os_error());
        (File::from_raw_fd(ours), OwnedFd::from_raw_fd(theirs))
    };
    let size = Winsize { ws_row: 24, ws_col: columns, ws_xpixel: 0, ws_ypixel: 0 };
    tcsetwinsize(&theirs, size).unwrap();
    (ours, theirs)
}

/// What was written to a terminal whose other end is closed. Lines end with `\n`.
pub(crate) fn on_screen(mut ours: File) -> String {
    let mut bytes = Vec::new();
    // When the last writer is gone the kernel says EIO, after everything was read.
    let end = ours.read_to_end(&mut bytes);
    assert!(end.is_ok() || end.is_err_and(|e| e.raw_os_error() == Some(libc::EIO)));
    String::from_utf8(bytes).expect("valid UTF-8").replace("\r\n", "\n")
}

/// Whether something can be read within this many seconds.
pub(crate) fn speaks_within(seconds: i64, end: &impl AsFd) -> bool {
    let limit = Timespec { tv_sec: seconds, tv_nsec: 0 };
    let mut ready = [PollFd::new(end, PollFlags::IN)];
    poll(&mut ready, Some(&limit)).unwrap();
    ready[0].revents().contains(PollFlags::IN)
}

/// A file that exists in memory only.
fn capture(name: &str) -> File {
    memfd_create(name, MemfdFlags::CLOEXEC).unwrap().into()
}

/// What a run printed, parted from the line on the namespace and the container that it was in. What that line says
/// depends on where the tests run.
pub(crate) fn without_header(stdout: String) -> (String, String) {
    match stdout.split_once('\n') {
        Some((header, rest)) if header.starts_with("inside ") => (header.into(), rest.into()),
        _ => (String::new(), stdout),
    }
}

/// What was written to it.
fn text(file: &mut File) -> String {
    let mut bytes = Vec::new();
    file.rewind().unwrap();
    file.read_to_end(&mut bytes).unwrap();
    String::from_utf8(bytes).expect("portsight writes valid UTF-8")
}
