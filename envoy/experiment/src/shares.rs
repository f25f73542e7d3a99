//! A host's share of the traffic, read off the times at which requests came to it.

use std::time::Duration;

/// How many came in `from..until`. `arrivals` are in order.
pub(crate) fn count(arrivals: &[Duration], from: Duration, until: Duration) -> usize {
    let place = |time: Duration| arrivals.partition_point(|at| *at < time);
    place(until).saturating_sub(place(from))
}

/// A stretch of time to look at, and the width of the windows that are laid on it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Stretch {
    /// Windows begin here at the earliest.
    pub(crate) from: Duration,
    /// And end here at the latest.
    pub(crate) until: Duration,
    /// How wide they are.
    pub(crate) window: Duration,
}

impl Stretch {
    /// The first moment from which on fewer than `below` requests came within a window; `None`: never.
    pub(crate) fn first_below(self, arrivals: &[Duration], below: f64) -> Option<Duration> {
        // The number in a window falls only where the window leaves an arrival behind.
        let after = |at: &Duration| *at + Duration::from_nanos(1);
        self.first(arrivals, after, |count| count < below)
    }

    /// The first moment from which on at least so many requests came within a window; `None`: never.
    pub(crate) fn first_reaching(self, arrivals: &[Duration], count: f64) -> Option<Duration> {
        // A window that begins with an arrival has no fewer in it than any that begins in the gap before.
        self.first(arrivals, |at| *at, |found| found >= count)
    }

    fn first(
        self,
        arrivals: &[Duration],
        begin: impl Fn(&Duration) -> Duration,
        right: impl Fn(f64) -> bool,
    ) -> Option<Duration> {
        let later = &arrivals[arrivals.partition_point(|at| *at < self.from)..];
        std::iter::once(self.from)
            .chain(later.iter().map(begin))
            .take_while(|from| *from + self.window <= self.until)
            .find(|from| {
                #[expect(clippy::cast_precision_loss, reason = "thousands of requests")]
                let count = count(arrivals, *from, *from + self.window) as f64;
                right(count)
            })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ms(milliseconds: u64) -> Duration {
        Duration::from_millis(milliseconds)
    }

    fn stretch(from: u64, until: u64) -> Stretch {
        Stretch {
            from: ms(from),
            until: ms(until),
            window: ms(100),
        }
    }

    /// Every 10 ms up to 500 ms, nothing, every 10 ms again from 900 ms to 1.5 s.
    fn with_a_gap() -> Vec<Duration> {
        (0..50).chain(90..150).map(|n| ms(n * 10)).collect()
    }

    #[test]
    fn a_window_has_its_beginning_and_not_its_end() {
        let arrivals = with_a_gap();
        assert_eq!(count(&arrivals, ms(0), ms(100)), 10);
        assert_eq!(count(&arrivals, ms(490), ms(900)), 1);
        assert_eq!(count(&arrivals, ms(900), ms(500)), 0);
        assert_eq!(count(&[], ms(0), ms(100)), 0);
    }

    #[test]
    fn quiet_begins_right_after_the_last_arrival() {
        let quiet = stretch(200, 1500).first_below(&with_a_gap(), 1.0);
        assert_eq!(quiet, Some(ms(490) + Duration::from_nanos(1)));
    }

    #[test]
    fn few_are_not_none() {
        let quiet = stretch(200, 1500).first_below(&with_a_gap(), 3.0).expect("quiet");
        assert_eq!(quiet, ms(470) + Duration::from_nanos(1));
    }

    #[test]
    fn a_quiet_beginning_counts_from_there() {
        assert_eq!(stretch(600, 1500).first_below(&with_a_gap(), 1.0), Some(ms(600)));
        assert_eq!(stretch(600, 1500).first_below(&[], 1.0), Some(ms(600)));
    }

    #[test]
    fn what_is_cut_off_by_the_end_is_not_quiet() {
        assert_eq!(stretch(200, 580).first_below(&with_a_gap(), 1.0), None);
        assert_eq!(stretch(950, 1500).first_below(&with_a_gap(), 1.0), None);
    }

    #[test]
    fn a_share_is_reached_when_a_whole_window_has_it() {
        let arrivals = with_a_gap();
        assert_eq!(stretch(500, 1500).first_reaching(&arrivals, 8.0), Some(ms(900)));
        assert_eq!(stretch(200, 1500).first_reaching(&arrivals, 8.0), Some(ms(200)));
        assert_eq!(stretch(500, 950).first_reaching(&arrivals, 8.0), None);
        assert_eq!(stretch(500, 1500).first_reaching(&arrivals, 11.0), None);
    }
}
