//! Whether anything on this host can hold a packet back on its way to the host itself. Where it is known that nothing
//! can, silence need not last long.

use crate::sys::{self, NetlinkSocket, Protocol};
use crate::wire::netlink::{Answer, AnswerError};
use crate::wire::qdisc::{self, Qdisc};

/// The index of `lo`: the kernel makes it first in each network namespace (`LOOPBACK_IFINDEX`).
const LOOPBACK: u32 = 1;
/// What queues on a device wait for nothing but the device. Others may hold back each packet for a time, or be made
/// of queues that do.
const PLAIN: [&str; 9] =
    ["noqueue", "mq", "pfifo_fast", "pfifo", "bfifo", "fq_codel", "fq", "ingress", "clsact"];

/// Whether it is known that nothing holds packets back between programs of this host: no queueing discipline, no program
/// that takes packets in and gives them back (`NFQUEUE`), and no IPVS that hands connections on to other hosts. `false`
/// where one of them does, and where one could not be asked for: only root can see which programs take packets in, where
/// the kernel has that at all. NAT can hand connections on as well and is not looked for here, nor are programs of BPF.
#[must_use]
pub fn nothing_delays() -> bool {
    let unqueued = qdiscs().is_ok_and(|found| {
        found.into_iter().collect::<Option<Vec<_>>>().is_some_and(|found| are_prompt(&found))
    });
    let taken = || sys::programs_take_packets();
    unqueued && matches!(taken(), Ok(false)) && matches!(sys::balances_connections(), Ok(false))
}

/// Whether packets over `lo` wait for nothing, and those over other devices only for these: a part of the traffic of a
/// host with itself takes them (a VRF).
fn are_prompt(qdiscs: &[Qdisc]) -> bool {
    let mut of_loopback = qdiscs.iter().filter(|qdisc| qdisc.device == LOOPBACK).peekable();
    of_loopback.peek().is_some()
        && of_loopback.all(|qdisc| qdisc.kind == "noqueue")
        && qdiscs.iter().all(|qdisc| PLAIN.contains(&qdisc.kind.as_str()))
}

/// The queueing disciplines of our network namespace; `None` for one that was cut short.
fn qdiscs() -> Result<Vec<Option<Qdisc>>, AnswerError> {
    let mut netlink = NetlinkSocket::open(Protocol::Route)?;
    let seq = netlink.next_seq();
    let (mut found, mut answer) = (Vec::new(), Answer::dump(seq));
    netlink.converse(&qdisc::dump(seq), |datagram| {
        answer.take(datagram, |_, payload| found.push(qdisc::qdisc(payload)))
    })?;
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_loopback_without_a_queue_is_prompt() {
        let table: [(&[(u32, &str)], bool); 8] = [
            (&[(1, "noqueue")], true),
            (&[(1, "noqueue"), (2, "mq"), (2, "fq_codel"), (2, "clsact")], true),
            (&[(1, "netem")], false),
            (&[(1, "pfifo")], false),
            (&[(1, "noqueue"), (1, "clsact")], false),
            // Where a redirected packet may wait.
            (&[(1, "noqueue"), (9, "netem")], false),
            (&[(2, "noqueue")], false),
            (&[], false),
        ];
        for (qdiscs, expected) in table {
            let made =
                |(device, kind): &(u32, &str)| Qdisc { device: *device, kind: (*kind).into() };
            let made: Vec<Qdisc> = qdiscs.iter().map(made).collect();
            assert_eq!(are_prompt(&made), expected, "{qdiscs:?}");
        }
    }
}
