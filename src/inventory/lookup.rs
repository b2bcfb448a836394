//! The kernel's own answer to "which socket would a packet to this port be delivered to?".

use crate::model::{Cookie, Seen, Transport};
use crate::sys::{NetlinkSocket, Protocol};
use crate::wire::netlink::{self, AnswerError};
use crate::wire::sock_diag::{self, Row, state};
use std::io;
use std::net::SocketAddr;

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

/// The socket that each packet would be delivered to, in the order of the packets: absent where the kernel
/// has none, failed where it could not be asked. No packet is sent.
#[must_use]
pub fn exact(packets: &[Packet]) -> Vec<Seen<Cookie>> {
    let mut netlink = match NetlinkSocket::open(Protocol::SockDiag) {
        Ok(netlink) => netlink,
        Err(error) => return vec![Seen::Failed(error.to_string()); packets.len()],
    };
    packets
        .iter()
        .map(|packet| match one(&mut netlink, packet) {
            Ok(found) => found.into(),
            Err(error) => Seen::Failed(error.with_cause()),
        })
        .collect()
}

fn one(netlink: &mut NetlinkSocket, packet: &Packet) -> Result<Option<Cookie>, AnswerError> {
    let mut found = None;
    let seq = netlink.next_seq();
    let mut answer = netlink::Answer::entry(seq);
    let request = sock_diag::lookup(packet.transport, packet.to, packet.from, packet.device, seq);
    let asked = netlink.converse(&request, |datagram| {
        answer.take(datagram, |_, payload| found = sock_diag::row(payload))
    });
    match asked {
        Err(AnswerError::Refused(error)) if error.kind() == io::ErrorKind::NotFound => {
            return Ok(None);
        }
        asked => asked?,
    }
    let serves = |row: &Row| packet.transport == Transport::Udp || row.state == state::LISTEN;
    Ok(found.filter(serves).map(|row| row.cookie))
}
