//! Randomness as a value: seeded by the shell, passed along as an argument.

/// A small, fast pseudo-random generator (SplitMix64), good enough to spread load and times, not for secrets.
///
/// The core never draws randomness from anywhere else, so a run with the same seed makes the same decisions.
#[derive(Clone, Debug)]
pub struct Entropy(u64);

impl Entropy {
    /// A generator whose whole future follows from `seed`.
    pub const fn seeded(seed: u64) -> Self {
        Self(seed)
    }

    /// The next number, uniform over all of `u64`.
    pub const fn draw(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// The next number below `bound`; 0 if `bound` is 0.
    pub const fn below(&mut self, bound: u64) -> u64 {
        ((self.draw() as u128 * bound as u128) >> 64) as u64
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_sequence_is_splitmix64() {
        // Reference values of SplitMix64 with seed 1234567 (Vigna, prng.di.unimi.it/splitmix64.c).
        let mut entropy = Entropy::seeded(1_234_567);
        assert_eq!(entropy.draw(), 6_457_827_717_110_365_317);
        assert_eq!(entropy.draw(), 3_203_168_211_198_807_973);
    }

    #[test]
    fn a_bounded_number_stays_below_its_bound() {
        let mut entropy = Entropy::seeded(7);
        for bound in [0_u64, 1, 2, 3, 1000] {
            for _ in 0..100 {
                assert!(entropy.below(bound) < bound.max(1));
            }
        }
    }
}
