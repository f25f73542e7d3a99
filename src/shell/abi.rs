//! The functions of the proxy-wasm ABI 0.2.1 that are used here, with errors in the place of panics.
//!
//! Source: `proxy-wasm/spec`, `abi-versions/v0.2.1`. All pointers given to the host point to live slices or locals
//! of the caller; all memory that the host gives was allocated by it through the module's own allocator and is
//! owned by whoever asked.

#![expect(unsafe_code, reason = "the ABI is made of raw pointers")]

use crate::host::{HostError, HostResult};

/// Header maps, by their number in the ABI.
#[derive(Clone, Copy, Debug)]
#[repr(u32)]
pub(super) enum Map {
    RequestHeaders = 0,
    RequestTrailers = 1,
    ResponseHeaders = 2,
    ResponseTrailers = 3,
    CalloutHeaders = 6,
}

/// Buffers, by their number in the ABI.
#[derive(Clone, Copy, Debug)]
#[repr(u32)]
pub(super) enum Buffer {
    RequestBody = 0,
    ResponseBody = 1,
    CalloutBody = 4,
    GrpcMessage = 5,
    PluginConfiguration = 7,
}

const OK: u32 = 0;
const NOT_FOUND: u32 = 1;
const CAS_MISMATCH: u32 = 8;

mod host {
    #[link(wasm_import_module = "env")]
    unsafe extern "C" {
        pub(super) fn proxy_log(level: u32, message: *const u8, size: usize) -> u32;
        pub(super) fn proxy_get_current_time_nanoseconds(time: *mut u64) -> u32;
        pub(super) fn proxy_set_tick_period_milliseconds(period: u32) -> u32;
        pub(super) fn proxy_get_buffer_bytes(
            buffer: u32,
            start: usize,
            max_size: usize,
            data: *mut *mut u8,
            size: *mut usize,
        ) -> u32;
        pub(super) fn proxy_set_buffer_bytes(
            buffer: u32,
            start: usize,
            size: usize,
            data: *const u8,
            data_size: usize,
        ) -> u32;
        pub(super) fn proxy_get_header_map_pairs(map: u32, data: *mut *mut u8, size: *mut usize) -> u32;
        pub(super) fn proxy_set_header_map_pairs(map: u32, data: *const u8, size: usize) -> u32;
        pub(super) fn proxy_get_header_map_value(
            map: u32,
            name: *const u8,
            name_size: usize,
            data: *mut *mut u8,
            size: *mut usize,
        ) -> u32;
        pub(super) fn proxy_replace_header_map_value(
            map: u32,
            name: *const u8,
            name_size: usize,
            value: *const u8,
            value_size: usize,
        ) -> u32;
        pub(super) fn proxy_add_header_map_value(
            map: u32,
            name: *const u8,
            name_size: usize,
            value: *const u8,
            value_size: usize,
        ) -> u32;
        pub(super) fn proxy_remove_header_map_value(map: u32, name: *const u8, name_size: usize) -> u32;
        pub(super) fn proxy_get_property(
            path: *const u8,
            path_size: usize,
            data: *mut *mut u8,
            size: *mut usize,
        ) -> u32;
        pub(super) fn proxy_set_property(path: *const u8, path_size: usize, value: *const u8, value_size: usize)
        -> u32;
        pub(super) fn proxy_grpc_send(token: u32, message: *const u8, size: usize, end_of_stream: bool) -> u32;
        pub(super) fn proxy_grpc_cancel(token: u32) -> u32;
        pub(super) fn proxy_set_effective_context(context: u32) -> u32;
        pub(super) fn proxy_call_foreign_function(
            name: *const u8,
            name_size: usize,
            arguments: *const u8,
            arguments_size: usize,
            data: *mut *mut u8,
            size: *mut usize,
        ) -> u32;
        pub(super) fn proxy_get_shared_data(
            key: *const u8,
            key_size: usize,
            data: *mut *mut u8,
            size: *mut usize,
            cas: *mut u32,
        ) -> u32;
        pub(super) fn proxy_set_shared_data(
            key: *const u8,
            key_size: usize,
            value: *const u8,
            value_size: usize,
            cas: u32,
        ) -> u32;
        pub(super) fn proxy_continue_stream(stream: u32) -> u32;
        pub(super) fn proxy_close_stream(stream: u32) -> u32;
        pub(super) fn proxy_send_local_response(
            status: u32,
            details: *const u8,
            details_size: usize,
            body: *const u8,
            body_size: usize,
            headers: *const u8,
            headers_size: usize,
            grpc_status: i32,
        ) -> u32;
        pub(super) fn proxy_define_metric(kind: u32, name: *const u8, name_size: usize, id: *mut u32) -> u32;
        pub(super) fn proxy_get_metric(id: u32, value: *mut u64) -> u32;
        pub(super) fn proxy_increment_metric(id: u32, by: i64) -> u32;
        pub(super) fn proxy_record_metric(id: u32, value: u64) -> u32;
    }
}

