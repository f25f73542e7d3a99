//! The words of the proxy-wasm ABI 0.2.1: host functions, statuses, map and buffer types.

use std::fmt;

macro_rules! calls {
    ($($name:ident = $symbol:literal,)*) => {
        /// A host function that the module may call.
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        #[allow(missing_docs)] // Each is named like the symbol it stands for, see `symbol`.
        pub enum Call { $($name,)* }

        impl Call {
            /// Every host function, in a fixed order.
            pub const ALL: &'static [Call] = &[$(Call::$name,)*];

            /// The name the module imports it by.
            pub fn symbol(self) -> &'static str {
                match self { $(Call::$name => $symbol,)* }
            }
        }
    };
}

calls! {
    Log = "proxy_log",
    GetLogLevel = "proxy_get_log_level",
    GetTime = "proxy_get_current_time_nanoseconds",
    SetTickPeriod = "proxy_set_tick_period_milliseconds",
    GetBuffer = "proxy_get_buffer_bytes",
    GetBufferStatus = "proxy_get_buffer_status",
    SetBuffer = "proxy_set_buffer_bytes",
    GetMap = "proxy_get_header_map_pairs",
    GetMapSize = "proxy_get_header_map_size",
    SetMap = "proxy_set_header_map_pairs",
    GetHeader = "proxy_get_header_map_value",
    RemoveHeader = "proxy_remove_header_map_value",
    ReplaceHeader = "proxy_replace_header_map_value",
    AddHeader = "proxy_add_header_map_value",
    GetProperty = "proxy_get_property",
    SetProperty = "proxy_set_property",
    GetSharedData = "proxy_get_shared_data",
    SetSharedData = "proxy_set_shared_data",
    RegisterQueue = "proxy_register_shared_queue",
    ResolveQueue = "proxy_resolve_shared_queue",
    Dequeue = "proxy_dequeue_shared_queue",
    Enqueue = "proxy_enqueue_shared_queue",
    ContinueStream = "proxy_continue_stream",
    CloseStream = "proxy_close_stream",
    LocalResponse = "proxy_send_local_response",
    HttpCall = "proxy_http_call",
    GrpcCall = "proxy_grpc_call",
    GrpcStream = "proxy_grpc_stream",
    GrpcSend = "proxy_grpc_send",
    GrpcCancel = "proxy_grpc_cancel",
    GrpcClose = "proxy_grpc_close",
    GetStatus = "proxy_get_status",
    SetEffectiveContext = "proxy_set_effective_context",
    ForeignFunction = "proxy_call_foreign_function",
    Done = "proxy_done",
    DefineMetric = "proxy_define_metric",
    GetMetric = "proxy_get_metric",
    RecordMetric = "proxy_record_metric",
    IncrementMetric = "proxy_increment_metric",
}

impl fmt::Debug for Call {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.symbol())
    }
}

impl Call {
    /// Its place in a set of host functions.
    pub(crate) fn bit(self) -> u64 {
        1 << self as u64
    }

    /// The statuses other than Ok that a test may make it answer.
    ///
    /// Envoy could answer more, but for these two the SDK itself makes the call and panics on anything else.
    pub fn legal_faults(self) -> &'static [Status] {
        match self {
            Call::HttpCall => &[Status::BadArgument, Status::InternalFailure],
            Call::SetEffectiveContext => &[Status::BadArgument],
            Call::SetSharedData => &[Status::CasMismatch, Status::BadArgument, Status::InternalFailure],
            _ => &[Status::NotFound, Status::BadArgument, Status::InternalFailure],
        }
    }
}

/// What a host function answers.
#[repr(u32)]
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[allow(missing_docs)] // The ABI's own names.
pub enum Status {
    Ok = 0,
    NotFound = 1,
    BadArgument = 2,
    SerializationFailure = 3,
    ParseFailure = 4,
    Empty = 7,
    CasMismatch = 8,
    InternalFailure = 10,
}

/// Numbers of the header maps, as the module passes them.
pub(crate) mod map {
    pub(crate) const REQUEST_HEADERS: u32 = 0;
    pub(crate) const REQUEST_TRAILERS: u32 = 1;
    pub(crate) const RESPONSE_HEADERS: u32 = 2;
    pub(crate) const RESPONSE_TRAILERS: u32 = 3;
    pub(crate) const CALL_HEADERS: u32 = 6;
    pub(crate) const CALL_TRAILERS: u32 = 7;
}

/// Numbers of the buffers.
pub(crate) mod buffer {
    pub(crate) const REQUEST_BODY: u32 = 0;
    pub(crate) const RESPONSE_BODY: u32 = 1;
    pub(crate) const CALL_BODY: u32 = 4;
    pub(crate) const VM_CONFIGURATION: u32 = 6;
    pub(crate) const PLUGIN_CONFIGURATION: u32 = 7;
}

/// Numbers of the streams that `proxy_continue_stream` and `proxy_close_stream` name.
pub(crate) mod stream {
    pub(crate) const REQUEST: u32 = 0;
    pub(crate) const RESPONSE: u32 = 1;
}

/// The action that a callback returns to stop the stream.
pub(crate) const PAUSE: u32 = 1;

/// What the module exports. The SDK defines all but `_initialize`, which is the module's entry.
pub(crate) mod module {
    unsafe extern "C" {
        pub(crate) fn _initialize();
        pub(crate) fn proxy_on_memory_allocate(size: usize) -> *mut u8;
        pub(crate) fn proxy_on_context_create(context_id: u32, root_context_id: u32);
        pub(crate) fn proxy_on_vm_start(context_id: u32, vm_configuration_size: usize) -> bool;
        pub(crate) fn proxy_on_configure(context_id: u32, configuration_size: usize) -> bool;
        pub(crate) fn proxy_on_tick(context_id: u32);
        pub(crate) fn proxy_on_request_headers(context_id: u32, count: usize, end: bool) -> u32;
        pub(crate) fn proxy_on_request_body(context_id: u32, size: usize, end: bool) -> u32;
        pub(crate) fn proxy_on_request_trailers(context_id: u32, count: usize) -> u32;
        pub(crate) fn proxy_on_response_headers(context_id: u32, count: usize, end: bool) -> u32;
        pub(crate) fn proxy_on_response_body(context_id: u32, size: usize, end: bool) -> u32;
        pub(crate) fn proxy_on_response_trailers(context_id: u32, count: usize) -> u32;
        pub(crate) fn proxy_on_http_call_response(
            context_id: u32,
            token: u32,
            headers: usize,
            body_size: usize,
            trailers: usize,
        );
        pub(crate) fn proxy_on_done(context_id: u32) -> bool;
        pub(crate) fn proxy_on_log(context_id: u32);
        pub(crate) fn proxy_on_delete(context_id: u32);
    }
}
