//! A single value, and where it stands: each reader checks type and range.

use super::block::Block;
use super::error::{BoxedError, Path};
use super::json::{Fields, Json, show};
use crate::model::{format_duration, parse_duration};
use std::ops::RangeInclusive;
use std::time::Duration;

type Result<T> = std::result::Result<T, BoxedError>;

/// How names and values may be written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Spelling {
    /// In the one way that the README shows.
    Plain,
    /// In that way, and in those that messages of protobuf come in: names in lowerCamelCase and integers as text, as
    /// its JSON has them; wrappers and durations as objects, as the message of each has its fields.
    Protobuf,
}

impl Spelling {
    /// Whether `written` stands for the field `name`.
    pub(super) fn is(self, name: &str, written: &str) -> bool {
        name == written || (self == Self::Protobuf && is_camel_case(name, written))
    }
}

/// Whether `written` is `name` without its underscores, each letter after one a capital.
fn is_camel_case(name: &str, written: &str) -> bool {
    let mut written = written.bytes();
    let mut is_after_underscore = false;
    for byte in name.bytes() {
        if byte != b'_' {
            let expected = if is_after_underscore {
                byte.to_ascii_uppercase()
            } else {
                byte
            };
            if written.next() != Some(expected) {
                return false;
            }
        }
        is_after_underscore = byte == b'_';
    }
    written.next().is_none()
}

/// What a wrapper without a value has (protobuf leaves out what is 0 or false).
const ZERO: &Json = &Json::Number(0.0);
const FALSE: &Json = &Json::Bool(false);

/// A value, and where it stands.
#[derive(Clone)]
pub(super) struct Field<'a> {
    path: Path,
    value: &'a Json,
    spelling: Spelling,
}

impl<'a> Field<'a> {
    pub(super) const fn new(path: Path, value: &'a Json, spelling: Spelling) -> Self {
        Self { path, value, spelling }
    }

    pub(super) const fn path(&self) -> &Path {
        &self.path
    }

    /// The error of a value that is not what is expected.
    pub(super) fn refuse(&self, expected: impl Into<String>) -> BoxedError {
        let mut expected = expected.into();
        if self.is_null() && self.path.is_field() {
            expected.push_str(" (or no such field, for its default)");
        }
        self.path.error(show(self.value), expected)
    }

    pub(super) fn is_null(&self) -> bool {
        *self.value == Json::Null
    }

    pub(super) fn boolean(&self) -> Result<bool> {
        let field = self.unwrapped(FALSE)?;
        match field.value {
            Json::Bool(value) => Ok(*value),
            _ => Err(field.refuse("true or false")),
        }
    }

    pub(super) fn integer(&self, range: RangeInclusive<u32>) -> Result<u32> {
        let field = self.unwrapped(ZERO)?;
        let number = match field.value {
            Json::Number(number) if number.fract() == 0.0 && (0.0..=f64::from(u32::MAX)).contains(number) => {
                Some(*number as u32)
            }
            Json::Text(digits) if self.spelling == Spelling::Protobuf => integer_of(digits),
            _ => None,
        };
        number
            .filter(|number| range.contains(number))
            .ok_or_else(|| field.refuse(format!("an integer from {} to {}", range.start(), range.end())))
    }

    /// A number of thousandths; what is finer is rounded.
    pub(super) fn thousandths(&self, range: RangeInclusive<u32>) -> Result<u32> {
        let number = match self.value {
            Json::Number(number) => (*number * 1000.0).round(),
            _ => f64::NAN,
        };
        if (f64::from(*range.start())..=f64::from(*range.end())).contains(&number) {
            return Ok(number as u32);
        }
        let show = |thousandths: &u32| show(&Json::Number(f64::from(*thousandths) / 1000.0));
        let (least, most) = (show(range.start()), show(range.end()));
        Err(self.refuse(format!("a number from {least} to {most}")))
    }

