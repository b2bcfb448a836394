//! Asking the kernel for a whole table, or for one entry.

use crate::model::{Gap, Hides, Need};
use crate::sys::{NetlinkSocket, Protocol};
use crate::wire::netlink::{self, AnswerError};
use std::io;

/// How often a table is read when it changes while it is read.
const TRIES: u32 = 3;

/// The rows of a table, and what is wrong with them. Rows that were read before the trouble are kept.
pub(super) fn rows<T>(
    protocol: Protocol,
    request: impl Fn(u32) -> Vec<u8>,
    read: impl Fn(&[u8]) -> Option<T>,
) -> (Vec<T>, Option<AnswerError>) {
    let mut netlink = match NetlinkSocket::open(protocol) {
        Ok(netlink) => netlink,
        Err(error) => return (Vec::new(), Some(error.into())),
    };
    let mut tries = 0;
    loop {
        tries += 1;
        let mut rows = Vec::new();
        let seq = netlink.next_seq();
        let mut answer = netlink::Answer::dump(seq);
        let asked = netlink.converse(&request(seq), |datagram| {
            answer.take(datagram, |_, payload| rows.extend(read(payload)))
        });
        match asked {
            Err(AnswerError::Interrupted) if tries < TRIES => {}
            asked => return (rows, asked.err()),
        }
    }
}

/// One entry; `None` where the answer has none that can be read.
pub(super) fn entry<T>(
    netlink: &mut NetlinkSocket,
    request: impl Fn(u32) -> Vec<u8>,
    read: impl Fn(&[u8]) -> Option<T>,
) -> Result<Option<T>, AnswerError> {
    let mut found = None;
    let seq = netlink.next_seq();
    let mut answer = netlink::Answer::entry(seq);
    netlink.converse(&request(seq), |datagram| {
        answer.take(datagram, |_, payload| found = read(payload))
    })?;
    Ok(found)
}

/// Whether the kernel has no such table.
pub(super) fn is_missing(error: &AnswerError) -> bool {
    matches!(error, AnswerError::Refused(error) if is_without(error.kind()))
}

/// `EOPNOTSUPP` answers the request for TCP of both families, `ENOENT` the others.
fn is_without(kind: io::ErrorKind) -> bool {
    matches!(kind, io::ErrorKind::NotFound | io::ErrorKind::Unsupported)
}

/// What a table could not show; `module` is what the kernel needs to have it.
pub(super) fn gap(error: &AnswerError, what: String, module: &'static str, hides: Hides) -> Gap {
    let need = match error {
        AnswerError::Refused(error) => match error.kind() {
            kind if is_without(kind) => Some(Need::Module(module)),
            io::ErrorKind::PermissionDenied => Some(Need::Root),
            _ => None,
        },
        AnswerError::Interrupted | AnswerError::Overrun => Some(Need::Retry),
        AnswerError::Socket(_) | AnswerError::Malformed(_) => None,
    };
    Gap { what, reason: error.with_cause(), need, hides }
}
