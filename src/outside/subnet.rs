//! Which addresses are of hosts on a network: arithmetic on addresses.

use crate::sys::LocalAddress;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// How many addresses of a network are tried for a neighbour.
const TRIES: u32 = 256;

/// Whether an address is in the network of one of ours.
pub(super) fn has(local: &LocalAddress, address: IpAddr) -> bool {
    let (bits, width) = bits(address);
    let (own, own_width) = self::bits(local.address);
    width == own_width && network(bits, width, local.prefix) == network(own, width, local.prefix)
}

/// Whether an address stands for a network, or for all its hosts, and for none of them.
pub(super) fn is_everybody(address: IpAddr, local: &LocalAddress) -> bool {
    let IpAddr::V4(v4) = address else { return false };
    let mask = hosts_mask(32, local.prefix);
    let host = u128::from(u32::from(v4)) & mask;
    v4.is_broadcast() || (has(local, address) && mask > 1 && (host == 0 || host == mask))
}

/// An address as a number, and of how many bits.
fn bits(address: IpAddr) -> (u128, u8) {
    match address {
        IpAddr::V4(address) => (u32::from(address).into(), 32),
        IpAddr::V6(address) => (address.into(), 128),
    }
}

/// The part of an address that is its network's, in its place.
fn network(bits: u128, width: u8, prefix: u8) -> u128 {
    bits & !hosts_mask(width, prefix)
}

/// The bits of an address that are its host's.
fn hosts_mask(width: u8, prefix: u8) -> u128 {
    1_u128.checked_shl(u32::from(width.saturating_sub(prefix))).map_or(u128::MAX, |bit| bit - 1)
}

/// Addresses of hosts on the network of an address, in the order in which they are tried: from the end of the network
/// over IPv4, where few are, and over IPv6 from one that nobody is likely to have.
pub(super) fn hosts(address: IpAddr, prefix: u8) -> impl Iterator<Item = IpAddr> {
    /// `ps` as an interface identifier (RFC 4291, section 2.5.1), with a place for a number.
    const UNLIKELY: u128 = 0x0270_73ff_fe00_7000;
    let (bits, width) = bits(address);
    let mask = hosts_mask(width, prefix);
    let base = network(bits, width, prefix);
    (0..TRIES).map(u128::from).filter_map(move |number| {
        let host = if width == 32 {
            // Neither the network's own address nor that of all its hosts, where it has those (RFC 3021).
            let last = if mask > 1 { mask - 1 } else { mask };
            let first = u128::from(mask > 1);
            last.checked_sub(number).filter(|host| *host >= first)?
        } else {
            (UNLIKELY + number) & mask
        };
        Some(match u32::try_from(base | host).ok().filter(|_| width == 32) {
            Some(bits) => Ipv4Addr::from(bits).into(),
            None => Ipv6Addr::from(base | host).into(),
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn small_networks_have_the_hosts_that_they_have() {
        let all = |address: &str, prefix| -> Vec<String> {
            hosts(address.parse().unwrap(), prefix).map(|host| host.to_string()).collect()
        };
        assert_eq!(all("10.0.0.5", 30), ["10.0.0.6", "10.0.0.5"]);
        assert_eq!(all("10.0.0.4", 31), ["10.0.0.5", "10.0.0.4"]);
        assert_eq!(all("10.0.0.4", 32), ["10.0.0.4"]);
        assert_eq!(all("10.0.0.4", 0).len(), 256);
    }
}
