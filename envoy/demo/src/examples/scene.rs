//! The scene of all examples: hosts, an Envoy before them, and clients.

use super::ExampleError;
use super::telling::Telling;
use serde_json::Value;
use sidestep_support::{Client, Cluster, Envoy, EnvoyConfig, Request, TimedOut, Traffic, Upstream, wait_for};
use std::io;

/// Requests of each group of clients, per second.
pub(crate) const RATE: f64 = 100.0;

/// The path that probes ask for.
pub(crate) const HEALTH: &str = "/health";

/// The servers of the cluster `backend`.
#[derive(Debug)]
pub(crate) struct Hosts(pub(crate) Vec<Upstream>);

impl Hosts {
    /// So many, called `a`, `b`, ...
    pub(crate) async fn start(count: u8) -> Self {
        let mut hosts = Vec::new();
        for letter in (b'a'..).take(count.into()) {
            hosts.push(Upstream::http1(&char::from(letter).to_string()).await);
        }
        Self(hosts)
    }

    /// Envoy's configuration, with this one of the plugin.
    pub(crate) fn config(&self, plugin: &Value) -> EnvoyConfig {
        EnvoyConfig::new([Cluster::new("backend").hosts(&self.0)]).plugin(plugin)
    }

    /// Tells who is there: log lines have addresses only.
    pub(crate) fn introduce(&self, telling: &Telling) -> io::Result<()> {
        let hosts: Vec<_> = self.0.iter().map(name).collect();
        telling.seen(format!("hosts: {}", hosts.join(", ")))
    }

    /// How many requests of these clients each host has got.
    pub(crate) fn shares(&self, clients: &str) -> String {
        let share = |host: &Upstream| format!("{} {}", host.name(), host.count_from(clients));
        self.0.iter().map(share).collect::<Vec<_>>().join(", ")
    }
}

/// A host's name and address.
pub(crate) fn name(host: &Upstream) -> String {
    format!("{} = {}", host.name(), host.address())
}

/// GETs, each for another path, of clients that say who they are.
pub(crate) fn clients(of: Client, who: &'static str) -> Traffic {
    of.traffic(RATE, move |n| Request::get(&format!("/{n}")).header("user-agent", who))
}

/// Waits until clients have got so many answers, or errors, since the last look.
pub(crate) async fn until_answers(clients: &Traffic, count: u64) -> Result<(), TimedOut> {
    wait_for(format!("{count} answers"), || async {
        clients.look(|seen| (seen.count() >= count).then_some(()))
    })
    .await
}

/// Waits until the log says this of a host, and tells it.
pub(crate) async fn until_said(
    telling: &Telling,
    envoy: &Envoy,
    before: &str,
    host: &Upstream,
    after: &str,
) -> Result<String, ExampleError> {
    let part = format!("{before}host {} of cluster backend{after}", host.address());
    let line = envoy.until_log(&part).await?;
    telling.logged(&line)?;
    Ok(line)
}
