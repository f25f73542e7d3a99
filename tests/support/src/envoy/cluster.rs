//! A cluster of an [`EnvoyConfig`](super::EnvoyConfig).

use super::Endpoints;
use crate::Upstream;
use serde_json::{Value, json};
use std::net::SocketAddr;
use std::time::Duration;

/// A cluster: static hosts behind the `override_host` policy, with the headers that are nobody's business but the
/// filter's removed before a request leaves. As the sample configuration in `envoy/envoy.yaml` has it.
#[derive(Clone, Debug)]
pub struct Cluster {
    pub(super) name: String,
    hosts: Vec<SocketAddr>,
    /// `eds_cluster_config`, if the hosts are in a file.
    eds: Option<Value>,
    http2: bool,
    trailers: bool,
    override_policy: bool,
    connect_timeout: Duration,
    extra: Value,
}

impl Cluster {
    /// A cluster without hosts.
    #[must_use]
    pub fn new(name: &str) -> Self {
        Self {
            name: name.to_owned(),
            hosts: Vec::new(),
            eds: None,
            http2: false,
            trailers: false,
            override_policy: true,
            connect_timeout: Duration::from_secs(5),
            extra: json!({}),
        }
    }

    /// A cluster whose hosts can change while Envoy runs.
    #[must_use]
    pub fn following(endpoints: &Endpoints) -> Self {
        let mut cluster = Self::new(endpoints.cluster());
        cluster.eds = Some(endpoints.source());
        cluster
    }

    /// With one host more.
    #[must_use]
    pub fn host(self, upstream: &Upstream) -> Self {
        self.address(upstream.address())
    }

    /// With these hosts more.
    #[must_use]
    pub fn hosts<'a>(self, upstreams: impl IntoIterator<Item = &'a Upstream>) -> Self {
        upstreams.into_iter().fold(self, Self::host)
    }

    /// With one host more, by its address.
    #[must_use]
    pub fn address(mut self, address: SocketAddr) -> Self {
        self.hosts.push(address);
        self
    }

    /// Speaks HTTP/2 with its hosts.
    #[must_use]
    pub fn http2(mut self) -> Self {
        self.http2 = true;
        self
    }

    /// Passes trailers on to its hosts by HTTP/1.1 too (`enable_trailers`).
    #[must_use]
    pub fn trailers(mut self) -> Self {
        self.trailers = true;
        self
    }

    /// Without the `override_host` policy: plain round robin, and no headers removed.
    #[must_use]
    pub fn without_override_policy(mut self) -> Self {
        self.override_policy = false;
        self
    }

    /// `connect_timeout`, instead of 5 s.
    #[must_use]
    pub fn connect_timeout(mut self, time: Duration) -> Self {
        self.connect_timeout = time;
        self
    }

    /// Bounds on connections, pending and active requests, all of this size.
    #[must_use]
    pub fn circuit_breaker(self, requests: u32) -> Self {
        self.with(
            "circuit_breakers",
            json!({"thresholds": [{
                "max_connections": requests,
                "max_pending_requests": requests,
                "max_requests": requests,
                "max_retries": 1024,
            }]}),
        )
    }

    /// Any other field of Envoy's `Cluster`.
    #[must_use]
    pub fn with(mut self, field: &str, value: Value) -> Self {
        self.extra[field] = value;
        self
    }

    pub(super) fn json(&self, override_header: &str) -> Value {
        let endpoints: Vec<_> = self.hosts.iter().map(endpoint).collect();
        let protocol = if self.http2 {
            json!({"http2_protocol_options": {}})
        } else {
            json!({"http_protocol_options": {"enable_trailers": self.trailers}})
        };
        let mut options = json!({
            "@type": "type.googleapis.com/envoy.extensions.upstreams.http.v3.HttpProtocolOptions",
            "explicit_http_config": protocol,
        });
        let mut cluster = json!({
            "name": self.name,
            "connect_timeout": format!("{}s", self.connect_timeout.as_secs_f64()),
        });
        if let Some(source) = &self.eds {
            cluster["type"] = json!("EDS");
            cluster["eds_cluster_config"] = source.clone();
        } else {
            cluster["type"] = json!("STATIC");
            cluster["load_assignment"] = json!({
                "cluster_name": self.name,
                "endpoints": [{"lb_endpoints": endpoints}],
            });
        }
        if self.override_policy {
            options["http_filters"] = removing_headers(override_header);
            cluster["load_balancing_policy"] = override_host(override_header);
        }
        cluster["typed_extension_protocol_options"] =
            json!({"envoy.extensions.upstreams.http.v3.HttpProtocolOptions": options});
        // Envoy's own default lets three of its router's retries through at once.
        cluster["circuit_breakers"] = json!({"thresholds": [{"max_retries": 1024}]});
        super::merge(&mut cluster, &self.extra);
        cluster
    }
}

pub(super) fn endpoint(address: &SocketAddr) -> Value {
    json!({"endpoint": {"address": {"socket_address": {
        "address": address.ip().to_string(),
        "port_value": address.port(),
    }}}})
}

/// Hosts by the header; whom it does not name, round robin picks.
fn override_host(header: &str) -> Value {
    json!({"policies": [{"typed_extension_config": {
        "name": "envoy.load_balancing_policies.override_host",
        "typed_config": {
            "@type": "type.googleapis.com/envoy.extensions.load_balancing_policies.override_host.v3.OverrideHost",
            "override_host_sources": [{"header": header}],
            "fallback_policy": {"policies": [{"typed_extension_config": {
                "name": "envoy.load_balancing_policies.round_robin",
                "typed_config": {
                    "@type": "type.googleapis.com/envoy.extensions.load_balancing_policies.round_robin.v3.RoundRobin",
                },
            }}]},
        },
    }}]})
}

/// Upstream filters: what the filter and its callouts add goes no further than the choice of the host.
fn removing_headers(header: &str) -> Value {
    json!([
        {
            "name": "envoy.filters.http.header_mutation",
            "typed_config": {
                "@type": "type.googleapis.com/envoy.extensions.filters.http.header_mutation.v3.HeaderMutation",
                "mutations": {"request_mutations": [
                    {"remove": header},
                    {"remove": "x-envoy-internal"},
                    {"remove": "x-sidestep-cluster"},
                ]},
            },
        },
        {
            "name": "envoy.filters.http.upstream_codec",
            "typed_config": {
                "@type": "type.googleapis.com/envoy.extensions.filters.http.upstream_codec.v3.UpstreamCodec",
            },
        },
    ])
}
