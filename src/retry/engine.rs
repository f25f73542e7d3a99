//! Who repeats a request: the filter by a callout, or Envoy's router, which is told by request headers.
//!
//! | | the filter | the router |
//! |---|---|---|
//! | decides | when the attempt has failed, by all that is known then | before the first attempt, by headers |
//! | sends | the request as the filter saw it, whole, from a copy | what the route makes of it, as it streams |
//! | answers | with a whole answer, in the failed one's place | with the last attempt's answer, as it streams |
//! | can't do | gRPC, bodies over `max_body_bytes`, routes that change requests | wait as a host asks, hedge, give an earlier answer |
//!
//! So that hosts which failed on the way can be told, the router's attempts are pinned one by one: the count of attempts
//! says how far down the pin it came.

use super::{RetryRefusal, RouteNature};
use crate::config::{Engine, RetryPolicy};
use crate::http::{Method, RequestFacts};

/// The header that says how often Envoy's router may repeat the request.
pub const MAX_RETRIES: &str = "x-envoy-max-retries";

/// Whether Envoy's router may repeat a request, by its headers alone.
///
/// By the rules of [`screen`](super::screen), but for two things. gRPC calls are POSTs, which only their application knows to be idempotent:
/// `retry_on` says so by naming one of gRPC's statuses. And a POST or PATCH is not repeated by its `Idempotency-Key`: a
/// 409 to a retry would take the place of the first failure, which the router does not keep.
///
/// # Errors
/// Why not.
pub const fn screen_for_router(facts: &RequestFacts, policy: &RetryPolicy) -> Result<(), RetryRefusal> {
    if matches!(facts.method, Method::Connect) {
        return Err(RetryRefusal::Connect);
    }
    if facts.upgrade {
        return Err(RetryRefusal::Upgrade);
    }
    if facts.grpc {
        return if policy.retry_on.has_grpc() {
            Ok(())
        } else {
            Err(RetryRefusal::Grpc)
        };
    }
    match facts.method {
        Method::Head | Method::Idempotent => Ok(()),
        Method::Keyable | Method::Connect | Method::Other => Err(RetryRefusal::Method),
    }
}

/// Whether a callout could carry the request, by its headers alone: its body must end, and fit.
pub const fn fits_a_callout(facts: &RequestFacts, end_of_stream: bool, max_body_bytes: usize) -> bool {
    match facts.content_length {
        _ if facts.grpc => false,
        Some(length) => length <= max_body_bytes,
        None => end_of_stream,
    }
}

/// The engine for a request. `nature` is of its route; it is asked for where it matters only.
///
/// # Errors
/// Why the request is left alone, if its route retries by itself.
pub fn choose(
    engine: Engine,
    fits_a_callout: bool,
    nature: impl FnOnce() -> RouteNature,
) -> Result<Engine, RetryRefusal> {
    match engine {
        Engine::Filter => Ok(Engine::Filter),
        Engine::Router | Engine::Auto => match nature() {
            RouteNature::Retrying => Err(RetryRefusal::RouteRetries),
            RouteNature::Plain if matches!(engine, Engine::Auto) && fits_a_callout => Ok(Engine::Filter),
            RouteNature::Plain | RouteNature::Changing => Ok(Engine::Router),
        },
    }
}

