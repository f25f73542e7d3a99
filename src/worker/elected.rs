//! What one worker does for all: active probes, reading the hosts that Envoy lists, and backups and fleet.
//!
//! Which one it is says a lease in shared data, `sidestep/2/elected/CONFIGURATION`. If its VM dies, another takes over
//! when the lease ends. While an old configuration drains beside a new one, each has an elected worker of its own. Requests are sent at the tick; their answers come to the plugin, not to a stream.

use super::Worker;
use super::keeping::Keeping;
use crate::config::Probe;
use crate::detect::{Detector, Evidence};
use crate::discover;
use crate::health::{Charge, EjectionRefusal, PinSupport};
use crate::host::{Callout, CalloutToken, Cas, Host, HostError};
use crate::http::SERVICE_TIME;
use crate::metrics::{ErrorCause, Metric};
use crate::model::{HostAddr, Map, Timestamp};
use crate::probe::{self, Finding, Lease, LeaseStep, ProbeAnswer, Prober, Target};
use std::rc::Rc;
use std::time::Duration;

/// The most probes of this worker that are out at once.
const MAX_PROBES: usize = 64;

/// After so many readings in a row that failed, what the last good one said is not believed any more.
const BELIEVED_READS: u32 = 3;

/// Backups and fleet go on in another worker after this time at most.
const KEEPING_TERM: Duration = Duration::from_secs(2);

/// How long the admin interface may take.
const ADMIN_TIMEOUT: Duration = Duration::from_secs(2);

/// The key of the lease. `configuration` is a number that the configuration makes.
pub(super) fn lease_key(configuration: u64) -> String {
    format!("sidestep/2/elected/{configuration:x}")
}

/// What a worker knows as the elected one.
#[derive(Debug, Default)]
pub(super) struct Elected {
    /// Whether it was elected at its last tick.
    holds: bool,
    probers: Map<Rc<str>, Prober>,
    /// What is out, by the callout's token.
    sent: Map<u32, Sent>,
    /// Which cluster is the first one to be probed.
    turn: usize,
    /// How often in a row the admin interface did not answer well.
    failed_reads: u32,
    /// Backups and fleet.
    pub(super) keeping: Keeping,
    /// When the admin interface was last asked; `None` if not since the election.
    asked_admin: Option<Timestamp>,
}

/// A callout that is out.
#[derive(Debug)]
enum Sent {
    Probe { cluster: Rc<str>, host: HostAddr },
    Admin,
}

impl<H: Host> Worker<H> {
    /// The part of the tick that only one worker does.
    pub(super) fn serve_if_elected(&mut self, now: Timestamp) {
        let Some(term) = self.term() else {
            return;
        };
        let holds = self.hold_lease(term, now);
        if !holds {
            if self.elected.holds {
                self.stop_keeping();
                // Whoever is elected again starts anew; answers that are still to come find nobody.
                self.elected = Elected::default();
            }
            return;
        }
        if !self.elected.holds {
            self.elected.holds = true;
            for name in self.config.cluster_names().map(str::to_owned).collect::<Vec<_>>() {
                let _ = self.fresh_view(&name);
            }
        }
        self.ask_admin(now);
        self.keep(now);
        let clusters: Vec<Rc<str>> = self.clusters.names().map(Rc::clone).collect();
        // Each has its turn to be the first, and none takes all the room there is.
        let count = clusters.len();
        let turn = self.elected.turn;
        self.elected.turn = turn.wrapping_add(1).checked_rem(count).unwrap_or(0);
        for (done, cluster) in clusters.iter().cycle().skip(turn).take(count).enumerate() {
            let room = MAX_PROBES.saturating_sub(self.elected.sent.len());
            self.probe_cluster(cluster, room.div_ceil(count.saturating_sub(done).max(1)), now);
        }
    }

    /// How long an election holds: so long that another worker takes over within two intervals. `None` if there is
    /// nothing to be elected for.
    fn term(&self) -> Option<Duration> {
        let probes = self.config.policies().filter_map(|policy| policy.probe.as_ref());
        let admin = self.config.admin.as_ref().map(|admin| admin.interval);
        let keeps = self.config.keep.is_wanted().then_some(KEEPING_TERM);
        let shortest = probes.map(|probe| probe.interval).chain(admin).chain(keeps).min()?;
        Some(shortest.max(self.tick * 2))
    }

    /// Takes or keeps the lease, if it is to be had.
    fn hold_lease(&mut self, term: Duration, now: Timestamp) -> bool {
        let key = self.lease_key.clone();
        self.hold(&key, term, now)
    }

