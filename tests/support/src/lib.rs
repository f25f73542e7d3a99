//! What the end-to-end tests and the demo are made of: real servers, a real Envoy, a real client.
//!
//! - [`Upstream`]: an HTTP/1.1 or HTTP/2 server on loopback that fails in the way it is told to, and remembers what it
//!   was asked.
//! - [`GrpcUpstream`]: the same for gRPC, with calls of all four kinds. [`GrpcClient`]: their other end.
//! - [`EnvoyConfig`], [`Cluster`]: an Envoy configuration, said in terms of the test.
//! - [`Envoy`]: the process, with its listeners, statistics and log. It ends with its value.
//! - [`Endpoints`]: a cluster's hosts in a file that Envoy follows (EDS).
//! - [`Etcd`], [`EtcdCluster`]: a real etcd that can be killed, frozen and brought back. [`EtcdClient`]: what is in it.
//! - [`Program`]: any other proxy, at the [`Place`] that was found for it.
//! - [`Proxy`]: a way to a server that can be made slow or cut.
//! - [`Client`], [`Connection`]: the user's side. [`Traffic`]: many users, who do not wait for each other.
//! - [`ArgumentReader`], [`interrupted`]: the command lines of what measures and shows.
//! - [`wait_for`], [`Gate`]: waiting on conditions with a bound, instead of sleeping.
//!
//! ```no_run
//! # async fn example() {
//! use sidestep_support::{Client, Cluster, Envoy, EnvoyConfig, Reply, Upstream};
//!
//! let upstream = Upstream::http1("a").await;
//! let envoy = Envoy::start(EnvoyConfig::new([Cluster::new("backend").host(&upstream)]).without_filter()).await.unwrap();
//! upstream.set(Reply::status(503).body("out of order"));
//! let answer = envoy.client().get("/").await.unwrap();
//! assert_eq!((answer.status(), upstream.count()), (503, 1));
//! # }
//! ```
#![forbid(unsafe_code)]
#![allow(
    clippy::disallowed_methods,
    reason = "runs natively only, and waits with a bound by the machine's clock"
)]

mod client;
mod command;
mod envoy;
mod etcd;
mod grpc;
mod process;
mod program;
mod proxy;
mod server;
mod upstream;
mod wait;

pub use hyper::HeaderMap;

pub use client::{Client, ClientError, Connection, Request, Response, Summary, Traffic};
pub use command::{ArgumentError, ArgumentReader, chosen, interrupted};
pub use envoy::{Cluster, Endpoints, Envoy, EnvoyConfig, EnvoyError, Route, filters, repository, trap_wasm, wasm};
pub use etcd::{Etcd, EtcdClient, EtcdCluster, EtcdEntry, EtcdError, Lease};
pub use grpc::{
    GrpcAnswer, GrpcCall, GrpcClient, GrpcCode, GrpcMethod, GrpcNote, GrpcReceived, GrpcReply, GrpcStream, GrpcUpstream,
};
pub use program::{Place, Program, ProgramError};
pub use proxy::Proxy;
pub use upstream::{Behaviour, Head, Received, Reply, Upstream};
pub use wait::{Gate, TimedOut, wait_for};
