//! A real gRPC service and its client, by tonic: `sidestep.test.Echo`, with one method of each kind.
//!
//! In the words of protobuf:
//!
//! ```proto
//! package sidestep.test;
//! message Note { string text = 1; string from = 2; }
//! service Echo {
//!   rpc Say(Note) returns (Note);
//!   rpc Listen(Note) returns (stream Note);
//!   rpc Collect(stream Note) returns (Note);
//!   rpc Chat(stream Note) returns (stream Note);
//! }
//! ```

mod call;
mod client;
mod reply;
mod serve;
mod stream;
mod upstream;

pub use call::{GrpcAnswer, GrpcCall, GrpcStream};
pub use client::GrpcClient;
pub use reply::GrpcReply;
pub use tonic::Code as GrpcCode;
pub use upstream::{GrpcReceived, GrpcUpstream};

/// The service's one message, both ways.
#[derive(Clone, PartialEq, Eq, prost::Message)]
pub struct GrpcNote {
    /// What it says.
    #[prost(string, tag = "1")]
    pub text: String,
    /// The upstream that sent it; of a client's, nothing.
    #[prost(string, tag = "2")]
    pub from: String,
}

/// A method of the service `sidestep.test.Echo`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum GrpcMethod {
    /// One note, and one back.
    Say,
    /// One note, and several back.
    Listen,
    /// Several notes, and one back, with all texts between commas.
    Collect,
    /// Several notes, and each comes back at once.
    Chat,
}

impl GrpcMethod {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Say, Self::Listen, Self::Collect, Self::Chat];

    /// The path of its requests.
    #[must_use]
    pub fn path(self) -> &'static str {
        match self {
            Self::Say => "/sidestep.test.Echo/Say",
            Self::Listen => "/sidestep.test.Echo/Listen",
            Self::Collect => "/sidestep.test.Echo/Collect",
            Self::Chat => "/sidestep.test.Echo/Chat",
        }
    }

    fn at(path: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|method| method.path() == path)
    }
}
