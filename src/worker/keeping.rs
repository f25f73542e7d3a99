//! Backups and fleet, as far as the elected worker does them: what is true here goes to the [`Keeper`], what it wants is
//! asked of etcd, and what comes back is carried out.

use super::Worker;
use super::shared::decode_number;
use crate::host::{Attribute, Cas, GrpcCall, GrpcToken, Host, HostError};
use crate::keep::{Ask, Identity, Keeper, Learned, Place, Present, Purpose, State};
use crate::metrics::{ErrorCause, Metric};
use crate::model::{Map, SortedMap, SortedSet, Timestamp};
use std::rc::Rc;
use std::time::Duration;

/// When this process started: one number for all its workers.
const EPOCH_KEY: &str = "sidestep/2/epoch";

/// Who keeps.
const KEEPER_KEY: &str = "sidestep/2/elected/keeper";

/// After this time at most another worker goes on.
const TERM: Duration = Duration::from_secs(2);

/// Whether this process has restored what there was to restore.
const RESTORED_KEY: &str = "sidestep/2/restored";

/// The longest answer that is read.
const MAX_MESSAGE: usize = 32 << 20;

/// With more reports than this they are looked through at the tick only.
const FEW_REPORTS: usize = 500;

/// How much later than its time-out a call is given up.
const SLACK: Duration = Duration::from_secs(1);

/// What the elected worker knows of it.
#[derive(Debug, Default)]
pub(super) struct Keeping {
    pub(super) keeper: Option<Keeper>,
    /// What is out, and when it is given up; a watch is not, once it has been heard.
    calls: Map<u32, (Purpose, Option<Timestamp>)>,
    watch: Option<GrpcToken>,
    /// Until when this worker is the one that keeps.
    until: Timestamp,
    /// What was reported at the last step.
    pub(super) told: SortedSet<Place>,
    /// Whether the fleet's reports have been looked through.
    pub(super) has_heeded: bool,
    /// The revision of all records as of which the keeper knows the state.
    seen: Option<u64>,
    /// Hosts that are out, or were, because the fleet agrees: each agreement ejects once.
    pub(super) acted: SortedSet<Place>,
    /// When an ejection was refused.
    pub(super) refused: SortedMap<Place, Timestamp>,
}

impl<H: Host> Worker<H> {
    /// The elected worker's step.
    pub(super) fn keep(&mut self, now: Timestamp) {
        if !self.config.keep.is_wanted() {
            return;
        }
        // One of all configurations that are loaded: they have the same records.
        let held = self.hold(KEEPER_KEY, TERM, now);
        if !held {
            self.stop_keeping();
            return;
        }
        let mut keeping = std::mem::take(&mut self.elected.keeping);
        keeping.until = now.after(TERM / 2);
        if keeping.keeper.is_none() {
            keeping.keeper = self.start_keeper(now);
        }
        self.give_up(&mut keeping, now);
        self.step_keeper(&mut keeping, now);
        self.heed_fleet(&mut keeping, now);
        self.elected.keeping = keeping;
    }

    /// This worker is not the elected one any more: nothing of it may go on.
    pub(super) fn stop_keeping(&mut self) {
        if let Some(watch) = std::mem::take(&mut self.elected.keeping).watch {
            // Should it go on, nobody listens.
            let _ = self.host.reset_grpc_stream(watch);
        }
    }

    fn start_keeper(&mut self, now: Timestamp) -> Option<Keeper> {
        let epoch = self.once(EPOCH_KEY, now.as_nanos())?;
        let restored = match self.host.shared_data(RESTORED_KEY) {
            Ok(found) => found.is_some(),
            Err(error) => {
                self.error(ErrorCause::SharedDataRead, format_args!("no {RESTORED_KEY}: {error}"));
                return None;
            }
        };
        let node = self.attribute(Attribute::NodeId).unwrap_or_default();
        let node = String::from_utf8_lossy(&node).into_owned();
        let mut keep = self.config.keep.clone();
        let origin = keep.backup.as_ref().and_then(|backup| backup.origin.clone());
        if keep.backup.is_some() && origin.is_none() && node.is_empty() {
            // All such Envoys would take each other's place.
            keep.backup = None;
            self.error(
                ErrorCause::Backup,
                format_args!("no backups: Envoy has no node id, and backup.origin is not set"),
            );
        }
        let me = Identity {
            sidecar: if node.is_empty() {
                format!("{epoch:x}")
            } else {
                format!("{node}-{epoch:x}")
            },
            origin: origin.unwrap_or(node),
            epoch,
        };
        Some(Keeper::new(&keep, me, !restored))
    }

