//! Processes, and what they are to the sockets they hold.

use super::Seen;

/// A process that holds a socket.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Process {
    /// Its process id in our pid namespace.
    pub pid: u32,
    /// Its parent's process id; absent for a process without one.
    pub ppid: Seen<u32>,
    /// The program's name: the last part of its executable's path, else of `argv[0]`, else the kernel's
    /// 15-byte `comm`. Not valid UTF-8 is replaced by U+FFFD; other hostile characters are kept (the
    /// renderers escape them).
    pub name: String,
    /// The path of its executable.
    pub exe: Seen<String>,
    /// Its arguments.
    pub cmdline: Seen<Vec<String>>,
    /// Its working directory.
    pub cwd: Seen<String>,
    /// Its real user id.
    pub uid: Seen<u32>,
    /// The name of that user.
    pub user: Seen<String>,
    /// When it started, in seconds since the Unix epoch.
    pub started_at: Seen<u64>,
    /// Whether a signal or a debugger has stopped it: then it serves nobody.
    pub stopped: bool,
}

/// What a process is to a socket that it holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// It made the socket, as far as the process tree shows. A socket has at most one, and none when the parent
    /// of its workers made it and has closed its copy.
    Listener,
    /// It has the socket from its parent and runs another program.
    Inherited,
    /// It has the socket from its parent and runs the same program.
    Worker,
    /// It has the socket from the service manager (systemd, of the system or of a user), which keeps it.
    SocketActivated,
}

impl Role {
    /// Its name in the JSON documents.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Listener => "listener",
            Self::Inherited => "inherited",
            Self::Worker => "worker",
            Self::SocketActivated => "socket-activated",
        }
    }
}

/// How a process holds a socket other than through its own descriptor table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Via {
    /// Through the descriptor table of one of its threads.
    Thread,
    /// In a message that nobody has received yet (`SCM_RIGHTS`).
    InFlight,
    /// As a fixed file of an `io_uring`.
    IoUring,
}

impl Via {
    /// Its name in the JSON documents.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Thread => "thread",
            Self::InFlight => "in-flight",
            Self::IoUring => "io-uring",
        }
    }
}

/// A holder of a socket.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Owner {
    /// The process.
    pub process: Process,
    /// What it is to the socket.
    pub role: Role,
    /// How it holds the socket; `None` is the ordinary way.
    pub via: Option<Via>,
}

/// Why no holder of a socket was found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OwnersUnknownReason {
    /// The descriptors of some processes could not be read.
    Permission,
    /// Every process was read and none holds it: the kernel does, or something that is no descriptor.
    Kernel,
    /// No process of our pid namespace holds it, and there are others.
    OtherPidNamespace,
    /// The socket or its holder ended while the holder was looked for.
    Vanished,
    /// `/proc` could not be read at all.
    NoProcfs,
}

impl OwnersUnknownReason {
    /// Its name in the JSON documents.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Permission => "permission",
            Self::Kernel => "kernel",
            Self::OtherPidNamespace => "other-pid-namespace",
            Self::Vanished => "vanished",
            Self::NoProcfs => "no-procfs",
        }
    }
}

/// Why no holder of a socket was found, with a sentence for a person.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OwnersUnknown {
    /// The reason.
    pub reason: OwnersUnknownReason,
    /// The sentence.
    pub text: String,
}
