//! A filter that makes the host calls that no filter with sidestep's task can do without, and decides nothing.
//!
//! | call | why it can't be avoided |
//! |---|---|
//! | request headers | a retry needs a copy, and in the response phase they can't be read any more; a client's own override header has to be noticed |
//! | a gauge, with the request | whether another worker has ejected a host since: an ejection holds for the next request |
//! | each piece of the request's body | the copy again |
//! | response `:status` | what became of the request |
//! | `upstream.address` | at which host |
//! | a gauge, with the response | whether another worker has seen the host fail since the request came: then this success ends a row of failures |
//!
//! Of which cluster the host is (`xds.cluster_name`) has to be asked now and then only: see `worker::homes` of the module.

#![allow(missing_docs, reason = "the SDK's macro makes the module's entry without any")]

use proxy_wasm::traits::{Context, HttpContext, RootContext};
use proxy_wasm::types::{Action, ContextType};
use std::hint::black_box;

mod host {
    #[link(wasm_import_module = "env")]
    unsafe extern "C" {
        pub(super) fn proxy_get_header_map_pairs(map: u32, data: *mut *mut u8, size: *mut usize) -> u32;
        pub(super) fn proxy_get_header_map_value(
            map: u32,
            name: *const u8,
            name_size: usize,
            data: *mut *mut u8,
            size: *mut usize,
        ) -> u32;
        pub(super) fn proxy_get_buffer_bytes(
            buffer: u32,
            start: usize,
            max_size: usize,
            data: *mut *mut u8,
            size: *mut usize,
        ) -> u32;
        pub(super) fn proxy_get_property(
            path: *const u8,
            path_size: usize,
            data: *mut *mut u8,
            size: *mut usize,
        ) -> u32;
        pub(super) fn proxy_define_metric(kind: u32, name: *const u8, name_size: usize, id: *mut u32) -> u32;
        pub(super) fn proxy_get_metric(id: u32, value: *mut u64) -> u32;
    }
}

const REQUEST_HEADERS: u32 = 0;
const RESPONSE_HEADERS: u32 = 2;
const REQUEST_BODY: u32 = 0;
const GAUGE: u32 = 1;

/// What the host gives. It has had the module allocate it: it is the module's to free.
fn take(call: impl FnOnce(*mut *mut u8, *mut usize) -> u32) -> Vec<u8> {
    let mut data = std::ptr::null_mut();
    let mut size = 0;
    if call(&raw mut data, &raw mut size) != 0 || data.is_null() {
        return Vec::new();
    }
    // SAFETY: the host asked the module's allocator for `size` bytes, filled them and hands them over.
    unsafe { Vec::from_raw_parts(data, size, size) }
}

fn property(path: &str) -> Vec<u8> {
    // SAFETY: all pointers are to live values; so for all calls below.
    take(|data, size| unsafe { host::proxy_get_property(path.as_ptr(), path.len(), data, size) })
}

fn metric(id: u32) -> u64 {
    let mut value = 0;
    // SAFETY: as above.
    unsafe { host::proxy_get_metric(id, &raw mut value) };
    value
}

struct Root {
    gauge: u32,
}

struct Http {
    gauge: u32,
    request: Vec<u8>,
    body: Vec<Vec<u8>>,
}

impl Context for Root {}

impl RootContext for Root {
    fn on_vm_start(&mut self, _: usize) -> bool {
        let name = "floor.revision";
        // SAFETY: as above.
        unsafe { host::proxy_define_metric(GAUGE, name.as_ptr(), name.len(), &raw mut self.gauge) == 0 }
    }

    fn create_http_context(&self, _: u32) -> Option<Box<dyn HttpContext>> {
        Some(Box::new(Http {
            gauge: self.gauge,
            request: Vec::new(),
            body: Vec::new(),
        }))
    }

    fn get_type(&self) -> Option<ContextType> {
        Some(ContextType::HttpContext)
    }
}

impl Context for Http {}

impl HttpContext for Http {
    fn on_http_request_headers(&mut self, _: usize, _: bool) -> Action {
        // SAFETY: as above.
        self.request = take(|data, size| unsafe { host::proxy_get_header_map_pairs(REQUEST_HEADERS, data, size) });
        black_box(metric(self.gauge));
        Action::Continue
    }

    fn on_http_request_body(&mut self, body_size: usize, _: bool) -> Action {
        // SAFETY: as above.
        let piece = take(|data, size| unsafe { host::proxy_get_buffer_bytes(REQUEST_BODY, 0, body_size, data, size) });
        self.body.push(piece);
        Action::Continue
    }

    fn on_http_response_headers(&mut self, _: usize, _: bool) -> Action {
        let name = ":status";
        // SAFETY: as above.
        black_box(take(|data, size| unsafe {
            host::proxy_get_header_map_value(RESPONSE_HEADERS, name.as_ptr(), name.len(), data, size)
        }));
        black_box(property("upstream\0address"));
        black_box(metric(self.gauge));
        black_box((&self.request, &self.body));
        Action::Continue
    }
}

proxy_wasm::main! {{
    proxy_wasm::set_root_context(|_| Box::new(Root { gauge: 0 }));
}}
