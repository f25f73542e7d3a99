//! What the keys in etcd hold, in words.

use super::{ExampleError, Telling};
use sidestep::health::{HostHealth, HostState};
use sidestep::keep::{Kind, Snapshot, State};
use sidestep_support::{EtcdClient, EtcdEntry, Upstream, wait_for};
use std::io;
use std::net::SocketAddr;

/// Envoy's node id: a process that has the id of one before it finds what that one left.
pub(crate) const NODE: &str = "edge-1";

/// Where its snapshots are.
fn prefix() -> String {
    format!("/sidestep/1/backup/{NODE}/")
}

/// A key's snapshot, read.
#[derive(Debug)]
pub(crate) struct Read {
    /// What follows the prefix in its key, its size, and what it says.
    pub(crate) line: String,
    /// Whether it holds changes only.
    pub(crate) is_increment: bool,
    /// Its size.
    pub(crate) bytes: usize,
    /// The hosts that it adds or changes.
    pub(crate) changed: Vec<SocketAddr>,
    /// The hosts that are out once it is applied.
    out: Vec<SocketAddr>,
}

/// Waits until etcd says that this host is out, and gives all that etcd has.
pub(crate) async fn until_kept(store: &EtcdClient, host: &Upstream) -> Result<Vec<Read>, ExampleError> {
    let prefix = prefix();
    wait_for(format!("{} in etcd", host.name()), || async {
        let entries = store.list(&prefix).await.ok()?;
        let is_there = |all: &Vec<Read>| all.last().is_some_and(|read| read.out.contains(&host.address()));
        match read(&entries, &prefix) {
            Ok(all) => is_there(&all).then_some(Ok(all)),
            Err(error) => Some(Err(error)),
        }
    })
    .await?
}

/// Tells what etcd has.
pub(crate) fn list(telling: &Telling, all: &[Read]) -> io::Result<()> {
    telling.seen(format!("keys in etcd, under {}:", prefix()))?;
    all.iter().try_for_each(|read| telling.more(&read.line))
}

/// Reads all snapshots of one process, oldest first.
fn read(entries: &[EtcdEntry], prefix: &str) -> Result<Vec<Read>, ExampleError> {
    let (mut full, mut state) = (State::default(), State::default());
    let mut all = Vec::new();
    for entry in entries {
        let snapshot = Snapshot::decode(&entry.value)?;
        let before = match snapshot.kind {
            Kind::Full => State::default(),
            Kind::Increment => state.clone(),
            Kind::Differential => full.clone(),
        };
        state = before.clone();
        state.apply(&snapshot.changes)?;
        if snapshot.kind == Kind::Full {
            full = state.clone();
        }
        let changed: Vec<_> = hosts(&state)
            .filter(|host| !hosts(&before).any(|known| known == *host))
            .collect();
        let key = entry.key.strip_prefix(prefix).unwrap_or(&entry.key);
        all.push(Read {
            line: format!(
                "{key}  {:4} bytes  {:12} {}",
                entry.value.len(),
                snapshot.kind.name(),
                said(&snapshot, &changed)
            ),
            is_increment: snapshot.kind == Kind::Increment,
            bytes: entry.value.len(),
            changed: addresses(changed),
            out: addresses(hosts(&state).filter(|host| host.is_out())),
        });
    }
    Ok(all)
}

/// Who is out, and how many others there are.
fn said(snapshot: &Snapshot, changed: &[&HostHealth]) -> String {
    let out = changed.iter().filter(|host| host.is_out());
    let mut parts: Vec<_> = out.map(|host| host_said(host, snapshot)).collect();
    let well = changed.len() - parts.len();
    if well > 0 {
        parts.push(format!("{well} hosts in rotation"));
    }
    parts.join(", ")
}

fn host_said(host: &HostHealth, snapshot: &Snapshot) -> String {
    match host.state {
        HostState::Ejected(ejection) => format!(
            "{} is out by {}, for {:.1} s more",
            host.addr,
            ejection.detector.name(),
            ejection.until.since(snapshot.taken_at).as_secs_f64()
        ),
        _ => format!("{} proves itself", host.addr),
    }
}

fn hosts(state: &State) -> impl Iterator<Item = &HostHealth> {
    state.clusters().flat_map(|(_, table)| table.hosts())
}

fn addresses<'a>(hosts: impl IntoIterator<Item = &'a HostHealth>) -> Vec<SocketAddr> {
    hosts.into_iter().map(|host| host.addr.socket_addr()).collect()
}
