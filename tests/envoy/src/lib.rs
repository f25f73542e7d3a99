//! The usual scenes of the end-to-end tests: three servers behind an Envoy with the filter, and as many as a test likes.
//!
//! The tests are in `tests/e2e`, by theme. Each starts what it needs and ends it; none of them shares anything.
#![forbid(unsafe_code)]

mod crowd;
mod site;

pub use crowd::{Crowd, Ejection, next_answers};
pub use site::{BACKUP, FLEET, Sidecar, Site, fail_for, until_backed_up, until_members};

use serde_json::{Value, json};
use sidestep_support::{Behaviour, Client, Cluster, Envoy, EnvoyConfig, Reply, Request, Response, Upstream};
use std::collections::HashSet;
use std::sync::{Arc, Mutex};

/// Three servers, `a`, `b` and `c`, and an Envoy whose cluster `backend` they are.
#[derive(Debug)]
pub struct Scene {
    /// The first server: the one that tests break.
    pub a: Upstream,
    /// The second one.
    pub b: Upstream,
    /// The third one.
    pub c: Upstream,
    /// Envoy.
    pub envoy: Envoy,
}

impl Scene {
    /// Servers that speak HTTP/1.1, and Envoy with this plugin configuration; see [`knowing`].
    pub async fn start(plugin: Value) -> Self {
        Self::start_with(plugin, |config| config).await
    }

    /// The same, with more to say about Envoy.
    pub async fn start_with(plugin: Value, adapt: impl FnOnce(EnvoyConfig) -> EnvoyConfig) -> Self {
        let servers = [
            Upstream::http1("a").await,
            Upstream::http1("b").await,
            Upstream::http1("c").await,
        ];
        let cluster = Cluster::new("backend").hosts(&servers);
        Self::of(servers, cluster, plugin, adapt).await
    }

    /// The same, with servers that speak HTTP/2.
    pub async fn start_http2(plugin: Value) -> Self {
        let servers = [
            Upstream::http2("a").await,
            Upstream::http2("b").await,
            Upstream::http2("c").await,
        ];
        let cluster = Cluster::new("backend").hosts(&servers).http2();
        Self::of(servers, cluster, plugin, |config| config).await
    }

    /// The same, with a cluster of one's own making.
    pub async fn start_cluster(plugin: Value, adapt: impl FnOnce(Cluster) -> Cluster) -> Self {
        let servers = [
            Upstream::http1("a").await,
            Upstream::http1("b").await,
            Upstream::http1("c").await,
        ];
        let cluster = adapt(Cluster::new("backend").hosts(&servers));
        Self::of(servers, cluster, plugin, |config| config).await
    }

    async fn of(
        servers: [Upstream; 3],
        cluster: Cluster,
        plugin: Value,
        adapt: impl FnOnce(EnvoyConfig) -> EnvoyConfig,
    ) -> Self {
        let plugin = knowing("backend", &servers, plugin);
        let config = adapt(EnvoyConfig::new([cluster]).plugin(&plugin));
        let envoy = Envoy::start(config).await.expect("Envoy starts");
        let [a, b, c] = servers;
        Self { a, b, c, envoy }
    }

    /// The servers.
    #[must_use]
    pub fn servers(&self) -> [&Upstream; 3] {
        [&self.a, &self.b, &self.c]
    }

    /// A client.
    #[must_use]
    pub fn client(&self) -> Client {
        self.envoy.client()
    }

    /// Sends requests, eight at a time, and gives the answers' statuses in order; 0 where there was no whole answer.
    pub async fn statuses(&self, count: usize, request: impl Fn(usize) -> Request) -> Vec<u16> {
        let answers = self.client().send_many(count, 8, request).await;
        answers
            .into_iter()
            .map(|answer| answer.map_or(0, |answer| answer.status()))
            .collect()
    }

    /// Sends GETs, one after the other, until one has reached `a`, which the answer shows or not.
    ///
    /// # Panics
    /// None of the first 30 does.
    pub async fn reach_a(&self, request: impl Fn() -> Request) -> Response {
        let before = self.a.count();
        for _ in 0..30 {
            let answer = self.client().send(request()).await.expect("an answer");
            if self.a.count() > before {
                return answer;
            }
        }
        panic!("no request reaches a");
    }

    /// Breaks `a` by 503s until it is ejected. It has no other failures then than those.
    ///
    /// # Panics
    /// It is not ejected.
    pub async fn eject_a(&self) {
        self.a.set(Reply::status(503));
        for _ in 0..60 {
            self.client().get("/").await.expect("an answer");
            if self.a.count() >= 5 {
                break;
            }
        }
        let line = format!("ejected host {} of cluster backend", self.a.address());
        self.envoy.until_log(&line).await.expect("an ejection");
    }

    /// `a` fails like this, and the others answer like that what has failed there: a retry, told by its path, which no
    /// two requests may share then. All else they answer with 200.
    pub fn fail_and_retry(&self, failure: impl Into<Behaviour>, retry: impl Into<Behaviour>) {
        let (failure, retry) = (failure.into(), retry.into());
        let failed: Arc<Mutex<HashSet<String>>> = Arc::default();
        for server in [&self.b, &self.c] {
            let (failed, retry) = (Arc::clone(&failed), retry.clone());
            server.set_by(move |request| {
                if failed.lock().is_ok_and(|failed| failed.contains(&request.path)) {
                    retry.clone()
                } else {
                    Reply::status(200).into()
                }
            });
        }
        self.a.set_by(move |request| {
            if let Ok(mut failed) = failed.lock() {
                failed.insert(request.path.clone());
            }
            failure.clone()
        });
    }

    /// Waits until a metric is exactly this. The module hands its counts to Envoy once a second: a 0 proves something
    /// only after another metric that is counted by the same requests.
    ///
    /// # Panics
    /// It is not, in time.
    pub async fn metric_is(&self, name: &str, value: u64) {
        if let Err(error) = self.envoy.until_metric(name, |n| n == value).await {
            let mut all = self.envoy.metrics().await.unwrap_or_default();
            all.retain(|_, value| *value > 0);
            panic!("{error}, instead of {value}; all metrics: {all:#?}");
        }
    }

    /// How many requests all servers got.
    #[must_use]
    pub fn count(&self) -> u64 {
        self.servers().iter().map(|server| server.count()).sum()
    }
}

/// A plugin configuration that knows these hosts from the start, and leaves nothing to chance: no request is sent
/// unpinned for the sake of discovery, the filter makes the retries, and no budget bounds them, unless it says so.
#[must_use]
pub fn knowing(cluster: &str, servers: &[Upstream], mut plugin: Value) -> Value {
    let hosts: Vec<_> = servers.iter().map(|server| server.address().to_string()).collect();
    if plugin["clusters"][cluster]["hosts"].is_null() {
        plugin["clusters"][cluster]["hosts"] = json!(hosts);
    }
    // Which engine is at work would depend on what the filter has seen of the route so far.
    if plugin["retry"]["engine"].is_null() {
        plugin["retry"]["engine"] = json!("filter");
    }
    // How many retries there may be is a matter of how fast a test is.
    if plugin["retry"]["budget"].is_null() {
        plugin["retry"]["budget"] = json!({"min_retries_per_second": 10_000});
    }
    if plugin["picking"]["discovery_percent"].is_null() {
        plugin["picking"]["discovery_percent"] = json!(0);
    }
    plugin
}
