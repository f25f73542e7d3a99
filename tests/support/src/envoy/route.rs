//! A route of an [`EnvoyConfig`](super::EnvoyConfig).

use serde_json::{Value, json};

/// A route from a path's prefix to a cluster.
#[derive(Clone, Debug)]
pub struct Route {
    name: String,
    prefix: String,
    cluster: String,
    /// Into its `route`.
    extra: Value,
    /// Into the route itself.
    beside: Value,
    /// Into its `match`.
    condition: Value,
}

impl Route {
    /// Requests whose path begins with `prefix` go to `cluster`. An empty name is none.
    #[must_use]
    pub fn new(name: &str, prefix: &str, cluster: &str) -> Self {
        Self {
            name: name.to_owned(),
            prefix: prefix.to_owned(),
            cluster: cluster.to_owned(),
            extra: json!({}),
            beside: json!({}),
            condition: json!({}),
        }
    }

    /// Any other field of Envoy's `Route`, beside `match` and `route`.
    #[must_use]
    pub fn beside(mut self, field: &str, value: Value) -> Self {
        self.beside[field] = value;
        self
    }

    /// Only requests that have this header with this value.
    #[must_use]
    pub fn if_header(mut self, name: &str, value: &str) -> Self {
        self.condition["headers"] = json!([{"name": name, "string_match": {"exact": value}}]);
        self
    }

    /// Any other field of Envoy's `RouteAction`.
    #[must_use]
    pub fn with(mut self, field: &str, value: Value) -> Self {
        self.extra[field] = value;
        self
    }

    /// Envoy's `Route`; `common` is what all of them say.
    pub(super) fn json(&self, common: &Value) -> Value {
        let mut action = json!({"cluster": self.cluster});
        super::merge(&mut action, common);
        super::merge(&mut action, &self.extra);
        let mut condition = json!({"prefix": self.prefix});
        super::merge(&mut condition, &self.condition);
        let mut route = json!({"name": self.name, "match": condition, "route": action});
        super::merge(&mut route, &self.beside);
        route
    }
}
