//! One cell of the matrix: a scenario met by a configuration, once.

use crate::configuration::Configuration;
use crate::hosts::Hosts;
use crate::proxy::{Proxy, ProxyError};
use crate::scenario::Scenario;
use crate::traffic::{self, Connections, RATE, Sent};
use sidestep_support::ClientError;
use std::collections::BTreeMap;
use std::time::{Duration, Instant};

/// Between the last preparation and the first request.
const BREATH: Duration = Duration::from_millis(100);
/// The module hands its figures over once a second.
const LAST_FIGURES: Duration = Duration::from_millis(1100);

/// Which cell.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Cell {
    /// What is done to the hosts.
    pub(crate) scenario: Scenario,
    /// Who meets it.
    pub(crate) configuration: Configuration,
}

/// What was seen in a cell.
#[derive(Clone, Debug, Default)]
pub(crate) struct Observed {
    /// The requests, in the order of time.
    pub(crate) sent: Vec<Sent>,
    /// For each host the times at which requests came, in order.
    pub(crate) arrivals: Vec<Vec<Duration>>,
    /// POSTs that came to any host.
    pub(crate) posts_arrived: u64,
    /// What the proxy and the module counted, without what is zero.
    pub(crate) counted: BTreeMap<String, u64>,
    /// What the module logged, and another proxy on hosts that went and came.
    pub(crate) logged: Vec<String>,
}

/// Why a cell could not be run.
#[derive(Debug, thiserror::Error)]
pub(crate) enum CellError {
    /// Envoy, or another proxy.
    #[error(transparent)]
    Proxy(#[from] ProxyError),
    /// The users' connections.
    #[error(transparent)]
    Client(#[from] ClientError),
    /// It has measured something else than the scenario.
    #[error("{failed} of {requests} requests failed before anything was done to a host; the proxy's log:\n{log}")]
    NotWell {
        /// Requests before the first fault.
        requests: usize,
        /// Those that were not answered by a 200.
        failed: usize,
        /// The proxy's log.
        log: String,
    },
    /// The filter was to be measured, and was not there.
    #[error("the module has counted no answer; Envoy's log:\n{0}")]
    NoFilter(String),
}

impl Cell {
    /// Runs it, with a proxy and hosts of its own. All times are multiplied by `scale`.
    pub(crate) async fn run(self, scale: f64) -> Result<Observed, CellError> {
        let plan = self.scenario.plan(scale);
        let hosts = Hosts::start(&plan, RATE, scale).await;
        let proxy = Proxy::start(self.configuration, &hosts, scale).await?;
        let connections = Connections::open(proxy.client()).await?;
        let start = Instant::now() + BREATH;
        hosts.follow_the_plan(start);
        let sent = traffic::run(&connections, start, plan.end).await;
        if self.configuration == Configuration::Sidestep {
            tokio::time::sleep(LAST_FIGURES).await;
        }
        let counted = proxy.counted().await?;
        let early: Vec<_> = sent.iter().take_while(|sent| sent.at < plan.begin()).collect();
        let failed = early.iter().filter(|sent| !sent.good).count();
        if early.is_empty() || failed * 20 > early.len() {
            return Err(CellError::NotWell {
                requests: early.len(),
                failed,
                log: proxy.log(),
            });
        }
        let is_there = counted.contains_key("wasmcustom.sidestep.attempts.success");
        if self.configuration == Configuration::Sidestep && !is_there {
            return Err(CellError::NoFilter(proxy.log()));
        }
        Ok(Observed {
            sent,
            arrivals: hosts.arrivals(),
            posts_arrived: hosts.posts(),
            counted,
            logged: proxy.logged(),
        })
    }
}