    pub(super) fn duration(&self, range: RangeInclusive<Duration>) -> Result<Duration> {
        let duration = match self.value {
            Json::Text(text) => parse_duration(text).ok(),
            Json::Object(fields) if self.spelling == Spelling::Protobuf => Some(self.duration_message(fields)?),
            _ => None,
        };
        duration.filter(|duration| range.contains(duration)).ok_or_else(|| {
            let (shortest, longest) = (format_duration(*range.start()), format_duration(*range.end()));
            self.refuse(format!(
                "a duration from {shortest} to {longest}, such as \"30s\" or \"250ms\""
            ))
        })
    }

    /// `google.protobuf.Duration`, field by field.
    fn duration_message(&self, fields: &'a Fields) -> Result<Duration> {
        Block::over(self.path.clone(), fields, None, self.spelling, |message| {
            let seconds = message.integer("seconds", 0..=u32::MAX)?.unwrap_or_default();
            let nanos = message.integer("nanos", 0..=999_999_999)?.unwrap_or_default();
            Ok(Duration::new(seconds.into(), nanos))
        })
    }

    /// What stands in a wrapper such as `google.protobuf.UInt32Value`, if this may be one and is.
    fn unwrapped(&self, default: &'static Json) -> Result<Self> {
        let Json::Object(fields) = self.value else {
            return Ok(self.clone());
        };
        if self.spelling == Spelling::Plain {
            return Ok(self.clone());
        }
        Block::over(self.path.clone(), fields, None, self.spelling, |wrapper| {
            let value = wrapper.take("value");
            Ok(value.unwrap_or_else(|| Self::new(self.path.field("value"), default, self.spelling)))
        })
    }

    pub(super) const fn as_text(&self) -> Option<&'a str> {
        match self.value {
            Json::Text(text) => Some(text.as_str()),
            _ => None,
        }
    }

    /// The items, if this is a list.
    pub(super) fn as_items(&self) -> Option<impl ExactSizeIterator<Item = Field<'a>>> {
        match self.value {
            Json::List(items) => Some(items.iter().enumerate().map(|(i, value)| Field {
                path: self.path.item(i),
                value,
                spelling: self.spelling,
            })),
            _ => None,
        }
    }

    /// The fields, in their order and each with its value.
    pub(super) fn fields(&self) -> Result<&'a Fields> {
        match self.value {
            Json::Object(fields) => Ok(fields),
            _ => Err(self.refuse("an object")),
        }
    }

    /// This object, read field by field and without anything to fall back on.
    pub(super) fn block<T>(&self, read: impl FnOnce(&mut Block<'a>) -> Result<T>) -> Result<T> {
        Block::over(self.path.clone(), self.fields()?, None, self.spelling, read)
    }

    /// Whether this is a list with nothing in it.
    pub(super) const fn is_empty_list(&self) -> bool {
        matches!(self.value, Json::List(items) if items.is_empty())
    }
}

/// The integer that is written in these digits.
pub(super) fn integer_of(digits: &str) -> Option<u32> {
    let is_plain = digits.bytes().all(|byte| byte.is_ascii_digit());
    digits.parse().ok().filter(|_| is_plain)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_also_known_in_camel_case_where_protobuf_may_write() {
        for (name, camel) in [
            ("consecutive_5xx", "consecutive5xx"),
            ("base_ejection_time", "baseEjectionTime"),
            ("interval", "interval"),
        ] {
            assert!(
                Spelling::Protobuf.is(name, name) && Spelling::Protobuf.is(name, camel),
                "{name}"
            );
            assert_eq!(Spelling::Plain.is(name, camel), name == camel, "{name}");
        }
    }

    #[test]
    fn other_ways_to_write_a_name_are_not() {
        for other in [
            "",
            "base_ejectionTime",
            "baseejectiontime",
            "BaseEjectionTime",
            "baseEjectionTim",
            "baseEjectionTimes",
            "base_ejection_time_",
        ] {
            assert!(!Spelling::Protobuf.is("base_ejection_time", other), "{other}");
        }
    }

    #[test]
    fn an_integer_in_digits_has_nothing_else() {
        assert_eq!(integer_of("4294967295"), Some(u32::MAX));
        for text in ["", "+1", "-1", "1.0", " 1", "1e3", "4294967296"] {
            assert_eq!(integer_of(text), None, "{text:?}");
        }
    }
}
