//! Reads an object field by field, each with its type and range, and refuses what is left over.
//!
//! A cluster's block falls back, field by field, on the block of the same name at the top. That one is read first, so
//! what is found wrong while a cluster is read stands in the cluster's own block.

use super::error::{BoxedError, Path};
use super::field::{Field, Spelling};
use super::json::{Fields, Json, show, show_text};
use super::names::one_of;
use crate::model::Percent;
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
    spelling: Spelling,
}

impl<'a> Block<'a> {
    /// Opens the object `value` for `read`, then checks that `read` knows all of its fields.
    pub(super) fn read<T>(
        path: Path,
        value: &'a Json,
        inherited: Option<&'a Fields>,
        read: impl FnOnce(&mut Self) -> Result<T>,
    ) -> Result<T> {
        let field = Field::new(path, value, Spelling::Plain);
        Self::over(field.path().clone(), field.fields()?, inherited, Spelling::Plain, read)
    }

    /// The object in the field `name`; an empty one if there is none.
    pub(super) fn block<T>(&mut self, name: &'static str, read: impl FnOnce(&mut Self) -> Result<T>) -> Result<T> {
        self.known.push(name);
        let inherited = self
            .inherited
            .map(|_| self.inherited(name).and_then(|field| field.fields().ok()))
            .map(Option::unwrap_or_default);
        let (path, own) = match self.own(name) {
            Some(field) => (field.path().clone(), field.fields()?),
            None => (self.path.field(name), [].as_slice()),
        };
        Self::over(path, own, inherited, self.spelling, read)
    }

    /// The fields `own` as a block at `path`, in the way of [`Block::read`].
    pub(super) fn over<T>(
        path: Path,
        own: &'a Fields,
        inherited: Option<&'a Fields>,
        spelling: Spelling,
        read: impl FnOnce(&mut Self) -> Result<T>,
    ) -> Result<T> {
        let known = Vec::new();
        let mut block = Self {
            path,
            own,
            inherited,
            known,
            spelling,
        };
        let outcome = read(&mut block)?;
        block.end()?;
        Ok(outcome)
    }

    /// Lets what is in here also be written as messages of protobuf are.
    pub(super) const fn accept_protobuf(&mut self) {
        self.spelling = Spelling::Protobuf;
    }

    /// Where this block stands.
    pub(super) const fn path(&self) -> &Path {
        &self.path
    }

    /// The fields of this very block.
    pub(super) const fn fields(&self) -> &'a Fields {
        self.own
    }

    /// The field `name`, if it is in this very block.
    pub(super) fn own(&self, name: &str) -> Option<Field<'a>> {
        self.find(self.own, name)
    }

    fn inherited(&self, name: &str) -> Option<Field<'a>> {
        self.find(self.inherited.unwrap_or_default(), name)
    }

    fn find(&self, fields: &'a Fields, name: &str) -> Option<Field<'a>> {
        let (written, value) = fields.iter().find(|(written, _)| self.spelling.is(name, written))?;
        Some(Field::new(self.path.field(written), value, self.spelling))
    }

    /// Whether the field `name` is here or where this block falls back.
    pub(super) fn has(&self, name: &str) -> bool {
        self.own(name).or_else(|| self.inherited(name)).is_some()
    }

    /// Whether the object in the field `block` has the field `name`, here or where this block falls back.
    pub(super) fn has_in(&self, block: &str, name: &str) -> bool {
        // There names may be written as protobuf does.
        let has = |found: Option<Field<'_>>| {
            let fields = found.and_then(|field| field.fields().ok());
            fields.is_some_and(|fields| fields.iter().any(|(written, _)| Spelling::Protobuf.is(name, written)))
        };
        has(self.own(block)) || has(self.inherited(block))
    }

    /// The field `name`, here or where this block falls back.
    pub(super) fn take(&mut self, name: &'static str) -> Option<Field<'a>> {
        self.known.push(name);
        self.own(name).or_else(|| self.inherited(name))
    }

    /// The field `name`, which has to be in this very block. To be asked for after all others: it may only be
    /// misspelt, and then the error is that of a name that nobody knows.
    pub(super) fn require(&mut self, name: &'static str, expected: &str) -> Result<Field<'a>> {
        self.known.push(name);
        self.end()?;
        match self.own(name) {
            Some(field) if !field.is_null() => Ok(field),
            Some(field) => Err(field.path().error("null", expected)),
            None => Err(self.missing(name, expected)),
        }
    }

    /// The error of a field that should be here.
    pub(super) fn missing(&self, name: &str, expected: &str) -> BoxedError {
        self.path.field(name).error("nothing", expected)
    }

    /// The field `name` of this very block, if it is there: one that is of no use, and that nobody is told to write.
    pub(super) fn take_useless(&mut self, name: &'static str) -> Option<Field<'a>> {
        let field = self.own(name)?;
        self.known.push(name);
        Some(field)
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

    /// The error of two fields that contradict each other. It blames the first that stands in this very block: what
    /// this block only inherits does not contradict itself.
    pub(super) fn contradiction(&self, blame: [(&str, String); 2]) -> BoxedError {
        for (name, expected) in &blame {
            if let Some(field) = self.own(name) {
                return field.refuse(expected);
            }
        }
        let [(name, expected), _] = blame;
        self.missing(name, &expected)
    }

    pub(super) fn boolean(&mut self, name: &'static str) -> Result<Option<bool>> {
        self.take(name).map(|field| field.boolean()).transpose()
    }

    pub(super) fn percent(&mut self, name: &'static str) -> Result<Option<Percent>> {
        self.percent_in(name, 0..=100)
    }

    pub(super) fn percent_in(&mut self, name: &'static str, range: RangeInclusive<u32>) -> Result<Option<Percent>> {
        let number = self.integer(name, range)?;
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
    pub(super) fn end(&self) -> Result<()> {
        // Once a name repeats, this ends: so the inner loop runs over no more fields than there are known names.
        for (i, (written, value)) in self.own.iter().enumerate() {
            let Some(name) = self.known.iter().find(|name| self.spelling.is(name, written)) else {
                let expected = one_of(self.known.iter().copied(), written);
                return Err(self
                    .path
                    .field(written)
                    .error(format!("unknown field {}", show_text(written)), expected));
            };
            if self.find(self.own.get(..i).unwrap_or_default(), name).is_some() {
                return Err(self
                    .path
                    .field(written)
                    .error(format!("a second value, {}", show(value)), "each field at most once"));
            }
        }
        Ok(())
    }
}
