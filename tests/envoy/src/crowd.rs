//! The scene of tests that need more hosts, more traffic, or more of Envoy's configuration.

use crate::knowing;
use serde_json::Value;
use sidestep_support::{Client, Cluster, Envoy, EnvoyConfig, Request, Summary, Traffic, Upstream, wait_for};
use std::net::SocketAddr;
use std::time::Duration;

/// As many servers as a test likes, called `a`, `b`, ..., and an Envoy whose cluster `backend` they are. The first one
/// is the one that tests break.
#[derive(Debug)]
pub struct Crowd {
    /// The servers.
    pub servers: Vec<Upstream>,
    /// Envoy.
    pub envoy: Envoy,
}

/// An ejection, as the log tells it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ejection {
    /// The host.
    pub host: SocketAddr,
    /// For how long.
    pub duration: Duration,
    /// The detector and what it saw.
    pub why: String,
}

impl Crowd {
    /// Servers that speak HTTP/1.1, and Envoy with this plugin configuration; see [`knowing`].
    pub async fn start(count: u8, plugin: Value) -> Self {
        Self::start_with(Self::http1(count).await, plugin, |cluster| cluster, |config| config).await
    }

    /// The same, with servers that speak HTTP/2.
    pub async fn start_http2(count: u8, plugin: Value) -> Self {
        let mut servers = Vec::new();
        for name in names(count) {
            servers.push(Upstream::http2(&name).await);
        }
        Self::start_with(servers, plugin, Cluster::http2, |config| config).await
    }

    /// The same, with servers, a cluster and a configuration of one's own making.
    ///
    /// # Panics
    /// Envoy does not start.
    pub async fn start_with(
        servers: Vec<Upstream>,
        plugin: Value,
        cluster: impl FnOnce(Cluster) -> Cluster,
        config: impl FnOnce(EnvoyConfig) -> EnvoyConfig,
    ) -> Self {
        let plugin = knowing("backend", &servers, plugin);
        let backend = cluster(Cluster::new("backend").hosts(&servers));
        let envoy = Envoy::start(config(EnvoyConfig::new([backend]).plugin(&plugin)))
            .await
            .expect("Envoy starts");
        Self { servers, envoy }
    }

    /// Servers that speak HTTP/1.1.
    pub async fn http1(count: u8) -> Vec<Upstream> {
        let mut servers = Vec::new();
        for name in names(count) {
            servers.push(Upstream::http1(&name).await);
        }
        servers
    }

    /// The first server: the one that tests break.
    ///
    /// # Panics
    /// There is none.
    #[must_use]
    pub fn a(&self) -> &Upstream {
        &self.servers[0]
    }

    /// All servers but the first.
    ///
    /// # Panics
    /// There is none.
    #[must_use]
    pub fn others(&self) -> &[Upstream] {
        &self.servers[1..]
    }

    /// A client.
    #[must_use]
    pub fn client(&self) -> Client {
        self.envoy.client()
    }

    /// So many GETs a second, each of another path.
    #[must_use]
    pub fn traffic(&self, per_second: f64) -> Traffic {
        self.client().traffic(per_second, |n| Request::get(&format!("/{n}")))
    }

    /// All ejections so far, oldest first.
    #[must_use]
    pub fn ejections(&self) -> Vec<Ejection> {
        ejections(&self.envoy.log())
    }

    /// Waits until the log tells that a server is ejected by this detector.
    ///
    /// # Panics
    /// It does not, in time.
    pub async fn until_ejected(&self, server: &Upstream, detector: &str) -> Ejection {
        let what = format!("an ejection of {} by {detector}", server.name());
        let ejected = wait_for(what, || async {
            let mut all = self.ejections().into_iter();
            all.find(|ejection| ejection.is_of(server) && ejection.is_by(detector))
        });
        match ejected.await {
            Ok(ejection) => ejection,
            Err(error) => panic!("{error}, but {:?}; {:#?}", self.ejections(), self.counts().await),
        }
    }

    /// Checks that no other server was ever ejected.
    ///
    /// # Panics
    /// One was.
    pub fn only_ejected(&self, server: &Upstream) {
        let all = self.ejections();
        assert!(all.iter().all(|ejection| ejection.is_of(server)), "{all:#?}");
    }

    /// Waits until a metric is as it should be.
    ///
    /// # Panics
    /// It is not, in time.
    pub async fn until_metric(&self, name: &str, right: impl Fn(u64) -> bool) -> u64 {
        match self.envoy.until_metric(name, right).await {
            Ok(value) => value,
            Err(error) => panic!("{error}; {:#?}", self.counts().await),
        }
    }

    /// All metrics that are not zero.
    pub async fn counts(&self) -> std::collections::BTreeMap<String, u64> {
        let mut all = self.envoy.metrics().await.unwrap_or_default();
        all.retain(|_, value| *value > 0);
        all
    }
}

impl Ejection {
    /// Whether it is this server that was ejected.
    #[must_use]
    pub fn is_of(&self, server: &Upstream) -> bool {
        self.host == server.address()
    }

    /// Whether it was ejected by this detector.
    #[must_use]
    pub fn is_by(&self, detector: &str) -> bool {
        self.why
            .strip_prefix(detector)
            .is_some_and(|rest| !rest.starts_with(|c: char| c == '_' || c.is_alphanumeric()))
    }
}

/// Waits until traffic has brought so many answers since the last look, and gives them.
///
/// # Panics
/// They do not come in time.
pub async fn next_answers(traffic: &Traffic, count: u64) -> Summary {
    let seen = wait_for(format!("{count} answers"), || async {
        traffic.look(|seen| (seen.count() >= count).then_some(()))
    });
    seen.await.expect("traffic");
    traffic.take()
}

/// The log's lines about ejections: `ejected host 127.0.0.1:1 of cluster backend for 30s: consecutive_5xx ...`.
fn ejections(log: &str) -> Vec<Ejection> {
    log.lines()
        .filter_map(|line| {
            let (_, rest) = line.split_once("ejected host ")?;
            let (host, rest) = rest.split_once(" of cluster backend for ")?;
            let (duration, why) = rest.split_once(": ")?;
            Some(Ejection {
                host: host.parse().ok()?,
                duration: duration_of(duration)?,
                why: why.to_owned(),
            })
        })
        .collect()
}

/// A duration as the log writes it, as in `1.5s`.
fn duration_of(text: &str) -> Option<Duration> {
    let split = text.find(|c: char| c.is_ascii_alphabetic())?;
    let (number, unit) = text.split_at(split);
    let seconds = match unit {
        "ms" => 0.001,
        "s" => 1.0,
        "m" => 60.0,
        "h" => 3600.0,
        _ => return None,
    };
    Some(Duration::from_secs_f64(number.parse::<f64>().ok()? * seconds))
}

fn names(count: u8) -> impl Iterator<Item = String> {
    (b'a'..).take(count.into()).map(|letter| char::from(letter).to_string())
}
