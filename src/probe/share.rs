//! The work of one sweep, shared by a few threads.

use super::rate::Rate;
use crate::model::{Gap, Hides, Need, Sweep, Target, Transport};
use crate::sys;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

/// How a sweep tells others how far it is, and hears that it should stop.
#[derive(Debug)]
pub struct Progress {
    done: AtomicU64,
    stop: fn() -> bool,
    rate: Option<Rate>,
}

impl Progress {
    /// Nothing done yet; `stop` is asked before each port.
    #[must_use]
    pub fn new(stop: fn() -> bool) -> Self {
        Self { done: AtomicU64::new(0), stop, rate: None }
    }

    /// The same, with a limit to the probes that are sent in a second.
    #[must_use]
    pub fn at_most(self, per_second: Option<u32>) -> Self {
        Self { rate: per_second.map(|rate| Rate::new(rate, Instant::now())), ..self }
    }

    /// How many probes may be sent at once.
    #[must_use]
    pub fn at_once(&self) -> usize {
        self.rate.as_ref().map_or(usize::MAX, Rate::at_once)
    }

    /// Waits until so many probes may be sent, or the work should stop.
    pub fn take_turns(&self, probes: usize) {
        /// The wish to stop is heard so soon.
        const LONGEST: Duration = Duration::from_millis(100);
        let Some(rate) = &self.rate else { return };
        let now = Instant::now();
        let due = now + rate.turns(probes, now);
        while !self.stopped() {
            match due.saturating_duration_since(Instant::now()) {
                Duration::ZERO => return,
                left => sys::pause(left.min(LONGEST)),
            }
        }
    }

    /// How many ports have been probed.
    #[must_use]
    pub fn done(&self) -> u64 {
        self.done.load(Ordering::Relaxed)
    }

    /// Whether the work should stop.
    #[must_use]
    pub fn stopped(&self) -> bool {
        (self.stop)()
    }

    /// So many more ports have been probed.
    pub fn advance(&self, ports: usize) {
        self.done.fetch_add(u64::try_from(ports).unwrap_or(u64::MAX), Ordering::Relaxed);
    }
}

/// How many threads work on one sweep.
pub(super) fn threads() -> usize {
    /// More gain nothing on loopback: each send runs the whole way through the kernel.
    const MOST: usize = 4;
    thread::available_parallelism().map_or(1, |number| number.get().min(MOST))
}

/// Does so many shares of a work: the first in this thread and each other in one of its own. Returns what came of each,
/// or that its thread panicked.
pub(super) fn each<T: Send>(
    shares: usize,
    work: impl Fn(usize) -> T + Sync,
) -> Vec<thread::Result<T>> {
    thread::scope(|scope| {
        let work = &work;
        let start =
            |share| (share, thread::Builder::new().spawn_scoped(scope, move || work(share)));
        let others: Vec<_> = (1..shares).map(start).collect();
        let mut ends = vec![Ok(work(0))];
        ends.extend(others.into_iter().map(|(share, started)| match started {
            Ok(thread) => thread.join(),
            // The system gives no more threads.
            Err(_refused) => Ok(work(share)),
        }));
        ends
    })
}

/// Adds a part of a sweep to it.
pub(super) fn merge(sweep: &mut Sweep, part: Sweep) {
    sweep.attempts.extend(part.attempts);
    sweep.refused.extend(part.refused.iter());
    sweep.sent += part.sent;
    sweep.rescued += part.rescued;
    sweep.unsteady |= part.unsteady;
    sweep.gaps.extend(part.gaps);
}

/// Something that kept a sweep from its end.
pub(super) fn gap(
    target: &Target,
    transport: Transport,
    reason: String,
    need: Option<Need>,
) -> Gap {
    let what = format!("{transport} ports of {} from {}", target.address, target.vantage.name());
    Gap { what, reason, need, hides: Hides::Views }
}
