//! What the elected worker asks etcd for and tells it, step by step.
//!
//! A machine without a clock or a connection: a step takes what is true now and gives the calls to make, their answers come
//! back as bytes. Whatever goes wrong with a call, it is made again after a pause, and nothing else waits for it.
//!
//! 1. What is there is read: the backups of this origin, the reports of this fleet.
//! 2. From that revision on both are watched, by one stream.
//! 3. What is to be said is said, at most one write a second, whatever it is: backups, reports, and what is to go.

use super::ask::{Ask, Purpose, find, watch};
use super::backups::Backups;
use super::etcd::{
    KeyValue, LeaseGrantResponse, LeaseKeepAliveResponse, RangeResponse, TxnRequest, TxnResponse, WatchRequest,
    WatchResponse, absent, delete, put,
};
use super::fleet::{Place, Reports};
use super::link::Link;
use super::member::{Member, Words};
use super::{Refusal, State};
use crate::config::{Fleet, Keep};
use crate::model::{Entropy, Map, SortedMap, Timestamp};
use prost::Message;
use std::time::Duration;

/// No more writes than one in this time.
const BETWEEN_WRITES: Duration = Duration::from_secs(1);

/// A watch that has not told anything for this long is asked whether it still does.
const QUIET: Duration = Duration::from_secs(5);

/// And if it does not say so within this time, it is opened anew.
const DEAF: Duration = Duration::from_secs(3);

/// Who this is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Identity {
    /// The sidecar: another one for each process.
    pub sidecar: String,
    /// Whose state the backups are.
    pub origin: String,
    /// When the process started, ns since the Unix epoch.
    pub epoch: u64,
}

/// What is true now.
#[derive(Debug)]
pub struct Present {
    /// The time.
    pub now: Timestamp,
    /// The health of all hosts, if it may have changed since the last step.
    pub state: Option<State>,
    /// The hosts that this sidecar reports, with what it says of each for people to read.
    pub reports: SortedMap<Place, String>,
}

/// What came of an answer.
#[derive(Debug, Default)]
pub struct Learned {
    /// This is to be restored.
    pub restore: Option<State>,
    /// Backups that were not, each by its key.
    pub refused: Vec<(String, Refusal)>,
    /// Why the call failed.
    pub failed: Option<String>,
    /// A backup was written, of so many bytes.
    pub written: Option<usize>,
    /// What the fleet reports may be another.
    pub reports: bool,
}

/// Where a purpose stands.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Progress {
    #[default]
    ToDo,
    Asked,
    Done,
}

/// What was written by a call that is out.
#[derive(Debug, Default)]
struct Writing {
    member: Words,
    backup: Option<usize>,
}

/// The elected worker's part in backups and fleet.
#[derive(Debug)]
pub struct Keeper {
    me: Identity,
    links: Map<Purpose, Link>,
    /// When anything was last heard.
    heard: Option<Timestamp>,
    backups: Option<Backups>,
    found: Progress,
    revision: i64,
    member: Option<Member>,
    watch: Progress,
    /// When the watch last told something, and since when it is asked whether it still does.
    told: Timestamp,
    prodded: Option<Timestamp>,
    /// The stream is of no use any more, and to be ended.
    ends_watch: bool,
    writing: Option<Writing>,
    last_write: Option<Timestamp>,
}

impl Keeper {
    /// One that has not asked for anything yet. `restores`: whatever is found is to be restored, for this process has
    /// not done that.
    pub fn new(keep: &Keep, me: Identity, restores: bool) -> Self {
        let member = keep.fleet.as_ref().map(|fleet| Member::new(&keep.etcd, fleet));
        let backups = keep.backup.as_ref().map(|backup| {
            let prefix = format!("{}/1/backup", keep.etcd.prefix);
            Backups::new(backup.clone(), &prefix, &me, restores)
        });
        Self {
            me,
            links: Map::default(),
            heard: None,
            backups,
            found: Progress::ToDo,
            revision: 0,
            member,
            watch: Progress::ToDo,
            told: Timestamp::ZERO,
            prodded: None,
            ends_watch: false,
            writing: None,
            last_write: None,
        }
    }

    /// Whether backups have been read, or need not be.
    pub fn has_restored(&self) -> bool {
        self.backups.is_none() || self.found == Progress::Done
    }

    /// What the fleet reports; `None` while that is not known, and when nothing was heard for so long that the reports may
    /// have ended with their leases.
    pub fn reports(&self, now: Timestamp) -> Option<(&Reports, &Fleet)> {
        let member = self.member.as_ref()?;
        let heard = self.heard?;
        let is_fresh = heard <= now && now.since(heard) <= member.settings.lease;
        (member.found == Progress::Done && is_fresh).then_some((&member.reports, &member.settings))
    }

    /// Whether the next step must be given the state, changed or not.
    pub fn wants_state(&self) -> bool {
        self.backups.as_ref().is_some_and(Backups::wants_state)
    }

