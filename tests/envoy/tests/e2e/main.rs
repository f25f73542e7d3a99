//! sidestep in a real Envoy, in front of real servers that really fail.
#![allow(clippy::disallowed_methods, reason = "runs natively only, and may read the clock")]

mod answers;
mod bodies;
mod configuration;
mod container;
mod crash;
mod ejection;
mod http2;
mod limits;
mod odd;
mod other_filters;
mod retry;
mod steering;
mod workers;
