//! One conversation with the kernel.

use crate::sys::NetlinkSocket;
use crate::wire::netlink::{Answer, AnswerError};
use crate::wire::nf_tables::build::Batch;

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

/// Sends a batch, which ends with this, and waits until it has taken effect.
pub(super) fn take_effect(netlink: &mut NetlinkSocket, batch: Batch) -> Result<(), AnswerError> {
    let mut answer = Answer::entry(batch.seq());
    netlink.converse(&batch.end(), |datagram| answer.take(datagram, |_, _| ()))
}
