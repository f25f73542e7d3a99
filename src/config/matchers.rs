//! `matchers`: answers that say something else about their host than the table of outcomes does.

use super::block::Block;
use super::error::BoxedError;
use super::field::Field;
use super::names::one_of;
use super::values;
use std::ops::RangeInclusive;

type Result<T> = std::result::Result<T, BoxedError>;

/// Gives the answers that it matches an outcome of its own.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Matcher {
    /// The statuses that match, as ranges; without any, every status.
    pub statuses: Vec<RangeInclusive<u16>>,
    /// The response header that matches; without one, every answer.
    pub header: Option<HeaderMatcher>,
    /// What the answer says about its host.
    pub outcome: MatchedOutcome,
}

/// A condition on a response header: its first value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HeaderMatcher {
    /// The header's name, in lower case.
    pub name: String,
    /// The condition on its value.
    pub value: HeaderCondition,
}

/// A condition on a header's value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum HeaderCondition {
    /// The header is there.
    Present,
    /// Its value is this one.
    Exact(String),
    /// Its value begins with this.
    Prefix(String),
}

/// What a [`Matcher`] makes of an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MatchedOutcome {
    /// The host failed.
    Failure,
    /// The host did its work.
    Success,
    /// The answer says nothing about the host.
    Ignored,
}

/// Each answer is held against all of them.
const MAX_MATCHERS: usize = 32;

const OUTCOMES: [(&str, MatchedOutcome); 3] = [
    ("failure", MatchedOutcome::Failure),
    ("success", MatchedOutcome::Success),
    ("ignored", MatchedOutcome::Ignored),
];

impl Matcher {
    /// The matchers in the field `matchers`, in their order.
    pub(super) fn read_section(parent: &mut Block<'_>) -> Result<Vec<Self>> {
        let Some(field) = parent.take("matchers") else {
            return Ok(Vec::new());
        };
        let items = field
            .as_items()
            .ok_or_else(|| field.refuse("a list of matchers, such as [{\"status\": 503, \"outcome\": \"ignored\"}]"))?;
        if items.len() > MAX_MATCHERS {
            let found = format!("{} matchers", items.len());
            return Err(field.path().error(found, format!("at most {MAX_MATCHERS}")));
        }
        items.map(|item| Self::read(&item)).collect()
    }

    fn read(item: &Field<'_>) -> Result<Self> {
        item.block(|block| {
            let statuses = block.take("status");
            let header = block.take("header");
            let outcome = block.require("outcome", &one_of(outcomes(), ""))?;
            if statuses.is_none() && header.is_none() {
                return Err(item.refuse("a status or a header to match, or both"));
            }
            Ok(Self {
                statuses: match statuses {
                    Some(field) => values::status_ranges(&field, "or a list of both")?,
                    None => Vec::new(),
                },
                header: header.map(|field| HeaderMatcher::read(&field)).transpose()?,
                outcome: MatchedOutcome::read(&outcome)?,
            })
        })
    }
}

impl HeaderMatcher {
    fn read(field: &Field<'_>) -> Result<Self> {
        const NAME: &str = "the name of a response header, such as \"x-app-error\"";
        field.block(|block| {
            let present = block.take("present");
            let exact = block.take("exact");
            let prefix = block.take("prefix");
            let name = block.require("name", NAME)?;
            let value = match (present, exact, prefix) {
                (Some(present), None, None) => match present.boolean() {
                    Ok(true) => HeaderCondition::Present,
                    _ => return Err(present.refuse("true")),
                },
                (None, Some(exact), None) => HeaderCondition::Exact(exact_value(&exact)?),
                (None, None, Some(prefix)) => HeaderCondition::Prefix(prefix_value(&prefix)?),
                _ => return Err(field.refuse("exactly one of present, exact, prefix beside the name")),
            };
            Ok(Self {
                name: values::header_name(&name, NAME)?,
                value,
            })
        })
    }
}

impl MatchedOutcome {
    fn read(field: &Field<'_>) -> Result<Self> {
        let text = field.as_text().unwrap_or_default();
        let known = OUTCOMES.iter().find(|(name, _)| *name == text);
        known
            .map(|(_, outcome)| *outcome)
            .ok_or_else(|| field.refuse(one_of(outcomes(), text)))
    }
}

fn outcomes() -> impl Iterator<Item = &'static str> + Clone {
    OUTCOMES.iter().map(|(name, _)| *name)
}

fn exact_value(field: &Field<'_>) -> Result<String> {
    values::text(
        field,
        |text| may_begin_a_value(text) && !text.ends_with(' '),
        "the value of a header, without control characters and white space around it",
    )
}

fn prefix_value(field: &Field<'_>) -> Result<String> {
    values::text(
        field,
        may_begin_a_value,
        "the beginning of a header's value, without control characters and white space before it",
    )
}

/// HTTP takes off the white space around a value, and lets no control characters through.
fn may_begin_a_value(text: &str) -> bool {
    !text.is_empty() && !text.starts_with(' ') && !text.chars().any(char::is_control)
}
