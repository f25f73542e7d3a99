//! The plugin in one VM: configuration and tick.

use super::envoy::Envoy;
use super::http::Http;
use crate::config::Config;
use crate::host::{CalloutToken, Host};
use crate::worker::Worker;
use proxy_wasm::traits::{Context, HttpContext, RootContext};
use proxy_wasm::types::ContextType;
use std::cell::RefCell;
use std::rc::Rc;

/// The worker, shared by the plugin and its streams. Callbacks come one at a time.
pub(super) type SharedWorker = Rc<RefCell<Option<Worker<Envoy>>>>;

/// The plugin's root context.
pub(super) struct Root {
    worker: SharedWorker,
}

impl Root {
    pub(super) fn new() -> Self {
        Self {
            worker: SharedWorker::default(),
        }
    }

    fn with_worker(&self, act: impl FnOnce(&mut Worker<Envoy>)) {
        if let Ok(mut worker) = self.worker.try_borrow_mut()
            && let Some(worker) = worker.as_mut()
        {
            act(worker);
        }
    }

    /// Reads the configuration and starts the worker. An error is logged in one line, and Envoy refuses the plugin.
    fn configure(&self) -> Result<(), String> {
        let bytes = Envoy
            .configuration()
            .map_err(|error| format!("configuration not readable: {error}"))?;
        let config = Config::from_json(&bytes).map_err(|error| format!("configuration refused: {error}"))?;
        let mut worker = self.worker.try_borrow_mut().map_err(|error| error.to_string())?;
        *worker = Some(Worker::start(Envoy, config, fingerprint(&bytes)));
        Ok(())
    }
}

impl Context for Root {
    fn on_http_call_response(&mut self, token_id: u32, num_headers: usize, body_size: usize, _num_trailers: usize) {
        self.with_worker(|worker| worker.on_callout_response(CalloutToken(token_id), num_headers, body_size));
    }
}

impl RootContext for Root {
    fn on_configure(&mut self, _plugin_configuration_size: usize) -> bool {
        match self.configure() {
            Ok(()) => true,
            Err(error) => {
                log::error!("{error}");
                false
            }
        }
    }

    fn on_tick(&mut self) {
        self.with_worker(Worker::on_tick);
    }

    fn create_http_context(&self, _context_id: u32) -> Option<Box<dyn HttpContext>> {
        Some(Box::new(Http::new(Rc::clone(&self.worker))))
    }

    fn get_type(&self) -> Option<ContextType> {
        Some(ContextType::HttpContext)
    }
}

/// A number that any other bytes hardly make, too (FNV-1a).
fn fingerprint(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
        (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3)
    })
}
