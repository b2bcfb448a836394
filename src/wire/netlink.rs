//! Netlink framing (RFC 3549, `linux/netlink.h`): messages and attributes, in the byte order of the host.

use crate::model::Family;
use std::io;
use std::net::IpAddr;
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

/// `NLM_F_REQUEST`.
pub const REQUEST: u16 = 0x01;
/// `NLM_F_ACK`.
pub const ACK: u16 = 0x04;
/// `NLM_F_DUMP`.
pub const DUMP: u16 = 0x300;
/// `NLM_F_DUMP_INTR`: the kernel's table changed while it was dumped, so the dump may lack entries.
const DUMP_INTERRUPTED: u16 = 0x10;

const NLMSG_NOOP: u16 = 1;
const NLMSG_ERROR: u16 = 2;
const NLMSG_DONE: u16 = 3;
const NLMSG_OVERRUN: u16 = 4;

/// `struct nlmsghdr`, 16 bytes.
#[derive(Debug, Clone, Copy, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C)]
struct Header {
    len: u32,
    kind: u16,
    flags: u16,
    seq: u32,
    port_id: u32,
}

const HEADER: usize = size_of::<Header>();

/// One message of a received datagram.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Message<'a> {
    /// An entry.
    Data {
        /// Its type.
        kind: u16,
        /// What follows the header.
        payload: &'a [u8],
    },
    /// The end of a dump, or the error (an errno, positive) that ended it.
    Done(i32),
    /// An acknowledgement (0), or the error (an errno, positive) that answers the request.
    Error(i32),
    /// The kernel could not keep up: entries are missing.
    Overrun,
}

/// What is wrong with a datagram.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("malformed netlink message at byte {at}")]
pub struct Malformed {
    /// Where.
    pub at: usize,
}

