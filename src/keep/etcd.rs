//! The messages of etcd's API, version 3, that are used here (`etcd/api/etcdserverpb/rpc.proto`, `mvccpb/kv.proto`), with the
//! fields that are used.

use prost::Message;

/// `ResponseHeader`: of every answer.
#[derive(Clone, PartialEq, Message)]
pub struct Header {
    /// The store's revision when the answer was made.
    #[prost(int64, tag = "3")]
    pub revision: i64,
}

/// `KeyValue`: a key with its value.
#[derive(Clone, PartialEq, Message)]
pub struct KeyValue {
    /// The key.
    #[prost(bytes = "vec", tag = "1")]
    pub key: Vec<u8>,
    /// Its value.
    #[prost(bytes = "vec", tag = "5")]
    pub value: Vec<u8>,
    /// The lease that it ends with; 0 if none.
    #[prost(int64, tag = "6")]
    pub lease: i64,
}

/// `RangeRequest`: the keys from `key` to before `range_end`.
#[derive(Clone, PartialEq, Message)]
pub struct RangeRequest {
    /// The first key.
    #[prost(bytes = "vec", tag = "1")]
    pub key: Vec<u8>,
    /// The first key that is not wanted.
    #[prost(bytes = "vec", tag = "2")]
    pub range_end: Vec<u8>,
    /// The most keys; 0 for all.
    #[prost(int64, tag = "3")]
    pub limit: i64,
    /// `sort_order`, by key: 2 for the last ones first.
    #[prost(int32, tag = "5")]
    pub descending: i32,
    /// Whether their values are not wanted.
    #[prost(bool, tag = "8")]
    pub keys_only: bool,
}

/// `RangeResponse`.
#[derive(Clone, PartialEq, Message)]
pub struct RangeResponse {
    /// The answer's header.
    #[prost(message, optional, tag = "1")]
    pub header: Option<Header>,
    /// What was found.
    #[prost(message, repeated, tag = "2")]
    pub kvs: Vec<KeyValue>,
}

/// `PutRequest`.
#[derive(Clone, PartialEq, Message)]
pub struct PutRequest {
    /// The key.
    #[prost(bytes = "vec", tag = "1")]
    pub key: Vec<u8>,
    /// Its value.
    #[prost(bytes = "vec", tag = "2")]
    pub value: Vec<u8>,
    /// The lease that the key ends with; 0 for none.
    #[prost(int64, tag = "3")]
    pub lease: i64,
}

/// `DeleteRangeRequest`, of one key.
#[derive(Clone, PartialEq, Message)]
pub struct DeleteRequest {
    /// The key.
    #[prost(bytes = "vec", tag = "1")]
    pub key: Vec<u8>,
}

/// `RequestOp`: one thing to be done.
#[derive(Clone, PartialEq, Message)]
pub struct RequestOp {
    /// Which.
    #[prost(oneof = "Op", tags = "2, 3")]
    pub op: Option<Op>,
}

/// What a [`RequestOp`] does.
#[derive(Clone, PartialEq, prost::Oneof)]
pub enum Op {
    /// Write a key.
    #[prost(message, tag = "2")]
    Put(PutRequest),
    /// Delete a key.
    #[prost(message, tag = "3")]
    Delete(DeleteRequest),
}

/// `Compare`, of a key's version.
#[derive(Clone, PartialEq, Message)]
pub struct Compare {
    /// 0: they are equal.
    #[prost(int32, tag = "1")]
    pub result: i32,
    /// 0: the version.
    #[prost(int32, tag = "2")]
    pub target: i32,
    /// The key.
    #[prost(bytes = "vec", tag = "3")]
    pub key: Vec<u8>,
    /// With this; 0 if there is no such key. Which of several things is compared is said by its being there.
    #[prost(int64, optional, tag = "4")]
    pub version: Option<i64>,
}

/// `TxnRequest`: if all comparisons hold, all of it is done, else nothing.
#[derive(Clone, PartialEq, Message)]
pub struct TxnRequest {
    /// What must hold.
    #[prost(message, repeated, tag = "1")]
    pub compare: Vec<Compare>,
    /// What is done.
    #[prost(message, repeated, tag = "2")]
    pub success: Vec<RequestOp>,
}

