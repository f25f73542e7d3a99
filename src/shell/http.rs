//! One stream's callbacks.

use super::envoy::Envoy;
use super::root::SharedPlugin;
use crate::host::{CalloutToken, StreamId};
use crate::stream::{Flow, Slot, Stream};
use crate::worker::Worker;
use proxy_wasm::traits::{Context, HttpContext};
use proxy_wasm::types::Action;

/// One stream's context.
pub(super) struct Http {
    plugin: SharedPlugin,
    slot: Slot,
}

impl Http {
    pub(super) fn new(plugin: SharedPlugin, id: StreamId) -> Self {
        Self {
            plugin,
            slot: Slot::Here(Stream::new(id)),
        }
    }

    /// Runs a step of the stream. Without a plugin (not configured, or within another callback, neither of which
    /// Envoy does) the stream goes on untouched.
    fn step(&mut self, step: impl FnOnce(&mut Stream, &mut Worker<Envoy>) -> Flow) -> Action {
        let Ok(mut plugin) = self.plugin.try_borrow_mut() else {
            log::error!("a callback came within another one");
            return Action::Continue;
        };
        match plugin.as_mut().map(|plugin| plugin.step(&mut self.slot, step)) {
            None | Some(Flow::Continue) => Action::Continue,
            Some(Flow::Pause) => Action::Pause,
        }
    }
}

impl Context for Http {
    fn on_http_call_response(&mut self, token_id: u32, num_headers: usize, body_size: usize, _num_trailers: usize) {
        let _ = self.step(|stream, worker| {
            stream.on_callout_response(worker, CalloutToken(token_id), num_headers, body_size);
            Flow::Continue
        });
    }
}

/// The request is over. The SDK drops the context in `proxy_on_delete`, which follows `proxy_on_done` at once for a
/// stream: so the module needs but one of the two, and Envoy enters it once less for each request (`build.sh` takes the
/// other one out).
impl Drop for Http {
    fn drop(&mut self) {
        let _ = self.step(|stream, worker| {
            stream.on_done(worker);
            Flow::Continue
        });
    }
}

impl HttpContext for Http {
    fn on_http_request_headers(&mut self, _num_headers: usize, end_of_stream: bool) -> Action {
        #[cfg(feature = "test-trap")]
        super::trap::spring();
        self.step(|stream, worker| {
            #[cfg(feature = "test-trap")]
            super::trap::control(worker);
            stream.on_request_headers(worker, end_of_stream)
        })
    }

    fn on_http_request_body(&mut self, body_size: usize, end_of_stream: bool) -> Action {
        self.step(|stream, worker| stream.on_request_body(worker, body_size, end_of_stream))
    }

    fn on_http_request_trailers(&mut self, _num_trailers: usize) -> Action {
        self.step(|stream, worker| stream.on_request_trailers(worker))
    }

    fn on_http_response_headers(&mut self, _num_headers: usize, end_of_stream: bool) -> Action {
        self.step(|stream, worker| stream.on_response_headers(worker, end_of_stream))
    }

    fn on_http_response_body(&mut self, body_size: usize, end_of_stream: bool) -> Action {
        self.step(|stream, worker| stream.on_response_body(worker, body_size, end_of_stream))
    }

    fn on_http_response_trailers(&mut self, _num_trailers: usize) -> Action {
        self.step(|stream, worker| stream.on_response_trailers(worker))
    }

    fn on_log(&mut self) {
        let _ = self.step(|stream, worker| {
            stream.on_log(worker);
            Flow::Continue
        });
    }
}
