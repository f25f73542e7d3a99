//! Bytes as a number.

/// A number that any other bytes hardly make, too: FNV-1a in 64 bits. Not against people who look for two that do.
pub fn fingerprint(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
        (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3)
    })
}
