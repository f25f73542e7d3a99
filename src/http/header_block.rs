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
        let (count, rest) = take_length(&self.0).unwrap_or((0, &[]));
        let (lengths, payload) = count
            .checked_mul(8)
            .and_then(|size| rest.split_at_checked(size))
            .unwrap_or((&[], &[]));
        Pairs {
            lengths: lengths.as_chunks().0.iter(),
            payload,
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
    let digits = value.trim_ascii();
    if digits.is_empty() || digits.len() > MOST {
        return None;
    }
    let mut number = 0;
    for byte in digits {
        let digit = byte.wrapping_sub(b'0');
        if digit > 9 {
            return None;
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

/// The pairs of a block. Every header of every request goes through here.
struct Pairs<'a> {
    /// Of each pair that is to come the lengths of its name and its value.
    lengths: std::slice::Iter<'a, [u8; 8]>,
    payload: &'a [u8],
}

impl<'a> Iterator for Pairs<'a> {
    type Item = Pair<'a>;

    #[inline]
    fn next(&mut self) -> Option<Pair<'a>> {
        // Both lengths in one read.
        let lengths = u64::from_le_bytes(*self.lengths.next()?);
        let name_len = usize::try_from(lengths as u32).ok()?;
        let value_len = usize::try_from((lengths >> 32) as u32).ok()?;
        let value_at = name_len.checked_add(1)?;
        let end = value_at.checked_add(value_len)?;
        let name = self.payload.get(..name_len)?;
        let value = self.payload.get(value_at..end)?;
        self.payload = self.payload.get(end.checked_add(1)?..)?;
        Some((name, value))
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
