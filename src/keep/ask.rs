//! The calls that are made to etcd.

use super::etcd::{RangeRequest, WatchCreateRequest, WatchRequest, end_of};
use prost::Message;

/// What a call is for. No two calls for the same purpose are out at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Purpose {
    /// To read the backups.
    FindBackups,
    /// To read the fleet's reports.
    FindReports,
    /// To get a lease.
    Grant,
    /// To keep it.
    KeepAlive,
    /// To write.
    Write,
    /// To hear of changes: a stream, which stays.
    Watch,
    /// To hear on that stream whether it still tells: no call of its own.
    Progress,
}

impl Purpose {
    /// Service and method.
    pub const fn method(self) -> (&'static str, &'static str) {
        match self {
            Self::FindBackups | Self::FindReports => ("etcdserverpb.KV", "Range"),
            Self::Grant => ("etcdserverpb.Lease", "LeaseGrant"),
            Self::KeepAlive => ("etcdserverpb.Lease", "LeaseKeepAlive"),
            Self::Write => ("etcdserverpb.KV", "Txn"),
            Self::Watch | Self::Progress => ("etcdserverpb.Watch", "Watch"),
        }
    }
}

/// A call to make.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ask {
    /// What for.
    pub purpose: Purpose,
    /// The messages to send: one, or those that a stream begins with.
    pub messages: Vec<Vec<u8>>,
}

pub(super) fn find(purpose: Purpose, prefix: &str) -> Ask {
    let request = RangeRequest {
        key: prefix.as_bytes().to_vec(),
        range_end: end_of(prefix),
        // However much there is: the newest, by their keys.
        limit: if purpose == Purpose::FindBackups { 512 } else { 200_000 },
        descending: if purpose == Purpose::FindBackups { 2 } else { 0 },
        keys_only: purpose == Purpose::FindReports,
    };
    Ask {
        purpose,
        messages: vec![request.encode_to_vec()],
    }
}

/// Of all that happens after this revision.
pub(super) fn watch(prefix: &str, revision: i64) -> Vec<u8> {
    let create = WatchCreateRequest {
        key: prefix.as_bytes().to_vec(),
        range_end: end_of(prefix),
        start_revision: revision.saturating_add(1),
    };
    WatchRequest {
        create: Some(create),
        progress: None,
    }
    .encode_to_vec()
}
