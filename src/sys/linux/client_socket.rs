//! Sockets as ordinary clients and servers have them, that tell everything which the kernel says of an attempt to
//! connect or to bind.

use super::error_queue::queued_error;
use super::probe_socket::{SourcePorts, new_socket};
use crate::model::{Errno, Family, Icmp, Transport};
use rustix::io::Errno as Number;
use rustix::net::{RecvFlags, SendFlags, connect, recv, send};
use socket2::{Domain, SockAddr, Socket, Type};
use std::io;
use std::mem::MaybeUninit;
use std::net::SocketAddr;
use std::os::fd::{AsFd, BorrowedFd};
use std::path::Path;
use std::time::Duration;

/// What has come of an attempt.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Came {
    /// Nothing yet.
    Nothing,
    /// The connection is up; over UDP an answer came.
    Open,
    /// An error, and the ICMP error behind it.
    Error(Errno, Option<Icmp>),
}

/// A client's socket. Dropping it closes the connection.
#[derive(Debug)]
pub struct ClientSocket {
    socket: Socket,
    transport: Transport,
}

impl ClientSocket {
    /// Makes one whose source port is one of `ports`, where the kernel can be told.
    ///
    /// # Errors
    /// When there is no descriptor for it, or the host has no such family.
    pub fn new(
        transport: Transport,
        family: Family,
        ports: Option<SourcePorts>,
    ) -> io::Result<Self> {
        let kind = if transport == Transport::Udp { Type::DGRAM } else { Type::STREAM };
        Ok(Self { socket: new_socket(family, kind, ports)?, transport })
    }

    /// Ends the connection with a reset when it is dropped, so that nothing of it is kept.
    ///
    /// # Errors
    /// When the kernel refuses.
    pub fn reset_at_end(&self) -> io::Result<()> {
        self.socket.set_linger(Some(Duration::ZERO))
    }

    /// Sends a SYN, or over UDP the payload, and looks what comes of it.
    #[must_use]
    pub fn connect(&self, to: SocketAddr, payload: &[u8]) -> Came {
        let connected = match connect(&self.socket, &to) {
            Ok(()) if self.transport == Transport::Udp => {
                send(&self.socket, payload, SendFlags::NOSIGNAL).map(drop)
            }
            connected => connected,
        };
        match connected {
            Ok(()) | Err(Number::INPROGRESS) => self.look(),
            Err(number) => self.failed(number.raw_os_error()),
        }
    }

    /// Looks again; sends nothing.
    #[must_use]
    pub fn look(&self) -> Came {
        if self.transport == Transport::Udp {
            return match recv(&self.socket, &mut [MaybeUninit::uninit()], RecvFlags::TRUNC) {
                Ok(_) => Came::Open,
                Err(Number::AGAIN) => Came::Nothing,
                Err(number) => self.failed(number.raw_os_error()),
            };
        }
        // The kernel keeps an ICMP error that arrives during `connect` for whoever asks for it.
        match self.socket.take_error() {
            Ok(Some(error)) => self.failed(error.raw_os_error().unwrap_or_default()),
            Ok(None) if self.socket.peer_addr().is_ok() => Came::Open,
            _ => match queued_error(&self.socket) {
                Some((icmp, number, _)) => Came::Error(errno(number), Some(icmp)),
                None => Came::Nothing,
            },
        }
    }

    fn failed(&self, number: i32) -> Came {
        let icmp = queued_error(&self.socket).map(|(icmp, ..)| icmp);
        Came::Error(errno(number), icmp)
    }

    /// Whether an open connection has ended: `Some(false)` when data came, `None` when nothing came.
    #[must_use]
    pub fn ended(&self) -> Option<bool> {
        match recv(&self.socket, &mut [MaybeUninit::uninit()], RecvFlags::PEEK) {
            Ok((_, 0)) => Some(true),
            Ok(_) => Some(false),
            Err(Number::AGAIN | Number::INTR) => None,
            Err(_) => Some(true),
        }
    }

