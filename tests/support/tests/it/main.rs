//! The tools themselves: an upstream fails as it is told to, Envoy starts, reports and ends, and a client sees it all.
#![allow(clippy::disallowed_methods, reason = "runs natively only, and may read the clock")]

mod envoy;
mod upstream;
