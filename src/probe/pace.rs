//! How long silence lasts.

use super::Patience;
use std::time::Duration;

/// What a user knows better about waiting.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Waits {
    /// How long an answer may take; else as long as the slowest took, and some more.
    pub timeout: Option<Duration>,
    /// How often a silent port is asked again; else once, and more often while that brings answers.
    pub retries: Option<u8>,
}

/// The waits of a sweep. On loopback the answer has come before the send returns, so silence is settled
/// quickly; a slow or busy host stretches it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Pace {
    shortest: Duration,
    slowest: Duration,
    stretch: u32,
    most_tries: u8,
    waits: Waits,
}

impl Pace {
    /// The shortest wait of a quick sweep.
    const QUICK: Duration = Duration::from_millis(20);
    /// The shortest wait of a patient one: what holds a packet for so long is rare on the way to oneself.
    const PATIENT: Duration = Duration::from_millis(300);
    /// The longest wait before it is stretched.
    const LONGEST: Duration = Duration::from_millis(300);
    /// How often a silent port is asked in the end.
    const MOST_TRIES: u8 = 5;

    pub(super) fn new(patience: Patience, waits: Waits) -> Self {
        let (shortest, slowest) = match patience {
            Patience::Quick => (Self::QUICK, Duration::ZERO),
            Patience::Measured(slowest) => (Self::QUICK, slowest),
            Patience::Patient => (Self::PATIENT, Duration::ZERO),
        };
        Self { shortest, slowest, stretch: 1, most_tries: Self::MOST_TRIES, waits }
    }

    /// Takes note of an answer's round-trip time.
    pub(super) fn answered_after(&mut self, time: Duration) {
        self.slowest = self.slowest.max(time);
    }

    /// How long to wait for the answers to one pass.
    pub(super) fn wait(self) -> Duration {
        let usual = (self.slowest * 4).clamp(self.shortest, Self::LONGEST);
        self.waits.timeout.unwrap_or(usual) * self.stretch
    }

    /// Whether a port that stayed silent so often counts as silent.
    pub(super) fn is_enough(self, tries: u8) -> bool {
        tries > self.waits.retries.unwrap_or(1).min(1)
    }

    /// Whether the ports that are still silent are asked again, after `tries` of which the last one rescued
    /// `rescued` ports. Twice in any case; more often, and with longer waits, while asking again brings answers
    /// that asking before did not; as often as the user says, where one does.
    pub(super) fn ask_again(&mut self, tries: u8, rescued: u64) -> bool {
        if rescued > 0 {
            self.stretch = (self.stretch * 2).min(4);
        }
        match self.waits.retries {
            Some(retries) => tries <= retries,
            None => tries < 2 || (rescued > 0 && tries < self.most_tries),
        }
    }

    /// From now on asks no port more than twice: asking more often has not led to an end.
    pub(super) fn give_up(&mut self) {
        self.most_tries = 2;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_follow_the_slowest_answer_within_bounds() {
        let mut pace = Pace::new(Patience::Quick, Waits::default());
        assert_eq!(pace.wait(), Duration::from_millis(20));
        pace.answered_after(Duration::from_millis(30));
        pace.answered_after(Duration::from_millis(1));
        assert_eq!(pace.wait(), Duration::from_millis(120));
        pace.answered_after(Duration::from_secs(2));
        assert_eq!(pace.wait(), Duration::from_millis(300));
    }

    #[test]
    fn what_was_measured_before_counts() {
        let wait = |measured| {
            Pace::new(Patience::Measured(Duration::from_millis(measured)), Waits::default()).wait()
        };
        assert_eq!([0, 10, 500].map(wait), [20, 40, 300].map(Duration::from_millis));
        let patient = Pace::new(Patience::Patient, Waits::default());
        assert_eq!(patient.wait(), Duration::from_millis(300));
    }

    #[test]
    fn a_user_may_know_better() {
        let timeout = Some(Duration::from_millis(50));
        let waits = Waits { timeout, retries: Some(0) };
        let mut pace = Pace::new(Patience::Patient, waits);
        pace.answered_after(Duration::from_secs(2));
        assert_eq!(pace.wait(), Duration::from_millis(50));
        assert!(!pace.ask_again(1, 0) && pace.is_enough(1));
        let mut pace = Pace::new(Patience::Quick, Waits { retries: Some(3), ..waits });
        assert!(pace.ask_again(3, 0) && !pace.ask_again(4, 9));
        assert!(!pace.is_enough(1) && pace.is_enough(2), "an interrupted port was asked once");
        let pace = Pace::new(Patience::Quick, Waits::default());
        assert!(!pace.is_enough(1) && pace.is_enough(2));
    }

    #[test]
    fn silence_is_asked_twice_and_more_often_only_while_that_rescues() {
        let mut pace = Pace::new(Patience::Quick, Waits::default());
        assert!(pace.ask_again(1, 0));
        assert!(!pace.ask_again(2, 0));
        assert!(pace.ask_again(2, 1));
        assert_eq!(pace.wait(), Duration::from_millis(40));
        assert!(!pace.ask_again(5, 1), "bounded");
        pace.give_up();
        assert!(pace.ask_again(1, 1) && !pace.ask_again(2, 1));
    }
}
