//! Raw sockets (`raw(7)`, `CAP_NET_RAW`) that send TCP segments to an address of this host.
//!
//! The kernel writes the IP header, as it does for a client, and looks up each packet's route with its source address:
//! when that address is not this host's any more, it sends nothing (`EINVAL`). With a header of our own
//! (`IP_HDRINCL`) it would not look (`FLOWI_FLAG_ANYSRC`).
#![expect(unsafe_code, reason = "sendmmsg has no safe wrapper")]

use super::probe_socket::set_option;
use super::raw_receiver::{empty_message, without_port};
use crate::model::Family;
use socket2::{Domain, Protocol, Socket, Type};
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::os::fd::AsRawFd;

/// The most segments that are sent at once.
pub const BATCH: usize = 256;

/// How far a batch was sent.
#[derive(Debug)]
pub struct Sent {
    /// How many segments went out.
    pub count: usize,
    /// Why the next one did not.
    pub error: Option<io::Error>,
}

/// Sends TCP segments, and hears nothing: the kernel does not even copy for it what others hear.
#[derive(Debug)]
pub struct RawSender {
    socket: Socket,
    source: SocketAddr,
    to: SocketAddr,
}

impl RawSender {
    /// Opens one for segments from the address of `source` to that of `to`.
    ///
    /// # Errors
    /// Without `CAP_NET_RAW`, and when there is no descriptor or memory, or the address is not this host's.
    pub fn open(source: SocketAddr, to: SocketAddr) -> io::Result<Self> {
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
        Ok(Self { socket, source, to })
    }

    /// Sends segments, each with its TCP header. Stops at the first that the kernel does not take.
    #[must_use]
    pub fn send<const LENGTH: usize>(&self, segments: &[[u8; LENGTH]]) -> Sent {
        let name = socket2::SockAddr::from(self.to);
        let source = PacketInfo::of(self.source);
        let mut parts: Vec<libc::iovec> = segments
            .iter()
            .take(BATCH)
            .map(|segment| libc::iovec {
                iov_base: segment.as_ptr().cast_mut().cast(),
                iov_len: LENGTH,
            })
            .collect();
        let mut messages: Vec<libc::mmsghdr> = parts
            .iter_mut()
            .map(|part| {
                let mut message = empty_message();
                message.msg_hdr.msg_name = name.as_ptr().cast_mut().cast();
                message.msg_hdr.msg_namelen = name.len();
                message.msg_hdr.msg_iov = &raw mut *part;
                message.msg_hdr.msg_iovlen = 1;
                if let Some(source) = &source {
                    message.msg_hdr.msg_control = (&raw const *source).cast_mut().cast();
                    message.msg_hdr.msg_controllen = PacketInfo::LENGTH;
                }
                message
            })
            .collect();
        let number = u32::try_from(messages.len()).unwrap_or(0);
        // SAFETY: there are `number` messages. What they point to outlives the call, and the kernel only reads it:
        // the name and the source, and `parts`, each of which is a segment of LENGTH bytes.
        let sent = unsafe {
            libc::sendmmsg(
                self.socket.as_raw_fd(),
                messages.as_mut_ptr(),
                number,
                libc::MSG_DONTWAIT,
            )
        };
        match usize::try_from(sent) {
            Ok(count) => Sent { count, error: None },
            Err(_negative) => Sent { count: 0, error: Some(io::Error::last_os_error()) },
        }
    }
}

/// The number of TCP among the protocols of IP (`IPPROTO_TCP`).
const TCP: u16 = 6;

/// A control message (the kernel's `struct cmsghdr`, `linux/socket.h`) that names the source of a packet. The kernel of IPv6 looks only then whether that is
/// still an address of this host (`ip6_datagram_send_ctl`); over IPv4 it always does.
#[repr(C, align(8))]
struct PacketInfo {
    length: usize,
    level: libc::c_int,
    kind: libc::c_int,
    info: libc::in6_pktinfo,
}

impl PacketInfo {
    const LENGTH: usize = size_of::<Self>();

    fn of(source: SocketAddr) -> Option<Self> {
        let SocketAddr::V6(source) = source else { return None };
        Some(Self {
            // Of the message without what pads it: CMSG_LEN.
            length: std::mem::offset_of!(Self, info) + size_of::<libc::in6_pktinfo>(),
            level: libc::IPPROTO_IPV6,
            kind: libc::IPV6_PKTINFO,
            info: libc::in6_pktinfo {
                ipi6_addr: libc::in6_addr { s6_addr: source.ip().octets() },
                ipi6_ifindex: source.scope_id(),
            },
        })
    }
}
