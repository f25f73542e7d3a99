//! An answer that has come: where from, and as much of it as decisions need.

use super::{Stream, end_trial_unproved};
use crate::detect::{Answer, ResponseFlags};
use crate::host::{Attribute, Host};
use crate::http::{HeaderBlock, ResponseFacts};
use crate::metrics::ErrorCause;
use crate::model::{HostAddr, Outcome};
use crate::pick::Pin;
use crate::retry::{Failed, Withdrawal};
use crate::worker::{Steering, Worker};
use std::rc::Rc;
use std::time::Duration;

/// An answer of a host, or one that Envoy made in its place.
pub(super) struct Arrived {
    pub(super) headers: HeaderBlock,
    pub(super) status: u16,
    /// How long the host took, as Envoy's router says.
    pub(super) service_time: Option<Duration>,
    pub(super) cluster: Rc<str>,
    /// That it is of this cluster is only [assumed](Worker::cluster_of).
    pub(super) assumed: bool,
    pub(super) host: HostAddr,
}

impl Arrived {
    /// `None` if the answer says nothing about any host.
    ///
    /// `meant`: where the request was sent. A host of its pin is one of its cluster, so that Envoy need not be asked.
    /// `is_plain`: a success changes nothing but counts.
    pub(super) fn read<H: Host>(worker: &mut Worker<H>, meant: Option<&Steering>, is_plain: bool) -> Option<Self> {
        let headers = match worker.host.response_headers() {
            Ok(headers) => headers,
            Err(error) => {
                worker.error(ErrorCause::Response, format_args!("no response headers: {error}"));
                return None;
            }
        };
        let facts = ResponseFacts::read(&headers);
        let status = facts.status?;
        let is_plain = is_plain && worker.wants().is_plain(status);
        let Some(((cluster, assumed), host)) = attempted(worker, meant, is_plain) else {
            worker.count_attempt(Outcome::Ignored);
            return None;
        };
        Some(Self {
            headers,
            status,
            service_time: facts.service_time,
            cluster,
            assumed,
            host,
        })
    }
}

/// Looks whether the pin was followed, and gives a trial back that the answer says nothing about. Returns the retry that
/// was paid for, if the filter sent the request where it went to learn something. `meant`: the answer is of the host that
/// the pin was to lead to.
pub(super) fn check_steering<H: Host>(
    worker: &mut Worker<H>,
    steering: Option<Steering>,
    arrived: &Arrived,
    (outcome, meant): (Outcome, bool),
) -> Option<Withdrawal> {
    let steering = steering?;
    let here = steering.cluster == arrived.cluster;
    if outcome == Outcome::Ignored || !here || steering.trial != Some(arrived.host) {
        end_trial_unproved(worker, Some(&steering));
    }
    if here
        && meant
        && let Some(pin) = &steering.pin
    {
        worker.check_pin(&steering.cluster, pin, arrived.host);
    }
    if here {
        return steering.paid;
    }
    if let Some(paid) = steering.paid {
        let now = worker.now();
        worker.put_back(&steering.cluster, paid, now);
    }
    None
}

/// The request went nowhere: its trial says nothing, and the retry that was paid for is not needed.
pub(super) fn give_back<H: Host>(worker: &mut Worker<H>, steering: Option<&Steering>) {
    end_trial_unproved(worker, steering);
    if let Some(steering) = steering
        && let Some(paid) = steering.paid
    {
        let now = worker.now();
        worker.put_back(&steering.cluster, paid, now);
    }
}

/// Where the attempt went, and whether its cluster is only assumed. `None` if it went nowhere that can be watched: no route,
/// no healthy host, another filter's reply, a host that is no `ip:port`.
fn attempted<H: Host>(
    worker: &mut Worker<H>,
    meant: Option<&Steering>,
    is_plain: bool,
) -> Option<((Rc<str>, bool), HostAddr)> {
    let address = worker.attribute(Attribute::UpstreamAddress)?;
    let Ok(host) = HostAddr::from_bytes(&address) else {
        let address = String::from_utf8_lossy(&address);
        worker.error(ErrorCause::HostAddress, format_args!("host {address:?} is not watched"));
        return None;
    };
    let pinned = meant.filter(|steering| steering.pin.iter().flat_map(Pin::hosts).any(|named| named == host));
    let cluster = match pinned {
        Some(steering) => (Rc::clone(&steering.cluster), false),
        None => worker.cluster_of(host, is_plain)?,
    };
    Some((cluster, host))
}

impl Stream {
    /// Why Envoy answered in the host's place, if it did. UO has a second meaning: its circuit breaker let a retry of the router's not
    /// through, and the answer is the host's own.
    pub(super) fn flags<H: Host>(worker: &mut Worker<H>) -> ResponseFlags {
        let flags = ResponseFlags(worker.attribute_number(Attribute::ResponseFlags));
        if flags.any_of(ResponseFlags::UPSTREAM_OVERFLOW) {
            let details = worker.attribute(Attribute::ResponseCodeDetails).unwrap_or_default();
            if contains(&details, b"via_upstream") {
                return flags.without(ResponseFlags::UPSTREAM_OVERFLOW);
            }
        }
        flags
    }

    /// What the classification of an answer needs. Of nearly every answer, that is its status.
    pub(super) fn look_at<H: Host>(&self, worker: &mut Worker<H>, arrived: &Arrived) -> Answer {
        let Arrived { headers, status, .. } = arrived;
        let grpc_status = if self.traits.grpc {
            headers.number(b"grpc-status")
        } else {
            None
        };
        // Envoy answers in the host's place by 5xx, and a gRPC request by 200 and a gRPC status.
        let by_envoy = *status >= 500 || grpc_status.is_some_and(|status: u32| status != 0);
        Answer {
            status: *status,
            flags: if by_envoy {
                Self::flags(worker)
            } else {
                ResponseFlags::default()
            },
            grpc_status,
            overloaded: by_envoy && headers.get(b"x-envoy-overloaded").is_some(),
        }
    }

    /// What the decision about a retry needs beyond the classification.
    pub(super) fn look_closer<H: Host>(
        &self,
        worker: &mut Worker<H>,
        headers: &HeaderBlock,
        answer: &Answer,
    ) -> Failed {
        let reset = answer.flags.any_of(ResponseFlags::UPSTREAM_REMOTE_RESET);
        let timeout = answer.flags.any_of(ResponseFlags::UPSTREAM_REQUEST_TIMEOUT);
        let details = if reset || timeout {
            worker.attribute(Attribute::ResponseCodeDetails).unwrap_or_default()
        } else {
            Vec::new()
        };
        Failed {
            status: answer.status,
            flags: answer.flags,
            refused_stream: reset && contains(&details, b"remote_refused_stream_reset"),
            overloaded: answer.overloaded,
            rate_limited: headers.get(b"x-envoy-ratelimited").is_some(),
            per_try_timeout: timeout && contains(&details, b"per_try_timeout"),
            early_data: self.traits.early_data,
            grpc_status: answer.grpc_status,
            ..Failed::default()
        }
    }

    /// Whether Envoy's router retries without having been told to by the filter: the two must not multiply.
    pub(super) fn retries_by_route<H: Host>(&mut self, worker: &mut Worker<H>) -> bool {
        if self.traits.router_retries {
            return true;
        }
        let retried = worker.attribute_number(Attribute::AttemptCount) > 1;
        if retried && worker.wants().engines {
            let now = worker.now();
            worker.route_retries(now);
        }
        retried
    }
}

fn contains(haystack: &[u8], needle: &[u8]) -> bool {
    haystack.windows(needle.len()).any(|window| window == needle)
}
