//! sidestep: an Envoy filter that watches every upstream host, steps around those that fail, and answers a failed
//! idempotent request with a second try on a healthy host.
//!
//! # The map
//!
//! Arrows point one way: each layer names only those above it here.
//!
//! | module | what it is |
//! |---|---|
//! | [`model`] | the words: time, hosts, outcomes, shares, randomness as a value |
//! | [`http`] | header blocks, and what a request says about itself |
//! | [`config`] | what people write, validated |
//! | [`discover`] | the hosts that Envoy's admin interface lists |
//! | [`detect`] | what was seen of an attempt -> outcome -> a detector's verdict |
//! | [`health`] | a host's life, a cluster's table, limits, the record as bytes |
//! | [`pick`] | who takes the next attempt |
//! | [`probe`] | who asks hosts for signs of life, when, and what the answers add up to |
//! | [`retry`] | whether a failed request is repeated, and how its answer is delivered |
//! | [`keep`] | health as a snapshot that outlives the process, and the way back |
//! | [`metrics`] | every metric's name |
//! | [`host`] | what is asked of the proxy, as one trait |
//! | [`worker`] | one worker's memory and its part in what all workers share |
//! | [`stream`] | one request's way through all of it |
//! | [`status`] | what people see and do by hand |
//! | `shell` | what Envoy loads: the only code that names proxy-wasm, and the only unsafe code |
//!
//! From `model` to `metrics` everything is a function of its arguments: no clock, no randomness, no I/O (and one
//! shared counter, [`retry::HeldBytes`]). `worker`, `stream` and `status` act on a [`host::Host`], which is Envoy, a simulator or
//! a test.

#![deny(unsafe_code)]
#![cfg_attr(
    not(test),
    deny(
        clippy::unwrap_used,
        clippy::expect_used,
        clippy::panic,
        clippy::indexing_slicing,
        clippy::unreachable,
        clippy::string_slice,
        clippy::get_unwrap
    )
)]

pub mod config;
pub mod detect;
pub mod discover;
pub mod health;
pub mod host;
pub mod http;
pub mod keep;
pub mod metrics;
pub mod model;
pub mod pick;
pub mod probe;
pub mod retry;
pub mod status;
pub mod stream;
pub mod worker;

#[cfg(feature = "shell")]
mod shell;
