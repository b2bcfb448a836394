//! Sockets by their address and options.

use crate::world::LAN_INDEX;
use socket2::{Domain, Socket, Type};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV6};
use std::os::fd::AsRawFd as _;

/// A socket to be made. An IPv6 one takes no IPv4, unless it says [`Spec::dual`].
#[derive(Debug, Clone, Copy)]
pub(crate) struct Spec {
    kind: Type,
    address: SocketAddr,
    dual: bool,
    shared: bool,
    deferred: bool,
    device: Option<&'static str>,
}

/// A TCP socket at this address. `%lan0` names the scope.
pub(crate) fn tcp(address: &str) -> Spec {
    Spec {
        kind: Type::STREAM,
        address: at(address),
        dual: false,
        shared: false,
        deferred: false,
        device: None,
    }
}

/// A UDP socket at this address.
pub(crate) fn udp(address: &str) -> Spec {
    Spec { kind: Type::DGRAM, ..tcp(address) }
}

/// The socket address that this text means, with `%lan0` for the scope of a link-local one.
pub(crate) fn at(address: &str) -> SocketAddr {
    let address = address.replace("%lan0", &format!("%{LAN_INDEX}"));
    address.parse().unwrap_or_else(|_| panic!("{address} is no socket address"))
}

/// The socket address of this port at a bare target, with the scope of `lan0` where one is needed.
pub(crate) fn port_of(target: IpAddr, port: u16) -> SocketAddr {
    match target {
        IpAddr::V6(address) if address.is_unicast_link_local() => {
            SocketAddrV6::new(address, port, 0, LAN_INDEX).into()
        }
        _ => SocketAddr::new(target, port),
    }
}

impl Spec {
    /// Takes IPv4 as well (`IPV6_V6ONLY` off).
    pub(crate) fn dual(self) -> Self {
        Self { dual: true, ..self }
    }

    /// Shares its port (`SO_REUSEPORT`).
    pub(crate) fn shared(self) -> Self {
        Self { shared: true, ..self }
    }

    /// Is woken by the first data only (`TCP_DEFER_ACCEPT`): until then no socket stands for the connection.
    pub(crate) fn deferred(self) -> Self {
        Self { deferred: true, ..self }
    }

    /// Is bound to a device (`SO_BINDTODEVICE`).
    pub(crate) fn on(self, device: &'static str) -> Self {
        Self { device: Some(device), ..self }
    }

    /// The socket, bound.
    pub(crate) fn bound(self) -> Socket {
        let socket = Socket::new(Domain::for_address(self.address), self.kind, None).unwrap();
        if self.address.is_ipv6() {
            socket.set_only_v6(!self.dual).unwrap();
        }
        if self.shared {
            socket.set_reuse_port(true).unwrap();
        }
        if self.deferred {
            let seconds = 10_i32;
            // SAFETY: the option is an int of four bytes that lives through the call.
            let failed = unsafe {
                libc::setsockopt(
                    socket.as_raw_fd(),
                    libc::IPPROTO_TCP,
                    libc::TCP_DEFER_ACCEPT,
                    (&raw const seconds).cast(),
                    4,
                )
            };
            assert_eq!(failed, 0, "TCP_DEFER_ACCEPT");
        }
        socket.bind_device(self.device.map(str::as_bytes)).unwrap();
        socket.bind(&self.address.into()).unwrap_or_else(|error| panic!("{self:?}: {error}"));
        socket
    }

    /// The socket, bound and listening.
    pub(crate) fn listening(self, backlog: i32) -> Socket {
        let socket = self.bound();
        socket.listen(backlog).unwrap();
        socket
    }

    /// The socket as a server has it: bound, and for TCP listening.
    pub(crate) fn serving(self) -> Socket {
        if self.kind == Type::STREAM { self.listening(16) } else { self.bound() }
    }

    /// Where a client on this host finds it.
    pub(crate) fn address_for_a_client(self) -> SocketAddr {
        let ip = match self.address.ip() {
            IpAddr::V4(Ipv4Addr::UNSPECIFIED) => Ipv4Addr::LOCALHOST.into(),
            IpAddr::V6(Ipv6Addr::UNSPECIFIED) => Ipv6Addr::LOCALHOST.into(),
            ip => ip,
        };
        SocketAddr::new(ip, self.address.port())
    }
}
