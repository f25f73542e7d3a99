//! What a person wants of a host, whatever the detectors say.

use super::host::{HostHealth, HostState};
use super::table::{Change, ClusterTable, Event};
use crate::config::ClusterPolicy;
use crate::detect::{Detector, Evidence};
use crate::health::EjectionRefusal;
use crate::model::{HostAddr, Timestamp};

/// The longest reason that is kept, in bytes.
pub const MAX_REASON: usize = 120;

/// The most controls that are kept for one cluster.
pub(super) const MAX_CONTROLS: usize = 64;

/// What a person wants of a host.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ControlAction {
    /// The host is out until the end, whatever share of the cluster is; but never the last one available.
    Eject,
    /// The host's ejection, probation or hold is over at once, and its share grows to a full one.
    Release,
    /// The host stays what it is until the end: no detector ejects it, and an ejection does not end.
    Hold,
}

impl ControlAction {
    /// All actions, in the order of their numbers in a record.
    pub const ALL: [Self; 3] = [Self::Eject, Self::Release, Self::Hold];

    /// The name in configuration, metrics and logs.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Eject => "eject",
            Self::Release => "release",
            Self::Hold => "hold",
        }
    }
}

/// A person's wish for a host, with a reason and an end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Control {
    /// The host.
    pub host: HostAddr,
    /// What is wanted.
    pub action: ControlAction,
    /// Until when. Of no meaning for a release, which happens at once.
    pub until: Timestamp,
    /// Why, as the person said it; at most [`MAX_REASON`] bytes are kept.
    pub reason: String,
}

impl ClusterTable {
    /// Whether a person holds the host: nothing else decides about it. An ejection does so for as long as it lasts.
    pub(super) fn is_held(&self, addr: HostAddr, now: Timestamp) -> bool {
        let by_person = |host: &HostHealth| {
            matches!(host.state, HostState::Ejected(ejection)
                if ejection.detector == Detector::Control && ejection.until > now)
        };
        self.controls().iter().any(|control| {
            control.host == addr
                && control.until > now
                && (control.action == ControlAction::Hold || self.get(addr).is_some_and(by_person))
        })
    }

    /// Carries out a person's wish. It stands in the place of an earlier one for the same host.
    pub fn control(&mut self, control: Control, policy: &ClusterPolicy, now: Timestamp) -> Change {
        let addr = control.host;
        let census = self.census();
        self.controls_mut()
            .retain(|known| known.host != addr && known.until > now);
        if control.action != ControlAction::Release && self.controls().len() >= MAX_CONTROLS {
            return Change::refused(addr, Detector::Control, EjectionRefusal::TooManyControls);
        }
        let Some(host) = self.host_mut(addr) else {
            return Change::refused(addr, Detector::Control, EjectionRefusal::UnknownHost);
        };
        let was_available = host.is_available();
        host.settle(policy, now);
        match control.action {
            ControlAction::Eject if was_available && census.available <= 1 => {
                return Change::refused(addr, Detector::Control, EjectionRefusal::LastHost);
            }
            ControlAction::Eject => host.put_out(Detector::Control, now, control.until),
            ControlAction::Release if host.is_out() => host.start_ramp(policy, now),
            ControlAction::Release => {}
            ControlAction::Hold => hold(host, control.until),
        }
        let ejections = host.ejections;
        let event = match control.action {
            ControlAction::Eject => Event::Ejected {
                host: addr,
                evidence: Evidence::Control,
                detector: Detector::Control,
                duration: control.until.since(now),
                ejections,
            },
            action => Event::Controlled { host: addr, action },
        };
        if control.action != ControlAction::Release {
            self.controls_mut().push(Control {
                reason: shortened(control.reason),
                ..control
            });
        }
        Change {
            changed: true,
            events: vec![event],
        }
    }
}

/// A host that is out stays out.
fn hold(host: &mut HostHealth, until: Timestamp) {
    match &mut host.state {
        HostState::Ejected(ejection) => ejection.until = ejection.until.max(until),
        HostState::Probation(probation) => {
            let since = probation.since;
            host.put_out(Detector::Control, since, until);
        }
        HostState::Healthy | HostState::Ramp { .. } => {}
    }
}

/// At most [`MAX_REASON`] bytes of a text.
pub(crate) fn shortened(mut text: String) -> String {
    let end = (0..=MAX_REASON.min(text.len()))
        .rev()
        .find(|end| text.is_char_boundary(*end));
    text.truncate(end.unwrap_or(0));
    text
}
