//! As much of `MongoDB`'s wire protocol as it takes to ask two questions: `OP_MSG` around one BSON document.

use super::text::word;
use crate::model::{Access, Protocol, Spoken};

const OP_MSG: i32 = 2013;
/// The length of a message before its document: the header, the flags and the kind of the section.
const BEFORE: usize = 16 + 4 + 1;
/// `Unauthorized`.
const UNAUTHORIZED: i32 = 13;

/// Asks what the server is, which it tells to anyone.
#[must_use]
pub fn build_info() -> Vec<u8> {
    message(1, &["buildInfo"])
}

/// Asks for the names of the databases, which it tells only to those who may know.
#[must_use]
pub fn list_databases() -> Vec<u8> {
    message(2, &["listDatabases", "nameOnly"])
}

/// A command to the database `admin`: each of these names with the value 1.
fn message(id: i32, names: &[&str]) -> Vec<u8> {
    let mut fields = Vec::new();
    for name in names {
        fields.push(kind::INT32);
        fields.extend(name.as_bytes());
        fields.extend([0, 1, 0, 0, 0]);
    }
    fields.push(kind::STRING);
    fields.extend(b"$db\0\x06\0\0\0admin\0");
    let length = |more: usize| i32::try_from(fields.len() + more).unwrap_or(i32::MAX);
    let mut message = Vec::new();
    for number in [length(BEFORE + 5), id, 0, OP_MSG, 0] {
        message.extend(number.to_le_bytes());
    }
    message.push(0);
    message.extend(length(5).to_le_bytes());
    message.extend(fields);
    message.push(0);
    message
}

mod kind {
    pub(super) const DOUBLE: u8 = 1;
    pub(super) const STRING: u8 = 2;
    pub(super) const DOCUMENT: u8 = 3;
    pub(super) const ARRAY: u8 = 4;
    pub(super) const BINARY: u8 = 5;
    pub(super) const OBJECT_ID: u8 = 7;
    pub(super) const BOOL: u8 = 8;
    pub(super) const DATE: u8 = 9;
    pub(super) const NULL: u8 = 10;
    pub(super) const INT32: u8 = 16;
    pub(super) const TIMESTAMP: u8 = 17;
    pub(super) const INT64: u8 = 18;
}

/// Whether a message has come whole.
#[must_use]
pub fn is_whole(bytes: &[u8]) -> bool {
    number(bytes, 0).is_none_or(|length| usize::try_from(length).is_ok_and(|l| bytes.len() >= l))
        && bytes.len() >= 4
}

/// What an answer to [`build_info`] tells; `None` for what is no answer of this protocol.
#[must_use]
pub fn server(bytes: &[u8]) -> Option<Spoken> {
    let reply = Reply::read(bytes)?;
    reply.ok?;
    let product = word(b"MongoDB");
    Some(Spoken { product, version: reply.version, ..Spoken::of(Protocol::Mongodb) })
}

/// Whether an answer to [`list_databases`] was given to a stranger.
#[must_use]
pub fn access(bytes: &[u8]) -> Option<Access> {
    let reply = Reply::read(bytes)?;
    match (reply.ok?, reply.code) {
        (true, _) => Some(Access::Free),
        (false, Some(UNAUTHORIZED)) => Some(Access::Guarded),
        (false, _) => None,
    }
}

/// The fields of a reply that matter.
#[derive(Debug, Default)]
struct Reply {
    ok: Option<bool>,
    version: Option<String>,
    code: Option<i32>,
}

impl Reply {
    fn read(bytes: &[u8]) -> Option<Self> {
        if number(bytes, 12)? != OP_MSG || bytes.get(BEFORE - 1) != Some(&0) {
            return None;
        }
        let mut rest = bytes.get(BEFORE + 4..)?;
        let mut reply = Self::default();
        while let Some((kind, after)) = rest.split_first().filter(|(kind, _)| **kind != 0) {
            let end = after.iter().position(|byte| *byte == 0)?;
            let (name, value) = (after.get(..end)?, after.get(end + 1..)?);
            let length = length(*kind, value)?;
            reply.take(name, *kind, value.get(..length)?);
            rest = value.get(length..)?;
        }
        Some(reply)
    }

