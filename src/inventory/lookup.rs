//! The kernel's own answer to "which socket would a packet to this port be delivered to?".

use super::ask;
use crate::model::{Lookup, Transport};
use crate::sys::{NetlinkSocket, Protocol};
use crate::wire::netlink::AnswerError;
use crate::wire::route;
use crate::wire::sock_diag::{self, state};
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
    let ask = || {
        let mut netlink = NetlinkSocket::open(Protocol::Route)?;
        ask::entry(&mut netlink, |seq| route::get(address, scope, seq), route::route)
    };
    match ask() {
        Ok(found) => Ok(found.and_then(|route| Some((route.is_local, route.device?)))),
        // The other one is what a route that says `unreachable` gives.
        Err(AnswerError::Refused(error))
            if matches!(
                error.kind(),
                io::ErrorKind::NetworkUnreachable | io::ErrorKind::HostUnreachable
            ) =>
        {
            Ok(None)
        }
        Err(error) => Err(error.with_cause()),
    }
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
