//! From bytes to JSON, with an error that helps whoever pasted something else.

use super::error::{BoxedError, Path};
use super::json::{Json, show_text};
use super::wire;

/// The most bytes that a configuration may have. One that lists 10,000 hosts has a quarter of this.
const MAX_BYTES: usize = 1024 * 1024;

/// Reads the whole configuration; no bytes or only white space are an empty object.
pub(super) fn read(bytes: &[u8]) -> Result<Json, BoxedError> {
    if bytes.len() > MAX_BYTES {
        return Err(Path::top().error(format!("{} bytes", bytes.len()), format!("at most {MAX_BYTES} bytes")));
    }
    let text = match std::str::from_utf8(bytes) {
        Ok(text) if text.trim_ascii().is_empty() => return Ok(Json::Object(Vec::new())),
        Ok(text) => text,
        Err(e) => {
            let found = format!("text that is no UTF-8, from byte {} on", e.valid_up_to());
            return wire::read_struct(bytes).ok_or_else(|| refuse(found, ""));
        }
    };
    // JSON first: it cannot hold the control characters of a `Struct`, but a `Struct` may look like text.
    serde_json::from_str(text).or_else(|e| wire::read_struct(bytes).ok_or_else(|| explain(text, &e)))
}

fn explain(text: &str, error: &serde_json::Error) -> BoxedError {
    let line = text
        .lines()
        .nth(error.line().saturating_sub(1))
        .unwrap_or_default()
        .trim();
    let first = text.trim_ascii_start().chars().next();
    if let Some(at) = text
        .bytes()
        .position(|byte| byte.is_ascii_control() && !byte.is_ascii_whitespace())
    {
        refuse(
            format!("binary data, from byte {at} on"),
            " in a google.protobuf.StringValue, or the same as a google.protobuf.Struct",
        )
    } else if first.is_some_and(|c| c.is_alphabetic() || matches!(c, '#' | '-' | '\'')) {
        refuse(
            format!("{}, which is no JSON", show_text(line)),
            " (YAML has to be written as JSON)",
        )
    } else {
        refuse(format!("invalid JSON, {error}: {}", show_text(line)), "")
    }
}

fn refuse(found: String, hint: &str) -> BoxedError {
    Path::top().error(
        found,
        format!("one object of JSON, such as {{\"retry\": {{\"num_retries\": 1}}}}{hint}"),
    )
}