    /// Our end's address and port.
    ///
    /// # Errors
    /// When the kernel does not say.
    pub fn source(&self) -> io::Result<SocketAddr> {
        let address = self.socket.local_addr()?;
        address.as_socket().ok_or_else(|| io::ErrorKind::AddrNotAvailable.into())
    }

    /// Whether the connection is still up.
    #[must_use]
    pub fn is_up(&self) -> bool {
        self.socket.peer_addr().is_ok()
    }
}

impl AsFd for ClientSocket {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}

/// How a socket is bound, for a moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Binding {
    /// The transport.
    pub transport: Transport,
    /// The address and the port.
    pub at: SocketAddr,
    /// Whether it sets `SO_REUSEADDR`.
    pub reuse: bool,
    /// Whether an IPv6 socket leaves IPv4 alone.
    pub v6_only: bool,
}

/// Binds a socket, and closes it at once. It never listens; who binds the port in that very moment is refused.
///
/// # Errors
/// What the kernel says to a server that does the same.
pub fn bind_for_a_moment(binding: Binding) -> Result<(), Errno> {
    let Binding { transport, at, reuse, v6_only } = binding;
    let kind = if transport == Transport::Udp { Type::DGRAM } else { Type::STREAM };
    let bound = || -> io::Result<()> {
        let socket = Socket::new(Domain::for_address(at), kind, None)?;
        if at.is_ipv6() {
            socket.set_only_v6(v6_only)?;
        }
        socket.set_reuse_address(reuse)?;
        socket.bind(&at.into())
    };
    bound().map_err(|error| error_of(&error))
}

/// Connects to a Unix socket at a path, and closes the connection.
///
/// # Errors
/// What a client would get.
pub fn connect_to_path(path: &Path) -> Result<(), Errno> {
    let attempt = |kind: Type| -> io::Result<()> {
        let socket = Socket::new(Domain::UNIX, kind.nonblocking(), None)?;
        socket.connect(&SockAddr::unix(path)?)
    };
    match attempt(Type::STREAM) {
        // It is a socket of another kind.
        Err(error) if error.raw_os_error() == Some(libc::EPROTOTYPE) => attempt(Type::DGRAM),
        attempted => attempted,
    }
    .map_err(|error| error_of(&error))
}

/// A system error.
#[must_use]
pub fn error_of(error: &io::Error) -> Errno {
    match error.raw_os_error() {
        Some(number) => errno(number),
        None => Errno { name: "EINVAL".to_owned(), text: error.to_string() },
    }
}

fn errno(number: i32) -> Errno {
    let name = match number {
        libc::EACCES => "EACCES",
        libc::EADDRINUSE => "EADDRINUSE",
        libc::EADDRNOTAVAIL => "EADDRNOTAVAIL",
        libc::EAFNOSUPPORT => "EAFNOSUPPORT",
        libc::EAGAIN => "EAGAIN",
        libc::ECONNREFUSED => "ECONNREFUSED",
        libc::ECONNRESET => "ECONNRESET",
        libc::EHOSTDOWN => "EHOSTDOWN",
        libc::EHOSTUNREACH => "EHOSTUNREACH",
        libc::EINVAL => "EINVAL",
        libc::ENETDOWN => "ENETDOWN",
        libc::ENETUNREACH => "ENETUNREACH",
        libc::ENOENT => "ENOENT",
        libc::ENOPROTOOPT => "ENOPROTOOPT",
        libc::ENOTDIR => "ENOTDIR",
        libc::ENOTSOCK => "ENOTSOCK",
        libc::EPERM => "EPERM",
        libc::EPROTO => "EPROTO",
        libc::ETIMEDOUT => "ETIMEDOUT",
        _ => "",
    };
    let name = if name.is_empty() { format!("error {number}") } else { name.to_owned() };
    let text = io::Error::from_raw_os_error(number).to_string();
    let text = text.split(" (os error").next().unwrap_or_default().to_owned();
    Errno { name, text }
}
