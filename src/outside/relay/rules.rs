//! The rules that put what goes to a program outside into queues, and keep what comes from it on this host. They are in
//! tables of one family each, where every kernel with queues has a way into them.

use super::super::Unavailable;
use super::super::ask::change;
use super::super::stand::Door;
use super::super::table::{self, FIRST, LAST, PROBE_FORWARDED, REPLY_END, REPLY_OUT, named};
use crate::model::{Family, Hook, Transport};
use crate::sys::{NetlinkSocket, Protocol};
use crate::wire::netlink::AnswerError;
use crate::wire::nf_tables::build::{Batch, Expressions, Queueing};
use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::net::IpAddr;

/// The queues of the packets to a program outside.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Numbers {
    /// That of TCP, whose packets may stand for many segments.
    pub(super) tcp: u16,
    /// That of all else.
    pub(super) others: u16,
    /// That of the log, for what the kernel keeps from queues.
    pub(super) log: u16,
}

/// The errors of ICMP: unreachable, time exceeded, and a bad parameter (RFC 792), and those of `ICMPv6` with packet too big
/// (RFC 4443).
const ERRORS: [(Family, &[u8]); 2] = [(Family::Ipv4, &[3, 11, 12]), (Family::Ipv6, &[1, 2, 3, 4])];

/// A socket that can have the tables.
pub(super) fn prepare() -> io::Result<NetlinkSocket> {
    NetlinkSocket::open(Protocol::Netfilter)
}

/// Makes the tables, where the kernel has a way into the queues. `inside` are the addresses of other network namespaces of
/// this host.
pub(super) fn install(
    socket: &mut NetlinkSocket,
    doors: &BTreeMap<IpAddr, Door>,
    inside: &BTreeSet<IpAddr>,
    queues: Numbers,
) -> Result<(), Unavailable> {
    let mut by = |queueing| {
        named(|name| change(socket, |seq| batch(name, doors, inside, queues, queueing, seq).end()))
    };
    let is_missing = |error: &AnswerError| match error {
        AnswerError::Refused(error) => error.kind() == io::ErrorKind::NotFound,
        _ => false,
    };
    match by(Queueing::Expression) {
        // The kernel has no such expression.
        Err(error) if is_missing(&error) => match by(Queueing::Target) {
            Err(error) if is_missing(&error) => Err(Unavailable::Queue(error)),
            made => Ok(made.map(drop)?),
        },
        made => Ok(made.map(drop)?),
    }
}

/// Drops what leaves by the devices past the tables of IP.
pub(super) fn shut(socket: &mut NetlinkSocket, doors: &BTreeMap<IpAddr, Door>) {
    let devices: BTreeSet<u32> = doors.values().map(|door| door.device).collect();
    let each =
        |address: &IpAddr| [Expressions::sent_from(*address), Expressions::sent_to(*address)];
    let drops: Vec<Expressions> = doors.keys().flat_map(each).map(Expressions::drop).collect();
    for device in devices {
        table::shut(socket, device, &drops);
    }
}

fn batch(
    table: &str,
    doors: &BTreeMap<IpAddr, Door>,
    inside: &BTreeSet<IpAddr>,
    queues: Numbers,
    by: Queueing,
    seq: u32,
) -> Batch {
    let mut batch = Batch::new(seq);
    for family in [Family::Ipv4, Family::Ipv6] {
        let of_family = |address: &&IpAddr| Family::of(**address) == family;
        if doors.keys().filter(of_family).count() == 0 {
            continue;
        }
        batch.of(family);
        batch.table(table);
        for (chain, hook, priority) in [
            (PROBE_FORWARDED, Hook::Forward, LAST),
            (REPLY_OUT, Hook::Output, FIRST),
            (REPLY_END, Hook::Postrouting, LAST),
        ] {
            batch.chain(table, chain, hook, priority);
        }
        for (source, door) in doors.iter().filter(|(source, _)| of_family(source)) {
            let from = || Expressions::default().and_from(*source);
            let to = || Expressions::default().and_to(*source);
            // Where it leaves by the way it came, the reply would not come by here.
            let back = from().there_and_back(door.device);
            batch.rule(table, PROBE_FORWARDED, &back.drop());
            for inside in inside.iter().filter(of_family) {
                batch.rule(table, PROBE_FORWARDED, &from().and_to(*inside).accept());
            }
            // To another host it would leave.
            batch.rule(table, PROBE_FORWARDED, &from().drop());
            // Nobody here sends from there: it is a packet that something doubled or handed on.
            batch.rule(table, REPLY_OUT, &from().drop());
            // A rule that rejects answers with a packet of the connection that it ends, which is not yet one that the kernel
            // tracks. Such packets it drops before a queue (nf_ct_drop_unconfirmed).
            batch.rule(table, REPLY_END, &to().reset().log(queues.log).drop());
            let errors =
                ERRORS.iter().filter(|(of, _)| *of == family).flat_map(|(_, kinds)| *kinds);
            for kind in errors {
                batch.rule(table, REPLY_END, &to().icmp(family, *kind).log(queues.log).drop());
            }
            batch.rule(table, REPLY_END, &to().of(Transport::Tcp).queue(queues.tcp, by));
            batch.rule(table, REPLY_END, &to().queue(queues.others, by));
        }
    }
    batch
}