/// `TxnResponse`.
#[derive(Clone, PartialEq, Message)]
pub struct TxnResponse {
    /// Whether it was done.
    #[prost(bool, tag = "2")]
    pub succeeded: bool,
}

/// `LeaseGrantRequest`.
#[derive(Clone, PartialEq, Message)]
pub struct LeaseGrantRequest {
    /// How long, in seconds.
    #[prost(int64, tag = "1")]
    pub ttl: i64,
}

/// `LeaseGrantResponse`.
#[derive(Clone, PartialEq, Message)]
pub struct LeaseGrantResponse {
    /// The lease.
    #[prost(int64, tag = "2")]
    pub id: i64,
}

/// `LeaseKeepAliveRequest`.
#[derive(Clone, PartialEq, Message)]
pub struct LeaseKeepAliveRequest {
    /// The lease.
    #[prost(int64, tag = "1")]
    pub id: i64,
}

/// `LeaseKeepAliveResponse`.
#[derive(Clone, PartialEq, Message)]
pub struct LeaseKeepAliveResponse {
    /// How long it lasts from now, in seconds; 0 if it is over.
    #[prost(int64, tag = "3")]
    pub ttl: i64,
}

/// `WatchRequest`, which creates a watch, or asks whether those of the stream still stand.
#[derive(Clone, PartialEq, Message)]
pub struct WatchRequest {
    /// What is watched.
    #[prost(message, optional, tag = "1")]
    pub create: Option<WatchCreateRequest>,
    /// A sign is wanted.
    #[prost(message, optional, tag = "3")]
    pub progress: Option<WatchProgressRequest>,
}

impl WatchRequest {
    /// Asks for a sign.
    pub const fn progress() -> Self {
        Self {
            create: None,
            progress: Some(WatchProgressRequest {}),
        }
    }
}

/// `WatchProgressRequest`.
#[derive(Clone, Copy, PartialEq, Eq, Message)]
pub struct WatchProgressRequest {}

/// `WatchCreateRequest`: the keys from `key` to before `range_end`.
#[derive(Clone, PartialEq, Message)]
pub struct WatchCreateRequest {
    /// The first key.
    #[prost(bytes = "vec", tag = "1")]
    pub key: Vec<u8>,
    /// The first key that is not watched.
    #[prost(bytes = "vec", tag = "2")]
    pub range_end: Vec<u8>,
    /// The first revision of which events are wanted.
    #[prost(int64, tag = "3")]
    pub start_revision: i64,
}

/// `WatchResponse`.
#[derive(Clone, PartialEq, Message)]
pub struct WatchResponse {
    /// The answer's header.
    #[prost(message, optional, tag = "1")]
    pub header: Option<Header>,
    /// The watch is over: the store has forgotten the revision, or the member has no leader.
    #[prost(bool, tag = "4")]
    pub canceled: bool,
    /// What happened.
    #[prost(message, repeated, tag = "11")]
    pub events: Vec<WatchEvent>,
}

/// `Event`.
#[derive(Clone, PartialEq, Message)]
pub struct WatchEvent {
    /// 0 if the key was written, 1 if it was deleted.
    #[prost(int32, tag = "1")]
    pub kind: i32,
    /// The key, with its value if it has one.
    #[prost(message, optional, tag = "2")]
    pub kv: Option<KeyValue>,
}

/// The first key after all that begin with `prefix`; no keys end in 0xff here.
pub fn end_of(prefix: &str) -> Vec<u8> {
    let mut end = prefix.as_bytes().to_vec();
    if let Some(last) = end.last_mut() {
        *last = last.saturating_add(1);
    }
    end
}

/// Writes a key, under a lease if that is not 0.
pub fn put(key: String, value: Vec<u8>, lease: i64) -> RequestOp {
    let key = key.into_bytes();
    RequestOp {
        op: Some(Op::Put(PutRequest { key, value, lease })),
    }
}

/// There is no such key.
pub fn absent(key: &str) -> Compare {
    Compare {
        result: 0,
        target: 0,
        key: key.as_bytes().to_vec(),
        version: Some(0),
    }
}

/// Deletes a key.
pub fn delete(key: String) -> RequestOp {
    RequestOp {
        op: Some(Op::Delete(DeleteRequest { key: key.into_bytes() })),
    }
}
