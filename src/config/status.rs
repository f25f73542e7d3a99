//! `status`: a filter instance that answers requests itself, for people.

use super::block::Block;
use super::error::BoxedError;
use super::json::show;
use std::fmt;
use std::ops::RangeInclusive;

type Result<T> = std::result::Result<T, BoxedError>;

/// A status interface.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StatusPolicy {
    /// `status.token`: what requests must have as their bearer token, if anything.
    pub token: Option<Token>,
    /// `status.max_body_bytes`: a longer body of a request is refused.
    pub max_body_bytes: usize,
}

impl Default for StatusPolicy {
    fn default() -> Self {
        Self {
            token: None,
            max_body_bytes: 4 * 1024 * 1024,
        }
    }
}

/// The upper end is twice what 10,000 hosts in each of 50 clusters come to, all with a history.
const MAX_BODY_BYTES: RangeInclusive<u32> = 1024..=64 * 1024 * 1024;

impl StatusPolicy {
    /// The policy, from a configuration that has `status` and so must have nothing else.
    pub(super) fn read_alone(top: &mut Block<'_>) -> Result<Self> {
        if let Some((name, value)) = top.fields().iter().find(|(name, _)| name != "status") {
            let path = top.path().field(name);
            return Err(path.error(show(value), "nothing: where there is status, there is nothing else"));
        }
        top.block("status", |block| {
            let default = Self::default();
            Ok(Self {
                token: block.take("token").map(|field| Token::read(&field)).transpose()?,
                max_body_bytes: block
                    .size("max_body_bytes", MAX_BODY_BYTES)?
                    .unwrap_or(default.max_body_bytes),
            })
        })
    }
}

/// A secret text. Nothing shows it, not even the error of a bad one.
#[derive(Clone, PartialEq, Eq)]
pub struct Token(String);

impl Token {
    fn read(field: &super::field::Field<'_>) -> Result<Self> {
        const MAX_LENGTH: usize = 1024;
        let is_good =
            |text: &&str| (1..=MAX_LENGTH).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_graphic());
        field
            .as_text()
            .filter(is_good)
            .map(|text| Self(text.to_owned()))
            .ok_or_else(|| {
                field.path().error(
                    "something else",
                    format!("a text of 1 to {MAX_LENGTH} visible ASCII characters"),
                )
            })
    }

    /// Whether `offered` is this token. How long that takes says nothing about where the two differ.
    pub fn is(&self, offered: &[u8]) -> bool {
        let token = self.0.as_bytes();
        let mut differences = u8::from(token.len() != offered.len());
        for (at, byte) in token.iter().enumerate() {
            differences |= byte ^ offered.get(at).unwrap_or(&0);
            // Else the compiler may leave off at the first difference.
            differences = std::hint::black_box(differences);
        }
        differences == 0
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Token(..)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_itself_alone() {
        let token = Token("s3cret".to_owned());
        assert!(token.is(b"s3cret"));
        for other in [
            &b""[..],
            b"s",
            b"s3cre",
            b"s3crex",
            b"x3cret",
            b"s3crets",
            b"S3CRET",
            b"s3cret\0",
            b"\0\0\0\0\0\0",
        ] {
            assert!(!token.is(other), "{other:?}");
        }
        assert_eq!(format!("{token:?}"), "Token(..)");
    }
}
