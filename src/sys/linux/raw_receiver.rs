//! Sockets that hear what comes back to probes from one address and port: a raw one (`raw(7)`, `CAP_NET_RAW`) hears the
//! ICMP errors, and another one the TCP segments. UDP datagrams come to the socket that has the port.
//!
//! Raw sockets hear where a client does: behind the firewall's input and its address translation, which a packet
//! socket is in front of.
#![expect(unsafe_code, reason = "SO_MEMINFO has no safe wrapper")]

use super::batch::{READ, Read, SNAP, read};
use super::probe_socket::set_option;
use super::raw_sender::RawSender;
use super::socket_filter;
use crate::model::{Family, Transport};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use socket2::{Domain, Protocol, SockFilter, Socket, Type};
use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr, UdpSocket};
use std::os::fd::AsRawFd;
use std::time::Duration;

/// A packet that was heard.
#[derive(Debug, Clone, Copy)]
pub struct Heard<'a> {
    /// Who sent it.
    pub from: IpAddr,
    /// What was heard.
    pub packet: RawPacket<'a>,
}

/// The bytes of a packet, cut where nothing of interest follows: from the IP header on over IPv4, without it over
/// IPv6.
#[derive(Debug, Clone, Copy)]
pub enum RawPacket<'a> {
    /// Of TCP.
    Tcp(&'a [u8]),
    /// Of ICMP or `ICMPv6`.
    Icmp(&'a [u8]),
    /// A UDP datagram, of which the kernel has taken the headers.
    Udp {
        /// The port that it was sent from.
        port: u16,
        /// How many bytes it carries.
        length: usize,
    },
}

/// One end of probes by TCP segments or UDP datagrams. Nobody else can have its port.
#[derive(Debug)]
pub struct RawReceiver {
    /// Hears answers of the transport itself.
    direct: Socket,
    icmp: Socket,
    source: SocketAddr,
    to: SocketAddr,
    packets: Vec<[u8; SNAP]>,
    lost_before: u32,
    /// Of TCP, a socket that has the port and does not listen: the kernel answers a SYN-ACK to it with a reset by
    /// itself. Of UDP it is the one that hears.
    port: Option<Socket>,
}

impl RawReceiver {
    /// Opens one for probes of a transport to the address of `to`, from the address of `source` where there is one and
    /// a port of the kernel's choice, with so many bytes of room for what is heard, as far as the kernel gives them.
    ///
    /// # Errors
    /// Without `CAP_NET_RAW`, and when there is no port, no descriptor or no memory.
    pub fn open(
        transport: Transport,
        source: Option<SocketAddr>,
        to: SocketAddr,
        room: usize,
    ) -> io::Result<Self> {
        let family = Family::of(to.ip());
        let address = source.map_or_else(|| usual_source(to), Ok)?;
        let open = |kind: Type, protocol| -> io::Result<Socket> {
            Socket::new(Domain::for_address(to), kind.nonblocking(), protocol)
        };
        // It asks for no errors (`IP_RECVERR`): each would end a batch that is sent.
        let port =
            open(if transport == Transport::Udp { Type::DGRAM } else { Type::STREAM }, None)?;
        port.bind(&address.into())?;
        let source = port.local_addr()?.as_socket().ok_or(io::ErrorKind::AddrNotAvailable)?;
        let widen = |socket: &Socket| {
            let bytes = libc::c_int::try_from(room).unwrap_or(libc::c_int::MAX);
            set_option(socket, libc::SOL_SOCKET, libc::SO_RCVBUFFORCE, bytes)
                .or_else(|_not_privileged| socket.set_recv_buffer_size(room))
        };
        let hearing = |protocol, filter: &[SockFilter]| -> io::Result<Socket> {
            let socket = open(Type::RAW, Some(protocol))?;
            socket.attach_filter(filter)?;
            socket.bind(&without_port(source).into())?;
            widen(&socket)?;
            Ok(socket)
        };
        let icmp = match family {
            Family::Ipv4 => Protocol::ICMPV4,
            Family::Ipv6 => Protocol::ICMPV6,
        };
        let icmp = hearing(icmp, &socket_filter::errors_of_packets_from(family, source.port()))?;
        let (direct, port) = if transport == Transport::Udp {
            widen(&port)?;
            (port, None)
        } else {
            let filter = socket_filter::tcp_to(family, source.port());
            (hearing(Protocol::TCP, &filter)?, Some(port))
        };
        let packets = vec![[0; SNAP]; READ];
        let mut receiver = Self { direct, icmp, source, to, packets, lost_before: 0, port };
        receiver.lost_before = receiver.dropped()?;
        Ok(receiver)
    }

    /// The address and port that probes are sent from.
    #[must_use]
    pub fn source(&self) -> SocketAddr {
        self.source
    }

    /// Opens a sender of the probes.
    ///
    /// # Errors
    /// When there is no descriptor or memory, or the address is not this host's any more.
    pub fn sender(&self) -> io::Result<RawSender> {
        match self.port {
            Some(_) => RawSender::of_segments(self.source, self.to),
            None => Ok(RawSender::of_datagrams(self.direct.try_clone()?, self.source, self.to)),
        }
    }

    /// Takes everything that has been heard so far.
    pub fn hear(&mut self, mut take: impl FnMut(Heard<'_>)) {
        let is_udp = self.port.is_none();
        read(&self.direct, &mut self.packets, |Read { from, port, bytes, length }| {
            let packet =
                if is_udp { RawPacket::Udp { port, length } } else { RawPacket::Tcp(bytes) };
            take(Heard { from, packet });
        });
        read(&self.icmp, &mut self.packets, |Read { from, bytes, .. }| {
            take(Heard { from, packet: RawPacket::Icmp(bytes) });
        });
    }

    /// Waits until something can be heard, or until `time` is over.
    pub fn wait(&self, time: Duration) {
        let mut polled =
            [&self.direct, &self.icmp].map(|socket| PollFd::new(socket, PollFlags::IN));
        // A wait that a signal cut short found nothing yet: the caller looks at its clock.
        let _interrupted = poll(&mut polled, Timespec::try_from(time).ok().as_ref()).is_err();
    }

    /// How many packets were not heard since this was asked last, for want of room.
    ///
    /// # Errors
    /// When the kernel does not say.
    pub fn lost(&mut self) -> io::Result<u32> {
        let dropped = self.dropped()?;
        Ok(dropped.wrapping_sub(std::mem::replace(&mut self.lost_before, dropped)))
    }

    fn dropped(&self) -> io::Result<u32> {
        Ok(drops(&self.direct)?.wrapping_add(drops(&self.icmp)?))
    }
}

/// The address with the port 0.
pub(super) fn without_port(mut address: SocketAddr) -> SocketAddr {
    address.set_port(0);
    address
}

/// The address that the kernel would choose for a client of `to`. Nothing is sent.
fn usual_source(to: SocketAddr) -> io::Result<SocketAddr> {
    let client = UdpSocket::bind((Ipv4Addr::UNSPECIFIED, 0))?;
    client.connect(SocketAddr::new(to.ip(), 9))?;
    Ok(without_port(client.local_addr()?))
}

/// How many packets the kernel has dropped at a socket for want of room: `SK_MEMINFO_DROPS` of `SO_MEMINFO`
/// (`linux/sock_diag.h`).
fn drops(socket: &Socket) -> io::Result<u32> {
    const DROPS: usize = 8;
    let mut numbers = [0_u32; DROPS + 1];
    let mut length = libc::socklen_t::try_from(size_of_val(&numbers)).map_err(io::Error::other)?;
    // SAFETY: the kernel writes at most `length` bytes to `numbers`, which has as many.
    let status = unsafe {
        libc::getsockopt(
            socket.as_raw_fd(),
            libc::SOL_SOCKET,
            libc::SO_MEMINFO,
            numbers.as_mut_ptr().cast(),
            &raw mut length,
        )
    };
    if status == 0 { Ok(numbers[DROPS]) } else { Err(io::Error::last_os_error()) }
}
