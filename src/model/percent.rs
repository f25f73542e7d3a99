//! Whole percentages.

/// A share in whole per cent, 0 to 100.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Percent(u8);

impl Percent {
    /// 0 %.
    pub const NONE: Self = Self(0);
    /// 1 %.
    pub const ONE: Self = Self(1);
    /// 50 %.
    pub const HALF: Self = Self(50);
    /// 100 %.
    pub const ALL: Self = Self(100);

    /// The percentage `value`, if it is one.
    pub const fn new(value: u64) -> Option<Self> {
        if value <= 100 { Some(Self(value as u8)) } else { None }
    }

    /// So many of a hundred, at most all.
    pub const fn of_hundred(count: u8) -> Self {
        Self(if count > 100 { 100 } else { count })
    }

    /// The number, 0 to 100.
    pub const fn get(self) -> u8 {
        self.0
    }

    /// This share of `count`, rounded down.
    pub const fn of(self, count: usize) -> usize {
        (count as u128 * self.0 as u128 / 100) as usize
    }

    /// Whether an event with this probability happens, decided by `entropy` (uniform over all of `u64`).
    ///
    /// 0 % never and 100 % always; the bias in between is below 2^-57.
    pub const fn chance(self, entropy: u64) -> bool {
        ((entropy as u128 * 100) >> 64) < self.0 as u128
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_share_rounds_down() {
        let half = Percent::new(50).unwrap_or(Percent::NONE);
        assert_eq!(half.of(3), 1);
        assert_eq!(Percent::ALL.of(usize::MAX), usize::MAX);
    }

    #[test]
    fn chance_is_never_at_none_and_always_at_all() {
        for entropy in [0, 1, u64::MAX / 2, u64::MAX] {
            assert!(!Percent::NONE.chance(entropy));
            assert!(Percent::ALL.chance(entropy));
        }
    }

    #[test]
    fn more_than_all_is_no_percentage() {
        assert_eq!(Percent::new(101), None);
    }
}
