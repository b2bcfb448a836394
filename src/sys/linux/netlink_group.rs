//! Multicast groups of netlink (`netlink(7)`).
#![expect(unsafe_code, reason = "NETLINK_ADD_MEMBERSHIP has no safe wrapper")]

use std::io;
use std::os::fd::{AsFd, AsRawFd};

/// Makes a netlink socket hear a group.
pub(super) fn join(socket: &impl AsFd, group: u32) -> io::Result<()> {
    let length = libc::socklen_t::try_from(size_of::<u32>()).map_err(io::Error::other)?;
    // SAFETY: the kernel reads `length` bytes of `group`, which outlives the call.
    let status = unsafe {
        libc::setsockopt(
            socket.as_fd().as_raw_fd(),
            libc::SOL_NETLINK,
            libc::NETLINK_ADD_MEMBERSHIP,
            (&raw const group).cast(),
            length,
        )
    };
    if status == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}
