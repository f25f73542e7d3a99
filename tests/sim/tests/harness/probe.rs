//! A small filter that shows what the simulator does. The configuration says which part it plays.

// The SDK's wrappers panic on errors, which is fine here: a panic fails the test.
#![allow(clippy::disallowed_methods)]

use proxy_wasm::hostcalls;
use proxy_wasm::traits::{Context, HttpContext, RootContext};
use proxy_wasm::types::{Action, ContextType, LogLevel, MetricType, Status};
use std::time::{Duration, SystemTime};

unsafe extern "C" {
    fn proxy_get_header_map_pairs(kind: u32, data: *mut *mut u8, size: *mut usize) -> u32;
    fn proxy_get_shared_data(
        key: *const u8,
        key_size: usize,
        data: *mut *mut u8,
        size: *mut usize,
        cas: *mut u32,
    ) -> u32;
}

/// Registers the probe, as a module's entry does.
pub(crate) fn entry() {
    proxy_wasm::set_log_level(LogLevel::Info);
    proxy_wasm::set_root_context(|_| {
        Box::new(Root {
            part: String::new(),
            metrics: (0, 0),
        })
    });
}

struct Root {
    part: String,
    metrics: (u32, u32),
}

impl Root {
    /// The part's words after its name: a callout's cluster, path and pin.
    fn call_out(&self) {
        let words: Vec<&str> = self.part.split(' ').collect();
        let mut headers = vec![(":method", "GET"), (":path", words[2]), (":authority", "x")];
        headers.extend(words.get(3).map(|pin| ("x-sidestep-host", *pin)));
        let timeout = Duration::from_millis(500);
        self.dispatch_http_call(words[1], headers, None, vec![], timeout)
            .unwrap();
    }
}

impl Context for Root {
    fn on_http_call_response(&mut self, _token: u32, headers: usize, size: usize, trailers: usize) {
        let now = self.get_current_time();
        let status = (headers > 0).then(|| self.get_http_call_response_header(":status").unwrap());
        let time = (headers > 0).then(|| self.get_http_call_response_header("x-envoy-upstream-service-time"));
        let body = self.get_http_call_response_body(0, size).unwrap_or_default();
        let body = String::from_utf8(body).unwrap();
        log::info!("answer: {status:?} {:?} {size} {trailers}", time.flatten());
        log::info!("at {:?}: {body}", since_epoch(now));
    }
}

fn since_epoch(time: SystemTime) -> Duration {
    time.duration_since(SystemTime::UNIX_EPOCH).unwrap()
}

impl RootContext for Root {
    fn on_configure(&mut self, _size: usize) -> bool {
        let bytes = self.get_plugin_configuration().unwrap_or_default();
        self.part = String::from_utf8(bytes).unwrap();
        if self.part.starts_with("ticks") || self.part.starts_with("calls") {
            self.set_tick_period(Duration::from_millis(250));
        }
        if self.part == "gauge" {
            self.set_tick_period(Duration::from_secs(1));
            let define = |kind, name| hostcalls::define_metric(kind, name).unwrap();
            self.metrics = (define(MetricType::Gauge, "level"), define(MetricType::Counter, "ticks"));
        }
        log::info!("configured");
        self.part != "refuse"
    }

    fn on_tick(&mut self) {
        if self.part.starts_with("calls") {
            self.call_out();
            return;
        }
        if self.part == "gauge" {
            let (level, ticks) = self.metrics;
            log::info!("{:?} {:?}", hostcalls::get_metric(level), hostcalls::get_metric(ticks));
            hostcalls::increment_metric(ticks, 1).unwrap();
            hostcalls::record_metric(level, 7).unwrap();
            return;
        }
        if self.part == "ticks once" {
            self.set_tick_period(Duration::ZERO);
        }
        log::info!("tick at {:?}", since_epoch(self.get_current_time()));
    }

    fn create_http_context(&self, context: u32) -> Option<Box<dyn HttpContext>> {
        Some(Box::new(Stream {
            part: self.part.clone(),
            context,
            body: None,
        }))
    }

