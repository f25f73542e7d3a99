//! What a response's headers say about it.

use super::header_block::{HeaderBlock, NameLengths, SERVICE_TIME, number};
use std::time::Duration;

/// What every response is asked for, found in one pass over its headers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ResponseFacts {
    /// The status code.
    pub status: Option<u16>,
    /// How long the host took, as Envoy's router says: [`SERVICE_TIME`].
    pub service_time: Option<Duration>,
}

impl ResponseFacts {
    /// Reads the facts off `headers`. Of a repeated header the first one counts.
    pub fn read(headers: &HeaderBlock) -> Self {
        const LENGTHS: NameLengths = NameLengths::of(&[b":status", SERVICE_TIME]);
        let (mut status, mut service_time) = (None, None);
        for (name, value) in headers.pairs_of(LENGTHS) {
            match name {
                b":status" => status = status.or(Some(value)),
                SERVICE_TIME => service_time = service_time.or(Some(value)),
                _ => {}
            }
        }
        Self {
            status: status.and_then(number),
            service_time: service_time.and_then(number).map(Duration::from_millis),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn status_and_service_time_are_found_and_the_first_one_counts() {
        let found = |pairs: &[(&[u8], &[u8])]| ResponseFacts::read(&HeaderBlock::from_pairs(pairs));
        assert_eq!(
            found(&[(b"status", b"200"), (b":method", b"204")]),
            ResponseFacts::default()
        );
        let facts = found(&[
            (b":status", b"503"),
            (SERVICE_TIME, b"12"),
            (SERVICE_TIME, b"13"),
            (b":status", b"200"),
        ]);
        assert_eq!(facts.status, Some(503));
        assert_eq!(facts.service_time, Some(Duration::from_millis(12)));
        assert_eq!(
            found(&[(SERVICE_TIME, b"soon"), (SERVICE_TIME, b"1")]).service_time,
            None
        );
    }
}
