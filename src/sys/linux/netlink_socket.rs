//! A netlink socket (`netlink(7)`).

use super::netlink_group;
use rustix::buffer::spare_capacity;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::net::{
    AddressFamily, RecvFlags, SendFlags, SocketFlags, SocketType, bind, netlink, recv, send,
    socket_with, sockopt,
};
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
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

    /// From now on hears a multicast group, with so many bytes of room, as far as the kernel gives them, and waits for
    /// nothing: see [`NetlinkSocket::hear`].
    ///
    /// # Errors
    /// When the kernel has no such group, or does not let us hear it.
    pub fn join(&mut self, group: u32, room: usize) -> io::Result<()> {
        self.receive_up_to(room)?;
        // A socket without a name of its own hears no group.
        bind(&self.fd, &netlink::SocketAddrNetlink::new(0, 0))?;
        netlink_group::join(&self.fd, group)
    }

    /// Makes room for so many bytes of what has not been taken yet, as far as the kernel gives it.
    ///
    /// # Errors
    /// When the kernel refuses.
    pub fn receive_up_to(&self, bytes: usize) -> io::Result<()> {
        sockopt::set_socket_recv_buffer_size_force(&self.fd, bytes)
            .or_else(|_not_privileged| sockopt::set_socket_recv_buffer_size(&self.fd, bytes))?;
        Ok(())
    }

    /// From now on takes datagrams of so many bytes.
    pub fn take_up_to(&mut self, bytes: usize) {
        self.buffer = Vec::with_capacity(bytes);
    }

    /// Hands each datagram that has come to `take`, and waits for none. Returns whether the kernel had to drop some.
    pub fn hear(&mut self, take: impl FnMut(&[u8])) -> bool {
        /// How much is taken at a time: others may fill the group as fast as it is read.
        const MOST: u32 = 1 << 16;
        self.hear_some(MOST, take)
    }

    /// The same with so many datagrams at most.
    pub fn hear_some(&mut self, most: u32, mut take: impl FnMut(&[u8])) -> bool {
        let mut lost = false;
        for _ in 0..most {
            self.buffer.clear();
            let room = spare_capacity(&mut self.buffer);
            match recv(&self.fd, room, RecvFlags::TRUNC | RecvFlags::DONTWAIT) {
                Ok((_, length)) => match self.buffer.get(..length) {
                    Some(datagram) => take(datagram),
                    None => lost = true,
                },
                Err(rustix::io::Errno::INTR) => {}
                Err(rustix::io::Errno::NOBUFS) => lost = true,
                Err(_nothing_more) => return lost,
            }
        }
        lost
    }

    /// Waits until there is something to hear, or until `time` is over.
    pub fn wait(&self, time: Duration) {
        let mut polled = [PollFd::new(&self.fd, PollFlags::IN)];
        // A wait that a signal cut short found nothing yet: the caller looks at its clock.
        let _interrupted = poll(&mut polled, Timespec::try_from(time).ok().as_ref()).is_err();
    }

    /// Makes room for requests of so many bytes, as far as the kernel gives it.
    ///
    /// # Errors
    /// When the kernel refuses.
    pub fn send_up_to(&self, bytes: usize) -> io::Result<()> {
        sockopt::set_socket_send_buffer_size_force(&self.fd, bytes)
            .or_else(|_not_privileged| sockopt::set_socket_send_buffer_size(&self.fd, bytes))?;
        Ok(())
    }

    /// Sends one datagram.
    ///
    /// # Errors
    /// When the kernel refuses it, or takes only a part.
    pub fn send(&self, request: &[u8]) -> io::Result<()> {
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

impl AsFd for NetlinkSocket {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}
