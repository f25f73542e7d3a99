//! When a host that asked for less may be asked again.

use super::{HeaderBlock, number};
use crate::model::Timestamp;
use std::time::{Duration, UNIX_EPOCH};

/// When a host that has failed wants to be asked again.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Asked {
    /// It does not say.
    #[default]
    Nothing,
    /// After this long.
    After(Duration),
    /// Not at all: this request is not to be repeated.
    Never,
}

/// When a host wants to be asked again, by the headers of its answer. `grpc-retry-pushback-ms` goes before `Retry-After`;
/// one that is negative or no number means not at all (gRPC proposal A6).
pub fn asked(headers: &HeaderBlock, now: Timestamp) -> Asked {
    if let Some(value) = headers.get(b"grpc-retry-pushback-ms") {
        return grpc_pushback(value).map_or(Asked::Never, Asked::After);
    }
    let value = headers.get(b"retry-after");
    value
        .and_then(|value| retry_after(value, now))
        .map_or(Asked::Nothing, Asked::After)
}

/// How long a `Retry-After` header asks to wait, from `now`: seconds or a date (RFC 9110, section 10.2.3). `None` if it
/// says neither, or a date that is past.
pub fn retry_after(value: &[u8], now: Timestamp) -> Option<Duration> {
    let text = std::str::from_utf8(value).ok()?.trim();
    if !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit()) {
        // So many digits that it overflows is a long time, too.
        return Some(Duration::from_secs(text.parse().unwrap_or(u64::MAX)));
    }
    let date = httpdate::parse_http_date(text).ok()?.duration_since(UNIX_EPOCH).ok()?;
    let wait = date.checked_sub(Duration::from_nanos(now.as_nanos()))?;
    (!wait.is_zero()).then_some(wait)
}

/// How long `grpc-retry-pushback-ms` asks to wait (gRPC proposal A6). `None` if it says no number, or a negative one,
/// which means: not at all.
pub fn grpc_pushback(value: &[u8]) -> Option<Duration> {
    number(value).map(Duration::from_millis)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Sun, 06 Nov 1994 08:49:37 GMT, the example of RFC 9110, section 5.6.7.
    const EXAMPLE: Timestamp = Timestamp::from_nanos(784_111_777_000_000_000);

    #[test]
    fn seconds_and_all_three_forms_of_a_date_are_understood() {
        let before = Timestamp::from_nanos(EXAMPLE.as_nanos() - 60_000_000_000);
        for value in [
            "60",
            "Sun, 06 Nov 1994 08:49:37 GMT",
            "Sunday, 06-Nov-94 08:49:37 GMT",
            "Sun Nov  6 08:49:37 1994",
        ] {
            assert_eq!(
                retry_after(value.as_bytes(), before),
                Some(Duration::from_secs(60)),
                "{value}"
            );
        }
    }

    #[test]
    fn what_asks_for_nothing_is_nothing() {
        for value in [
            &b""[..],
            b"soon",
            b"-1",
            b"1.5",
            b"\xff",
            b"Sun, 06 Nov 1994 08:49:37 GMT",
        ] {
            assert_eq!(retry_after(value, EXAMPLE), None, "{value:?}");
        }
        assert_eq!(
            retry_after(b"99999999999999999999999", EXAMPLE),
            Some(Duration::from_secs(u64::MAX))
        );
    }

    #[test]
    fn pushback_goes_first_and_can_forbid_what_retry_after_would_allow() {
        let at = |pairs: &[(&[u8], &[u8])]| asked(&HeaderBlock::from_pairs(pairs), EXAMPLE);
        let after = (&b"retry-after"[..], &b"2"[..]);
        assert_eq!(at(&[]), Asked::Nothing);
        assert_eq!(at(&[after]), Asked::After(Duration::from_secs(2)));
        assert_eq!(
            at(&[after, (b"grpc-retry-pushback-ms", b"30")]),
            Asked::After(Duration::from_millis(30))
        );
        for value in [&b"-1"[..], b"soon", b""] {
            assert_eq!(at(&[after, (b"grpc-retry-pushback-ms", value)]), Asked::Never);
        }
    }

    #[test]
    fn pushback_is_milliseconds_and_a_negative_one_is_none() {
        assert_eq!(grpc_pushback(b"250"), Some(Duration::from_millis(250)));
        for value in [&b"-1"[..], b"", b"x", b"\xff"] {
            assert_eq!(grpc_pushback(value), None);
        }
    }
}
