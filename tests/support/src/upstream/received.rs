//! A request, as it reached the upstream.

use bytes::{Bytes, BytesMut};
use http_body_util::BodyExt;
use hyper::body::Incoming;
use hyper::header::{HOST, HeaderValue};
use hyper::{HeaderMap, Method, Request, Version};
use std::time::Instant;

/// One request, as it reached the upstream.
#[derive(Clone, Debug)]
pub struct Received {
    /// The method.
    pub method: Method,
    /// Path and query.
    pub path: String,
    /// The headers. Over HTTP/2 the authority is here as `host`.
    pub headers: HeaderMap,
    /// The same as it was written: see [`Head`].
    pub head: Head,
    /// The body: all that came of it.
    pub body: Bytes,
    /// What came after the body, in its order: names in lower case, values as bytes.
    pub trailers: Vec<(String, Bytes)>,
    /// Whether the body came to its proper end.
    pub whole: bool,
    /// HTTP/1.1 or HTTP/2.
    pub version: Version,
    /// Which of the upstream's connections it came by, from 1.
    pub connection: u64,
    /// When its body was read.
    pub at: Instant,
}

/// The head of a request as it was written, to be compared with that of another attempt.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Head {
    /// HTTP/1.1: the first line, without its end. HTTP/2 has none: empty.
    pub line: Bytes,
    /// All headers in their order, names in lower case, values as bytes. Over HTTP/2 `:method`, `:scheme`, `:authority`
    /// and `:path` come first, in this order whatever theirs was, and the values of a name that is there several times
    /// come together.
    pub headers: Vec<(String, Bytes)>,
}

impl Head {
    /// The same without these headers: what is left has to be equal.
    #[must_use]
    pub fn without(mut self, names: &[&str]) -> Self {
        self.headers.retain(|(name, _)| !names.contains(&name.as_str()));
        self
    }

    /// From what came over the wire, up to the empty line.
    fn parse(written: &[u8]) -> Option<Self> {
        let mut lines = written
            .split(|byte| *byte == b'\n')
            .map(|line| line.strip_suffix(b"\r").unwrap_or(line));
        // A server has to overlook empty lines before the first one.
        let line = lines.by_ref().find(|line| !line.is_empty())?;
        let mut headers = Vec::new();
        for header in lines.take_while(|line| !line.is_empty()) {
            let colon = header.iter().position(|byte| *byte == b':')?;
            let (name, value) = header.split_at(colon);
            let value = value.get(1..)?.trim_ascii();
            headers.push((lower(name), Bytes::copy_from_slice(value)));
        }
        let line = Bytes::copy_from_slice(line);
        Some(Self { line, headers })
    }

    /// As well as it can be told from the request.
    fn of(head: &hyper::http::request::Parts) -> Self {
        let mut headers = Vec::new();
        if head.version == Version::HTTP_2 {
            let uri = &head.uri;
            let mut add = |name: &str, value: Option<&str>| {
                headers.extend(value.map(|value| (name.to_owned(), Bytes::copy_from_slice(value.as_bytes()))));
            };
            add(":method", Some(head.method.as_str()));
            add(":scheme", uri.scheme_str());
            add(":authority", uri.authority().map(hyper::http::uri::Authority::as_str));
            add(
                ":path",
                uri.path_and_query().map(hyper::http::uri::PathAndQuery::as_str),
            );
        }
        headers.extend(pairs(&head.headers));
        Self {
            line: Bytes::new(),
            headers,
        }
    }
}

impl Received {
    /// A header's first value, if there is one and it is text.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }

    /// The path without the query.
    #[must_use]
    pub fn path_only(&self) -> &str {
        self.path.split('?').next().unwrap_or_default()
    }

    /// Reads a request to its end. `written` is its head as it came, if that is known.
    pub(super) async fn read(request: Request<Incoming>, written: Option<Vec<u8>>, connection: u64) -> Self {
        let (parts, mut incoming) = request.into_parts();
        let head = written.and_then(|written| Head::parse(&written));
        let head = head.unwrap_or_else(|| Head::of(&parts));
        let mut headers = parts.headers;
        if let (Some(authority), false) = (parts.uri.authority(), headers.contains_key(HOST))
            && let Ok(host) = HeaderValue::from_str(authority.as_str())
        {
            headers.insert(HOST, host);
        }
        let mut body = BytesMut::new();
        let mut trailers = Vec::new();
        let mut whole = true;
        while let Some(frame) = incoming.frame().await {
            match frame.map(hyper::body::Frame::into_data) {
                Ok(Ok(data)) => body.extend_from_slice(&data),
                Ok(Err(frame)) => trailers.extend(frame.trailers_ref().into_iter().flat_map(pairs)),
                Err(_) => {
                    whole = false;
                    break;
                }
            }
        }
        Self {
            method: parts.method,
            path: parts.uri.path_and_query().map_or_else(String::new, ToString::to_string),
            headers,
            head,
            body: body.freeze(),
            trailers,
            whole,
            version: parts.version,
            connection,
            at: Instant::now(),
        }
    }
}

fn pairs(headers: &HeaderMap) -> impl Iterator<Item = (String, Bytes)> {
    headers
        .iter()
        .map(|(name, value)| (name.as_str().to_owned(), Bytes::copy_from_slice(value.as_bytes())))
}

fn lower(name: &[u8]) -> String {
    String::from_utf8_lossy(name).to_ascii_lowercase()
}
