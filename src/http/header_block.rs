//! Header maps in the wire form of the proxy-wasm ABI.

/// The header that Envoy's router adds to each answer that a host gave, and to none of its own: the milliseconds from the
/// end of the request to the answer's headers.
pub const SERVICE_TIME: &[u8] = b"x-envoy-upstream-service-time";

/// A header's name and value.
pub type Pair<'a> = (&'a [u8], &'a [u8]);

/// A header map exactly as Envoy hands it over: one allocation, parsed only where somebody looks.
///
/// The form (proxy-wasm ABI 0.2.1, `proxy_get_header_map_pairs`): the number of pairs, then for each pair the
/// lengths of name and value, then for each pair name, NUL, value, NUL; all numbers `u32`, little-endian. Values
/// are bytes, not text. A malformed block reads as the pairs before the damage.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct HeaderBlock(Vec<u8>);

impl HeaderBlock {
    /// The block that Envoy gave.
    pub const fn from_wire(bytes: Vec<u8>) -> Self {
        Self(bytes)
    }

    /// A block of these pairs.
    pub fn from_pairs(pairs: &[Pair<'_>]) -> Self {
        let payload: usize = pairs.iter().map(|(name, value)| name.len() + value.len() + 2).sum();
        let mut bytes = Vec::with_capacity(4 + 8 * pairs.len() + payload);
        put_length(&mut bytes, pairs.len());
        for (name, value) in pairs {
            put_length(&mut bytes, name.len());
            put_length(&mut bytes, value.len());
        }
        for (name, value) in pairs {
            bytes.extend_from_slice(name);
            bytes.push(0);
            bytes.extend_from_slice(value);
            bytes.push(0);
        }
        Self(bytes)
    }

    /// The bytes to hand to Envoy.
    pub fn as_wire(&self) -> &[u8] {
        &self.0
    }

    /// The size of the block in bytes.
    pub const fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether the block has no pairs.
    pub fn is_empty(&self) -> bool {
        self.pairs().next().is_none()
    }

    /// The pairs in their order. Names are lower-case, as Envoy keeps them.
    pub fn pairs(&self) -> impl Iterator<Item = Pair<'_>> {
        self.pairs_of(NameLengths::ALL)
    }

    /// The pairs whose name has one of these lengths, in their order. What is passed over costs next to nothing.
    pub fn pairs_of(&self, wanted: NameLengths) -> impl Iterator<Item = Pair<'_>> {
        let (count, rest) = take_length(&self.0).unwrap_or((0, &[]));
        let (lengths, payload) = count
            .checked_mul(8)
            .and_then(|size| rest.split_at_checked(size))
            .unwrap_or((&[], &[]));
        Pairs {
            lengths: lengths.as_chunks().0.iter(),
            payload,
            at: 0,
            wanted,
        }
    }

    /// Whether all names and values are UTF-8: a callout carries nothing else.
    pub fn is_text(&self) -> bool {
        let is_text = |bytes| std::str::from_utf8(bytes).is_ok();
        self.pairs().all(|(name, value)| is_text(name) && is_text(value))
    }

    /// The first value of the header called `name` (lower-case), if it is a number.
    pub fn number<N: TryFrom<u64>>(&self, name: &[u8]) -> Option<N> {
        self.get(name).and_then(number)
    }

    /// The first value of the header called `name` (lower-case).
    pub fn get(&self, name: &[u8]) -> Option<&[u8]> {
        self.pairs().find(|(found, _)| *found == name).map(|(_, value)| value)
    }
}

/// The number that a header's value is, if it is one: digits and nothing else, as in `1*DIGIT` of RFC 9110, section 8.6,
/// and of the other headers that are read here.
pub fn number<N: TryFrom<u64>>(value: &[u8]) -> Option<N> {
    N::try_from(whole(value)?).ok()
}

fn whole(value: &[u8]) -> Option<u64> {
    /// So many digits never overflow, whatever they are; a number of more is none that matters here.
    const MOST: usize = 19;
    if value.is_empty() || value.len() > MOST {
        return None;
    }
    let mut number = 0;
    for byte in value {
        let digit = byte.wrapping_sub(b'0');
        if digit > 9 {
            let trimmed = value.trim_ascii();
            return if trimmed == value { None } else { whole(trimmed) };
        }
        number = number * 10 + u64::from(digit);
    }
    Some(number)
}

/// Lengths on the wire are `u32`; nothing that Envoy holds is longer.
fn put_length(bytes: &mut Vec<u8>, length: usize) {
    bytes.extend_from_slice(&u32::try_from(length).unwrap_or(u32::MAX).to_le_bytes());
}

fn take_length(bytes: &[u8]) -> Option<(usize, &[u8])> {
    let (length, rest) = bytes.split_first_chunk::<4>()?;
    Some((usize::try_from(u32::from_le_bytes(*length)).ok()?, rest))
}

/// A set of lengths of names. Names of 64 bytes and more are in every set: a filter, not a proof.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NameLengths(u64);

