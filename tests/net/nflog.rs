//! A program that takes the packets that the kernel logs (`linux/netfilter/nfnetlink_log.h`).

use rustix::net::netlink::{self, SocketAddrNetlink};
use rustix::net::{
    AddressFamily, RecvFlags, SendFlags, SocketFlags, SocketType, bind, recv, send, socket_with,
};
use std::os::fd::OwnedFd;

/// Takes group 0, as long as it lives.
pub(crate) fn bind_first_group() -> OwnedFd {
    let (family, protocol) = (AddressFamily::NETLINK, Some(netlink::NETFILTER));
    let fd = socket_with(family, SocketType::RAW, SocketFlags::CLOEXEC, protocol).unwrap();
    bind(&fd, &SocketAddrNetlink::new(0, 0)).unwrap();
    // NFULNL_MSG_CONFIG with an acknowledgement, struct nfgenmsg for group 0, and NFULA_CFG_CMD: NFULNL_CFG_CMD_BIND.
    let mut request = Vec::new();
    request.extend(28_u32.to_ne_bytes());
    request.extend(0x0401_u16.to_ne_bytes());
    request.extend(5_u16.to_ne_bytes());
    request.extend([0; 8]);
    request.extend([0; 4]);
    request.extend(5_u16.to_ne_bytes());
    request.extend(1_u16.to_ne_bytes());
    request.extend([1, 0, 0, 0]);
    send(&fd, &request, SendFlags::empty()).unwrap();
    let mut answer = [0_u8; 64];
    recv(&fd, &mut answer[..], RecvFlags::empty()).unwrap();
    assert_eq!(answer[16..20], [0; 4], "the kernel gives group 0");
    fd
}
