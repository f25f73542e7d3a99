//! How long a host is left alone before the same request goes to it again.

use crate::config::RetryPolicy;
use crate::model::Entropy;
use std::time::Duration;

/// The wait before the `retry`-th retry (from 1) if it goes to a host that this request has been to: at random between
/// nothing and `base_interval` x 2^(retry - 1), at most `max_interval` ("full jitter": waits that were alike would bring
/// all failed requests back at the same moment). The host's own wish, if it has one, is the least.
///
/// `None` if the host asks for more than `max_retry_after`: then it is not asked again.
pub fn back_off(policy: &RetryPolicy, retry: u32, asked: Option<Duration>, entropy: &mut Entropy) -> Option<Duration> {
    if asked.is_some_and(|asked| asked > policy.max_retry_after) {
        return None;
    }
    let doubled = 1_u32.checked_shl(retry.saturating_sub(1)).filter(|factor| *factor > 0);
    let longest = doubled
        .and_then(|factor| policy.back_off.base_interval.checked_mul(factor))
        .map_or(policy.back_off.max_interval, |wait| {
            wait.min(policy.back_off.max_interval)
        });
    let nanos = u64::try_from(longest.as_nanos()).unwrap_or(u64::MAX);
    let drawn = Duration::from_nanos(entropy.below(nanos.saturating_add(1)));
    Some(drawn.max(asked.unwrap_or_default()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn draw(retry: u32, asked: Option<u64>) -> Vec<Duration> {
        let (policy, mut entropy) = (RetryPolicy::default(), Entropy::seeded(u64::from(retry)));
        (0..1000)
            .filter_map(|_| back_off(&policy, retry, asked.map(Duration::from_millis), &mut entropy))
            .collect()
    }

    #[test]
    fn waits_are_spread_over_a_span_that_doubles_up_to_its_bound() {
        for (retry, longest) in [
            (1, 25),
            (2, 50),
            (3, 100),
            (4, 200),
            (5, 250),
            (33, 250),
            (u32::MAX, 250),
        ] {
            let waits = draw(retry, None);
            let millis = |part: u32| Duration::from_millis(longest) * part / 10;
            assert!(waits.iter().all(|wait| *wait <= millis(10)), "{retry}");
            // Down to nothing and up to the end.
            assert!(waits.iter().any(|wait| *wait < millis(1)), "{retry}");
            assert!(waits.iter().any(|wait| *wait > millis(9)), "{retry}");
        }
    }

    #[test]
    fn a_hosts_own_wish_is_the_least_up_to_its_bound() {
        assert!(draw(1, Some(40)).iter().all(|wait| *wait == Duration::from_millis(40)));
        assert!(draw(5, Some(40)).iter().any(|wait| *wait > Duration::from_millis(40)));
        assert_eq!(draw(1, Some(5_000)).len(), 1000);
        assert_eq!(draw(1, Some(5_001)), []);
    }
}
