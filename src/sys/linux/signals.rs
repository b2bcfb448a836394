//! Signals that are read instead of taking effect (`signalfd(2)`).
#![expect(unsafe_code, reason = "signalfd(2) and sigprocmask(2) have no safe wrapper")]

use rustix::process::Signal;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, FromRawFd as _, OwnedFd};

/// The signals that end a program when a user or a supervisor wants that.
const ENDS: [Signal; 4] = [Signal::INT, Signal::TERM, Signal::HUP, Signal::QUIT];

/// The bytes of `struct signalfd_siginfo`, where its number is, and where what sent it.
const INFO: usize = 128;
const NUMBER: usize = 0;
const CODE: usize = 8;

/// From when it is made, the signals that end programs wait in it.
#[derive(Debug)]
pub struct Signals(OwnedFd);

/// A signal that came.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Came {
    /// Which.
    pub signal: Signal,
    /// Whether a process sent it. Else it was the terminal, which sends it to every process of its group.
    pub by_process: bool,
}

impl Signals {
    /// Keeps the signals of this thread, and of those that it makes, from taking effect. Programs that it starts by
    /// [`super::command::Started`] have them as ever.
    ///
    /// # Errors
    /// When the kernel refuses.
    pub fn keep() -> io::Result<Self> {
        let set = mask(libc::SIG_BLOCK)?;
        // SAFETY: the set is a valid one, and lives through the call.
        let fd =
            unsafe { libc::signalfd(-1, &raw const set, libc::SFD_CLOEXEC | libc::SFD_NONBLOCK) };
        if fd < 0 {
            return Err(io::Error::last_os_error());
        }
        // SAFETY: the kernel made this descriptor for us, and nobody else has it.
        Ok(Self(unsafe { OwnedFd::from_raw_fd(fd) }))
    }

    /// Lets them take effect again, as they do in a program that was just started. To be called between fork and exec too.
    pub(super) fn let_through() -> io::Result<()> {
        mask(libc::SIG_UNBLOCK).map(drop)
    }

    /// The next signal that came; `None` when there is none.
    #[must_use]
    pub fn next(&self) -> Option<Came> {
        let mut info = [0; INFO];
        let read = rustix::io::read(&self.0, &mut info).ok()?;
        let number = |at: usize| Some(i32::from_ne_bytes(*info.get(at..)?.first_chunk()?));
        let signal = Signal::from_named_raw(number(NUMBER).filter(|_| read == INFO)?)?;
        // SI_USER and what else a process sends is not above 0 (sigaction(2)).
        Some(Came { signal, by_process: number(CODE)? <= 0 })
    }
}

/// Changes what of the signals takes effect in this thread. Returns the set of them.
fn mask(how: libc::c_int) -> io::Result<libc::sigset_t> {
    // SAFETY: sigemptyset(3) makes a valid set of any bytes, and the other calls get that set, which lives through them.
    // None of them allocates or locks.
    unsafe {
        let mut set: libc::sigset_t = std::mem::zeroed();
        libc::sigemptyset(&raw mut set);
        for signal in ENDS {
            libc::sigaddset(&raw mut set, signal.as_raw());
        }
        match libc::pthread_sigmask(how, &raw const set, std::ptr::null_mut()) {
            0 => Ok(set),
            error => Err(io::Error::from_raw_os_error(error)),
        }
    }
}

impl AsFd for Signals {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}
