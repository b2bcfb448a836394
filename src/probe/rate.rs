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

    /// How many probes may be sent at once: those of a moment.
    pub(super) fn at_once(&self) -> usize {
        let most = Self::MADE_UP.as_nanos() / self.each.as_nanos().max(1);
        usize::try_from(most).unwrap_or(usize::MAX).max(1)
    }

    /// Takes the turns of the next probes, and tells how long they must wait.
    pub(super) fn turns(&self, probes: usize, now: Instant) -> Duration {
        let mut next = self.next.lock().unwrap_or_else(PoisonError::into_inner);
        let earliest = now.checked_sub(Self::MADE_UP).unwrap_or(now);
        let due = (*next).max(earliest);
        *next = due + self.each * u32::try_from(probes).unwrap_or(u32::MAX);
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
        let waits: Vec<_> = (0..4).map(|_| rate.turns(1, start).as_millis()).collect();
        assert_eq!(waits, [0, 10, 20, 30]);
        assert_eq!(rate.turns(1, at(25)).as_millis(), 15);
        // A second later two are due: the one of now, and one that is made up for.
        let waits: Vec<_> = (0..4).map(|_| rate.turns(1, at(1_000)).as_millis()).collect();
        assert_eq!(waits, [0, 0, 10, 20]);
        assert_eq!((rate.at_once(), Rate::new(25_600, start).at_once()), (1, 256));
        assert_eq!(Rate::new(0, start).each, Duration::from_secs(1));
    }
}
