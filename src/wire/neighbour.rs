//! The neighbours that the kernel knows, over `NETLINK_ROUTE` (`linux/neighbour.h`).

use super::netlink::{self, attribute};
use std::net::{IpAddr, Ipv6Addr};

const RTM_GETNEIGH: u16 = 30;
/// The size of `struct ndmsg`.
const NDMSG: usize = 12;
const NDA_DST: u16 = 1;

/// A request for all neighbours.
#[must_use]
pub fn dump(seq: u32) -> Vec<u8> {
    netlink::request(RTM_GETNEIGH, netlink::DUMP, seq, &[0; NDMSG])
}

/// The address of the neighbour that an entry stands for, also of one that did not answer.
#[must_use]
pub fn address(payload: &[u8]) -> Option<IpAddr> {
    let value = attribute(payload.get(NDMSG..)?, NDA_DST)?;
    match value.len() {
        4 => Some(<[u8; 4]>::try_from(value).ok()?.into()),
        16 => Some(Ipv6Addr::from(<[u8; 16]>::try_from(value).ok()?).into()),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_neighbour_has_its_address() {
        let entry = |value: &[u8]| {
            let mut payload = vec![0; NDMSG];
            netlink::push_attribute(&mut payload, NDA_DST, value);
            address(&payload)
        };
        assert_eq!(entry(&[10, 0, 0, 1]), Some([10, 0, 0, 1].into()));
        assert_eq!(entry(&Ipv6Addr::LOCALHOST.octets()), Some(Ipv6Addr::LOCALHOST.into()));
        assert_eq!(entry(&[1, 2, 3, 4, 5, 6]), None, "that of a bridge");
        assert_eq!(address(&[0; 3]), None);
    }
}
