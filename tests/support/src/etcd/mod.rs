//! A real etcd: its processes, and a client that looks into it.

mod client;
mod cluster;
mod messages;
mod node;

pub use client::{EtcdClient, EtcdEntry, Lease};
pub use cluster::EtcdCluster;
pub use node::Etcd;

use crate::client::ClientError;
use std::fmt;

/// Why there is no etcd, or no answer from it. `Debug` is `Display`, so that `unwrap` shows the log as lines.
#[derive(thiserror::Error)]
pub enum EtcdError {
    /// No binary.
    #[error("no etcd: `apt install etcd-server`, or set ETCD_BIN")]
    NotFound,
    /// It does not get ready.
    #[error("etcd does not serve; its log:\n{0}")]
    NotReady(String),
    /// No connection.
    #[error("etcd: {0}")]
    Connect(#[from] ClientError),
    /// It refuses what was asked for.
    #[error("etcd says {0}")]
    Refused(#[from] Box<tonic::Status>),
    /// It does not answer.
    #[error("etcd does not answer")]
    TimedOut,
    /// Files, ports, or a program that can't be run.
    #[error(transparent)]
    Io(#[from] std::io::Error),
}

impl fmt::Debug for EtcdError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}
