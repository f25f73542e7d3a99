//! Why a failed request gets no other attempt.

/// Why a failed attempt, that `retry_on` would repeat, is not repeated.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum RetryRefusal {
    /// The method is not idempotent (RFC 9110, section 9.2.2).
    Method,
    /// CONNECT: a tunnel can't be repeated.
    Connect,
    /// The request asks for another protocol.
    Upgrade,
    /// gRPC, and `retry_on` names none of its statuses; or the engine is the filter, whose callouts can't answer it.
    Grpc,
    /// The body is larger than `max_body_bytes`.
    BodyTooLarge,
    /// The bodies held by this VM, of requests and of retries' answers, would be more than `max_held_bytes`.
    HeldBytes,
    /// The failure came before the whole request.
    RequestIncomplete,
    /// The request could not be copied, because Envoy did not give it.
    NoCopy,
    /// A header's value is not UTF-8, which a callout can't carry.
    HeadersNotUtf8,
    /// Envoy shed the request (a circuit breaker, `x-envoy-overloaded`): more attempts would make it worse.
    Overloaded,
    /// The answer has `x-envoy-ratelimited`, and `retry_on` does not have `envoy-ratelimited`.
    RateLimited,
    /// The route's own retry policy has been at work: the two must not multiply.
    RouteRetries,
    /// `num_retries` attempts were made.
    NumRetries,
    /// `timeout`, or Envoy's own time-out for the route, is over.
    Deadline,
    /// No other available host is known.
    NoOtherHost,
    /// The cluster ignores pins: the retry might go to the host that failed.
    PinsIgnored,
    /// Envoy did not take the callout.
    DispatchFailed,
    /// The budget is used up.
    Budget,
    /// `max_concurrent_retries` callouts of this VM are out.
    ConcurrentRetries,
    /// The host wants to be asked again later than `max_retry_after`, or not at all, and no other host is left.
    RetryAfter,
    /// 425 to a request that came in early data: only its sender can send it again (RFC 8470, section 5.2).
    EarlyData,
    /// The route changes requests, or it is not known yet whether it does, so a callout would send another request.
    RouteChanges,
}

impl RetryRefusal {
    /// All reasons.
    pub const ALL: [Self; 22] = [
        Self::Method,
        Self::Connect,
        Self::Upgrade,
        Self::Grpc,
        Self::BodyTooLarge,
        Self::HeldBytes,
        Self::RequestIncomplete,
        Self::NoCopy,
        Self::HeadersNotUtf8,
        Self::Overloaded,
        Self::RateLimited,
        Self::RouteRetries,
        Self::NumRetries,
        Self::Deadline,
        Self::NoOtherHost,
        Self::PinsIgnored,
        Self::DispatchFailed,
        Self::Budget,
        Self::ConcurrentRetries,
        Self::RetryAfter,
        Self::EarlyData,
        Self::RouteChanges,
    ];

    /// The name in metrics and logs.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Method => "method",
            Self::Connect => "connect",
            Self::Upgrade => "upgrade",
            Self::Grpc => "grpc",
            Self::BodyTooLarge => "body_too_large",
            Self::HeldBytes => "held_bytes",
            Self::RequestIncomplete => "request_incomplete",
            Self::NoCopy => "no_copy",
            Self::HeadersNotUtf8 => "headers_not_utf8",
            Self::Overloaded => "overloaded",
            Self::RateLimited => "rate_limited",
            Self::RouteRetries => "route_retries",
            Self::NumRetries => "num_retries",
            Self::Deadline => "deadline",
            Self::NoOtherHost => "no_other_host",
            Self::PinsIgnored => "pins_ignored",
            Self::DispatchFailed => "dispatch_failed",
            Self::Budget => "budget",
            Self::ConcurrentRetries => "concurrent_retries",
            Self::RetryAfter => "retry_after",
            Self::EarlyData => "early_data",
            Self::RouteChanges => "route_changes",
        }
    }
}
