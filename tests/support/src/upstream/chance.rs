//! Chance that a seed decides: the same seed, the same run of numbers.

use std::sync::atomic::{AtomicU64, Ordering};

/// The golden ratio's fraction, as `SplitMix64` has it.
const STEP: u64 = 0x9e37_79b9_7f4a_7c15;

/// A run of numbers, from which several tasks may draw.
#[derive(Debug)]
pub(super) struct Chance(AtomicU64);

impl Chance {
    pub(super) fn new(seed: u64) -> Self {
        Self(AtomicU64::new(seed))
    }

    /// The next number: from 0 to below 1, evenly. `SplitMix64` (Steele, Lea and Flood, 2014).
    #[expect(clippy::cast_precision_loss, reason = "53 bits fit")]
    pub(super) fn draw(&self) -> f64 {
        let mut z = self.0.fetch_add(STEP, Ordering::Relaxed).wrapping_add(STEP);
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((z ^ (z >> 31)) >> 11) as f64 / (1_u64 << 53) as f64
    }
}
