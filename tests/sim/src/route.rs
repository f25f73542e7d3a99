//! What a route does with requests behind the filters: rewrites, headers, retries of its own.

use crate::headers::Headers;
use crate::sim::Sim;

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

    /// `retry_policy`: its `retry_on`, with the conditions for gRPC among them, and `num_retries`.
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
        // Envoy removes before it adds.
        for name in &self.removed {
            headers.remove(name);
        }
        for (name, value) in &self.added {
            headers.add(name, value);
        }
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
    }
}

impl Sim {
    /// With a route that does this; requests take it by [`Request::route`](crate::Request::route), callouts never.
    ///
    /// ```no_run
    /// # use sidestep_sim::{Request, Route, Sim};
    /// let mut sim = Sim::new("{}").cluster("backend", ["10.0.0.1:80"]).route("api", Route::new().adds("x", "1"));
    /// sim.send(Request::get("/").route("api"));
    /// ```
    pub fn route(mut self, name: &str, route: Route) -> Sim {
        self.engine.routes.insert(name.to_owned(), route);
        self
    }

    /// With routes that take a request to the cluster that this header names, once they are looked for anew
    /// (`clear_route_cache`).
    ///
    /// ```no_run
    /// # use sidestep_sim::Sim;
    /// let sim = Sim::new("{}").cluster("backend", ["10.0.0.1:80"]).routes_by_header("x-sidestep-cluster");
    /// ```
    pub fn routes_by_header(self, name: &str) -> Sim {
        self.engine.world().cluster_header = Some(name.to_owned());
        self
    }
}
