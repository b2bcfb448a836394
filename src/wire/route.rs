//! Questions to the kernel's routing over `NETLINK_ROUTE` (`linux/rtnetlink.h`, `linux/fib_rules.h`): would a
//! packet to this address stay on this host, and does only the address decide that?

use super::netlink::{self, family_number, octets};
use crate::model::Family;
use std::net::IpAddr;

const RTM_GETROUTE: u16 = 26;
const RTM_GETRULE: u16 = 34;

const RTA_DST: u16 = 1;
const RTA_OIF: u16 = 4;
const RTA_GATEWAY: u16 = 5;

/// `RTM_F_FIB_MATCH`: answer with the entry of the table, which names the device that has the address.
const RTM_F_FIB_MATCH: u32 = 0x2000;
/// `RTN_LOCAL`: the packet is delivered on this host.
const RTN_LOCAL: u8 = 2;
/// `RT_TABLE_LOCAL`: the addresses of this host.
const RT_TABLE_LOCAL: u8 = 255;

const FRA_PRIORITY: u16 = 6;
const FRA_SUPPRESS_PREFIXLEN: u16 = 14;
const FRA_TABLE: u16 = 15;
const FRA_PROTOCOL: u16 = 21;

/// A request for the route to `destination`, through the device with index `interface` where that is not 0.
#[must_use]
pub fn get(destination: IpAddr, interface: u32, seq: u32) -> Vec<u8> {
    let octets = octets(destination);
    let prefix_bits = u8::try_from(octets.len() * 8).unwrap_or(u8::MAX);
    // struct rtmsg: family, destination length, six bytes that a question leaves 0, flags.
    let mut body = vec![family_number(Family::of(destination)), prefix_bits, 0, 0, 0, 0, 0, 0];
    body.extend(RTM_F_FIB_MATCH.to_ne_bytes());
    netlink::push_attribute(&mut body, RTA_DST, &octets);
    if interface != 0 {
        netlink::push_attribute(&mut body, RTA_OIF, &interface.to_ne_bytes());
    }
    netlink::request(RTM_GETROUTE, 0, seq, &body)
}

/// A route.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Route {
    /// Whether packets stay on this host.
    pub is_local: bool,
    /// The index of the device that it belongs to.
    pub device: Option<u32>,
    /// The router that it leads to.
    pub gateway: Option<IpAddr>,
}

/// The route in an answer; `None` when it is cut short.
#[must_use]
pub fn route(payload: &[u8]) -> Option<Route> {
    // struct rtmsg has 12 bytes, the type is the eighth.
    let (header, attributes) = payload.split_at_checked(12)?;
    let is_local = header.get(7) == Some(&RTN_LOCAL);
    let device = netlink::attribute(attributes, RTA_OIF)
        .and_then(|index| Some(u32::from_ne_bytes(index.try_into().ok()?)));
    let gateway = netlink::attribute(attributes, RTA_GATEWAY).and_then(address);
    Some(Route { is_local, device, gateway })
}

/// An address as the kernel writes it.
fn address(bytes: &[u8]) -> Option<IpAddr> {
    match bytes.len() {
        4 => Some(<[u8; 4]>::try_from(bytes).ok()?.into()),
        _ => Some(<[u8; 16]>::try_from(bytes).ok()?.into()),
    }
}

/// A request for the routing rules of a family, which the kernel sends in their order.
#[must_use]
pub fn rules(family: Family, seq: u32) -> Vec<u8> {
    let mut body = vec![0; 12];
    body.splice(..1, [family_number(family)]);
    netlink::request(RTM_GETRULE, netlink::DUMP, seq, &body)
}

/// Whether a rule sends every packet to the table of this host's addresses. When it is the first one, nothing but
/// the address decides whether a packet stays.
#[must_use]
pub fn asks_for_local_addresses(payload: &[u8]) -> bool {
    // struct fib_rule_hdr: family, destination and source length, tos, table, two reserved, action, flags.
    let Some((header, attributes)) = payload.split_at_checked(12) else { return false };
    let [_, 0, 0, 0, RT_TABLE_LOCAL, _, _, 1, ..] = *header else { return false };
    let harmless = [FRA_PRIORITY, FRA_SUPPRESS_PREFIXLEN, FRA_TABLE, FRA_PROTOCOL];
    netlink::attributes(attributes).all(|(kind, _)| harmless.contains(&kind))
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
        let answer = |kind: u8| {
            let mut bytes = vec![2, 32, 0, 0, 255, 0, 0, kind, 0, 0, 0, 0];
            netlink::push_attribute(&mut bytes, RTA_OIF, &7u32.to_ne_bytes());
            route(&bytes)
        };
        let found = |is_local| Some(Route { is_local, device: Some(7), gateway: None });
        assert_eq!(answer(RTN_LOCAL), found(true));
        assert_eq!(answer(1), found(false), "unicast leaves");
        assert_eq!(route(&[2, 32]), None);
        let mut bytes = vec![2, 32, 0, 0, 254, 0, 0, 1, 0, 0, 0, 0];
        netlink::push_attribute(&mut bytes, RTA_GATEWAY, &[10, 0, 0, 1]);
        let gateway = Some([10, 0, 0, 1].into());
        assert_eq!(route(&bytes), Some(Route { is_local: false, device: None, gateway }));
    }

    #[test]
    fn a_rule_with_a_selector_does_not_ask_for_every_packet() {
        let rule = |change: fn(&mut Vec<u8>)| {
            let mut bytes = vec![2, 0, 0, 0, RT_TABLE_LOCAL, 0, 0, 1, 0, 0, 0, 0];
            netlink::push_attribute(&mut bytes, FRA_TABLE, &255u32.to_ne_bytes());
            change(&mut bytes);
            asks_for_local_addresses(&bytes)
        };
        assert!(rule(|_| ()));
        assert!(!rule(|bytes| bytes[4] = 254), "another table");
        assert!(!rule(|bytes| bytes[1] = 8), "a destination");
        assert!(!rule(|bytes| bytes[7] = 6), "blackhole");
        // FRA_DPORT_RANGE
        assert!(!rule(|bytes| netlink::push_attribute(bytes, 24, &[0; 4])), "ports");
        assert!(!asks_for_local_addresses(&[2, 0]));
    }
}
