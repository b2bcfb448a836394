//! The kernel's own answer to "which socket would a packet to this port be delivered to?".

use super::ask;
use crate::model::{Lookup, Neighbour, Transport, Way};
use crate::sys::{self, NetlinkSocket, Protocol};
use crate::wire::netlink::AnswerError;
use crate::wire::route::{self, Route};
use crate::wire::sock_diag::{self, state};
use crate::wire::{link, neighbour};
use std::collections::HashMap;
use std::io;
use std::net::{IpAddr, SocketAddr};

/// A packet that might arrive.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Packet {
    /// Its transport.
    pub transport: Transport,
    /// Where it goes.
    pub to: SocketAddr,
    /// Where it comes from.
    pub from: SocketAddr,
    /// The index of the device it arrives on.
    pub device: u32,
}

/// Where each packet would be delivered, in the order of the packets. No packet is sent.
#[must_use]
pub fn exact(packets: &[Packet]) -> Vec<Lookup> {
    let mut netlink = match NetlinkSocket::open(Protocol::SockDiag) {
        Ok(netlink) => netlink,
        Err(error) => return vec![Lookup::Unknown(error.to_string()); packets.len()],
    };
    let one = |packet| one(&mut netlink, packet);
    let found = packets.iter().map(one);
    found.map(|found| found.unwrap_or_else(|error| Lookup::Unknown(error.with_cause()))).collect()
}

/// How this host reaches an address: whether it is one of its own, and the device. Packets from there arrive on that
/// device, unless the network is not symmetric. `None` where there is no route.
///
/// # Errors
/// When the kernel does not tell; the text says why.
pub fn way_from(address: IpAddr, scope: u32) -> Result<Option<(bool, u32)>, String> {
    match way_to(address, scope) {
        Way::Local(device) => Ok(Some((true, device))),
        Way::Out { device, .. } => Ok(Some((false, device))),
        // The other one is what a route that says `unreachable` gives.
        Way::Refused(error) if error.is("ENETUNREACH") || error.is("EHOSTUNREACH") => Ok(None),
        Way::Refused(error) => Err(error.text),
        Way::Unknown(text) => Err(text),
    }
}

/// How the kernel would send a packet to an address, through the device with index `scope` where that is not 0.
#[must_use]
pub fn way_to(address: IpAddr, scope: u32) -> Way {
    let ask = || {
        let mut netlink = NetlinkSocket::open(Protocol::Route)?;
        ask::entry(&mut netlink, |seq| route::get(address, scope, seq), route::route)
    };
    match ask() {
        // A route over several devices names none.
        Ok(Some(Route { is_local: true, device, .. })) => Way::Local(device.unwrap_or_default()),
        Ok(Some(Route { is_local: false, device, gateway })) => {
            Way::Out { device: device.unwrap_or_default(), gateway }
        }
        Ok(None) => Way::Unknown("the kernel's answer cannot be read".to_owned()),
        Err(AnswerError::Refused(error)) => Way::Refused(sys::error_of(&error)),
        Err(error) => Way::Unknown(error.with_cause()),
    }
}

/// What the kernel knows of these neighbours now, in their order. Asking it sends nothing.
///
/// # Errors
/// When the kernel does not tell; the text says why.
pub fn neighbours(addresses: &[IpAddr]) -> Result<Vec<Neighbour>, String> {
    let entry =
        |payload: &[u8]| Some((neighbour::address(payload)?, neighbour::is_silent(payload)));
    let (rows, problem) = ask::rows(Protocol::Route, neighbour::dump, entry);
    if let Some(error) = problem {
        return Err(error.with_cause());
    }
    let known: HashMap<IpAddr, bool> = rows.into_iter().collect();
    let state = |address: &IpAddr| match known.get(address) {
        Some(true) => Neighbour::Silent,
        Some(false) => Neighbour::Answers,
        None => Neighbour::NotAsked,
    };
    Ok(addresses.iter().map(state).collect())
}

/// The Ethernet address of a neighbour on the link; `None` where it has not answered, or the kernel does not tell.
#[must_use]
pub fn mac_of(address: IpAddr) -> Option<[u8; 6]> {
    let its = |payload: &[u8]| {
        neighbour::address(payload).filter(|it| *it == address)?;
        neighbour::mac(payload)
    };
    let (rows, _) = ask::rows(Protocol::Route, neighbour::dump, its);
    rows.first().copied()
}

/// The Ethernet addresses of the devices in the network namespace of our thread.
#[must_use]
pub fn own_macs() -> Vec<[u8; 6]> {
    let (devices, _) = ask::rows(Protocol::Route, link::dump, link::device);
    devices.into_iter().map(|device| device.mac).filter(|mac| *mac != [0; 6]).collect()
}

fn one(netlink: &mut NetlinkSocket, packet: &Packet) -> Result<Lookup, AnswerError> {
    let Packet { transport, to, from, device } = *packet;
    let request = |seq| sock_diag::lookup(transport, to, from, device, seq);
    let found = match ask::entry(netlink, request, sock_diag::row) {
        Err(AnswerError::Refused(error)) if error.kind() == io::ErrorKind::NotFound => None,
        found => found?,
    };
    Ok(match found {
        Some(row) if transport == Transport::Udp || row.state == state::LISTEN => {
            Lookup::Socket(row.cookie)
        }
        Some(_) => Lookup::Connection,
        None => Lookup::Nobody,
    })
}
