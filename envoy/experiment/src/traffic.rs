//! The users: requests that come at fixed times, whatever became of those before them (open loop). So a slow or silent
//! host does not slow its own traffic down, and a request's time counts from when it was due.

use crate::dice::hits;
use crate::lock::lock;
use sidestep_support::{Client, ClientError, Connection, Request};
use std::collections::VecDeque;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};
use tokio::task::JoinSet;

/// Requests a second.
pub(crate) const RATE: u32 = 250;
/// So many of a hundred requests are POSTs, which nobody may repeat. The others are GETs.
pub(crate) const POST_PERCENT: u64 = 10;
/// Open from the start. A proxy's workers share connections out by a hash: with so many, none goes without.
const CONNECTIONS: usize = 32;
/// A request that has no answer after this has failed. Longer than any proxy's own time-outs.
const PATIENCE: Duration = Duration::from_secs(4);

/// A request, and what came of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Sent {
    /// When it was due, since the traffic's beginning.
    pub(crate) at: Duration,
    /// Whether it was a POST; else a GET.
    pub(crate) post: bool,
    /// How much later than that it left: more than a little, and the machine had other things to do.
    pub(crate) late: Duration,
    /// From when it was due to the end of the answer.
    pub(crate) took: Duration,
    /// Whether it was answered by a 200.
    pub(crate) good: bool,
}

/// The connections that wait for a request. Each is used in its turn, so that all of a proxy's workers have work.
#[derive(Debug)]
pub(crate) struct Connections {
    client: Client,
    idle: Mutex<VecDeque<Connection>>,
}

impl Connections {
    /// Opens them.
    ///
    /// # Errors
    /// There is no connection to be had.
    pub(crate) async fn open(client: Client) -> Result<Arc<Self>, ClientError> {
        let mut idle = VecDeque::new();
        for _ in 0..CONNECTIONS {
            idle.push_back(client.connect().await?);
        }
        Ok(Arc::new(Self {
            client,
            idle: Mutex::new(idle),
        }))
    }

    /// Sends a request by the next connection, or by a new one if none waits. Whether it was answered by a 200.
    async fn send(&self, request: Request) -> bool {
        let waiting = lock(&self.idle).pop_front();
        let mut connection = match waiting {
            Some(connection) => connection,
            None => match self.client.connect().await {
                Ok(connection) => connection,
                Err(_) => return false,
            },
        };
        match connection.send(request).await {
            Ok(answer) => {
                lock(&self.idle).push_back(connection);
                answer.status() == 200
            }
            Err(_) => false,
        }
    }
}

/// Sends requests from `start` on for as long as `end` says, and waits for their answers.
pub(crate) async fn run(connections: &Arc<Connections>, start: Instant, end: Duration) -> Vec<Sent> {
    let mut requests = JoinSet::new();
    for (number, at) in (0_u64..).zip(due(end)) {
        tokio::time::sleep_until((start + at).into()).await;
        let post = hits(number, POST_PERCENT);
        let request = if post {
            Request::new("POST", "/orders").body("one of each")
        } else {
            Request::get("/items")
        };
        let connections = Arc::clone(connections);
        requests.spawn(async move {
            let late = (start + at).elapsed();
            let good = tokio::time::timeout(PATIENCE, connections.send(request)).await;
            Sent {
                at,
                post,
                late,
                took: (start + at).elapsed(),
                good: good.unwrap_or(false),
            }
        });
    }
    let mut sent = requests.join_all().await;
    sent.sort_unstable_by_key(|sent| sent.at);
    sent
}

/// When requests are due.
fn due(end: Duration) -> impl Iterator<Item = Duration> {
    (0..)
        .map(|number| Duration::from_secs(1) * number / RATE)
        .take_while(move |at| *at < end)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_are_due_evenly_from_the_beginning_and_not_at_the_end() {
        let due: Vec<_> = due(Duration::from_secs(2)).collect();
        assert_eq!(due.len(), 2 * RATE as usize);
        assert_eq!(due[0], Duration::ZERO);
        assert_eq!(due[1] - due[0], due[400] - due[399]);
    }
}