    /// Takes or keeps the lease at this key, if it is to be had.
    pub(super) fn hold(&mut self, key: &str, term: Duration, now: Timestamp) -> bool {
        if self.number == 0 {
            self.number = self.draw_number();
        }
        if self.number == 0 {
            // Two without a number would be one.
            return false;
        }
        let held = self.host.shared_data(key).and_then(|found| {
            let (lease, cas) = found.map_or((None, Cas::ABSENT), |(bytes, cas)| (Lease::decode(&bytes), cas));
            match Lease::step(lease, self.number, now, term) {
                LeaseStep::NotMine => Ok(false),
                LeaseStep::Mine => Ok(true),
                LeaseStep::Claim(lease) => {
                    self.host.set_shared_data(key, &lease.encode(), cas)?;
                    Ok(true)
                }
            }
        });
        match held {
            Ok(held) => held,
            Err(HostError::CasMismatch) => false,
            Err(error) => {
                self.error(ErrorCause::SharedDataWrite, format_args!("no election: {error}"));
                false
            }
        }
    }

    fn probe_cluster(&mut self, cluster: &Rc<str>, room: usize, now: Timestamp) {
        let Some(view) = self.fresh_view(cluster) else {
            return;
        };
        let policy = Rc::clone(&view.policy);
        let Some(probe) = &policy.probe else {
            return;
        };
        if matches!(view.table().pins().at(now), PinSupport::Ignored(_)) {
            // A probe would say something of a host that nobody knows.
            self.error(
                ErrorCause::Probe,
                format_args!("cluster {cluster} ignores pins, so its hosts can't be probed"),
            );
            return;
        }
        let targets: Vec<Target> = view
            .table()
            .hosts()
            .iter()
            .filter(|host| !host.gone && (!host.unfit || host.is_out()))
            .map(|host| Target {
                host: host.addr,
                out: host.is_out(),
            })
            .collect();
        let prober = self.elected.probers.entry(Rc::clone(cluster)).or_default();
        let round = prober.round(&targets, probe, now, &mut self.entropy, room);
        for (host, finding) in round.lost {
            let is_lost =
                |sent: &Sent| matches!(sent, Sent::Probe { cluster: of, host: at } if of == cluster && *at == host);
            self.elected.sent.retain(|_, sent| !is_lost(sent));
            self.probed(cluster, host, probe, false, finding, now);
        }
        for host in round.send {
            self.send_probe(cluster, host, probe);
        }
    }

    fn send_probe(&mut self, cluster: &Rc<str>, host: HostAddr, probe: &Probe) {
        let pin = host.to_string();
        let mut headers = probe::request(probe, cluster);
        headers.push((self.override_header(), &pin));
        let callout = Callout {
            cluster,
            headers,
            body: &[],
            trailers: Vec::new(),
            timeout: probe.timeout,
        };
        match self.host.dispatch(callout) {
            Ok(token) => {
                self.count(Metric::ProbesSent);
                let cluster = Rc::clone(cluster);
                self.elected.sent.insert(token.0, Sent::Probe { cluster, host });
            }
            Err(error) => {
                if let Some(prober) = self.elected.probers.get_mut(cluster) {
                    prober.unsent(host);
                }
                self.error(
                    ErrorCause::Probe,
                    format_args!("probe of host {host} of cluster {cluster} not sent: {error}"),
                );
            }
        }
    }

    /// The answer to a request of the plugin itself has come.
    pub fn on_callout_response(&mut self, token: CalloutToken, num_headers: usize, body_size: usize) {
        let now = self.now();
        match self.elected.sent.remove(&token.0) {
            Some(Sent::Probe { cluster, host }) => {
                let policy = self.policy(&cluster);
                let Some(probe) = &policy.probe else {
                    return;
                };
                let passed = probe::passes(probe, self.probe_answer(num_headers));
                let prober = self.elected.probers.get_mut(&cluster);
                let finding = prober.and_then(|prober| prober.answered(host, passed, probe));
                self.probed(&cluster, host, probe, passed, finding, now);
            }
            Some(Sent::Admin) => self.admin_answered(num_headers, body_size, now),
            // This worker was not the elected one for a while.
            None => {}
        }
    }

    /// `None` if there is no answer.
    fn probe_answer(&mut self, num_headers: usize) -> Option<ProbeAnswer> {
        if num_headers == 0 {
            return None;
        }
        match self.host.callout_headers() {
            Ok(headers) => {
                let status = headers.number(b":status")?;
                let by_router = headers.get(SERVICE_TIME).is_some();
                Some(ProbeAnswer {
                    status,
                    by_host: by_router || !matches!(status, 502..=504),
                })
            }
            Err(error) => {
                self.error(
                    ErrorCause::CalloutAnswer,
                    format_args!("a probe's answer is lost: {error}"),
                );
                None
            }
        }
    }

