//! Chance that falls the same way in every run: what a cell meets does not depend on luck.

/// A number that looks random, made of another: the finaliser of SplitMix64 (Steele, Lea, Flood: "Fast splittable
/// pseudorandom number generators", 2014).
pub(crate) fn mix(number: u64) -> u64 {
    let mut mixed = number.wrapping_add(0x9e37_79b9_7f4a_7c15);
    mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    mixed ^ (mixed >> 31)
}

/// Whether the `number`-th throw is among so many of a hundred.
pub(crate) fn hits(number: u64, percent: u64) -> bool {
    mix(number) % 100 < percent
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_share_is_about_right_and_never_and_always_are_exact() {
        let of_ten_thousand = |percent| (0..10_000).filter(|number| hits(*number, percent)).count();
        assert_eq!(of_ten_thousand(0), 0);
        assert_eq!(of_ten_thousand(100), 10_000);
        assert!((1900..2100).contains(&of_ten_thousand(20)));
    }

    #[test]
    fn throws_do_not_follow_a_beat() {
        // Every tenth would go to the same one of ten hosts that take turns.
        for host in 0..10 {
            let hit = (0..3000).filter(|n| n % 10 == host && hits(*n, 10)).count();
            assert!((15..50).contains(&hit), "{hit}");
        }
    }
}
