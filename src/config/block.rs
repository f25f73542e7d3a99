//! Reads an object field by field, each with its type and range, and refuses what is left over.
//!
//! A cluster's block falls back, field by field, on the block of the same name at the top. That one is read first, so
//! what is found wrong while a cluster is read stands in the cluster's own block.

use super::error::{BoxedError, Path};
use super::json::{Fields, Json, show, show_text};
use super::names::one_of;
use crate::model::{Percent, format_duration, parse_duration};
use std::ops::RangeInclusive;
use std::time::Duration;

type Result<T> = std::result::Result<T, BoxedError>;

/// An object that is being read.
pub(super) struct Block<'a> {
    path: Path,
    own: &'a Fields,
    /// In a cluster: what the block at the top says.
    inherited: Option<&'a Fields>,
    /// The names that were asked for, and so may be here.
    known: Vec<&'static str>,
}

impl<'a> Block<'a> {
    /// Opens the object `value` for `read`, then checks that `read` knows all of its fields.
    pub(super) fn read<T>(
        path: Path,
        value: &'a Json,
        inherited: Option<&'a Fields>,
        read: impl FnOnce(&mut Self) -> Result<T>,
    ) -> Result<T> {
        let own = Field {
            path: path.clone(),
            value,
        }
        .fields()?;
        Self::over(path, own, inherited, read)
    }

    /// The object in the field `name`; an empty one if there is none.
    pub(super) fn block<T>(&mut self, name: &'static str, read: impl FnOnce(&mut Self) -> Result<T>) -> Result<T> {
        self.known.push(name);
        let inherited = match self.inherited.map(|fields| lookup(fields, name)) {
            Some(Some(Json::Object(fields))) => Some(fields.as_slice()),
            Some(_) => Some([].as_slice()),
            None => None,
        };
        let own = match self.own(name) {
            Some(field) => field.fields()?,
            None => &[],
        };
        Self::over(self.path.field(name), own, inherited, read)
    }

    fn over<T>(
        path: Path,
        own: &'a Fields,
        inherited: Option<&'a Fields>,
        read: impl FnOnce(&mut Self) -> Result<T>,
    ) -> Result<T> {
        let known = Vec::new();
        let mut block = Self {
            path,
            own,
            inherited,
            known,
        };
        let outcome = read(&mut block)?;
        block.end()?;
        Ok(outcome)
    }

    /// The fields of this very block.
    pub(super) const fn fields(&self) -> &'a Fields {
        self.own
    }

    /// The field `name`, if it is in this very block.
    pub(super) fn own(&self, name: &str) -> Option<Field<'a>> {
        self.field(lookup(self.own, name), name)
    }

    /// The field `name`, here or where this block falls back.
    pub(super) fn take(&mut self, name: &'static str) -> Option<Field<'a>> {
        self.known.push(name);
        self.own(name).or_else(|| self.inherited(name))
    }

    /// The field `name`, which may stand at the top only.
    pub(super) fn take_top_level(&mut self, name: &'static str) -> Result<Option<Field<'a>>> {
        if self.inherited.is_none() {
            return Ok(self.take(name));
        }
        match self.own(name) {
            None => Ok(self.inherited(name)),
            Some(field) => Err(field.refuse(format!("no {name} for a single cluster: it is top-level only"))),
        }
    }

    fn inherited(&self, name: &str) -> Option<Field<'a>> {
        self.field(lookup(self.inherited.unwrap_or_default(), name), name)
    }

    fn field(&self, value: Option<&'a Json>, name: &str) -> Option<Field<'a>> {
        value.map(|value| Field {
            path: self.path.field(name),
            value,
        })
    }

    /// The error of two fields that contradict each other. It blames the first that stands in this very block: what
    /// this block only inherits does not contradict itself.
    pub(super) fn contradiction(&self, blame: [(&str, String); 2]) -> BoxedError {
        for (name, expected) in &blame {
            if let Some(field) = self.own(name) {
                return field.refuse(expected);
            }
        }
        let [(name, expected), _] = blame;
        self.path.field(name).error("nothing", expected)
    }

    pub(super) fn boolean(&mut self, name: &'static str) -> Result<Option<bool>> {
        self.take(name).map(|field| field.boolean()).transpose()
    }

    pub(super) fn percent(&mut self, name: &'static str) -> Result<Option<Percent>> {
        let number = self.integer(name, 0..=100)?;
        Ok(number.and_then(|number| Percent::new(number.into())))
    }

    pub(super) fn integer(&mut self, name: &'static str, range: RangeInclusive<u32>) -> Result<Option<u32>> {
        self.take(name).map(|field| field.integer(range)).transpose()
    }

    /// An integer that counts things or bytes.
    pub(super) fn size(&mut self, name: &'static str, range: RangeInclusive<u32>) -> Result<Option<usize>> {
        Ok(self.integer(name, range)?.map(|number| number as usize))
    }

    pub(super) fn duration(&mut self, name: &'static str, range: RangeInclusive<Duration>) -> Result<Option<Duration>> {
        self.take(name).map(|field| field.duration(range)).transpose()
    }

    /// Refuses fields that nobody asked for, and a second field of the same name.
    fn end(&self) -> Result<()> {
        // Once a name repeats, this ends: so the inner loop runs over no more fields than there are known names.
        for (i, (name, value)) in self.own.iter().enumerate() {
            if !self.known.contains(&name.as_str()) {
                let expected = one_of(self.known.iter().copied(), name);
                return Err(self
                    .path
                    .field(name)
                    .error(format!("unknown field {}", show_text(name)), expected));
            }
            if lookup(self.own.get(..i).unwrap_or_default(), name).is_some() {
                return Err(self
                    .path
                    .field(name)
                    .error(format!("a second value, {}", show(value)), "each field at most once"));
            }
        }
        Ok(())
    }
}

fn lookup<'a>(fields: &'a Fields, name: &str) -> Option<&'a Json> {
    fields.iter().find(|(key, _)| key == name).map(|(_, value)| value)
}

/// A value, and where it stands.
pub(super) struct Field<'a> {
    path: Path,
    value: &'a Json,
}

impl<'a> Field<'a> {
    pub(super) const fn path(&self) -> &Path {
        &self.path
    }

    /// The error of a value that is not what is expected.
    pub(super) fn refuse(&self, expected: impl Into<String>) -> BoxedError {
        let mut expected = expected.into();
        if *self.value == Json::Null && self.path.is_field() {
            expected.push_str(" (or no such field, for its default)");
        }
        self.path.error(show(self.value), expected)
    }

    pub(super) fn boolean(&self) -> Result<bool> {
        match self.value {
            Json::Bool(value) => Ok(*value),
            _ => Err(self.refuse("true or false")),
        }
    }

    pub(super) fn integer(&self, range: RangeInclusive<u32>) -> Result<u32> {
        match self.value {
            Json::Number(number)
                if number.fract() == 0.0
                    && *number >= f64::from(*range.start())
                    && *number <= f64::from(*range.end()) =>
            {
                Ok(*number as u32)
            }
            _ => Err(self.refuse(format!("an integer from {} to {}", range.start(), range.end()))),
        }
    }

    pub(super) fn duration(&self, range: RangeInclusive<Duration>) -> Result<Duration> {
        let duration = self.as_text().and_then(|text| parse_duration(text).ok());
        duration.filter(|duration| range.contains(duration)).ok_or_else(|| {
            let (shortest, longest) = (format_duration(*range.start()), format_duration(*range.end()));
            self.refuse(format!(
                "a duration from {shortest} to {longest}, such as \"30s\" or \"250ms\""
            ))
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
}
