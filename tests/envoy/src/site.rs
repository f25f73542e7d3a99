//! The scene of tests with an etcd: several Envoys in front of the same servers.

use crate::knowing;
use serde_json::{Value, json};
use sidestep_support::{
    Cluster, Envoy, EnvoyConfig, EtcdClient, EtcdEntry, Reply, Request, Response, TimedOut, Traffic, Upstream, wait_for,
};
use std::net::SocketAddr;
use std::time::Duration;

/// A sidecar writes once a second at most: who has written nothing for longer has nothing to write.
const NOTHING_LEFT_TO_WRITE: Duration = Duration::from_millis(2500);

/// Where snapshots are.
pub const BACKUP: &str = "/sidestep/1/backup/";

/// Where the fleet is that has no other name, in no zone.
pub const FLEET: &str = "/sidestep/1/fleet/default/-/";

/// Servers, called `a`, `b`, ..., and where etcd is.
#[derive(Debug)]
pub struct Site {
    /// The servers.
    pub servers: Vec<Upstream>,
    etcd: Vec<SocketAddr>,
}

/// An Envoy with the filter. All its requests say whose they are, so that servers can fail for some sidecars only.
#[derive(Debug)]
pub struct Sidecar {
    /// Its node id.
    pub node: String,
    /// The Envoy.
    pub envoy: Envoy,
}

impl Site {
    /// So many servers, and this etcd.
    pub async fn start(count: u8, etcd: impl IntoIterator<Item = SocketAddr>) -> Self {
        Self {
            servers: crate::Crowd::http1(count).await,
            etcd: etcd.into_iter().collect(),
        }
    }

    /// The first server: the one that tests break first.
    ///
    /// # Panics
    /// There is none.
    #[must_use]
    pub fn a(&self) -> &Upstream {
        &self.servers[0]
    }

    /// The second one.
    ///
    /// # Panics
    /// There is none.
    #[must_use]
    pub fn b(&self) -> &Upstream {
        &self.servers[1]
    }

    /// The last one.
    ///
    /// # Panics
    /// There is none.
    #[must_use]
    pub fn last(&self) -> &Upstream {
        &self.servers[self.servers.len() - 1]
    }

    /// An Envoy's configuration. Ejections outlast any test, unless the plugin's configuration says otherwise; see also
    /// [`knowing`].
    #[must_use]
    pub fn config(&self, node: &str, mut plugin: Value) -> EnvoyConfig {
        if plugin["outlier_detection"]["base_ejection_time"].is_null() {
            plugin["outlier_detection"]["base_ejection_time"] = json!("300s");
        }
        let plugin = knowing("backend", &self.servers, plugin);
        EnvoyConfig::new([Cluster::new("backend").hosts(&self.servers)])
            .plugin(&plugin)
            .etcd(self.etcd.iter().copied())
            .node(node)
    }

    /// Starts an Envoy.
    ///
    /// # Panics
    /// It does not start.
    pub async fn sidecar(&self, node: &str, plugin: Value) -> Sidecar {
        Sidecar::start(node, self.config(node, plugin)).await
    }
}

/// From now on, a server fails for these sidecars, and for no other.
pub fn fail_for(server: &Upstream, sidecars: &[&Sidecar]) {
    let nodes: Vec<_> = sidecars.iter().map(|sidecar| sidecar.node.clone()).collect();
    server.set_by(move |request| {
        let of_them = |user_agent| nodes.iter().any(|node| node == user_agent);
        let fails = request.header("user-agent").is_some_and(of_them);
        Reply::status(if fails { 503 } else { 200 }).into()
    });
}

impl Sidecar {
    /// Starts an Envoy with this configuration.
    ///
    /// # Panics
    /// It does not start.
    pub async fn start(node: &str, config: EnvoyConfig) -> Self {
        let envoy = Envoy::start(config).await.expect("Envoy starts");
        Self {
            node: node.to_owned(),
            envoy,
        }
    }

    fn request(node: &str, n: usize) -> Request {
        Request::get(&format!("/{n}")).header("user-agent", node)
    }

    /// One GET.
    ///
    /// # Panics
    /// There is no answer.
    pub async fn get(&self) -> Response {
        let answer = self.envoy.client().send(Self::request(&self.node, 0)).await;
        answer.expect("an answer")
    }

