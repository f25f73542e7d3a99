//! What a route does with requests behind the filters: rewrites, headers, retries of its own.

use crate::headers::Headers;

/// What a named route does; see [`Sim::route`](crate::Sim::route). One that says nothing changes nothing.
#[derive(Clone, Debug, Default)]
pub struct Route {
    prefix: Option<(String, String)>,
    host: Option<String>,
    added: Vec<(String, String)>,
    removed: Vec<String>,
    pub(crate) retries: Option<(String, u32)>,
    pub(crate) counts_attempts: bool,
}

impl Route {
    /// A route that changes nothing.
    pub fn new() -> Route {
        Route::default()
    }

    /// `prefix_rewrite`: paths that begin with `from` begin with `to` instead.
    pub fn rewrites_prefix(mut self, from: &str, to: &str) -> Route {
        self.prefix = Some((from.to_owned(), to.to_owned()));
        self
    }

    /// `host_rewrite_literal`.
    pub fn rewrites_host(mut self, host: &str) -> Route {
        self.host = Some(host.to_owned());
        self
    }

    /// `request_headers_to_add`.
    pub fn adds(mut self, name: &str, value: &str) -> Route {
        self.added.push((name.to_owned(), value.to_owned()));
        self
    }

    /// `request_headers_to_remove`.
    pub fn removes(mut self, name: &str) -> Route {
        self.removed.push(name.to_owned());
        self
    }

    /// `retry_policy`.
    pub fn retries(mut self, retry_on: &str, num_retries: u32) -> Route {
        self.retries = Some((retry_on.to_owned(), num_retries));
        self
    }

    /// Its virtual host has `include_request_attempt_count`.
    pub fn counts_attempts(mut self) -> Route {
        self.counts_attempts = true;
        self
    }

    /// The request as the router sends it.
    pub(crate) fn change(&self, headers: &mut Headers) {
        if let Some((from, to)) = &self.prefix
            && let Some(path) = headers.get(":path").map(str::to_owned)
            && let Some(rest) = path.strip_prefix(from.as_str())
        {
            headers.set(":path", format!("{to}{rest}"));
            headers.set("x-envoy-original-path", path);
        }
        if let Some(host) = &self.host {
            headers.set(":authority", host);
        }
        for (name, value) in &self.added {
            headers.add(name, value);
        }
        for name in &self.removed {
            headers.remove(name);
        }
    }
}
