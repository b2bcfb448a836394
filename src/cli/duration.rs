//! Durations as people write them.

use anyhow::{Result, bail};
use std::time::Duration;

/// A duration such as `300ms`, `2s`, `1.5s` or `1m`, within these bounds.
pub(super) fn parse(text: &str, least: Duration, most: Duration) -> Result<Duration> {
    let unit_at = text.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text.len());
    let (number, unit) = text.split_at(unit_at);
    let seconds_each = match unit {
        "ms" => 0.001,
        "s" => 1.0,
        "m" => 60.0,
        _ => bail!("{text:?} is no duration: write 300ms, 2s or 1m"),
    };
    let seconds = number.parse::<f64>().ok().map(|number| number * seconds_each);
    let duration = seconds.and_then(|seconds| Duration::try_from_secs_f64(seconds).ok());
    match duration {
        Some(duration) if (least..=most).contains(&duration) => Ok(duration),
        Some(_) => bail!("{text:?} is out of bounds: from {least:?} to {most:?}"),
        None => bail!("{text:?} is no duration: write 300ms, 2s or 1m"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_duration_has_a_number_and_a_unit() {
        let bounds = (Duration::from_millis(1), Duration::from_mins(1));
        let parse = |text| parse(text, bounds.0, bounds.1);
        for (text, milliseconds) in [("300ms", 300), ("2s", 2_000), ("1.5s", 1_500), ("1m", 60_000)]
        {
            assert_eq!(parse(text).unwrap(), Duration::from_millis(milliseconds));
        }
        for text in ["", "300", "ms", "2 s", "-1s", "1.2.3s", "2h", "1e3s"] {
            let message = parse(text).unwrap_err().to_string();
            assert!(message.contains("is no duration"), "{text}: {message}");
        }
        for text in ["0ms", "0s", "2m", "99999999999999999999s"] {
            let message = parse(text).unwrap_err().to_string();
            assert!(message.contains("bounds") || message.contains("no duration"), "{message}");
        }
    }
}
