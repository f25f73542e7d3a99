//! Envoy's own HTTP filters, to put beside sidestep.

use serde_json::{Value, json};

/// The router: each listener's last filter.
pub(super) fn router() -> Value {
    json!({
        "name": "envoy.filters.http.router",
        "typed_config": {"@type": "type.googleapis.com/envoy.extensions.filters.http.router.v3.Router"},
    })
}

/// CORS. It acts by a policy: put [`cors_policy`] into the virtual host's `typed_per_filter_config`.
#[must_use]
pub fn cors() -> Value {
    json!({
        "name": "envoy.filters.http.cors",
        "typed_config": {"@type": "type.googleapis.com/envoy.extensions.filters.http.cors.v3.Cors"},
    })
}

/// `typed_per_filter_config` that allows this origin.
#[must_use]
pub fn cors_policy(origin: &str) -> Value {
    json!({"envoy.filters.http.cors": {
        "@type": "type.googleapis.com/envoy.extensions.filters.http.cors.v3.CorsPolicy",
        "allow_origin_string_match": [{"exact": origin}],
        "expose_headers": "x-upstream",
    }})
}

/// A Lua filter with this code.
#[must_use]
pub fn lua(code: &str) -> Value {
    json!({
        "name": "envoy.filters.http.lua",
        "typed_config": {
            "@type": "type.googleapis.com/envoy.extensions.filters.http.lua.v3.Lua",
            "default_source_code": {"inline_string": code},
        },
    })
}
