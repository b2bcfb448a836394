//! Non-blocking sockets that knock on a port and tell every kind of answer apart, without privileges.
//!
//! With `IP_RECVERR` the kernel keeps the ICMP error that ended an attempt in the socket's error queue
//! (`ip(7)`): a reset leaves that queue empty, a firewall's reject does not. On loopback the answer has come
//! before the first `connect` returns, so a second one reads it.
#![expect(unsafe_code, reason = "IP_RECVERR and IP_LOCAL_PORT_RANGE have no safe wrapper")]

use super::error_queue::queued_icmp;
use crate::model::{Family, Icmp};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;
use rustix::net::{RecvFlags, SendFlags, connect, recv, send, sockopt};
use socket2::{Domain, Socket, Type};
use std::io;
use std::mem::MaybeUninit;
use std::net::SocketAddr;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd};
use std::time::Duration;

/// The source ports that a probe may use, both ends included.
pub type SourcePorts = (u16, u16);

/// What a TCP probe got.
#[derive(Debug)]
pub enum TcpAnswer {
    /// The connection is up.
    Open,
    /// The connection was up, and the other end reset it at once.
    OpenedAndReset,
    /// A reset.
    Refused,
    /// An ICMP error.
    Icmp(Icmp),
    /// Nothing yet.
    Pending,
    /// The kernel refused to send (`EPERM`).
    NotSent,
    /// It failed on our side.
    Failed(io::Error),
}

/// What a UDP probe got.
#[derive(Debug)]
pub enum UdpAnswer {
    /// A datagram of this many bytes.
    Payload(usize),
    /// An ICMP error.
    Icmp(Icmp),
    /// Nothing yet.
    Pending,
    /// The kernel refused to send (`EPERM`).
    NotSent,
    /// It failed on our side.
    Failed(io::Error),
}

/// Where a probe is sent from, as far as that is not the kernel's choice.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Source {
    /// The address; its port is 0.
    pub address: Option<SocketAddr>,
    /// The ports.
    pub ports: Option<SourcePorts>,
}

/// A socket that hears ICMP errors, and takes a source port out of `ports`.
pub(super) fn new_socket(
    family: Family,
    kind: Type,
    ports: Option<SourcePorts>,
) -> io::Result<Socket> {
    let domain = match family {
        Family::Ipv4 => Domain::IPV4,
        Family::Ipv6 => Domain::IPV6,
    };
    let socket = Socket::new(domain, kind.nonblocking(), None)?;
    let (level, receive_errors) = match family {
        Family::Ipv4 => (libc::SOL_IP, libc::IP_RECVERR),
        Family::Ipv6 => (libc::SOL_IPV6, libc::IPV6_RECVERR),
    };
    set_option(&socket, level, receive_errors, 1)?;
    set_source_ports(&socket, ports);
    Ok(socket)
}

/// Binds a socket to an address. Over IPv6 this is where the kernel looks whether the address is this host's: nothing
/// that takes time may come between it and the probe.
fn bind(socket: &Socket, address: Option<SocketAddr>) -> io::Result<()> {
    let Some(address) = address else { return Ok(()) };
    // The port is chosen when it connects: then many probes may have the same one, each to another port.
    set_option(socket, libc::SOL_IP, libc::IP_BIND_ADDRESS_NO_PORT, 1)?;
    socket.bind(&address.into())
}

/// Keeps the kernel's choice of a source port within `ports`. Kernels before 6.3 do not know the option: there
/// the check of the socket's own name has to do.
fn set_source_ports(socket: &Socket, ports: Option<SourcePorts>) {
    /// `IP_LOCAL_PORT_RANGE` (`linux/in.h`, since Linux 6.3); it holds for IPv6 sockets too.
    const IP_LOCAL_PORT_RANGE: libc::c_int = 51;
    if let Some((low, high)) = ports {
        let range = u32::from(high) << 16 | u32::from(low);
        drop(set_option(socket, libc::SOL_IP, IP_LOCAL_PORT_RANGE, range.cast_signed()));
    }
}

