//! How a retry's answer takes the place of the first one.

use crate::http::{HeaderBlock, Pair};

/// How an answer gets to the client.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Delivery {
    /// In the place of the first answer, which is held back in the filter chain: headers now, the body when Envoy
    /// hands over the first answer's. The other filters see the new answer as if it were the first.
    InPlace,
    /// As a local reply. Only where there is no other way: the first answer is headers only, which Envoy can't give
    /// a body any more, or its body has passed this filter already. The other encoder filters do not run for it.
    LocalReply,
}

impl Delivery {
    /// The way to deliver an answer with or without body in the place of the first one.
    pub const fn of(first: FirstBody, has_body: bool) -> Self {
        match (first, has_body) {
            (FirstBody::None, true) | (FirstBody::Passed, _) => Self::LocalReply,
            (FirstBody::None, false) | (FirstBody::Ahead, _) => Self::InPlace,
        }
    }
}

/// The body of the first answer, when another one is to take its place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FirstBody {
    /// There is none: the answer is headers only.
    None,
    /// It is still to come.
    Ahead,
    /// Some of it has passed this filter: only with `allow_on_headers_stop_iteration`, which sidestep does not want.
    Passed,
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
    fn an_answer_becomes_a_local_reply_only_where_it_has_no_other_way() {
        assert_eq!(Delivery::of(FirstBody::None, true), Delivery::LocalReply);
        assert_eq!(Delivery::of(FirstBody::None, false), Delivery::InPlace);
        assert_eq!(Delivery::of(FirstBody::Ahead, true), Delivery::InPlace);
        assert_eq!(Delivery::of(FirstBody::Ahead, false), Delivery::InPlace);
        assert_eq!(Delivery::of(FirstBody::Passed, true), Delivery::LocalReply);
        assert_eq!(Delivery::of(FirstBody::Passed, false), Delivery::LocalReply);
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
