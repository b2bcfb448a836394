//! Numbers in words.

use std::time::Duration;

/// A number with commas between its thousands.
pub(super) fn thousands(number: u64) -> String {
    let digits = number.to_string();
    let mut grouped = String::with_capacity(digits.len() + digits.len() / 3);
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            grouped.push(',');
        }
        grouped.push(digit);
    }
    grouped
}

/// The length of something as a number.
pub(super) fn number(length: usize) -> u64 {
    u64::try_from(length).unwrap_or(u64::MAX)
}

/// A number of things: `1 port`, `6 ports`.
pub(super) fn count(number: u64, thing: &str) -> String {
    let plural = if number == 1 { "" } else { "s" };
    format!("{} {thing}{plural}", thousands(number))
}

/// An age in its largest unit: `12s`, `5m`, `3h`, `2d`. A moment that is yet to come has the age 0.
pub(super) fn age(now: u64, then: u64) -> String {
    let seconds = now.saturating_sub(then);
    match seconds {
        0..60 => format!("{seconds}s"),
        60..3_600 => format!("{}m", seconds / 60),
        3_600..86_400 => format!("{}h", seconds / 3_600),
        _ => format!("{}d", seconds / 86_400),
    }
}

/// A duration as people say it: `12 ms`, `0.4 s`, `75.0 s`.
pub(super) fn seconds(duration: Duration) -> String {
    if duration < Duration::from_millis(100) {
        format!("{} ms", duration.as_millis())
    } else {
        format!("{:.1} s", duration.as_secs_f64())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn thousands_are_set_apart() {
        let table = [
            (0, "0"),
            (999, "999"),
            (1_000, "1,000"),
            (65_535, "65,535"),
            (1_234_567, "1,234,567"),
        ];
        for (number, text) in table {
            assert_eq!(thousands(number), text);
        }
        assert_eq!(count(1, "port"), "1 port");
        assert_eq!(count(0, "port"), "0 ports");
    }

    #[test]
    fn an_age_has_one_unit() {
        let table = [
            (0, "0s"),
            (59, "59s"),
            (60, "1m"),
            (3_599, "59m"),
            (3_600, "1h"),
            (86_399, "23h"),
            (86_400, "1d"),
        ];
        for (seconds, text) in table {
            assert_eq!(age(1_000_000, 1_000_000 - seconds), text);
        }
        assert_eq!(age(1_000, 2_000), "0s");
        assert_eq!(age(0, 5), "0s", "a clock that was set back");
    }

    #[test]
    fn a_short_run_is_told_in_milliseconds() {
        assert_eq!(seconds(Duration::from_micros(12_900)), "12 ms");
        assert_eq!(seconds(Duration::from_millis(412)), "0.4 s");
        assert_eq!(seconds(Duration::from_secs(75)), "75.0 s");
    }
}
