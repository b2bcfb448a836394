//! Sockets that send many probes to an address of this host: raw ones (`raw(7)`, `CAP_NET_RAW`) for TCP segments, and
//! one that is not connected for UDP datagrams.
//!
//! The kernel writes the IP header, as it does for a client, and looks up each packet's route with its source address:
//! when that address is not this host's any more, it sends nothing (`EINVAL`). With a header of our own
//! (`IP_HDRINCL`) it would not look (`FLOWI_FLAG_ANYSRC`).

use super::batch::{self, PacketInfo, Sent};
use super::probe_socket::set_option;
use super::raw_receiver::without_port;
use crate::model::{Family, Port};
use socket2::{Domain, Protocol, SockAddr, Socket, Type};
use std::io;
use std::net::{Ipv4Addr, SocketAddr};

/// Sends packets.
#[derive(Debug)]
pub struct RawSender {
    socket: Socket,
    source: SocketAddr,
    to: SocketAddr,
    /// Whether the port of each packet is for the kernel to write.
    names_ports: bool,
}

impl RawSender {
    /// Opens one for TCP segments from the address of `source` to that of `to`. It hears nothing: the kernel does not
    /// even copy for it what others hear.
    pub(super) fn of_segments(source: SocketAddr, to: SocketAddr) -> io::Result<Self> {
        let kind = Type::RAW.nonblocking();
        let mut to = without_port(to);
        let socket = match Family::of(to.ip()) {
            Family::Ipv4 => {
                let socket = Socket::new(Domain::IPV4, kind, Some(Protocol::TCP))?;
                socket.bind(&without_port(source).into())?;
                // Connected, it hears only that peer. What it sends is addressed one by one.
                let peers = [Ipv4Addr::new(127, 0, 0, 2), Ipv4Addr::new(127, 0, 0, 3)];
                let other = peers.into_iter().find(|peer| *peer != to.ip());
                socket.connect(&SocketAddr::from((other.unwrap_or(peers[0]), 0)).into())?;
                socket
            }
            Family::Ipv6 => {
                // Of no protocol that anything arrives by. The destination's port says which one it sends.
                let raw = Protocol::from(libc::IPPROTO_RAW);
                let socket = Socket::new(Domain::IPV6, kind, Some(raw))?;
                set_option(&socket, libc::SOL_IPV6, libc::IPV6_HDRINCL, 0)?;
                socket.bind(&without_port(source).into())?;
                to.set_port(TCP);
                socket
            }
        };
        Ok(Self { socket, source, to, names_ports: false })
    }

    /// One for UDP datagrams to the address of `to`, by a socket that is bound to `source`.
    pub(super) fn of_datagrams(socket: Socket, source: SocketAddr, to: SocketAddr) -> Self {
        Self { socket, source, to, names_ports: true }
    }

    /// Sends one packet to each port: a TCP segment with its header, or what a UDP datagram carries. Stops at the first
    /// that the kernel does not take.
    #[must_use]
    pub fn send<'a>(&self, packets: impl Iterator<Item = (Port, &'a [u8])>) -> Sent {
        let source = PacketInfo::of(self.source);
        let mut to = self.to;
        if !self.names_ports {
            let name = SockAddr::from(to);
            return batch::send(
                &self.socket,
                source.as_ref(),
                packets.map(|(_, bytes)| (&name, bytes)),
            );
        }
        let named: Vec<(SockAddr, &[u8])> = packets
            .take(batch::BATCH)
            .map(|(port, bytes)| {
                to.set_port(port.get());
                (SockAddr::from(to), bytes)
            })
            .collect();
        let packets = named.iter().map(|(name, bytes)| (name, *bytes));
        batch::send(&self.socket, source.as_ref(), packets)
    }
}

/// The number of TCP among the protocols of IP (`IPPROTO_TCP`).
const TCP: u16 = 6;