    /// What a probe says about its host.
    fn probed(
        &mut self,
        cluster: &str,
        host: HostAddr,
        probe: &Probe,
        passed: bool,
        finding: Option<Finding>,
        now: Timestamp,
    ) {
        self.count(if passed {
            Metric::ProbesPassed
        } else {
            Metric::ProbesFailed
        });
        self.sync();
        let Some(health) = self.fresh_view(cluster).and_then(|view| view.host(host)).copied() else {
            return;
        };
        // Where most fail, the fault is the probe's: its path, its host.
        let alike = self.most_fail(cluster, probe);
        if !passed && health.is_out() && !alike {
            // The next probe of a host that is back is answered by then, even if another worker must send it.
            let until = now.after(probe.interval * 2 + probe.timeout + self.tick);
            self.update(cluster, |table, policy, _| table.probe_failed(host, policy, until, now));
        }
        match finding {
            Some(Finding::Healthy) if health.is_out() => {
                self.update(cluster, |table, policy, _| table.probes_passed(host, policy, now));
            }
            Some(Finding::Unhealthy { failures }) if probe.all && !health.is_out() => {
                let charge = Charge {
                    host,
                    detector: Detector::Probe,
                    evidence: Evidence::Probes { count: failures },
                    ejections: self.ejections(cluster, &health, now),
                    cleared: alike.then_some(EjectionRefusal::LikeItsPeers),
                };
                self.update(cluster, |table, policy, entropy| {
                    table.accuse(&charge, policy, now, entropy)
                });
            }
            _ => {}
        }
    }

    /// Whether more than half of a cluster's hosts that are probed fail their probes.
    fn most_fail(&self, cluster: &str, probe: &Probe) -> bool {
        let (Some(view), Some(prober)) = (self.clusters.get(cluster), self.elected.probers.get(cluster)) else {
            return false;
        };
        let probed = view.table().hosts().iter().filter(|host| !host.gone && !host.unfit);
        let (mut all, mut failing) = (0_usize, 0_usize);
        for host in probed.filter(|host| probe.all || host.is_out()) {
            all += 1;
            failing += usize::from(prober.streak(host.addr).failures >= probe.unhealthy_threshold);
        }
        probe.all && failing * 2 > all
    }

    /// Asks the admin interface for the hosts of all clusters that are known here, if it is time.
    fn ask_admin(&mut self, now: Timestamp) {
        let Some(admin) = self.config.admin.clone() else {
            return;
        };
        let asked = self.elected.asked_admin.map(|asked| asked.min(now));
        if asked.is_some_and(|asked| now.since(asked) < admin.interval) {
            return;
        }
        self.elected.asked_admin = Some(now);
        let path = discover::path(self.clusters.names().map(|name| &**name));
        let callout = Callout {
            cluster: &admin.cluster,
            headers: vec![
                (":method", "GET"),
                (":scheme", "http"),
                (":authority", &admin.cluster),
                (":path", &path),
            ],
            body: &[],
            trailers: Vec::new(),
            timeout: ADMIN_TIMEOUT,
        };
        match self.host.dispatch(callout) {
            Ok(token) => {
                self.elected.sent.insert(token.0, Sent::Admin);
            }
            Err(error) => self.error(
                ErrorCause::Admin,
                format_args!("cluster {} not asked for hosts: {error}", admin.cluster),
            ),
        }
    }

    fn admin_answered(&mut self, num_headers: usize, body_size: usize, now: Timestamp) {
        let listing = match self.read_listing(num_headers, body_size) {
            Ok(listing) => listing,
            Err(why) => {
                self.error(ErrorCause::Admin, format_args!("no list of hosts: {why}"));
                self.elected.failed_reads = self.elected.failed_reads.saturating_add(1);
                if self.elected.failed_reads == BELIEVED_READS {
                    self.forget_unfit();
                }
                return;
            }
        };
        self.count(Metric::AdminReads);
        self.elected.failed_reads = 0;
        let left_out: usize = listing.clusters.iter().map(|cluster| cluster.left_out).sum();
        self.report
            .add(Metric::AdminSkipped, listing.skipped.saturating_add(left_out));
        self.sync();
        for listed in &listing.clusters {
            // Not that all hosts are gone: it has not found any yet.
            if !listed.hosts.is_empty() && self.fresh_view(&listed.name).is_some() {
                self.update(&listed.name, |table, policy, _| table.list(&listed.hosts, policy, now));
            }
        }
    }

    /// What Envoy last said of its hosts' fitness is too old.
    fn forget_unfit(&mut self) {
        let clusters: Vec<Rc<str>> = self.clusters.names().map(Rc::clone).collect();
        for cluster in clusters {
            if self.fresh_view(&cluster).is_some() {
                self.update(&cluster, |table, _, _| table.forget_unfit());
            }
        }
    }

    fn read_listing(&mut self, num_headers: usize, body_size: usize) -> Result<discover::Listing, String> {
        if num_headers == 0 {
            return Err("no answer".to_owned());
        }
        let headers = self.host.callout_headers().map_err(|error| error.to_string())?;
        let status = headers.get(b":status").unwrap_or_default();
        if status != b"200" {
            return Err(format!("status {}", String::from_utf8_lossy(status)));
        }
        if body_size > discover::MAX_BODY {
            return Err(format!("{body_size} bytes are too many"));
        }
        let body = self.host.callout_body(body_size).map_err(|error| error.to_string())?;
        let most_hosts = |name: &str| {
            let view = self.clusters.get(name)?;
            Some(view.policy.picking.max_hosts)
        };
        discover::hosts(&body, most_hosts).map_err(|error| error.to_string())
    }
}
