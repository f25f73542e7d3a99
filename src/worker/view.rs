//! A worker's view of one cluster: the shared record, decoded, and what only this worker knows.

use super::shared::RecordVersion;
use crate::config::{ClusterPolicy, Config};
use crate::health::{ClusterTable, HostHealth};
use crate::host::Cas;
use crate::model::{Entropy, HostAddr, Timestamp};
use crate::pick::{Candidate, Pin, Rotation};
use std::rc::Rc;
use std::time::Duration;

/// Whether a cluster follows pins, as far as has been seen.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum PinSupport {
    /// No pinned attempt has been answered yet, or it is too long ago that one went elsewhere.
    #[default]
    Unknown,
    /// The last pinned attempt went where its pin said.
    Followed,
    /// The last pinned attempt went elsewhere, at this time.
    Ignored(Timestamp),
}

/// How long a thing that Envoy was seen to do is held to be so: a configuration may change.
const BELIEVED_FOR: Duration = Duration::from_secs(60);

impl PinSupport {
    /// What is still to be believed of it.
    #[must_use]
    pub(super) fn at(self, now: Timestamp) -> Self {
        match self {
            Self::Ignored(since) if now.since(since) >= BELIEVED_FOR => Self::Unknown,
            other => other,
        }
    }
}

/// One cluster as one worker sees it.
#[derive(Debug)]
pub(super) struct ClusterView {
    /// The cluster's policy.
    pub(super) policy: Rc<ClusterPolicy>,
    /// The shared-data key of the cluster's record.
    pub(super) key: String,
    /// The version of the record that `table` was read from.
    pub(super) record: RecordVersion,
    /// The version of all records when `table` was read: while it stands, the view is up to date.
    pub(super) read_at: Option<Cas>,
    /// Whether pins are followed.
    pub(super) pin_support: PinSupport,
    table: ClusterTable,
    /// Beside each host of the table, what only this worker knows of it.
    local: Vec<Local>,
    rotation: Rotation,
    /// The hosts that may take an attempt until `candidates_until`; sorted like the table.
    candidates: Vec<Candidate>,
    candidates_until: Timestamp,
    any_ejected: bool,
}

/// What only this worker knows of a host.
#[derive(Clone, Copy, Debug, Default)]
struct Local {
    in_flight: u32,
    /// Envoy has named it as an attempt's host since its `seen` was last written.
    touched: bool,
    /// Until when it is not picked, because Envoy passed it over: it is not in the cluster.
    absent_until: Timestamp,
}

impl ClusterView {
    pub(super) fn new(name: &str, config: &Config, rotation: Rotation) -> Self {
        let policy = Rc::clone(config.cluster(name));
        let mut view = Self {
            policy,
            key: super::shared::record_key(name),
            record: RecordVersion::Unknown,
            read_at: None,
            pin_support: PinSupport::Unknown,
            table: ClusterTable::default(),
            local: Vec::new(),
            rotation,
            candidates: Vec::new(),
            candidates_until: Timestamp::ZERO,
            any_ejected: false,
        };
        view.install(ClusterTable::default());
        view
    }

    /// The table as last read or written.
    pub(super) const fn table(&self) -> &ClusterTable {
        &self.table
    }

    /// Takes another table; what this worker knows of hosts that stay is kept.
    pub(super) fn install(&mut self, mut table: ClusterTable) {
        table.add_configured(&self.policy);
        self.local = table
            .hosts()
            .iter()
            .map(|host| self.local_of(host).unwrap_or_default())
            .collect();
        self.table = table;
        self.candidates_until = Timestamp::ZERO;
    }

    /// Whether any host is ejected, so that a pin is needed.
    pub(super) fn any_ejected(&mut self, now: Timestamp) -> bool {
        self.refresh_candidates(now);
        self.any_ejected
    }

    /// Whether no further host can be recorded.
    pub(super) fn is_full(&self) -> bool {
        self.table.hosts().len() >= self.policy.picking.max_hosts
    }

    /// Envoy has passed a host over: it is not picked for a while.
    pub(super) fn note_absent(&mut self, host: HostAddr, now: Timestamp) {
        if let Some(local) = self
            .table
            .position(host)
            .and_then(|position| self.local.get_mut(position))
        {
            local.absent_until = now.after(BELIEVED_FOR);
            self.candidates_until = Timestamp::ZERO;
        }
    }

    /// A pin to available hosts that are not among `tried`.
    pub(super) fn pick(&mut self, tried: &[HostAddr], now: Timestamp, entropy: &mut Entropy) -> Option<Pin> {
        self.refresh_candidates(now);
        if tried.is_empty() {
            return self.rotation.pick(&self.candidates, entropy);
        }
        let untried: Vec<Candidate> = self
            .candidates
            .iter()
            .filter(|candidate| !tried.contains(&candidate.addr))
            .copied()
            .collect();
        self.rotation.pick(&untried, entropy)
    }

    /// Adds to the attempts in flight at a host.
    pub(super) fn in_flight(&mut self, host: HostAddr, by: i32) {
        let Some(local) = self
            .table
            .position(host)
            .and_then(|position| self.local.get_mut(position))
        else {
            return;
        };
        local.in_flight = local.in_flight.saturating_add_signed(by);
        let in_flight = local.in_flight;
        if let Ok(position) = self.candidates.binary_search_by_key(&host, |candidate| candidate.addr)
            && let Some(candidate) = self.candidates.get_mut(position)
        {
            candidate.in_flight = in_flight;
        }
    }

    /// Notes that Envoy named a host as that of an attempt: it is in the cluster.
    pub(super) fn touch(&mut self, host: HostAddr) {
        if let Some(local) = self
            .table
            .position(host)
            .and_then(|position| self.local.get_mut(position))
        {
            local.touched = true;
            if local.absent_until != Timestamp::ZERO {
                local.absent_until = Timestamp::ZERO;
                self.candidates_until = Timestamp::ZERO;
            }
        }
    }

    /// The hosts that answered, and whose `seen` on record is a good part of `forget_after` old.
    pub(super) fn take_touched(&mut self, now: Timestamp) -> Vec<HostAddr> {
        let stale_after = self.policy.picking.forget_after / 4;
        self.table
            .hosts()
            .iter()
            .zip(&mut self.local)
            .filter(|(host, local)| local.touched && now.since(host.seen) >= stale_after)
            .map(|(host, local)| {
                local.touched = false;
                host.addr
            })
            .collect()
    }

    /// What this worker knows of a host that comes with a new table.
    fn local_of(&self, host: &HostHealth) -> Option<Local> {
        let position = self.table.position(host.addr)?;
        let mut local = *self.local.get(position)?;
        // Another worker has written down a later answer: ours is told, and must not be told again after it.
        local.touched &= self.table.hosts().get(position)?.seen >= host.seen;
        Some(local)
    }

    /// Finds the available hosts anew if the table has changed or an ejection's time is over.
    fn refresh_candidates(&mut self, now: Timestamp) {
        if now < self.candidates_until {
            return;
        }
        self.candidates.clear();
        self.candidates.extend(
            self.table
                .hosts()
                .iter()
                .zip(&self.local)
                .filter(|(host, local)| host.is_available(now) && local.absent_until <= now)
                .map(|(host, local)| Candidate {
                    addr: host.addr,
                    in_flight: local.in_flight,
                }),
        );
        self.any_ejected = self.table.ejected(now) > 0;
        self.candidates_until = self
            .table
            .ejection_ends()
            .chain(self.local.iter().map(|local| local.absent_until))
            .filter(|end| *end > now)
            .min()
            .unwrap_or(Timestamp::from_nanos(u64::MAX));
    }
}
