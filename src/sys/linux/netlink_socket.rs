//! A netlink socket (`netlink(7)`).

use rustix::buffer::spare_capacity;
use rustix::net::{
    AddressFamily, RecvFlags, SendFlags, SocketFlags, SocketType, netlink, recv, send, socket_with,
    sockopt,
};
use std::io;
use std::os::fd::OwnedFd;
use std::time::Duration;

/// What to talk to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Protocol {
    /// `NETLINK_SOCK_DIAG`: the socket tables.
    SockDiag,
    /// `NETLINK_ROUTE`: routes, links and addresses.
    Route,
    /// `NETLINK_NETFILTER`: the firewall's rules.
    Netfilter,
}

/// A netlink socket in our network namespace, with a buffer for what it receives.
#[derive(Debug)]
pub struct NetlinkSocket {
    fd: OwnedFd,
    buffer: Vec<u8>,
    requests: u32,
}

impl NetlinkSocket {
    /// How long the kernel may take to answer. It answers at once; this bounds a broken one.
    const PATIENCE: Duration = Duration::from_secs(5);
    /// More than the largest datagram that the kernel makes for a dump (32 KiB).
    const BUFFER: usize = 64 * 1024;

    /// Opens one.
    ///
    /// # Errors
    /// When the kernel has no such protocol or refuses it.
    pub fn open(protocol: Protocol) -> io::Result<Self> {
        let protocol = match protocol {
            Protocol::SockDiag => Some(netlink::SOCK_DIAG),
            // NETLINK_ROUTE is protocol 0, the default.
            Protocol::Route => None,
            Protocol::Netfilter => Some(netlink::NETFILTER),
        };
        let fd =
            socket_with(AddressFamily::NETLINK, SocketType::RAW, SocketFlags::CLOEXEC, protocol)?;
        sockopt::set_socket_timeout(&fd, sockopt::Timeout::Recv, Some(Self::PATIENCE))?;
        Ok(Self { fd, buffer: Vec::with_capacity(Self::BUFFER), requests: 0 })
    }

    /// A sequence number for the next request.
    pub fn next_seq(&mut self) -> u32 {
        self.requests = self.requests.wrapping_add(1);
        self.requests
    }

    /// Sends a request, and hands each datagram that comes to `take` until it says that the answer is complete.
    ///
    /// # Errors
    /// When the request cannot be sent or a datagram not received, and what `take` says.
    pub fn converse<E: From<io::Error>>(
        &mut self,
        request: &[u8],
        mut take: impl FnMut(&[u8]) -> Result<bool, E>,
    ) -> Result<(), E> {
        self.send(request)?;
        while !take(self.receive()?)? {}
        Ok(())
    }

    /// Sends one datagram. An error means that the kernel refuses it, or takes only a part.
    fn send(&self, request: &[u8]) -> io::Result<()> {
        let sent = send(&self.fd, request, SendFlags::empty())?;
        if sent == request.len() { Ok(()) } else { Err(io::ErrorKind::WriteZero.into()) }
    }

    /// Receives one datagram. An error means that none came in time, that the kernel dropped some (`ENOBUFS`), or
    /// that it does not fit.
    fn receive(&mut self) -> io::Result<&[u8]> {
        let (_, length) = loop {
            self.buffer.clear();
            match recv(&self.fd, spare_capacity(&mut self.buffer), RecvFlags::TRUNC) {
                Err(rustix::io::Errno::INTR) => {}
                received => break received?,
            }
        };
        self.buffer.get(..length).ok_or_else(|| io::Error::other("a netlink datagram did not fit"))
    }
}