/// The error of a status that is not OK.
const fn check(status: u32) -> HostResult<()> {
    match status {
        OK => Ok(()),
        CAS_MISMATCH => Err(HostError::CasMismatch),
        other => Err(HostError::Status(other)),
    }
}

/// Runs a call that gives bytes. `None` if the host found nothing.
fn take(call: impl FnOnce(*mut *mut u8, *mut usize) -> u32) -> HostResult<Option<Vec<u8>>> {
    let mut data: *mut u8 = std::ptr::null_mut();
    let mut size: usize = 0;
    match call(&raw mut data, &raw mut size) {
        NOT_FOUND => Ok(None),
        status => {
            check(status)?;
            if data.is_null() || size == 0 {
                // Nothing was allocated, or a block of no bytes, which is the same.
                return Ok(Some(Vec::new()));
            }
            // SAFETY: on success the host has asked the module's allocator (`proxy_on_memory_allocate`, which makes
            // a `Vec` of exactly `size` bytes), filled the block, and hands its ownership over with these values.
            Ok(Some(unsafe { Vec::from_raw_parts(data, size, size) }))
        }
    }
}

pub(super) fn log(level: u32, message: &str) -> HostResult<()> {
    // SAFETY: see the module's documentation; so for all calls below.
    check(unsafe { host::proxy_log(level, message.as_ptr(), message.len()) })
}

pub(super) fn now_nanos() -> HostResult<u64> {
    let mut time = 0;
    // SAFETY: as above.
    check(unsafe { host::proxy_get_current_time_nanoseconds(&raw mut time) })?;
    Ok(time)
}

pub(super) fn set_tick_period(millis: u32) -> HostResult<()> {
    // SAFETY: as above.
    check(unsafe { host::proxy_set_tick_period_milliseconds(millis) })
}

pub(super) fn buffer(buffer: Buffer, size: usize) -> HostResult<Vec<u8>> {
    // SAFETY: as above.
    take(|data, len| unsafe { host::proxy_get_buffer_bytes(buffer as u32, 0, size, data, len) })
        .map(Option::unwrap_or_default)
}

/// Replaces the first `size` bytes of a buffer.
pub(super) fn replace_buffer(buffer: Buffer, size: usize, bytes: &[u8]) -> HostResult<()> {
    // SAFETY: as above.
    check(unsafe { host::proxy_set_buffer_bytes(buffer as u32, 0, size, bytes.as_ptr(), bytes.len()) })
}

pub(super) fn pairs(map: Map) -> HostResult<Vec<u8>> {
    // SAFETY: as above.
    take(|data, size| unsafe { host::proxy_get_header_map_pairs(map as u32, data, size) })
        .map(Option::unwrap_or_default)
}

pub(super) fn set_pairs(map: Map, wire: &[u8]) -> HostResult<()> {
    // SAFETY: as above.
    check(unsafe { host::proxy_set_header_map_pairs(map as u32, wire.as_ptr(), wire.len()) })
}

pub(super) fn value(map: Map, name: &str) -> HostResult<Option<Vec<u8>>> {
    // SAFETY: as above.
    take(|data, size| unsafe { host::proxy_get_header_map_value(map as u32, name.as_ptr(), name.len(), data, size) })
}

pub(super) fn replace_value(map: Map, name: &str, value: &str) -> HostResult<()> {
    // SAFETY: as above.
    check(unsafe {
        host::proxy_replace_header_map_value(map as u32, name.as_ptr(), name.len(), value.as_ptr(), value.len())
    })
}

pub(super) fn add_value(map: Map, name: &str, value: &str) -> HostResult<()> {
    // SAFETY: as above.
    check(unsafe {
        host::proxy_add_header_map_value(map as u32, name.as_ptr(), name.len(), value.as_ptr(), value.len())
    })
}

pub(super) fn remove_value(map: Map, name: &str) -> HostResult<()> {
    // SAFETY: as above.
    check(unsafe { host::proxy_remove_header_map_value(map as u32, name.as_ptr(), name.len()) })
}

