//! How many probes may be sent in a second, by all threads together.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// A limit that holds on average: what was not sent in the last moment may be sent at once.
#[derive(Debug)]
pub(super) struct Rate {
    /// The time that each probe has.
    each: Duration,
    /// When the next one is due.
    next: Mutex<Instant>,
}

impl Rate {
    /// Up to so much is made up for.
    const MADE_UP: Duration = Duration::from_millis(10);

    /// So many probes in a second; 0 counts as 1.
    pub(super) fn new(per_second: u32, now: Instant) -> Self {
        Self { each: Duration::from_secs(1) / per_second.max(1), next: Mutex::new(now) }
    }

    /// Takes the turn of the next probe, and tells how long it must wait.
    pub(super) fn turn(&self, now: Instant) -> Duration {
        let mut next = self.next.lock().unwrap_or_else(PoisonError::into_inner);
        let earliest = now.checked_sub(Self::MADE_UP).unwrap_or(now);
        let due = (*next).max(earliest);
        *next = due + self.each;
        due.saturating_duration_since(now)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_average_holds_and_little_is_made_up_for() {
        let start = Instant::now();
        let at = |milliseconds| start + Duration::from_millis(milliseconds);
        let rate = Rate::new(100, start);
        let waits: Vec<_> = (0..4).map(|_| rate.turn(start).as_millis()).collect();
        assert_eq!(waits, [0, 10, 20, 30]);
        assert_eq!(rate.turn(at(25)).as_millis(), 15);
        // A second later two are due: the one of now, and one that is made up for.
        let waits: Vec<_> = (0..4).map(|_| rate.turn(at(1_000)).as_millis()).collect();
        assert_eq!(waits, [0, 0, 10, 20]);
        assert_eq!(Rate::new(0, start).each, Duration::from_secs(1));
    }
}
