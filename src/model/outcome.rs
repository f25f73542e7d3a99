//! What an attempt says about its host.

/// Who is to blame for a failure, in Envoy's terms (`split_external_local_origin_errors`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum FailureOrigin {
    /// The host answered, and its answer is a failure.
    External {
        /// The answer was 502, 503 or 504: a gateway failure in Envoy's terms.
        gateway: bool,
    },
    /// The host could not be reached, reset the stream, or did not answer in time: Envoy saw it, no answer came.
    LocalOrigin,
}

/// What an attempt says about its host.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Outcome {
    /// The host did its work.
    Success,
    /// The host failed.
    Failure(FailureOrigin),
    /// The host is alive and asks for less. Never ejects by itself.
    Overload,
    /// Says nothing about the host.
    Ignored,
}