/// An attribute, by its path with NUL between the parts.
pub(super) fn property(path: &str) -> HostResult<Option<Vec<u8>>> {
    // SAFETY: as above.
    take(|data, size| unsafe { host::proxy_get_property(path.as_ptr(), path.len(), data, size) })
}

/// Sets an attribute of the module's own; Envoy keeps it as `wasm.` and its path.
pub(super) fn set_property(path: &str, value: &str) -> HostResult<()> {
    // SAFETY: as above.
    check(unsafe { host::proxy_set_property(path.as_ptr(), path.len(), value.as_ptr(), value.len()) })
}

/// Sends a message on a gRPC stream, which stays open.
pub(super) fn grpc_send(token: u32, message: &[u8]) -> HostResult<()> {
    // SAFETY: as above.
    check(unsafe { host::proxy_grpc_send(token, message.as_ptr(), message.len(), false) })
}

/// Ends a gRPC call or stream.
pub(super) fn grpc_cancel(token: u32) -> HostResult<()> {
    // SAFETY: no pointers.
    check(unsafe { host::proxy_grpc_cancel(token) })
}

/// Lets the following calls act on another context.
pub(super) fn set_effective_context(context: u32) -> HostResult<()> {
    // SAFETY: no pointers.
    check(unsafe { host::proxy_set_effective_context(context) })
}

/// Calls a function of Envoy's own that takes and gives nothing.
pub(super) fn call_foreign_function(name: &str) -> HostResult<()> {
    // SAFETY: as above; what the function gives, should it give anything, is taken and dropped.
    take(|data, size| unsafe {
        host::proxy_call_foreign_function(name.as_ptr(), name.len(), std::ptr::null(), 0, data, size)
    })?
    .map(drop)
    // There is no such function.
    .ok_or(HostError::Status(NOT_FOUND))
}

pub(super) fn shared_data(key: &str) -> HostResult<Option<(Vec<u8>, u32)>> {
    let mut cas = 0;
    // SAFETY: as above.
    let value =
        take(|data, size| unsafe { host::proxy_get_shared_data(key.as_ptr(), key.len(), data, size, &raw mut cas) })?;
    Ok(value.map(|value| (value, cas)))
}

pub(super) fn set_shared_data(key: &str, value: &[u8], cas: u32) -> HostResult<()> {
    // SAFETY: as above.
    check(unsafe { host::proxy_set_shared_data(key.as_ptr(), key.len(), value.as_ptr(), value.len(), cas) })
}

/// The two sides of a stream, by their numbers in the ABI.
const REQUEST: u32 = 0;
const RESPONSE: u32 = 1;

pub(super) fn resume_request() -> HostResult<()> {
    // SAFETY: no pointers.
    check(unsafe { host::proxy_continue_stream(REQUEST) })
}

pub(super) fn resume_response() -> HostResult<()> {
    // SAFETY: no pointers.
    check(unsafe { host::proxy_continue_stream(RESPONSE) })
}

pub(super) fn reset_stream() -> HostResult<()> {
    // SAFETY: no pointers.
    check(unsafe { host::proxy_close_stream(RESPONSE) })
}

pub(super) fn send_local_response(status: u16, details: &str, headers: &[u8], body: &[u8]) -> HostResult<()> {
    /// No gRPC status: the reply is plain HTTP.
    const NO_GRPC_STATUS: i32 = -1;
    // SAFETY: as above.
    check(unsafe {
        host::proxy_send_local_response(
            u32::from(status),
            details.as_ptr(),
            details.len(),
            body.as_ptr(),
            body.len(),
            headers.as_ptr(),
            headers.len(),
            NO_GRPC_STATUS,
        )
    })
}

pub(super) fn define_metric(kind: u32, name: &str) -> HostResult<u32> {
    let mut id = 0;
    // SAFETY: as above.
    check(unsafe { host::proxy_define_metric(kind, name.as_ptr(), name.len(), &raw mut id) })?;
    Ok(id)
}

pub(super) fn metric(id: u32) -> HostResult<u64> {
    let mut value = 0;
    // SAFETY: as above.
    check(unsafe { host::proxy_get_metric(id, &raw mut value) })?;
    Ok(value)
}

pub(super) fn increment_metric(id: u32, by: u64) -> HostResult<()> {
    // SAFETY: no pointers.
    check(unsafe { host::proxy_increment_metric(id, i64::try_from(by).unwrap_or(i64::MAX)) })
}

pub(super) fn record_metric(id: u32, value: u64) -> HostResult<()> {
    // SAFETY: no pointers.
    check(unsafe { host::proxy_record_metric(id, value) })
}
