//! The addresses of this host.

use crate::model::Interface;
use std::fs;
use std::io;
use std::net::IpAddr;

/// An address of this host.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LocalAddress {
    /// The address.
    pub address: IpAddr,
    /// How many bits of it are those of its network.
    pub prefix: u8,
    /// The interface that has it.
    pub interface: Interface,
}

/// The addresses of this host.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct LocalAddresses {
    /// Those that can be used, ordered by interface and address.
    pub usable: Vec<LocalAddress>,
    /// IPv6 addresses that the kernel does not use yet, or never will (duplicate address detection).
    pub tentative: Vec<LocalAddress>,
}

/// The addresses of this host's interfaces in our network namespace.
///
/// # Errors
/// When the kernel lists no interface at all: every namespace has `lo`, so that is a failure to read.
pub fn local_addresses() -> io::Result<LocalAddresses> {
    let interfaces = pnet::datalink::interfaces();
    if interfaces.is_empty() {
        return Err(io::Error::other("the kernel lists no interface"));
    }
    let tentative = tentative_addresses();
    let mut found = LocalAddresses::default();
    for interface in interfaces {
        for network in &interface.ips {
            let address = network.ip();
            let local = LocalAddress {
                address,
                prefix: network.prefix(),
                interface: Interface { index: interface.index, name: interface.name.clone() },
            };
            if tentative.contains(&(address, interface.index)) {
                found.tentative.push(local);
            } else {
                found.usable.push(local);
            }
        }
    }
    found.usable.sort_by_key(|local| (local.interface.index, local.address));
    found.usable.dedup();
    Ok(found)
}

/// Whether `lo` is up.
#[must_use]
pub fn loopback_is_up() -> bool {
    pnet::datalink::interfaces()
        .iter()
        .any(|interface| interface.is_loopback() && interface.is_up())
}

/// The name of the interface with this index in our network namespace.
#[must_use]
pub fn interface_name(index: u32) -> Option<String> {
    let socket =
        rustix::net::socket(rustix::net::AddressFamily::INET, rustix::net::SocketType::DGRAM, None)
            .ok()?;
    rustix::net::netdevice::index_to_name(&socket, index).ok()
}

/// The (address, interface) pairs that `/proc/net/if_inet6` marks tentative or duplicate. Where it cannot be
/// read none is known, and a probe of such an address fails with the kernel's own error.
fn tentative_addresses() -> Vec<(IpAddr, u32)> {
    /// `IFA_F_DADFAILED | IFA_F_TENTATIVE` (`linux/if_addr.h`).
    const UNUSABLE: u32 = 0x08 | 0x40;
    let text = fs::read_to_string("/proc/thread-self/net/if_inet6").unwrap_or_default();
    text.lines()
        .filter_map(|line| {
            let mut fields = line.split_ascii_whitespace();
            let address = u128::from_str_radix(fields.next()?, 16).ok()?;
            let mut hex = || u32::from_str_radix(fields.next()?, 16).ok();
            let (index, _prefix, _scope, flags) = (hex()?, hex()?, hex()?, hex()?);
            (flags & UNUSABLE != 0).then(|| (std::net::Ipv6Addr::from(address).into(), index))
        })
        .collect()
}
