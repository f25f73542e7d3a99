//! `Proxy-Status` (RFC 9209): what this proxy went through for an answer.

use super::RetryRefusal;
use crate::config::Report;
use crate::detect::ResponseFlags;
use crate::model::HostAddr;
use std::fmt::Write;

/// What there is to tell of an answer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Told<'a> {
    /// Attempts in all.
    pub attempts: u32,
    /// The status, if a host gave it.
    pub received_status: Option<u16>,
    /// Why Envoy answered in the host's place, if it did.
    pub flags: ResponseFlags,
    /// Envoy's own words for that: `response.code_details`.
    pub code_details: &'a [u8],
    /// Where the answer came from, or should have come from.
    pub host: Option<HostAddr>,
    /// Why there was no further attempt, if one was wanted.
    pub refusal: Option<RetryRefusal>,
}

/// The header's value, as `report` wants it. `None` if it wants none, or if there is nothing to tell: a good answer at the
/// first attempt.
pub fn proxy_status(report: &Report, told: &Told<'_>) -> Option<String> {
    let name = report.proxy_status.as_deref()?;
    let error = error(told.flags, told.code_details);
    let failed = told.received_status.is_none_or(|status| status >= 500);
    if told.attempts <= 1 && !failed && error.is_none() && told.refusal.is_none() {
        return None;
    }
    let mut value = name.to_owned();
    // Writing to a string does not fail.
    if let Some(error) = error {
        let _ = write!(value, "; error={error}");
    }
    if report.next_hop
        && let Some(host) = told.host
    {
        let _ = write!(value, "; next-hop=\"{host}\"");
    }
    if let Some(status) = told.received_status {
        let _ = write!(value, "; received-status={status}");
    }
    let plural = if told.attempts == 1 { "" } else { "s" };
    let _ = write!(value, "; details=\"{} attempt{plural}", told.attempts);
    if let Some(refusal) = told.refusal {
        let _ = write!(value, ", no further one: {}", refusal.name());
    }
    value.push('"');
    Some(value)
}

/// The error type (RFC 9209, section 2.3) of an answer that Envoy made.
fn error(flags: ResponseFlags, code_details: &[u8]) -> Option<&'static str> {
    let says = |words: &[u8]| code_details.windows(words.len()).any(|window| window == words);
    let has = |flag| flags.any_of(flag);
    Some(if has(ResponseFlags::UPSTREAM_OVERFLOW) {
        "connection_limit_reached"
    } else if has(ResponseFlags::UPSTREAM_REQUEST_TIMEOUT) {
        "http_response_timeout"
    } else if has(ResponseFlags::UPSTREAM_CONNECTION_FAILURE) {
        if says(b"refused") {
            "connection_refused"
        } else if says(b"timeout") {
            "connection_timeout"
        } else {
            "destination_unavailable"
        }
    } else if has(ResponseFlags::UPSTREAM_PROTOCOL_ERROR) {
        "http_protocol_error"
    } else if has(ResponseFlags::NO_ANSWER) {
        "connection_terminated"
    } else if has(ResponseFlags::NO_HEALTHY_UPSTREAM) {
        "destination_unavailable"
    } else if has(ResponseFlags::NO_ROUTE_FOUND) {
        "destination_not_found"
    } else {
        return None;
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn report(next_hop: bool) -> Report {
        Report {
            attempts: false,
            proxy_status: Some("edge".to_owned()),
            next_hop,
        }
    }

    const GOOD: Told<'static> = Told {
        attempts: 1,
        received_status: Some(200),
        flags: ResponseFlags(0),
        code_details: b"via_upstream",
        host: None,
        refusal: None,
    };

    #[test]
    fn a_good_answer_at_the_first_attempt_is_not_worth_a_word() {
        assert_eq!(proxy_status(&report(true), &GOOD), None);
        assert_eq!(proxy_status(&Report::default(), &Told { attempts: 2, ..GOOD }), None);
    }

    #[test]
    fn retries_and_refusals_are_told_and_the_host_only_if_it_may_be() {
        let told = Told {
            attempts: 2,
            host: "10.0.0.1:80".parse().ok(),
            ..GOOD
        };
        let value = |next_hop, told| proxy_status(&report(next_hop), &told).unwrap_or_default();
        assert_eq!(value(false, told), "edge; received-status=200; details=\"2 attempts\"");
        assert_eq!(
            value(true, told),
            "edge; next-hop=\"10.0.0.1:80\"; received-status=200; details=\"2 attempts\""
        );
        let refused = Told {
            received_status: Some(503),
            refusal: Some(RetryRefusal::Budget),
            ..GOOD
        };
        assert_eq!(
            value(false, refused),
            "edge; received-status=503; details=\"1 attempt, no further one: budget\""
        );
    }

    #[test]
    fn each_reason_to_answer_in_a_hosts_place_has_the_rfcs_name() {
        let refused = &b"upstream_reset_before_response_started{remote_connection_failure|Connection_refused}"[..];
        for (flags, code_details, error) in [
            (
                ResponseFlags::UPSTREAM_CONNECTION_FAILURE,
                refused,
                "connection_refused",
            ),
            (
                ResponseFlags::UPSTREAM_CONNECTION_FAILURE,
                &b"{connection_timeout}"[..],
                "connection_timeout",
            ),
            (
                ResponseFlags::UPSTREAM_CONNECTION_FAILURE,
                &b""[..],
                "destination_unavailable",
            ),
            (
                ResponseFlags::UPSTREAM_CONNECTION_TERMINATION,
                &b""[..],
                "connection_terminated",
            ),
            (ResponseFlags::UPSTREAM_REMOTE_RESET, &b""[..], "connection_terminated"),
            (ResponseFlags::LOCAL_RESET, &b""[..], "connection_terminated"),
            (
                ResponseFlags::UPSTREAM_REQUEST_TIMEOUT,
                &b""[..],
                "http_response_timeout",
            ),
            (ResponseFlags::UPSTREAM_OVERFLOW, &b""[..], "connection_limit_reached"),
            (ResponseFlags::UPSTREAM_PROTOCOL_ERROR, &b""[..], "http_protocol_error"),
            (ResponseFlags::NO_HEALTHY_UPSTREAM, &b""[..], "destination_unavailable"),
            (ResponseFlags::NO_ROUTE_FOUND, &b""[..], "destination_not_found"),
        ] {
            let told = Told {
                received_status: None,
                flags,
                code_details,
                ..GOOD
            };
            let value = proxy_status(&report(false), &told).unwrap_or_default();
            assert_eq!(value, format!("edge; error={error}; details=\"1 attempt\""));
        }
    }
}
