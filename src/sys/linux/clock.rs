//! Waiting, and the clock that only goes on.

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use std::os::fd::BorrowedFd;
use std::time::Duration;

/// Waits for `time`, or less when a signal comes.
pub fn pause(time: Duration) {
    let time = Timespec::try_from(time).ok();
    // An interrupted wait is a shorter wait.
    let _shorter = poll(&mut [], time.as_ref());
}

/// Waits for `time`, or until one of these can be read or has ended. Says which of them are so.
#[must_use]
pub fn ready<const N: usize>(descriptors: [BorrowedFd<'_>; N], time: Duration) -> [bool; N] {
    let mut polled = descriptors.map(|it| PollFd::from_borrowed_fd(it, PollFlags::IN));
    // A wait that a signal cut short found nothing yet.
    let _shorter = poll(&mut polled, Timespec::try_from(time).ok().as_ref());
    polled.map(|it| !it.revents().is_empty())
}

/// The time since the host was started, without what it slept, as systemd counts it (`CLOCK_MONOTONIC`).
#[must_use]
pub fn time_since_boot() -> Duration {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::Monotonic);
    Duration::try_from(time).unwrap_or_default()
}
