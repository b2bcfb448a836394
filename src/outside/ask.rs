//! One conversation with the kernel.

use crate::model::{Cookie, Transport};
use crate::sys::NetlinkSocket;
use crate::wire::netlink::{Answer, AnswerError};
use crate::wire::sock_diag::{self, Row};

/// Hands each entry of a table of the kernel's to `entry`.
pub(super) fn dump(
    netlink: &mut NetlinkSocket,
    request: impl Fn(u32) -> Vec<u8>,
    mut entry: impl FnMut(&[u8]),
) -> Result<(), AnswerError> {
    let seq = netlink.next_seq();
    let mut answer = Answer::dump(seq);
    netlink.converse(&request(seq), |datagram| answer.take(datagram, |_, payload| entry(payload)))
}

/// Sends a request that changes something, and waits until it has taken effect.
pub(super) fn change(
    netlink: &mut NetlinkSocket,
    request: impl FnOnce(u32) -> Vec<u8>,
) -> Result<(), AnswerError> {
    let seq = netlink.next_seq();
    let mut answer = Answer::entry(seq);
    netlink.converse(&request(seq), |datagram| answer.take(datagram, |_, _| ()))
}

/// What the kernel says of a socket that it does not name: to destroy one without a name could hit the listener.
pub(super) const NAMELESS: Cookie = Cookie(u64::MAX);

/// Ends a connection of a socket (`SOCK_DESTROY`).
pub(super) fn destroy(
    netlink: &mut NetlinkSocket,
    transport: Transport,
    row: &Row,
) -> Result<(), AnswerError> {
    change(netlink, |seq| sock_diag::destroy(transport, row, seq))
}