impl NameLengths {
    /// Every length.
    pub const ALL: Self = Self(u64::MAX);

    /// The lengths of these names.
    pub const fn of(names: &[&[u8]]) -> Self {
        let mut set = Self(0);
        let mut rest = names;
        while let [name, more @ ..] = rest {
            set = set.and(name);
            rest = more;
        }
        set
    }

    /// These and the length of one name more.
    #[must_use]
    pub const fn and(self, name: &[u8]) -> Self {
        match 1_u64.checked_shl(name.len() as u32) {
            Some(bit) => Self(self.0 | bit),
            None => self,
        }
    }

    const fn has(self, length: u64) -> bool {
        length >= u64::BITS as u64 || self.0 >> length & 1 == 1
    }
}

/// The pairs of a block. Every header of every request goes through here.
struct Pairs<'a> {
    /// Of each pair that is to come the lengths of its name and its value.
    lengths: std::slice::Iter<'a, [u8; 8]>,
    payload: &'a [u8],
    /// Where in `payload` the next one begins, or would if the block is cut. The sum of all lengths there can be is far
    /// below 2^64.
    at: u64,
    wanted: NameLengths,
}

impl<'a> Iterator for Pairs<'a> {
    type Item = Pair<'a>;

    #[inline]
    fn next(&mut self) -> Option<Pair<'a>> {
        loop {
            // Both lengths in one read.
            let lengths = u64::from_le_bytes(*self.lengths.next()?);
            let (name_len, value_len) = (lengths & u64::from(u32::MAX), lengths >> 32);
            let name_at = self.at;
            let value_at = name_at + name_len + 1;
            let end = value_at + value_len;
            self.at = end + 1;
            if self.wanted.has(name_len) {
                let whole = self
                    .payload
                    .get(usize::try_from(name_at).ok()?..usize::try_from(end + 1).ok()?)?;
                let (name, value) = whole.split_at_checked(usize::try_from(name_len).ok()?)?;
                return Some((name, value.get(1..value.len().checked_sub(1)?)?));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pairs_survive_the_wire_in_order_with_repeats_and_odd_bytes() {
        let pairs: Vec<Pair<'_>> = vec![(b":path", b"/"), (b"a", b"1"), (b"a", b"\xff\x00"), (b"empty", b"")];
        let block = HeaderBlock::from_wire(HeaderBlock::from_pairs(&pairs).as_wire().to_vec());
        assert_eq!(block.pairs().collect::<Vec<_>>(), pairs);
        assert_eq!(block.get(b"a"), Some(&b"1"[..]));
        assert_eq!(block.get(b"b"), None);
    }

    #[test]
    fn names_of_other_lengths_are_passed_over() {
        let long = "x".repeat(70);
        let block = HeaderBlock::from_pairs(&[
            (b":path", b"/"),
            (b"a", b"1"),
            (b"", b"2"),
            (b"bb", b""),
            (long.as_bytes(), b"3"),
            (b"c", b"4"),
        ]);
        let found = |names: &[&[u8]]| -> Vec<_> {
            let pairs = block.pairs_of(NameLengths::of(names));
            pairs
                .map(|(_, value)| String::from_utf8_lossy(value).into_owned())
                .collect()
        };
        assert_eq!(found(&[b"a", b":path"]), ["/", "1", "3", "4"]);
        assert_eq!(found(&[b"", b"zz"]), ["2", "", "3"]);
        assert_eq!(found(&[]), ["3"]);
        assert_eq!(found(&[long.as_bytes()]), ["3"]);
        for cut in 0..block.len() {
            let cut = HeaderBlock::from_wire(block.as_wire().get(..cut).unwrap_or_default().to_vec());
            let (all, some) = (cut.pairs().count(), cut.pairs_of(NameLengths::of(&[b"c"])).count());
            assert!(all < 6 && some <= all, "{all} {some}");
        }
    }

    #[test]
    fn a_number_is_digits_alone_and_fits() {
        assert_eq!(number(b"200"), Some(200_u16));
        assert_eq!(number(b" 007 "), Some(7_u16));
        assert_eq!(number(b"65535"), Some(u16::MAX));
        assert_eq!(number(b"9999999999999999999"), Some(9_999_999_999_999_999_999_u64));
        for value in [
            &b""[..],
            b" ",
            b"-1",
            b"+1",
            b"1 2",
            b"1.5",
            b"2o0",
            b"65536",
            b"10000000000000000000",
            b"\xff",
        ] {
            assert_eq!(number::<u16>(value), None, "{value:?}");
        }
    }

    #[test]
    fn a_cut_block_reads_as_the_pairs_before_the_cut() {
        let whole = HeaderBlock::from_pairs(&[(b"a", b"1"), (b"b", b"2")]);
        for cut in 0..whole.len() {
            let block = HeaderBlock::from_wire(whole.as_wire().get(..cut).unwrap_or_default().to_vec());
            assert!(block.pairs().count() < 2, "cut at {cut}");
        }
        assert!(HeaderBlock::from_wire(vec![0xff; 64]).is_empty());
    }
}