    /// So many GETs, over all workers. Gives how many of them this server got.
    ///
    /// # Panics
    /// One is not answered by 200.
    pub async fn share_of(&self, server: &Upstream, count: usize) -> u64 {
        let before = server.count_from(&self.node);
        let answers = self.envoy.client();
        for answer in answers.send_many(count, 4, |n| Self::request(&self.node, n)).await {
            assert_eq!(answer.expect("an answer").status(), 200);
        }
        server.count_from(&self.node) - before
    }

    /// So many GETs a second.
    #[must_use]
    pub fn traffic(&self, per_second: f64) -> Traffic {
        let node = self.node.clone();
        let request = move |n| Self::request(&node, usize::try_from(n).unwrap_or_default());
        self.envoy.client().traffic(per_second, request)
    }

    /// Whether the log tells that this server was ejected: by what this sidecar saw itself, or by what the fleet says.
    #[must_use]
    pub fn has_ejected(&self, server: &Upstream, by_fleet: bool) -> bool {
        let ejected = format!("ejected host {} of cluster backend", server.address());
        let log = self.envoy.log();
        let mut lines = log.lines().filter(|line| line.contains(&ejected));
        lines.any(|line| line.contains("fleet") == by_fleet)
    }

    /// Sends GETs until this server, which fails, is ejected by what this sidecar sees itself.
    ///
    /// # Errors
    /// It is not, in time.
    pub async fn until_ejected(&self, server: &Upstream) -> Result<(), TimedOut> {
        let what = format!("{} to eject {}", self.node, server.name());
        wait_for(what, || async {
            self.get().await;
            self.has_ejected(server, false).then_some(())
        })
        .await
    }

    /// Waits until this server is ejected by what the fleet says.
    ///
    /// # Panics
    /// It is not, in time.
    pub async fn until_ejected_by_fleet(&self, server: &Upstream) {
        let what = format!("{} to hear of {}", self.node, server.name());
        let ejected = wait_for(what, || async { self.has_ejected(server, true).then_some(()) });
        if let Err(error) = ejected.await {
            panic!("{error}; {:#?}", self.counts().await);
        }
    }

    /// Waits until the log tells that an ejection of this server was restored, and gives that line.
    ///
    /// # Panics
    /// It does not, in time.
    pub async fn until_restored(&self, server: &Upstream) -> String {
        let host = format!("host {} of cluster backend", server.address());
        let restored = wait_for(format!("{} to restore {}", self.node, server.name()), || async {
            let log = self.envoy.log();
            let mut lines = log.lines().filter(|line| line.contains("restored"));
            lines.find(|line| line.contains(&host)).map(str::to_owned)
        });
        match restored.await {
            Ok(line) => line,
            Err(error) => panic!("{error}; {:#?}", self.counts().await),
        }
    }

    /// Waits until a metric is as it should be.
    ///
    /// # Panics
    /// It is not, in time.
    pub async fn until_metric(&self, name: &str, right: impl Fn(u64) -> bool) -> u64 {
        match self.envoy.until_metric(name, right).await {
            Ok(value) => value,
            Err(error) => panic!("{}: {error}; {:#?}", self.node, self.counts().await),
        }
    }

    /// All metrics that are not zero.
    pub async fn counts(&self) -> std::collections::BTreeMap<String, u64> {
        let mut all = self.envoy.metrics().await.unwrap_or_default();
        all.retain(|_, value| *value > 0);
        all
    }
}

/// Waits until a sidecar has written all that it had to write since this revision, and gives its snapshots, oldest first.
///
/// # Panics
/// It writes nothing, or does not stop.
pub async fn until_backed_up(etcd: &EtcdClient, origin: &str, since: i64) -> Vec<EtcdEntry> {
    let prefix = format!("{BACKUP}{origin}/");
    let newer = |entries: &[EtcdEntry]| entries.iter().any(|entry| entry.revision > since);
    etcd.until(&prefix, newer).await.expect("a snapshot");
    etcd.until_quiet(NOTHING_LEFT_TO_WRITE).await.expect("an end of it");
    etcd.list(&prefix).await.expect("etcd")
}

/// Waits until so many sidecars are members of the fleet, each once.
///
/// # Panics
/// They are not, in time.
pub async fn until_members(etcd: &EtcdClient, count: usize) {
    let prefix = format!("{FLEET}member/");
    let members = etcd.until(&prefix, |entries| entries.len() == count).await;
    members.expect("members");
}
