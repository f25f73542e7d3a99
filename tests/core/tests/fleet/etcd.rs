//! As much of etcd as the filter uses, in memory: keys, leases, watches, revisions; and how it fails.

use prost::Message;
use sidestep::host::GrpcToken;
use sidestep::keep::etcd::{
    Header, KeyValue, LeaseGrantRequest, LeaseGrantResponse, LeaseKeepAliveRequest, LeaseKeepAliveResponse, Op,
    RangeRequest, RangeResponse, TxnRequest, TxnResponse, WatchEvent, WatchRequest, WatchResponse,
};
use sidestep::model::Timestamp;
use std::collections::BTreeMap;
use std::time::Duration;

/// A watch of a client's stream.
#[derive(Debug)]
struct Watch {
    client: usize,
    token: GrpcToken,
    key: Vec<u8>,
    end: Vec<u8>,
    next: i64,
    /// It has not been told that it stands.
    is_new: bool,
}

/// The store.
#[derive(Debug, Default)]
pub(crate) struct Etcd {
    revision: i64,
    keys: BTreeMap<Vec<u8>, (Vec<u8>, i64)>,
    /// How long each lease is, and when it ends.
    leases: BTreeMap<i64, (Duration, Timestamp)>,
    granted: i64,
    events: Vec<(i64, WatchEvent)>,
    watches: Vec<Watch>,
    /// Write transactions of each client.
    pub(crate) writes: BTreeMap<usize, u64>,
}

impl Etcd {
    /// A call's answer, or its gRPC status.
    pub(crate) fn call(&mut self, client: usize, method: &str, message: &[u8], now: Timestamp) -> Result<Vec<u8>, u32> {
        Ok(match method {
            "Range" => self
                .range(&RangeRequest::decode(message).expect("a range"))
                .encode_to_vec(),
            "LeaseGrant" => {
                let asked = LeaseGrantRequest::decode(message).expect("a lease");
                let ttl = Duration::from_secs(u64::try_from(asked.ttl).expect("a time"));
                self.granted += 1;
                self.leases.insert(self.granted, (ttl, now.after(ttl)));
                LeaseGrantResponse { id: self.granted }.encode_to_vec()
            }
            "LeaseKeepAlive" => {
                let asked = LeaseKeepAliveRequest::decode(message).expect("a lease");
                let lease = self.leases.get_mut(&asked.id);
                let ttl = lease.map_or(0, |(ttl, ends)| {
                    *ends = now.after(*ttl);
                    i64::try_from(ttl.as_secs()).expect("a time")
                });
                LeaseKeepAliveResponse { ttl }.encode_to_vec()
            }
            "Txn" => {
                *self.writes.entry(client).or_default() += 1;
                let asked = TxnRequest::decode(message).expect("a transaction");
                let succeeded = asked
                    .compare
                    .iter()
                    .all(|compare| !self.keys.contains_key(&compare.key));
                if succeeded {
                    self.write(asked)?;
                }
                TxnResponse { succeeded }.encode_to_vec()
            }
            other => panic!("no method {other}"),
        })
    }

    fn range(&self, asked: &RangeRequest) -> RangeResponse {
        let found = self.keys.range(asked.key.clone()..asked.range_end.clone());
        RangeResponse {
            header: Some(Header {
                revision: self.revision,
            }),
            kvs: found
                .map(|(key, (value, lease))| KeyValue {
                    key: key.clone(),
                    value: value.clone(),
                    lease: *lease,
                })
                .collect(),
        }
    }

    fn write(&mut self, asked: TxnRequest) -> Result<(), u32> {
        assert!(asked.success.len() <= 128, "etcd takes no more operations");
        for operation in &asked.success {
            if let Some(Op::Put(put)) = &operation.op
                && put.lease != 0
                && !self.leases.contains_key(&put.lease)
            {
                // NOT_FOUND: no such lease. Nothing of it is done.
                return Err(5);
            }
        }
        self.revision += 1;
        for operation in asked.success {
            match operation.op.expect("an operation") {
                Op::Put(put) => {
                    self.keys.insert(put.key.clone(), (put.value.clone(), put.lease));
                    self.event(0, put.key, put.value, put.lease);
                }
                Op::Delete(delete) => self.delete(delete.key),
            }
        }
        Ok(())
    }

