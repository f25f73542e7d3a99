//! One worker's memory, and what it does on behalf of all requests: keeps its view of every cluster in step with
//! the shared records, finds hosts, records outcomes, counts.
//!
//! Each Envoy worker thread runs its own VM with one `Worker`. What must be one for all of them lives in shared
//! data, under the keys that `worker::shared` lists.

mod budget;
mod by_hand;
mod clusters;
mod elected;
mod fleet;
mod homes;
mod keeping;
mod record;
mod report;
mod routes;
mod shared;
mod steer;
mod streaks;
mod tick;
mod timers;
mod view;
mod wants;
mod windows;

pub use by_hand::{Merged, NotMerged, NotObeyed, Seen};
pub use record::Attempt;
pub use report::Report;
pub use steer::{Steering, Target};
pub use wants::Wants;

use crate::config::{ClusterPolicy, Config, RoutePolicy};
use crate::health::{BELIEVED_FOR, Control, PinSupport};
use crate::host::{Attribute, Host};
use crate::metrics::{ErrorCause, Metric};
use crate::model::{Entropy, HostAddr, Outcome, Timestamp};
use crate::pick::Pin;
use crate::retry::{HeldBytes, InFlight, RouteBook};
use std::rc::Rc;
use std::time::Duration;

/// The most clusters that are watched. Clusters come from Envoy's own configuration, not from clients; this only
/// bounds memory should there be very many.
const MAX_CLUSTERS: usize = 4096;

/// One worker.
#[derive(Debug)]
pub struct Worker<H> {
    /// The host.
    pub host: H,
    /// Counters and log lines.
    pub report: Report,
    config: Config,
    entropy: Entropy,
    clusters: clusters::Clusters,
    homes: homes::Homes,
    revisions: shared::Revisions,
    held: HeldBytes,
    wants: Wants,
    /// Callouts for retries that are out.
    pub in_flight: InFlight,
    routes: RouteBook,
    timers: timers::Timers,
    clock: Timestamp,
    number: u64,
    tick: Duration,
    elected: elected::Elected,
    lease_key: String,
    upkeep: tick::Upkeep,
}

impl<H: Host> Worker<H> {
    /// A worker with this configuration; `configuration` is a number that it makes, another one for any other. The worker's
    /// entropy comes from the time of its start and its number.
    pub fn start(host: H, config: Config, configuration: u64) -> Self {
        let mut worker = Self {
            report: Report::start(&host),
            held: HeldBytes::up_to(config.bounds.held_bytes),
            wants: Wants::of(&config),
            in_flight: InFlight::up_to(config.bounds.concurrent_retries),
            routes: RouteBook::default(),
            timers: timers::Timers::default(),
            entropy: Entropy::seeded(configuration),
            clusters: clusters::Clusters::default(),
            homes: homes::Homes::default(),
            revisions: shared::Revisions::default(),
            clock: Timestamp::ZERO,
            number: 0,
            tick: config.tick(),
            config,
            elected: elected::Elected::default(),
            lease_key: elected::lease_key(configuration),
            upkeep: tick::Upkeep::default(),
            host,
        };
        let now = worker.now();
        worker.start_revisions();
        worker.number = worker.draw_number();
        worker.entropy = Entropy::seeded(now.as_nanos().rotate_left(32) ^ worker.number.rotate_left(16));
        worker.start_timer(now);
        worker
    }

    /// The time; if the host does not tell it, the last time that it told.
    pub fn now(&mut self) -> Timestamp {
        match self.host.now() {
            Ok(now) => self.clock = now,
            Err(error) => self.error(ErrorCause::Clock, format_args!("no time: {error}")),
        }
        self.clock
    }

    /// The time when it was last asked for.
    pub const fn clock(&self) -> Timestamp {
        self.clock
    }

    /// The name of the request header that the override policy reads.
    pub fn override_header(&self) -> &str {
        &self.config.override_header
    }

