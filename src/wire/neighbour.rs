//! The neighbours that the kernel knows, over `NETLINK_ROUTE` (`linux/neighbour.h`).

use super::netlink::{self, attribute};
use std::net::{IpAddr, Ipv6Addr};

const RTM_GETNEIGH: u16 = 30;
/// The size of `struct ndmsg`.
const NDMSG: usize = 12;
const NDA_DST: u16 = 1;
const NDA_LLADDR: u16 = 2;
/// `NUD_INCOMPLETE | NUD_FAILED`.
const SILENT: u16 = 0x01 | 0x20;

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

/// The Ethernet address of the neighbour that an entry stands for, where it has answered.
#[must_use]
pub fn mac(payload: &[u8]) -> Option<[u8; 6]> {
    let value = attribute(payload.get(NDMSG..)?, NDA_LLADDR).filter(|_| !is_silent(payload))?;
    value.try_into().ok()
}

/// Whether the neighbour that an entry stands for was asked for and has not answered.
#[must_use]
pub fn is_silent(payload: &[u8]) -> bool {
    // struct ndmsg: family, three bytes of padding, the device, the state.
    let state = payload.get(8..10).and_then(|state| state.try_into().ok());
    state.is_some_and(|state| u16::from_ne_bytes(state) & SILENT != 0)
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

    #[test]
    fn a_neighbour_that_has_answered_has_its_hardware() {
        let entry = |state: u8, value: &[u8]| {
            let mut payload = vec![0; NDMSG];
            payload.splice(8..9, [state]);
            netlink::push_attribute(&mut payload, NDA_LLADDR, value);
            mac(&payload)
        };
        assert_eq!(entry(0x02, &[2, 4, 6, 8, 10, 12]), Some([2, 4, 6, 8, 10, 12]));
        assert_eq!(entry(0x20, &[2, 4, 6, 8, 10, 12]), None, "it answers no more");
        assert_eq!(entry(0x02, &[2, 4]), None, "no Ethernet");
        assert_eq!(mac(&[0; 3]), None);
    }

    #[test]
    fn one_that_was_asked_for_in_vain_is_silent() {
        let entry = |state: u8| {
            let mut payload = vec![0; NDMSG];
            payload.splice(8..9, [state]);
            is_silent(&payload)
        };
        assert!(entry(0x01) && entry(0x20), "incomplete, failed");
        assert!(!entry(0x02) && !entry(0x04) && !entry(0), "reachable, stale");
        assert!(!is_silent(&[0; 3]));
    }
}
