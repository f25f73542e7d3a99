//! An Envoy and its servers, and what they make of each case.

use super::cases::{Body, Case, Engine, Method, Protocol, all};
use serde_json::json;
use sidestep_support::{
    Behaviour, Client, Cluster, Envoy, EnvoyConfig, Received, Reply, Request, Response, Route, Upstream,
};
use std::collections::HashMap;
use std::sync::{Arc, Mutex};

/// So many cases are under way at once.
const AT_ONCE: usize = 12;

/// Request headers that may differ between two attempts.
const DOCUMENTED: [&str; 2] = ["x-envoy-attempt-count", "x-envoy-expected-rq-timeout-ms"];

/// And where the length of the body was not known beforehand: of a callout's it is.
const FRAMING: [&str; 2] = ["content-length", "transfer-encoding"];

/// One case, measured.
#[derive(Debug)]
pub(super) struct Row {
    pub(super) case: Case,
    pub(super) protocol: Protocol,
    pub(super) engine: Engine,
    pub(super) attempts: usize,
    /// What the client gets.
    pub(super) answer: String,
    /// Whether the second attempt was the same request; `None` if there was none.
    pub(super) same: Option<bool>,
}

/// An Envoy with the filter, and three servers.
pub(super) struct Bench {
    protocol: Protocol,
    engine: Engine,
    servers: Vec<Upstream>,
    envoy: Envoy,
    /// How the first attempt of a path fails; taken by whoever sees the path first.
    failures: Arc<Mutex<HashMap<String, Behaviour>>>,
}

impl Bench {
    pub(super) async fn start(protocol: Protocol, engine: Engine) -> Self {
        let failures: Arc<Mutex<HashMap<String, Behaviour>>> = Arc::default();
        let mut servers = Vec::new();
        for name in ["a", "b", "c"] {
            let server = match protocol {
                Protocol::Http1 => Upstream::http1(name).await,
                Protocol::Http2 => Upstream::http2(name).await,
            };
            let failures = Arc::clone(&failures);
            server.set_by(move |request| {
                let first = failures.lock().ok().and_then(|mut all| all.remove(&request.path));
                first.unwrap_or_else(|| good(request).into())
            });
            servers.push(server);
        }
        let hosts: Vec<_> = servers.iter().map(|server| server.address().to_string()).collect();
        let retry = |retry_on: &str| {
            json!({
                "engine": engine.name(),
                "retry_on": retry_on,
                "retriable_status_codes": [425],
                "per_try_timeout": "500ms",
                "max_body_bytes": 1000,
                "budget": {"min_retries_per_second": 100_000},
            })
        };
        const HTTP: &str = "gateway-error,connect-failure,refused-stream,reset,retriable-status-codes";
        let plugin = json!({
            "outlier_detection": {
                "enforcing_consecutive_5xx": 0,
                "enforcing_success_rate": 0,
                "slow": {"enforcing": 0},
            },
            "picking": {"discovery_percent": 0},
            "clusters": {
                "backend": {"hosts": hosts, "retry": retry(HTTP)},
                "named": {"hosts": hosts, "retry": retry(&format!("{HTTP},unavailable"))},
            },
            "routes": {"keyed": {"retry": {"idempotency_key": true}}},
        });
        let cluster = |name: &str| {
            let cluster = Cluster::new(name).hosts(&servers);
            if protocol == Protocol::Http2 {
                cluster.http2()
            } else {
                cluster
            }
        };
        let config = EnvoyConfig::new([cluster("backend"), cluster("named")])
            .plugin(&plugin)
            .workers(1)
            .route_first(Route::new("keyed", "/keyed", "backend"))
            .route_first(Route::new("named", "/named", "named"));
        let envoy = Envoy::start(config).await.expect("Envoy starts");
        Self {
            protocol,
            engine,
            servers,
            envoy,
            failures,
        }
    }

    pub(super) async fn measure_all(&self) -> Vec<Row> {
        let cases = all(self.protocol);
        // So that each route is known.
        for route in ["plain", "keyed", "named"] {
            for number in 0..3 {
                self.client(false)
                    .get(&format!("/{route}/warm{number}"))
                    .await
                    .expect("an answer");
            }
        }
        let mut rows = Vec::new();
        for (first, some) in cases.chunks(AT_ONCE).enumerate() {
            let under_way = some
                .iter()
                .enumerate()
                .map(|(n, case)| self.measure(*case, first * AT_ONCE + n));
            rows.extend(join_all(under_way).await);
        }
        rows
    }

    fn client(&self, grpc: bool) -> Client {
        let client = self.envoy.client();
        if grpc { client.http2() } else { client }
    }

    async fn measure(&self, case: Case, number: usize) -> Row {
        let request = case.request(number);
        let path = path_of(case, number);
        if let Ok(mut failures) = self.failures.lock() {
            failures.insert(path.clone(), case.failure.behaviour());
        }
        let grpc = matches!(case.method, Method::Grpc(_));
        let answer = self.client(grpc).send(request).await.expect("an answer");
        let mut seen: Vec<Received> = self.servers.iter().flat_map(Upstream::received).collect();
        seen.retain(|request| request.path == path);
        seen.sort_by_key(|request| request.at);
        let same = match &seen[..] {
            [first, second] => Some(comparable(first, case.body) == comparable(second, case.body)),
            _ => None,
        };
        Row {
            case,
            protocol: self.protocol,
            engine: self.engine,
            attempts: seen.len(),
            answer: described(&answer, grpc),
            same,
        }
    }
}

/// Waits for all of them at once.
async fn join_all<T>(all: impl Iterator<Item = impl Future<Output = T>>) -> Vec<T> {
    let mut pending: Vec<_> = all.map(|one| (Box::pin(one), None)).collect();
    std::future::poll_fn(move |context| {
        for (one, done) in &mut pending {
            if done.is_none()
                && let std::task::Poll::Ready(value) = one.as_mut().poll(context)
            {
                *done = Some(value);
            }
        }
        if pending.iter().all(|(_, done)| done.is_some()) {
            std::task::Poll::Ready(pending.iter_mut().filter_map(|(_, done)| done.take()).collect())
        } else {
            std::task::Poll::Pending
        }
    })
    .await
}

fn path_of(case: Case, number: usize) -> String {
    let request: Request = case.request(number);
    request.path().to_owned()
}

fn good(request: &Received) -> Reply {
    if request.header("content-type") == Some("application/grpc") {
        Reply::grpc(0)
    } else {
        Reply::status(200).body("good")
    }
}

type Comparable = (Vec<u8>, Vec<(String, Vec<u8>)>, Vec<u8>);

fn comparable(request: &Received, body: Body) -> Comparable {
    let mut head = request.head.clone().without(&DOCUMENTED);
    if body == Body::Chunked {
        head = head.without(&FRAMING);
    }
    let mut headers: Vec<_> = head
        .headers
        .iter()
        .map(|(name, value)| (name.clone(), value.to_vec()))
        .collect();
    headers.sort();
    (head.line.to_vec(), headers, request.body.to_vec())
}

fn described(answer: &Response, grpc: bool) -> String {
    match answer.grpc_status().filter(|_| grpc) {
        Some(status) => format!("gRPC status {status}"),
        None => answer.status().to_string(),
    }
}
