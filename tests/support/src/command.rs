//! What the commands that measure and show have in common: their arguments, and how they are cut short.

use std::io;
use tokio::signal::unix::{SignalKind, signal};

/// What is wrong with an argument.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ArgumentError {
    /// No such argument.
    #[error("unknown argument {0}")]
    Unknown(String),
    /// Nothing follows it.
    #[error("{0} needs a value")]
    NoValue(String),
    /// Something else follows it.
    #[error("{argument}: found {found}; expected {expected}")]
    Value {
        /// Which.
        argument: String,
        /// What was said.
        found: String,
        /// What would be right.
        expected: String,
    },
}

/// A command's arguments, one after the other.
#[derive(Debug)]
pub struct ArgumentReader<I> {
    rest: I,
    /// The last one that was no other's value.
    current: String,
}

impl<I: Iterator<Item = String>> ArgumentReader<I> {
    /// Of these arguments, the program's name not among them.
    pub fn new(arguments: impl IntoIterator<IntoIter = I>) -> Self {
        Self {
            rest: arguments.into_iter(),
            current: String::new(),
        }
    }

    /// The next argument; the values that follow it are taken by [`Self::value`].
    pub fn argument(&mut self) -> Option<&str> {
        self.current = self.rest.next()?;
        Some(&self.current)
    }

    /// The value that follows the argument.
    ///
    /// # Errors
    /// There is none.
    pub fn value(&mut self) -> Result<String, ArgumentError> {
        self.rest
            .next()
            .ok_or_else(|| ArgumentError::NoValue(self.current.clone()))
    }

    /// The value that follows the argument, if `read` finds it right. `expected` says what would be.
    ///
    /// # Errors
    /// There is none, or it is not right.
    pub fn value_of<T>(
        &mut self,
        read: impl FnOnce(&str) -> Option<T>,
        expected: impl Into<String>,
    ) -> Result<T, ArgumentError> {
        let found = self.value()?;
        read(&found).ok_or_else(|| ArgumentError::Value {
            argument: self.current.clone(),
            found,
            expected: expected.into(),
        })
    }

    /// The argument is not known.
    pub fn unknown(&self) -> ArgumentError {
        ArgumentError::Unknown(self.current.clone())
    }
}

/// Those of `all` that a list with commas names, in the order of `all`; `None` if it names anything else. `of` knows them by
/// name.
pub fn chosen<T: Copy + PartialEq>(all: &[T], list: &str, of: impl Fn(&str) -> Option<T>) -> Option<Vec<T>> {
    let asked: Vec<_> = list.split(',').map(of).collect::<Option<_>>()?;
    Some(all.iter().copied().filter(|one| asked.contains(one)).collect())
}

/// Comes true when somebody wants the program to end.
///
/// # Errors
/// The signals can't be heard.
pub fn interrupted() -> io::Result<impl Future<Output = ()>> {
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut terminate = signal(SignalKind::terminate())?;
    let mut hang_up = signal(SignalKind::hangup())?;
    Ok(async move {
        tokio::select! {
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {}
            _ = hang_up.recv() => {}
        }
    })
}
