//! One question to the kernel's routing table over `NETLINK_ROUTE` (`linux/rtnetlink.h`): where would a
//! packet to this address go?

use super::netlink;
use std::net::IpAddr;

const RTM_GETROUTE: u16 = 26;

const RTA_DST: u16 = 1;
const RTA_OIF: u16 = 4;

/// `RTN_LOCAL`: the packet is delivered on this host.
const RTN_LOCAL: u8 = 2;

/// Where `rtm_type` stands in `struct rtmsg` (12 bytes).
const RTM_TYPE: usize = 7;

/// A request for the route to `destination`, through the device with index `interface` where that is not 0.
#[must_use]
pub fn get(destination: IpAddr, interface: u32, seq: u32) -> Vec<u8> {
    let (family, octets) = match destination {
        IpAddr::V4(address) => (2, address.octets().to_vec()),
        IpAddr::V6(address) => (10, address.octets().to_vec()),
    };
    let prefix_bits = u8::try_from(octets.len() * 8).unwrap_or(u8::MAX);
    // struct rtmsg: family, destination length, and ten bytes that a question leaves 0.
    let mut body = vec![family, prefix_bits, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];
    netlink::push_attribute(&mut body, RTA_DST, &octets);
    if interface != 0 {
        netlink::push_attribute(&mut body, RTA_OIF, &interface.to_ne_bytes());
    }
    netlink::request(RTM_GETROUTE, 0, seq, &body)
}

/// Whether the answer says that the packet stays on this host; `None` when it is cut short.
#[must_use]
pub fn stays_here(payload: &[u8]) -> Option<bool> {
    payload.get(RTM_TYPE).map(|kind| *kind == RTN_LOCAL)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_question_names_the_whole_address_and_the_device() {
        let bytes = get("10.0.0.1".parse().unwrap(), 5, 1);
        assert_eq!(bytes[16..18], [2, 32]);
        let attributes: Vec<_> = netlink::attributes(&bytes[28..]).collect();
        let device = 5u32.to_ne_bytes();
        assert_eq!(attributes, [(RTA_DST, &[10, 0, 0, 1][..]), (RTA_OIF, &device[..])]);
    }

    #[test]
    fn only_the_local_type_stays_here() {
        let answer = |kind: u8| [2, 32, 0, 0, 255, 0, 0, kind, 0, 0, 0, 0];
        assert_eq!(stays_here(&answer(RTN_LOCAL)), Some(true));
        assert_eq!(stays_here(&answer(1)), Some(false), "unicast leaves through a device");
        assert_eq!(stays_here(&[2, 32]), None);
    }
}
