//! The shell: what Envoy loads. The only code that names proxy-wasm and the only `unsafe` code. It carries callbacks
//! in and host calls out, and decides nothing.
//!
//! The SDK dispatches the callbacks. Its host calls are not used, because they panic on a status that they don't
//! expect, and a panic takes the whole VM down: [`abi`] binds the same functions and returns errors. One call has
//! to go through the SDK, which keeps the list of callouts: see [`envoy`].

mod abi;
mod envoy;
mod http;
mod logger;
mod root;
mod status;
#[cfg(feature = "test-trap")]
mod trap;

use proxy_wasm::traits::RootContext;

proxy_wasm::main! {{
    logger::install();
    proxy_wasm::set_root_context(|_| -> Box<dyn RootContext> {
        Box::new(root::Root::new())
    });
}}
