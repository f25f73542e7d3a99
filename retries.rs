//! Which answers Envoy's router tries again, and how much time it gives: what `x-envoy-*` headers and the route say.

use crate::headers::Headers;
use crate::reply::Failure;
use crate::route::Route;
use std::time::Duration;

/// Which answers are tried again, and how often.
#[derive(Debug)]
pub(crate) struct Retries {
    on: Vec<String>,
    grpc_on: Vec<String>,
    codes: Vec<u16>,
    pub(crate) left: u64,
}

fn names(list: &str) -> impl Iterator<Item = &str> {
    list.split(',').map(str::trim)
}

impl Retries {
    /// Takes the request's word for it out of its headers and unites it with the route's. `None`: nobody said a word.
    pub(crate) fn take(headers: &mut Headers, route: &Route) -> Option<Retries> {
        let on = headers.take("x-envoy-retry-on");
        let grpc_on = headers.take("x-envoy-retry-grpc-on");
        let left = headers.take("x-envoy-max-retries");
        let codes = headers.take("x-envoy-retriable-status-codes");
        if on.is_none() && grpc_on.is_none() && route.retry_on.is_none() {
            return None;
        }
        let united = |its: &Option<String>| {
            let lists = [its.as_deref(), route.retry_on.as_deref()];
            let all = lists.into_iter().flatten().flat_map(names);
            all.map(str::to_owned).collect()
        };
        let codes = codes.unwrap_or_default();
        let codes = names(&codes).filter_map(|code| code.parse().ok());
        Some(Retries {
            on: united(&on),
            grpc_on: united(&grpc_on),
            codes: codes.chain(route.retriable_status_codes.iter().copied()).collect(),
            left: left
                .and_then(|number| number.trim().parse().ok())
                .or(route.num_retries)
                .unwrap_or(1),
        })
    }

    fn has(&self, condition: &str) -> bool {
        self.on.iter().any(|it| it == condition)
    }

    /// Whether an attempt that came to this is one to try again.
    pub(crate) fn want(&self, failure: Option<Failure>, headers: &Headers) -> bool {
        match failure {
            Some(failure) => self.want_after(failure),
            None => self.want_instead_of(headers),
        }
    }

    /// No answer came.
    fn want_after(&self, failure: Failure) -> bool {
        let its_own = match failure {
            Failure::Overflow | Failure::TimedOut | Failure::NoHost | Failure::NoRoute => return false,
            Failure::Refused => self.has("connect-failure"),
            Failure::RefusedStream => self.has("refused-stream"),
            Failure::Closed | Failure::Reset | Failure::TryTimedOut => false,
        };
        its_own || ["5xx", "gateway-error", "reset"].iter().any(|name| self.has(name))
    }

    /// A host answered with these headers.
    fn want_instead_of(&self, headers: &Headers) -> bool {
        if headers.has("x-envoy-overloaded") {
            return false;
        }
        if headers.has("x-envoy-ratelimited") {
            return self.has("envoy-ratelimited");
        }
        let number = |name: &str| headers.get(name).and_then(|value| value.parse::<u16>().ok());
        let status = number(":status").unwrap_or(0);
        let grpc = match number("grpc-status") {
            Some(1) => "cancelled",
            Some(4) => "deadline-exceeded",
            Some(8) => "resource-exhausted",
            Some(13) => "internal",
            Some(14) => "unavailable",
            _ => "",
        };
        ((500..600).contains(&status) && self.has("5xx"))
            || (matches!(status, 502..=504) && self.has("gateway-error"))
            || (status == 409 && self.has("retriable-4xx"))
            || (self.codes.contains(&status) && self.has("retriable-status-codes"))
            || (!grpc.is_empty() && self.grpc_on.iter().any(|it| it == grpc))
    }
}

/// How much time the router gives a request.
#[derive(Debug, Default)]
pub(crate) struct Timeouts {
    /// For the whole answer, all attempts and their back-off included.
    pub(crate) whole: Option<Duration>,
    /// For the headers of each attempt.
    pub(crate) per_try: Option<Duration>,
}

impl Timeouts {
    /// Takes the request's word for it out of its headers; where it has none, the route's counts.
    pub(crate) fn take(headers: &mut Headers, route: &Route) -> Timeouts {
        let mut asked = |name: &str, otherwise: Option<Duration>| {
            let millis = headers.take(name).and_then(|value| value.trim().parse().ok());
            let timeout = millis.map(Duration::from_millis).or(otherwise);
            timeout.filter(|timeout| !timeout.is_zero())
        };
        let whole = asked("x-envoy-upstream-rq-timeout-ms", route.timeout);
        let per_try = asked("x-envoy-upstream-rq-per-try-timeout-ms", route.per_try_timeout);
        Timeouts {
            whole,
            per_try: per_try.filter(|per_try| whole.is_none_or(|whole| *per_try < whole)),
        }
    }