/// Why the kernel's answer to a request is not complete.
#[derive(Debug, thiserror::Error)]
pub enum AnswerError {
    /// The socket failed.
    #[error("the netlink socket failed")]
    Socket(#[from] io::Error),
    /// The kernel refused.
    #[error("the kernel refused")]
    Refused(#[source] io::Error),
    /// The answer made no sense.
    #[error("the kernel's answer could not be read")]
    Malformed(#[from] Malformed),
    /// The table changed while it was dumped.
    #[error("the kernel's table changed while it was read")]
    Interrupted,
    /// The kernel lost entries.
    #[error("the kernel lost entries of its answer")]
    Overrun,
}

impl AnswerError {
    /// The error with its cause, in one line.
    #[must_use]
    pub fn with_cause(&self) -> String {
        match std::error::Error::source(self) {
            Some(cause) => format!("{self}: {cause}"),
            None => self.to_string(),
        }
    }
}

/// `AF_INET` or `AF_INET6`.
pub(super) fn family_number(family: Family) -> u8 {
    match family {
        Family::Ipv4 => 2,
        Family::Ipv6 => 10,
    }
}

/// The bytes of an address.
pub(super) fn octets(address: IpAddr) -> Vec<u8> {
    match address {
        IpAddr::V4(address) => address.octets().to_vec(),
        IpAddr::V6(address) => address.octets().to_vec(),
    }
}

/// The answer to one request while it comes in, datagram by datagram.
#[derive(Debug)]
pub struct Answer {
    seq: u32,
    dump: bool,
    interrupted: bool,
}

impl Answer {
    /// The answer to a request for one entry.
    #[must_use]
    pub fn entry(seq: u32) -> Self {
        Self { seq, dump: false, interrupted: false }
    }

    /// The answer to a request for a whole table.
    #[must_use]
    pub fn dump(seq: u32) -> Self {
        Self { seq, dump: true, interrupted: false }
    }

    /// Hands each entry of a datagram (its type and payload) to `entry`. Returns whether the answer is complete.
    ///
    /// # Errors
    /// When it will never be complete; the entries so far have been handed over.
    pub fn take(
        &mut self,
        datagram: &[u8],
        mut entry: impl FnMut(u16, &[u8]),
    ) -> Result<bool, AnswerError> {
        for message in messages(datagram, self.seq) {
            let (message, changed) = message?;
            self.interrupted |= changed;
            match message {
                Message::Data { kind, payload } => {
                    entry(kind, payload);
                    if !self.dump {
                        return Ok(true);
                    }
                }
                Message::Done(0) | Message::Error(0) if self.interrupted => {
                    return Err(AnswerError::Interrupted);
                }
                Message::Done(0) | Message::Error(0) => return Ok(true),
                Message::Done(errno) | Message::Error(errno) => {
                    return Err(AnswerError::Refused(io::Error::from_raw_os_error(errno)));
                }
                Message::Overrun => return Err(AnswerError::Overrun),
            }
        }
        Ok(false)
    }
}

/// The messages of a datagram that carry the sequence number `seq`; others answer an earlier request. Each
/// comes with whether the kernel marked it as part of an interrupted dump.
fn messages(
    datagram: &[u8],
    seq: u32,
) -> impl Iterator<Item = Result<(Message<'_>, bool), Malformed>> {
    let mut at = 0;
    std::iter::from_fn(move || {
        while at < datagram.len() {
            let Some((header, payload)) = frame(datagram, at) else {
                let error = Malformed { at };
                at = datagram.len();
                return Some(Err(error));
            };
            at += align(HEADER + payload.len());
            if header.seq != seq || header.kind == NLMSG_NOOP {
                continue;
            }
            let message = match header.kind {
                NLMSG_ERROR => Message::Error(errno(payload)),
                NLMSG_DONE => Message::Done(errno(payload)),
                NLMSG_OVERRUN => Message::Overrun,
                kind => Message::Data { kind, payload },
            };
            return Some(Ok((message, header.flags & DUMP_INTERRUPTED != 0)));
        }
        None
    })
}

/// The messages of a datagram that answers no request, each with its type and what follows the header. It ends at the
/// first that is malformed.
pub fn messages_of_any(datagram: &[u8]) -> impl Iterator<Item = (u16, &[u8])> {
    let mut at = 0;
    std::iter::from_fn(move || {
        let (header, payload) = frame(datagram, at)?;
        at += align(HEADER + payload.len());
        Some((header.kind, payload))
    })
}

fn frame(datagram: &[u8], at: usize) -> Option<(Header, &[u8])> {
    let rest = datagram.get(at..)?;
    let (header, _) = Header::read_from_prefix(rest).ok()?;
    let payload = rest.get(HEADER..usize::try_from(header.len).ok()?)?;
    Some((header, payload))
}

/// The errno at the start of an error or done message: negative in the message, positive here. A message
/// without one says 0.
fn errno(payload: &[u8]) -> i32 {
    i32::read_from_prefix(payload).map_or(0, |(number, _)| number.saturating_neg())
}

/// A request of one message.
#[must_use]
pub fn request(kind: u16, flags: u16, seq: u32, body: &[u8]) -> Vec<u8> {
    let len = u32::try_from(HEADER + body.len()).unwrap_or(u32::MAX);
    let header = Header { len, kind, flags: REQUEST | flags, seq, port_id: 0 };
    let mut bytes = header.as_bytes().to_vec();
    bytes.extend_from_slice(body);
    bytes
}

/// The attributes (type, value) in a run of bytes. It ends at the first one that is malformed.
pub fn attributes(mut bytes: &[u8]) -> impl Iterator<Item = (u16, &[u8])> {
    /// `NLA_TYPE_MASK`: without the flags for nested and byte order.
    const TYPE: u16 = 0x3fff;
    std::iter::from_fn(move || {
        let len = usize::from(u16::from_ne_bytes(bytes.get(..2)?.try_into().ok()?));
        let kind = u16::from_ne_bytes(bytes.get(2..4)?.try_into().ok()?) & TYPE;
        let value = bytes.get(4..len)?;
        bytes = bytes.get(align(len)..).unwrap_or_default();
        Some((kind, value))
    })
}

/// The value of the first attribute of this type.
#[must_use]
pub fn attribute(bytes: &[u8], wanted: u16) -> Option<&[u8]> {
    attributes(bytes).find(|(kind, _)| *kind == wanted).map(|(_, value)| value)
}

/// The 32-bit number, in the byte order of the host, so many bytes behind the beginning.
#[must_use]
pub fn u32_at(at: usize, bytes: &[u8]) -> Option<u32> {
    let bytes = bytes.get(at..at.checked_add(4)?)?;
    Some(u32::from_ne_bytes(bytes.try_into().ok()?))
}

/// A string with its closing zero.
#[must_use]
pub fn text(value: &[u8]) -> String {
    let end = value.iter().position(|byte| *byte == 0).unwrap_or(value.len());
    String::from_utf8_lossy(value.get(..end).unwrap_or_default()).into_owned()
}

/// Appends an attribute to a request's body.
pub fn push_attribute(body: &mut Vec<u8>, kind: u16, value: &[u8]) {
    let len = u16::try_from(4 + value.len()).unwrap_or(u16::MAX);
    body.extend_from_slice(&len.to_ne_bytes());
    body.extend_from_slice(&kind.to_ne_bytes());
    body.extend_from_slice(value);
    body.resize(align(body.len()), 0);
}

/// The next multiple of 4: netlink aligns messages and attributes so.
fn align(len: usize) -> usize {
    len.next_multiple_of(4)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn all(datagram: &[u8], seq: u32) -> Vec<Result<(Message<'_>, bool), Malformed>> {
        messages(datagram, seq).collect()
    }

    #[test]
    fn a_request_reads_back_as_one_message() {
        let bytes = request(20, DUMP, 7, &[1, 2, 3, 4, 5]);
        assert_eq!(bytes.len(), 21);
        assert_eq!(
            all(&bytes, 7),
            [Ok((Message::Data { kind: 20, payload: &[1, 2, 3, 4, 5] }, false))]
        );
        assert_eq!(all(&bytes, 8), [], "another sequence number answers another request");
    }

    #[test]
    fn errors_ends_and_interruptions_are_told_apart() {
        let mut bytes = request(20, DUMP_INTERRUPTED, 1, &[9; 8]);
        bytes.extend(request(NLMSG_ERROR, 0, 1, &(-2i32).to_ne_bytes()));
        bytes.extend(request(NLMSG_DONE, 0, 1, &0i32.to_ne_bytes()));
        bytes.extend(request(NLMSG_OVERRUN, 0, 1, &[]));
        assert_eq!(
            all(&bytes, 1),
            [
                Ok((Message::Data { kind: 20, payload: &[9; 8] }, true)),
                Ok((Message::Error(2), false)),
                Ok((Message::Done(0), false)),
                Ok((Message::Overrun, false)),
            ]
        );
    }

    #[test]
    fn an_answer_is_complete_only_at_its_end() {
        let entry = request(20, 0, 1, &[9; 8]);
        let changed = request(20, DUMP_INTERRUPTED, 1, &[9; 8]);
        let done = request(NLMSG_DONE, 0, 1, &0i32.to_ne_bytes());
        let refused = request(NLMSG_ERROR, 0, 1, &(-2i32).to_ne_bytes());
        let overrun = request(NLMSG_OVERRUN, 0, 1, &[]);
        let take = |mut answer: Answer, datagrams: &[&[u8]]| {
            let mut entries = 0;
            let mut complete = Ok(false);
            for datagram in datagrams {
                complete = answer.take(datagram, |_, _| entries += 1);
            }
            (entries, complete)
        };
        assert!(matches!(take(Answer::entry(1), &[&entry]), (1, Ok(true))));
        assert!(matches!(take(Answer::dump(1), &[&entry, &entry]), (2, Ok(false))));
        assert!(matches!(take(Answer::dump(1), &[&entry, &done]), (1, Ok(true))));
        assert!(matches!(
            take(Answer::dump(1), &[&changed, &done]),
            (1, Err(AnswerError::Interrupted))
        ));
        assert!(matches!(
            take(Answer::dump(1), &[&entry, &refused]),
            (1, Err(AnswerError::Refused(_)))
        ));
        assert!(matches!(take(Answer::dump(1), &[&overrun]), (0, Err(AnswerError::Overrun))));
    }

    #[test]
    fn a_message_cut_short_is_malformed_and_not_an_empty_answer() {
        let bytes = request(20, 0, 1, &[0; 8]);
        assert_eq!(all(&bytes[..20], 1), [Err(Malformed { at: 0 })]);
        assert_eq!(all(&bytes[..3], 1), [Err(Malformed { at: 0 })]);
    }

    proptest! {
        #[test]
        fn attributes_read_back(values in prop::collection::vec((0u16..0x3fff, prop::collection::vec(any::<u8>(), 0..40)), 0..8)) {
            let mut body = Vec::new();
            for (kind, value) in &values {
                push_attribute(&mut body, *kind, value);
            }
            let read: Vec<(u16, Vec<u8>)> = attributes(&body).map(|(kind, value)| (kind, value.to_vec())).collect();
            prop_assert_eq!(read, values);
        }

        #[test]
        fn any_bytes_end_without_a_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            prop_assert!(messages(&bytes, 0).count() <= bytes.len());
            prop_assert!(attributes(&bytes).count() <= bytes.len());
        }
    }
}
