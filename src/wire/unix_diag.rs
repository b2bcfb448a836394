//! The Unix sockets over `NETLINK_SOCK_DIAG` (`linux/unix_diag.h`), as far as messages wait in them.

use super::netlink;

/// `SOCK_DIAG_BY_FAMILY`.
const BY_FAMILY: u16 = 20;
const AF_UNIX: u8 = 1;
const SHOW_QUEUES: u32 = 0x10;
const UNIX_DIAG_RQLEN: u16 = 4;

const SOCK_DGRAM: u8 = 2;

/// The size of `struct unix_diag_msg`, and where type and inode stand.
const REPLY: usize = 16;
const TYPE: usize = 1;
const INODE: usize = 4;

/// A request for all Unix sockets of our network namespace, with their queues.
#[must_use]
pub fn dump(seq: u32) -> Vec<u8> {
    // struct unix_diag_req: family, protocol, padding, states, inode, what to show, cookie.
    let mut body = vec![AF_UNIX, 0, 0, 0];
    for word in [u32::MAX, 0, SHOW_QUEUES, u32::MAX, u32::MAX] {
        body.extend_from_slice(&word.to_ne_bytes());
    }
    netlink::request(BY_FAMILY, netlink::DUMP, seq, &body)
}

/// The inode of a socket in which something may wait to be received: bytes, or connections in a listener. A
/// datagram may have no bytes and yet carry descriptors, so those sockets always may.
#[must_use]
pub fn may_have_messages(payload: &[u8]) -> Option<u64> {
    let word =
        |at: usize, of: &[u8]| Some(u32::from_ne_bytes(of.get(at..at + 4)?.try_into().ok()?));
    let inode = word(INODE, payload)?;
    let attributes = payload.get(REPLY..)?;
    let queue = netlink::attributes(attributes).find(|(kind, _)| *kind == UNIX_DIAG_RQLEN);
    // What the kernel does not say may be anything.
    let waits = queue.and_then(|(_, value)| word(0, value)).is_none_or(|waiting| waiting > 0);
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
    fn a_request_asks_for_the_queues_of_every_socket() {
        let bytes = dump(1);
        assert_eq!(bytes.len(), 16 + 24);
        assert_eq!(bytes[16], AF_UNIX);
        assert_eq!(bytes[28..32], SHOW_QUEUES.to_ne_bytes());
    }
}