/// The request headers that tell Envoy's router to make so many retries (Envoy's documentation, "Router", HTTP headers).
///
/// One retry is what Envoy makes if no number is said, and none is: so a route's own number stays in force, and shows
/// itself by more attempts than were asked for.
pub fn router_headers(policy: &RetryPolicy, retries: u32, grpc: bool) -> Vec<(&'static str, String)> {
    let [on, grpc_on] = policy.retry_on.header_values();
    let mut headers = Vec::with_capacity(4);
    if !on.is_empty() {
        headers.push(("x-envoy-retry-on", on));
    }
    if grpc && !grpc_on.is_empty() {
        headers.push(("x-envoy-retry-grpc-on", grpc_on));
    }
    if policy.retry_on.retriable_status_codes {
        let codes = policy.retriable_status_codes.iter().map(u16::to_string);
        headers.push(("x-envoy-retriable-status-codes", codes.collect::<Vec<_>>().join(",")));
    }
    if retries != 1 {
        headers.push((MAX_RETRIES, retries.to_string()));
    }
    headers
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::RetryOn;
    use crate::http::{HeaderBlock, Pair};

    fn facts(pairs: &[Pair<'_>]) -> RequestFacts {
        RequestFacts::read(&HeaderBlock::from_pairs(pairs), "x-sidestep-host")
    }

    const GRPC: Pair<'static> = (b"content-type", b"application/grpc");
    const POST: Pair<'static> = (b":method", b"POST");

    #[test]
    fn no_post_is_the_routers_but_a_grpc_call_whose_statuses_retry_on_names() {
        let policy = RetryPolicy::default();
        let grpc = RetryPolicy {
            retry_on: RetryOn {
                grpc_unavailable: true,
                ..policy.retry_on
            },
            ..RetryPolicy::default()
        };
        let keyed = facts(&[POST, (b"idempotency-key", b"\"k\"")]);
        for policy in [&policy, &grpc] {
            assert_eq!(screen_for_router(&facts(&[POST]), policy), Err(RetryRefusal::Method));
            assert_eq!(screen_for_router(&keyed, policy), Err(RetryRefusal::Method));
            assert_eq!(screen_for_router(&facts(&[(b":method", b"PUT")]), policy), Ok(()));
            let connect = facts(&[(b":method", b"CONNECT"), GRPC]);
            assert_eq!(screen_for_router(&connect, policy), Err(RetryRefusal::Connect));
            let upgrade = facts(&[(b":method", b"GET"), (b"upgrade", b"websocket")]);
            assert_eq!(screen_for_router(&upgrade, policy), Err(RetryRefusal::Upgrade));
        }
        assert_eq!(
            screen_for_router(&facts(&[POST, GRPC]), &policy),
            Err(RetryRefusal::Grpc)
        );
        assert_eq!(screen_for_router(&facts(&[POST, GRPC]), &grpc), Ok(()));
    }

    #[test]
    fn a_callout_carries_what_ends_and_fits() {
        let put = |length: Option<&'static [u8]>| {
            let length = length.map(|length| (&b"content-length"[..], length));
            facts(
                &[Some((&b":method"[..], &b"PUT"[..])), length]
                    .into_iter()
                    .flatten()
                    .collect::<Vec<_>>(),
            )
        };
        assert!(fits_a_callout(&put(None), true, 0));
        assert!(!fits_a_callout(&put(None), false, 100));
        assert!(fits_a_callout(&put(Some(b"100")), false, 100));
        assert!(!fits_a_callout(&put(Some(b"101")), false, 100));
        assert!(!fits_a_callout(&put(Some(b"soon")), false, 100));
        assert!(!fits_a_callout(&facts(&[POST, GRPC]), true, 100));
    }

    #[test]
    fn auto_is_the_filter_only_for_plain_routes_and_what_fits() {
        use RouteNature::{Changing, Plain, Retrying};
        let chosen = |engine, fits, nature| choose(engine, fits, || nature);
        assert_eq!(chosen(Engine::Auto, true, Plain), Ok(Engine::Filter));
        assert_eq!(chosen(Engine::Auto, false, Plain), Ok(Engine::Router));
        assert_eq!(chosen(Engine::Auto, true, Changing), Ok(Engine::Router));
        assert_eq!(chosen(Engine::Router, true, Plain), Ok(Engine::Router));
        for engine in [Engine::Auto, Engine::Router] {
            assert_eq!(chosen(engine, true, Retrying), Err(RetryRefusal::RouteRetries));
        }
        assert_eq!(choose(Engine::Filter, false, || unreachable!()), Ok(Engine::Filter));
    }

    #[test]
    fn the_router_is_told_what_retry_on_says_and_a_number_other_than_its_own() {
        let policy = RetryPolicy {
            retry_on: RetryOn {
                any_5xx: true,
                connect_failure: true,
                retriable_status_codes: true,
                grpc_unavailable: true,
                grpc_cancelled: true,
                ..RetryOn::default()
            },
            retriable_status_codes: vec![418, 429],
            ..RetryPolicy::default()
        };
        let text = |retries, grpc| {
            let headers = router_headers(&policy, retries, grpc).into_iter();
            headers
                .map(|(name, value)| format!("{name}: {value}"))
                .collect::<Vec<_>>()
        };
        let on = "x-envoy-retry-on: 5xx,connect-failure,retriable-status-codes";
        let codes = "x-envoy-retriable-status-codes: 418,429";
        assert_eq!(text(1, false), [on, codes]);
        let grpc_on = "x-envoy-retry-grpc-on: cancelled,unavailable";
        assert_eq!(text(1, true), [on, grpc_on, codes]);
        assert_eq!(text(3, false), [on, codes, "x-envoy-max-retries: 3"]);
    }
}
