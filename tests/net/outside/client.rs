//! A real client: what it gets at many addresses and ports, all asked at once.

use crate::world::feed;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use socket2::{Domain, Protocol, SockAddr, Socket, Type};
use std::collections::BTreeMap;
use std::io::{self, ErrorKind, Read as _};
use std::net::{IpAddr, Ipv6Addr, SocketAddr};
use std::time::{Duration, Instant};

/// What a client got.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Got {
    /// A connection.
    Connection,
    /// A reset.
    Reset,
    /// An ICMP error with this type and code.
    Icmp(u8, u8),
    /// A datagram.
    Payload,
    /// Nothing.
    Silence,
}

/// How long a client waits: a SYN is sent once more within that time.
const PATIENCE: Duration = Duration::from_millis(1300);

/// What TCP clients get.
pub(super) fn connect(addresses: &[SocketAddr]) -> BTreeMap<SocketAddr, Got> {
    ask(addresses, Type::STREAM, |socket, to| match socket.connect(&to) {
        Err(error) if error.raw_os_error() != Some(libc::EINPROGRESS) => Err(error),
        _ => Ok(()),
    })
}

/// What UDP clients get that send a datagram.
pub(super) fn exchange(addresses: &[SocketAddr]) -> BTreeMap<SocketAddr, Got> {
    ask(addresses, Type::DGRAM, |socket, to| {
        socket.connect(&to)?;
        socket.send(b"hello").map(drop)
    })
}

fn ask(
    addresses: &[SocketAddr],
    kind: Type,
    begin: impl Fn(&Socket, SockAddr) -> io::Result<()>,
) -> BTreeMap<SocketAddr, Got> {
    let errors = Errors::listen();
    let mut got = BTreeMap::new();
    let mut open = Vec::new();
    for address in addresses {
        let socket = Socket::new(Domain::for_address(*address), kind, None).unwrap();
        socket.set_nonblocking(true).unwrap();
        if kind == Type::STREAM {
            // Its end is a reset: nothing of it stays.
            socket.set_linger(Some(Duration::ZERO)).unwrap();
        }
        begin(&socket, (*address).into()).unwrap_or_else(|error| panic!("to {address}: {error}"));
        open.push((*address, socket));
    }
    let wanted = if kind == Type::STREAM { PollFlags::OUT } else { PollFlags::IN };
    let deadline = Instant::now() + PATIENCE;
    while !open.is_empty() {
        let left = deadline.saturating_duration_since(Instant::now());
        let limit =
            Timespec { tv_sec: 0, tv_nsec: i64::from(left.subsec_nanos().min(200_000_000)) };
        let mut ready: Vec<_> = open.iter().map(|it| PollFd::new(&it.1, wanted)).collect();
        poll(&mut ready, Some(&limit)).unwrap();
        let ready: Vec<bool> = ready.iter().map(|it| !it.revents().is_empty()).collect();
        let mut ready = ready.into_iter();
        open.retain(|(address, socket)| {
            if ready.next() == Some(false) {
                return true;
            }
            got.insert(*address, answer(socket, kind));
            false
        });
        if left.is_zero() {
            break;
        }
    }
    got.extend(open.iter().map(|(address, _)| (*address, Got::Silence)));
    for (address, error) in errors.heard() {
        let quoted = got.iter_mut().filter(|(of, _)| (of.ip(), of.port()) == address);
        quoted.for_each(|(_, got)| *got = error);
    }
    got
}

fn answer(socket: &Socket, kind: Type) -> Got {
    match socket.take_error().unwrap() {
        Some(error) if error.kind() == ErrorKind::ConnectionRefused => Got::Reset,
        // The error itself is told by the ICMP sockets.
        Some(_) => Got::Silence,
        None if kind == Type::STREAM => Got::Connection,
        None => Got::Payload,
    }
}

/// The ICMP errors that come to this host.
struct Errors([Socket; 2]);

impl Errors {
    fn listen() -> Self {
        let kinds = [(Domain::IPV4, Protocol::ICMPV4), (Domain::IPV6, Protocol::ICMPV6)];
        Self(kinds.map(|(domain, protocol)| {
            let socket = Socket::new(domain, Type::RAW, Some(protocol)).unwrap();
            socket.set_nonblocking(true).unwrap();
            socket.set_recv_buffer_size(1 << 20).unwrap();
            socket
        }))
    }

    /// Each with where the packet that it quotes was sent to.
    fn heard(self) -> Vec<((IpAddr, u16), Got)> {
        let [v4, v6] = self.0;
        let mut heard = Vec::new();
        heard.extend(messages(v4).iter().filter_map(|message| {
            let message = message.get(usize::from(message.first()? & 15) * 4..)?;
            let quoted = message.get(8..)?;
            let ports = usize::from(quoted.first()? & 15) * 4;
            let to = <[u8; 4]>::try_from(quoted.get(16..20)?).ok()?;
            (message[0] == 3).then_some(())?;
            Some(((to.into(), port(quoted.get(ports..)?)?), Got::Icmp(message[0], message[1])))
        }));
        heard.extend(messages(v6).iter().filter_map(|message| {
            let quoted = message.get(8..)?;
            let to = <[u8; 16]>::try_from(quoted.get(24..40)?).ok()?;
            (message[0] == 1).then_some(())?;
            let to = Ipv6Addr::from(to).into();
            Some(((to, port(quoted.get(40..)?)?), Got::Icmp(message[0], message[1])))
        }));
        heard
    }
}

fn port(transport: &[u8]) -> Option<u16> {
    Some(u16::from_be_bytes([*transport.get(2)?, *transport.get(3)?]))
}

fn messages(mut socket: Socket) -> Vec<Vec<u8>> {
    let mut messages = Vec::new();
    let mut buffer = [0; 2048];
    while let Ok(length) = socket.read(&mut buffer) {
        messages.push(buffer[..length].to_vec());
    }
    messages
}

/// The index of the wire's end, in the namespace of this thread.
pub(super) fn wire() -> u32 {
    let text = feed("ip", &["-o", "link", "show", "wire0"], "");
    text.split(':').next().and_then(|index| index.trim().parse().ok()).expect("it has an index")
}
