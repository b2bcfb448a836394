//! Asking the kernel for its tables of rules.

use crate::sys::{NetlinkSocket, Protocol};
use crate::wire::netlink::{self, AnswerError};
use std::io;

/// How often a table is read when it changes while it is read.
const TRIES: u32 = 3;

/// A socket to ask by; `None` where the kernel has no netfilter.
pub(super) fn open() -> io::Result<Option<NetlinkSocket>> {
    match NetlinkSocket::open(Protocol::Netfilter) {
        Err(error) if error.raw_os_error() == Some(libc::EPROTONOSUPPORT) => Ok(None),
        opened => opened.map(Some),
    }
}

/// The first answer; `None` where the kernel has no `nf_tables`.
pub(super) fn first<T>(answer: Result<T, AnswerError>) -> Result<Option<T>, AnswerError> {
    match answer {
        // What nfnetlink says of a subsystem that it does not have.
        Err(AnswerError::Refused(error)) if error.raw_os_error() == Some(libc::EINVAL) => Ok(None),
        answer => answer.map(Some),
    }
}

/// The entries of a table of the kernel's, asked for again when it changes meanwhile.
pub(super) fn dump<T, I: IntoIterator<Item = T>>(
    netlink: &mut NetlinkSocket,
    request: impl Fn(u32) -> Vec<u8>,
    parse: impl Fn(&[u8]) -> I,
) -> Result<Vec<T>, AnswerError> {
    let mut tries = 0;
    loop {
        tries += 1;
        let mut entries = Vec::new();
        let seq = netlink.next_seq();
        let mut answer = netlink::Answer::dump(seq);
        let read = netlink.converse(&request(seq), |datagram| {
            answer.take(datagram, |_, payload| entries.extend(parse(payload)))
        });
        match read {
            Ok(()) => return Ok(entries),
            Err(AnswerError::Interrupted) if tries < TRIES => {}
            Err(error) => return Err(error),
        }
    }
}
