//! The plugin in one VM: configuration and tick.

use super::envoy::Envoy;
use super::http::Http;
use super::status::{SharedDesk, Status};
use crate::config::{Config, Role};
use crate::host::{CalloutToken, GrpcToken, Host, StreamId};
use crate::model::fingerprint;
use crate::status::Desk;
use crate::stream::Plugin;
use crate::worker::Worker;
use proxy_wasm::traits::{Context, HttpContext, RootContext};
use proxy_wasm::types::ContextType;
use std::cell::RefCell;
use std::rc::Rc;

/// The plugin, shared by its root context and its streams. Callbacks come one at a time.
pub(super) type SharedPlugin = Rc<RefCell<Option<Plugin<Envoy>>>>;

/// The plugin's root context.
pub(super) struct Root {
    plugin: SharedPlugin,
    /// Instead, if this is the status interface.
    desk: Option<SharedDesk>,
}

impl Root {
    pub(super) fn new() -> Self {
        Self {
            plugin: SharedPlugin::default(),
            desk: None,
        }
    }

    fn with_plugin(&self, act: impl FnOnce(&mut Plugin<Envoy>)) {
        if let Ok(mut plugin) = self.plugin.try_borrow_mut()
            && let Some(plugin) = plugin.as_mut()
        {
            act(plugin);
        }
    }

    /// Reads the configuration and starts the worker. An error is logged in one line, and Envoy refuses the plugin.
    fn configure(&mut self) -> Result<(), String> {
        let bytes = Envoy
            .configuration()
            .map_err(|error| format!("configuration not readable: {error}"))?;
        let role = Role::from_json(&bytes).map_err(|error| format!("configuration refused: {error}"))?;
        let mut plugin = self.plugin.try_borrow_mut().map_err(|error| error.to_string())?;
        match role {
            Role::Filter(config) => {
                let mut worker = Worker::start(Envoy, *config, fingerprint(&bytes));
                worker.leave_configuration(&bytes);
                *plugin = Some(Plugin::new(worker));
                self.desk = None;
            }
            Role::Status(policy) => {
                let worker = Worker::start(Envoy, Config::default(), fingerprint(&bytes));
                self.desk = Some(Rc::new(RefCell::new(Desk::new(worker, policy))));
                *plugin = None;
            }
        }
        Ok(())
    }
}

impl Context for Root {
    fn on_http_call_response(&mut self, token_id: u32, num_headers: usize, body_size: usize, _num_trailers: usize) {
        self.with_plugin(|plugin| plugin.on_callout_response(CalloutToken(token_id), num_headers, body_size));
    }

    fn on_grpc_call_response(&mut self, token_id: u32, status_code: u32, response_size: usize) {
        self.with_plugin(|plugin| {
            let answer = (status_code == 0).then_some(response_size).ok_or(status_code);
            plugin.worker.on_grpc(GrpcToken(token_id), answer);
        });
    }

    fn on_grpc_stream_message(&mut self, token_id: u32, message_size: usize) {
        self.with_plugin(|plugin| plugin.worker.on_grpc(GrpcToken(token_id), Ok(message_size)));
    }

    fn on_grpc_stream_close(&mut self, token_id: u32, status_code: u32) {
        self.with_plugin(|plugin| plugin.worker.on_grpc(GrpcToken(token_id), Err(status_code)));
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
        self.with_plugin(Plugin::on_tick);
        if let Some(desk) = &self.desk
            && let Ok(mut desk) = desk.try_borrow_mut()
        {
            desk.on_tick();
        }
    }

    fn create_http_context(&self, context_id: u32) -> Option<Box<dyn HttpContext>> {
        Some(match &self.desk {
            Some(desk) => Box::new(Status::new(Rc::clone(desk), StreamId(context_id))),
            None => Box::new(Http::new(Rc::clone(&self.plugin), StreamId(context_id))),
        })
    }

    fn get_type(&self) -> Option<ContextType> {
        Some(ContextType::HttpContext)
    }
}