    /// The size of a snapshot that was too large to be written; says so once.
    pub fn too_large(&mut self) -> Option<usize> {
        self.backups.as_mut().and_then(Backups::too_large)
    }

    /// Whether the watch's stream is to be ended; says so once.
    pub const fn ends_watch(&mut self) -> bool {
        std::mem::replace(&mut self.ends_watch, false)
    }

    /// A step: the calls to make now.
    pub fn step(&mut self, present: Present) -> Vec<Ask> {
        let now = present.now;
        if let (Some(backups), Some(state)) = (&mut self.backups, present.state) {
            backups.see(state);
        }
        let mut asks = Vec::new();
        if let Some(backups) = &self.backups
            && self.found == Progress::ToDo
            && self.is_open(Purpose::FindBackups, now)
        {
            self.found = Progress::Asked;
            asks.push(find(Purpose::FindBackups, backups.prefix()));
        }
        let may_find = self.is_open(Purpose::FindReports, now);
        let may_grant = self.is_open(Purpose::Grant, now) && self.is_open(Purpose::KeepAlive, now);
        if let Some(member) = &mut self.member {
            if member.found == Progress::ToDo && may_find {
                member.found = Progress::Asked;
                asks.push(find(Purpose::FindReports, member.keys.prefix()));
            }
            if may_grant {
                asks.extend(member.keep_lease(now));
            }
        }
        asks.extend(self.watch(now));
        asks.extend(self.write(&present.reports, now));
        asks
    }

    fn is_open(&self, purpose: Purpose, now: Timestamp) -> bool {
        self.links.get(&purpose).is_none_or(|link| link.is_open(now))
    }

    /// What is there must be read anew, and watched from there.
    const fn look_again(&mut self) {
        if matches!(self.watch, Progress::Done) {
            self.ends_watch = true;
        }
        self.watch = Progress::ToDo;
        if let Some(member) = &mut self.member
            && matches!(member.found, Progress::Done)
        {
            member.found = Progress::ToDo;
        }
        if matches!(self.found, Progress::Done) {
            self.found = Progress::ToDo;
        }
    }

    fn watch(&mut self, now: Timestamp) -> Option<Ask> {
        let backups = self.backups.as_ref();
        let is_found = (backups.is_none() || self.found == Progress::Done)
            && self.member.as_ref().is_none_or(|member| member.found == Progress::Done);
        if self.watch == Progress::Done {
            return self.prod(now);
        }
        if !is_found || !self.is_open(Purpose::Watch, now) {
            return None;
        }
        self.watch = Progress::Done;
        self.told = now;
        self.prodded = None;
        let backups = backups.map(|backups| watch(backups.prefix(), self.revision));
        let member = self.member.as_ref();
        let member = member.map(|member| watch(member.keys.prefix(), member.revision));
        Some(Ask {
            purpose: Purpose::Watch,
            messages: backups.into_iter().chain(member).collect(),
        })
    }

    /// A stream may be dead without a sign, as when the member of etcd behind it is frozen while the others answer.
    fn prod(&mut self, now: Timestamp) -> Option<Ask> {
        match self.prodded {
            // A moment in the future is from before the clock was set back.
            Some(prodded) if prodded > now || now.since(prodded) > DEAF => {
                self.prodded = None;
                self.look_again();
                None
            }
            None if self.told > now || now.since(self.told) >= QUIET => {
                self.prodded = Some(now);
                Some(Ask {
                    purpose: Purpose::Progress,
                    messages: vec![WatchRequest::progress().encode_to_vec()],
                })
            }
            _ => None,
        }
    }

    fn write(&mut self, reports: &SortedMap<Place, String>, now: Timestamp) -> Option<Ask> {
        // A last write in the future is from before the clock was set back.
        let waits = self
            .last_write
            .is_some_and(|last| last <= now && now.since(last) < BETWEEN_WRITES);
        if self.writing.is_some() || waits || !self.is_open(Purpose::Write, now) {
            return None;
        }
        let mut writing = Writing::default();
        let (mut compare, mut operations) = (Vec::new(), Vec::new());
        if let Some(member) = &self.member {
            member.write(&self.me.sidecar, reports, &mut writing.member, &mut operations);
        }
        if let Some(backups) = &mut self.backups
            && self.found == Progress::Done
            && let Some(backup) = backups.next(now)
        {
            writing.backup = Some(backup.bytes.len());
            // Should anybody have written there, nothing of it is done.
            compare.push(absent(&backup.key));
            operations.push(put(backup.key, backup.bytes, 0));
            operations.extend(backup.deletes.into_iter().map(delete));
        }
        if operations.is_empty() {
            return None;
        }
        self.writing = Some(writing);
        self.last_write = Some(now);
        let write = TxnRequest {
            compare,
            success: operations,
        };
        Some(Ask {
            purpose: Purpose::Write,
            messages: vec![write.encode_to_vec()],
        })
    }

