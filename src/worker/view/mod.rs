//! A worker's view of one cluster: the shared record, decoded, and what only this worker knows.

mod counting;
mod standings;

pub(super) use counting::Counted;

use super::homes::Moved;
use super::shared::RecordVersion;
use super::streaks::StreaksView;
use crate::config::{ClusterPolicy, Config};
use crate::detect::Window;
use crate::health::{BELIEVED_FOR, ClusterTable, HostHealth};
use crate::model::{HostAddr, Map, Timestamp};
use crate::pick::Rotation;
use crate::retry::Budget;
use standings::Standings;
use std::cell::Cell;
use std::rc::Rc;
use std::time::Duration;

/// One cluster as one worker sees it.
#[derive(Debug)]
pub(super) struct ClusterView {
    /// The cluster's policy.
    pub(super) policy: Rc<ClusterPolicy>,
    /// The shared-data key of the cluster's record.
    pub(super) key: String,
    /// The version of the record that `table` was read from.
    pub(super) record: RecordVersion,
    /// The revision of all records when `table` was read: while it stands, the view is up to date.
    pub(super) read_at: Option<u64>,
    /// Failures in a row.
    pub(super) streaks: StreaksView,
    /// The retries that there may be.
    pub(super) budget: Budget,
    /// Whether the route leads to its standby cluster.
    pub(super) standby_route: StandbyRoute,
    /// One of its hosts is in another cluster, too: `worker::homes`.
    pub(super) shares_hosts: bool,
    /// An answer came from where the pin did not lead, since a single attempt has followed one.
    pub(super) doubts_pins: bool,
    /// How long 95 % of its answers took for their headers in the last interval, if there were enough.
    pub(super) p95: Option<Duration>,
    /// Answers since the last one that came from a host not known before.
    answers_since_new: u32,
    /// When the interval began whose outcomes are being counted; zero before the first tick.
    pub(super) interval: Timestamp,
    /// When the last interval ended that this worker judged.
    pub(super) judged: Timestamp,
    table: ClusterTable,
    /// Where each host stands in the table, so that an attempt finds its host in the same time in any cluster.
    index: Map<HostAddr, usize>,
    /// Where the host stands that was asked for last: an attempt asks for its own several times.
    last: Cell<usize>,
    /// Beside each host of the table, what only this worker knows of it.
    local: Vec<Local>,
    rotation: Rotation,
    /// Who may take an attempt, until `standings_until`.
    standings: Standings,
    standings_until: Timestamp,
}

/// Whether a request's route leads to the standby cluster once the filter has set its header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum StandbyRoute {
    /// It has not been tried.
    Unknown,
    /// It does.
    Leads,
    /// The last request that tried it, then, went elsewhere.
    Misses(Timestamp),
}

/// What only this worker knows of a host.
#[derive(Debug, Default)]
struct Local {
    in_flight: u32,
    /// Where it stands, or stood, among the candidates.
    candidate: usize,
    /// Envoy has named it as an attempt's host since its `seen` was last written.
    touched: bool,
    /// Until when it is not picked, because Envoy passed it over: it is not in the cluster.
    absent_until: Timestamp,
    /// Since when it is in probation and requests come that can't be trials; zero if none has come.
    waiting_since: Timestamp,
    /// What it did in the running interval. Made with the first attempt, then used again.
    window: Option<Box<Window>>,
}

impl ClusterView {
    /// A view of a cluster of which nothing was read yet: its hosts are those that are configured.
    pub(super) fn new(name: &str, config: &Config, rotation: Rotation) -> Self {
        let policy = Rc::clone(config.cluster(name));
        let mut view = Self {
            policy,
            key: super::shared::record_key(name),
            record: RecordVersion::Unknown,
            read_at: None,
            streaks: StreaksView::default(),
            budget: Budget::default(),
            standby_route: StandbyRoute::Unknown,
            shares_hosts: false,
            doubts_pins: false,
            p95: None,
            answers_since_new: 0,
            interval: Timestamp::ZERO,
            judged: Timestamp::ZERO,
            table: ClusterTable::default(),
            index: Map::default(),
            last: Cell::new(0),
            local: Vec::new(),
            rotation,
            standings: Standings::default(),
            standings_until: Timestamp::ZERO,
        };
        view.install(ClusterTable::default());
        view
    }

    /// The table as last read or written.
    pub(super) const fn table(&self) -> &ClusterTable {
        &self.table
    }

