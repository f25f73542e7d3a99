//! What a request went through, told to the client by response headers and to the access log by filter state.
//!
//! Most requests have nothing to tell: one attempt, and no reason against another. Theirs costs nothing, unless
//! `retry.report.attempts` wants each answer to say so.

use super::Stream;
use crate::config::Engine;
use crate::detect::ResponseFlags;
use crate::host::{Attribute, Host};
use crate::metrics::{ErrorCause, Metric};
use crate::model::HostAddr;
use crate::retry::{RetryRefusal, Told, proxy_status};
use crate::worker::Worker;
use std::fmt::Write;

/// The response header that says how many attempts there were.
const ATTEMPTS_HEADER: &str = "x-sidestep-attempts";

/// What a request went through.
#[derive(Debug)]
pub(super) struct Tale {
    pub(super) attempts: u32,
    /// The hosts, in order, as far as they are known.
    hosts: Vec<HostAddr>,
    engine: Engine,
    /// Why there was no further attempt.
    pub(super) refusal: Option<RetryRefusal>,
}

/// The answer that a client gets, as far as `Proxy-Status` tells of it.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Final {
    /// The status, if a host gave it.
    pub(super) received_status: Option<u16>,
    /// Why Envoy answered in the host's place, if it did.
    pub(super) flags: ResponseFlags,
    pub(super) host: Option<HostAddr>,
}

impl Tale {
    pub(super) const fn of(engine: Engine) -> Self {
        Self {
            attempts: 1,
            hosts: Vec::new(),
            engine,
            refusal: None,
        }
    }

    /// An attempt went to this host.
    pub(super) fn host(&mut self, host: HostAddr) {
        self.hosts.push(host);
    }

    fn hosts(&self) -> String {
        let mut list = String::new();
        for host in &self.hosts {
            let comma = if list.is_empty() { "" } else { "," };
            // Writing to a string does not fail.
            let _ = write!(list, "{comma}{host}");
        }
        list
    }
}

impl Stream {
    /// There is no further attempt, although one was wanted.
    pub(super) fn refuse<H: Host>(&mut self, worker: &mut Worker<H>, reason: RetryRefusal) {
        worker.count(Metric::from(reason));
        self.tale().refusal = Some(reason);
    }

    /// The headers that tell the client, for an answer of this cluster.
    pub(super) fn words<H: Host>(
        &self,
        worker: &mut Worker<H>,
        cluster: &str,
        answer: &Final,
    ) -> Vec<(&'static str, String)> {
        let policy = worker.policy(cluster);
        let report = &policy.retry.report;
        let mut words = Vec::new();
        if report.is_silent() {
            return words;
        }
        let attempts = self.tale.as_ref().map_or(1, |tale| tale.attempts);
        if report.attempts {
            words.push((ATTEMPTS_HEADER, attempts.to_string()));
        }
        let code_details = if report.proxy_status.is_some() && answer.flags != ResponseFlags::default() {
            worker.attribute(Attribute::ResponseCodeDetails).unwrap_or_default()
        } else {
            Vec::new()
        };
        let told = Told {
            attempts,
            received_status: answer.received_status,
            flags: answer.flags,
            code_details: &code_details,
            host: answer.host,
            refusal: self.tale.as_ref().and_then(|tale| tale.refusal),
        };
        words.extend(proxy_status(report, &told).map(|value| ("proxy-status", value)));
        words
    }

    /// Tells the client of the answer that is on its way.
    pub(super) fn tell<H: Host>(&self, worker: &mut Worker<H>, cluster: &str, answer: &Final) {
        if !worker.wants().report {
            return;
        }
        for (name, value) in self.words(worker, cluster, answer) {
            // Other proxies' words on the way stay: theirs come first (RFC 9209, section 2).
            let told = if name == ATTEMPTS_HEADER {
                worker.host.set_response_header(name, &value)
            } else {
                worker.host.add_response_header(name, &value)
            };
            if let Err(error) = told {
                worker.error(ErrorCause::Report, format_args!("{name} not set: {error}"));
            }
        }
    }

    /// Leaves what there is to tell for the access log.
    pub(super) fn leave_for_the_log<H: Host>(&mut self, worker: &mut Worker<H>) {
        let Some(tale) = self.tale.take() else {
            return;
        };
        let refused = tale.refusal.map_or("", RetryRefusal::name);
        for (name, value) in [
            ("sidestep.attempts", &*tale.attempts.to_string()),
            ("sidestep.hosts", &tale.hosts()),
            ("sidestep.engine", tale.engine.name()),
            ("sidestep.refused", refused),
        ] {
            if value.is_empty() {
                continue;
            }
            if let Err(error) = worker.host.set_filter_state(name, value) {
                worker.error(ErrorCause::Report, format_args!("{name} not set: {error}"));
                return;
            }
        }
    }
}
