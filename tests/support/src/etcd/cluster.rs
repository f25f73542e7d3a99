//! Several etcds that are one.

use super::node::Ports;
use super::{Etcd, EtcdClient, EtcdError};
use crate::wait::{TimedOut, wait_for};
use std::net::SocketAddr;

/// A cluster of etcd members. They end with this value.
#[derive(Debug)]
pub struct EtcdCluster {
    members: Vec<Etcd>,
}

impl EtcdCluster {
    /// Starts so many members, and waits until all of them serve.
    ///
    /// # Errors
    /// There is no etcd, or it does not get ready.
    pub async fn start(count: usize) -> Result<Self, EtcdError> {
        let ports = (0..count).map(|_| Ports::new()).collect::<Result<Vec<_>, _>>()?;
        let mut urls = Vec::new();
        for (number, ports) in ports.iter().enumerate() {
            urls.push(format!("member-{number}={}", ports.peer_url()?));
        }
        let (mut members, urls) = (Vec::new(), urls.join(","));
        for (number, ports) in ports.into_iter().enumerate() {
            members.push(Etcd::member(&format!("member-{number}"), &urls, ports)?);
        }
        for member in &members {
            member.until_serving().await?;
        }
        Ok(Self { members })
    }

    /// The members.
    #[must_use]
    pub fn members(&self) -> &[Etcd] {
        &self.members
    }

    /// Where they serve.
    #[must_use]
    pub fn addresses(&self) -> Vec<SocketAddr> {
        self.members.iter().map(Etcd::address).collect()
    }

    /// A client of all of them.
    #[must_use]
    pub fn client(&self) -> EtcdClient {
        EtcdClient::new(self.addresses())
    }

    /// Waits until one of them leads, and gives that one.
    ///
    /// # Errors
    /// None did in time.
    pub async fn leader(&self) -> Result<&Etcd, TimedOut> {
        wait_for("a leader among the etcds", || async {
            for member in &self.members {
                if matches!(member.client().leads().await, Ok(true)) {
                    return Some(member);
                }
            }
            None
        })
        .await
    }
}
