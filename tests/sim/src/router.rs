//! Retries by Envoy's router: as the request's headers and its route say.

use crate::headers::Headers;
use crate::reply::{Failure, Reply};
use crate::route::Route;
use std::collections::VecDeque;
use std::time::Duration;

/// How long the router waits between two attempts. Envoy's is drawn from 25 ms and more.
pub(crate) const BACK_OFF: Duration = Duration::from_millis(12);

/// What the router may do for one request.
#[derive(Clone, Debug, Default)]
pub(crate) struct Retries {
    on: Vec<String>,
    grpc_on: Vec<String>,
    codes: Vec<u16>,
    /// Retries that are left.
    pub(crate) left: u32,
    /// A retry would have been wanted when none was left.
    pub(crate) exhausted: bool,
    /// The hosts that the override header names and no attempt has taken yet.
    pub(crate) pin: Option<VecDeque<String>>,
    /// Attempts so far.
    pub(crate) attempts: u64,
    pub(crate) counts_attempts: bool,
}

fn names(value: &str) -> impl Iterator<Item = String> {
    value.split(',').map(|name| name.trim().to_owned())
}

impl Retries {
    /// Reads the orders off the request's headers, and takes them away, as the router does.
    pub(crate) fn of(headers: &mut Headers, route: Option<&Route>) -> Retries {
        let mut take = |name: &str| {
            let value = headers.get(name).map(str::to_owned);
            headers.remove(name);
            value
        };
        let on = take("x-envoy-retry-on");
        let grpc_on = take("x-envoy-retry-grpc-on");
        let max = take("x-envoy-max-retries").and_then(|value| value.parse().ok());
        let codes = take("x-envoy-retriable-status-codes");
        let own = route.and_then(|route| route.retries.clone());
        let wanted = on.is_some() || grpc_on.is_some() || own.is_some();
        let number = max.or(own.as_ref().map(|(_, number)| *number)).unwrap_or(1);
        let all = on.into_iter().chain(own.map(|(on, _)| on));
        Retries {
            on: all.flat_map(|value| names(&value).collect::<Vec<_>>()).collect(),
            grpc_on: grpc_on.iter().flat_map(|value| names(value)).collect(),
            codes: codes.iter().flat_map(|value| names(value)).filter_map(|code| code.parse().ok()).collect(),
            left: if wanted { number } else { 0 },
            counts_attempts: route.is_some_and(|route| route.counts_attempts),
            ..Retries::default()
        }
    }

    /// Whether an attempt that ended so is to be repeated.
    pub(crate) fn wants(&self, reply: &Reply) -> bool {
        let on = |name: &str| self.on.iter().any(|it| it == name);
        if let Some(failure) = reply.its_failure() {
            return match failure {
                Failure::TimedOut | Failure::Overflow | Failure::NoHost | Failure::NoRoute => false,
                Failure::Refused => on("5xx") || on("gateway-error") || on("reset") || on("connect-failure"),
                Failure::Closed | Failure::Reset | Failure::TryTimedOut => {
                    on("5xx") || on("gateway-error") || on("reset")
                }
            };
        }
        if reply.header_value("x-envoy-overloaded").is_some() {
            return false;
        }
        if reply.header_value("x-envoy-ratelimited").is_some() {
            return on("envoy-ratelimited");
        }
        let grpc = match reply.header_value("grpc-status").as_deref() {
            Some("1") => "cancelled",
            Some("4") => "deadline-exceeded",
            Some("8") => "resource-exhausted",
            Some("13") => "internal",
            Some("14") => "unavailable",
            _ => "",
        };
        let status = reply.status_code();
        (on("5xx") && status >= 500)
            || (on("gateway-error") && (502..=504).contains(&status))
            || (on("retriable-4xx") && status == 409)
            || (on("retriable-status-codes") && self.codes.contains(&status))
            || self.grpc_on.iter().any(|it| it == grpc)
    }
}