    /// A call was answered, or a message of the stream came.
    pub fn answered(&mut self, purpose: Purpose, bytes: &[u8], now: Timestamp, entropy: &mut Entropy) -> Learned {
        match self.read(purpose, bytes, now) {
            Ok(learned) => {
                self.heard = Some(now);
                if let Some(link) = self.links.get_mut(&purpose) {
                    link.answered();
                }
                learned
            }
            Err(why) => self.failed(purpose, why, now, entropy),
        }
    }

    fn read(&mut self, purpose: Purpose, bytes: &[u8], now: Timestamp) -> Result<Learned, String> {
        let unreadable = |error: prost::DecodeError| error.to_string();
        let mut learned = Learned::default();
        match purpose {
            Purpose::FindBackups => {
                let found = RangeResponse::decode(bytes).map_err(unreadable)?;
                self.found = Progress::Done;
                self.revision = found.header.map_or(0, |header| header.revision);
                if let Some(backups) = &mut self.backups {
                    let found = found.kvs.into_iter().map(|kv| (kv.key, kv.value));
                    (learned.restore, learned.refused) = backups.found(found, now);
                }
            }
            Purpose::FindReports => {
                let found = RangeResponse::decode(bytes).map_err(unreadable)?;
                if let Some(member) = &mut self.member {
                    member.found(&found, &self.me.sidecar);
                    learned.reports = true;
                }
            }
            Purpose::Grant => {
                let granted = LeaseGrantResponse::decode(bytes).map_err(unreadable)?;
                if let Some(member) = &mut self.member {
                    member.granted(granted.id, now);
                }
            }
            Purpose::KeepAlive => {
                let kept = LeaseKeepAliveResponse::decode(bytes).map_err(unreadable)?;
                if let Some(member) = &mut self.member {
                    member.kept(kept.ttl > 0, now);
                }
            }
            Purpose::Write => {
                if !TxnResponse::decode(bytes).map_err(unreadable)?.succeeded {
                    return Err("somebody else has written there".to_owned());
                }
                if let Some(writing) = self.writing.take() {
                    learned.written = self.written(writing);
                }
            }
            Purpose::Watch | Purpose::Progress => {
                let told = WatchResponse::decode(bytes).map_err(unreadable)?;
                if told.canceled {
                    return Err("the watch is canceled".to_owned());
                }
                self.told = now;
                self.prodded = None;
                for event in told.events {
                    if let Some(kv) = event.kv {
                        self.changed(kv, event.kind != 0, now, &mut learned);
                    }
                }
            }
        }
        Ok(learned)
    }

    fn written(&mut self, writing: Writing) -> Option<usize> {
        if let Some(member) = &mut self.member {
            member.written(writing.member);
        }
        if writing.backup.is_some()
            && let Some(backups) = &mut self.backups
        {
            backups.written();
        }
        writing.backup
    }

    /// A key was written or deleted, by whomever.
    fn changed(&mut self, kv: KeyValue, deleted: bool, now: Timestamp, learned: &mut Learned) {
        if let Some(member) = &mut self.member
            && let Some(said) = member.keys.read(&kv.key)
        {
            learned.reports = true;
            if deleted {
                member.lost(&said, &self.me.sidecar);
                member.reports.delete(&said);
            } else {
                member.reports.put(said);
            }
            return;
        }
        if let Some(backups) = &mut self.backups {
            if deleted {
                backups.deleted(&kv.key);
            } else if let Some(state) = backups.heard(&kv.key, &kv.value, now) {
                learned.restore = Some(state);
            }
        }
    }

    /// A call failed, or the stream has ended.
    pub fn failed(&mut self, purpose: Purpose, why: String, now: Timestamp, entropy: &mut Entropy) -> Learned {
        let link = self.links.entry(purpose).or_default();
        link.failed(now, entropy);
        match purpose {
            Purpose::FindBackups => self.found = Progress::ToDo,
            Purpose::FindReports => {
                if let Some(member) = &mut self.member {
                    member.found = Progress::ToDo;
                }
            }
            Purpose::Grant | Purpose::KeepAlive => {
                if let Some(member) = &mut self.member {
                    member.not_granted();
                }
            }
            Purpose::Write => {
                // Perhaps it was done, perhaps not.
                self.writing = None;
                if let Some(backups) = &mut self.backups {
                    backups.start_anew();
                }
                if let Some(member) = &mut self.member {
                    member.doubt();
                }
                if self.found == Progress::Done {
                    self.found = Progress::ToDo;
                }
            }
            // Should the stream still be there, it is ended.
            Purpose::Watch | Purpose::Progress => self.look_again(),
        }
        Learned {
            failed: Some(why),
            ..Learned::default()
        }
    }
}
