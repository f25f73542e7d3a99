//! The plugin in one VM: its worker, and the streams that wait.
//!
//! A stream's callbacks come to the stream. But a moment that it waits for is a tick of the plugin, and the answer to what it
//! sends then comes to the plugin too. So a stream that waits is kept here, where both find it; all others stay where
//! they are, which costs them nothing.

use super::Stream;
use crate::host::{CalloutToken, Host, StreamId};
use crate::metrics::ErrorCause;
use crate::model::Map;
use crate::worker::Worker;

/// The plugin.
#[derive(Debug)]
pub struct Plugin<H> {
    /// The worker.
    pub worker: Worker<H>,
    waiting: Map<StreamId, Stream>,
    /// Whose callouts are out whose answers come to the plugin: they were sent within one of its callbacks.
    sent: Map<u32, StreamId>,
}

/// Where a stream is.
#[derive(Debug)]
#[expect(
    clippy::large_enum_variant,
    reason = "nearly all streams are here, where a box would cost each an allocation"
)]
pub enum Slot {
    /// Here.
    Here(Stream),
    /// With the plugin: it waits.
    Waiting(StreamId),
}

impl<H: Host> Plugin<H> {
    /// A plugin with this worker.
    pub fn new(worker: Worker<H>) -> Self {
        Self {
            worker,
            waiting: Map::default(),
            sent: Map::default(),
        }
    }

    /// Runs a step of a stream.
    pub fn step<T>(&mut self, slot: &mut Slot, step: impl FnOnce(&mut Stream, &mut Worker<H>) -> T) -> T {
        let waited = match slot {
            Slot::Here(stream) => {
                let outcome = step(stream, &mut self.worker);
                self.keep_if_it_waits(slot);
                return outcome;
            }
            Slot::Waiting(id) => self.waiting.remove(id).unwrap_or_else(|| Stream::new(*id)),
        };
        *slot = Slot::Here(waited);
        self.step(slot, step)
    }

    #[inline]
    fn keep_if_it_waits(&mut self, slot: &mut Slot) {
        if let Slot::Here(stream) = slot
            && stream.waits()
        {
            let id = stream.id;
            if let Slot::Here(stream) = std::mem::replace(slot, Slot::Waiting(id)) {
                self.waiting.insert(id, stream);
            }
        }
    }

    /// The timer has gone off: does the upkeep if it is due, and wakes the streams whose moment has come.
    pub fn on_tick(&mut self) {
        let now = self.worker.on_tick();
        while let Some((id, moment)) = self.worker.due(now) {
            self.wake(id, |stream, worker| stream.on_moment(worker, moment, now));
        }
        self.worker.rearm(now);
    }

    /// The answer of a callout has come that no stream's callback sent.
    pub fn on_callout_response(&mut self, token: CalloutToken, num_headers: usize, body_size: usize) {
        match self.sent.remove(&token.0) {
            Some(id) => {
                self.worker.in_flight.answered(token.0);
                self.wake(id, |stream, worker| {
                    stream.on_callout_response(worker, token, num_headers, body_size);
                });
            }
            None => self.worker.on_callout_response(token, num_headers, body_size),
        }
    }

    /// Runs a step of a stream that waits, if it still does.
    fn wake(&mut self, id: StreamId, step: impl FnOnce(&mut Stream, &mut Worker<H>)) {
        let Some(mut stream) = self.waiting.remove(&id) else {
            return;
        };
        match self.worker.host.act_on(id) {
            Ok(()) => {
                stream.in_plugin = true;
                step(&mut stream, &mut self.worker);
                stream.in_plugin = false;
                for token in stream.tokens_of_plugin() {
                    self.sent.insert(token.0, id);
                }
            }
            // Gone it is not, for then it would have said so and not be here. What was to happen is made up for.
            Err(error) => {
                let why = format_args!("a stream that waits can't be acted on: {error}");
                self.worker.error(ErrorCause::Timer, why);
                stream.on_missed(&mut self.worker);
            }
        }
        // Its own callbacks look for it here.
        self.waiting.insert(id, stream);
    }
}
