//! The counters around probes, and what follows from them: pure.

use crate::model::Delivery;

/// The counters of a socket at one moment; `None` where one could not be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct AtSocket {
    /// Bytes in its receive queue.
    pub(super) queued: Option<u32>,
    /// Datagrams dropped at it.
    pub(super) dropped: Option<u32>,
}

/// The counters at one moment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Counters {
    /// Those of each socket that is probed.
    pub(super) sockets: Vec<AtSocket>,
    /// Datagrams that the programs of the namespace have received, where that can be read.
    pub(super) received: Option<u64>,
}

/// The counters around one probe of each port.
#[derive(Debug, Clone)]
pub(super) struct Round {
    /// Before the quiet.
    pub(super) start: Counters,
    /// After it, when the probe was sent.
    pub(super) sent: Counters,
    /// After the reaction.
    pub(super) end: Counters,
}

impl AtSocket {
    /// Whether the socket got a datagram in between, into its queue or past it.
    pub(super) fn rose_to(self, after: Self) -> bool {
        self.queued.is_some() && (after.queued > self.queued || after.dropped > self.dropped)
    }
}

impl Counters {
    /// Whether programs have read a datagram for each port since, and none waits that did not wait then: no need to wait
    /// on.
    pub(super) fn was_read_since(&self, before: &Self) -> bool {
        let sockets = || self.sockets.iter().zip(&before.sockets);
        let read = self
            .received
            .zip(before.received)
            .is_some_and(|(now, then)| now.wrapping_sub(then) >= self.sockets.len() as u64);
        read && sockets().all(|(now, then)| now.queued <= then.queued)
    }
}

/// What the counters around the probes say of programs that read.
pub(super) fn judge(rounds: &[Round]) -> Delivery {
    let received = |by: u64| {
        rounds.iter().all(|Round { start, sent, end }| {
            match (start.received, sent.received, end.received) {
                (Some(start), Some(sent), Some(end)) => {
                    start == sent && end == sent.wrapping_add(by)
                }
                _ => false,
            }
        })
    };
    let nothing_moved = rounds.iter().all(|Round { start, sent, end }| {
        start.sockets == sent.sockets && sent.sockets == end.sockets
    });
    let alone = rounds.iter().all(|round| round.end.sockets.len() == 1);
    if alone && received(1) {
        Delivery::Read
    } else if nothing_moved && received(0) {
        Delivery::Unseen
    } else {
        Delivery::Noisy
    }
}

#[cfg(test)]
mod tests {
    use super::super::{QUIETS, REACTION};
    use super::*;

    /// (bytes queued, datagrams dropped, datagrams received)
    type At = (u32, u32, u64);

    /// Rounds of the counters at the start, and then when each probe was sent and when its time was over.
    fn judged(start: At, rounds: [(At, At); 3]) -> Delivery {
        let at = |(queued, dropped, received): At| Counters {
            sockets: vec![AtSocket { queued: Some(queued), dropped: Some(dropped) }],
            received: Some(received),
        };
        let mut start = at(start);
        judge(&rounds.map(|(sent, end)| {
            let round = Round { start: start.clone(), sent: at(sent), end: at(end) };
            start = round.end.clone();
            round
        }))
    }

    #[test]
    fn only_counters_that_were_quiet_before_each_probe_count() {
        let idle = (0, 0, 5);
        let table = [
            (
                "queued by others",
                [(idle, (7, 0, 5)), ((7, 0, 5), (14, 0, 5)), ((14, 0, 5), (21, 0, 5))],
                Delivery::Noisy,
            ),
            (
                "read",
                [(idle, (0, 0, 6)), ((0, 0, 6), (0, 0, 7)), ((0, 0, 7), (0, 0, 8))],
                Delivery::Read,
            ),
            (
                "one lost",
                [(idle, (0, 0, 6)), ((0, 0, 6), (0, 0, 6)), ((0, 0, 6), (0, 0, 7))],
                Delivery::Noisy,
            ),
            (
                "too many",
                [(idle, (0, 0, 8)), ((0, 0, 8), (0, 0, 9)), ((0, 0, 9), (0, 0, 10))],
                Delivery::Noisy,
            ),
            (
                "not quiet",
                [(idle, (0, 0, 6)), ((0, 0, 7), (0, 0, 8)), ((0, 0, 8), (0, 0, 9))],
                Delivery::Noisy,
            ),
            (
                "one queued",
                [(idle, (7, 0, 5)), ((7, 0, 5), (7, 0, 5)), ((7, 0, 5), (7, 0, 5))],
                Delivery::Noisy,
            ),
            ("dropped", [(idle, idle); 3], Delivery::Unseen),
        ];
        for (name, rounds, expected) in table {
            assert_eq!(judged(idle, rounds), expected, "{name}");
        }
        let busy = [((9, 0, 5), (18, 0, 5)), ((27, 0, 5), (36, 0, 5)), ((45, 0, 5), (54, 0, 5))];
        assert_eq!(judged(idle, busy), Delivery::Noisy, "others fill the same queue");
    }

    #[test]
    fn a_socket_got_a_datagram_when_its_queue_or_its_drops_rose() {
        let at = |queued, dropped| AtSocket { queued, dropped };
        assert!(at(Some(0), Some(0)).rose_to(at(Some(7), Some(0))));
        assert!(at(Some(9), Some(3)).rose_to(at(Some(9), Some(4))), "a full queue");
        assert!(!at(Some(7), Some(0)).rose_to(at(Some(0), Some(0))), "read");
        assert!(!at(Some(7), Some(0)).rose_to(at(Some(7), Some(0))));
        assert!(!at(None, None).rose_to(at(Some(7), Some(0))), "not known before");
    }

    #[test]
    fn counters_that_cannot_be_read_prove_nothing() {
        let unread = AtSocket { queued: None, dropped: None };
        let blind = Counters { sockets: vec![unread], received: None };
        let round = Round { start: blind.clone(), sent: blind.clone(), end: blind };
        assert_eq!(judge(&vec![round; 3]), Delivery::Noisy);
    }

    /// A program that hands each datagram on to another makes the count rise by two: as if a second port had got its own.
    #[test]
    fn several_ports_together_show_only_that_nothing_arrives() {
        let at = |queued, received| Counters {
            sockets: [queued, 0]
                .map(|queued| AtSocket { queued: Some(queued), dropped: Some(0) })
                .into(),
            received: Some(received),
        };
        let round = |end| Round { start: at(0, 5), sent: at(0, 5), end };
        assert_eq!(judge(&[round(at(0, 5))]), Delivery::Unseen);
        for end in [at(0, 6), at(0, 7), at(9, 5)] {
            assert_eq!(judge(&[round(end)]), Delivery::Noisy);
        }
    }

    #[test]
    fn no_steady_pace_of_other_traffic_fits_every_probe() {
        let reaction = u32::try_from(REACTION.as_millis()).unwrap();
        for period in 1..1000 {
            // After a datagram in one reaction, the next must fall into the next reaction.
            let fits = |quiet: &u32| (*quiet..=quiet + reaction).contains(&period);
            assert!(!QUIETS.iter().skip(1).all(fits), "{period} ms");
        }
    }
}
