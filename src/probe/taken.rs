//! Which socket took a connection that we opened, asked of the kernel by the connection's four-tuple. An open
//! port whose connection was taken by another socket was redirected on the way.

use crate::model::{Family, TakenBy, Transport};
use crate::sys::{NetlinkSocket, Protocol};
use crate::wire::netlink::{self, AnswerError};
use crate::wire::sock_diag::{self, Row, state};
use std::io;
use std::net::SocketAddr;

/// Asks the kernel for the other ends of connections.
#[derive(Debug)]
pub(super) struct OtherEnds(io::Result<NetlinkSocket>);

/// A connection that we opened.
#[derive(Debug, Clone, Copy)]
pub(super) struct Connection {
    /// Our end.
    pub(super) from: SocketAddr,
    /// What we asked for.
    pub(super) to: SocketAddr,
    /// The index of the device on which it arrived.
    pub(super) device: u32,
}

impl OtherEnds {
    pub(super) fn new() -> Self {
        Self(NetlinkSocket::open(Protocol::SockDiag))
    }

    /// The socket that took a connection. `is_up` tells whether our own end is still connected.
    pub(super) fn of(&mut self, connection: Connection, is_up: impl Fn() -> bool) -> TakenBy {
        let netlink = match &mut self.0 {
            Ok(netlink) => netlink,
            Err(error) => return TakenBy::Unknown(error.to_string()),
        };
        find(netlink, connection, is_up)
            .unwrap_or_else(|error| TakenBy::Unknown(error.with_cause()))
    }
}

fn find(
    netlink: &mut NetlinkSocket,
    connection: Connection,
    is_up: impl Fn() -> bool,
) -> Result<TakenBy, AnswerError> {
    let Connection { from, to, device } = connection;
    let seq = netlink.next_seq();
    let request = sock_diag::lookup(Transport::Tcp, to, from, device, seq);
    let at_port = ask(netlink, &request, netlink::Answer::entry(seq))?;
    // Without a connection of these four the kernel names the listener.
    if at_port.iter().any(|row| row.state != state::LISTEN && row.peer.port() == from.port()) {
        return Ok(TakenBy::Probed);
    }
    // The other end is a socket whose peer has our port. Our own end has that port as its own.
    let states = state::ALL & !state::bit(state::LISTEN) & !state::bit(state::SYN_SENT);
    let mut ends = Vec::new();
    for family in [Family::Ipv4, Family::Ipv6] {
        let seq = netlink.next_seq();
        let request = sock_diag::dump(Transport::Tcp, family, states, Some(from.port()), seq);
        ends.extend(ask(netlink, &request, netlink::Answer::dump(seq))?);
    }
    // Who closed meanwhile has no other end, and another's connection must not pass for it.
    if !is_up() {
        return Ok(TakenBy::Gone);
    }
    ends.retain(|row| row.peer.port() == from.port() && row.local.port() != from.port());
    // Our address may have been rewritten on the way; where one end has it, that is the one.
    let ours = |row: &&Row| row.peer.ip().to_canonical() == from.ip();
    let end = ends.iter().find(ours).or(match ends.as_slice() {
        [only] => Some(only),
        _ => None,
    });
    Ok(match end {
        Some(row) => {
            TakenBy::Other(SocketAddr::new(row.local.ip().to_canonical(), row.local.port()))
        }
        None if ends.is_empty() => TakenBy::Nobody,
        None => TakenBy::Unknown("several connections may be its other end".to_owned()),
    })
}

/// The rows of the answer; none where the kernel knows no such socket.
fn ask(
    netlink: &mut NetlinkSocket,
    request: &[u8],
    mut answer: netlink::Answer,
) -> Result<Vec<Row>, AnswerError> {
    let mut rows = Vec::new();
    let asked = netlink.converse(request, |datagram| {
        answer.take(datagram, |_, payload| rows.extend(sock_diag::row(payload)))
    });
    match asked {
        Ok(()) => Ok(rows),
        Err(AnswerError::Refused(error)) if error.kind() == io::ErrorKind::NotFound => Ok(rows),
        Err(error) => Err(error),
    }
}
