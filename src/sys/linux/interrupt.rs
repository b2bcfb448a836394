//! SIGINT as a question that long work asks now and then.
#![expect(unsafe_code, reason = "sigaction(2) has no safe wrapper that installs a handler")]

use std::io;
use std::sync::atomic::{AtomicBool, Ordering};

static INTERRUPTED: AtomicBool = AtomicBool::new(false);

extern "C" fn remember(_signal: libc::c_int) {
    INTERRUPTED.store(true, Ordering::Relaxed);
}

/// From now on the first SIGINT only sets [`interrupted`]; the second ends the process as usual.
///
/// # Errors
/// When the kernel refuses the handler.
pub fn catch_interrupt() -> io::Result<()> {
    // SAFETY: all-zero bytes are a valid sigaction: no flags, no signals blocked, default handler.
    let mut action: libc::sigaction = unsafe { std::mem::zeroed() };
    let handler: extern "C" fn(libc::c_int) = remember;
    action.sa_sigaction = handler as libc::sighandler_t;
    action.sa_flags = libc::SA_RESETHAND;
    // SAFETY: `action` is valid, and its handler only stores to an atomic, which is safe in a signal handler.
    let status = unsafe { libc::sigaction(libc::SIGINT, &raw const action, std::ptr::null_mut()) };
    if status == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

/// Whether SIGINT has come since [`catch_interrupt`].
#[must_use]
pub fn interrupted() -> bool {
    INTERRUPTED.load(Ordering::Relaxed)
}