    /// A number in shared data that is written once; what is there already if something is.
    fn once(&mut self, key: &str, number: u64) -> Option<u64> {
        let written = self.host.shared_data(key).and_then(|found| match found {
            Some((bytes, _)) => Ok(decode_number(&bytes)),
            None => self
                .host
                .set_shared_data(key, &number.to_le_bytes(), Cas::ABSENT)
                .map(|()| number),
        });
        match written {
            Ok(number) => Some(number),
            // At the next tick it is there.
            Err(HostError::CasMismatch) => None,
            Err(error) => {
                self.error(ErrorCause::SharedDataWrite, format_args!("no {key}: {error}"));
                None
            }
        }
    }

    /// Gives up what should have been answered by now.
    fn give_up(&mut self, keeping: &mut Keeping, now: Timestamp) {
        let longest = self.config.keep.etcd.timeout + SLACK;
        // One that is further away than any is from before the clock was set back.
        let is_over = |until: Option<Timestamp>| until.is_some_and(|until| until <= now || until.since(now) > longest);
        let over = keeping.calls.iter().filter(|(_, (_, until))| is_over(*until));
        let over: Vec<_> = over.map(|(token, (purpose, _))| (*token, *purpose)).collect();
        for (token, purpose) in over {
            keeping.calls.remove(&token);
            if purpose == Purpose::Watch {
                self.end_watch(keeping);
            }
            self.etcd_failed(keeping, purpose, "no answer".to_owned(), now);
        }
    }

    fn end_watch(&mut self, keeping: &mut Keeping) {
        if let Some(watch) = keeping.watch.take() {
            keeping.calls.remove(&watch.0);
            if let Err(error) = self.host.reset_grpc_stream(watch) {
                self.error(ErrorCause::Etcd, format_args!("a watch does not end: {error}"));
            }
        }
    }

    fn step_keeper(&mut self, keeping: &mut Keeping, now: Timestamp) {
        let Some(mut keeper) = keeping.keeper.take() else {
            return;
        };
        let revision = self.revisions.records;
        let wants_state = keeping.seen != revision || keeper.wants_state();
        if wants_state {
            // What others wrote is not in the views yet.
            let clusters: Vec<Rc<str>> = self.clusters.names().map(Rc::clone).collect();
            for cluster in clusters {
                self.fresh_view(&cluster);
            }
        }
        let state = wants_state.then(|| {
            let tables = self.clusters.iter().map(|(name, view)| (&**name, view.table()));
            State::of(tables)
        });
        keeping.seen = revision;
        let reports = if self.config.keep.fleet.is_some() {
            self.reports(&keeping.told, now)
        } else {
            SortedMap::default()
        };
        keeping.told = reports.keys().map(|place| (place.clone(), ())).collect();
        let asks = keeper.step(Present { now, state, reports });
        if let Some(size) = keeper.too_large() {
            self.count(Metric::BackupTooLarge);
            self.error(
                ErrorCause::Backup,
                format_args!("a snapshot of {size} bytes is more than etcd takes"),
            );
        }
        if keeper.ends_watch() {
            self.end_watch(keeping);
        }
        keeping.keeper = Some(keeper);
        for ask in asks {
            if let Err(error) = self.ask(keeping, &ask, now) {
                let why = format!("not sent: {error}");
                self.etcd_failed(keeping, ask.purpose, why, now);
            }
        }
    }

    fn ask(&self, keeping: &mut Keeping, ask: &Ask, now: Timestamp) -> Result<(), HostError> {
        let etcd = &self.config.keep.etcd;
        let (service, method) = ask.purpose.method();
        let mut call = GrpcCall {
            cluster: &etcd.cluster,
            service,
            method,
            metadata: &etcd.metadata,
        };
        if ask.purpose == Purpose::Progress {
            // Without a stream there is nothing to ask.
            return keeping.watch.map_or(Ok(()), |watch| {
                let mut messages = ask.messages.iter();
                messages.try_for_each(|message| self.host.send_grpc_message(watch, message))
            });
        }
        let token = if ask.purpose == Purpose::Watch {
            // A member that is cut off from the others ends its watches then.
            let mut metadata = etcd.metadata.clone();
            metadata.push(("hasleader".to_owned(), "true".to_owned()));
            call.metadata = &metadata;
            let stream = self.host.open_grpc_stream(call)?;
            keeping.watch = Some(stream);
            for message in &ask.messages {
                self.host.send_grpc_message(stream, message)?;
            }
            stream
        } else {
            let message = ask.messages.first().map_or(&[][..], Vec::as_slice);
            self.host.grpc_call(call, message, etcd.timeout)?
        };
        // Envoy's own time-out comes first. But what fails while it is being sent is never heard of.
        let until = now.after(etcd.timeout).after(SLACK);
        keeping.calls.insert(token.0, (ask.purpose, Some(until)));
        Ok(())
    }

