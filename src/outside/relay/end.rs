//! Ends what a program outside has left behind on this host: connections whose other end is gone.

use super::super::ask::{NAMELESS, change, destroy, dump};
use super::memory::Used;
use super::queue::Queues;
use super::rules::Numbers;
use crate::model::{Cookie, Family, Transport};
use crate::sys::{self, NetlinkSocket, Procfs, Protocol};
use crate::wire::conntrack::{self, Tracked};
use crate::wire::netlink::AnswerError;
use crate::wire::sock_diag::{self, Keep, Row, state};
use std::collections::BTreeSet;
use std::io::ErrorKind;
use std::net::{IpAddr, SocketAddr};
use std::time::{Duration, Instant};

/// How long programs have to read what came before the end, and to answer a datagram.
const LATE: Duration = Duration::from_secs(3);
/// How long one that does answer must have been silent: it may ask again and again, after twice the time each time
/// (RFC 9002, section 6.2).
const QUIET: Duration = Duration::from_secs(15);
/// When the kernel is not asked any more.
const LONGEST: Duration = Duration::from_secs(130);
/// How often it is looked at first, and after this time: to look into every namespace is work.
const TICK: Duration = Duration::from_millis(50);
const SOON: Duration = Duration::from_secs(1);
const SELDOM: Duration = Duration::from_millis(500);

/// What is to be ended.
#[derive(Debug)]
pub(super) struct Left {
    /// The addresses of the program outside.
    pub(super) sources: Vec<IpAddr>,
    /// The addresses of other network namespaces of this host, whose programs may have connections with it.
    pub(super) inside: BTreeSet<IpAddr>,
    /// The queues of what goes to the program.
    pub(super) queues: Numbers,
}

impl Left {
    /// Ends everything, and keeps the table, and so everything from the wire, until no answer can come any more.
    pub(super) fn finish(&self, used: &Used) {
        let began = Instant::now();
        // Nothing more comes from the program. What is not tracked was not translated.
        let _none = self.forget_translated().is_err();
        let mut late = Late::new(self.queues);
        loop {
            let is_open = self.close(used, began.elapsed() < LATE).unwrap_or(true);
            let may_answer = used.datagrams && (late.goes_on() || began.elapsed() < LATE);
            if !(is_open || may_answer) || began.elapsed() > LONGEST {
                return;
            }
            sys::pause(if began.elapsed() < SOON { TICK } else { SELDOM });
        }
    }

    /// Ends every connection once. Where `spare`, not those whose program may still read what came before the end.
    /// Returns whether one is still there.
    pub(super) fn close(&self, used: &Used, spare: bool) -> Result<bool, AnswerError> {
        let here = self.close_those(spare, |_| true)?;
        if self.inside.is_empty() {
            return Ok(here);
        }
        let namespaces = Procfs::open().and_then(|procfs| sys::network_namespaces(&procfs))?;
        let ours = sys::network_namespace("thread-self")?.inode;
        let others: Vec<_> = namespaces.found.values().filter(|it| it.inode != ours).collect();
        // The address may be a real neighbour's to another network of this host's: not so with that port, and there.
        let is_ours = |row: &Row| {
            used.has(row.peer.port()) && self.inside.contains(&row.local.ip().to_canonical())
        };
        let closed = sys::in_namespaces(&others, |_| self.close_those(spare, is_ours));
        // One that cannot be entered has gone, or had none that came by here.
        Ok(closed.into_iter().flatten().flatten().fold(here, |all, one| all || one))
    }

    /// Makes the kernel forget the connections that NAT has given another source. No socket shows that they lead to the
    /// program; afterwards what is sent in them stays on this host, and is answered by a reset.
    fn forget_translated(&self) -> Result<(), AnswerError> {
        // To ask would load the module.
        if sys::conntrack_room().is_none() {
            return Ok(());
        }
        let mut netlink = NetlinkSocket::open(Protocol::Netfilter)?;
        let mut translated = Vec::new();
        dump(&mut netlink, conntrack::dump, |payload| {
            let tracked = conntrack::tracked(payload);
            let is_ours =
                |it: &Tracked| self.sources.contains(&it.source) && it.answered != it.source;
            translated.extend(tracked.filter(is_ours));
        })?;
        for tracked in &translated {
            // Gone meanwhile.
            let _gone = change(&mut netlink, |seq| conntrack::forget(tracked, seq)).is_err();
        }
        Ok(())
    }

    /// Ends those in this thread's namespace.
    fn close_those(
        &self,
        spare: bool,
        is_ours: impl Fn(&Row) -> bool,
    ) -> Result<bool, AnswerError> {
        let mut netlink = NetlinkSocket::open(Protocol::SockDiag)?;
        let all = |netlink: &mut NetlinkSocket| {
            let mut all = connections(netlink, &self.sources)?;
            all.retain(|(_, row)| is_ours(row));
            Ok::<_, AnswerError>(all)
        };
        let open = all(&mut netlink)?;
        let may_read = |row: &Row| spare && row.state == state::CLOSE_WAIT;
        for (transport, row) in open.iter().filter(|(_, row)| !may_read(row)) {
            // Gone meanwhile, or what the kernel cannot end: both are seen below.
            let _refused = destroy(&mut netlink, *transport, row).is_err();
        }
        Ok(!open.is_empty() && !all(&mut netlink)?.is_empty())
    }
}

