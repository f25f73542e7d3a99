//! Many hosts and many workers: what can be known of them from outside, and what must always hold.

use crate::common::{BACKEND, config};
use serde_json::Value;
use sidestep::health::{Census, ClusterTable, HostHealth};
use sidestep::probe::Lease;
use sidestep_sim::{Latency, LogLine, Seen, Sim};
use std::time::Duration;

/// That many addresses.
pub(crate) fn hosts(count: usize) -> Vec<String> {
    (0..count)
        .map(|n| format!("10.1.{}.{}:80", n / 250, n % 250 + 1))
        .collect()
}

/// An Envoy with that many hosts, all configured, and that many workers.
pub(crate) fn crowd(hosts: &[String], workers: usize, extra: Value) -> Sim {
    let names: Vec<&str> = hosts.iter().map(String::as_str).collect();
    Sim::new(config(&names, extra)).cluster(BACKEND, hosts).workers(workers)
}

/// Gives every host times around `median`, each its own.
pub(crate) fn take_around(sim: &mut Sim, hosts: &[String], median: Duration) {
    for (seed, host) in (1..).zip(hosts) {
        sim.host(host).takes(Latency::around(median, 0.4, seed));
    }
}

/// The cluster's record, as the workers share it.
pub(crate) fn table(sim: &Sim) -> ClusterTable {
    let bytes = sim.shared(&format!("sidestep/2/cluster/{BACKEND}"));
    bytes.map_or_else(ClusterTable::default, |bytes| {
        ClusterTable::decode(&bytes).expect("a record that decodes")
    })
}

/// The hosts that are out, by the record.
pub(crate) fn out(sim: &Sim) -> Vec<String> {
    let table = table(sim);
    let out = table.hosts().iter().filter(|host| host.is_out());
    out.map(|host| host.addr.to_string()).collect()
}

/// What the record says of one host.
pub(crate) fn health(sim: &Sim, host: &str) -> Option<HostHealth> {
    table(sim).get(host.parse().expect("an address")).copied()
}

/// The lines about ejections, in order.
pub(crate) fn ejections(sim: &Sim) -> Vec<LogLine> {
    lines(sim, "ejected host ")
}

/// The logged lines that contain this text, in order.
pub(crate) fn lines(sim: &Sim, text: &str) -> Vec<LogLine> {
    let logs = sim.logs().into_iter();
    logs.filter(|line| line.text.contains(text)).collect()
}

/// Nobody has ever been ejected but this host.
#[track_caller]
pub(crate) fn assert_only(sim: &Sim, host: &str) {
    let ejections = ejections(sim);
    let mine = format!("ejected host {host} ");
    assert!(!ejections.is_empty(), "nobody was ejected");
    let others: Vec<_> = ejections.iter().filter(|line| !line.text.starts_with(&mine)).collect();
    assert!(others.is_empty(), "{others:?}");
}

/// How many hosts of so many may be out by `max_ejection_percent`.
fn allowed(known: usize, percent: usize) -> usize {
    let share = known * percent / 100;
    if percent == 0 { 0 } else { share.max(1) }
}

/// Looks at the record again and again.
pub(crate) struct Watch {
    percent: usize,
    last: Census,
    /// The most that were out at once.
    pub(crate) most_out: usize,
}

impl Watch {
    pub(crate) fn of(max_ejection_percent: usize) -> Watch {
        Watch {
            percent: max_ejection_percent,
            last: Census::default(),
            most_out: 0,
        }
    }

    /// At most the allowed share is out, and never the last host.
    #[track_caller]
    pub(crate) fn check(&mut self, sim: &Sim) {
        let census = table(sim).census();
        if census.out > self.last.out {
            let known = census.known.max(self.last.known);
            let allowed = allowed(known, self.percent);
            assert!(census.out <= allowed, "{census:?}, but {allowed} may be out");
        }
        if census.known > 0 {
            assert!(census.available > 0 || self.last.available == 0, "{census:?}");
        }
        self.most_out = self.most_out.max(census.out);
        self.last = census;
    }
}

/// An attempt of a request, not of a probe.
fn is_live(seen: &Seen) -> bool {
    seen.headers.get("user-agent") != Some("sidestep-probe")
}

/// The worker that does what only one does, by its lease.
pub(crate) fn elected(sim: &Sim) -> usize {
    let mut keys = sim.shared_keys().into_iter();
    let key = keys.rfind(|key| key.starts_with("sidestep/2/elected"));
    let lease = key.and_then(|key| Lease::decode(&sim.shared(&key)?));
    // Workers draw their numbers in the order in which they start, from one.
    lease.expect("a lease that decodes").holder as usize - 1
}

/// When the host was probed: of its last thousand attempts.
pub(crate) fn probes(sim: &Sim, host: &str) -> Vec<u64> {
    let seen = sim.seen(host).into_iter();
    seen.filter(|seen| !is_live(seen)).map(|seen| seen.at).collect()
}

/// From its ejections until it has proved itself, the host got live requests only one at a time, each `took` long, and
/// each meant for it. How many there were.
#[track_caller]
pub(crate) fn assert_one_trial_at_a_time(sim: &Sim, host: &str, took: Duration) -> usize {
    let ejected = format!("ejected host {host} ");
    let back = [
        format!("host {host} of cluster {BACKEND} proved itself"),
        format!("host {host} of cluster {BACKEND} could not be tried"),
    ];
    let seen: Vec<Seen> = sim.seen(host).into_iter().filter(is_live).collect();
    let mut out: Option<u64> = None;
    let mut trials = 0;
    let mut spans = Vec::new();
    for line in sim.logs() {
        if line.text.starts_with(&ejected) {
            // A trial that failed begins another ejection.
            spans.extend(out.map(|from| (from, line.at)));
            out = Some(line.at);
        } else if back.iter().any(|back| line.text.starts_with(back)) {
            spans.extend(out.take().map(|from| (from, line.at)));
        }
    }
    spans.extend(out.map(|from| (from, sim.now())));
    for (from, until) in spans {
        let mut free = 0;
        for attempt in seen.iter().filter(|seen| from < seen.at && seen.at < until) {
            let pin = attempt.pin.as_deref().unwrap_or("none");
            assert!(pin.starts_with(host), "a request reached {host} by the pin {pin}");
            assert!(!attempt.callout, "a retry went to {host}");
            assert!(
                attempt.at >= free,
                "two trials of {host} at once, {} ms apart",
                (free - attempt.at) / 1_000_000
            );
            free = attempt.at + took.as_nanos() as u64;
            trials += 1;
        }
    }
    trials
}
