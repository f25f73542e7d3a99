//! What the scenarios have in common: a cluster of a few hosts, and a configuration that says so.

use serde_json::{Value, json};
use sidestep_sim::{Answer, Reply, Request, Sim};

pub(crate) const A: &str = "10.0.0.1:80";
pub(crate) const B: &str = "10.0.0.2:80";
pub(crate) const C: &str = "10.0.0.3:80";
pub(crate) const D: &str = "10.0.0.4:80";

/// The cluster's name.
pub(crate) const BACKEND: &str = "backend";

/// Puts `extra` over `base`, object by object.
pub(crate) fn merge(base: &mut Value, extra: Value) {
    match (base, extra) {
        (Value::Object(base), Value::Object(extra)) => {
            for (key, value) in extra {
                merge(base.entry(key).or_insert(Value::Null), value);
            }
        }
        (base, extra) => *base = extra,
    }
}

/// A configuration that names these hosts, with `extra` over it. No request goes unpinned on purpose, and the filter makes
/// the retries: where something else is wanted, the scenario says so.
pub(crate) fn config(hosts: &[&str], extra: Value) -> Value {
    let mut config = json!({
        "picking": { "discovery_percent": 0 },
        "retry": { "engine": "filter" },
        "clusters": { BACKEND: { "hosts": hosts } },
    });
    merge(&mut config, extra);
    config
}

/// An Envoy with these hosts and the default policy, with `extra` over it.
pub(crate) fn sim_of(hosts: &[&str], extra: Value) -> Sim {
    Sim::new(config(hosts, extra)).cluster(BACKEND, hosts)
}

/// An Envoy with three hosts and the default policy, with `extra` over it.
pub(crate) fn sim(extra: Value) -> Sim {
    sim_of(&[A, B, C], extra)
}

/// A request that is never retried.
pub(crate) fn post() -> Request {
    Request::new("POST", "/").body("x")
}

/// Sends `count` requests that are never retried to `host` by Envoy's own choice, each a millisecond after the other.
pub(crate) fn hit(sim: &mut Sim, host: &str, count: usize) -> Vec<Answer> {
    hit_on(sim, 0, host, count)
}

/// As [`hit`], at that worker.
pub(crate) fn hit_on(sim: &mut Sim, worker: usize, host: &str, count: usize) -> Vec<Answer> {
    sim.steer(BACKEND, Some(host));
    let answers = (0..count)
        .map(|_| {
            sim.advance(std::time::Duration::from_millis(1));
            sim.send(post().on(worker))
        })
        .collect();
    sim.steer(BACKEND, None);
    answers
}

/// Makes `host` answer 503 until it is ejected, by the default policy.
pub(crate) fn eject(sim: &mut Sim, host: &str) {
    sim.host(host).answers(503);
    let line = format!("ejected host {host}");
    for _ in 0..50 {
        // While another host is out, pins spread these over all that are not.
        hit(sim, host, 1);
        if !sim.logged(&line).is_empty() {
            return;
        }
    }
    panic!("{host} is not ejected: {:?}", sim.logs());
}

/// How many of the next requests, never retried, go to `host`.
pub(crate) fn share(sim: &mut Sim, host: &str, requests: usize) -> u64 {
    let before = sim.attempts(host);
    for _ in 0..requests {
        sim.advance(std::time::Duration::from_millis(1));
        sim.send(post());
    }
    sim.attempts(host) - before
}

/// Whether `host` gets a part of the next requests that could be retried elsewhere.
pub(crate) fn has_traffic(sim: &mut Sim, host: &str) -> bool {
    let before = sim.attempts(host);
    for _ in 0..30 {
        sim.advance(std::time::Duration::from_millis(1));
        sim.get("/");
    }
    sim.attempts(host) > before
}

/// A counter, after the tick that hands it over.
pub(crate) fn counted(sim: &mut Sim, metric: &str) -> i64 {
    sim.advance_secs(1);
    sim.metric(metric)
}

/// What is wrong with an answer whose status, body and length are not of one and the same reply.
pub(crate) fn in_pieces(answer: &Answer) -> Option<String> {
    let status = answer.status.to_string();
    let length = answer.headers.get("content-length").unwrap_or("none");
    let signed = answer
        .headers
        .get("x-from")
        .map(|from| format!("{status} from {from}\n"));
    let fault = if answer.cut {
        "cut"
    } else if answer.headers.get(":status") != Some(&status) {
        "two statuses"
    } else if answer.head {
        return (!answer.body.is_empty()).then(|| format!("a body for HEAD: {answer:?}"));
    } else if length != "none" && length != answer.body.len().to_string() {
        "length and body differ"
    } else if signed.is_some_and(|signed| signed != answer.text()) {
        "headers and body of two answers"
    } else {
        return None;
    };
    Some(format!(
        "{fault}: status {status}, content-length {length}, body {:?}, of {:?}",
        answer.text(),
        answer.tried
    ))
}

/// The answer is whole.
#[track_caller]
pub(crate) fn assert_of_one_piece(answer: &Answer) {
    assert_eq!(in_pieces(answer), None);
}

/// A reply that names its host in a header too.
pub(crate) fn signed(status: u16, host: &str) -> Reply {
    Reply::status(status).header("x-from", host)
}
