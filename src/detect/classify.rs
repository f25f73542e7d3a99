//! What an attempt says about its host: the table of outcomes, in one place.

use crate::model::{FailureOrigin, Outcome};

/// Envoy's response flags, the attribute `response.flags`: why Envoy answered in the host's place, as bits.
///
/// The bits are those of `envoy.data.accesslog.v3.ResponseFlags` in the order of `CoreResponseFlag`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ResponseFlags(pub u64);

impl ResponseFlags {
    /// UH, `NoHealthyUpstream`: there is no host to send the request to.
    pub const NO_HEALTHY_UPSTREAM: Self = Self(0x2);
    /// NR, `NoRouteFound`: no route is for the request.
    pub const NO_ROUTE_FOUND: Self = Self(0x100);
    /// UT, `UpstreamRequestTimeout`: the host did not answer in time.
    pub const UPSTREAM_REQUEST_TIMEOUT: Self = Self(0x4);
    /// LR, `LocalReset`: Envoy reset the stream to the host.
    pub const LOCAL_RESET: Self = Self(0x8);
    /// UR, `UpstreamRemoteReset`: the host reset the stream.
    pub const UPSTREAM_REMOTE_RESET: Self = Self(0x10);
    /// UF, `UpstreamConnectionFailure`: no connection to the host.
    pub const UPSTREAM_CONNECTION_FAILURE: Self = Self(0x20);
    /// UC, `UpstreamConnectionTermination`: the host closed the connection.
    pub const UPSTREAM_CONNECTION_TERMINATION: Self = Self(0x40);
    /// UO, `UpstreamOverflow`: Envoy's own circuit breaker let nothing through.
    pub const UPSTREAM_OVERFLOW: Self = Self(0x80);
    /// DC, `DownstreamConnectionTermination`, and DR, `DownstreamRemoteReset`, its like for a stream of HTTP/2: the client
    /// is gone.
    pub const CLIENT_GONE: Self = Self(0x4000 | 0x1000_0000);
    /// UPE, `UpstreamProtocolError`: what the host sent is no HTTP; over HTTP/1.1 also a body that ends too early.
    pub const UPSTREAM_PROTOCOL_ERROR: Self = Self(0x80_0000);

    /// Whether any flag of `other` is set.
    pub const fn any_of(self, other: Self) -> bool {
        self.0 & other.0 != 0
    }

    /// The flags of both.
    #[must_use]
    pub const fn or(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// These flags less those of `other`.
    #[must_use]
    pub const fn without(self, other: Self) -> Self {
        Self(self.0 & !other.0)
    }

    /// The flags that mean, at the end of a response that had begun: the host broke it off.
    pub const CUT_SHORT: Self = Self::UPSTREAM_REMOTE_RESET
        .or(Self::UPSTREAM_CONNECTION_TERMINATION)
        .or(Self::UPSTREAM_PROTOCOL_ERROR);

    /// The flags that mean: the host gave no answer, Envoy made one in its place.
    pub const NO_ANSWER: Self = Self::UPSTREAM_REQUEST_TIMEOUT
        .or(Self::LOCAL_RESET)
        .or(Self::UPSTREAM_REMOTE_RESET)
        .or(Self::UPSTREAM_CONNECTION_FAILURE)
        .or(Self::UPSTREAM_CONNECTION_TERMINATION);

    /// The flags that mean: the answer is Envoy's own, or nobody's.
    pub const NOT_BY_HOST: Self = Self::NO_ANSWER.or(Self::UPSTREAM_OVERFLOW).or(Self::CLIENT_GONE);
}

/// What was seen of an attempt that reached as far as choosing a host.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Answer {
    /// The status code.
    pub status: u16,
    /// Why Envoy answered in the host's place, if it did.
    pub flags: ResponseFlags,
    /// The gRPC status, if the request was gRPC and the answer's headers have one.
    pub grpc_status: Option<u32>,
    /// The answer has `x-envoy-overloaded`: an Envoy, this one or one further on, shed the request.
    pub overloaded: bool,
}

/// What `answer` says about the host that it came from, or should have come from.
pub const fn classify(answer: &Answer) -> Outcome {
    let flags = answer.flags;
    if flags.any_of(ResponseFlags::UPSTREAM_OVERFLOW) || flags.any_of(ResponseFlags::CLIENT_GONE) {
        return Outcome::Ignored;
    }
    if flags.any_of(ResponseFlags::NO_ANSWER) {
        return Outcome::Failure(FailureOrigin::LocalOrigin);
    }
    // Not our own circuit breaker: the host's Envoy, or one behind it, is alive and asks for less.
    if answer.overloaded {
        return Outcome::Overload;
    }
    match (answer.status, answer.grpc_status) {
        (425, _) => Outcome::Ignored,
        (429, _) => Outcome::Overload,
        (502..=504, _) => Outcome::Failure(FailureOrigin::External { gateway: true }),
        (500..=599, _) => Outcome::Failure(FailureOrigin::External { gateway: false }),
        (_, Some(status)) => classify_grpc(status),
        (_, None) => Outcome::Success,
    }
}

/// The outcome of a gRPC status. UNAVAILABLE and DEADLINE_EXCEEDED are gateway failures, because Envoy maps them
/// to 503 and 504 (`Grpc::Utility::grpcToHttpStatus`).
pub const fn classify_grpc(status: u32) -> Outcome {
    match status {
        // CANCELLED: the caller's wish.
        1 => Outcome::Ignored,
        // RESOURCE_EXHAUSTED
        8 => Outcome::Overload,
        // DEADLINE_EXCEEDED, UNAVAILABLE
        4 | 14 => Outcome::Failure(FailureOrigin::External { gateway: true }),
        // UNKNOWN, INTERNAL, DATA_LOSS
        2 | 13 | 15 => Outcome::Failure(FailureOrigin::External { gateway: false }),
        // OK, and the caller's own mistakes.
        _ => Outcome::Success,
    }
}
