//! The hash map of the whole crate.

use std::collections::HashMap;
use std::hash::{BuildHasherDefault, Hasher};

/// A hash map whose keys come from Envoy's configuration: names of clusters and routes, addresses of hosts.
///
/// The standard library's hash function withstands people who choose keys so that they collide, and costs more than all
/// else that a request needs a map for. Clients choose no keys here (hosts in a cluster of type ORIGINAL_DST apart, of
/// which there are no more than `max_hosts`).
pub type Map<K, V> = HashMap<K, V, BuildHasherDefault<Mixer>>;

/// A hash function in a few instructions: a rotation, an exclusive or and a multiplication for each eight bytes, as in
/// rustc's FxHash, and at the end a mixing of all bits into the lower half, which is all that a map on wasm32 looks at.
#[derive(Clone, Copy, Debug, Default)]
pub struct Mixer(u64);

/// The golden ratio in 64 bits, made odd (Knuth's multiplicative hashing).
const FACTOR: u64 = 0x9e37_79b9_7f4a_7c15;

impl Hasher for Mixer {
    fn write(&mut self, bytes: &[u8]) {
        let (words, rest) = bytes.as_chunks();
        for word in words {
            self.write_u64(u64::from_le_bytes(*word));
        }
        if !rest.is_empty() {
            let mut word = [0; 8];
            for (slot, byte) in word.iter_mut().zip(rest) {
                *slot = *byte;
            }
            self.write_u64(u64::from_le_bytes(word));
        }
    }

    fn write_u64(&mut self, word: u64) {
        self.0 = (self.0.rotate_left(5) ^ word).wrapping_mul(FACTOR);
    }

    fn write_u8(&mut self, number: u8) {
        self.write_u64(number.into());
    }

    fn write_u16(&mut self, number: u16) {
        self.write_u64(number.into());
    }

    fn write_u32(&mut self, number: u32) {
        self.write_u64(number.into());
    }

    fn write_usize(&mut self, number: usize) {
        self.write_u64(number as u64);
    }

    fn finish(&self) -> u64 {
        let mixed = (self.0 ^ (self.0 >> 32)).wrapping_mul(FACTOR);
        mixed ^ (mixed >> 32)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::HostAddr;
    use std::collections::HashSet;
    use std::hash::{BuildHasher, Hash};
    use std::net::SocketAddr;

    /// What a map of 2,048 places on wasm32 takes from a hash: the place, and seven bits to tell apart what shares it.
    fn places<K: Hash>(keys: impl Iterator<Item = K>) -> (HashSet<u64>, HashSet<u64>) {
        let hashes = keys.map(|key| BuildHasherDefault::<Mixer>::default().hash_one(key));
        hashes.map(|hash| (hash % 2048, (hash >> 25) % 128)).unzip()
    }

    /// So many different places are taken by 1,000 keys that are placed at random: 2048 x (1 - 1/e^(1000/2048)), and
    /// three standard deviations less.
    const AT_RANDOM: usize = 790 - 3 * 12;

    #[test]
    fn addresses_that_differ_little_are_spread_like_random_ones() {
        let v4 = |ip: [u8; 4], port: u16| HostAddr::from(SocketAddr::from((ip, port)));
        let sets: [Vec<HostAddr>; 4] = [
            (0..1_000_u16)
                .map(|n| v4([10, 0, (n >> 8) as u8, n as u8], 8080))
                .collect(),
            (0..1_000_u16)
                .map(|n| v4([10, (n >> 8) as u8, n as u8, 1], 8080))
                .collect(),
            (0..1_000_u16).map(|n| v4([127, 0, 0, 1], 20_000 + n)).collect(),
            (0..1_000_u16)
                .map(|n| HostAddr::from(SocketAddr::from(([0xfd00, 0, 0, 0, 0, 0, 0, n], 80))))
                .collect(),
        ];
        for set in sets {
            let (places, tags) = places(set.iter());
            assert!(places.len() >= AT_RANDOM, "{} of {}", places.len(), set[0]);
            assert!(tags.len() > 120, "{} of {}", tags.len(), set[0]);
        }
    }

    #[test]
    fn names_that_differ_in_their_numbers_are_spread_like_random_ones() {
        for (before, after) in [
            ("cluster_", ""),
            ("outbound|", "||backend.shop.svc.cluster.local"),
            ("", ""),
        ] {
            let names = (0..1_000).map(|number| format!("{before}{number}{after}"));
            let (places, tags) = places(names);
            assert!(places.len() >= AT_RANDOM, "{} of {before}N{after}", places.len());
            assert!(tags.len() > 120, "{} of {before}N{after}", tags.len());
        }
    }
}
