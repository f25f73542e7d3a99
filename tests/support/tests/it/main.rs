//! The tools themselves: an upstream fails as it is told to, Envoy starts, reports and ends, and a client sees it all.
#![allow(clippy::disallowed_methods, reason = "runs natively only, and may read the clock")]

mod as_written;
mod client;
mod endpoints;
mod envoy;
mod etcd;
mod grpc;
mod reload;
mod routes;
mod traffic;
mod upstream;
mod upstream_counts;
