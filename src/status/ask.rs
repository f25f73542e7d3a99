//! What a request asks for, as its headers say.

use super::Answer;
use crate::config::StatusPolicy;
use crate::http::HeaderBlock;

/// What a request asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Ask {
    /// `GET /hosts`: the hosts of all clusters, or of one.
    Hosts {
        /// The one.
        cluster: Option<String>,
    },
    /// `POST /hosts`: the order in the body is to be carried out.
    Order,
    /// `GET /snapshot`: what is worth keeping.
    Snapshot,
    /// `PUT /snapshot`: the snapshot in the body is to be taken over.
    Restore {
        /// Or only what would come of it is to be said.
        dry_run: bool,
    },
}

impl Ask {
    /// Reads a request's headers.
    ///
    /// # Errors
    /// The answer to a request that asks for nothing that is to be had. Who has not the token learns no more than that.
    pub fn read(headers: &HeaderBlock, policy: &StatusPolicy) -> Result<Self, Answer> {
        if !is_authorized(headers, policy) {
            let answer = Answer::refusal(
                401,
                "the token of status.token is missing, as `authorization: Bearer TOKEN`",
            );
            return Err(answer.with("www-authenticate", "Bearer"));
        }
        let text = |name: &[u8]| headers.get(name).and_then(|value| std::str::from_utf8(value).ok());
        let (Some(method), Some(target)) = (text(b":method"), text(b":path")) else {
            return Err(Answer::refusal(400, "a method or a path that is no text"));
        };
        let (path, query) = target
            .split_once('?')
            .map_or((target, None), |(path, query)| (path, Some(query)));
        let ask = match (path, method) {
            ("/hosts", "GET" | "HEAD") => Self::Hosts {
                cluster: only_field(query, "cluster")?,
            },
            ("/hosts", "POST") => no_query(query).map(|()| Self::Order)?,
            ("/snapshot", "GET" | "HEAD") => no_query(query).map(|()| Self::Snapshot)?,
            ("/snapshot", "PUT") => Self::Restore {
                dry_run: match only_field(query, "dry_run")?.as_deref() {
                    None | Some("false") => false,
                    Some("true") => true,
                    Some(_) => return Err(Answer::refusal(400, "dry_run is neither true nor false")),
                },
            },
            ("/hosts", _) => return Err(not_allowed("GET, HEAD, POST")),
            ("/snapshot", _) => return Err(not_allowed("GET, HEAD, PUT")),
            _ => return Err(Answer::refusal(404, "there are /hosts and /snapshot")),
        };
        if ask.wants_body() {
            ask.check_body(headers, policy)?;
        }
        Ok(ask)
    }

    /// Whether the request is nothing without its body.
    pub const fn wants_body(&self) -> bool {
        matches!(self, Self::Order | Self::Restore { .. })
    }

    /// What the headers say of the body.
    fn check_body(&self, headers: &HeaderBlock, policy: &StatusPolicy) -> Result<(), Answer> {
        let content_type = headers.get(b"content-type").map(media_type);
        let right = match self {
            // It must be said: what a web page can send to anyone without asking does not say it.
            Self::Order => content_type.is_some_and(|found| found.eq_ignore_ascii_case(b"application/json")),
            _ => content_type.is_none_or(|found| found.eq_ignore_ascii_case(b"application/octet-stream")),
        };
        if !right {
            let expected = match self {
                Self::Order => "content-type is not application/json",
                _ => "content-type is not application/octet-stream",
            };
            return Err(Answer::refusal(415, expected));
        }
        if headers
            .get(b"content-encoding")
            .is_some_and(|found| !found.eq_ignore_ascii_case(b"identity"))
        {
            return Err(Answer::refusal(415, "a body with a content-encoding"));
        }
        match headers.number::<usize>(b"content-length") {
            Some(length) if length > policy.max_body_bytes => Err(too_large()),
            _ => Ok(()),
        }
    }
}

/// The answer to a body that is longer than `max_body_bytes`.
pub(super) fn too_large() -> Answer {
    Answer::refusal(413, "a body over status.max_body_bytes")
}

fn not_allowed(methods: &'static str) -> Answer {
    Answer::refusal(405, "there is no such method here").with("allow", methods)
}

