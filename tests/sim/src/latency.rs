//! How long a host takes.

use crate::chance::Chance;
use std::time::Duration;

/// A distribution of times: a median, and a tail to the right of it as real servers have.
#[derive(Clone, Debug)]
pub struct Latency {
    median: Duration,
    spread: f64,
    chance: Chance,
}

impl Latency {
    /// Always exactly that.
    pub fn of(time: Duration) -> Latency {
        Latency {
            median: time,
            spread: 0.0,
            chance: Chance::new(0),
        }
    }

    /// Half of the times are below `median`. With a `spread` of 0.5 one in a hundred is over three times as long; with
    /// 1.0, over ten times.
    pub fn around(median: Duration, spread: f64, seed: u64) -> Latency {
        Latency {
            median,
            spread,
            chance: Chance::new(seed),
        }
    }

    /// The next time.
    pub fn draw(&mut self) -> Duration {
        if self.spread == 0.0 {
            return self.median;
        }
        // Log-normal: by the central limit, twelve even numbers less six are near enough to a normal one.
        let normal: f64 = (0..12).map(|_| self.chance.part()).sum::<f64>() - 6.0;
        self.median.mul_f64((normal * self.spread).exp())
    }
}

#[cfg(test)]
mod tests {
    use super::Latency;
    use std::time::Duration;

    #[test]
    fn half_are_below_the_median_and_one_in_a_hundred_is_far_above() {
        let mut latency = Latency::around(Duration::from_millis(100), 0.5, 1);
        let mut drawn: Vec<_> = (0..10_000).map(|_| latency.draw().as_millis()).collect();
        drawn.sort_unstable();
        assert!((97..103).contains(&drawn[5_000]), "{}", drawn[5_000]);
        assert!((280..360).contains(&drawn[9_900]), "{}", drawn[9_900]);
    }
}