    fn take(&mut self, name: &[u8], kind: u8, value: &[u8]) {
        match (name, kind) {
            (b"ok", kind::DOUBLE) => {
                self.ok = value.try_into().ok().map(|bytes| f64::from_le_bytes(bytes) > 0.5);
            }
            (b"ok", kind::INT32) => self.ok = number(value, 0).map(|ok| ok == 1),
            (b"code", kind::INT32) => self.code = number(value, 0),
            (b"version", kind::STRING) => {
                self.version = value.get(4..value.len().saturating_sub(1)).and_then(word);
            }
            _ => {}
        }
    }
}

/// The length of a value of this kind; `None` for a kind that no such reply has.
fn length(kind: u8, value: &[u8]) -> Option<usize> {
    let counted = || usize::try_from(number(value, 0)?).ok();
    match kind {
        kind::DOUBLE | kind::DATE | kind::TIMESTAMP | kind::INT64 => Some(8),
        kind::STRING => counted()?.checked_add(4),
        kind::DOCUMENT | kind::ARRAY => counted().filter(|length| *length >= 5),
        kind::BINARY => counted()?.checked_add(5),
        kind::OBJECT_ID => Some(12),
        kind::BOOL => Some(1),
        kind::NULL => Some(0),
        kind::INT32 => Some(4),
        _ => None,
    }
}

fn number(bytes: &[u8], at: usize) -> Option<i32> {
    Some(i32::from_le_bytes(bytes.get(at..at + 4)?.try_into().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// A reply with these fields.
    fn reply(fields: &[u8]) -> Vec<u8> {
        let length = i32::try_from(fields.len() + 5).unwrap();
        let mut bytes = Vec::new();
        for number in [length + 21, 7, 1, OP_MSG, 0] {
            bytes.extend(number.to_le_bytes());
        }
        bytes.push(0);
        bytes.extend(length.to_le_bytes());
        bytes.extend(fields);
        bytes.push(0);
        bytes
    }

    fn ok(value: f64) -> Vec<u8> {
        [&b"\x01ok\0"[..], &value.to_le_bytes()].concat()
    }

    #[test]
    fn a_question_is_a_whole_message() {
        for question in [build_info(), list_databases()] {
            assert_eq!(usize::try_from(number(&question, 0).unwrap()).unwrap(), question.len());
            assert!(is_whole(&question) && !is_whole(&question[..question.len() - 1]));
        }
        assert!(!is_whole(b""));
    }

    #[test]
    fn the_version_and_the_access_are_read() {
        let version = b"\x02version\0\x07\0\0\x007.0.11\0";
        let info = reply(&[&version[..], b"\x04a\0\x05\0\0\0\0", &ok(1.0)].concat());
        let spoken = server(&info).unwrap();
        assert_eq!(spoken.version.as_deref(), Some("7.0.11"));
        assert_eq!(access(&reply(&ok(1.0))), Some(Access::Free));
        let denied = [&ok(0.0)[..], b"\x10code\0\x0d\0\0\0"].concat();
        assert_eq!(access(&reply(&denied)), Some(Access::Guarded));
        let other = [&ok(0.0)[..], b"\x10code\0\x3b\0\0\0"].concat();
        assert_eq!(access(&reply(&other)), None);
        assert_eq!(server(b"HTTP/1.1 400 Bad Request\r\n\r\n"), None);
        assert_eq!(server(&reply(b"\x7fx\0")), None);
    }

    proptest! {
        #[test]
        fn any_bytes_end_without_a_panic(
            is_reply in any::<bool>(),
            rest in prop::collection::vec(any::<u8>(), 0..200),
        ) {
            let bytes = if is_reply { reply(&rest) } else { rest };
            let _read = (is_whole(&bytes), server(&bytes), access(&bytes));
        }
    }
}
