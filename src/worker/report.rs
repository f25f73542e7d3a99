//! Counters and log lines.

use super::Worker;
use crate::detect::Evidence;
use crate::health::{Census, EjectionRefusal, Event};
use crate::host::{Host, MetricId};
use crate::metrics::{ErrorCause, Metric, MetricKind};
use crate::model::{Timestamp, format_duration};
use std::fmt::Arguments;
use std::time::Duration;

/// A cause is logged at most once in this time, and counted always.
const QUIET: Duration = Duration::from_secs(60);

/// Counters that wait for the tick, and when what was last logged.
#[derive(Debug)]
pub struct Report {
    counters: Vec<Counter>,
    errors_logged: Vec<(ErrorCause, Timestamp)>,
    refusals_logged: Vec<(EjectionRefusal, Timestamp)>,
    panic_logged: Vec<((), Timestamp)>,
}

#[derive(Clone, Copy, Debug)]
struct Counter {
    metric: Metric,
    /// `None` if Envoy did not take its definition: then it is not reported.
    id: Option<MetricId>,
    /// Counted since the last flush.
    pending: u64,
}

impl Report {
    /// Defines all metrics.
    pub fn start(host: &impl Host) -> Self {
        let mut failed = None;
        let counters = Metric::ALL
            .iter()
            .map(|metric| Counter {
                metric: *metric,
                id: host
                    .define_metric(metric.kind(), *metric)
                    .map_err(|error| failed = Some((metric, error)))
                    .ok(),
                pending: 0,
            })
            .collect();
        let mut report = Self {
            counters,
            errors_logged: Vec::new(),
            refusals_logged: Vec::new(),
            panic_logged: Vec::new(),
        };
        if let Some((metric, error)) = failed {
            report.error(
                ErrorCause::Metric,
                format_args!("{} and maybe more not defined: {error}", metric.name()),
                Timestamp::ZERO,
            );
        }
        report
    }

    /// Envoy's name for a metric, if it took its definition.
    pub fn id(&self, metric: Metric) -> Option<MetricId> {
        self.counters.get(metric as usize)?.id
    }

    /// Adds one to a counter. Costs no host call: the tick hands it over.
    pub fn count(&mut self, metric: Metric) {
        if let Some(counter) = self.counters.get_mut(metric as usize) {
            counter.pending = counter.pending.saturating_add(1);
        }
    }

    /// Adds so many to a counter.
    pub fn add(&mut self, metric: Metric, count: usize) {
        if let Some(counter) = self.counters.get_mut(metric as usize) {
            counter.pending = counter.pending.saturating_add(u64::try_from(count).unwrap_or(u64::MAX));
        }
    }

    /// Hands the counters over. What Envoy does not take is tried again.
    pub fn flush(&mut self, host: &impl Host) {
        let mut failed = 0;
        for counter in &mut self.counters {
            if counter.pending == 0 || counter.metric.kind() != MetricKind::Counter {
                continue;
            }
            if let Some(id) = counter.id {
                match host.increment_metric(id, counter.pending) {
                    Ok(()) => counter.pending = 0,
                    Err(_) => failed += 1,
                }
            }
        }
        for _ in 0..failed {
            self.count(Metric::ErrorsMetric);
        }
    }

    /// Sets a gauge. Returns whether Envoy took it.
    pub fn set_gauge(&mut self, host: &impl Host, metric: Metric, value: u64) -> bool {
        let id = self.id(metric);
        let set = id.is_none_or(|id| host.record_metric(id, value).is_ok());
        if !set {
            self.count(Metric::ErrorsMetric);
        }
        set
    }

    /// Counts an internal error, and logs why unless the same cause was logged a short time ago.
    pub fn error(&mut self, cause: ErrorCause, why: Arguments<'_>, now: Timestamp) {
        self.count(Metric::from(cause));
        if is_due(&mut self.errors_logged, cause, now) {
            log::warn!("{why} ({})", Metric::from(cause).name());
        }
    }
}

/// Whether something is to be logged now; if so, that is noted.
fn is_due<K: PartialEq>(logged: &mut Vec<(K, Timestamp)>, what: K, now: Timestamp) -> bool {
    match logged.iter_mut().find(|(known, _)| *known == what) {
        // A clock set back must not silence the log for long.
        Some((_, at)) if *at <= now && now.since(*at) < QUIET => false,
        Some((_, at)) => {
            *at = now;
            true
        }
        None => {
            logged.push((what, now));
            true
        }
    }
}

impl<H: Host> Worker<H> {
    /// Counts and logs what happened to the hosts of a cluster.
    pub(super) fn report_events(&mut self, cluster: &str, events: &[Event]) {
        for event in events {
            self.report_event(cluster, event);
        }
    }

    fn report_event(&mut self, cluster: &str, event: &Event) {
        match *event {
            Event::Ejected {
                host,
                detector,
                evidence,
                duration,
                ejections,
            } => {
                self.count(Metric::from(detector));
                let colon = if matches!(evidence, Evidence::Count { .. }) {
                    ""
                } else {
                    ":"
                };
                log::warn!(
                    "ejected host {host} of cluster {cluster} for {}: {}{colon} {evidence} (ejection {ejections})",
                    format_duration(duration),
                    detector.name(),
                );
            }
            Event::Refused { host, detector, reason } => {
                self.count(Metric::from(reason));
                self.doubt(cluster, detector, reason);
                if is_due(&mut self.report.refusals_logged, reason, self.clock) {
                    log::info!(
                        "host {host} of cluster {cluster} stays: {} was reached, but {}",
                        detector.name(),
                        reason.name(),
                    );
                }
            }
            Event::Probation { host } => log::info!("host {host} of cluster {cluster} is in probation"),
            Event::Ramping { host, proved } => log::info!(
                "host {host} of cluster {cluster} {}: its share grows",
                if proved { "proved itself" } else { "could not be tried" },
            ),
            Event::Returned { host } => log::info!("host {host} of cluster {cluster} is back"),
            Event::Overloaded { host, duration } => log::info!(
                "host {host} of cluster {cluster} is overloaded and gets less for {}",
                format_duration(duration),
            ),
            Event::Restored { host, until } => {
                self.count(Metric::Restored);
                log::warn!(
                    "restored: host {host} of cluster {cluster} stays ejected for {}",
                    format_duration(until.since(self.clock)),
                );
            }
            // It is logged with its reason where it is carried out.
            Event::Controlled { .. } => {}
            Event::Panic(Census { known, available, .. }) => {
                self.count(Metric::PinsRefusedPanic);
                if is_due(&mut self.report.panic_logged, (), self.clock) {
                    log::warn!(
                        "no pins for cluster {cluster}: {available} of {known} hosts are available, below panic_threshold"
                    );
                }
            }
            Event::Full { host } => self.error(
                ErrorCause::MaxHosts,
                format_args!("host {host} of cluster {cluster} is not watched: max_hosts are known"),
            ),
        }
    }
}
