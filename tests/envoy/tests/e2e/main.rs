//! sidestep in a real Envoy, in front of real servers that really fail.
#![allow(clippy::disallowed_methods, reason = "runs natively only, and may read the clock")]

mod answers;
mod backup;
mod bodies;
mod configuration;
mod conformance;
mod container;
mod control;
mod crash;
mod discovery;
mod ejection;
mod engines;
mod fleet;
mod fleet_without_etcd;
mod grpc;
mod grpc_retries;
mod hedging;
mod http2;
mod limits;
mod matchers;
mod odd;
mod other_filters;
mod overload;
mod probes;
mod rates;
mod recovery;
mod retry;
mod retry_storm;
mod slow;
mod standby;
mod status;
mod steady;
mod steering;
mod telling;
mod workers;