/// Who answers datagrams of a program that has ended, and when the kernel itself may.
struct Late {
    numbers: Numbers,
    queues: Option<Queues>,
    /// Whether parts of packets waited the last time; `None` before the first.
    parts: Option<bool>,
    /// When the last answer came.
    last: Option<Instant>,
}

impl Late {
    fn new(numbers: Numbers) -> Self {
        Self { numbers, queues: None, parts: None, last: None }
    }

    /// Whether somebody still does.
    fn goes_on(&mut self) -> bool {
        /// How many packets are looked at.
        const MOST: u32 = 1024;
        // The process that had them may be there for a moment.
        self.queues = self.queues.take().or_else(|| Queues::of(self.numbers).ok());
        let mut came = false;
        if let Some(queues) = &mut self.queues {
            queues.take(MOST, |queued| came |= queued.queue == self.numbers.others);
        }
        self.hear(came, parts_wait())
    }

    /// The same, where an answer came or not, and where parts of packets wait: of a datagram that has come in part the
    /// kernel says later that it gives up. Those of others are whole in a moment, so it takes two looks.
    fn hear(&mut self, came: bool, parts: bool) -> bool {
        let before = self.parts.replace(parts);
        let stay = parts && before == Some(true);
        self.last = if came || stay { Some(Instant::now()) } else { self.last };
        before.is_none() || self.last.is_some_and(|last| last.elapsed() < QUIET)
    }
}

/// Whether parts of packets wait for others, of whomever.
fn parts_wait() -> bool {
    let tables =
        ["sockstat", "sockstat6"].map(|table| sys::network_table(table).unwrap_or_default());
    tables.iter().flat_map(|table| table.lines()).any(|line| {
        let waiting = line.split_once(": inuse ").filter(|(kind, _)| kind.starts_with("FRAG"));
        waiting.is_some_and(|(_, rest)| !rest.starts_with("0 "))
    })
}

/// Whether this kernel can end connections. Asked with one that there cannot be.
pub(super) fn can_end() -> Result<(), AnswerError> {
    let mut netlink = NetlinkSocket::open(Protocol::SockDiag)?;
    let nobody = SocketAddr::from(([127, 0, 0, 1], 0));
    let row =
        Row { cookie: Cookie(1), ..Row::between(Family::Ipv4, state::ESTABLISHED, nobody, nobody) };
    match destroy(&mut netlink, Transport::Tcp, &row) {
        // There is none, or it has another cookie.
        Err(AnswerError::Refused(error))
            if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::StaleNetworkFileHandle) =>
        {
            Ok(())
        }
        ended => ended,
    }
}

/// One of these addresses that a connection of this host leads to already, so that it is somebody's.
pub(super) fn one_with_connections(sources: &[IpAddr]) -> Result<Option<IpAddr>, AnswerError> {
    let mut netlink = NetlinkSocket::open(Protocol::SockDiag)?;
    let open = connections(&mut netlink, sources)?;
    // What is half open may be a probe's.
    let real = |row: &Row| ![state::SYN_RECV, state::NEW_SYN_RECV].contains(&row.state);
    let found = open.iter().map(|(_, row)| row).find(|row| real(row));
    Ok(found.map(|row| row.peer.ip().to_canonical()))
}

fn connections(
    netlink: &mut NetlinkSocket,
    sources: &[IpAddr],
) -> Result<Vec<(Transport, Row)>, AnswerError> {
    let mut rows = Vec::new();
    let mut found = |transport, payload: &[u8]| {
        rows.extend(sock_diag::row(payload).map(|row| (transport, row)));
    };
    let of_tcp = |seq| sock_diag::dump_tcp(state::CONNECTIONS, Keep::All, seq);
    dump(netlink, of_tcp, |payload| found(Transport::Tcp, payload))?;
    for family in [Family::Ipv4, Family::Ipv6] {
        let states = state::bit(state::ESTABLISHED);
        let of_udp = |seq| sock_diag::dump(Transport::Udp, family, states, Keep::All, seq);
        // A kernel that does not show them ends none either.
        let _unknown = dump(netlink, of_udp, |payload| found(Transport::Udp, payload)).is_err();
    }
    rows.retain(|(_, row)| {
        sources.contains(&row.peer.ip().to_canonical()) && row.cookie != NAMELESS
    });
    Ok(rows)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_answers_and_parts_that_stay_are_waited_for() {
        let numbers = Numbers { tcp: 1, others: 2, log: 3 };
        let heard = |all: &[(bool, bool)]| {
            let mut late = Late::new(numbers);
            all.iter().map(|(came, parts)| late.hear(*came, *parts)).last()
        };
        assert_eq!(heard(&[(false, false)]), Some(true), "one look says nothing");
        assert_eq!(heard(&[(false, false), (false, false)]), Some(false));
        assert_eq!(heard(&[(true, false), (false, false)]), Some(true));
        assert_eq!(heard(&[(false, true), (false, true), (false, false)]), Some(true));
        // Those of somebody else, which have all come the next time.
        assert_eq!(heard(&[(false, true), (false, false), (false, true)]), Some(false));
    }
}