/// Sets an option that is a number (`setsockopt(2)`).
pub(super) fn set_option(
    socket: &Socket,
    level: libc::c_int,
    name: libc::c_int,
    value: libc::c_int,
) -> io::Result<()> {
    let length = libc::socklen_t::try_from(size_of::<libc::c_int>()).map_err(io::Error::other)?;
    // SAFETY: the kernel reads `length` bytes of `value`, which outlives the call.
    let status = unsafe {
        libc::setsockopt(socket.as_raw_fd(), level, name, (&raw const value).cast(), length)
    };
    if status == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

/// A TCP socket that can knock on one port after another: after a refusal the kernel lets it connect again.
/// After any other answer it is spent. Dropping it resets an open connection (no `TIME_WAIT` is left).
#[derive(Debug)]
pub struct TcpProbe(Socket);

impl TcpProbe {
    /// Makes one.
    ///
    /// # Errors
    /// When there is no descriptor or memory for it, or the host has no such family.
    pub fn new(family: Family, source: Source) -> io::Result<Self> {
        let socket = new_socket(family, Type::STREAM, source.ports)?;
        socket.set_linger(Some(Duration::ZERO))?;
        bind(&socket, source.address)?;
        Ok(Self(socket))
    }

    /// Sends a SYN to `to`, and looks for the answer.
    #[must_use]
    pub fn knock(&self, to: SocketAddr) -> TcpAnswer {
        match connect(&self.0, &to) {
            Ok(()) => TcpAnswer::Open,
            Err(Errno::INPROGRESS) => self.look(to),
            Err(error) => self.explain(error),
        }
    }

    /// Looks again for the answer to [`TcpProbe::knock`]; sends nothing.
    #[must_use]
    pub fn look(&self, to: SocketAddr) -> TcpAnswer {
        match connect(&self.0, &to) {
            Ok(()) | Err(Errno::ISCONN) => TcpAnswer::Open,
            // The kernel keeps an ICMP error that arrives during `connect` as a soft error: only the queue shows it.
            Err(Errno::ALREADY | Errno::INPROGRESS) => {
                queued_icmp(&self.0).map_or(TcpAnswer::Pending, |(icmp, _)| TcpAnswer::Icmp(icmp))
            }
            Err(error) => self.explain(error),
        }
    }

    fn explain(&self, error: Errno) -> TcpAnswer {
        if let Some((icmp, _)) = queued_icmp(&self.0) {
            return TcpAnswer::Icmp(icmp);
        }
        match error {
            Errno::CONNREFUSED => TcpAnswer::Refused,
            Errno::CONNRESET | Errno::PIPE => TcpAnswer::OpenedAndReset,
            Errno::PERM => TcpAnswer::NotSent,
            Errno::TIMEDOUT => TcpAnswer::Pending,
            error => TcpAnswer::Failed(error.into()),
        }
    }

    /// The address and port that it is sent from.
    ///
    /// # Errors
    /// When the kernel does not say.
    pub fn source(&self) -> io::Result<SocketAddr> {
        local_name(&self.0)
    }

    /// Reads what has come of an open connection; 0 at its end.
    ///
    /// # Errors
    /// `WouldBlock` when nothing has come; else what ended the connection.
    pub fn receive(&self, into: &mut [u8]) -> io::Result<usize> {
        let (_, length) = recv(&self.0, into, RecvFlags::empty())?;
        Ok(length)
    }

    /// Sends as much of these bytes as the connection takes now.
    ///
    /// # Errors
    /// `WouldBlock` when it takes nothing; else what ended the connection.
    pub fn send(&self, bytes: &[u8]) -> io::Result<usize> {
        Ok(send(&self.0, bytes, SendFlags::NOSIGNAL)?)
    }

    /// Keeps everything that the kernel may still have to send on this connection, as the reset that ends it, on this
    /// host: it is bound to `lo`. For a connection to an address that is not here any more. Kernels before 5.7 let
    /// only root do it.
    pub fn seal(&self) {
        drop(self.0.bind_device(Some(b"lo")));
    }

    /// Whether the connection is still up.
    #[must_use]
    pub fn is_up(&self) -> bool {
        sockopt::socket_error(&self.0).is_ok_and(|error| error.is_ok())
            && self.0.peer_addr().is_ok()
    }
}

impl AsFd for TcpProbe {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

/// A connected UDP socket that can be pointed at one port after another.
#[derive(Debug)]
pub struct UdpProbe(Socket);

impl UdpProbe {
    /// Makes one.
    ///
    /// # Errors
    /// When there is no descriptor or memory for it, or the host has no such family.
    pub fn new(family: Family, source: Source) -> io::Result<Self> {
        let socket = new_socket(family, Type::DGRAM, source.ports)?;
        bind(&socket, source.address)?;
        Ok(Self(socket))
    }

    /// Points it at `to`: from now on it hears only what comes from there.
    ///
    /// # Errors
    /// When there is no route, or no source port.
    pub fn point(&self, to: SocketAddr) -> io::Result<()> {
        while queued_icmp(&self.0).is_some() {}
        Ok(connect(&self.0, &to)?)
    }

    /// Sends `payload` to where it points, and looks for the answer.
    #[must_use]
    pub fn knock(&self, to: SocketAddr, payload: &[u8]) -> UdpAnswer {
        match send(&self.0, payload, SendFlags::empty()) {
            Ok(_) => self.look(to),
            Err(Errno::PERM) => UdpAnswer::NotSent,
            // An error that waited for us: the answer to the last datagram.
            Err(error) => self.explain(to, error),
        }
    }

    /// Looks again for the answer to [`UdpProbe::knock`]; sends nothing.
    #[must_use]
    pub fn look(&self, to: SocketAddr) -> UdpAnswer {
        let mut byte = [MaybeUninit::<u8>::uninit(); 1];
        match recv(&self.0, &mut byte[..], RecvFlags::TRUNC) {
            Ok((_, length)) => UdpAnswer::Payload(length),
            Err(Errno::AGAIN) => UdpAnswer::Pending,
            Err(error) => self.explain(to, error),
        }
    }

    fn explain(&self, to: SocketAddr, error: Errno) -> UdpAnswer {
        while let Some((icmp, destination)) = queued_icmp(&self.0) {
            // What was left from the port before is not an answer of this one.
            if destination.is_none_or(|destination| destination.port() == to.port()) {
                return UdpAnswer::Icmp(icmp);
            }
        }
        UdpAnswer::Failed(error.into())
    }

    /// The address and port that it is sent from.
    ///
    /// # Errors
    /// When the kernel does not say.
    pub fn source(&self) -> io::Result<SocketAddr> {
        local_name(&self.0)
    }
}

impl AsFd for UdpProbe {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

fn local_name(socket: &Socket) -> io::Result<SocketAddr> {
    let address = socket.local_addr()?.as_socket();
    // After a refusal a socket that is not bound has no name any more.
    let named = address.filter(|address| !address.ip().is_unspecified());
    named.ok_or_else(|| io::ErrorKind::AddrNotAvailable.into())
}

/// Waits until one of the probes can be read or has an error, or until `time` is over. Returns the indices of
/// those that can.
pub fn wait_readable<'a, T: AsFd + 'a>(
    probes: impl Iterator<Item = &'a T>,
    time: Duration,
) -> Vec<usize> {
    wait(probes, PollFlags::IN, time)
}

/// Waits until one of the probes is connected or has an error, or until `time` is over. Returns the indices of
/// those that are.
pub fn wait_writable<'a, T: AsFd + 'a>(
    probes: impl Iterator<Item = &'a T>,
    time: Duration,
) -> Vec<usize> {
    wait(probes, PollFlags::OUT, time)
}

fn wait<'a, T: AsFd + 'a>(
    probes: impl Iterator<Item = &'a T>,
    events: PollFlags,
    time: Duration,
) -> Vec<usize> {
    let mut polled: Vec<PollFd<'_>> = probes.map(|probe| PollFd::new(probe, events)).collect();
    let time = Timespec::try_from(time).ok();
    // A wait that a signal cut short found nothing yet: the caller looks at its clock.
    if poll(&mut polled, time.as_ref()).is_err() {
        return Vec::new();
    }
    polled
        .iter()
        .enumerate()
        .filter(|(_, polled)| !polled.revents().is_empty())
        .map(|(index, _)| index)
        .collect()
}