    fn get_type(&self) -> Option<ContextType> {
        Some(ContextType::HttpContext)
    }
}

struct Stream {
    part: String,
    context: u32,
    body: Option<Vec<u8>>,
}

fn map_status(kind: u32) -> u32 {
    let (mut data, mut size) = (std::ptr::null_mut(), 0);
    unsafe {
        let status = proxy_get_header_map_pairs(kind, &mut data, &mut size);
        if !data.is_null() {
            drop(Vec::from_raw_parts(data, size, size));
        }
        status
    }
}

impl Stream {
    fn say_maps(&self, phase: &str) {
        if self.part == "maps" {
            let statuses = [0, 2, 6].map(map_status);
            log::info!("{phase}: {statuses:?}");
        }
    }

    fn say_time(&self, phase: &str) {
        let time = self.get_property(vec!["request", "time"]);
        let time = time.map(|bytes| Duration::from_nanos(u64::from_le_bytes(bytes.try_into().unwrap())));
        log::info!("{phase}: {time:?} at {:?}", since_epoch(self.get_current_time()));
    }

    fn call_out(&self) {
        let headers = vec![
            (":method", "GET"),
            (":path", "/again"),
            (":authority", "x"),
            ("x-sidestep-host", "b:1"),
        ];
        let timeout = Duration::from_secs(5);
        self.dispatch_http_call("backend", headers, None, vec![], timeout)
            .unwrap();
    }

    fn text(&self, path: &str) -> Option<String> {
        let value = self.get_property(path.split('.').collect());
        value.map(|bytes| String::from_utf8(bytes).unwrap())
    }

    fn number(&self, path: &str) -> Option<u64> {
        let value = self.get_property(path.split('.').collect());
        value.map(|bytes| u64::from_le_bytes(bytes.try_into().unwrap()))
    }

    /// Has the route looked for anew, with the header that names the cluster of the part's second word.
    fn route_anew(&self) {
        let cluster = self.part.split(' ').nth(1).unwrap();
        self.set_http_request_header("x-sidestep-cluster", Some(cluster));
        for function in ["clear_route_cache", "something_else"] {
            log::info!("{:?}", hostcalls::call_foreign_function(function, None));
        }
        log::info!("to {:?}", self.text("xds.cluster_name"));
    }

    /// Adds one to a shared number, as often as it takes.
    fn count(&self) {
        loop {
            let (mut data, mut size, mut cas) = (std::ptr::null_mut(), 0, 0);
            let key = b"number";
            let status = unsafe { proxy_get_shared_data(key.as_ptr(), key.len(), &mut data, &mut size, &mut cas) };
            let before = match status {
                0 => {
                    let bytes = unsafe { Vec::from_raw_parts(data, size, size) };
                    u64::from_le_bytes(bytes.try_into().unwrap())
                }
                _ => 0,
            };
            let after = (before + 1).to_le_bytes();
            // A number that no write has makes "only if there is none": 0 would overwrite what came meanwhile.
            let cas = if status == 0 { cas } else { u32::MAX };
            match hostcalls::set_shared_data("number", Some(&after), Some(cas)) {
                Ok(()) => return,
                Err(Status::CasMismatch) => {}
                Err(other) => panic!("{other:?}"),
            }
        }
    }
}

impl Context for Stream {
    fn on_done(&mut self) -> bool {
        if self.part == "log" {
            log::info!("done");
        }
        true
    }

    fn on_http_call_response(&mut self, _token: u32, headers: usize, size: usize, _trailers: usize) {
        self.say_maps("callout");
        if headers == 0 {
            log::info!(
                "callout with no headers, body {:?}",
                self.get_http_call_response_body(0, size)
            );
            self.resume_http_response();
            return;
        }
        let status = self.get_http_call_response_header(":status").unwrap();
        let body = self.get_http_call_response_body(0, size).unwrap_or_default();
        if self.part == "local" {
            let status = status.parse().unwrap();
            self.send_http_response(status, vec![("x-by", "filter")], Some(&body));
            return;
        }
        self.set_http_response_header(":status", Some(&status));
        self.set_http_response_header("content-length", Some(&body.len().to_string()));
        self.body = Some(body);
        self.resume_http_response();
    }
}

