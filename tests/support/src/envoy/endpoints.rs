//! Hosts that come and go while Envoy runs.

use super::cluster::endpoint;
use crate::Upstream;
use crate::process::Folder;
use serde_json::{Value, json};
use std::io;
use std::sync::atomic::{AtomicU64, Ordering};

/// The hosts of a cluster, in a file that Envoy follows (EDS). The file goes with the value: it has to outlive Envoy.
#[derive(Debug)]
pub struct Endpoints {
    cluster: String,
    folder: Folder,
    version: AtomicU64,
}

impl Endpoints {
    /// The hosts that the cluster of this name has at first.
    ///
    /// # Errors
    /// Files.
    pub fn new<'a>(cluster: &str, hosts: impl IntoIterator<Item = &'a Upstream>) -> io::Result<Self> {
        let endpoints = Self {
            cluster: cluster.to_owned(),
            folder: Folder::new()?,
            version: AtomicU64::new(0),
        };
        endpoints.set(hosts)?;
        Ok(endpoints)
    }

    /// From now on, the cluster has these hosts and no others. Envoy takes them over within milliseconds.
    ///
    /// # Errors
    /// Files.
    pub fn set<'a>(&self, hosts: impl IntoIterator<Item = &'a Upstream>) -> io::Result<()> {
        let hosts: Vec<_> = hosts.into_iter().map(|host| endpoint(&host.address())).collect();
        let version = self.version.fetch_add(1, Ordering::Relaxed);
        let answer = json!({
            "version_info": version.to_string(),
            "resources": [{
                "@type": "type.googleapis.com/envoy.config.endpoint.v3.ClusterLoadAssignment",
                "cluster_name": self.cluster,
                "endpoints": [{"lb_endpoints": hosts}],
            }],
        });
        // Envoy looks at a file when another is moved to its place.
        let new = self.folder.file("new.json");
        std::fs::write(&new, answer.to_string())?;
        std::fs::rename(new, self.folder.file("endpoints.json"))
    }

    pub(super) fn cluster(&self) -> &str {
        &self.cluster
    }

    /// `eds_cluster_config`.
    pub(super) fn source(&self) -> Value {
        json!({
            "service_name": self.cluster,
            "eds_config": {"path_config_source": {"path": self.folder.file("endpoints.json")}},
        })
    }
}
