//! A client of etcd: what is in it, how often it was written to, and how to meddle with it.

use super::EtcdError;
use super::messages::{
    KeyValue, LeaseGrantRequest, LeaseRequest, LeaseResponse, PutRequest, RangeRequest, RangeResponse, StatusRequest,
    StatusResponse, WriteResponse,
};
use crate::grpc::GrpcClient;
use crate::wait::{TimedOut, wait_for};
use std::net::SocketAddr;
use std::time::{Duration, Instant};

/// A member that does not answer within this is passed over.
const PATIENCE: Duration = Duration::from_secs(5);

/// A client of one or several members: each call goes to the first one that answers it. It keeps no connection, so it does
/// not mind if they come and go.
#[derive(Clone, Debug)]
pub struct EtcdClient {
    members: Vec<SocketAddr>,
}

/// A key, what it holds, and the write that put it there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EtcdEntry {
    /// The key.
    pub key: String,
    /// What it holds.
    pub value: Vec<u8>,
    /// The revision of its last write.
    pub revision: i64,
    /// The lease that it lives by, if any.
    pub lease: Option<Lease>,
}

/// Keys under it go when it is not kept alive.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Lease(i64);

impl EtcdClient {
    /// A client of these members.
    #[must_use]
    pub fn new(members: impl IntoIterator<Item = SocketAddr>) -> Self {
        Self {
            members: members.into_iter().collect(),
        }
    }

    /// All keys that begin like this, in their order.
    ///
    /// # Errors
    /// Nobody answers.
    pub async fn list(&self, prefix: &str) -> Result<Vec<EtcdEntry>, EtcdError> {
        let answer = self.range(prefix).await?;
        Ok(answer.kvs.into_iter().map(EtcdEntry::from).collect())
    }

    /// The store's revision: one more with each write transaction, whatever its size. Leases that are granted or kept
    /// alive don't count; keys that go with a lease do.
    ///
    /// # Errors
    /// Nobody answers.
    pub async fn revision(&self) -> Result<i64, EtcdError> {
        let answer = self.range("\0no such key").await?;
        Ok(answer.header.unwrap_or_default().revision)
    }

    async fn range(&self, prefix: &str) -> Result<RangeResponse, EtcdError> {
        let request = RangeRequest {
            key: prefix.as_bytes().to_vec(),
            range_end: after(prefix),
        };
        self.call("/etcdserverpb.KV/Range", request).await
    }

    /// Puts a value; gives the revision.
    ///
    /// # Errors
    /// Nobody answers.
    pub async fn put(&self, key: &str, value: impl Into<Vec<u8>>) -> Result<i64, EtcdError> {
        self.put_under(key, value, Lease(0)).await
    }

    /// Puts a value that goes with a lease; gives the revision.
    ///
    /// # Errors
    /// Nobody answers, or there is no such lease.
    pub async fn put_under(&self, key: &str, value: impl Into<Vec<u8>>, lease: Lease) -> Result<i64, EtcdError> {
        let request = PutRequest {
            key: key.as_bytes().to_vec(),
            value: value.into(),
            lease: lease.0,
        };
        let answer: WriteResponse = self.call("/etcdserverpb.KV/Put", request).await?;
        Ok(answer.header.unwrap_or_default().revision)
    }

    /// Deletes all keys that begin like this; gives the revision.
    ///
    /// # Errors
    /// Nobody answers.
    pub async fn delete(&self, prefix: &str) -> Result<i64, EtcdError> {
        let request = RangeRequest {
            key: prefix.as_bytes().to_vec(),
            range_end: after(prefix),
        };
        let answer: WriteResponse = self.call("/etcdserverpb.KV/DeleteRange", request).await?;
        Ok(answer.header.unwrap_or_default().revision)
    }

