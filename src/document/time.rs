//! Moments as RFC 3339 in UTC.

use jiff::Timestamp;

/// The moment that lies this many seconds after the Unix epoch, as `2026-11-20T06:12:26Z`; `None` for one
/// that no calendar has.
#[must_use]
pub fn rfc3339(seconds: u64) -> Option<String> {
    let seconds = i64::try_from(seconds).ok()?;
    Timestamp::from_second(seconds).ok().map(|moment| moment.to_string())
}

/// The moment that lies this many nanoseconds after the Unix epoch, to the millisecond.
pub(super) fn milliseconds(nanoseconds: i128) -> Option<String> {
    Timestamp::from_nanosecond(nanoseconds).ok().map(|moment| format!("{moment:.3}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn seconds_and_milliseconds_are_written_in_utc() {
        assert_eq!(rfc3339(0).as_deref(), Some("1970-01-01T00:00:00Z"));
        assert_eq!(rfc3339(1_795_155_146).as_deref(), Some("2026-11-20T06:12:26Z"));
        assert_eq!(
            milliseconds(1_795_155_146_000_999_999).as_deref(),
            Some("2026-11-20T06:12:26.000Z")
        );
    }

    #[test]
    fn a_moment_beyond_the_calendar_is_none() {
        assert_eq!(rfc3339(u64::MAX), None);
        assert_eq!(milliseconds(i128::MAX), None);
    }
}
