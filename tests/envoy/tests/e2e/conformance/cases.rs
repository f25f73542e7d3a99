//! The cases: requests, and how their first attempts fail.

use sidestep_support::{Behaviour, Reply, Request};

/// What the upstream hosts speak.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Protocol {
    Http1,
    Http2,
}

impl Protocol {
    pub(super) const ALL: [Self; 2] = [Self::Http1, Self::Http2];

    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Http1 => "HTTP/1.1",
            Self::Http2 => "HTTP/2",
        }
    }
}

/// `retry.engine`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Engine {
    Filter,
    Router,
    Auto,
}

impl Engine {
    pub(super) const ALL: [Self; 3] = [Self::Filter, Self::Router, Self::Auto];

    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Filter => "filter",
            Self::Router => "router",
            Self::Auto => "auto",
        }
    }
}

/// A method, with what its request says about being repeated.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Method {
    Plain(&'static str),
    /// With an `Idempotency-Key`; whether its route opts in.
    Keyed(&'static str, bool),
    /// A unary gRPC call; whether `retry_on` names its statuses.
    Grpc(bool),
}

impl Method {
    /// By the RFCs, and by whoever opted in.
    pub(super) fn may_be_repeated(self) -> bool {
        match self {
            Self::Plain(name) => !matches!(name, "POST" | "PATCH"),
            Self::Keyed(_, opts_in) | Self::Grpc(opts_in) => opts_in,
        }
    }

    pub(super) fn name(self) -> String {
        match self {
            Self::Plain(name) => name.to_owned(),
            Self::Keyed(name, true) => format!("{name}, key, route opts in"),
            Self::Keyed(name, false) => format!("{name}, key"),
            Self::Grpc(true) => "gRPC, named in `retry_on`".to_owned(),
            Self::Grpc(false) => "gRPC".to_owned(),
        }
    }
}

/// The body of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Body {
    None,
    Small,
    Chunked,
    Large,
}

impl Body {
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Small => "small",
            Self::Chunked => "chunked",
            Self::Large => "over `max_body_bytes`",
        }
    }

    fn add_to(self, request: Request) -> Request {
        match self {
            Self::None => request,
            Self::Small => request.body("a small body"),
            Self::Chunked => request.body("in some chunks").chunked(5),
            Self::Large => request.body(vec![b'x'; 3_000]),
        }
    }
}

/// How a first attempt fails.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Failure {
    Status(u16),
    /// 425, to a request in early data.
    TooEarly,
    Closes,
    Refuses,
    Hangs,
    GrpcAtOnce(u8),
    GrpcInTrailers(u8),
}

impl Failure {
    pub(super) fn name(self) -> String {
        match self {
            Self::Status(status) => status.to_string(),
            Self::TooEarly => "425, request in early data".to_owned(),
            Self::Closes => "closes before the headers".to_owned(),
            Self::Refuses => "REFUSED_STREAM".to_owned(),
            Self::Hangs => "silent for `per_try_timeout`".to_owned(),
            Self::GrpcAtOnce(status) => format!("gRPC status {status}, trailers only"),
            Self::GrpcInTrailers(status) => format!("gRPC status {status} in trailers"),
        }
    }

    pub(super) fn behaviour(self) -> Behaviour {
        match self {
            Self::Status(status) => Reply::status(status).body("bad").into(),
            Self::TooEarly => Reply::status(425).into(),
            Self::Closes => Behaviour::Close,
            Self::Refuses => Behaviour::RefuseStream,
            Self::Hangs => Behaviour::Hang,
            Self::GrpcAtOnce(status) => Reply::grpc_trailers_only(status).into(),
            Self::GrpcInTrailers(status) => Reply::grpc(status).into(),
        }
    }
}

/// One case: what is sent, and how its first attempt fails.
#[derive(Clone, Copy, Debug)]
pub(super) struct Case {
    pub(super) method: Method,
    pub(super) body: Body,
    pub(super) failure: Failure,
}

impl Case {
    /// The request; `number` makes its path its own.
    pub(super) fn request(self, number: usize) -> Request {
        let route = match self.method {
            Method::Keyed(_, true) => "keyed",
            Method::Grpc(true) => "named",
            _ => "plain",
        };
        let path = format!("/{route}/{number}");
        let request = match self.method {
            Method::Grpc(_) => return Request::grpc(&path),
            Method::Plain(name) => Request::new(name, &path),
            Method::Keyed(name, _) => Request::new(name, &path).header("idempotency-key", "\"a-key\""),
        };
        let request = if self.failure == Failure::TooEarly {
            request.header("early-data", "1")
        } else {
            request
        };
        self.body.add_to(request)
    }
}

/// All cases for hosts that speak this.
pub(super) fn all(protocol: Protocol) -> Vec<Case> {
    let methods = [
        (Method::Plain("GET"), Body::None),
        (Method::Plain("HEAD"), Body::None),
        (Method::Plain("OPTIONS"), Body::None),
        (Method::Plain("DELETE"), Body::None),
        (Method::Plain("PUT"), Body::Small),
        (Method::Plain("PUT"), Body::Chunked),
        (Method::Plain("PUT"), Body::Large),
        (Method::Plain("POST"), Body::Small),
        (Method::Keyed("POST", false), Body::Small),
        (Method::Keyed("POST", true), Body::Small),
        (Method::Plain("PATCH"), Body::Small),
        (Method::Keyed("PATCH", true), Body::Chunked),
    ];
    let mut failures = vec![
        Failure::Status(503),
        Failure::Status(500),
        Failure::Status(429),
        Failure::Status(409),
        Failure::Status(425),
        Failure::TooEarly,
        Failure::Closes,
        Failure::Hangs,
    ];
    let mut cases = Vec::new();
    if protocol == Protocol::Http2 {
        failures.push(Failure::Refuses);
        for named in [true, false] {
            for failure in [
                Failure::GrpcAtOnce(14),
                Failure::GrpcAtOnce(13),
                Failure::GrpcAtOnce(3),
                Failure::GrpcInTrailers(14),
                Failure::Status(503),
                Failure::Closes,
                Failure::Refuses,
            ] {
                let (method, body) = (Method::Grpc(named), Body::Small);
                cases.push(Case { method, body, failure });
            }
        }
    }
    for (method, body) in methods {
        cases.extend(failures.iter().map(|failure| Case {
            method,
            body,
            failure: *failure,
        }));
    }
    cases
}
