//! A sidecar as a member of its fleet: its lease, what it says under it, and what it hears of the others.

use super::ask::{Ask, Purpose};
use super::etcd::{LeaseGrantRequest, LeaseKeepAliveRequest, RangeResponse, RequestOp, delete, put};
use super::fleet::{Keys, Place, Reports, Said};
use super::keeper::Progress;
use crate::config::{Etcd, Fleet};
use crate::model::{SortedMap, SortedSet, Timestamp};
use prost::Message;

/// The most reports that one write adds, and takes back: so that there is room in it for a backup and what it replaces.
const MOST_AT_ONCE: usize = 25;

/// A lease of this sidecar.
#[derive(Clone, Copy, Debug)]
struct Lease {
    id: i64,
    renewed: Timestamp,
}

/// The member.
#[derive(Debug)]
pub(super) struct Member {
    pub(super) settings: Fleet,
    pub(super) keys: Keys,
    pub(super) found: Progress,
    pub(super) revision: i64,
    pub(super) reports: Reports,
    granting: bool,
    keeping: bool,
    lease: Option<Lease>,
    /// What etcd has of this sidecar, under its lease.
    is_member: bool,
    published: SortedSet<Place>,
}

/// What a write says.
#[derive(Debug, Default)]
pub(super) struct Words {
    /// Under this lease.
    lease: i64,
    is_member: bool,
    reported: Vec<Place>,
    withdrawn: Vec<Place>,
}

impl Member {
    pub(super) fn new(etcd: &Etcd, fleet: &Fleet) -> Self {
        Self {
            settings: fleet.clone(),
            keys: Keys::of(etcd, fleet),
            found: Progress::ToDo,
            revision: 0,
            reports: Reports::default(),
            granting: false,
            keeping: false,
            lease: None,
            is_member: false,
            published: SortedSet::default(),
        }
    }

    /// Gets a lease, or keeps the one that there is.
    pub(super) fn keep_lease(&mut self, now: Timestamp) -> Option<Ask> {
        let lease = self.settings.lease;
        match self.lease {
            _ if self.granting || self.keeping => None,
            None => {
                self.granting = true;
                let ttl = i64::try_from(lease.as_secs()).unwrap_or(i64::MAX);
                Some(Ask {
                    purpose: Purpose::Grant,
                    messages: vec![LeaseGrantRequest { ttl }.encode_to_vec()],
                })
            }
            Some(Lease { id, renewed }) if renewed > now || now.since(renewed) >= lease / 3 => {
                self.keeping = true;
                Some(Ask {
                    purpose: Purpose::KeepAlive,
                    messages: vec![LeaseKeepAliveRequest { id }.encode_to_vec()],
                })
            }
            Some(_) => None,
        }
    }

    /// There is a new lease, and nothing under it.
    pub(super) fn granted(&mut self, id: i64, now: Timestamp) {
        self.granting = false;
        self.lose_lease();
        self.lease = Some(Lease { id, renewed: now });
    }

    /// The lease goes on, or is over.
    pub(super) fn kept(&mut self, goes_on: bool, now: Timestamp) {
        self.keeping = false;
        match &mut self.lease {
            Some(lease) if goes_on => lease.renewed = now,
            _ => self.lose_lease(),
        }
    }

    /// A write failed. Perhaps for want of the lease, which is asked at once; and perhaps it was done all the same, so
    /// what is there is read anew.
    pub(super) fn doubt(&mut self) {
        if let Some(lease) = &mut self.lease {
            lease.renewed = Timestamp::ZERO;
        }
        if self.found == Progress::Done {
            self.found = Progress::ToDo;
        }
    }

    /// Nobody knows what has become of the lease.
    pub(super) const fn not_granted(&mut self) {
        self.granting = false;
        self.keeping = false;
    }

    /// What this sidecar has to say and has not said, or has said and is no longer so.
    pub(super) fn write(
        &self,
        me: &str,
        reports: &SortedMap<Place, String>,
        words: &mut Words,
        operations: &mut Vec<RequestOp>,
    ) {
        let Some(lease) = self.lease.filter(|_| self.found == Progress::Done) else {
            return;
        };
        words.lease = lease.id;
        if !self.is_member {
            words.is_member = true;
            operations.push(put(self.keys.member(me), Vec::new(), lease.id));
        }
        let new = reports.iter().filter(|(place, _)| !self.published.contains_key(*place));
        for (place, said) in new.take(MOST_AT_ONCE) {
            words.reported.push(place.clone());
            operations.push(put(self.keys.ejected(place, me), said.clone().into_bytes(), lease.id));
        }
        let over = self.published.keys().filter(|place| !reports.contains_key(*place));
        for place in over.take(MOST_AT_ONCE) {
            words.withdrawn.push(place.clone());
            operations.push(delete(self.keys.ejected(place, me)));
        }
    }

    /// That is written.
    pub(super) fn written(&mut self, words: Words) {
        if self.lease.is_none_or(|lease| lease.id != words.lease) {
            return;
        }
        self.is_member |= words.is_member;
        for place in words.reported {
            self.published.insert(place, ());
        }
        for place in &words.withdrawn {
            self.published.remove(place);
        }
    }

    /// What was found when all keys were read.
    pub(super) fn found(&mut self, found: &RangeResponse, me: &str) {
        self.found = Progress::Done;
        self.revision = found.header.as_ref().map_or(0, |header| header.revision);
        self.reports = Reports::default();
        self.forget_published();
        for kv in &found.kvs {
            let Some(said) = self.keys.read(&kv.key) else {
                continue;
            };
            // What stands under an older lease of this sidecar will be written again, under the one of now.
            let stands = self.lease.is_some_and(|lease| lease.id == kv.lease);
            match &said {
                Said::Member(sidecar) if sidecar == me => self.is_member = stands,
                Said::Ejected(place, sidecar) if sidecar == me && stands => {
                    self.published.insert(place.clone(), ());
                }
                _ => {}
            }
            self.reports.put(said);
        }
    }

    /// A key is gone. If it is one of this sidecar, it is to be written again.
    pub(super) fn lost(&mut self, said: &Said, me: &str) {
        match said {
            Said::Member(sidecar) if sidecar == me => self.is_member = false,
            Said::Ejected(place, sidecar) if sidecar == me => {
                self.published.remove(place);
            }
            _ => {}
        }
    }

    fn lose_lease(&mut self) {
        self.lease = None;
        self.forget_published();
    }

    fn forget_published(&mut self) {
        self.is_member = false;
        self.published.clear();
    }
}
