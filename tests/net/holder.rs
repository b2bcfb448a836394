//! Processes that do nothing but hold sockets: known pid, any name, any arguments.
//!
//! A holder is the system's shell, waiting for a line that never comes. It gets its sockets from the test by
//! inheritance, and the test keeps none. When the test goes, however it goes, the shell reads the end of its
//! input and ends.

use crate::cgroups::Cgroup;
use crate::run::{become_ordinary, before_exec};
use crate::sockets::Spec;
use crate::world::alone;
use std::ffi::{OsStr, OsString};
use std::fs::{self, File};
use std::io::{self, BufRead as _, BufReader, Write as _};
use std::os::fd::{AsRawFd, IntoRawFd as _, OwnedFd, RawFd};
use std::os::unix::fs::MetadataExt as _;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};

/// A process that is to hold sockets.
pub(crate) struct Plan {
    program: PathBuf,
    directory: Option<Directory>,
    argv0: Option<OsString>,
    arguments: Vec<OsString>,
    script: &'static str,
    sockets: Vec<Spec>,
    given: Vec<OwnedFd>,
    ordinary: bool,
    cgroup: Option<File>,
    moved: bool,
}

/// A process to hold sockets.
pub(crate) fn holder() -> Plan {
    Plan {
        program: "/bin/sh".into(),
        directory: None,
        argv0: None,
        arguments: Vec::new(),
        script: "echo ready; read line",
        sockets: Vec::new(),
        given: Vec::new(),
        ordinary: false,
        cgroup: None,
        moved: false,
    }
}

impl Plan {
    /// The file that it runs has this name.
    pub(crate) fn named(mut self, name: impl AsRef<OsStr>) -> Self {
        let directory = Directory::new();
        self.program = directory.0.join(name.as_ref());
        // Not fs::copy: another test's fork would hold the file open for writing, and exec would say ETXTBSY.
        let mut copy = Command::new("cp");
        copy.args(["-L", "--", "/bin/sh"]).arg(&self.program);
        let copied = alone(|| copy.spawn()).and_then(|mut child| child.wait());
        assert!(copied.is_ok_and(|status| status.success()), "did not run: no copy of /bin/sh");
        self.directory = Some(directory);
        self
    }

    /// It calls itself this.
    pub(crate) fn calling_itself(mut self, argv0: impl AsRef<OsStr>) -> Self {
        self.argv0 = Some(argv0.as_ref().to_owned());
        self
    }

    /// It has this argument more.
    pub(crate) fn with_argument(mut self, argument: impl AsRef<OsStr>) -> Self {
        self.arguments.push(argument.as_ref().to_owned());
        self
    }

    /// It runs this script, which prints a line when everything is in place, and ends with its input.
    pub(crate) fn running(self, script: &'static str) -> Self {
        Self { script, ..self }
    }

    /// It is an ordinary user's.
    pub(crate) fn of_ordinary_user(self) -> Self {
        Self { ordinary: true, ..self }
    }

    /// It is in this cgroup, and makes its sockets there itself.
    pub(crate) fn within(mut self, cgroup: &Cgroup) -> Self {
        self.cgroup = Some(cgroup.door());
        self
    }

    /// It is in this cgroup, and has its sockets from elsewhere.
    pub(crate) fn moved_to(mut self, cgroup: &Cgroup) -> Self {
        self.moved = true;
        self.within(cgroup)
    }

    /// It holds this socket. A TCP one listens.
    pub(crate) fn holding(mut self, socket: Spec) -> Self {
        self.sockets.push(socket);
        self
    }

    /// It holds this socket, which the test has made and does not keep.
    pub(crate) fn given(mut self, socket: impl Into<OwnedFd>) -> Self {
        self.given.push(socket.into());
        self
    }

