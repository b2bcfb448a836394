//! A network namespace of our own, without a name (`network_namespaces(7)`): it goes with what is in it.
#![expect(unsafe_code, reason = "unshare(2) has no safe wrapper")]

use rustix::fs::{Mode, OFlags, open};
use rustix::thread::{LinkNameSpaceType, UnshareFlags, move_into_link_name_space, unshare_unsafe};
use std::io;
use std::os::fd::AsFd as _;

/// Does the work in a new network namespace, and comes back. What the work starts and opens stays there.
///
/// # Errors
/// Without `CAP_SYS_ADMIN`, and when there is no way back.
pub fn in_new_network<T>(work: impl FnOnce() -> T) -> io::Result<T> {
    let flags = OFlags::RDONLY | OFlags::CLOEXEC;
    let home = open("/proc/thread-self/ns/net", flags, Mode::empty())?;
    // SAFETY: only the network namespace of this thread changes: no descriptor and no memory does.
    unsafe { unshare_unsafe(UnshareFlags::NEWNET) }?;
    let done = work();
    move_into_link_name_space(home.as_fd(), Some(LinkNameSpaceType::Network))?;
    Ok(done)
}
