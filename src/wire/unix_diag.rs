//! The Unix sockets over `NETLINK_SOCK_DIAG` (`linux/unix_diag.h`): those that take clients, and those in which
//! messages wait.

use super::netlink::{self, u32_at};
use super::sock_diag::BY_FAMILY;
use crate::model::Inode;

const AF_UNIX: u8 = 1;
const SHOW_NAME: u32 = 0x01;
const SHOW_PEER: u32 = 0x04;
const SHOW_QUEUES: u32 = 0x10;
const SHOW_USER: u32 = 0x40;
const UNIX_DIAG_NAME: u16 = 0;
const UNIX_DIAG_PEER: u16 = 2;
const UNIX_DIAG_RQLEN: u16 = 4;
const UNIX_DIAG_UID: u16 = 7;

const SOCK_DGRAM: u8 = 2;
/// `TCP_LISTEN`; of a datagram socket `TCP_CLOSE`, or `TCP_ESTABLISHED` once it has a peer, or is one.
const LISTEN: u8 = 10;
const CLOSE: u8 = 7;
const ESTABLISHED: u8 = 1;

/// The size of `struct unix_diag_msg`, and where type and inode stand.
const REPLY: usize = 16;
const TYPE: usize = 1;
const STATE: usize = 2;
const INODE: usize = 4;

/// A request for all Unix sockets of our network namespace, with their queues.
#[must_use]
pub fn dump(seq: u32) -> Vec<u8> {
    request(u32::MAX, SHOW_QUEUES, seq)
}

/// A request for the Unix sockets of our network namespace that may be [`server`]s.
#[must_use]
pub fn dump_servers(seq: u32) -> Vec<u8> {
    let show = SHOW_NAME | SHOW_PEER | SHOW_QUEUES | SHOW_USER;
    request(1 << LISTEN | 1 << CLOSE | 1 << ESTABLISHED, show, seq)
}

fn request(states: u32, show: u32, seq: u32) -> Vec<u8> {
    // struct unix_diag_req: family, protocol, padding, states, inode, what to show, cookie.
    let mut body = vec![AF_UNIX, 0, 0, 0];
    for word in [states, 0, show, u32::MAX, u32::MAX] {
        body.extend_from_slice(&word.to_ne_bytes());
    }
    netlink::request(BY_FAMILY, netlink::DUMP, seq, &body)
}

/// A Unix socket that clients can find.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Server {
    /// Its inode.
    pub inode: Inode,
    /// Its path as it was bound, which may be relative; in the abstract namespace behind an `@`, with `@` for each
    /// zero byte. Not valid UTF-8 is replaced by U+FFFD.
    pub path: String,
    /// Whether it listens for connections; else it takes datagrams.
    pub listens: bool,
    /// How many connections wait to be accepted, and how many may; absent for one of datagrams.
    pub queue: Option<(u32, u32)>,
    /// The user who made it, where the kernel says so (since Linux 5.3).
    pub uid: Option<u32>,
}

/// The socket in the payload of an answer, if clients can find it: it listens, or takes datagrams from anyone.
#[must_use]
pub fn server(payload: &[u8]) -> Option<Server> {
    let listens = *payload.get(STATE)? == LISTEN;
    let attributes = payload.get(REPLY..)?;
    let find = |wanted| netlink::attribute(attributes, wanted);
    if !listens && (payload.get(TYPE) != Some(&SOCK_DGRAM) || find(UNIX_DIAG_PEER).is_some()) {
        return None;
    }
    let name = find(UNIX_DIAG_NAME)?;
    let path = match name.strip_prefix(&[0]) {
        Some(name) => format!("@{}", String::from_utf8_lossy(name).replace('\0', "@")),
        None => String::from_utf8_lossy(name.split(|byte| *byte == 0).next()?).into_owned(),
    };
    let queue = find(UNIX_DIAG_RQLEN).filter(|_| listens);
    Some(Server {
        inode: Inode(u32_at(INODE, payload)?.into()),
        path,
        listens,
        queue: queue.and_then(|queue| Some((u32_at(0, queue)?, u32_at(4, queue)?))),
        uid: find(UNIX_DIAG_UID).and_then(|uid| u32_at(0, uid)),
    })
}

