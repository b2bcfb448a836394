//! The error queue of a socket with `IP_RECVERR` (`ip(7)`): the ICMP errors that came back.
#![expect(unsafe_code, reason = "recvmsg(2) with MSG_ERRQUEUE has no safe wrapper")]

use crate::model::Icmp;
use socket2::Socket;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::os::fd::AsRawFd;

/// An ICMP error, and the number of the system error that it stands for.
type IcmpErrno = (Icmp, i32);

/// Room for the control messages of one queued error: the option itself with its sender, and a time stamp.
#[repr(C, align(8))]
struct Control([u8; 256]);

/// The next ICMP error in the socket's error queue, and where the packet that caused it was going.
pub(super) fn queued_icmp(socket: &Socket) -> Option<(Icmp, Option<SocketAddr>)> {
    queued_error(socket).map(|(icmp, _, destination)| (icmp, destination))
}

/// The same, with the number of the system error that it stands for in the middle.
pub(super) fn queued_error(socket: &Socket) -> Option<(Icmp, i32, Option<SocketAddr>)> {
    let mut errors = std::iter::from_fn(|| pop(socket));
    errors.find_map(|(error, destination)| error.map(|(icmp, errno)| (icmp, errno, destination)))
}

/// Takes one error from the queue; `None` when it is empty. An error that is not ICMP's has no first half.
fn pop(socket: &Socket) -> Option<(Option<IcmpErrno>, Option<SocketAddr>)> {
    let mut control = Control([0; 256]);
    // SAFETY: all-zero bytes are a valid sockaddr_storage and a valid msghdr.
    let (mut name, mut header): (libc::sockaddr_storage, libc::msghdr) =
        unsafe { (std::mem::zeroed(), std::mem::zeroed()) };
    header.msg_name = (&raw mut name).cast();
    header.msg_namelen = libc::socklen_t::try_from(size_of_val(&name)).ok()?;
    header.msg_control = (&raw mut control).cast();
    header.msg_controllen = size_of::<Control>();
    // SAFETY: the header's pointers are valid for the lengths beside them, and there is no data buffer.
    let status = unsafe {
        libc::recvmsg(socket.as_raw_fd(), &raw mut header, libc::MSG_ERRQUEUE | libc::MSG_DONTWAIT)
    };
    if status < 0 {
        return None;
    }
    let destination = socket_address(&name);
    let mut icmp = None;
    // SAFETY: the kernel filled the control buffer and set its length; CMSG_FIRSTHDR and CMSG_NXTHDR stay in it,
    // and the bytes between the end of a header and the length it names are its data.
    unsafe {
        let mut message = libc::CMSG_FIRSTHDR(&raw const header);
        while let Some(cmsg) = message.as_ref() {
            let kind = (cmsg.cmsg_level, cmsg.cmsg_type);
            if kind == (libc::SOL_IP, libc::IP_RECVERR)
                || kind == (libc::SOL_IPV6, libc::IPV6_RECVERR)
            {
                let length = cmsg.cmsg_len.saturating_sub(libc::CMSG_LEN(0) as usize);
                let data = std::slice::from_raw_parts(libc::CMSG_DATA(message), length);
                icmp = icmp.or_else(|| extended_error(data));
            }
            message = libc::CMSG_NXTHDR(&raw const header, message);
        }
    }
    Some((icmp, destination))
}

/// The ICMP error in a `struct sock_extended_err` (16 bytes, `linux/errqueue.h`) with the address of its sender
/// behind it, and its system error; `None` for an error of another origin.
fn extended_error(data: &[u8]) -> Option<IcmpErrno> {
    let (error, offender) = data.split_at_checked(16)?;
    let [e0, e1, e2, e3, origin, kind, code, ..] = *error else {
        return None;
    };
    let errno = i32::from_ne_bytes([e0, e1, e2, e3]);
    let from_icmp = matches!(origin, libc::SO_EE_ORIGIN_ICMP | libc::SO_EE_ORIGIN_ICMP6);
    from_icmp.then(|| (Icmp { kind, code, from: offender_address(offender) }, errno))
}

/// The address in a `struct sockaddr_in` or `struct sockaddr_in6`.
fn offender_address(sockaddr: &[u8]) -> Option<IpAddr> {
    let family = u16::from_ne_bytes(sockaddr.get(..2)?.try_into().ok()?);
    match libc::c_int::from(family) {
        libc::AF_INET => {
            Some(Ipv4Addr::from(<[u8; 4]>::try_from(sockaddr.get(4..8)?).ok()?).into())
        }
        libc::AF_INET6 => {
            Some(Ipv6Addr::from(<[u8; 16]>::try_from(sockaddr.get(8..24)?).ok()?).into())
        }
        _ => None,
    }
}

fn socket_address(storage: &libc::sockaddr_storage) -> Option<SocketAddr> {
    let start = &raw const *storage;
    match libc::c_int::from(storage.ss_family) {
        libc::AF_INET => {
            // SAFETY: sockaddr_storage is large and aligned enough for every family, and this one is AF_INET.
            let address = unsafe { start.cast::<libc::sockaddr_in>().read() };
            let ip = Ipv4Addr::from(address.sin_addr.s_addr.to_ne_bytes());
            Some(SocketAddr::from((ip, u16::from_be(address.sin_port))))
        }
        libc::AF_INET6 => {
            // SAFETY: as above, with AF_INET6.
            let address = unsafe { start.cast::<libc::sockaddr_in6>().read() };
            let ip = Ipv6Addr::from(address.sin6_addr.s6_addr);
            Some(SocketAddr::from((ip, u16::from_be(address.sin6_port))))
        }
        _ => None,
    }
}
