//! The network devices over `NETLINK_ROUTE` (`linux/if_link.h`): how frames come to them, and which of them hold
//! sockets, since the kernel takes in the datagrams of a tunnel itself, through a UDP socket that no process holds.

use super::netlink::{self, attribute, text};

const RTM_GETLINK: u16 = 18;

const IFLA_ADDRESS: u16 = 1;
const IFLA_IFNAME: u16 = 3;
const IFLA_MTU: u16 = 4;
const IFLA_LINK: u16 = 5;
const IFLA_MASTER: u16 = 10;
const IFLA_LINKINFO: u16 = 18;
const IFLA_INFO_KIND: u16 = 1;
const IFLA_INFO_DATA: u16 = 2;
const IFLA_LINK_NETNSID: u16 = 37;
const IFLA_XDP: u16 = 43;
const IFLA_XDP_ATTACHED: u16 = 2;
const IFLA_XDP_PROG_ID: u16 = 4;
const IFLA_XDP_DRV_PROG_ID: u16 = 5;
const IFLA_XDP_SKB_PROG_ID: u16 = 6;
const IFLA_XDP_HW_PROG_ID: u16 = 7;
const XDP_ATTACHED_DRV: u8 = 1;
const XDP_ATTACHED_SKB: u8 = 2;
const XDP_ATTACHED_HW: u8 = 3;
const XDP_ATTACHED_MULTI: u8 = 4;

/// The size of `struct ifinfomsg`, and where its flags stand.
const IFINFOMSG: usize = 16;
const FLAGS: usize = 8;
const TYPE: usize = 2;
const INDEX: usize = 4;
/// A device has its socket only while it is up.
const IFF_UP: u32 = 1;

/// A device that takes in datagrams through a UDP socket of the kernel's.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tunnel {
    /// Its name.
    pub name: String,
    /// Its kind, as `vxlan`.
    pub kind: &'static str,
    /// The UDP port that it listens at; `None` where this table does not tell (`WireGuard`).
    pub port: Option<u16>,
}

/// A device, as far as frames come to it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Device {
    /// Its index.
    pub index: u32,
    /// Whether it is up.
    pub is_up: bool,
    /// Its address, where it is one of Ethernet (`ARPHRD_ETHER`); zeros for a device whose packets have no such header.
    pub mac: [u8; 6],
    /// The largest packet that it takes, in bytes.
    pub mtu: u32,
    /// Its XDP programs.
    pub xdp: Xdp,
    /// The device that takes what comes by it, as a bridge or bond.
    pub above: Option<u32>,
    /// The device that what comes by it has come by before, as that below a VLAN.
    pub below: Option<u32>,
}

/// The XDP programs of a device, by their numbers.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Xdp {
    /// One that sees packets of the kernel, also those that are injected (generic).
    pub generic: Option<u32>,
    /// One that sees frames before the kernel makes packets of them: in the driver, or in the hardware.
    pub native: Option<u32>,
}

/// The device that an entry of the answer stands for.
#[must_use]
pub fn device(payload: &[u8]) -> Option<Device> {
    /// `ARPHRD_ETHER`.
    const ETHERNET: u16 = 1;
    let attributes = payload.get(IFINFOMSG..)?;
    let kind = u16::from_ne_bytes(payload.get(TYPE..TYPE + 2)?.try_into().ok()?);
    let mac = attribute(attributes, IFLA_ADDRESS).filter(|_| kind == ETHERNET);
    let xdp = attribute(attributes, IFLA_XDP).unwrap_or_default();
    let info = attribute(attributes, IFLA_LINKINFO).unwrap_or_default();
    // Of a pair each stands in this place for the other, and none is below.
    let is_pair = attribute(info, IFLA_INFO_KIND)
        .is_some_and(|kind| matches!(text(kind).as_str(), "veth" | "netkit"));
    let is_elsewhere = attribute(attributes, IFLA_LINK_NETNSID).is_some();
    let device = |kind| attribute(attributes, kind).and_then(|it| netlink::u32_at(0, it));
    Some(Device {
        index: netlink::u32_at(INDEX, payload)?,
        is_up: netlink::u32_at(FLAGS, payload)? & IFF_UP != 0,
        mac: mac.and_then(|mac| mac.try_into().ok()).unwrap_or_default(),
        mtu: attribute(attributes, IFLA_MTU).and_then(|mtu| netlink::u32_at(0, mtu))?,
        xdp: programs(xdp),
        above: device(IFLA_MASTER),
        below: device(IFLA_LINK).filter(|_| !is_pair && !is_elsewhere),
    })
}

