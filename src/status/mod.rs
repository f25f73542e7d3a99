//! The status interface: what people see of the hosts and do to them, by HTTP and without any other system.
//!
//! | part | what it is |
//! |---|---|
//! | [`Ask`] | what a request asks for, or the [`Answer`] that refuses it |
//! | `hosts` | clusters and hosts as JSON |
//! | `backup` | snapshots by hand: whether one is to be believed, and what came of it |
//! | [`Desk`] | the plugin that answers, and [`Visit`], one request at it |
//!
//! All but the desk is a function of its arguments. What odd requests get is decided in one place each: by their headers
//! in [`Ask::read`], by their body in [`Order`](crate::config::Order) or [`Snapshot`](crate::keep::Snapshot).

mod answer;
mod ask;
mod backup;
mod desk;
mod hosts;
mod json;

pub use answer::Answer;
pub use ask::Ask;
pub use desk::{Desk, Visit};