/// The inode of a socket in which something may wait to be received: bytes, or connections in a listener. A
/// datagram may have no bytes and yet carry descriptors, so those sockets always may.
#[must_use]
pub fn may_have_messages(payload: &[u8]) -> Option<u64> {
    let inode = u32_at(INODE, payload)?;
    let attributes = payload.get(REPLY..)?;
    let queue = netlink::attribute(attributes, UNIX_DIAG_RQLEN);
    // What the kernel does not say may be anything.
    let waits = queue.and_then(|value| u32_at(0, value)).is_none_or(|waiting| waiting > 0);
    (waits || payload.get(TYPE) == Some(&SOCK_DGRAM)).then_some(u64::from(inode))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reply(kind: u8, queue: Option<u32>) -> Vec<u8> {
        let mut payload = vec![AF_UNIX, kind, 1, 0];
        payload.extend_from_slice(&4711u32.to_ne_bytes());
        payload.resize(REPLY, 0);
        if let Some(waiting) = queue {
            let value = [waiting.to_ne_bytes(), [0; 4]].concat();
            netlink::push_attribute(&mut payload, UNIX_DIAG_RQLEN, &value);
        }
        payload
    }

    #[test]
    fn a_socket_with_an_empty_queue_has_no_messages() {
        for (kind, queue, expected) in [
            (1, Some(0), None),
            (1, Some(1), Some(4711)),
            (5, Some(0), None),
            (5, Some(9), Some(4711)),
            (SOCK_DGRAM, Some(0), Some(4711)),
            (1, None, Some(4711)),
        ] {
            assert_eq!(may_have_messages(&reply(kind, queue)), expected, "{kind} {queue:?}");
        }
        assert_eq!(may_have_messages(&[0; 7]), None);
    }

    #[test]
    fn a_server_has_a_name_and_no_peer() {
        let of = |kind: u8, state: u8, attributes: &[(u16, &[u8])]| {
            let mut payload = vec![AF_UNIX, kind, state, 0];
            payload.extend_from_slice(&4711u32.to_ne_bytes());
            payload.resize(REPLY, 0);
            for (attribute, value) in attributes {
                netlink::push_attribute(&mut payload, *attribute, value);
            }
            server(&payload)
        };
        let found = |path: &str, listens, queue, uid| {
            let path = path.to_owned();
            Some(Server { inode: Inode(4711), path, listens, queue, uid })
        };
        let queue = [2u32.to_ne_bytes(), 128u32.to_ne_bytes()].concat();
        let uid = 33u32.to_ne_bytes();
        let (name, queued, user) =
            ((0, &b"/run/x\0"[..]), (UNIX_DIAG_RQLEN, &queue[..]), (UNIX_DIAG_UID, &uid[..]));
        let table = [
            (of(1, LISTEN, &[name, queued, user]), found("/run/x", true, Some((2, 128)), Some(33))),
            (of(1, LISTEN, &[(0, b"\0a\0b")]), found("@a@b", true, None, None)),
            (of(5, LISTEN, &[name]), found("/run/x", true, None, None)),
            (of(SOCK_DGRAM, CLOSE, &[name, queued]), found("/run/x", false, None, None)),
            // A client has joined it.
            (of(SOCK_DGRAM, ESTABLISHED, &[name]), found("/run/x", false, None, None)),
            // A client, one without a name, a stream that does not listen, and one that was accepted.
            (of(SOCK_DGRAM, CLOSE, &[name, (UNIX_DIAG_PEER, &[1; 4])]), None),
            (of(SOCK_DGRAM, CLOSE, &[queued]), None),
            (of(1, CLOSE, &[name]), None),
            (of(1, ESTABLISHED, &[name]), None),
        ];
        for (found, expected) in table {
            assert_eq!(found, expected);
        }
        assert_eq!(server(&[AF_UNIX, 1, LISTEN]), None);
    }

    proptest::proptest! {
        #[test]
        fn any_bytes_are_a_server_or_nothing(bytes in proptest::collection::vec(proptest::num::u8::ANY, 0..100)) {
            let _any = server(&bytes);
        }
    }

    #[test]
    fn a_request_asks_for_the_queues_of_every_socket() {
        let bytes = dump(1);
        assert_eq!(bytes.len(), 16 + 24);
        assert_eq!(bytes[16], AF_UNIX);
        assert_eq!(bytes[28..32], SHOW_QUEUES.to_ne_bytes());
    }
}
