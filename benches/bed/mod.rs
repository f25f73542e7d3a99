//! The bed that the benchmarks lie in: one worker, one cluster of so many hosts, and what is measured on it.

mod host;
mod scene;

pub(crate) use scene::{Case, HOSTS, Scene};
