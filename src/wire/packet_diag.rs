//! The packet sockets over `NETLINK_SOCK_DIAG` (`linux/packet_diag.h`).

use super::netlink::{self, u32_at};
use super::sock_diag::BY_FAMILY;
use crate::model::Inode;

const AF_PACKET: u8 = 17;
const SHOW_INFO: u32 = 0x01;
const PACKET_DIAG_INFO: u16 = 0;
const PACKET_DIAG_UID: u16 = 5;

/// The size of `struct packet_diag_msg`, and where protocol and inode stand.
const REPLY: usize = 16;
const PROTOCOL: usize = 2;
const INODE: usize = 4;

/// A request for all packet sockets of our network namespace.
#[must_use]
pub fn dump(seq: u32) -> Vec<u8> {
    // struct packet_diag_req: family, protocol, padding, inode, what to show, cookie.
    let mut body = vec![AF_PACKET, 0, 0, 0];
    for word in [0, SHOW_INFO, u32::MAX, u32::MAX] {
        body.extend_from_slice(&word.to_ne_bytes());
    }
    netlink::request(BY_FAMILY, netlink::DUMP, seq, &body)
}

/// A packet socket.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Tap {
    /// Its inode.
    pub inode: Inode,
    /// The `EtherType` that it takes, 3 (`ETH_P_ALL`) for every one, 0 for none.
    pub protocol: u16,
    /// The index of the device it is bound to, 0 for none; `None` where the kernel does not say.
    pub interface: Option<u32>,
    /// The user who made it, where the kernel says so.
    pub uid: Option<u32>,
}

/// The socket in the payload of an answer; `None` when it is cut short.
#[must_use]
pub fn tap(payload: &[u8]) -> Option<Tap> {
    let attributes = netlink::attributes(payload.get(REPLY..)?);
    let mut tap = Tap {
        inode: Inode(u32_at(INODE, payload)?.into()),
        protocol: u16::from_ne_bytes(payload.get(PROTOCOL..PROTOCOL + 2)?.try_into().ok()?),
        interface: None,
        uid: None,
    };
    for (kind, value) in attributes {
        match kind {
            PACKET_DIAG_INFO => tap.interface = u32_at(0, value),
            PACKET_DIAG_UID => tap.uid = u32_at(0, value),
            _ => {}
        }
    }
    Some(tap)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tap_is_read_field_by_field() {
        let mut payload = vec![AF_PACKET, 3];
        payload.extend_from_slice(&0x0806u16.to_ne_bytes());
        payload.extend_from_slice(&4711u32.to_ne_bytes());
        payload.resize(REPLY, 0);
        let bare = Tap { inode: Inode(4711), protocol: 0x0806, interface: None, uid: None };
        assert_eq!(tap(&payload), Some(bare));
        let info = [2u32, 0, 0, 0, 0, 0].map(u32::to_ne_bytes).concat();
        netlink::push_attribute(&mut payload, PACKET_DIAG_INFO, &info);
        netlink::push_attribute(&mut payload, PACKET_DIAG_UID, &33u32.to_ne_bytes());
        assert_eq!(tap(&payload), Some(Tap { interface: Some(2), uid: Some(33), ..bare }));
        assert_eq!(tap(&payload[..REPLY - 1]), None);
    }

    proptest::proptest! {
        #[test]
        fn any_bytes_are_a_tap_or_nothing(bytes in proptest::collection::vec(proptest::num::u8::ANY, 0..100)) {
            let read = tap(&bytes);
            proptest::prop_assert!(read.is_none() || bytes.len() >= REPLY);
        }
    }
}
