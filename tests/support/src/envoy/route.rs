//! A route of an [`EnvoyConfig`](super::EnvoyConfig).

use serde_json::{Value, json};

/// A route from a path's prefix to a cluster.
#[derive(Clone, Debug)]
pub struct Route {
    name: String,
    prefix: String,
    /// `cluster` or `cluster_header`, and its value.
    to: (&'static str, String),
    /// Into its `match`.
    condition: Value,
    /// The `headers` of its `match`.
    headers: Vec<Value>,
    /// Into its `route`.
    extra: Value,
    /// Into the route itself.
    beside: Value,
}

impl Route {
    /// Requests whose path begins with `prefix` go to `cluster`. An empty name is none.
    #[must_use]
    pub fn new(name: &str, prefix: &str, cluster: &str) -> Self {
        Self::to(name, prefix, ("cluster", cluster.to_owned()))
    }

    /// Requests whose path begins with `prefix` go to the cluster that this header of theirs names.
    #[must_use]
    pub fn by_header(name: &str, prefix: &str, header: &str) -> Self {
        Self::to(name, prefix, ("cluster_header", header.to_owned()))
    }

    fn to(name: &str, prefix: &str, to: (&'static str, String)) -> Self {
        Self {
            name: name.to_owned(),
            prefix: prefix.to_owned(),
            to,
            condition: json!({}),
            headers: Vec::new(),
            extra: json!({}),
            beside: json!({}),
        }
    }

    /// Only requests that have this header with this value; with several of these, all of them.
    #[must_use]
    pub fn if_header(mut self, name: &str, value: &str) -> Self {
        self.headers
            .push(json!({"name": name, "string_match": {"exact": value}}));
        self
    }

    /// Any other field of Envoy's `RouteMatch`.
    #[must_use]
    pub fn matching(mut self, field: &str, value: Value) -> Self {
        self.condition[field] = value;
        self
    }

    /// Any other field of Envoy's `RouteAction`.
    #[must_use]
    pub fn with(mut self, field: &str, value: Value) -> Self {
        self.extra[field] = value;
        self
    }

    /// Any other field of Envoy's `Route`, beside `match` and `route`.
    #[must_use]
    pub fn beside(mut self, field: &str, value: Value) -> Self {
        self.beside[field] = value;
        self
    }

    /// With this header more on its requests: `request_headers_to_add`.
    #[must_use]
    pub fn adding_to_request(self, name: &str, value: &str) -> Self {
        self.adding("request_headers_to_add", name, value)
    }

    /// Without this header on its requests: `request_headers_to_remove`.
    #[must_use]
    pub fn removing_from_request(self, name: &str) -> Self {
        self.listing("request_headers_to_remove", json!(name))
    }

    /// With this header more on its answers: `response_headers_to_add`.
    #[must_use]
    pub fn adding_to_response(self, name: &str, value: &str) -> Self {
        self.adding("response_headers_to_add", name, value)
    }

    fn adding(self, list: &str, name: &str, value: &str) -> Self {
        self.listing(list, json!({"header": {"key": name, "value": value}}))
    }

    fn listing(mut self, list: &str, item: Value) -> Self {
        match self.beside[list].as_array_mut() {
            Some(items) => items.push(item),
            None => self.beside[list] = json!([item]),
        }
        self
    }

    /// Envoy's `Route`; `common` is what all of them say of their action.
    pub(super) fn json(&self, common: &Value) -> Value {
        let (field, cluster) = &self.to;
        let mut action = json!({ *field: cluster });
        super::merge(&mut action, common);
        super::merge(&mut action, &self.extra);
        let mut condition = json!({"prefix": self.prefix});
        if !self.headers.is_empty() {
            condition["headers"] = json!(self.headers);
        }
        super::merge(&mut condition, &self.condition);
        let mut route = json!({"name": self.name, "match": condition, "route": action});
        super::merge(&mut route, &self.beside);
        route
    }
}
