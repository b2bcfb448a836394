//! Waiting.

use rustix::event::Timespec;
use std::time::Duration;

/// Waits for `time`, or less when a signal comes.
pub fn pause(time: Duration) {
    let time = Timespec::try_from(time).ok();
    // An interrupted wait is a shorter wait.
    let _shorter = rustix::event::poll(&mut [], time.as_ref());
}