fn is_authorized(headers: &HeaderBlock, policy: &StatusPolicy) -> bool {
    const SCHEME: &[u8] = b"bearer ";
    let Some(token) = &policy.token else {
        return true;
    };
    let mut found = headers.pairs().filter(|(name, _)| *name == b"authorization");
    let (Some((_, value)), None) = (found.next(), found.next()) else {
        return false;
    };
    value
        .split_at_checked(SCHEME.len())
        .is_some_and(|(scheme, offered)| scheme.eq_ignore_ascii_case(SCHEME) && token.is(offered.trim_ascii()))
}

/// A content type without its parameters.
fn media_type(value: &[u8]) -> &[u8] {
    value
        .split(|byte| *byte == b';')
        .next()
        .unwrap_or_default()
        .trim_ascii()
}

fn no_query(query: Option<&str>) -> Result<(), Answer> {
    match query {
        None | Some("") => Ok(()),
        Some(_) => Err(Answer::refusal(400, "a query where there is none")),
    }
}

/// The value of the only field that the query may have.
fn only_field(query: Option<&str>, name: &str) -> Result<Option<String>, Answer> {
    let mut found = None;
    for field in query.unwrap_or_default().split('&').filter(|field| !field.is_empty()) {
        let (written, value) = field.split_once('=').unwrap_or((field, ""));
        if written != name || found.is_some() {
            return Err(Answer::refusal(
                400,
                &format!("the query may have {name} once, and nothing else"),
            ));
        }
        let value = decoded(value).filter(|value| !value.is_empty());
        found = Some(value.ok_or_else(|| Answer::refusal(400, &format!("{name} is nothing that can be read")))?);
    }
    Ok(found)
}