    /// A lease for so many seconds.
    ///
    /// # Errors
    /// Nobody answers.
    pub async fn grant(&self, seconds: i64) -> Result<Lease, EtcdError> {
        let request = LeaseGrantRequest { seconds };
        let answer: LeaseResponse = self.call("/etcdserverpb.Lease/LeaseGrant", request).await?;
        Ok(Lease(answer.id))
    }

    /// Keeps a lease alive; gives the seconds that it has from now on, 0 if there is no such lease (any more).
    ///
    /// The method is a stream both ways; this is one message and the end, as a caller does who knows unary calls only.
    ///
    /// # Errors
    /// Nobody answers.
    pub async fn keep_alive(&self, lease: Lease) -> Result<i64, EtcdError> {
        let request = LeaseRequest { id: lease.0 };
        let answer: LeaseResponse = self.call("/etcdserverpb.Lease/LeaseKeepAlive", request).await?;
        Ok(answer.seconds)
    }

    /// Ends a lease, and the keys under it.
    ///
    /// # Errors
    /// Nobody answers, or there is no such lease.
    pub async fn revoke(&self, lease: Lease) -> Result<(), EtcdError> {
        let request = LeaseRequest { id: lease.0 };
        let _: WriteResponse = self.call("/etcdserverpb.Lease/LeaseRevoke", request).await?;
        Ok(())
    }

    /// Whether the first member that answers leads.
    pub(super) async fn leads(&self) -> Result<bool, EtcdError> {
        let answer: StatusResponse = self.call("/etcdserverpb.Maintenance/Status", StatusRequest {}).await?;
        let own = answer.header.unwrap_or_default().member_id;
        Ok(answer.leader != 0 && answer.leader == own)
    }

    /// Waits until the keys that begin like this are as they should be, and gives them.
    ///
    /// # Errors
    /// They were not in time.
    pub async fn until(&self, prefix: &str, right: impl Fn(&[EtcdEntry]) -> bool) -> Result<Vec<EtcdEntry>, TimedOut> {
        wait_for(format!("the right keys under {prefix}"), || async {
            self.list(prefix).await.ok().filter(|entries| right(entries))
        })
        .await
    }

    /// Waits until nothing has been written for so long, and gives the revision.
    ///
    /// # Errors
    /// Something was, again and again.
    pub async fn until_quiet(&self, time: Duration) -> Result<i64, TimedOut> {
        let last = std::cell::Cell::new((0, Instant::now()));
        wait_for("an etcd that nobody writes to", || async {
            let revision = self.revision().await.ok()?;
            let (before, since) = last.get();
            if revision != before {
                last.set((revision, Instant::now()));
                return None;
            }
            (since.elapsed() >= time).then_some(revision)
        })
        .await
    }

    async fn call<M, R>(&self, path: &'static str, message: M) -> Result<R, EtcdError>
    where
        M: prost::Message + Clone + 'static,
        R: prost::Message + Default + 'static,
    {
        let mut last = EtcdError::TimedOut;
        for member in &self.members {
            let attempt = async {
                let connection = GrpcClient::connect(*member).await?;
                Ok(connection.unary(path, message.clone()).await?)
            };
            match tokio::time::timeout(PATIENCE, attempt).await {
                Ok(Ok(answer)) => return Ok(answer),
                Ok(Err(error)) => last = error,
                Err(_) => last = EtcdError::TimedOut,
            }
        }
        Err(last)
    }
}

impl From<KeyValue> for EtcdEntry {
    fn from(entry: KeyValue) -> Self {
        Self {
            key: String::from_utf8_lossy(&entry.key).into_owned(),
            value: entry.value,
            revision: entry.mod_revision,
            lease: Some(entry.lease).filter(|id| *id != 0).map(Lease),
        }
    }
}

/// The first key that does not begin like this. No byte of UTF-8 is 255: the last one can be raised by one.
fn after(prefix: &str) -> Vec<u8> {
    let mut end = prefix.as_bytes().to_vec();
    if let Some(last) = end.last_mut() {
        *last += 1;
    }
    end
}