    /// An answer of etcd's, of so many bytes, or a status that says why there is none.
    pub fn on_grpc(&mut self, token: GrpcToken, answer: Result<usize, u32>) {
        let now = self.now();
        let mut keeping = std::mem::take(&mut self.elected.keeping);
        // Of what was asked before this worker lost its election nobody wants to hear.
        if let Some((purpose, _)) = keeping.calls.remove(&token.0) {
            let stays = purpose == Purpose::Watch && answer.is_ok();
            if stays {
                keeping.calls.insert(token.0, (purpose, None));
            }
            if !stays && purpose == Purpose::Watch {
                keeping.watch = None;
            }
            let message = answer
                .map_err(|status| format!("gRPC status {status}"))
                .and_then(|size| {
                    if size > MAX_MESSAGE {
                        return Err(format!("an answer of {size} bytes"));
                    }
                    self.host.grpc_message(size).map_err(|error| error.to_string())
                });
            match message {
                Ok(message) => {
                    let mut entropy = self.draw();
                    let learned = keeping
                        .keeper
                        .as_mut()
                        .map(|keeper| keeper.answered(purpose, &message, now, &mut entropy));
                    self.carry_out(&mut keeping, purpose, learned.unwrap_or_default(), now);
                }
                Err(why) => self.etcd_failed(&mut keeping, purpose, why, now),
            }
            // What comes next need not wait for a tick, if this is still the worker whose business it is.
            if now < keeping.until {
                self.sync();
                self.step_keeper(&mut keeping, now);
            }
        }
        self.elected.keeping = keeping;
    }

    fn etcd_failed(&mut self, keeping: &mut Keeping, purpose: Purpose, why: String, now: Timestamp) {
        let mut entropy = self.draw();
        let learned = keeping
            .keeper
            .as_mut()
            .map(|keeper| keeper.failed(purpose, why, now, &mut entropy));
        self.carry_out(keeping, purpose, learned.unwrap_or_default(), now);
    }

    fn carry_out(&mut self, keeping: &mut Keeping, purpose: Purpose, learned: Learned, now: Timestamp) {
        if let Some(why) = learned.failed {
            self.count(Metric::EtcdFailed);
            self.error(ErrorCause::Etcd, format_args!("etcd, {purpose:?}: {why}"));
        }
        if let Some(bytes) = learned.written {
            self.count(Metric::BackupWritten);
            log::debug!("a snapshot of {bytes} bytes is written");
        }
        for (key, reason) in learned.refused {
            self.count(Metric::RestoreRefused);
            self.error(
                ErrorCause::Backup,
                format_args!("snapshot {key} is not restored: {reason}"),
            );
        }
        if let Some(state) = learned.restore {
            self.restore(&state, now);
        }
        if purpose == Purpose::FindBackups
            && keeping.keeper.as_ref().is_some_and(Keeper::has_restored)
            && self.once(RESTORED_KEY, 1).is_none()
        {
            self.error(
                ErrorCause::SharedDataWrite,
                format_args!("another worker of this process may restore once more"),
            );
        }
        let are_few = |keeper: &Keeper| {
            keeper
                .reports(now)
                .is_some_and(|(reports, _)| reports.len() <= FEW_REPORTS)
        };
        if learned.reports && keeping.keeper.as_ref().is_some_and(are_few) {
            self.heed_fleet(keeping, now);
        }
    }

    /// Takes over what was kept, as far as nothing is known here that says otherwise.
    fn restore(&mut self, state: &State, now: Timestamp) {
        self.sync();
        for (cluster, kept) in state.clusters() {
            if self.fresh_view(cluster).is_some() {
                let mut foreign = None;
                self.update(cluster, |table, policy, _| {
                    let restored = table.restore(kept, policy, now);
                    foreign = restored.as_ref().err().copied();
                    restored.unwrap_or_default()
                });
                if let Some(why) = foreign {
                    self.count(Metric::RestoreRefused);
                    self.error(
                        ErrorCause::Backup,
                        format_args!("what was kept of cluster {cluster} is not restored: {why}"),
                    );
                }
            }
        }
    }
}
