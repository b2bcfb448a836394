//! Whether a UDP probe that nobody answered arrived: the counters of the socket and of the namespace around two
//! more probes, over a baseline in which nothing else moved them.

use super::payload::payload;
use super::plan::SourceHalves;
use crate::model::{Delivery, Family, Port, Target, Transport};
use crate::sys::{self, NetlinkSocket, Protocol, UdpAnswer, UdpProbe};
use crate::wire::netlink::{self, AnswerError};
use crate::wire::sock_diag;
use std::io;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

/// How long the counters must have been quiet.
const BASELINE: Duration = Duration::from_millis(10);
/// How long a program has to read a datagram.
const PATIENCE: Duration = Duration::from_millis(40);
/// How often the counters are read meanwhile.
const TICK: Duration = Duration::from_millis(1);

/// The counters at one moment; `None` where one could not be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Counters {
    /// Bytes in the socket's receive queue.
    queued: Option<u32>,
    /// Datagrams dropped at the socket.
    dropped: Option<u32>,
    /// Datagrams that the programs of the namespace have received.
    received: Option<u64>,
}

/// Sends two more probes to a port that is silent, and looks whether they arrived.
///
/// # Errors
/// When there is no socket to send them from, or the kernel refuses to send them.
pub fn delivery(target: &Target, port: Port) -> io::Result<Delivery> {
    let to = target.at(port);
    let halves = SourceHalves::new(sys::local_port_range());
    let probe = UdpProbe::new(Family::of(target.address), halves.avoiding(port))?;
    probe.point(to)?;
    let from = probe.source()?;
    let mut netlink = NetlinkSocket::open(Protocol::SockDiag)?;
    let mut read = || counters(&mut netlink, target, to, from);
    let mut moments = vec![read()];
    sys::pause(BASELINE);
    moments.push(read());
    for _ in 0..2 {
        match probe.knock(to, payload(port)) {
            UdpAnswer::Pending => {}
            UdpAnswer::Payload(_) => return Ok(Delivery::Replied),
            UdpAnswer::Icmp(_) => return Ok(Delivery::Unseen),
            UdpAnswer::NotSent => return Err(io::ErrorKind::PermissionDenied.into()),
            UdpAnswer::Failed(error) => return Err(error),
        }
        let sent_at = Instant::now();
        let mut now = read();
        while sent_at.elapsed() < PATIENCE && !now.read_since(moments.last()) {
            if !sys::wait_readable([&probe].into_iter(), TICK).is_empty()
                && let UdpAnswer::Payload(_) = probe.look(to)
            {
                return Ok(Delivery::Replied);
            }
            now = read();
        }
        moments.push(now);
    }
    Ok(judge(&moments))
}

impl Counters {
    /// Whether a program has read a datagram since, and none waits that did not wait then: no need to wait on.
    fn read_since(&self, before: Option<&Self>) -> bool {
        before.is_some_and(|before| self.received > before.received && self.queued <= before.queued)
    }
}

/// What the counters before the baseline, after it, and after each of two probes say.
fn judge(moments: &[Counters]) -> Delivery {
    let &[start, quiet, first, second] = moments else {
        return Delivery::Unseen;
    };
    let steps = [(quiet, first), (first, second)];
    let rose = |get: fn(&Counters) -> Option<u32>| {
        steps
            .iter()
            .all(|(a, b)| get(a).is_some() && get(a) < get(b))
    };
    let queue_quiet = (start.queued, start.dropped) == (quiet.queued, quiet.dropped);
    let queue_rose = rose(|counters| counters.queued) || rose(|counters| counters.dropped);
    let by = |count| {
        steps.iter().all(|(a, b)| {
            a.received
                .zip(b.received)
                .is_some_and(|(a, b)| b.wrapping_sub(a) == count)
        })
    };
    let received_quiet = start.received == quiet.received;
    match (queue_quiet && queue_rose, received_quiet && by(1)) {
        (true, _) => Delivery::Queued,
        (false, true) => Delivery::Read,
        (false, false) if received_quiet && by(0) => Delivery::Unseen,
        (false, false) => Delivery::Noisy,
    }
}

fn counters(
    netlink: &mut NetlinkSocket,
    target: &Target,
    to: SocketAddr,
    from: SocketAddr,
) -> Counters {
    let row = socket_behind(netlink, target, to, from).ok().flatten();
    Counters {
        queued: row.as_ref().map(|row| row.receive_queue),
        dropped: row.as_ref().and_then(|row| row.drops),
        received: sys::udp_datagrams_received(Family::of(target.address)),
    }
}

/// The socket that the kernel would deliver our datagram to.
fn socket_behind(
    netlink: &mut NetlinkSocket,
    target: &Target,
    to: SocketAddr,
    from: SocketAddr,
) -> Result<Option<sock_diag::Row>, AnswerError> {
    let mut row = None;
    let seq = netlink.next_seq();
    let mut answer = netlink::Answer::entry(seq);
    let request = sock_diag::lookup(Transport::Udp, to, from, target.arrival_device(), seq);
    netlink.converse(&request, |datagram| {
        answer.take(datagram, |_, payload| row = sock_diag::row(payload))
    })?;
    Ok(row)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(queued: u32, dropped: u32, received: u64) -> Counters {
        Counters {
            queued: Some(queued),
            dropped: Some(dropped),
            received: Some(received),
        }
    }

    #[test]
    fn only_counters_that_were_quiet_before_count() {
        let blind = Counters {
            queued: None,
            dropped: None,
            received: None,
        };
        let table = [
            (
                "queued",
                [at(0, 0, 5), at(0, 0, 5), at(768, 0, 5), at(1536, 0, 5)],
                Delivery::Queued,
            ),
            (
                "full",
                [at(99, 3, 5), at(99, 3, 5), at(99, 4, 5), at(99, 5, 5)],
                Delivery::Queued,
            ),
            (
                "only one arrived",
                [at(0, 0, 5), at(0, 0, 5), at(768, 0, 5), at(768, 0, 5)],
                Delivery::Unseen,
            ),
            (
                "read",
                [at(0, 0, 5), at(0, 0, 5), at(0, 0, 6), at(0, 0, 7)],
                Delivery::Read,
            ),
            (
                "others read too",
                [at(0, 0, 5), at(0, 0, 5), at(0, 0, 8), at(0, 0, 9)],
                Delivery::Noisy,
            ),
            (
                "never quiet",
                [at(0, 0, 5), at(0, 0, 9), at(0, 0, 10), at(0, 0, 11)],
                Delivery::Noisy,
            ),
            (
                "queue busy",
                [at(0, 0, 5), at(768, 0, 5), at(1536, 0, 5), at(2304, 0, 5)],
                Delivery::Unseen,
            ),
            (
                "dropped on the way",
                [at(0, 0, 5), at(0, 0, 5), at(0, 0, 5), at(0, 0, 5)],
                Delivery::Unseen,
            ),
            ("nothing readable", [blind; 4], Delivery::Noisy),
        ];
        for (name, moments, expected) in table {
            assert_eq!(judge(&moments), expected, "{name}");
        }
    }
}
