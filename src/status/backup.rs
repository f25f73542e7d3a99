//! Snapshots by hand.
//!
//! Whoever brings one says by that whose state it is: so, other than at a start, it may be another machine's. It must be
//! whole, of itself enough, and of today.

use super::Answer;
use super::hosts::state_name;
use super::json::Writer;
use crate::health::{ClusterTable, Event, HostHealth};
use crate::keep::{Kind, Snapshot, State};
use crate::model::{HostAddr, Timestamp, format_duration};
use crate::worker::{Merged, NotMerged};
use std::time::Duration;

/// Of what is older nothing is true any more: the longest ejection by a detector takes as long.
const MAX_AGE: Duration = Duration::from_secs(24 * 3600);

/// So far may another machine's clock be ahead.
const SKEW: Duration = Duration::from_secs(5);

/// Who takes snapshots by hand.
const ORIGIN: &str = "by hand";

/// A full snapshot of these clusters.
pub(super) fn taken<'a>(tables: impl Iterator<Item = (&'a str, &'a ClusterTable)>, now: Timestamp) -> Vec<u8> {
    let snapshot = Snapshot {
        kind: Kind::Full,
        taken_at: now,
        epoch: now.as_nanos(),
        sequence: 1,
        base: 1,
        origin: ORIGIN.to_owned(),
        changes: State::default().diff(&State::of(tables)),
    };
    snapshot.encode()
}

/// A snapshot that is to be believed.
#[derive(Debug)]
pub(super) struct Brought {
    /// What it holds.
    pub(super) state: State,
    /// Who took it.
    pub(super) origin: String,
    /// How long ago.
    pub(super) age: Duration,
}

/// Checks a snapshot.
///
/// # Errors
/// Why it is not used.
pub(super) fn check(bytes: &[u8], now: Timestamp) -> Result<Brought, Answer> {
    let snapshot = Snapshot::decode(bytes).map_err(|error| Answer::refusal(400, &format!("damaged: {error}")))?;
    let refuse = |why: &str| Err(Answer::refusal(409, why));
    if snapshot.kind != Kind::Full {
        return refuse("it holds changes only: a full snapshot is needed");
    }
    if snapshot.taken_at > now.after(SKEW) {
        let ahead = format_duration(snapshot.taken_at.since(now));
        return refuse(&format!("from the future: taken in {ahead}"));
    }
    let age = now.since(snapshot.taken_at);
    if age > MAX_AGE {
        let age = format_duration(age);
        return refuse(&format!(
            "too old: taken {age} ago, {} allowed",
            format_duration(MAX_AGE)
        ));
    }
    let mut state = State::default();
    if state.apply(&snapshot.changes).is_err() {
        return Err(Answer::refusal(
            400,
            "damaged: its hosts are not those that it was made of",
        ));
    }
    Ok(Brought {
        state,
        origin: snapshot.origin,
        age,
    })
}

/// Whether a cluster can have this name. Records are listed by name, one on a line.
pub(super) fn is_name(name: &str) -> bool {
    !name.is_empty() && !name.chars().any(char::is_control)
}

/// What came of a snapshot in one cluster, host by host.
pub(super) fn show_merged(json: &mut Writer, kept: &ClusterTable, merged: &Merged) {
    json.object(|json| {
        json.name("refused").null();
        json.name("hosts").list(|json| {
            for host in kept.hosts() {
                let of = |table: &ClusterTable| table.get(host.addr).copied();
                show_fate(json, host, of(&merged.before), of(&merged.after), &merged.events);
            }
        });
    });
}

/// Why nothing came of a snapshot in one cluster.
pub(super) fn show_refused(json: &mut Writer, why: &str) {
    json.object(|json| {
        json.name("refused").text(why);
        json.name("hosts").list(|_| {});
    });
}

/// How many hosts of a cluster are others than before.
pub(super) fn count_restored(kept: &ClusterTable, merged: &Merged) -> usize {
    let changed = |host: &&HostHealth| merged.before.get(host.addr) != merged.after.get(host.addr);
    kept.hosts().iter().filter(changed).count()
}

/// Says in a log line why.
pub(super) fn why(error: NotMerged) -> String {
    error.to_string()
}

fn show_fate(
    json: &mut Writer,
    kept: &HostHealth,
    before: Option<HostHealth>,
    after: Option<HostHealth>,
    events: &[Event],
) {
    let name = |host: Option<HostHealth>| host.as_ref().map(state_name);
    let refusal = events.iter().find_map(|event| refused(event, kept.addr));
    json.object(|json| {
        json.name("address").text(&kept.addr.to_string());
        json.name("snapshot").text(state_name(kept));
        json.name("before").text_or_null(name(before));
        json.name("after").text_or_null(name(after));
        json.name("outcome").text(match refusal {
            Some(_) => "refused",
            None if before == after => "unchanged",
            None => "restored",
        });
        json.name("reason").text_or_null(refusal);
    });
}

/// Why this event left the host out.
fn refused(event: &Event, addr: HostAddr) -> Option<&'static str> {
    match event {
        Event::Refused { host, reason, .. } if *host == addr => Some(reason.name()),
        Event::Full { host } if *host == addr => Some("max_hosts"),
        _ => None,
    }
}
