//! Waiting.

use std::time::Duration;

/// Waits for `time`, or less when a signal comes.
pub fn pause(time: Duration) {
    let spec = rustix::event::Timespec {
        tv_sec: i64::try_from(time.as_secs()).unwrap_or(i64::MAX),
        tv_nsec: time.subsec_nanos().into(),
    };
    // An interrupted wait is a shorter wait.
    let _shorter = rustix::event::poll(&mut [], Some(&spec));
}
