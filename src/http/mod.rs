//! HTTP as the filter meets it: header blocks in Envoy's wire form, and what the headers of a request and of a
//! response say about it.

mod header_block;
mod request;
mod response;
mod retry_after;

pub use header_block::{HeaderBlock, NameLengths, Pair, SERVICE_TIME, number};
pub use request::{Method, RequestFacts, STANDBY_HEADER};
pub use response::ResponseFacts;
pub use retry_after::{Asked, asked, grpc_pushback, retry_after};
