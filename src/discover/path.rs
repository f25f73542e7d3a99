//! What to ask the admin interface for.

use std::fmt::Write;

/// All clusters, as JSON.
const ALL: &str = "/clusters?format=json";

/// The longest path that is asked for, in bytes. Envoy takes headers of 60 KiB; this leaves room for the others, and
/// keeps the pattern small.
const MAX_PATH: usize = 16 * 1024;

/// The path and query of a request for the hosts of these clusters.
///
/// The query has Envoy leave out all other clusters (`filter`, a regular expression), which saves it most of the work
/// where there are many. It is only a hint: an Envoy that does not know it answers with all clusters, and if the path
/// would get too long, or a name has bytes that cannot stand in a pattern, all are asked for.
pub fn path<'a>(clusters: impl IntoIterator<Item = &'a str>) -> String {
    let mut path = format!("{ALL}&filter=%5E%28");
    for (index, name) in clusters.into_iter().enumerate() {
        if index > 0 {
            path.push_str("%7C");
        }
        for byte in name.bytes() {
            match byte {
                b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'_' => path.push(char::from(byte)),
                0..=b' ' | 0x7f => return ALL.to_owned(),
                // RE2 takes any other ASCII character literally behind a backslash, and needs none before the rest.
                b'!'..=b'~' => push_escaped(&mut path, "%5C", byte),
                0x80.. => push_escaped(&mut path, "", byte),
            }
        }
        if path.len() > MAX_PATH {
            return ALL.to_owned();
        }
    }
    path.push_str("%29%24");
    path
}

fn push_escaped(path: &mut String, before: &str, byte: u8) {
    // Writing to a string does not fail.
    let _ = write!(path, "{before}%{byte:02X}");
}