    /// The bound on the bodies that are held for retries.
    pub const fn held_bytes(&self) -> &HeldBytes {
        &self.held
    }

    /// What the configuration asks of requests, whatever their cluster.
    pub const fn wants(&self) -> &Wants {
        &self.wants
    }

    /// The policy of a cluster.
    pub fn policy(&self, cluster: &str) -> Rc<ClusterPolicy> {
        self.clusters.get(cluster).map_or_else(
            || Rc::clone(self.config.cluster(cluster)),
            |view| Rc::clone(&view.policy),
        )
    }

    /// What is decided for the route of the current stream, if anything is for any.
    pub fn route(&mut self) -> Option<Rc<RoutePolicy>> {
        if !self.config.has_routes() {
            return None;
        }
        let name = String::from_utf8(self.attribute(Attribute::RouteName)?).ok()?;
        self.config.route(&name).map(Rc::clone)
    }

    /// Whether a host has been ejected, as far as this worker knows: then it matters when an attempt at it began.
    pub fn has_history(&self, cluster: &str, host: HostAddr) -> bool {
        let view = self.clusters.get(cluster);
        view.and_then(|view| view.host(host))
            .is_none_or(|host| host.last_ejected_at != Timestamp::ZERO)
    }

    /// A host asked for less traffic, for this long.
    pub fn overloaded(&mut self, cluster: &str, host: HostAddr, asked: Duration) {
        let now = self.now();
        self.sync();
        self.fresh_view(cluster);
        self.update(cluster, |table, _, _| table.overloaded(host, asked, now));
    }

    /// Carries out what a person wants of a host.
    pub fn control(&mut self, cluster: &str, control: &Control) {
        let now = self.now();
        self.sync();
        self.fresh_view(cluster);
        let updated = self.update(cluster, |table, policy, _| table.control(control.clone(), policy, now));
        if updated.changed {
            log::warn!(
                "host {} of cluster {cluster}: {} by manual control: {}",
                control.host,
                control.action.name(),
                control.reason
            );
        }
    }

    /// A random number.
    pub const fn draw(&mut self) -> Entropy {
        Entropy::seeded(self.entropy.draw())
    }

    /// Adds one to a counter.
    pub fn count(&mut self, metric: Metric) {
        self.report.count(metric);
    }

    /// Counts an internal error and says why, at most once in a while.
    pub fn error(&mut self, cause: ErrorCause, why: std::fmt::Arguments<'_>) {
        self.report.error(cause, why, self.clock);
    }

    /// Counts an attempt by its outcome.
    pub fn count_attempt(&mut self, outcome: Outcome) {
        self.count(outcome_metric(outcome));
    }

    /// An attribute of the current stream; a host that fails to give it is counted.
    pub fn attribute(&mut self, attribute: Attribute) -> Option<Vec<u8>> {
        match self.host.attribute(attribute) {
            Ok(value) => value,
            Err(error) => {
                self.error(ErrorCause::Attribute, format_args!("no {attribute:?}: {error}"));
                None
            }
        }
    }

    /// An attribute that is a number: eight bytes, little-endian. 0 if there is none.
    pub fn attribute_number(&mut self, attribute: Attribute) -> u64 {
        self.attribute(attribute)
            .and_then(|bytes| bytes.try_into().ok())
            .map_or(0, u64::from_le_bytes)
    }

    /// The cluster of the current stream.
    pub fn cluster_name(&mut self) -> Option<Rc<str>> {
        let name = self.attribute(Attribute::ClusterName).filter(|name| !name.is_empty())?;
        if let Some(known) = self.clusters.name(&name) {
            return Some(known);
        }
        std::str::from_utf8(&name).ok().map(Rc::from)
    }

    /// Whether the cluster has been seen to follow pins.
    pub fn follows_pins(&self, cluster: &str) -> bool {
        self.clusters
            .get(cluster)
            .is_some_and(|view| view.table().pins() == PinSupport::Followed)
    }

