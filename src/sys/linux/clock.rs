//! Waiting, and the clock that only goes on.

use rustix::event::Timespec;
use std::time::Duration;

/// Waits for `time`, or less when a signal comes.
pub fn pause(time: Duration) {
    let time = Timespec::try_from(time).ok();
    // An interrupted wait is a shorter wait.
    let _shorter = rustix::event::poll(&mut [], time.as_ref());
}

/// The time since the host was started, without what it slept, as systemd counts it (`CLOCK_MONOTONIC`).
#[must_use]
pub fn time_since_boot() -> Duration {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::Monotonic);
    Duration::try_from(time).unwrap_or_default()
}