    /// What an attempt is told to expect, so long after the request's end.
    pub(crate) fn expected(&self, elapsed: Duration) -> Option<Duration> {
        let left = self.whole.map(|whole| whole.saturating_sub(elapsed));
        let left = left.map(|left| left.max(Duration::from_millis(1)));
        [self.per_try, left].into_iter().flatten().min()
    }
}

#[cfg(test)]
mod tests {
    use super::Retries;
    use crate::headers::Headers;
    use crate::reply::Failure;
    use crate::route::Route;

    fn retries(name: &str, on: &str) -> Retries {
        let mut headers = Headers::from([(name, on), ("x-envoy-retriable-status-codes", "429, 425")]);
        Retries::take(&mut headers, &Route::new()).expect("a word on retries")
    }

    /// Which of the conditions retry this.
    fn tried_again(failure: Option<Failure>, headers: &Headers) -> Vec<&'static str> {
        let conditions = [
            "5xx",
            "gateway-error",
            "reset",
            "connect-failure",
            "refused-stream",
            "retriable-4xx",
            "retriable-status-codes",
            "envoy-ratelimited",
            "unavailable",
        ];
        let wanted = |on: &&str| retries("x-envoy-retry-on", on).want(failure, headers);
        conditions.into_iter().filter(wanted).collect()
    }

    #[test]
    fn each_condition_retries_what_envoy_says_it_does() {
        let answer = |status: &str| tried_again(None, &Headers::from([(":status", status)]));
        assert_eq!(answer("500"), ["5xx"]);
        assert_eq!(answer("503"), ["5xx", "gateway-error"]);
        assert_eq!(answer("409"), ["retriable-4xx"]);
        assert_eq!(answer("425"), ["retriable-status-codes"]);
        assert!(answer("200").is_empty() && answer("404").is_empty());
        let no_answer = |failure| tried_again(Some(failure), &Headers::default());
        assert_eq!(
            no_answer(Failure::Refused),
            ["5xx", "gateway-error", "reset", "connect-failure"]
        );
        assert_eq!(
            no_answer(Failure::RefusedStream),
            ["5xx", "gateway-error", "reset", "refused-stream"]
        );
        for failure in [Failure::Closed, Failure::Reset, Failure::TryTimedOut] {
            assert_eq!(no_answer(failure), ["5xx", "gateway-error", "reset"]);
        }
        for failure in [Failure::Overflow, Failure::TimedOut, Failure::NoHost] {
            assert!(no_answer(failure).is_empty(), "{failure:?}");
        }
    }

    #[test]
    fn what_envoy_marked_is_no_failure_of_a_host() {
        let marked = |mark| tried_again(None, &Headers::from([(":status", "503"), (mark, "true")]));
        assert!(marked("x-envoy-overloaded").is_empty());
        assert_eq!(marked("x-envoy-ratelimited"), ["envoy-ratelimited"]);
    }

    #[test]
    fn grpc_has_conditions_and_a_header_of_its_own() {
        let names = [
            (1, "cancelled"),
            (4, "deadline-exceeded"),
            (8, "resource-exhausted"),
            (13, "internal"),
            (14, "unavailable"),
        ];
        for (status, name) in names {
            let mut answer = Headers::from([(":status", "200")]);
            answer.add("grpc-status", status.to_string());
            assert!(retries("x-envoy-retry-grpc-on", name).want(None, &answer), "{name}");
            assert!(!retries("x-envoy-retry-on", name).want(None, &answer), "{name}");
            answer.set("grpc-status", "2");
            assert!(!retries("x-envoy-retry-grpc-on", name).want(None, &answer), "{name}");
        }
    }

    #[test]
    fn the_conditions_of_route_and_request_are_united_and_the_requests_number_counts() {
        let route = Route::new()
            .retry_on("gateway-error,unavailable")
            .num_retries(3)
            .retriable_status_code(418);
        let mut headers = Headers::from([("x-envoy-retry-on", "retriable-status-codes"), ("a", "1")]);
        let both = Retries::take(&mut headers, &route).expect("a policy");
        let answer = |status: &str| both.want(None, &Headers::from([(":status", status)]));
        assert!(answer("418") && answer("503") && !answer("500"));
        assert!(both.want(None, &Headers::from([(":status", "200"), ("grpc-status", "14")])));
        assert_eq!((both.left, headers), (3, Headers::from([("a", "1")])));
        let mut headers = Headers::from([("x-envoy-max-retries", "0")]);
        let both = Retries::take(&mut headers, &route).expect("a policy");
        assert_eq!(both.left, 0);
        assert_eq!(retries("x-envoy-retry-on", "5xx").left, 1);
        assert!(Retries::take(&mut Headers::from([("x-envoy-max-retries", "9")]), &Route::new()).is_none());
    }
}
