//! The answer of a retry.

use crate::config::RetryPolicy;
use crate::detect::{Answer, ResponseFlags, classify};
use crate::host::{Host, HostError};
use crate::http::{HeaderBlock, SERVICE_TIME};
use crate::model::Outcome;
use crate::retry::{Failed, Held, HeldBytes, Standing, standing};

/// The answer of a retry, kept beyond its callback.
#[derive(Debug)]
pub(super) struct Answered {
    pub(super) status: u16,
    pub(super) headers: HeaderBlock,
    pub(super) body: Vec<u8>,
    /// The body's part of what this VM holds.
    _held: Held,
}

/// Why a callout's answer could not be read.
#[derive(Debug, thiserror::Error)]
pub(super) enum Unreadable {
    /// Envoy did not give it.
    #[error(transparent)]
    Host(#[from] HostError),
    /// It has no status.
    #[error("no status")]
    NoStatus,
    /// Envoy gave another number of bytes of its body than it said.
    #[error("{0} bytes of body, not {1}")]
    Cut(usize, usize),
    /// Its body does not fit into `max_held_bytes`.
    #[error("{0} bytes of body do not fit into max_held_bytes")]
    TooLarge(usize),
}

/// What a callout's answer says.
#[derive(Debug)]
pub(super) struct Reading {
    /// The answer; `None` if the callout ended without one.
    pub(super) answered: Option<Answered>,
    /// What was seen of it.
    pub(super) answer: Answer,
    /// What it says about its host, by the table of outcomes.
    pub(super) outcome: Outcome,
    /// What the decision about yet another retry rests on.
    pub(super) failed: Failed,
    /// How useful it is.
    pub(super) standing: Standing,
}

impl Answered {
    /// What the client gets where there is no answer, and none may be looked for.
    pub(super) fn unavailable(budget: &HeldBytes) -> Self {
        Self {
            status: 503,
            headers: HeaderBlock::from_pairs(&[(b":status", b"503")]),
            body: Vec::new(),
            _held: budget.nothing(),
        }
    }
}

impl Reading {
    /// Reads a callout's answer. A callout that was reset comes with no headers at all.
    pub(super) fn of<H: Host>(
        host: &H,
        num_headers: usize,
        body_size: usize,
        policy: &RetryPolicy,
        budget: &HeldBytes,
    ) -> Result<Self, Unreadable> {
        if num_headers == 0 {
            return Ok(Self::judge(None, ResponseFlags::UPSTREAM_REMOTE_RESET, policy));
        }
        let headers = host.callout_headers()?;
        let status = headers.number(b":status").ok_or(Unreadable::NoStatus)?;
        let flags = flags_of(status, &headers);
        let mut held = budget.nothing();
        let body = match body_size {
            0 => Vec::new(),
            size if held.grow(size) => host.callout_body(size)?,
            size => return Err(Unreadable::TooLarge(size)),
        };
        if body.len() != body_size {
            return Err(Unreadable::Cut(body.len(), body_size));
        }
        let answered = Answered {
            status,
            headers,
            body,
            _held: held,
        };
        Ok(Self::judge(Some(answered), flags, policy))
    }

    /// The reading for an answer that could not be read: it says nothing.
    pub(super) fn unreadable() -> Self {
        Self {
            answered: None,
            answer: Answer::default(),
            outcome: Outcome::Ignored,
            failed: Failed::default(),
            standing: Standing::NoAnswer,
        }
    }

    fn judge(answered: Option<Answered>, flags: ResponseFlags, policy: &RetryPolicy) -> Self {
        let has = |name: &[u8]| {
            answered
                .as_ref()
                .is_some_and(|answer| answer.headers.get(name).is_some())
        };
        let status = answered.as_ref().map_or(503, |answer| answer.status);
        let overloaded = status >= 500 && has(b"x-envoy-overloaded");
        let failed = Failed {
            status,
            flags,
            overloaded,
            rate_limited: has(b"x-envoy-ratelimited"),
            ..Failed::default()
        };
        let answer = Answer {
            status,
            flags,
            grpc_status: None,
            overloaded,
        };
        Self {
            answer,
            outcome: classify(&answer),
            standing: standing(&failed, policy),
            failed,
            answered,
        }
    }
}

/// Why Envoy answered a callout in the host's place, if it did. The flags of a callout can't be asked for, but
/// Envoy's router adds `x-envoy-upstream-service-time` to each answer that a host gave, and to none of its own.
fn flags_of(status: u16, headers: &HeaderBlock) -> ResponseFlags {
    let by_host = headers.get(SERVICE_TIME).is_some();
    match status {
        503 if !by_host => ResponseFlags::UPSTREAM_CONNECTION_FAILURE,
        504 if !by_host => ResponseFlags::UPSTREAM_REQUEST_TIMEOUT,
        _ => ResponseFlags::default(),
    }
}