    fn delete(&mut self, key: Vec<u8>) {
        if self.keys.remove(&key).is_some() {
            self.event(1, key, Vec::new(), 0);
        }
    }

    fn event(&mut self, kind: i32, key: Vec<u8>, value: Vec<u8>, lease: i64) {
        let kv = Some(KeyValue { key, value, lease });
        self.events.push((self.revision, WatchEvent { kind, kv }));
    }

    /// A message on a stream.
    pub(crate) fn send(&mut self, client: usize, token: GrpcToken, message: &[u8]) {
        let asked = WatchRequest::decode(message).expect("a watch");
        let Some(create) = asked.create else {
            assert!(asked.progress.is_some());
            for watch in &mut self.watches {
                watch.is_new |= (watch.client, watch.token) == (client, token);
            }
            return;
        };
        self.watches.push(Watch {
            client,
            token,
            key: create.key,
            end: create.range_end,
            next: create.start_revision,
            is_new: true,
        });
    }

    /// A stream has ended.
    pub(crate) fn reset(&mut self, client: usize, token: GrpcToken) {
        self.watches
            .retain(|watch| (watch.client, watch.token) != (client, token));
    }

    /// Leases end.
    pub(crate) fn pass(&mut self, now: Timestamp) {
        let over: Vec<i64> = self
            .leases
            .iter()
            .filter(|(_, (_, ends))| *ends <= now)
            .map(|(id, _)| *id)
            .collect();
        for lease in over {
            self.leases.remove(&lease);
            let gone: Vec<_> = self
                .keys
                .iter()
                .filter(|(_, (_, of))| *of == lease)
                .map(|(key, _)| key.clone())
                .collect();
            self.revision += i64::from(!gone.is_empty());
            for key in gone {
                self.delete(key);
            }
        }
    }

    /// What the watches of clients that can be reached have to tell.
    pub(crate) fn tell(&mut self, is_reached: impl Fn(usize) -> bool) -> Vec<(usize, GrpcToken, Vec<u8>)> {
        let mut told = Vec::new();
        for watch in &mut self.watches {
            if is_reached(watch.client) && std::mem::take(&mut watch.is_new) {
                told.push((watch.client, watch.token, WatchResponse::default().encode_to_vec()));
            }
            if !is_reached(watch.client) || watch.next > self.revision {
                continue;
            }
            let new = self.events.iter().filter(|(revision, event)| {
                let key = &event.kv.as_ref().expect("a key").key;
                *revision >= watch.next && *key >= watch.key && *key < watch.end
            });
            let events: Vec<_> = new.map(|(_, event)| event.clone()).collect();
            watch.next = self.revision + 1;
            if !events.is_empty() {
                let header = Some(Header {
                    revision: self.revision,
                });
                let message = WatchResponse {
                    header,
                    canceled: false,
                    events,
                };
                told.push((watch.client, watch.token, message.encode_to_vec()));
            }
        }
        told
    }

    /// Everything is lost, as by a new disk.
    pub(crate) fn lose_all(&mut self) {
        let writes = std::mem::take(&mut self.writes);
        *self = Self {
            // So that a lease of before is no lease of now.
            granted: self.granted,
            writes,
            ..Self::default()
        };
    }

    /// The values of the keys that have this in them.
    pub(crate) fn values(&self, part: &str) -> Vec<(String, Vec<u8>)> {
        let all = self
            .keys
            .iter()
            .map(|(key, (value, _))| (String::from_utf8_lossy(key).into_owned(), value.clone()));
        all.filter(|(key, _)| key.contains(part)).collect()
    }

    /// Somebody writes a key.
    pub(crate) fn put(&mut self, key: &str, value: &[u8]) {
        self.revision += 1;
        self.keys.insert(key.as_bytes().to_vec(), (value.to_vec(), 0));
        self.event(0, key.as_bytes().to_vec(), value.to_vec(), 0);
    }

    pub(crate) const fn revision(&self) -> i64 {
        self.revision
    }
}