impl HttpContext for Stream {
    fn on_http_request_headers(&mut self, _count: usize, _end: bool) -> Action {
        self.say_maps("request headers");
        match self.part.as_str() {
            "trap" if self.get_http_request_header("trap").is_some() => panic!("as asked"),
            "leak" => std::mem::forget(vec![0u8; 100]),
            "time" => self.say_time("request"),
            "state" => {
                self.set_property(vec!["early"], Some(b"1"));
                self.set_property(vec!["changed"], Some(b"2"));
                log::info!("state {:?} {:?}", self.text("early"), self.text("late"));
            }
            "ticks" => {
                if let Some(period) = self.get_http_request_header("period") {
                    let period = Duration::from_millis(period.parse().unwrap());
                    hostcalls::set_tick_period(period).unwrap();
                }
            }
            part if part.starts_with("cluster ") => self.route_anew(),
            "answer" => {
                self.send_http_response(418, vec![], Some(b"teapot"));
                return Action::Pause;
            }
            "effective" => {
                for context in [self.context, 77] {
                    log::info!("{:?}", hostcalls::set_effective_context(context));
                }
            }
            _ => {}
        }
        Action::Continue
    }

    fn on_http_request_body(&mut self, size: usize, end: bool) -> Action {
        self.say_maps("request body");
        if self.part == "bodies" {
            log::info!("request body {size} {end}");
            self.set_http_request_body(0, 0, b"<");
            self.set_http_request_body(size + 1, 0, b">");
        }
        Action::Continue
    }

    fn on_http_response_headers(&mut self, _count: usize, end: bool) -> Action {
        self.say_maps("response headers");
        let status = self.get_http_response_header(":status");
        match self.part.as_str() {
            "replace" | "local" | "maps" if status.as_deref() == Some("503") => {
                self.call_out();
                return Action::Pause;
            }
            "count" => self.count(),
            "router" => log::info!(
                "answered {} by {:?} after {:?}, flags {:x}",
                status.unwrap_or_default(),
                self.text("upstream.address"),
                self.number("upstream.request_attempt_count"),
                self.number("response.flags").unwrap_or(0)
            ),
            "time" => self.say_time("response"),
            "bodies" => log::info!("response end {end}"),
            "properties" => {
                let flags = self.get_property(vec!["response", "flags"]);
                let address = self.get_property(vec!["upstream", "address"]);
                let address = address.map(|bytes| String::from_utf8(bytes).unwrap());
                let path = self.get_property(vec!["request", "path"]);
                log::info!("{flags:?} {address:?} {path:?}");
            }
            _ => {}
        }
        Action::Continue
    }

    fn on_http_response_body(&mut self, size: usize, end: bool) -> Action {
        self.say_maps("response body");
        if self.part == "bodies" {
            log::info!("response body {size} {end}");
            if !end {
                return Action::Pause;
            }
        }
        if self.part == "replace"
            && let Some(body) = self.body.take()
        {
            self.set_http_response_body(0, size, &body);
        }
        Action::Continue
    }

    fn on_log(&mut self) {
        self.say_maps("log");
        if self.part == "log" {
            log::info!(
                "log: {:x} {:?} {:?} {:?} {:?}",
                self.number("response.flags").unwrap_or(0),
                self.text("response.code_details"),
                self.text("upstream.address"),
                self.text("xds.cluster_name"),
                self.text("xds.route_name"),
            );
        }
        if self.part == "router" {
            let mut headers = self.get_http_request_headers();
            headers.retain(|(name, _)| name.starts_with("x-") || name.starts_with(":") || name.starts_with("k"));
            headers.sort();
            log::info!("sent {headers:?}");
        }
        if self.part == "state" {
            self.set_property(vec!["changed"], Some(b"3"));
            self.set_property(vec!["late"], Some(b"4"));
        }
        if self.part == "time" {
            self.say_time("log");
        }
    }
}
