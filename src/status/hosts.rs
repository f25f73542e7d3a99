//! Clusters and hosts, as JSON.

use super::json::Writer;
use crate::config::ClusterPolicy;
use crate::detect::Detector;
use crate::health::{HostHealth, HostState, PinSupport};
use crate::model::Timestamp;
use crate::worker::Seen;
use std::time::Duration;

/// A cluster: its hosts, how many there are, and whether it follows pins.
pub(super) fn show_cluster(json: &mut Writer, seen: &Seen) {
    json.object(|json| {
        let census = seen.table.census();
        json.name("census").object(|json| {
            json.name("known").number(census.known);
            json.name("out").number(census.out);
            json.name("available").number(census.available);
        });
        json.name("pins").text(match seen.table.pins().at(seen.now) {
            PinSupport::Unknown => "unknown",
            PinSupport::Followed => "followed",
            PinSupport::Ignored(_) => "ignored",
        });
        json.name("hosts").list(|json| {
            for host in seen.table.hosts() {
                show_host(json, host, seen);
            }
        });
    });
}

/// A host.
pub(super) fn show_host(json: &mut Writer, host: &HostHealth, seen: &Seen) {
    let left = |until: Timestamp| Some(until.since(seen.now)).filter(|left| !left.is_zero());
    let position = seen.table.position(host.addr);
    let failures = position
        .and_then(|at| seen.failures.get(at))
        .copied()
        .unwrap_or_default();
    json.object(|json| {
        json.name("address").text(&host.addr.to_string());
        show_state(json, host, &seen.policy, seen.now);
        json.name("ejections").number(host.ejections as usize);
        json.name("failures_in_a_row").number(failures as usize);
        json.name("overloaded").time_left(left(host.overloaded_until));
        json.name("unfit").boolean(host.unfit);
        json.name("gone").boolean(host.gone);
        json.name("control");
        match seen.table.controls().iter().find(|control| control.host == host.addr) {
            None => json.null(),
            Some(control) => json.object(|json| {
                json.name("action").text(control.action.name());
                json.name("remaining").time_left(left(control.until));
                json.name("reason").text(&control.reason);
            }),
        }
    });
}

/// Where a host is in its life, which detector put it there, and how long that lasts if it has an end.
pub(super) fn show_state(json: &mut Writer, host: &HostHealth, policy: &ClusterPolicy, now: Timestamp) {
    let (detector, left): (Option<Detector>, Option<Duration>) = match host.state {
        HostState::Healthy | HostState::Probation(_) => (None, None),
        HostState::Ejected(ejection) => (Some(ejection.detector), Some(ejection.until.since(now))),
        HostState::Ramp { since } => (None, Some(since.after(policy.picking.ramp_time).since(now))),
    };
    json.name("state").text(state_name(host));
    json.name("detector").text_or_null(detector.map(Detector::name));
    json.name("remaining").time_left(left);
}

/// The name of a host's state.
pub(super) const fn state_name(host: &HostHealth) -> &'static str {
    match host.state {
        HostState::Healthy => "healthy",
        HostState::Ejected(_) => "ejected",
        HostState::Probation(_) => "probation",
        HostState::Ramp { .. } => "ramp",
    }
}
