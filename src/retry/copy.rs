//! The copy of a request that a retry is made from.

use super::{Held, HeldBytes, RetryRefusal};
use crate::http::{HeaderBlock, STANDBY_HEADER};

/// The header by which Envoy tells a host the how manieth attempt a request is.
const ATTEMPT_COUNT: &str = "x-envoy-attempt-count";

/// A request as it came, kept until its answer is good.
#[derive(Debug)]
pub struct RequestCopy {
    /// The headers, as one block in wire form.
    pub headers: HeaderBlock,
    body: Vec<u8>,
    /// The trailers, if there were any.
    pub trailers: Option<HeaderBlock>,
    held: Held,
}

/// What is kept of a request.
#[derive(Debug)]
pub enum Keep {
    /// Its copy, still growing.
    Growing(RequestCopy),
    /// Its whole copy: the request has ended.
    Whole(RequestCopy),
    /// Nothing, for this reason.
    Nothing(RetryRefusal),
}

impl Keep {
    /// Starts a copy with the request's headers.
    pub fn start(headers: HeaderBlock, end_of_stream: bool, budget: &HeldBytes) -> Self {
        let copy = RequestCopy {
            headers,
            body: Vec::new(),
            trailers: None,
            held: budget.nothing(),
        };
        if end_of_stream {
            Self::Whole(copy)
        } else {
            Self::Growing(copy)
        }
    }

    /// Whether `more` bytes of body may be added; if not, the copy is dropped and why is remembered.
    pub fn admit(&mut self, more: usize, max_body_bytes: usize) -> bool {
        let Self::Growing(copy) = self else {
            return false;
        };
        let refusal = if copy.held.bytes().saturating_add(more) > max_body_bytes {
            RetryRefusal::BodyTooLarge
        } else if copy.held.grow(more) {
            return true;
        } else {
            RetryRefusal::HeldBytes
        };
        *self = Self::Nothing(refusal);
        false
    }

    /// Adds a piece of body that was [admitted](Self::admit).
    pub fn push(&mut self, piece: Vec<u8>) {
        if let Self::Growing(copy) = self {
            if copy.body.is_empty() {
                copy.body = piece;
            } else {
                copy.body.extend_from_slice(&piece);
            }
        }
    }

    /// The request has ended, with these trailers if any.
    pub fn finish(&mut self, trailers: Option<HeaderBlock>) {
        *self = match std::mem::replace(self, Self::Nothing(RetryRefusal::NoCopy)) {
            Self::Growing(mut copy) => {
                copy.trailers = trailers;
                Self::Whole(copy)
            }
            other => other,
        };
    }

    /// Gives the copy up.
    pub fn give_up(&mut self, reason: RetryRefusal) {
        *self = Self::Nothing(reason);
    }

    /// Whether the request is whole, and can be sent again as it is.
    pub fn is_repeatable(&self) -> bool {
        self.whole().is_ok_and(|copy| copy.headers.is_text())
    }

    /// The whole copy.
    ///
    /// # Errors
    /// Why there is none.
    pub const fn whole(&self) -> Result<&RequestCopy, RetryRefusal> {
        match self {
            Self::Whole(copy) => Ok(copy),
            Self::Growing(_) => Err(RetryRefusal::RequestIncomplete),
            Self::Nothing(reason) => Err(*reason),
        }
    }
}

impl RequestCopy {
    /// The body; empty if there was none.
    pub fn body(&self) -> &[u8] {
        &self.body
    }

    /// The headers of an attempt at the host that `pin` names: those of the request, less what belongs to one hop
    /// or steers Envoy's router, plus the override header and `x-envoy-attempt-count`. `attempt` is the number of the
    /// attempt in digits.
    ///
    /// # Errors
    /// If a value is not UTF-8: the callout's interface takes text only.
    pub fn attempt_headers<'a>(
        &'a self,
        override_header: &'a str,
        pin: Option<&'a str>,
        attempt: &'a str,
    ) -> Result<Vec<(&'a str, &'a str)>, RetryRefusal> {
        let mut headers = Vec::with_capacity(32);
        for (name, value) in self.headers.pairs() {
            let text = |bytes: &'a [u8]| std::str::from_utf8(bytes).map_err(|_| RetryRefusal::HeadersNotUtf8);
            let (name, value) = (text(name)?, text(value)?);
            if name != override_header && !is_left_out(name) {
                headers.push((name, value));
            }
        }
        headers.extend(pin.map(|pin| (override_header, pin)));
        headers.push((ATTEMPT_COUNT, attempt));
        Ok(headers)
    }

    /// The trailers of an attempt; trailers that are not UTF-8 are left out (RFC 9110, section 6.5.1 allows it).
    pub fn attempt_trailers(&self) -> Vec<(&str, &str)> {
        self.trailers
            .iter()
            .flat_map(HeaderBlock::pairs)
            .filter_map(|(name, value)| Some((std::str::from_utf8(name).ok()?, std::str::from_utf8(value).ok()?)))
            .collect()
    }
}

