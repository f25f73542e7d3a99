//! A small filter that acts on its last stream from the root context. The configuration is a list of words.
//!
//! | word | what it does |
//! |---|---|
//! | `hold` | stops each request at its headers |
//! | `gather` | stops each request until its body is whole |
//! | `answer` | answers at the first tick |
//! | `call` | sends a callout to `b:1` at the first tick, whose answer it passes on |
//! | `resume` | lets the request go on at the first tick |

// The SDK's wrappers panic on errors, which is fine here: a panic fails the test.
#![allow(clippy::disallowed_methods)]

use proxy_wasm::hostcalls;
use proxy_wasm::traits::{Context, HttpContext, RootContext};
use proxy_wasm::types::{Action, ContextType, LogLevel};
use std::cell::Cell;
use std::rc::Rc;
use std::time::Duration;

/// Registers the filter, as a module's entry does.
pub(crate) fn entry() {
    proxy_wasm::set_log_level(LogLevel::Info);
    proxy_wasm::set_root_context(|_| {
        Box::new(Root {
            words: String::new(),
            last: Rc::new(Cell::new(0)),
            ticked: false,
        })
    });
}

struct Root {
    words: String,
    last: Rc<Cell<u32>>,
    ticked: bool,
}

fn answer(body: &[u8]) {
    hostcalls::send_http_response(200, vec![("x-by", "root")], Some(body)).unwrap();
}

impl Root {
    fn says(&self, word: &str) -> bool {
        self.words.split(' ').any(|it| it == word)
    }
}

impl Context for Root {
    fn on_http_call_response(&mut self, _token: u32, _headers: usize, size: usize, _trailers: usize) {
        let body = self.get_http_call_response_body(0, size).unwrap_or_default();
        let found = hostcalls::set_effective_context(self.last.get());
        log::info!("back: {found:?}");
        if found.is_ok() {
            answer(&body);
        }
    }
}

impl RootContext for Root {
    fn on_configure(&mut self, _size: usize) -> bool {
        self.words = String::from_utf8(self.get_plugin_configuration().unwrap_or_default()).unwrap();
        self.set_tick_period(Duration::from_millis(100));
        true
    }

    fn on_tick(&mut self) {
        if self.last.get() == 0 || std::mem::replace(&mut self.ticked, true) {
            return;
        }
        if self.says("call") {
            let headers = vec![
                (":method", "GET"),
                (":path", "/"),
                (":authority", "x"),
                ("x-sidestep-host", "b:1"),
            ];
            let timeout = Duration::from_secs(5);
            self.dispatch_http_call("backend", headers, None, vec![], timeout)
                .unwrap();
            return;
        }
        hostcalls::set_effective_context(self.last.get()).unwrap();
        if self.says("answer") {
            answer(b"from the tick");
        } else {
            hostcalls::resume_http_request().unwrap();
        }
    }

    fn create_http_context(&self, context: u32) -> Option<Box<dyn HttpContext>> {
        self.last.set(context);
        Some(Box::new(Stream {
            holds: self.says("hold"),
            gathers: self.says("gather"),
        }))
    }

    fn get_type(&self) -> Option<ContextType> {
        Some(ContextType::HttpContext)
    }
}

struct Stream {
    holds: bool,
    gathers: bool,
}

fn stops(it: bool) -> Action {
    if it { Action::Pause } else { Action::Continue }
}

impl Context for Stream {}

impl HttpContext for Stream {
    fn on_http_request_headers(&mut self, _count: usize, end: bool) -> Action {
        log::info!("headers, end {end}");
        stops(self.holds)
    }

    fn on_http_request_body(&mut self, size: usize, end: bool) -> Action {
        let body = self.get_http_request_body(0, usize::MAX).unwrap_or_default();
        log::info!("body {size} {:?}, end {end}", String::from_utf8(body).unwrap());
        stops(self.gathers && !end)
    }

    fn on_http_response_headers(&mut self, _count: usize, _end: bool) -> Action {
        let address = self.get_property(vec!["upstream", "address"]);
        let address = address.map(|bytes| String::from_utf8(bytes).unwrap());
        let status = self.get_http_response_header(":status").unwrap();
        log::info!("response {status} {address:?}");
        Action::Continue
    }

    fn on_http_response_body(&mut self, size: usize, end: bool) -> Action {
        log::info!("response body {size}, end {end}");
        Action::Continue
    }

    fn on_log(&mut self) {
        log::info!("log, path {:?}", self.get_http_request_header(":path"));
    }
}
