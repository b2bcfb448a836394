//! A child that outlives this process, however that ends, and cleans up behind it.
#![expect(unsafe_code, reason = "fork(2) and close_range(2) have no safe wrapper")]

use rustix::io::Errno;
use rustix::process::{Pid, Signal, WaitOptions, setsid, waitpid};
use std::fs::OpenOptions;
use std::io::{self, PipeReader, PipeWriter, Read as _};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, IntoRawFd, RawFd};

/// The child, as its parent sees it. Dropping it lets the child do its work and end.
#[derive(Debug)]
pub struct Guardian {
    lifeline: Option<PipeWriter>,
    child: Pid,
}

impl Guardian {
    /// Forks a child that waits until this process has ended or drops the guardian, then does `work`, and ends. The child
    /// has copies of the descriptors in `keep` and of no others, and is in a session of its own, so that the signals of
    /// a terminal pass it by.
    ///
    /// To be called while this process has one thread.
    ///
    /// # Errors
    /// When there is no room for another process.
    pub fn fork(keep: &[BorrowedFd<'_>], work: impl FnOnce()) -> io::Result<Self> {
        let (watched, lifeline) = io::pipe()?;
        // SAFETY: the child of a process with one thread is a whole copy of it. It never returns from here.
        match unsafe { libc::fork() } {
            0 => {
                drop(lifeline);
                let end = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
                    stand_by(watched, keep);
                    work();
                }));
                // SAFETY: _exit(2) takes a number. No destructor of the parent's values runs in its copy.
                unsafe { libc::_exit(i32::from(end.is_err())) }
            }
            child => {
                let child = Pid::from_raw(child).ok_or_else(io::Error::last_os_error)?;
                Ok(Self { lifeline: Some(lifeline), child })
            }
        }
    }

    /// Lets the child do its work, and waits until it has ended.
    pub fn finish(mut self) {
        drop(self.lifeline.take());
        while let Err(Errno::INTR) = waitpid(Some(self.child), WaitOptions::empty()) {}
    }
}

/// Lets go of everything of the parent's but for what is needed, and returns when the parent has gone.
fn stand_by(mut watched: PipeReader, keep: &[BorrowedFd<'_>]) {
    let _no_session = setsid().is_err();
    for signal in [Signal::INT, Signal::TERM, Signal::HUP, Signal::QUIT, Signal::PIPE] {
        // SAFETY: SIG_IGN is a valid disposition of these signals.
        unsafe { libc::signal(signal.as_raw(), libc::SIG_IGN) };
    }
    let kept: Vec<RawFd> = keep.iter().map(AsRawFd::as_raw_fd).collect();
    close_all_but(watched.as_fd().as_raw_fd(), kept);
    // Nobody waits for the end of a pipe that only this child holds, and nothing else gets these numbers.
    for _standard in 0..3 {
        let null = OpenOptions::new().read(true).write(true).open("/dev/null");
        let _stays_open = null.map(IntoRawFd::into_raw_fd);
    }
    let mut byte = [0];
    while let Err(error) = watched.read(&mut byte) {
        if error.kind() != io::ErrorKind::Interrupted {
            break;
        }
    }
}

fn close_all_but(watched: RawFd, mut kept: Vec<RawFd>) {
    kept.push(watched);
    kept.sort_unstable();
    let mut next = 0;
    for fd in kept.into_iter().chain([RawFd::MAX]) {
        if next < fd {
            // SAFETY: close_range(2) takes numbers. What it closes belongs to values of the parent's that the child never
            // touches.
            unsafe {
                libc::syscall(libc::SYS_close_range, next, fd.saturating_sub(1), 0);
            }
        }
        next = fd.saturating_add(1);
    }
}