/// Request headers that an attempt by callout goes without: the framing of the first hop (the callout has its
/// own), what Envoy's router takes as orders and removes, and the count that the attempt gets anew.
fn is_left_out(name: &str) -> bool {
    is_order(name)
        || name == ATTEMPT_COUNT
        || name == STANDBY_HEADER
        || matches!(
            name,
            "transfer-encoding" | "connection" | "keep-alive" | "proxy-connection" | "expect"
        )
}

/// Request headers that Envoy's router takes as orders and removes.
pub(super) fn is_order(name: &str) -> bool {
    matches!(
        name,
        "x-envoy-retry-on"
            | "x-envoy-retry-grpc-on"
            | "x-envoy-max-retries"
            | "x-envoy-retriable-status-codes"
            | "x-envoy-retriable-header-names"
            | "x-envoy-upstream-rq-timeout-ms"
            | "x-envoy-upstream-rq-per-try-timeout-ms"
            | "x-envoy-upstream-rq-timeout-alt-response"
            | "x-envoy-hedge-on-per-try-timeout"
            | "x-envoy-upstream-alt-stat-name"
            | "x-envoy-upstream-stream-duration-ms"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn keep(budget: &HeldBytes) -> Keep {
        Keep::start(HeaderBlock::from_pairs(&[(b":method", b"PUT")]), false, budget)
    }

    #[test]
    fn a_body_is_kept_byte_for_byte_up_to_its_limit() {
        let budget = HeldBytes::up_to(100);
        let mut keep = keep(&budget);
        for piece in [&b"ab"[..], b"", b"\x00\xffc"] {
            assert!(keep.admit(piece.len(), 5));
            keep.push(piece.to_vec());
        }
        assert!(matches!(keep.whole(), Err(RetryRefusal::RequestIncomplete)));
        keep.finish(None);
        assert_eq!(keep.whole().map(RequestCopy::body), Ok(&b"ab\x00\xffc"[..]));
    }

    #[test]
    fn one_byte_too_many_gives_the_copy_up_and_its_bytes_back() {
        let budget = HeldBytes::up_to(100);
        let mut keep = keep(&budget);
        assert!(keep.admit(5, 5));
        assert!(!keep.admit(1, 5));
        assert!(!keep.admit(1, 5));
        assert!(matches!(keep.whole(), Err(RetryRefusal::BodyTooLarge)));
        assert_eq!(budget.used(), 0);
    }

    #[test]
    fn all_copies_together_stay_in_the_budget() {
        let budget = HeldBytes::up_to(7);
        let (mut first, mut second) = (keep(&budget), keep(&budget));
        assert!(first.admit(5, 10));
        assert!(!second.admit(3, 10));
        assert!(matches!(second.whole(), Err(RetryRefusal::HeldBytes)));
        drop(first);
        assert_eq!(budget.used(), 0);
    }

    #[test]
    fn an_attempt_goes_without_what_belongs_to_the_first_hop() {
        let budget = HeldBytes::up_to(0);
        let headers = HeaderBlock::from_pairs(&[
            (b":path", b"/"),
            (b"transfer-encoding", b"chunked"),
            (b"x-envoy-retry-on", b"5xx"),
            (b"x-envoy-attempt-count", b"1"),
            (b"x-sidestep-host", b"6.6.6.6:6"),
            (b"a", b"1"),
            (b"a", b"2"),
        ]);
        let keep = Keep::start(headers, true, &budget);
        let attempt = keep
            .whole()
            .and_then(|copy| copy.attempt_headers("x-sidestep-host", Some("10.0.0.1:80"), "2"));
        assert_eq!(
            attempt,
            Ok(vec![
                (":path", "/"),
                ("a", "1"),
                ("a", "2"),
                ("x-sidestep-host", "10.0.0.1:80"),
                ("x-envoy-attempt-count", "2")
            ])
        );
    }
}
