//! All hosts fail, for half a minute, under steady load: how many requests reach them.

use serde_json::{Value, json};
use sidestep_envoy::knowing;
use sidestep_support::{Cluster, Envoy, EnvoyConfig, Reply, Request, Upstream};
use std::time::Duration;

/// Requests a second.
const RATE: f64 = 100.0;
const TIME: Duration = Duration::from_secs(30);

/// Clients' requests, and those that reached the hosts.
struct Storm {
    requests: u64,
    attempts: u64,
}

impl Storm {
    async fn rage(name: &str, adapt: impl FnOnce(EnvoyConfig, &[Upstream]) -> EnvoyConfig) -> Self {
        let mut servers = Vec::new();
        for name in ["a", "b", "c"] {
            servers.push(Upstream::http1(name).await);
        }
        for server in &servers {
            server.set(Reply::status(503));
        }
        let cluster = Cluster::new("backend").hosts(&servers);
        let config = adapt(EnvoyConfig::new([cluster]), &servers);
        let envoy = Envoy::start(config).await.expect("Envoy starts");
        let traffic = envoy.client().traffic(RATE, |n| Request::get(&format!("/{n}")));
        tokio::time::sleep(TIME).await;
        let summary = traffic.stop().await;
        let storm = Self {
            requests: summary.count(),
            attempts: servers.iter().map(Upstream::count).sum(),
        };
        println!(
            "{name}: {} requests, {} attempts, {:.3} each",
            storm.requests,
            storm.attempts,
            storm.each()
        );
        storm
    }

    #[expect(clippy::cast_precision_loss, reason = "thousands")]
    fn each(&self) -> f64 {
        self.attempts as f64 / self.requests.max(1) as f64
    }
}

/// The same number of retries for each request as Envoy's, and the default budget.
fn plugin(engine: &str) -> Value {
    json!({
        "retry": {"engine": engine, "num_retries": 3, "budget": {}},
        "outlier_detection": {"enforcing_consecutive_5xx": 0},
    })
}

#[tokio::test]
async fn when_all_hosts_fail_the_load_on_them_stays_within_the_budget_and_envoys_own_retries_multiply_it() {
    let with_filter = |engine: &'static str| {
        Storm::rage(engine, move |config, servers| {
            config.plugin(&knowing("backend", servers, plugin(engine)))
        })
    };
    let envoys = Storm::rage("Envoy, num_retries 3", |config, _| {
        config.without_filter().route_retry_policy(json!({
            "retry_on": "5xx",
            "num_retries": 3,
            "retry_back_off": {"base_interval": "0.001s", "max_interval": "0.010s"},
        }))
    });
    let (filter, router, envoys) = tokio::join!(with_filter("filter"), with_filter("router"), envoys);
    for storm in [&filter, &router] {
        // A share of 20 %, and 10 in each second that was begun.
        let most = storm.requests + storm.requests / 5 + 10 * (TIME.as_secs() + 2);
        assert!(
            storm.attempts <= most,
            "{} of {}, {most} at most",
            storm.attempts,
            storm.requests
        );
        assert!(storm.attempts > storm.requests, "the budget is used");
    }
    assert!(envoys.each() > 3.5, "{}", envoys.each());
}
