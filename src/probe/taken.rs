//! Which socket took a connection that we opened, asked of the kernel by the connection's four-tuple. An open
//! port whose connection was taken by another socket was redirected on the way.

use super::diag;
use crate::model::{Family, TakenBy, Transport};
use crate::sys::{NetlinkSocket, Protocol};
use crate::wire::netlink::AnswerError;
use crate::wire::sock_diag::{Keep, Row, state};
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
    let at_port = diag::one(netlink, Transport::Tcp, to, from, device)?;
    // Without a connection of these four the kernel names the listener.
    if at_port.is_some_and(|row| row.state != state::LISTEN && row.peer.port() == from.port()) {
        return Ok(TakenBy::Probed);
    }
    // The other end is a socket whose peer is our end.
    let states = [state::LISTEN, state::SYN_SENT, state::TIME_WAIT].map(state::bit);
    let states = states.iter().fold(state::ALL, |all, bit| all & !bit);
    let port = from.port();
    let mut ends = Vec::new();
    let mut starts = Vec::new();
    for family in [Family::Ipv4, Family::Ipv6] {
        for (keep, rows) in
            [(Keep::PeerPort(port), &mut ends), (Keep::LocalPort(port), &mut starts)]
        {
            rows.extend(diag::tcp_table(netlink, family, states, keep)?);
        }
    }
    // Who closed meanwhile has no other end, and another's connection must not pass for it.
    if !is_up() {
        return Ok(TakenBy::Gone);
    }
    Ok(match other_end(&ends, &starts, from) {
        Some(end) if end == to => TakenBy::Probed,
        Some(end) => TakenBy::Other(end),
        None => TakenBy::Nobody,
    })
}

/// The other end of a connection from `from` among the sockets whose peer has its port. A client may have used the
/// same port to go elsewhere: such an end has its own start among the sockets with that port.
fn other_end(ends: &[Row], starts: &[Row], from: SocketAddr) -> Option<SocketAddr> {
    let same = |one: SocketAddr, other: SocketAddr| {
        (one.ip().to_canonical(), one.port()) == (other.ip().to_canonical(), other.port())
    };
    let has_start =
        |end: &Row| starts.iter().any(|row| same(row.local, end.peer) && same(row.peer, end.local));
    let mut ours = ends.iter().filter(|end| same(end.peer, from) && !has_start(end));
    let end = ours.next()?.local;
    Some(SocketAddr::new(end.ip().to_canonical(), end.port()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(local: &str, peer: &str) -> Row {
        let (local, peer): (SocketAddr, SocketAddr) =
            (local.parse().unwrap(), peer.parse().unwrap());
        Row::between(Family::of(local.ip()), 1, local, peer)
    }

    #[test]
    fn only_an_end_without_a_start_of_its_own_is_ours() {
        let from: SocketAddr = "127.0.0.1:40000".parse().unwrap();
        let redirected = row("[::ffff:127.0.0.1]:22", "[::ffff:127.0.0.1]:40000");
        let others = row("127.0.0.1:443", "127.0.0.1:40000");
        let remote = row("127.0.0.1:443", "10.0.0.9:40000");
        let starts =
            [row("127.0.0.1:40000", "127.0.0.1:443"), row("127.0.0.1:40000", "127.0.0.1:8070")];
        let found = |ends: &[Row]| other_end(ends, &starts, from).map(|end| end.to_string());
        assert_eq!(found(&[others.clone(), redirected]).as_deref(), Some("127.0.0.1:22"));
        assert_eq!(found(&[others]), None, "a client of 443 that has the same port");
        assert_eq!(found(&[remote]), None, "a client elsewhere");
    }
}