    /// Starts it, and waits for the first line that it prints.
    pub(crate) fn start(self) -> Holder {
        let mut command = Command::new(&self.program);
        if let Some(argv0) = &self.argv0 {
            command.arg0(argv0);
        }
        command.args(["-c", self.script]).args(&self.arguments);
        command.env_clear().envs(std::env::var_os("PATH").map(|path| ("PATH", path)));
        command.stdin(Stdio::piped()).stdout(Stdio::piped());
        let child = alone(|| {
            let here = self.cgroup.is_none() || self.moved;
            let (ours, theirs) = self.sockets.split_at(if here { self.sockets.len() } else { 0 });
            let sockets: Vec<_> = ours.iter().map(|socket| socket.serving()).collect();
            let given = self.given;
            let descriptors = sockets.iter().map(AsRawFd::as_raw_fd);
            let descriptors: Vec<_> =
                descriptors.chain(given.iter().map(AsRawFd::as_raw_fd)).collect();
            let theirs = theirs.to_vec();
            before_exec(&mut command, move || {
                if let Some(mut door) = self.cgroup.as_ref() {
                    door.write_all(b"0")?;
                }
                descriptors.iter().try_for_each(|descriptor| keep_open(*descriptor))?;
                theirs.iter().try_for_each(|spec| keep_open(spec.serving().into_raw_fd()))?;
                if self.ordinary { become_ordinary() } else { Ok(()) }
            });
            command.spawn()
        });
        let program = self.program.to_string_lossy().escape_debug().to_string();
        let mut child = child.unwrap_or_else(|e| panic!("did not run: {program}: {e}"));
        let mut lines = BufReader::new(child.stdout.take().unwrap());
        let mut said = String::new();
        lines.read_line(&mut said).expect("the holder speaks");
        assert!(said.ends_with('\n'), "{program} ended early, after {said:?}");
        Holder { child, said, _lines: lines, _directory: self.directory }
    }
}

/// Lets a descriptor live through exec, under a number that no script redirects: those use one digit.
fn keep_open(descriptor: RawFd) -> io::Result<()> {
    const BEYOND_SCRIPTS: libc::c_int = 20;
    // SAFETY: fcntl(2) with F_DUPFD takes no pointers; the descriptor table is this process's.
    match unsafe { libc::fcntl(descriptor, libc::F_DUPFD, BEYOND_SCRIPTS) } {
        -1 => Err(io::Error::last_os_error()),
        _ => Ok(()),
    }
}

/// A process that holds sockets until it is dropped.
pub(crate) struct Holder {
    child: Child,
    said: String,
    _lines: BufReader<ChildStdout>,
    _directory: Option<Directory>,
}

impl Holder {
    /// Its process id.
    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// The first line that it printed, as numbers.
    pub(crate) fn numbers(&self) -> Vec<u32> {
        self.said.split_whitespace().map(|word| word.parse().expect("a number")).collect()
    }
}

impl Drop for Holder {
    fn drop(&mut self) {
        // Its children read the same input, and end with it.
        drop(self.child.stdin.take());
        drop(self.child.wait());
    }
}

/// A directory of this test's own, removed when it is dropped.
pub(crate) struct Directory(pub(crate) PathBuf);

impl Directory {
    /// One for programs.
    pub(crate) fn new() -> Self {
        Self::within(Path::new(env!("CARGO_TARGET_TMPDIR")))
    }

    /// One in this directory.
    pub(crate) fn within(parent: &Path) -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let number = COUNT.fetch_add(1, Ordering::Relaxed);
        // In a process namespace of its own each test is process 1.
        let namespace = fs::metadata("/proc/self/ns/pid").unwrap().ino();
        let path = parent.join(format!("net-{namespace}-{}-{number}", std::process::id()));
        // Of a run that was killed.
        drop(fs::remove_dir_all(&path));
        fs::create_dir_all(&path).unwrap();
        Self(path)
    }

    /// Its path.
    pub(crate) fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for Directory {
    fn drop(&mut self) {
        drop(fs::remove_dir_all(&self.0));
    }
}
