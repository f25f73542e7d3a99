//! Quantiles and medians.

use std::cmp::Ordering;

/// The value that so much of all are not above, by the nearest rank: 0.5 is the median. `None` of nothing.
pub(crate) fn quantile<T: Copy>(values: &[T], share: f64, order: impl FnMut(&T, &T) -> Ordering) -> Option<T> {
    let mut sorted = values.to_vec();
    sorted.sort_by(order);
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        clippy::cast_precision_loss,
        reason = "a share of a number of values that are in memory"
    )]
    let rank = (sorted.len() as f64 * share).ceil() as usize;
    sorted.get(rank.max(1) - 1).copied()
}

/// The median of numbers; of two in the middle their mean. 0 of nothing.
pub(crate) fn median(values: &[f64]) -> f64 {
    let upper = values.len() / 2;
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    match (sorted.len() % 2, sorted.get(upper)) {
        (_, None) => 0.0,
        (1, Some(middle)) => *middle,
        (_, Some(above)) => sorted
            .get(upper - 1)
            .map_or(*above, |below| f64::midpoint(*below, *above)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_are_values_that_occurred() {
        let hundred: Vec<u32> = (1..=100).rev().collect();
        assert_eq!(quantile(&hundred, 0.5, u32::cmp), Some(50));
        assert_eq!(quantile(&hundred, 0.99, u32::cmp), Some(99));
        assert_eq!(quantile(&hundred, 1.0, u32::cmp), Some(100));
        assert_eq!(quantile(&hundred, 0.0, u32::cmp), Some(1));
        assert_eq!(quantile(&[3, 1, 2], 0.5, u32::cmp), Some(2));
        assert_eq!(quantile(&[7], 0.99, u32::cmp), Some(7));
        assert_eq!(quantile::<u32>(&[], 0.5, u32::cmp), None);
    }

    #[test]
    fn a_median_is_in_the_middle() {
        assert_eq!(median(&[3.0, 1.0, 2.0]), 2.0);
        assert_eq!(median(&[4.0, 1.0, 2.0, 3.0]), 2.5);
        assert_eq!(median(&[5.0]), 5.0);
        assert_eq!(median(&[]), 0.0);
    }
}
