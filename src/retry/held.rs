//! The bound on the bodies that one VM holds.

use std::cell::Cell;
use std::rc::Rc;

/// The bytes of body that one VM holds for retries, of requests and of answers, and their bound.
///
/// The one piece of state here that its holders share: whoever drops a [`Held`] gives its bytes back.
#[derive(Clone, Debug)]
pub struct HeldBytes {
    used: Rc<Cell<usize>>,
    limit: usize,
}

impl HeldBytes {
    /// A bound of `limit` bytes.
    pub fn up_to(limit: usize) -> Self {
        Self {
            used: Rc::default(),
            limit,
        }
    }

    /// How many bytes are held now.
    pub fn used(&self) -> usize {
        self.used.get()
    }

    /// A share of no bytes, that can grow.
    pub fn nothing(&self) -> Held {
        Held {
            budget: self.clone(),
            bytes: 0,
        }
    }
}

/// A part of the held bytes, given back when dropped.
#[derive(Debug)]
pub struct Held {
    budget: HeldBytes,
    bytes: usize,
}

impl Held {
    /// How many bytes this part is.
    pub const fn bytes(&self) -> usize {
        self.bytes
    }

    /// Takes `more` bytes, if the bound allows it.
    pub fn grow(&mut self, more: usize) -> bool {
        let used = self.budget.used.get().saturating_add(more);
        if used > self.budget.limit {
            return false;
        }
        self.budget.used.set(used);
        self.bytes = self.bytes.saturating_add(more);
        true
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        let used = self.budget.used.get().saturating_sub(self.bytes);
        self.budget.used.set(used);
    }
}
