//! Durations as people write them in a configuration.

use std::time::Duration;

/// Why a text is no duration.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a duration")]
pub struct DurationError;

/// The units of a duration, longest first, in nanoseconds.
const UNITS: [(&str, u64); 4] = [
    ("h", 3_600_000_000_000),
    ("m", 60_000_000_000),
    ("s", 1_000_000_000),
    ("ms", 1_000_000),
];

/// Reads a duration such as `"30s"`, `"250ms"`, `"1.5s"`, `"10m"` or `"1h"`.
///
/// One number with an optional decimal part of at most nine digits, one unit, nothing around them. `"30s"` and
/// `"0.250s"` are also the JSON form of `google.protobuf.Duration`, so Envoy's own values can be pasted.
///
/// # Errors
/// If the text has another form, or the duration does not fit in 584 years.
pub fn parse_duration(text: &str) -> Result<Duration, DurationError> {
    let split = text
        .find(|c: char| !c.is_ascii_digit() && c != '.')
        .ok_or(DurationError)?;
    let (number, unit) = text.split_at_checked(split).ok_or(DurationError)?;
    let (_, scale) = UNITS.iter().find(|(name, _)| *name == unit).ok_or(DurationError)?;
    let (whole, decimals) = number.split_once('.').unwrap_or((number, "0"));
    if whole.is_empty() || decimals.is_empty() || decimals.len() > 9 {
        return Err(DurationError);
    }
    let digits = |text: &str| text.parse::<u64>().map_err(|_| DurationError);
    let power = 10_u64
        .checked_pow(u32::try_from(decimals.len()).map_err(|_| DurationError)?)
        .ok_or(DurationError)?;
    let fraction = u128::from(digits(decimals)?) * u128::from(*scale) / u128::from(power);
    let nanos = digits(whole)?
        .checked_mul(*scale)
        .and_then(|nanos| nanos.checked_add(u64::try_from(fraction).ok()?))
        .ok_or(DurationError)?;
    Ok(Duration::from_nanos(nanos))
}

/// Writes a duration the way [`parse_duration`] reads it, in the longest unit that keeps it whole; what is no whole
/// number of milliseconds is cut to them.
pub fn format_duration(duration: Duration) -> String {
    let nanos = duration.as_nanos();
    if nanos == 0 {
        return "0s".to_owned();
    }
    for (unit, scale) in UNITS {
        let scale = u128::from(scale);
        if nanos >= scale && nanos.is_multiple_of(scale) {
            return format!("{}{unit}", nanos / scale);
        }
    }
    if duration.as_secs() > 0 {
        // Not by a float: formatting those would add 20 kB to the module.
        format!("{}.{:03}s", duration.as_secs(), duration.subsec_millis())
    } else {
        format!("{}ms", duration.as_millis())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_read_as_people_and_envoy_write_them() {
        for (text, millis) in [
            ("30s", 30_000),
            ("250ms", 250),
            ("1.5s", 1_500),
            ("0.250s", 250),
            ("10m", 600_000),
            ("1h", 3_600_000),
            ("0s", 0),
        ] {
            assert_eq!(parse_duration(text), Ok(Duration::from_millis(millis)), "{text}");
        }
    }

    #[test]
    fn anything_else_is_refused() {
        for text in [
            "",
            "30",
            "s",
            "-1s",
            "+1s",
            "1 s",
            " 1s",
            "1s ",
            "1.s",
            ".5s",
            "1.2.3s",
            "1e3s",
            "1d",
            "5us",
            "99999999999999999999s",
            "999999999h",
            "1.0000000001s",
            "٣s",
        ] {
            assert_eq!(parse_duration(text), Err(DurationError), "{text:?}");
        }
    }

    #[test]
    fn a_duration_is_written_in_the_longest_whole_unit() {
        for (nanos, text) in [
            (0, "0s"),
            (999_999, "0ms"),
            (90_000_000_000, "90s"),
            (300_000_000_000, "5m"),
            (1_234_000_000, "1234ms"),
            (59_999_999_999, "59.999s"),
            (7_200_000_000_000, "2h"),
        ] {
            assert_eq!(format_duration(Duration::from_nanos(nanos)), text);
        }
    }
}
