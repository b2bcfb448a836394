//! Requests that give a network namespace a device, addresses and a route, over `NETLINK_ROUTE`
//! (`linux/rtnetlink.h`, `linux/if_addr.h`).

use super::netlink::{self, family_number, octets, push_attribute};
use crate::model::Family;
use std::net::IpAddr;

const RTM_NEWLINK: u16 = 16;
const RTM_NEWADDR: u16 = 20;
const RTM_NEWROUTE: u16 = 24;
/// `NLM_F_ACK`, `NLM_F_CREATE` and `NLM_F_EXCL`.
const NEW: u16 = netlink::ACK | 0x400 | 0x200;

/// How much a device takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Size {
    /// The largest packet in bytes.
    pub mtu: u32,
    /// How many packets may wait in it.
    pub queue: u32,
}

/// Brings a device up.
#[must_use]
pub fn bring_up(index: u32, size: Option<Size>, seq: u32) -> Vec<u8> {
    const IFLA_MTU: u16 = 4;
    const IFLA_TXQLEN: u16 = 13;
    /// `IFF_UP`, as the flag and as what is changed.
    const UP: u32 = 1;
    let mut body = vec![0; 4];
    body.extend([index, UP, UP].map(u32::to_ne_bytes).concat());
    if let Some(Size { mtu, queue }) = size {
        push_attribute(&mut body, IFLA_MTU, &mtu.to_ne_bytes());
        push_attribute(&mut body, IFLA_TXQLEN, &queue.to_ne_bytes());
    }
    netlink::request(RTM_NEWLINK, netlink::ACK, seq, &body)
}

/// Gives a device an address, which can be used at once: nobody is asked whether it is somebody else's.
#[must_use]
pub fn address(index: u32, address: IpAddr, prefix: u8, seq: u32) -> Vec<u8> {
    const IFA_ADDRESS: u16 = 1;
    const IFA_LOCAL: u16 = 2;
    const IFA_F_NODAD: u8 = 2;
    let mut body = vec![family_number(Family::of(address)), prefix, IFA_F_NODAD, 0];
    body.extend(index.to_ne_bytes());
    let octets = octets(address);
    push_attribute(&mut body, IFA_LOCAL, &octets);
    push_attribute(&mut body, IFA_ADDRESS, &octets);
    netlink::request(RTM_NEWADDR, NEW, seq, &body)
}

/// Makes every address one that is found at a device.
#[must_use]
pub fn everything_at(index: u32, family: Family, seq: u32) -> Vec<u8> {
    const RTA_OIF: u16 = 4;
    /// `RT_TABLE_MAIN`, `RTPROT_BOOT`, `RTN_UNICAST`.
    const MAIN: u8 = 254;
    const BOOT: u8 = 3;
    const UNICAST: u8 = 1;
    // RT_SCOPE_LINK: there is no router.
    let scope = if family == Family::Ipv4 { 253 } else { 0 };
    let mut body = vec![family_number(family), 0, 0, 0, MAIN, BOOT, scope, UNICAST, 0, 0, 0, 0];
    push_attribute(&mut body, RTA_OIF, &index.to_ne_bytes());
    netlink::request(RTM_NEWROUTE, NEW, seq, &body)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_requests_have_the_sizes_of_the_kernels_structures() {
        let device = bring_up(7, Some(Size { mtu: 1500, queue: 9 }), 1);
        assert_eq!(device[16..20], [0; 4]);
        assert_eq!(device[20..32], [7_u32, 1, 1].map(u32::to_ne_bytes).concat()[..]);
        assert_eq!(netlink::attribute(&device[32..], 4), Some(&1500_u32.to_ne_bytes()[..]));
        let address = address(7, [10, 0, 0, 9].into(), 32, 1);
        assert_eq!(address[16..20], [2, 32, 2, 0]);
        assert_eq!(netlink::attribute(&address[24..], 2), Some(&[10, 0, 0, 9][..]));
        let route = everything_at(7, Family::Ipv6, 1);
        assert_eq!(route[16..28], [10, 0, 0, 0, 254, 3, 0, 1, 0, 0, 0, 0]);
        assert_eq!(netlink::attribute(&route[28..], 4), Some(&7_u32.to_ne_bytes()[..]));
    }
}
