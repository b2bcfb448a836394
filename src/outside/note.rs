//! What the guardian must know to close what was left open, as bytes in memory that it shares with us.

use crate::model::Port;
use crate::wire::frame::Way;
use std::net::{IpAddr, Ipv6Addr, SocketAddr};

/// Probes that are in flight.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Note {
    /// The index of the device that receives them.
    pub(super) device: u32,
    /// Their way.
    pub(super) way: Way,
    /// What their sequence numbers are made with.
    pub(super) key: u32,
    /// The TCP ports that they go to.
    pub(super) ports: Vec<Port>,
}

const LATE: u8 = 1;
const LOGGED: u8 = 2;

/// What stands before the probes: whether datagrams may still be answered, and whether the kernel's log of packets may
/// be ours.
pub(super) fn state(is_late: bool, has_log: bool) -> u8 {
    (if is_late { LATE } else { 0 }) | (if has_log { LOGGED } else { 0 })
}

/// Whether datagrams may still be answered, and whether the log may be ours.
pub(super) fn read_state(state: u8) -> (bool, bool) {
    (state & LATE != 0, state & LOGGED != 0)
}

/// The bytes before the ports: two indices, two devices, two addresses, a port, and the number of ports.
const HEAD: usize = 4 + 4 + 6 + 6 + 16 + 16 + 2;

impl Note {
    pub(super) fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(HEAD + 2 * self.ports.len());
        bytes.extend(self.device.to_ne_bytes());
        bytes.extend(self.key.to_ne_bytes());
        bytes.extend(self.way.from);
        bytes.extend(self.way.to);
        bytes.extend(octets(self.way.source.ip()));
        bytes.extend(octets(self.way.target));
        bytes.extend(self.way.source.port().to_ne_bytes());
        bytes.extend(self.ports.iter().flat_map(|port| port.get().to_ne_bytes()));
        bytes
    }

    /// `None` for an empty note.
    pub(super) fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let (device, rest) = bytes.split_first_chunk::<4>()?;
        let (key, rest) = rest.split_first_chunk::<4>()?;
        let (from, rest) = rest.split_first_chunk::<6>()?;
        let (to, rest) = rest.split_first_chunk::<6>()?;
        let (source, rest) = rest.split_first_chunk::<16>()?;
        let (target, rest) = rest.split_first_chunk::<16>()?;
        let (port, rest) = rest.split_first_chunk::<2>()?;
        let (ports, _) = rest.as_chunks::<2>();
        let address = |octets: &[u8; 16]| Ipv6Addr::from(*octets).to_canonical();
        let source = SocketAddr::new(address(source), u16::from_ne_bytes(*port));
        Some(Self {
            device: u32::from_ne_bytes(*device),
            key: u32::from_ne_bytes(*key),
            way: Way { from: *from, to: *to, source, target: address(target) },
            ports: ports.iter().filter_map(|port| Port::new(u16::from_ne_bytes(*port))).collect(),
        })
    }
}

/// IPv4 addresses as mapped ones (RFC 4291, section 2.5.5.2).
fn octets(address: IpAddr) -> [u8; 16] {
    match address {
        IpAddr::V4(address) => address.to_ipv6_mapped().octets(),
        IpAddr::V6(address) => address.octets(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_note_is_read_as_it_was_written() {
        for (source, target) in [("10.0.0.9", "10.0.0.1"), ("fd00::9", "fd00::1")] {
            let note = Note {
                device: 7,
                key: 0xabcd_0000,
                way: Way {
                    from: [1, 2, 3, 4, 5, 6],
                    to: [7; 6],
                    source: SocketAddr::new(source.parse().unwrap(), 40_000),
                    target: target.parse().unwrap(),
                },
                ports: [1, 65_535].map(|port| Port::new(port).unwrap()).to_vec(),
            };
            assert_eq!(Note::from_bytes(&note.to_bytes()), Some(note));
        }
        assert_eq!(Note::from_bytes(&[]), None);
        for both in [(false, false), (true, false), (false, true), (true, true)] {
            assert_eq!(read_state(state(both.0, both.1)), both);
        }
    }
}
