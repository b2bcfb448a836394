//! Questions to the kernel's socket tables. A question for one socket may find none. A question for a table has an
//! answer, or it is not known: there the same error says that a kernel module is missing.

use crate::model::{Family, Transport};
use crate::sys::NetlinkSocket;
use crate::wire::netlink::{Answer, AnswerError};
use crate::wire::sock_diag::{self, Keep, Row, state};
use std::io;
use std::net::SocketAddr;

/// The socket that a packet would be delivered to that arrives at `to` from `from`, on the device with this index;
/// `None` when there is none.
pub(super) fn one(
    netlink: &mut NetlinkSocket,
    transport: Transport,
    to: SocketAddr,
    from: SocketAddr,
    device: u32,
) -> Result<Option<Row>, AnswerError> {
    let seq = netlink.next_seq();
    let request = sock_diag::lookup(transport, to, from, device, seq);
    let rows = or_none(ask(netlink, &request, Answer::entry(seq)))?;
    Ok(rows.into_iter().next())
}

/// The TCP sockets of a family in these states, and of those the ones to be kept.
pub(super) fn tcp_table(
    netlink: &mut NetlinkSocket,
    family: Family,
    states: u32,
    keep: Keep,
) -> Result<Vec<Row>, AnswerError> {
    let seq = netlink.next_seq();
    let request = sock_diag::dump(Transport::Tcp, family, states, keep, seq);
    ask(netlink, &request, Answer::dump(seq))
}

/// Whether a connection from `from` is half open: a SYN was answered, and nothing more has come.
pub(super) fn has_half_open(
    netlink: &mut NetlinkSocket,
    from: SocketAddr,
) -> Result<bool, AnswerError> {
    let seq = netlink.next_seq();
    let states = state::bit(state::SYN_RECV) | state::bit(state::NEW_SYN_RECV);
    let request = sock_diag::dump_tcp(states, Keep::PeerPort(from.port()), seq);
    let rows = ask(netlink, &request, Answer::dump(seq))?;
    Ok(rows.iter().any(|row| row.peer.ip().to_canonical() == from.ip()))
}

/// Asks, and collects the rows of the whole answer.
fn ask(
    netlink: &mut NetlinkSocket,
    request: &[u8],
    mut answer: Answer,
) -> Result<Vec<Row>, AnswerError> {
    let mut rows = Vec::new();
    netlink.converse(request, |datagram| {
        answer.take(datagram, |_, payload| rows.extend(sock_diag::row(payload)))
    })?;
    Ok(rows)
}

/// No rows, where the kernel says that there is no such thing (`ENOENT`).
fn or_none(asked: Result<Vec<Row>, AnswerError>) -> Result<Vec<Row>, AnswerError> {
    match asked {
        Err(AnswerError::Refused(error)) if error.kind() == io::ErrorKind::NotFound => {
            Ok(Vec::new())
        }
        asked => asked,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// ENOENT, EPERM.
    #[test]
    fn only_what_is_not_there_is_none() {
        let refused = |errno| Err(AnswerError::Refused(io::Error::from_raw_os_error(errno)));
        assert_eq!(or_none(refused(2)).unwrap(), []);
        assert!(matches!(or_none(refused(1)), Err(AnswerError::Refused(_))));
        assert!(matches!(or_none(Err(AnswerError::Overrun)), Err(AnswerError::Overrun)));
    }
}
