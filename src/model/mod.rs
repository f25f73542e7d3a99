//! The words of the project, as types. They carry no behaviour beyond their own meaning, and everything else in
//! the crate speaks in them.

mod duration;
mod entropy;
mod fingerprint;
mod host_addr;
mod map;
mod outcome;
mod percent;
mod share;
mod sorted_map;
mod timestamp;

pub use duration::{DurationError, format_duration, parse_duration};
pub use entropy::Entropy;
pub use fingerprint::fingerprint;
pub use host_addr::{HostAddr, HostAddrError};
pub use map::{Map, Mixer};
pub use outcome::{FailureOrigin, Outcome};
pub use percent::Percent;
pub use share::Share;
pub use sorted_map::{SortedMap, SortedSet};
pub use timestamp::Timestamp;
