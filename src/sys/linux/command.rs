//! A program of the user's choice, with our standard streams, that ends with us.
#![expect(unsafe_code, reason = "a step between fork and exec is unsafe to add")]

use super::signals::Signals;
use rustix::io::Errno;
use rustix::process::{
    Pid, PidfdFlags, Signal, getppid, pidfd_open, pidfd_send_signal,
    set_parent_process_death_signal,
};
use std::ffi::OsString;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::process::{CommandExt as _, ExitStatusExt as _};
use std::process::{Child, Command};

/// A program that was started.
#[derive(Debug)]
pub struct Started {
    child: Child,
    /// Readable when it has ended.
    end: OwnedFd,
}

/// How a program ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ending {
    /// With this status.
    Status(u8),
    /// By the signal of this number.
    Signal(u8),
}

impl Started {
    /// Starts a program with its arguments, in the namespaces and with the rights of this thread. When this process
    /// ends before it, in whatever way, the kernel ends it too.
    ///
    /// # Errors
    /// `NotFound` when there is no such program; else when it cannot be run.
    pub fn start(program: &OsString, arguments: &[OsString]) -> io::Result<Self> {
        let us = Pid::from_raw(i32::try_from(std::process::id()).map_err(io::Error::other)?);
        #[expect(clippy::disallowed_methods, reason = "the user asks for it by name")]
        let mut command = Command::new(program);
        command.args(arguments);
        // SAFETY: the step makes three system calls, and neither allocates nor locks.
        unsafe {
            command.pre_exec(move || {
                Signals::let_through()?;
                set_parent_process_death_signal(Some(Signal::KILL))?;
                // It may have gone before it was asked for.
                if getppid() == us { Ok(()) } else { Err(Errno::SRCH.into()) }
            });
        }
        let child = command.spawn()?;
        let end = pidfd_open(Pid::from_child(&child), PidfdFlags::empty())?;
        Ok(Self { child, end })
    }

    /// Sends it a signal. One that has ended gets none.
    pub fn signal(&self, signal: Signal) {
        let _gone = pidfd_send_signal(&self.end, signal).is_err();
    }

    /// Waits for its end.
    ///
    /// # Errors
    /// When it is not ours to wait for.
    pub fn wait(&mut self) -> io::Result<Ending> {
        let status = self.child.wait()?;
        let number = |number: i32| u8::try_from(number).unwrap_or(u8::MAX);
        let signal = || Ending::Signal(number(status.signal().unwrap_or_default()));
        Ok(status.code().map_or_else(signal, |code| Ending::Status(number(code))))
    }
}

impl AsFd for Started {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.end.as_fd()
    }
}
