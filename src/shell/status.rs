//! One request at the status interface.

use super::envoy::Envoy;
use crate::host::StreamId;
use crate::status::{Desk, Visit};
use proxy_wasm::traits::{Context, HttpContext};
use proxy_wasm::types::Action;
use std::cell::RefCell;
use std::rc::Rc;

/// The desk, shared by its root context and the requests.
pub(super) type SharedDesk = Rc<RefCell<Desk<Envoy>>>;

/// One request's context.
pub(super) struct Status {
    desk: SharedDesk,
    visit: Visit,
}

impl Status {
    pub(super) const fn new(desk: SharedDesk, id: StreamId) -> Self {
        Self {
            desk,
            visit: Visit::new(id),
        }
    }

    /// Runs a step. The request never goes on: it is answered here.
    fn step(&mut self, step: impl FnOnce(&mut Desk<Envoy>, &mut Visit)) -> Action {
        match self.desk.try_borrow_mut() {
            Ok(mut desk) => step(&mut desk, &mut self.visit),
            Err(error) => log::error!("a callback came within another one: {error}"),
        }
        Action::Pause
    }
}

impl Context for Status {}

/// The request is over: see [`super::http`].
impl Drop for Status {
    fn drop(&mut self) {
        let _ = self.step(|desk, visit| desk.on_done(visit));
    }
}

impl HttpContext for Status {
    fn on_http_request_headers(&mut self, _num_headers: usize, end_of_stream: bool) -> Action {
        self.step(|desk, visit| desk.on_request_headers(visit, end_of_stream))
    }

    fn on_http_request_body(&mut self, body_size: usize, end_of_stream: bool) -> Action {
        self.step(|desk, visit| desk.on_request_body(visit, body_size, end_of_stream))
    }

    fn on_http_request_trailers(&mut self, _num_trailers: usize) -> Action {
        self.step(Desk::on_request_end)
    }
}