    /// An attempt has been sent to a host that we named.
    pub fn sent(&mut self, cluster: &str, host: HostAddr) {
        if let Some(view) = self.clusters.get_mut(cluster) {
            view.in_flight(host, 1);
        }
    }

    /// An attempt that was [sent](Self::sent) has its answer, or will never have one.
    pub fn answered(&mut self, cluster: &str, host: HostAddr) {
        if let Some(view) = self.clusters.get_mut(cluster) {
            view.in_flight(host, -1);
        }
    }

    /// A pinned request was answered after several attempts: by the host of the pin whose turn it was, or by another one.
    /// Neither is proof: the one may be chance, the other a host of the pin that has left the cluster. So the first is
    /// believed until the second is seen, and then only what a single attempt shows.
    pub fn check_last_of_pin(&mut self, cluster: &str, as_meant: bool) {
        let Some(view) = self.clusters.get_mut(cluster) else {
            return;
        };
        view.doubts_pins |= !as_meant;
        let seen = match view.table().pins() {
            PinSupport::Unknown if !view.doubts_pins => PinSupport::Followed,
            PinSupport::Followed if !as_meant => PinSupport::Unknown,
            _ => return,
        };
        self.update(cluster, |table, _, _| table.see_pins(seen));
    }

    /// A pinned first attempt was answered by `host`: has the cluster followed the pin?
    ///
    /// Hosts that the pin names before the one that answered have left the cluster: Envoy skips those alone. If
    /// Envoy's router made more than one attempt, the pin was used up on the way and tells nothing.
    pub fn check_pin(&mut self, cluster: &str, pin: &Pin, host: HostAddr) {
        let as_meant = pin.first() == Some(host);
        if !as_meant && self.attribute_number(Attribute::AttemptCount) > 1 {
            return;
        }
        let followed = pin.hosts().any(|named| named == host);
        let now = self.clock;
        let Some(view) = self.clusters.get_mut(cluster) else {
            return;
        };
        view.doubts_pins &= !followed;
        let known = view.table().pins();
        let seen = match known {
            // By chance, the host may be the one that was meant.
            PinSupport::Ignored(_) if followed && known.at(now) != PinSupport::Unknown => known,
            _ if followed => PinSupport::Followed,
            // All hosts of the pin may have left the cluster. Should it happen again, the cluster is to blame.
            PinSupport::Followed => PinSupport::Unknown,
            // It is written down again when it is half forgotten.
            PinSupport::Ignored(at) if now.since(at) < BELIEVED_FOR / 2 => known,
            PinSupport::Unknown | PinSupport::Ignored(_) => PinSupport::Ignored(now),
        };
        if known != seen {
            self.update(cluster, |table, _, _| table.see_pins(seen));
        }
        if !followed && matches!(seen, PinSupport::Ignored(_)) {
            self.report.error(
                ErrorCause::PinIgnored,
                format_args!(
                    "cluster {cluster} sent a request to {host} against its pin {}: give the cluster the \
                     load_balancing_policy envoy.load_balancing_policies.override_host with the header {}",
                    pin.header_value(),
                    self.config.override_header
                ),
                self.clock,
            );
            return;
        }
        for gone in pin.hosts().take_while(|named| *named != host) {
            if let Some(view) = self.clusters.get_mut(cluster) {
                view.note_absent(gone, now);
            }
            self.update(cluster, |table, policy, _| table.remove(gone, policy));
        }
    }
}

/// Where an outcome is counted.
const fn outcome_metric(outcome: Outcome) -> Metric {
    use crate::model::FailureOrigin::{External, LocalOrigin};
    match outcome {
        Outcome::Success => Metric::AttemptsSuccess,
        Outcome::Failure(External { .. }) => Metric::AttemptsFailureExternal,
        Outcome::Failure(LocalOrigin) => Metric::AttemptsFailureLocalOrigin,
        Outcome::Overload => Metric::AttemptsOverload,
        Outcome::Ignored => Metric::AttemptsIgnored,
    }
}
