//! Values that have rules of their own: a header's name, hosts, statuses.

use super::error::BoxedError;
use super::field::{Field, integer_of};
use crate::model::{HostAddr, Map};
use std::ops::RangeInclusive;

/// What a host may answer.
const STATUSES: RangeInclusive<u32> = 100..=599;

type Result<T> = std::result::Result<T, BoxedError>;

/// Headers with a meaning that the override header would destroy: the filter removes a client's own, and sets another.
const RESERVED: [&str; 24] = [
    "accept",
    "accept-encoding",
    "authorization",
    "cache-control",
    "connection",
    "content-encoding",
    "content-length",
    "content-type",
    "cookie",
    "date",
    "expect",
    "forwarded",
    "host",
    "http2-settings",
    "keep-alive",
    "proxy-authorization",
    "proxy-connection",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
    "user-agent",
    "via",
    "x-request-id",
];

/// The prefixes of more such headers.
const RESERVED_PREFIXES: [&str; 4] = [":", "grpc-", "x-envoy-", "x-forwarded-"];

/// The name of a request header that nobody else uses, in lower case.
pub(super) fn override_header(field: &Field<'_>) -> Result<String> {
    let name = field.as_text().unwrap_or_default().to_ascii_lowercase();
    if RESERVED.contains(&name.as_str()) || RESERVED_PREFIXES.iter().any(|prefix| name.starts_with(prefix)) {
        return Err(field.refuse("a header that has no other use, such as \"x-sidestep-host\""));
    }
    header_name(field, "the name of a header, such as \"x-sidestep-host\"")
}

/// The name of a header, in lower case. Pseudo-headers are none.
pub(super) fn header_name(field: &Field<'_>, expected: &str) -> Result<String> {
    const MAX_LENGTH: usize = 128;
    let name = field.as_text().unwrap_or_default().to_ascii_lowercase();
    if name.is_empty() || name.len() > MAX_LENGTH || !name.bytes().all(is_token) {
        return Err(field.refuse(expected));
    }
    Ok(name)
}

/// A text that is as it must be. It goes into a header, or is held against one: so it has an end.
pub(super) fn text(field: &Field<'_>, is_good: impl Fn(&str) -> bool, expected: &str) -> Result<String> {
    const MAX_LENGTH: usize = 1024;
    match field.as_text() {
        Some(text) if text.len() > MAX_LENGTH => {
            let found = format!("{} bytes", text.len());
            Err(field.path().error(found, format!("at most {MAX_LENGTH} bytes")))
        }
        Some(text) if is_good(text) => Ok(text.to_owned()),
        _ => Err(field.refuse(expected)),
    }
}

/// Whether a byte may stand in the name of a header or a method (RFC 9110, section 5.6.2).
pub(super) const fn is_token(byte: u8) -> bool {
    byte.is_ascii_alphanumeric()
        || matches!(
            byte,
            b'!' | b'#' | b'$' | b'%' | b'&' | b'\'' | b'*' | b'+' | b'-' | b'.' | b'^' | b'_' | b'`' | b'|' | b'~'
        )
}

/// The hosts of a cluster, at most `max_hosts`.
pub(super) fn hosts(field: &Field<'_>, max_hosts: usize) -> Result<Vec<HostAddr>> {
    let items = field
        .as_items()
        .ok_or_else(|| field.refuse("a list of hosts, such as [\"10.0.0.1:8080\"]"))?;
    if items.len() > max_hosts {
        let found = format!("{} hosts", items.len());
        return Err(field
            .path()
            .error(found, format!("at most {max_hosts}, as picking.max_hosts says")));
    }
    let mut seen = Map::default();
    let mut hosts = Vec::new();
    for item in items {
        let host = host(&item)?;
        if seen.insert(host, ()).is_some() {
            return Err(item.refuse("each host at most once"));
        }
        hosts.push(host);
    }
    Ok(hosts)
}

/// A host.
pub(super) fn host(item: &Field<'_>) -> Result<HostAddr> {
    const EXPECTED: &str = "an IP address with a port, such as \"10.0.0.1:8080\" or \"[2001:db8::1]:8080\"";
    let text = item.as_text().unwrap_or_default();
    // Names have letters, and at most the one colon before the port.
    let is_name = text.bytes().any(|byte| byte.is_ascii_alphabetic())
        && text.bytes().filter(|byte| *byte == b':').count() <= 1
        && !text.contains(['/', '[', ' ']);
    match text.parse::<HostAddr>() {
        Ok(host) if host.socket_addr().port() > 0 => Ok(host),
        Err(_) if is_name => Err(item.refuse(format!(
            "{EXPECTED}; leave out hosts with names: Envoy resolves them, and sidestep learns them from responses"
        ))),
        _ => Err(item.refuse(EXPECTED)),
    }
}

/// A status, a range of them, or a list of both: as ranges that are sorted and apart. `or_else` says what else may stand
/// here.
pub(super) fn status_ranges(field: &Field<'_>, or_else: &str) -> Result<Vec<RangeInclusive<u16>>> {
    // By status, which also needs less code than to sort ranges.
    let mut is_in = [false; 600];
    let mut add = |range: RangeInclusive<u16>| {
        let range = usize::from(*range.start())..=usize::from(*range.end());
        is_in.get_mut(range).unwrap_or_default().fill(true);
    };
    if let Some(items) = field.as_items() {
        for item in items {
            let range = status_range(&item);
            add(range.ok_or_else(|| item.refuse("a status from 100 to 599 or a range such as \"500-599\""))?);
        }
    } else if let Some(range) = status_range(field) {
        add(range);
    }
    let mut apart: Vec<RangeInclusive<u16>> = Vec::new();
    for (status, _) in (0..).zip(is_in).filter(|(_, is_in)| *is_in) {
        match apart.last_mut() {
            Some(last) if *last.end() + 1 == status => *last = *last.start()..=status,
            _ => apart.push(status..=status),
        }
    }
    if apart.is_empty() {
        return Err(field.refuse(format!(
            "a status from 100 to 599, a range such as \"500-599\", {or_else}"
        )));
    }
    Ok(apart)
}

fn status_range(field: &Field<'_>) -> Option<RangeInclusive<u16>> {
    let Some(text) = field.as_text() else {
        let status = field.integer(STATUSES).ok()? as u16;
        return Some(status..=status);
    };
    let (from, to) = text.split_once('-')?;
    let status = |digits: &str| {
        let status = integer_of(digits).filter(|status| STATUSES.contains(status))?;
        u16::try_from(status).ok()
    };
    let (from, to) = (status(from)?, status(to)?);
    (from <= to).then_some(from..=to)
}

/// Statuses, sorted, each once.
pub(super) fn status_codes(field: &Field<'_>) -> Result<Vec<u16>> {
    let items = field
        .as_items()
        .ok_or_else(|| field.refuse("a list of statuses, such as [409, 503]"))?;
    let mut codes = Vec::new();
    for item in items {
        let code = item.integer(STATUSES)? as u16;
        if let Err(place) = codes.binary_search(&code) {
            codes.insert(place, code);
        }
    }
    Ok(codes)
}
