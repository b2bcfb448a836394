//! Many packets in one system call (`sendmmsg`, `recvmmsg`).
#![expect(unsafe_code, reason = "sendmmsg and recvmmsg have no safe wrapper")]

use socket2::{SockAddr, Socket};
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::os::fd::AsRawFd;

/// The most packets that are sent at once.
pub const BATCH: usize = 256;

/// How far a batch was sent.
#[derive(Debug)]
pub struct Sent {
    /// How many packets went out.
    pub count: usize,
    /// Why the next one did not.
    pub error: Option<io::Error>,
}

/// Sends packets, each to its own name, all from `source` where that is named. Stops at the first that the kernel does
/// not take, and after [`BATCH`].
pub(super) fn send<'a>(
    socket: &Socket,
    source: Option<&PacketInfo>,
    packets: impl Iterator<Item = (&'a SockAddr, &'a [u8])>,
) -> Sent {
    let (names, mut parts): (Vec<&SockAddr>, Vec<libc::iovec>) = packets
        .take(BATCH)
        .map(|(name, bytes)| {
            let part =
                libc::iovec { iov_base: bytes.as_ptr().cast_mut().cast(), iov_len: bytes.len() };
            (name, part)
        })
        .unzip();
    let mut messages: Vec<libc::mmsghdr> = names
        .iter()
        .zip(&mut parts)
        .map(|(name, part)| {
            let mut message = empty_message();
            message.msg_hdr.msg_name = name.as_ptr().cast_mut().cast();
            message.msg_hdr.msg_namelen = name.len();
            message.msg_hdr.msg_iov = &raw mut *part;
            message.msg_hdr.msg_iovlen = 1;
            if let Some(source) = source {
                message.msg_hdr.msg_control = (&raw const *source).cast_mut().cast();
                message.msg_hdr.msg_controllen = PacketInfo::LENGTH;
            }
            message
        })
        .collect();
    let number = u32::try_from(messages.len()).unwrap_or(0);
    // SAFETY: there are `number` messages. What they point to outlives the call, and the kernel only reads it: the
    // names, the source, and `parts`, each of which is a packet of its own length.
    let sent = unsafe {
        libc::sendmmsg(socket.as_raw_fd(), messages.as_mut_ptr(), number, libc::MSG_DONTWAIT)
    };
    match usize::try_from(sent) {
        Ok(count) => Sent { count, error: None },
        Err(_negative) => Sent { count: 0, error: Some(io::Error::last_os_error()) },
    }
}

/// A control message (the kernel's `struct cmsghdr`, `linux/socket.h`) that names the source of a packet. The kernel of
/// IPv6 looks only then whether that is still an address of this host (`ip6_datagram_send_ctl`); over IPv4 it always
/// does.
#[repr(C, align(8))]
pub(super) struct PacketInfo {
    length: usize,
    level: libc::c_int,
    kind: libc::c_int,
    info: libc::in6_pktinfo,
}

impl PacketInfo {
    const LENGTH: usize = size_of::<Self>();

    pub(super) fn of(source: SocketAddr) -> Option<Self> {
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

/// The most packets that one call reads: more than a batch has answers, so that one call reads them all.
pub(super) const READ: usize = BATCH + 32;
/// The most bytes of a packet that are read: the longest IP header, an ICMP header, and the longest IP header and
/// eight bytes of what it quotes.
pub(super) const SNAP: usize = 60 + 8 + 60 + 8;
/// How often a socket is read before others have their turn, also when someone floods our port.
const MOST_READS: usize = 64;

/// A packet that was read.
pub(super) struct Read<'a> {
    /// Who sent it.
    pub(super) from: IpAddr,
    /// From which port, where a socket says so.
    pub(super) port: u16,
    /// Its first bytes.
    pub(super) bytes: &'a [u8],
    /// How long it is.
    pub(super) length: usize,
}

/// Reads the packets that wait in a socket.
pub(super) fn read(socket: &Socket, packets: &mut [[u8; SNAP]], mut take: impl FnMut(Read<'_>)) {
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
        // packet of SNAP bytes: all of them outlive the call, and nothing else refers to them. MSG_TRUNC only makes
        // the kernel say how long a longer packet is.
        let count = unsafe {
            libc::recvmmsg(
                socket.as_raw_fd(),
                messages.as_mut_ptr(),
                number,
                libc::MSG_DONTWAIT | libc::MSG_TRUNC,
                std::ptr::null_mut(),
            )
        };
        let count = usize::try_from(count).unwrap_or(0);
        for ((message, name), packet) in messages.iter().zip(&names).zip(&*packets).take(count) {
            let length = usize::try_from(message.msg_len).unwrap_or(usize::MAX);
            if let (Some(from), Some(bytes)) = (address(name), packet.get(..length.min(SNAP))) {
                take(Read { from, port: u16::from_be(name.sin6_port), bytes, length });
            }
        }
        if count < packets.len() {
            return;
        }
    }
}

/// A message without a name, parts or options.
fn empty_message() -> libc::mmsghdr {
    // SAFETY: all-zero bytes are a valid mmsghdr: null pointers, each with the length 0.
    unsafe { std::mem::zeroed() }
}

const NAME_LENGTH: libc::socklen_t = {
    let length = size_of::<libc::sockaddr_in6>();
    assert!(length <= 128, "a socket address is short");
    #[expect(clippy::cast_possible_truncation, reason = "asserted")]
    let length = length as libc::socklen_t;
    length
};

/// The address in a name, which has room for both families; the port has the same place in both.
fn address(name: &libc::sockaddr_in6) -> Option<IpAddr> {
    match libc::c_int::from(name.sin6_family) {
        libc::AF_INET6 => Some(IpAddr::from(name.sin6_addr.s6_addr)),
        // In a sockaddr_in the address is where a sockaddr_in6 has its flow information, in network order.
        libc::AF_INET => Some(IpAddr::from(name.sin6_flowinfo.to_ne_bytes())),
        _ => None,
    }
}
