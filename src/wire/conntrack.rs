//! The connections that the kernel tracks, over `NETLINK_NETFILTER` (`linux/netfilter/nfnetlink_conntrack.h`).

use super::netlink::{self, attribute, push_attribute};
use std::net::IpAddr;

/// `NFNL_SUBSYS_CTNETLINK`, in the upper byte of a message's type.
const CONNTRACK: u16 = 1 << 8;
const GET: u16 = CONNTRACK | 1;
const DELETE: u16 = CONNTRACK | 2;

const CTA_TUPLE_ORIG: u16 = 1;
const CTA_TUPLE_REPLY: u16 = 2;
const CTA_ID: u16 = 12;
const CTA_ZONE: u16 = 18;
const CTA_TUPLE_IP: u16 = 1;
const CTA_IP_V4_SRC: u16 = 1;
const CTA_IP_V4_DST: u16 = 2;
const CTA_IP_V6_SRC: u16 = 3;
const CTA_IP_V6_DST: u16 = 4;
/// `NLA_F_NESTED`.
const NESTED: u16 = 0x8000;

/// `struct nfgenmsg`: a family, a version, and two bytes of no meaning here.
const GENERIC: usize = 4;

/// A connection, or what the kernel takes for one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tracked {
    /// Who has begun it.
    pub source: IpAddr,
    /// Where answers go: somebody else where NAT has changed the source.
    pub answered: IpAddr,
    /// What follows the header in a request that removes it.
    name: Vec<u8>,
}

/// A request for all connections.
#[must_use]
pub fn dump(seq: u32) -> Vec<u8> {
    netlink::request(GET, netlink::DUMP, seq, &[0; GENERIC])
}

/// A request that makes the kernel forget a connection, and how its addresses are translated.
#[must_use]
pub fn forget(tracked: &Tracked, seq: u32) -> Vec<u8> {
    netlink::request(DELETE, netlink::ACK, seq, &tracked.name)
}

/// An entry of the answer. `None` for one without addresses.
#[must_use]
pub fn tracked(payload: &[u8]) -> Option<Tracked> {
    let (generic, rest) = payload.split_first_chunk::<GENERIC>()?;
    let there = attribute(rest, CTA_TUPLE_ORIG)?;
    let back = attribute(rest, CTA_TUPLE_REPLY)?;
    // Without the first of these a request were about all connections.
    let mut name = vec![generic[0], 0, 0, 0];
    push_attribute(&mut name, CTA_TUPLE_ORIG | NESTED, there);
    for kind in [CTA_ID, CTA_ZONE] {
        if let Some(value) = attribute(rest, kind) {
            push_attribute(&mut name, kind, value);
        }
    }
    let source = address(there, CTA_IP_V4_SRC, CTA_IP_V6_SRC)?;
    Some(Tracked { source, answered: address(back, CTA_IP_V4_DST, CTA_IP_V6_DST)?, name })
}

fn address(tuple: &[u8], of_v4: u16, of_v6: u16) -> Option<IpAddr> {
    let addresses = attribute(tuple, CTA_TUPLE_IP)?;
    let v4 = || Some(<[u8; 4]>::try_from(attribute(addresses, of_v4)?).ok()?.into());
    let v6 = || Some(<[u8; 16]>::try_from(attribute(addresses, of_v6)?).ok()?.into());
    v4().or_else(v6)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn nested(parts: &[(u16, &[u8])]) -> Vec<u8> {
        let mut body = Vec::new();
        for (kind, value) in parts {
            push_attribute(&mut body, *kind, value);
        }
        body
    }

    #[test]
    fn an_entry_says_who_began_and_who_is_answered_and_is_named_in_whole() {
        let there = nested(&[(CTA_IP_V4_SRC, &[10, 0, 0, 9]), (CTA_IP_V4_DST, &[10, 0, 0, 2])]);
        let back = nested(&[(CTA_IP_V4_SRC, &[172, 17, 0, 2]), (CTA_IP_V4_DST, &[172, 17, 0, 1])]);
        let tuples = [there, back].map(|it| nested(&[(CTA_TUPLE_IP | NESTED, &it), (2, &[7; 8])]));
        let parts = [
            (CTA_TUPLE_ORIG | NESTED, &tuples[0][..]),
            (CTA_TUPLE_REPLY | NESTED, &tuples[1]),
            (7, &[0; 4]),
            (CTA_ID, &[1, 2, 3, 4]),
        ];
        let entry = [vec![2, 0, 0, 0], nested(&parts)].concat();
        let found = tracked(&entry).unwrap();
        assert_eq!(
            [found.source, found.answered].map(|it| it.to_string()),
            ["10.0.0.9", "172.17.0.1"]
        );
        let request = forget(&found, 1);
        assert_eq!(request[4..6], DELETE.to_ne_bytes());
        assert_eq!(request[16..20], [2, 0, 0, 0]);
        assert_eq!(attribute(&request[20..], CTA_TUPLE_ORIG), Some(&tuples[0][..]));
        assert_eq!(attribute(&request[20..], CTA_ID), Some(&[1, 2, 3, 4][..]));
        assert_eq!(tracked(&[2, 0, 0, 0]), None, "nothing that would name all");
    }

    proptest! {
        #[test]
        fn any_bytes_end_without_a_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            let _any = tracked(&bytes);
        }
    }
}