/// A value of a query, its percent-encoding undone.
fn decoded(value: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(value.len());
    let mut rest = value.bytes();
    while let Some(byte) = rest.next() {
        if byte == b'%' {
            let mut digit = || char::from(rest.next()?).to_digit(16);
            let (high, low) = (digit()?, digit()?);
            bytes.push(u8::try_from(high * 16 + low).ok()?);
        } else {
            bytes.push(byte);
        }
    }
    String::from_utf8(bytes).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Role;

    fn read_with(policy: &str, pairs: &[(&str, &str)]) -> Result<Ask, Answer> {
        let Ok(Role::Status(policy)) = Role::from_json(policy.as_bytes()) else {
            panic!("no status interface: {policy}");
        };
        let pairs: Vec<_> = pairs
            .iter()
            .map(|(name, value)| (name.as_bytes(), value.as_bytes()))
            .collect();
        Ask::read(&HeaderBlock::from_pairs(&pairs), &policy)
    }

    fn read(method: &str, path: &str, more: &[(&str, &str)]) -> Result<Ask, u16> {
        let pairs = [&[(":method", method), (":path", path)], more].concat();
        read_with(r#"{"status": {"max_body_bytes": 2000}}"#, &pairs).map_err(|answer| answer.status)
    }

    const JSON: (&str, &str) = ("content-type", "application/json");

    #[test]
    fn what_is_to_be_had() {
        let all = Ok(Ask::Hosts { cluster: None });
        let one = |name: &str| {
            Ok(Ask::Hosts {
                cluster: Some(name.to_owned()),
            })
        };
        assert_eq!(read("GET", "/hosts", &[]), all);
        assert_eq!(read("HEAD", "/hosts", &[]), all);
        assert_eq!(read("GET", "/hosts?", &[]), all);
        assert_eq!(read("GET", "/hosts?cluster=a", &[]), one("a"));
        assert_eq!(
            read("GET", "/hosts?cluster=outbound%7C80%7c%C3%A4&", &[]),
            one("outbound|80|ä")
        );
        assert_eq!(read("GET", "/snapshot", &[]), Ok(Ask::Snapshot));
        for (json, length) in [("application/json", "2000"), ("Application/JSON ; charset=utf-8", "0")] {
            let more = [("content-type", json), ("content-length", length)];
            assert_eq!(read("POST", "/hosts", &more), Ok(Ask::Order));
        }
        for (query, dry_run) in [("", false), ("?dry_run=false", false), ("?dry_run=true", true)] {
            let path = format!("/snapshot{query}");
            assert_eq!(read("PUT", &path, &[]), Ok(Ask::Restore { dry_run }));
            let more = [
                ("content-type", "application/octet-stream"),
                ("content-encoding", "identity"),
            ];
            assert_eq!(read("PUT", &path, &more), Ok(Ask::Restore { dry_run }));
        }
    }

    #[test]
    fn all_else_is_refused() {
        for path in [
            "/",
            "",
            "*",
            "/host",
            "/hosts/",
            "/hosts/a",
            "//hosts",
            "/Hosts",
            "/snapshots",
            "/%68osts",
        ] {
            assert_eq!(read("GET", path, &[]), Err(404), "{path}");
        }
        for (method, path) in [
            ("PUT", "/hosts"),
            ("DELETE", "/hosts"),
            ("get", "/hosts"),
            ("CONNECT", "/hosts"),
            ("POST", "/snapshot"),
            ("OPTIONS", "/snapshot"),
        ] {
            assert_eq!(read(method, path, &[JSON]), Err(405), "{method} {path}");
        }
        for (method, path) in [
            ("GET", "/hosts?name=a"),
            ("GET", "/hosts?cluster"),
            ("GET", "/hosts?cluster="),
            ("GET", "/hosts?cluster=a&cluster=a"),
            ("GET", "/hosts?cluster=%"),
            ("GET", "/hosts?cluster=%4"),
            ("GET", "/hosts?cluster=%+4"),
            ("GET", "/hosts?cluster=%ff"),
            ("POST", "/hosts?cluster=a"),
            ("GET", "/snapshot?dry_run=true"),
            ("PUT", "/snapshot?dry_run=yes"),
            ("PUT", "/snapshot?dry_run"),
            ("PUT", "/snapshot?dry_run=true&dry_run=true"),
        ] {
            assert_eq!(read(method, path, &[JSON]), Err(400), "{method} {path}");
        }
        for (method, path, more) in [
            ("POST", "/hosts", vec![]),
            (
                "POST",
                "/hosts",
                vec![("content-type", "application/x-www-form-urlencoded")],
            ),
            ("POST", "/hosts", vec![("content-type", "text/plain; application/json")]),
            ("POST", "/hosts", vec![JSON, ("content-encoding", "gzip")]),
            ("PUT", "/snapshot", vec![JSON]),
        ] {
            assert_eq!(read(method, path, &more), Err(415), "{method} {path}");
        }
        assert_eq!(read("POST", "/hosts", &[JSON, ("content-length", "2001")]), Err(413));
        assert_eq!(
            read_with(r#"{"status": {}}"#, &[]).map_err(|answer| answer.status),
            Err(400)
        );
    }

    #[test]
    fn a_method_that_is_not_there_is_told_which_are() {
        let answer = read_with(r#"{"status": {}}"#, &[(":method", "PUT"), (":path", "/hosts")]);
        assert_eq!(answer.expect_err("405").extra, Some(("allow", "GET, HEAD, POST")));
    }

    #[test]
    fn without_the_token_there_is_nothing() {
        let read = |more: &[(&str, &str)]| {
            let pairs = [&[(":method", "GET"), (":path", "/hosts")], more].concat();
            read_with(r#"{"status": {"token": "abc"}}"#, &pairs)
        };
        for good in ["Bearer abc", "bearer abc", "BEARER  abc "] {
            assert!(read(&[("authorization", good)]).is_ok(), "{good}");
        }
        for bad in [
            "",
            "abc",
            "Bearer",
            "Bearer ",
            "Bearer ab",
            "Bearer abcd",
            "Basic abc",
            "Bearerabc",
            "Bearer abc, abc",
        ] {
            let answer = read(&[("authorization", bad)]).expect_err(bad);
            assert_eq!(
                (answer.status, answer.extra),
                (401, Some(("www-authenticate", "Bearer")))
            );
        }
        assert!(read(&[]).is_err());
        assert!(read(&[("authorization", "Bearer abc"), ("authorization", "Bearer abc")]).is_err());
        // Nor what there would be.
        let answer = read_with(
            r#"{"status": {"token": "abc"}}"#,
            &[(":method", "GET"), (":path", "/no")],
        );
        assert_eq!(answer.expect_err("401").status, 401);
    }
}
