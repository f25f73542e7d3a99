//! The hosts that Envoy itself knows, read from its admin interface.
//!
//! Nothing in the filter's own interface lists a cluster's hosts: they are learned one by one, from answers. The admin
//! interface lists them all, so that a host that was added is known before its first answer, one that was removed is
//! forgotten at once, and a pin can respect Envoy's own health checks, which the override policy does not look at.
//!
//! Here is what to ask for ([`path()`]) and how to read the answer ([`hosts`]).

mod body;
mod path;

pub use body::hosts;
pub use path::path;

use crate::model::HostAddr;

/// The largest answer that is read, in bytes: some 8,000 hosts, for Envoy writes about 1 kB for each. Whoever gets a
/// larger one need not copy it out of the host.
pub const MAX_BODY: usize = 8 * 1024 * 1024;

/// What Envoy thinks of a host. The larger, the better.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Standing {
    /// It gets no requests: its active health check failed or was not made yet, its discovery says that it is unhealthy
    /// or draining, or it is about to leave the cluster.
    ///
    /// Not so a host that Envoy's own outlier detection ejected (`failed_outlier_check`): that is a verdict on answers
    /// that this filter saw too, and on which it has a verdict of its own.
    Unfit,
    /// It gets requests only if too few others can: it is degraded, or not of the first priority.
    Spare,
    /// It gets requests.
    Fit,
}

/// A host of a cluster.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct ListedHost {
    /// The host.
    pub addr: HostAddr,
    /// What Envoy thinks of it; the best, if the cluster has it more than once.
    pub standing: Standing,
}

/// A cluster and its hosts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ListedCluster {
    /// Its name.
    pub name: String,
    /// Its hosts, sorted by address, each once.
    pub hosts: Vec<ListedHost>,
    /// How many hosts more it has. Those with the largest addresses were left out, so that the next answer leaves out
    /// the same.
    pub left_out: usize,
}

/// What an answer lists of the clusters that were wanted. One that is not here is not known to Envoy, or was not read.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Listing {
    /// The clusters, each once, in Envoy's order.
    pub clusters: Vec<ListedCluster>,
    /// Entries that are no host with an `ip:port` (sockets of the file system, internal listeners), and entries that
    /// make no sense.
    pub skipped: usize,
}

/// Why an answer cannot be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DiscoverError {
    /// It is larger than [`MAX_BODY`].
    #[error("{0} bytes, more than {MAX_BODY}")]
    TooLarge(usize),
    /// It is no text.
    #[error("no UTF-8, from byte {from} on")]
    NotText {
        /// The first byte that is none, from 0.
        from: usize,
    },
    /// It is no JSON, or cut short.
    #[error("not JSON, at line {line}, column {column}")]
    NotJson {
        /// The line, from 1.
        line: usize,
        /// The column, in bytes.
        column: usize,
    },
    /// It is JSON, and not an object with a list of clusters.
    #[error("not a list of clusters")]
    NotClusters,
}
