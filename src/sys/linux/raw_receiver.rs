//! Raw sockets (`raw(7)`, `CAP_NET_RAW`) that hear what comes back to TCP segments from one address and port.
//!
//! They hear where a TCP client does: behind the firewall's input and its address translation, which a packet socket
//! is in front of.
#![expect(unsafe_code, reason = "recvmmsg and SO_MEMINFO have no safe wrapper")]

use super::probe_socket::{Source, new_socket, set_option};
use super::raw_sender::BATCH;
use super::socket_filter;
use crate::model::Family;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use socket2::{Domain, Protocol, SockFilter, Socket, Type};
use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr, UdpSocket};
use std::os::fd::AsRawFd;
use std::time::Duration;

/// The most packets that one call reads: more than a batch has answers, so that one call reads them all.
const READ: usize = BATCH + 32;
/// The most bytes of a packet that are read: the longest IP header, an ICMP header, and the longest IP header and
/// eight bytes of what it quotes.
const SNAP: usize = 60 + 8 + 60 + 8;

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
}

/// One end of probes by TCP segments. The port belongs to a socket that is bound and does not listen: nobody else can
/// have it, and the kernel answers a SYN-ACK to it with a reset by itself.
#[derive(Debug)]
pub struct RawReceiver {
    tcp: Socket,
    icmp: Socket,
    source: SocketAddr,
    packets: Vec<[u8; SNAP]>,
    lost_before: u32,
    _port: Socket,
}

impl RawReceiver {
    /// Opens one for segments to the address of `to`, from the address of `source` where it names one and a port of the
    /// kernel's choice, with so many bytes of room for what is heard, as far as the kernel gives them.
    ///
    /// # Errors
    /// Without `CAP_NET_RAW`, and when there is no port, no descriptor or no memory.
    pub fn open(source: Source, to: SocketAddr, room: usize) -> io::Result<Self> {
        let family = Family::of(to.ip());
        let address = source.address.map_or_else(|| usual_source(to), Ok)?;
        let port = new_socket(family, Type::STREAM, source.ports)?;
        port.bind(&address.into())?;
        let source = port.local_addr()?.as_socket().ok_or(io::ErrorKind::AddrNotAvailable)?;
        let open = |protocol, filter: &[SockFilter]| -> io::Result<Socket> {
            let domain = Domain::for_address(to);
            let socket = Socket::new(domain, Type::RAW.nonblocking(), Some(protocol))?;
            socket.attach_filter(filter)?;
            socket.bind(&without_port(source).into())?;
            let bytes = libc::c_int::try_from(room).unwrap_or(libc::c_int::MAX);
            set_option(&socket, libc::SOL_SOCKET, libc::SO_RCVBUFFORCE, bytes)
                .or_else(|_not_privileged| socket.set_recv_buffer_size(room))?;
            Ok(socket)
        };
        let icmp = match family {
            Family::Ipv4 => Protocol::ICMPV4,
            Family::Ipv6 => Protocol::ICMPV6,
        };
        let mut probe = Self {
            tcp: open(Protocol::TCP, &socket_filter::tcp_to(family, source.port()))?,
            icmp: open(icmp, &socket_filter::errors_of_tcp_from(family, source.port()))?,
            source,
            packets: vec![[0; SNAP]; READ],
            lost_before: 0,
            _port: port,
        };
        probe.lost_before = probe.dropped()?;
        Ok(probe)
    }

    /// The address and port that segments are sent from.
    #[must_use]
    pub fn source(&self) -> SocketAddr {
        self.source
    }

    /// Takes everything that has been heard so far.
    pub fn hear(&mut self, mut take: impl FnMut(Heard<'_>)) {
        read(&self.tcp, &mut self.packets, |from, bytes| {
            take(Heard { from, packet: RawPacket::Tcp(bytes) });
        });
        read(&self.icmp, &mut self.packets, |from, bytes| {
            take(Heard { from, packet: RawPacket::Icmp(bytes) });
        });
    }

    /// Waits until something can be heard, or until `time` is over.
    pub fn wait(&self, time: Duration) {
        let mut polled = [&self.tcp, &self.icmp].map(|socket| PollFd::new(socket, PollFlags::IN));
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
        Ok(drops(&self.tcp)?.wrapping_add(drops(&self.icmp)?))
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

/// A message without a name, parts or options.
pub(super) fn empty_message() -> libc::mmsghdr {
    // SAFETY: all-zero bytes are a valid mmsghdr: null pointers, each with the length 0.
    unsafe { std::mem::zeroed() }
}

/// How often a socket is read before others have their turn, also when someone floods our port.
const MOST_READS: usize = 64;

/// Reads the packets that wait in a socket.
fn read(socket: &Socket, packets: &mut [[u8; SNAP]], mut take: impl FnMut(IpAddr, &[u8])) {
    // SAFETY: all-zero bytes are a valid sockaddr_in6.
    let mut names: Vec<libc::sockaddr_in6> = vec![unsafe { std::mem::zeroed() }; packets.len()];
    for _ in 0..MOST_READS {
        let mut parts: Vec<libc::iovec> = packets
            .iter_mut()
            .map(|packet| libc::iovec { iov_base: packet.as_mut_ptr().cast(), iov_len: SNAP })
            .collect();
        let mut messages: Vec<libc::mmsghdr> = parts
            .iter_mut()
            .zip(&mut names)
            .map(|(part, name)| {
                let mut message = empty_message();
                message.msg_hdr.msg_name = (&raw mut *name).cast();
                message.msg_hdr.msg_namelen = NAME_LENGTH;
                message.msg_hdr.msg_iov = &raw mut *part;
                message.msg_hdr.msg_iovlen = 1;
                message
            })
            .collect();
        let number = u32::try_from(messages.len()).unwrap_or(0);
        // SAFETY: there are `number` messages. Each points to a name of NAME_LENGTH bytes and to a part, and that to a
        // packet of SNAP bytes: all of them outlive the call, and nothing else refers to them.
        let count = unsafe {
            libc::recvmmsg(
                socket.as_raw_fd(),
                messages.as_mut_ptr(),
                number,
                libc::MSG_DONTWAIT,
                std::ptr::null_mut(),
            )
        };
        let count = usize::try_from(count).unwrap_or(0);
        for ((message, name), packet) in messages.iter().zip(&names).zip(&*packets).take(count) {
            let length = usize::try_from(message.msg_len).unwrap_or(SNAP).min(SNAP);
            if let (Some(from), Some(bytes)) = (address(name), packet.get(..length)) {
                take(from, bytes);
            }
        }
        if count < packets.len() {
            return;
        }
    }
}

const NAME_LENGTH: libc::socklen_t = {
    let length = size_of::<libc::sockaddr_in6>();
    assert!(length <= 128, "a socket address is short");
    #[expect(clippy::cast_possible_truncation, reason = "asserted")]
    let length = length as libc::socklen_t;
    length
};

/// The address in a name, which has room for both families.
fn address(name: &libc::sockaddr_in6) -> Option<IpAddr> {
    match libc::c_int::from(name.sin6_family) {
        libc::AF_INET6 => Some(IpAddr::from(name.sin6_addr.s6_addr)),
        // In a sockaddr_in the address is where a sockaddr_in6 has its flow information, in network order.
        libc::AF_INET => Some(IpAddr::from(name.sin6_flowinfo.to_ne_bytes())),
        _ => None,
    }
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
