//! Values that have rules of their own: a header's name, hosts, statuses.

use super::block::Field;
use super::error::BoxedError;
use crate::model::HostAddr;
use std::collections::HashSet;

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
pub(super) fn header(field: &Field<'_>) -> Result<String> {
    const MAX_LENGTH: usize = 128;
    let name = field.as_text().unwrap_or_default().to_ascii_lowercase();
    if RESERVED.contains(&name.as_str()) || RESERVED_PREFIXES.iter().any(|prefix| name.starts_with(prefix)) {
        return Err(field.refuse("a header that has no other use, such as \"x-sidestep-host\""));
    }
    if name.is_empty() || name.len() > MAX_LENGTH || !name.bytes().all(is_token) {
        return Err(field.refuse("the name of a header, such as \"x-sidestep-host\""));
    }
    Ok(name)
}

/// Whether a byte may stand in a header's name (RFC 9110, section 5.6.2).
const fn is_token(byte: u8) -> bool {
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
    let mut seen = HashSet::new();
    let mut hosts = Vec::new();
    for item in items {
        let host = host(&item)?;
        if !seen.insert(host) {
            return Err(item.refuse("each host at most once"));
        }
        hosts.push(host);
    }
    Ok(hosts)
}

fn host(item: &Field<'_>) -> Result<HostAddr> {
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

/// Statuses, sorted, each once.
pub(super) fn status_codes(field: &Field<'_>) -> Result<Vec<u16>> {
    let items = field
        .as_items()
        .ok_or_else(|| field.refuse("a list of statuses, such as [409, 503]"))?;
    let mut codes = Vec::new();
    for item in items {
        let code = item.integer(100..=599)? as u16;
        if let Err(place) = codes.binary_search(&code) {
            codes.insert(place, code);
        }
    }
    Ok(codes)
}
