//! Which failed requests get another attempt, and which answer the client gets in the end.
//!
//! [`screen`] decides in the request phase whether a request may ever be repeated, so that only such requests are
//! copied ([`Keep`]). [`decide()`] decides about one failed attempt. [`Delivery`] says how an answer takes the place
//! of another.

mod copy;
mod decide;
mod delivery;
mod held;
mod refusal;

pub use copy::{Keep, RequestCopy};
pub use decide::{
    Decision, Failed, Standing, deadline, decide, is_worth_a_retry, may_be_worth_a_retry, screen, standing,
};
pub use delivery::{Delivery, FirstBody, response_headers};
pub use held::{Held, HeldBytes};
pub use refusal::RetryRefusal;
