//! Waiting on conditions, always with a bound.

use std::fmt;
use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};
use tokio::sync::watch;

/// Long enough for a busy machine: a test that reaches it has failed.
const BOUND: Duration = Duration::from_secs(30);

/// Between two looks at a condition.
const PAUSE: Duration = Duration::from_millis(10);

/// A condition that did not come about in time.
#[derive(Clone, Debug, thiserror::Error)]
#[error("waited {BOUND:?} in vain for {0}")]
pub struct TimedOut(String);

impl TimedOut {
    /// The same, with what was seen instead.
    pub(crate) fn with(self, seen: Option<u64>) -> Self {
        match seen {
            Some(value) => Self(format!("{} (last value: {value})", self.0)),
            None => self,
        }
    }
}

/// Looks at a condition again and again until it gives a value, at most for half a minute.
///
/// # Errors
/// The bound was reached; the error says what was waited for.
pub async fn wait_for<T, F>(what: impl fmt::Display, mut look: impl FnMut() -> F) -> Result<T, TimedOut>
where
    F: Future<Output = Option<T>>,
{
    let end = Instant::now() + BOUND;
    loop {
        if let Some(value) = look().await {
            return Ok(value);
        }
        if Instant::now() > end {
            return Err(TimedOut(what.to_string()));
        }
        tokio::time::sleep(PAUSE).await;
    }
}

/// Holds whoever comes to it until it is opened: a slow upstream whose slowness the test decides.
///
/// Clones are the same gate.
#[derive(Clone, Debug)]
pub struct Gate(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    open: watch::Sender<bool>,
    arrived: AtomicUsize,
    held: AtomicUsize,
}

impl Gate {
    /// A closed gate.
    #[must_use]
    #[expect(
        clippy::new_without_default,
        reason = "a gate is closed or open: `default` does not say which"
    )]
    pub fn new() -> Self {
        Self(Arc::new(Shared {
            open: watch::Sender::new(false),
            arrived: AtomicUsize::new(0),
            held: AtomicUsize::new(0),
        }))
    }

    /// Lets everybody through, those who come later as well.
    pub fn open(&self) {
        self.0.open.send_replace(true);
    }

    /// How many have come so far.
    #[must_use]
    pub fn arrived(&self) -> usize {
        self.0.arrived.load(Ordering::SeqCst)
    }

    /// How many are held now: less than [`arrived`](Self::arrived) also when one of them has gone away.
    #[must_use]
    pub fn held(&self) -> usize {
        self.0.held.load(Ordering::SeqCst)
    }

    /// Waits until so many have come.
    ///
    /// # Errors
    /// They did not come in time.
    pub async fn until_arrived(&self, count: usize) -> Result<(), TimedOut> {
        wait_for(format!("{count} at the gate"), || async {
            (self.arrived() >= count).then_some(())
        })
        .await
    }

    /// Waits until nobody is held any more.
    ///
    /// # Errors
    /// Somebody still was when time was up.
    pub async fn until_empty(&self) -> Result<(), TimedOut> {
        wait_for("an empty gate", || async { (self.held() == 0).then_some(()) }).await
    }

    /// Comes to the gate, and stays until it is open.
    pub(crate) async fn pass(&self) {
        struct Held<'a>(&'a AtomicUsize);
        impl Drop for Held<'_> {
            fn drop(&mut self) {
                self.0.fetch_sub(1, Ordering::SeqCst);
            }
        }
        self.0.held.fetch_add(1, Ordering::SeqCst);
        let _held = Held(&self.0.held);
        self.0.arrived.fetch_add(1, Ordering::SeqCst);
        // The sender lives as long as this gate: waiting can't fail.
        let _ = self.0.open.subscribe().wait_for(|open| *open).await;
    }
}
