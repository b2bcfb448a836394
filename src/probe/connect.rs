//! Connecting as a client does, to see what a client sees: the system error, the ICMP error behind it, how long it
//! took, and what becomes of the connection in its first moments.
//!
//! An address of this host gets what it asks for; any other gets one connect, which is closed in order.

use super::diag;
use super::payload::payload;
use super::plan::Sources;
use super::taken::{Connection, OtherEnds};
use crate::model::{ClientAttempt, Errno, Family, Opened, Outcome, Port, TakenBy, Transport};
use crate::sys::{self, Came, ClientSocket, NetlinkSocket, Protocol, SourcePorts};
use crate::wire::sock_diag::state;
use std::net::SocketAddr;
use std::thread;
use std::time::{Duration, Instant};

/// How long the first moments of a connection last.
const MOMENTS: Duration = Duration::from_millis(15);
/// How long a program may take to accept a connection.
const ACCEPTS_WITHIN: Duration = Duration::from_millis(500);

/// One address to connect to.
#[derive(Debug, Clone, Copy)]
pub struct Call {
    /// The address and the port.
    pub to: SocketAddr,
    /// The transport.
    pub transport: Transport,
    /// The index of the device that has the address; `None` where it is not of this host.
    pub device: Option<u32>,
    /// How long nothing may come back.
    pub patience: Duration,
}

/// Connects to all of these at once, and tells of each what came of it, in their order.
#[must_use]
pub fn connect(calls: &[Call]) -> Vec<ClientAttempt> {
    let one = |call: &Call| attempt(call, client(call), MOMENTS);
    thread::scope(|scope| {
        let started: Vec<_> = calls.iter().map(|call| scope.spawn(move || one(call))).collect();
        let ended = started.into_iter().zip(calls).map(|(thread, call)| {
            let lost = || Errno { name: "EINVAL".into(), text: "the attempt was lost".into() };
            thread.join().unwrap_or_else(|_| failed(call, lost(), Duration::ZERO))
        });
        ended.collect()
    })
}

/// Connects to one, and waits so long for the other end to close it or to say something.
#[must_use]
pub fn connect_and_stay(call: &Call, moments: Duration) -> ClientAttempt {
    attempt(call, client(call), moments)
}

fn client(call: &Call) -> std::io::Result<ClientSocket> {
    let ports = source_ports(call.to);
    ClientSocket::new(call.transport, Family::of(call.to.ip()), ports)
}

/// The ports to connect from: the one that is connected to is none of them.
pub(super) fn source_ports(to: SocketAddr) -> Option<SourcePorts> {
    let port = Port::new(to.port())?;
    Sources::new(sys::local_port_range(), &[port]).avoiding(port)
}

fn failed(call: &Call, errno: Errno, elapsed: Duration) -> ClientAttempt {
    let outcome = errno.outcome();
    ClientAttempt {
        to: call.to,
        outcome,
        errno: Some(errno),
        icmp: None,
        sees_icmp: true,
        elapsed,
        opened: None,
    }
}

fn attempt(call: &Call, socket: std::io::Result<ClientSocket>, moments: Duration) -> ClientAttempt {
    let socket = match socket {
        Ok(socket) => socket,
        Err(error) => return failed(call, sys::error_of(&error), Duration::ZERO),
    };
    if call.device.is_some() {
        // A kernel that refuses keeps the connection for a minute: no harm.
        drop(socket.reset_at_end());
    }
    let payload = Port::new(call.to.port()).map_or(&[][..], payload);
    let start = Instant::now();
    let mut came = socket.connect(call.to, payload);
    while came == Came::Nothing {
        let Some(left) = call.patience.checked_sub(start.elapsed()).filter(|it| !it.is_zero())
        else {
            break;
        };
        let one = std::iter::once(&socket);
        if call.transport == Transport::Udp {
            sys::wait_readable(one, left);
        } else {
            sys::wait_writable(one, left);
        }
        came = socket.look();
    }
    let elapsed = start.elapsed();
    let ended = |outcome| ClientAttempt {
        to: call.to,
        outcome,
        errno: None,
        icmp: None,
        elapsed,
        opened: None,
        sees_icmp: true,
    };
    match came {
        Came::Nothing => ended(Outcome::TimedOut),
        Came::Error(errno, icmp) => ClientAttempt { icmp, ..failed(call, errno, elapsed) },
        Came::Open if call.transport == Transport::Udp => ended(Outcome::Connected),
        Came::Open => ClientAttempt {
            opened: Some(opened(call, &socket, moments)),
            ..ended(Outcome::Connected)
        },
    }
}

/// Looks at an open connection for some moments, and longer where nobody has accepted it.
fn opened(call: &Call, socket: &ClientSocket, moments: Duration) -> Opened {
    let start = Instant::now();
    let connection = call.device.zip(socket.source().ok());
    let connection = connection.map(|(device, from)| Connection { from, to: call.to, device });
    let taken = match connection {
        Some(connection) => OtherEnds::new().of(connection, || socket.is_up()),
        None => TakenBy::Unknown("the other end is not of this host".to_owned()),
    };
    let mut time = moments;
    loop {
        sys::wait_readable(std::iter::once(socket), time.saturating_sub(start.elapsed()));
        if let Some(ended) = socket.ended() {
            return Opened { taken, ended, waits: None };
        }
        let waits = taken == TakenBy::Probed && connection.as_ref().is_some_and(is_queued);
        if !waits || start.elapsed() >= ACCEPTS_WITHIN {
            return Opened { taken, ended: false, waits: waits.then(|| start.elapsed()) };
        }
        time = start.elapsed() + MOMENTS;
    }
}

/// Whether the other end of a connection still waits to be accepted: nobody has its socket.
fn is_queued(connection: &Connection) -> bool {
    let Connection { from, to, device } = *connection;
    let Ok(mut netlink) = NetlinkSocket::open(Protocol::SockDiag) else { return false };
    let row = diag::one(&mut netlink, Transport::Tcp, to, from, device).ok().flatten();
    row.is_some_and(|row| {
        row.state == state::ESTABLISHED && row.peer.port() == from.port() && row.inode.0 == 0
    })
}
