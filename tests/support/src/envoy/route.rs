//! A route of an [`EnvoyConfig`](super::EnvoyConfig).

use serde_json::{Value, json};

/// A route with a name, from a path's prefix to a cluster.
#[derive(Clone, Debug)]
pub struct Route {
    name: String,
    prefix: String,
    cluster: String,
    extra: Value,
}

impl Route {
    /// Requests whose path begins with `prefix` go to `cluster`.
    #[must_use]
    pub fn new(name: &str, prefix: &str, cluster: &str) -> Self {
        Self {
            name: name.to_owned(),
            prefix: prefix.to_owned(),
            cluster: cluster.to_owned(),
            extra: json!({}),
        }
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
        json!({"name": self.name, "match": {"prefix": self.prefix}, "route": action})
    }
}
