//! Who is compared.

use crate::upstream::{Upstream, Who};
use serde_json::{Value, json};
use sidestep_support::{Cluster, EnvoyConfig, filters};
use std::path::PathBuf;

/// The one cluster.
pub(crate) const CLUSTER: &str = "backend";

/// One way to run Envoy.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Contender {
    /// No filter.
    Nothing,
    /// A Wasm filter that does nothing: the floor of the platform.
    Empty,
    /// A Wasm filter that makes only the host calls that cannot be avoided: `filters/floor.rs` lists them.
    Floor,
    /// A Lua filter that looks the same things up and keeps the same copy.
    Lua,
    /// Envoy's own outlier detection and retries.
    Native,
    /// sidestep, nothing ejected.
    Sidestep,
    /// sidestep, one host of four ejected: requests are pinned.
    Ejected,
    /// Envoy's own, one request of a hundred fails and is retried.
    NativeRetries,
    /// sidestep, the same.
    Retries,
}

impl Contender {
    /// All of them, in the order of the tables.
    pub(crate) const ALL: [Self; 9] = [
        Self::Nothing,
        Self::Empty,
        Self::Floor,
        Self::Lua,
        Self::Native,
        Self::Sidestep,
        Self::Ejected,
        Self::NativeRetries,
        Self::Retries,
    ];

    /// Its name on the command line and in files.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Nothing => "nothing",
            Self::Empty => "empty",
            Self::Floor => "floor",
            Self::Lua => "lua",
            Self::Native => "native",
            Self::Sidestep => "sidestep",
            Self::Ejected => "ejected",
            Self::NativeRetries => "native-retries",
            Self::Retries => "retries",
        }
    }

    /// The contender of this name.
    pub(crate) fn of(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|contender| contender.name() == name)
    }

    /// What it is.
    pub(crate) const fn what(self) -> &'static str {
        match self {
            Self::Nothing => "no filter",
            Self::Empty => "empty Wasm filter",
            Self::Floor => "floor filter",
            Self::Lua => "Lua filter, the same look-ups",
            Self::Native => "Envoy's outlier detection and retries",
            Self::Sidestep => "sidestep, nothing ejected",
            Self::Ejected => "sidestep, one host ejected",
            Self::NativeRetries => "Envoy's, 1 % retries",
            Self::Retries => "sidestep, 1 % retries",
        }
    }

    /// The hosts that it has.
    pub(crate) const fn hosts(self) -> Who {
        match self {
            Self::Ejected => Who::OneBad,
            Self::Retries | Self::NativeRetries => Who::Stumbling,
            _ => Who::Good,
        }
    }

    /// Its Envoy, with the first `count` hosts of `upstream` in one cluster.
    ///
    /// Those that steer by the override header have the load balancing policy that reads it, and the upstream filter that
    /// takes it off again; the filters that sidestep is held against have both, too: what differs is the filter alone.
    pub(crate) fn envoy(self, upstream: &Upstream, count: usize, workers: u32) -> EnvoyConfig {
        let hosts = upstream.hosts(self.hosts(), count);
        self.over(
            [hosts.into_iter().fold(Cluster::new(CLUSTER), Cluster::address)],
            workers,
        )
    }

    /// Its Envoy, with these clusters.
    pub(crate) fn over(self, clusters: impl IntoIterator<Item = Cluster>, workers: u32) -> EnvoyConfig {
        let clusters = clusters.into_iter().map(|cluster| match self {
            Self::Nothing => cluster.without_override_policy(),
            Self::Native | Self::NativeRetries => native(cluster, self == Self::NativeRetries),
            _ => cluster,
        });
        let config = EnvoyConfig::new(clusters).workers(workers).log_level("warning");
        match self {
            Self::Nothing => config.without_filter(),
            Self::Empty => config.wasm(&filter("empty_filter")),
            Self::Floor => config.wasm(&filter("floor_filter")),
            Self::Lua => config.without_filter().filter_before(filters::lua(LUA)),
            Self::Native | Self::NativeRetries => config.without_filter().route_retry_policy(json!({
                "retry_on": "5xx,reset,connect-failure,refused-stream",
                "num_retries": 1,
                "retry_host_predicate": [{"name": "envoy.retry_host_predicates.previous_hosts", "typed_config": {
                    "@type": "type.googleapis.com/envoy.extensions.retry.host.previous_hosts.v3.PreviousHostsPredicate",
                }}],
                "host_selection_retry_max_attempts": 5,
            })),
            Self::Sidestep => config.plugin(&json!({})),
            Self::Ejected => config.plugin(&json!({"outlier_detection": {
                "base_ejection_time": "1h", "max_ejection_time": "1h",
            }})),
            Self::Retries => config.plugin(&never_ejects()),
        }
    }
}

/// Where retries are measured, no host may leave: they all stumble alike.
fn never_ejects() -> Value {
    json!({"outlier_detection": {
        "enforcing_consecutive_5xx": 0, "enforcing_success_rate": 0, "enforcing_consecutive_gateway_failure": 0,
        "enforcing_failure_percentage": 0,
    }})
}

fn native(cluster: Cluster, stumbling: bool) -> Cluster {
    let detection = if stumbling {
        json!({"enforcing_consecutive_5xx": 0, "enforcing_success_rate": 0})
    } else {
        json!({})
    };
    cluster.without_override_policy().with("outlier_detection", detection)
}

/// A filter of `filters/`, as `build.sh bench` builds it.
fn filter(name: &str) -> PathBuf {
    let folder = std::env::var_os("SIDESTEP_FILTERS").map_or_else(
        || sidestep_support::repository().join("target/bench/filters"),
        PathBuf::from,
    );
    folder.join(format!("{name}.wasm"))
}

/// What sidestep looks up, as far as Lua can: the request's headers are copied and searched for the override header; status
/// and route are looked up of the answer, for Envoy tells Lua neither host nor cluster; outcomes are counted.
const LUA: &str = r#"
local outcomes = {}
function envoy_on_request(handle)
  local headers = handle:headers()
  local copy = {}
  for name, value in pairs(headers) do
    copy[#copy + 1] = {name, value}
    if name == "x-sidestep-host" then headers:remove(name) end
  end
  handle:streamInfo():dynamicMetadata():set("copy", "size", #copy)
end
function envoy_on_response(handle)
  local status = handle:headers():get(":status")
  local route = handle:streamInfo():routeName()
  local key = route .. status
  outcomes[key] = (outcomes[key] or 0) + 1
end
"#;

/// The names of all contenders.
pub(crate) fn known() -> String {
    Contender::ALL.map(Contender::name).join(", ")
}