/// How it is attached says which kind a lone program is of; only of several each has an attribute of its own.
fn programs(xdp: &[u8]) -> Xdp {
    let number =
        |kind| attribute(xdp, kind).and_then(|it| netlink::u32_at(0, it)).filter(|id| *id != 0);
    let attached = attribute(xdp, IFLA_XDP_ATTACHED).and_then(|it| it.first().copied());
    let lone = number(IFLA_XDP_PROG_ID);
    match attached {
        Some(XDP_ATTACHED_SKB) => Xdp { generic: lone, native: None },
        Some(XDP_ATTACHED_DRV | XDP_ATTACHED_HW) => Xdp { generic: None, native: lone },
        Some(XDP_ATTACHED_MULTI) => Xdp {
            generic: number(IFLA_XDP_SKB_PROG_ID),
            native: number(IFLA_XDP_DRV_PROG_ID).or(number(IFLA_XDP_HW_PROG_ID)),
        },
        _ => Xdp::default(),
    }
}

/// A request for all devices.
#[must_use]
pub fn dump(seq: u32) -> Vec<u8> {
    netlink::request(RTM_GETLINK, netlink::DUMP, seq, &[0; IFINFOMSG])
}

/// The tunnel that an entry of the answer stands for; `None` for another device, and for one that is down.
#[must_use]
pub fn tunnel(payload: &[u8]) -> Option<Tunnel> {
    let flags = netlink::u32_at(FLAGS, payload)?;
    if flags & IFF_UP == 0 {
        return None;
    }
    let attributes = payload.get(IFINFOMSG..)?;
    let info = attribute(attributes, IFLA_LINKINFO)?;
    // Where each kind has its port (IFLA_VXLAN_PORT, IFLA_GENEVE_PORT, IFLA_BAREUDP_PORT).
    let (kind, port) = match text(attribute(info, IFLA_INFO_KIND)?).as_str() {
        "vxlan" => ("vxlan", Some(15)),
        "geneve" => ("geneve", Some(5)),
        "bareudp" => ("bareudp", Some(1)),
        "wireguard" => ("wireguard", None),
        _ => return None,
    };
    let data = attribute(info, IFLA_INFO_DATA).unwrap_or_default();
    let port = port.and_then(|wanted| attribute(data, wanted)).and_then(|value| {
        // In network byte order, as the kernel's `__be16`.
        Some(u16::from_be_bytes(value.get(..2)?.try_into().ok()?))
    });
    Some(Tunnel { name: text(attribute(attributes, IFLA_IFNAME)?), kind, port })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn entry(name: &str, flags: u32, kind: &str, data: &[(u16, &[u8])]) -> Vec<u8> {
        let zero = |text: &str| [text.as_bytes(), &[0]].concat();
        let mut of_kind = Vec::new();
        for (attribute, value) in data {
            netlink::push_attribute(&mut of_kind, *attribute, value);
        }
        let mut info = Vec::new();
        netlink::push_attribute(&mut info, IFLA_INFO_KIND, &zero(kind));
        netlink::push_attribute(&mut info, IFLA_INFO_DATA, &of_kind);
        let mut payload = vec![0; IFINFOMSG];
        payload[FLAGS..FLAGS + 4].copy_from_slice(&flags.to_ne_bytes());
        netlink::push_attribute(&mut payload, IFLA_IFNAME, &zero(name));
        netlink::push_attribute(&mut payload, IFLA_LINKINFO, &info);
        payload
    }

    #[test]
    fn a_tunnel_that_is_up_has_its_port() {
        let port = 4789u16.to_be_bytes();
        let found = |name: &str, kind, port| Some(Tunnel { name: name.to_owned(), kind, port });
        let table = [
            (
                entry("vx0", 1, "vxlan", &[(1, &[9; 4]), (15, &port)]),
                found("vx0", "vxlan", Some(4789)),
            ),
            (entry("gn0", 1, "geneve", &[(5, &port)]), found("gn0", "geneve", Some(4789))),
            (entry("bu0", 1, "bareudp", &[(1, &port)]), found("bu0", "bareudp", Some(4789))),
            (entry("wg0", 1, "wireguard", &[]), found("wg0", "wireguard", None)),
            (entry("vx0", 1, "vxlan", &[(15, &[1])]), found("vx0", "vxlan", None)),
            (entry("vx0", 0, "vxlan", &[(15, &port)]), None),
            (entry("br0", 1, "bridge", &[(15, &port)]), None),
            (vec![0; 12], None),
        ];
        for (payload, expected) in table {
            assert_eq!(tunnel(&payload), expected, "{}", payload.escape_ascii());
        }
    }

    #[test]
    fn a_device_has_its_address_and_says_whether_xdp_is_before_us() {
        let entry = |kind: u16, attached: u8| {
            let mut xdp = Vec::new();
            netlink::push_attribute(&mut xdp, IFLA_XDP_ATTACHED, &[attached]);
            for (kind, program) in [(IFLA_XDP_PROG_ID, 4_u32), (IFLA_XDP_DRV_PROG_ID, 5)] {
                netlink::push_attribute(&mut xdp, kind, &program.to_ne_bytes());
            }
            let mut payload = vec![0; IFINFOMSG];
            payload[TYPE..TYPE + 2].copy_from_slice(&kind.to_ne_bytes());
            payload[INDEX] = 7;
            payload[FLAGS] = 1;
            netlink::push_attribute(&mut payload, IFLA_ADDRESS, &[2, 0, 0, 0, 0, 9]);
            netlink::push_attribute(&mut payload, IFLA_MTU, &1500_u32.to_ne_bytes());
            netlink::push_attribute(&mut payload, IFLA_XDP, &xdp);
            device(&payload).unwrap()
        };
        let mac = [2, 0, 0, 0, 0, 9];
        let xdp = Xdp::default();
        let ethernet =
            Device { index: 7, is_up: true, mac, mtu: 1500, xdp, above: None, below: None };
        assert_eq!(entry(1, 0), ethernet);
        let xdp = |attached| (entry(1, attached).xdp.generic, entry(1, attached).xdp.native);
        assert_eq!([xdp(1), xdp(2), xdp(3)], [(None, Some(4)), (Some(4), None), (None, Some(4))]);
        assert_eq!(xdp(4), (None, Some(5)), "several");
        assert_eq!(entry(65_534, 0).mac, [0; 6], "a tun device");
        assert_eq!(device(&[0; 15]), None);
    }

    #[test]
    fn a_device_says_which_are_above_and_below_it() {
        let around_of = |kind: &str| {
            let mut payload = entry("it0", 1, kind, &[]);
            for (attribute, value) in [(IFLA_MTU, 1500_u32), (IFLA_LINK, 3), (IFLA_MASTER, 4)] {
                netlink::push_attribute(&mut payload, attribute, &value.to_ne_bytes());
            }
            payload
        };
        let around = |kind: &str| device(&around_of(kind)).map(|it| (it.above, it.below)).unwrap();
        assert_eq!(around("vlan"), (Some(4), Some(3)));
        assert_eq!(around("veth"), (Some(4), None), "its other end");
        let mut payload = around_of("vlan");
        netlink::push_attribute(&mut payload, IFLA_LINK_NETNSID, &0_u32.to_ne_bytes());
        assert_eq!(device(&payload).unwrap().below, None, "a number of another namespace");
    }

    proptest! {
        #[test]
        fn any_bytes_end_without_a_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            let _any = device(&bytes);
            let _any = tunnel(&bytes);
        }
    }
}