    /// Takes another table; what this worker knows of hosts that stay is kept. Returns which came and which left.
    pub(super) fn install(&mut self, mut table: ClusterTable) -> Moved {
        table.add_configured(&self.policy);
        let mut local = Vec::with_capacity(table.hosts().len());
        for host in table.hosts() {
            local.push(self.take_local(host));
        }
        let came = table.hosts().iter().map(|host| host.addr);
        let came: Vec<_> = came.filter(|addr| !self.index.contains_key(addr)).collect();
        let mut left = Vec::new();
        // None did, nearly always.
        if table.hosts().len() < self.index.len() + came.len() {
            let gone = self.index.keys().filter(|addr| table.get(**addr).is_none());
            left.extend(gone.copied());
        }
        self.index.clear();
        self.index
            .extend(table.hosts().iter().enumerate().map(|(at, host)| (host.addr, at)));
        self.local = local;
        self.table = table;
        self.standings_until = Timestamp::ZERO;
        Moved { came, left }
    }

    /// What is known of a host.
    pub(super) fn host(&self, addr: HostAddr) -> Option<&HostHealth> {
        self.table.hosts().get(self.place(addr)?)
    }

    fn local_mut(&mut self, addr: HostAddr) -> Option<&mut Local> {
        let place = self.place(addr)?;
        self.local.get_mut(place)
    }

    fn place(&self, addr: HostAddr) -> Option<usize> {
        let last = self.last.get();
        if self.table.hosts().get(last).is_some_and(|host| host.addr == addr) {
            return Some(last);
        }
        let place = *self.index.get(&addr)?;
        self.last.set(place);
        Some(place)
    }

    /// Envoy has named a host as that of an attempt: it is in the cluster.
    pub(super) fn saw(&mut self, host: HostAddr) {
        let Some(local) = self.local_mut(host) else {
            self.answers_since_new = 0;
            return;
        };
        local.touched = true;
        if local.absent_until != Timestamp::ZERO {
            local.absent_until = Timestamp::ZERO;
            self.standings_until = Timestamp::ZERO;
        }
        self.answers_since_new = self.answers_since_new.saturating_add(1);
    }

    /// Whether all hosts that Envoy has are likely known: somebody lists them, or many answers came from no new one.
    pub(super) fn is_explored(&self, listed: bool) -> bool {
        let known = u32::try_from(self.known()).unwrap_or(u32::MAX);
        listed || !self.policy.hosts.is_empty() || self.answers_since_new >= known.saturating_mul(3).saturating_add(8)
    }

    /// How many hosts are known.
    pub(super) fn known(&self) -> usize {
        self.table.hosts().len()
    }

    /// A request came that can't be the trial of a host in probation. Returns since when that is so.
    pub(super) fn wait_for_trial(&mut self, host: HostAddr, probation: Timestamp, now: Timestamp) -> Timestamp {
        let Some(local) = self.local_mut(host) else {
            return now;
        };
        if local.waiting_since < probation || local.waiting_since > now {
            local.waiting_since = now;
        }
        local.waiting_since
    }

    /// Whether no further host can be recorded.
    pub(super) fn is_full(&self) -> bool {
        self.table.hosts().len() >= self.policy.picking.max_hosts
    }

    /// Envoy has passed a host over: it is not picked for a while.
    pub(super) fn note_absent(&mut self, host: HostAddr, now: Timestamp) {
        if let Some(local) = self.local_mut(host) {
            local.absent_until = now.after(BELIEVED_FOR);
            local.touched = false;
            self.standings_until = Timestamp::ZERO;
        }
    }

    /// Adds to the attempts in flight at a host.
    pub(super) fn in_flight(&mut self, host: HostAddr, by: i32) {
        let Some(local) = self.local_mut(host) else {
            return;
        };
        local.in_flight = local.in_flight.saturating_add_signed(by);
        let (in_flight, position) = (local.in_flight, local.candidate);
        if let Some(candidate) = self.standings.candidates.get_mut(position)
            && candidate.addr == host
        {
            candidate.in_flight = in_flight;
        }
    }

    /// The hosts that answered, and whose `seen` on record is a good part of `forget_after` old.
    pub(super) fn take_touched(&mut self, now: Timestamp) -> Vec<HostAddr> {
        let stale_after = self.policy.picking.forget_after / 4;
        self.table
            .hosts()
            .iter()
            .zip(&mut self.local)
            .filter(|(host, local)| local.touched && (host.gone || now.since(host.seen) >= stale_after))
            .map(|(host, local)| {
                local.touched = false;
                host.addr
            })
            .collect()
    }

    /// What this worker knows of a host that comes with a new table.
    fn take_local(&mut self, host: &HostHealth) -> Local {
        let Some(at) = self.index.get(&host.addr).copied() else {
            return Local::default();
        };
        let Some(mut local) = self.local.get_mut(at).map(std::mem::take) else {
            return Local::default();
        };
        if let Some(known) = self.table.hosts().get(at) {
            // Another worker has written down a later answer: ours is told, and must not be told again after it.
            // And what was heard of a host before it was seen to be gone says nothing.
            local.touched &= known.seen >= host.seen && (known.gone || !host.gone);
            // What the host did before it was ejected must not be held against it afterwards.
            if known.last_ejected_at != host.last_ejected_at
                && let Some(window) = &mut local.window
            {
                **window = Window::default();
            }
        }
        local
    }
}
