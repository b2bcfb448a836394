//! Ends what probes have opened half. A reset does it, where no rule stops that; the kernel does it too, when asked.

use super::ask::{NAMELESS, destroy, dump};
use super::follow::sequence;
use super::legacy::Loggers;
use super::note::{Note, read_state};
use crate::model::Transport;
use crate::sys::{self, Injector, NetlinkSocket, Protocol};
use crate::wire::frame::Content;
use crate::wire::netlink::AnswerError;
use crate::wire::sock_diag::{self, Keep, Row, state};
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

/// How long a program may take to answer a datagram that we sent, so that its answer is swallowed too.
const LATE: Duration = Duration::from_secs(3);
/// Longer than the kernel sends a SYN-ACK again (`tcp_synack_retries`, 63 s with the usual five).
const LONGEST: Duration = Duration::from_secs(130);
const TICK: Duration = Duration::from_millis(100);

/// What the guardian does when its parent has gone: it ends what is open, and keeps the table, and so everything from the
/// wire, until no answer can come any more.
pub(super) fn finish(
    note: &[u8],
    injectors: &BTreeMap<u32, Injector>,
    sources: &[SocketAddr],
    loggers: &Loggers,
) {
    let began = Instant::now();
    let (state, probes) = note.split_first().map_or((0, note), |(state, rest)| (*state, rest));
    let (is_late, has_log) = read_state(state);
    if has_log {
        loggers.restore();
    }
    if let Some(note) = Note::from_bytes(probes) {
        reset(&note, injectors);
    }
    loop {
        // Each of them, and what is not known may be open.
        let open = sources.iter().filter(|source| end_half_open(**source).unwrap_or(true));
        let is_open = open.count() > 0;
        let waits = (is_late && began.elapsed() < LATE) || (is_open && began.elapsed() < LONGEST);
        if !waits {
            return;
        }
        sys::pause(TICK);
    }
}

/// Resets every connection that the probes in a note may have opened.
fn reset(note: &Note, injectors: &BTreeMap<u32, Injector>) {
    let Some(injector) = injectors.get(&note.device) else { return };
    let mut frame = Vec::new();
    for port in &note.ports {
        let sequence = sequence(note.key, *port).wrapping_add(1);
        note.way.frame(*port, Content::Reset(sequence), &mut frame);
        let _gone = injector.receive(&frame).is_err();
    }
}

/// Makes the kernel end what is half open with this source. Returns whether something still is.
pub(super) fn end_half_open(source: SocketAddr) -> Result<bool, AnswerError> {
    let mut netlink = NetlinkSocket::open(Protocol::SockDiag)?;
    let open = half_open(&mut netlink, source)?;
    for row in &open {
        // Gone meanwhile, or a kernel that ends no sockets: both are seen below.
        let _refused = destroy(&mut netlink, Transport::Tcp, row).is_err();
    }
    Ok(!open.is_empty() && !half_open(&mut netlink, source)?.is_empty())
}

fn half_open(netlink: &mut NetlinkSocket, source: SocketAddr) -> Result<Vec<Row>, AnswerError> {
    let states = state::bit(state::SYN_RECV) | state::bit(state::NEW_SYN_RECV);
    let request = |seq| sock_diag::dump_tcp(states, Keep::PeerPort(source.port()), seq);
    let mut rows: Vec<Row> = Vec::new();
    dump(netlink, request, |payload| rows.extend(sock_diag::row(payload)))?;
    rows.retain(|row| row.peer.ip().to_canonical() == source.ip() && row.cookie != NAMELESS);
    Ok(rows)
}
