//! A channel for one value at a time between two threads of which only one runs.
//!
//! The standard library's channel wakes its receiver while it holds a lock that the receiver then wants: on one
//! processor that is two switches more for each value, and handing over is most of what a simulation does.

use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

struct State<T> {
    value: Option<T>,
    closed: bool,
}

struct Shared<T> {
    state: Mutex<State<T>>,
    changed: Condvar,
}

impl<T> Shared<T> {
    fn state(&self) -> MutexGuard<'_, State<T>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn close(&self) {
        self.state().closed = true;
        self.changed.notify_all();
    }
}

/// The other end is gone, or says nothing.
#[derive(Debug)]
pub(crate) struct Silence;

/// The end that gives.
pub(crate) struct Giver<T>(Arc<Shared<T>>);

/// The end that takes.
pub(crate) struct Taker<T>(Arc<Shared<T>>);

/// Both ends.
pub(crate) fn pair<T>() -> (Giver<T>, Taker<T>) {
    let shared = Arc::new(Shared {
        state: Mutex::new(State {
            value: None,
            closed: false,
        }),
        changed: Condvar::new(),
    });
    (Giver(shared.clone()), Taker(shared))
}

impl<T> Giver<T> {
    /// Gives a value. The one before has been taken.
    pub(crate) fn give(&self, value: T) -> Result<(), Silence> {
        let mut state = self.0.state();
        if state.closed {
            return Err(Silence);
        }
        state.value = Some(value);
        drop(state);
        self.0.changed.notify_one();
        Ok(())
    }
}

impl<T> Taker<T> {
    /// Waits for a value.
    pub(crate) fn take(&self) -> Result<T, Silence> {
        let mut state = self.0.state();
        loop {
            if let Some(value) = state.value.take() {
                return Ok(value);
            }
            if state.closed {
                return Err(Silence);
            }
            state = self.0.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
    }

    /// Waits for a value, so long and no longer.
    pub(crate) fn take_within(&self, time: Duration) -> Result<T, Silence> {
        let nothing = |state: &mut State<T>| state.value.is_none() && !state.closed;
        let waited = self.0.changed.wait_timeout_while(self.0.state(), time, nothing);
        let (mut state, _) = waited.unwrap_or_else(PoisonError::into_inner);
        state.value.take().ok_or(Silence)
    }
}

impl<T> Drop for Giver<T> {
    fn drop(&mut self) {
        self.0.close();
    }
}

impl<T> Drop for Taker<T> {
    fn drop(&mut self) {
        self.0.close();
    }
}
