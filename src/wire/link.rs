//! The network devices over `NETLINK_ROUTE` (`linux/if_link.h`), as far as they hold sockets: the kernel takes
//! in the datagrams of a tunnel itself, through a UDP socket that no process holds.

use super::netlink::{self, attribute, text};

const RTM_GETLINK: u16 = 18;

const IFLA_IFNAME: u16 = 3;
const IFLA_LINKINFO: u16 = 18;
const IFLA_INFO_KIND: u16 = 1;
const IFLA_INFO_DATA: u16 = 2;

/// The size of `struct ifinfomsg`, and where its flags stand.
const IFINFOMSG: usize = 16;
const FLAGS: usize = 8;
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

    proptest! {
        #[test]
        fn any_bytes_end_without_a_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            let _any = tunnel(&bytes);
        }
    }
}
