//! How a retry's answer takes the place of the first one.

use crate::http::{HeaderBlock, Pair};

/// How an answer gets to the client.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Delivery {
    /// In the place of the first answer, which is held back in the filter chain: headers now, the body when Envoy
    /// hands over the first answer's. The other filters see the new answer as if it were the first.
    InPlace,
    /// As a local reply. Only where there is no other way: the first answer is headers only, which Envoy can't give
    /// a body any more. The other encoder filters do not run for it.
    LocalReply,
}

impl Delivery {
    /// The way to deliver an answer with or without body in the place of one that is headers only or not.
    pub const fn of(first_is_headers_only: bool, has_body: bool) -> Self {
        if first_is_headers_only && has_body {
            Self::LocalReply
        } else {
            Self::InPlace
        }
    }
}

/// The headers to deliver: those of the answer, less what belongs to its own hop, with a length that fits.
///
/// `length` is scratch space for the body's length in digits. An answer that has no body by its nature (to HEAD,
/// 204, 304) keeps the length that it states (RFC 9110, section 8.6); any other one states the length of its body.
pub fn response_headers<'a>(answer: &'a HeaderBlock, bodiless: bool, length: &'a str) -> Vec<Pair<'a>> {
    let mut headers: Vec<Pair<'a>> = answer
        .pairs()
        .filter(|(name, _)| !is_hop_by_hop(name) && (bodiless || *name != b"content-length"))
        .collect();
    if !bodiless {
        headers.push((b"content-length", length.as_bytes()));
    }
    headers
}

/// Headers of one connection (RFC 9110, section 7.6.1), and what Envoy's router tells its callers.
fn is_hop_by_hop(name: &[u8]) -> bool {
    matches!(
        name,
        b"connection" | b"keep-alive" | b"proxy-connection" | b"transfer-encoding" | b"te" | b"trailer" | b"upgrade"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_headers_only_answer_that_must_grow_a_body_becomes_a_local_reply() {
        assert_eq!(Delivery::of(true, true), Delivery::LocalReply);
        assert_eq!(Delivery::of(true, false), Delivery::InPlace);
        assert_eq!(Delivery::of(false, true), Delivery::InPlace);
        assert_eq!(Delivery::of(false, false), Delivery::InPlace);
    }

    #[test]
    fn the_length_fits_the_body_and_the_hop_is_left_behind() {
        let answer = HeaderBlock::from_pairs(&[
            (b":status", b"200"),
            (b"transfer-encoding", b"chunked"),
            (b"content-length", b"99"),
            (b"a", b"1"),
        ]);
        let expected: Vec<Pair<'_>> = vec![(b":status", b"200"), (b"a", b"1"), (b"content-length", b"5")];
        assert_eq!(response_headers(&answer, false, "5"), expected);
        let head: Vec<Pair<'_>> = vec![(b":status", b"200"), (b"content-length", b"99"), (b"a", b"1")];
        assert_eq!(response_headers(&answer, true, "0"), head);
    }
}
