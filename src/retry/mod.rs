//! Which failed requests get another attempt, and which answer the client gets in the end.
//!
//! [`screen`] decides in the request phase whether a request may ever be repeated, so that only such requests are
//! copied ([`Keep`]). [`decide()`] decides about one failed attempt. [`Delivery`] says how an answer takes the place
//! of another.

mod back_off;
mod budget;
mod copy;
mod decide;
mod delivery;
mod engine;
mod held;
mod in_flight;
mod proxy_status;
mod refusal;
mod routes;

pub use back_off::back_off;
pub use budget::{Budget, Floor, RequestShare, Withdrawal};
pub use copy::{Keep, RequestCopy};
pub use decide::{
    Decision, Failed, Standing, deadline, decide, is_worth_a_retry, may_be_worth_a_retry, screen, standing,
};
pub use delivery::{Delivery, FirstBody, response_headers};
pub use engine::{MAX_RETRIES, choose, fits_a_callout, router_headers, screen_for_router};
pub use held::{Held, HeldBytes};
pub use in_flight::InFlight;
pub use proxy_status::{Told, proxy_status};
pub use refusal::RetryRefusal;
pub use routes::{RouteBook, RouteKey, RouteNature, RouteNews, is_changed};
