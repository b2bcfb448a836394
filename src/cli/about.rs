//! The circumstances of a report: the only place that reads the wall clock.

use crate::model::{About, Surroundings};
use crate::sys;
use std::time::{Instant, SystemTime};

/// A report that has begun.
#[derive(Debug, Clone, Copy)]
pub(super) struct Started {
    wall: SystemTime,
    monotonic: Instant,
}

impl Started {
    pub(super) fn now() -> Self {
        #[expect(clippy::disallowed_methods, reason = "the one place that reads the wall clock")]
        let wall = SystemTime::now();
        Self { wall, monotonic: Instant::now() }
    }

    /// Seconds since the Unix epoch.
    pub(super) fn unix_seconds(self) -> u64 {
        u64::try_from(self.unix_nanoseconds() / 1_000_000_000).unwrap_or_default()
    }

    fn unix_nanoseconds(self) -> i128 {
        let since = self.wall.duration_since(SystemTime::UNIX_EPOCH);
        since.ok().and_then(|since| i128::try_from(since.as_nanos()).ok()).unwrap_or_default()
    }

    /// The circumstances, once the facts are taken.
    pub(super) fn about(self, surroundings: Surroundings) -> About {
        About {
            version: env!("CARGO_PKG_VERSION"),
            host: sys::host_name(),
            kernel: sys::kernel_release(),
            boot_id: sys::boot_id(),
            taken_at_ns: self.unix_nanoseconds(),
            duration: self.monotonic.elapsed(),
            uid: sys::effective_uid(),
            capabilities: sys::capabilities(),
            surroundings,
        }
    }
}
