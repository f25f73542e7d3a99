//! JSON, written.

use std::fmt::Write as _;
use std::time::Duration;

/// JSON that grows from front to back. Commas put themselves.
#[derive(Debug, Default)]
pub(super) struct Writer(String);

impl Writer {
    /// An object.
    pub(super) fn object(&mut self, fill: impl FnOnce(&mut Self)) {
        self.comma();
        self.0.push('{');
        fill(self);
        self.0.push('}');
    }

    /// A list.
    pub(super) fn list(&mut self, fill: impl FnOnce(&mut Self)) {
        self.comma();
        self.0.push('[');
        fill(self);
        self.0.push(']');
    }

    /// The name of the field whose value comes next.
    pub(super) fn name(&mut self, name: &str) -> &mut Self {
        self.text(name);
        self.0.push(':');
        self
    }

    /// A text.
    pub(super) fn text(&mut self, text: &str) {
        self.comma();
        self.0.push('"');
        for c in text.chars() {
            match c {
                '"' | '\\' => self.0.extend(['\\', c]),
                // Some of these are allowed, and confuse whoever reads them in a terminal.
                c if c.is_control() => {
                    let _ = write!(self.0, "\\u{:04x}", u32::from(c));
                }
                c => self.0.push(c),
            }
        }
        self.0.push('"');
    }

    /// A text, or null.
    pub(super) fn text_or_null(&mut self, text: Option<&str>) {
        match text {
            Some(text) => self.text(text),
            None => self.raw("null"),
        }
    }

    /// A number.
    pub(super) fn number(&mut self, number: usize) {
        self.raw(&number.to_string());
    }

    /// True or false.
    pub(super) fn boolean(&mut self, value: bool) {
        self.raw(if value { "true" } else { "false" });
    }

    /// A time that is left, or null: seconds with one decimal, which is not zero before the time is over.
    pub(super) fn time_left(&mut self, time: Option<Duration>) {
        self.text_or_null(time.map(tenths).as_deref());
    }

    /// Null.
    pub(super) fn null(&mut self) {
        self.raw("null");
    }

    /// The text, with a line's end.
    pub(super) fn end(mut self) -> Vec<u8> {
        self.0.push('\n');
        self.0.into_bytes()
    }

    fn raw(&mut self, text: &str) {
        self.comma();
        self.0.push_str(text);
    }

    fn comma(&mut self) {
        if !self.0.is_empty() && !self.0.ends_with(['{', '[', ':']) {
            self.0.push(',');
        }
    }
}

/// Seconds with one decimal, rounded up: as the configuration takes them.
fn tenths(time: Duration) -> String {
    let tenths = time.as_millis().div_ceil(100);
    format!("{}.{}s", tenths / 10, tenths % 10)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_reads_back() {
        let mut json = Writer::default();
        json.object(|json| {
            json.name("a\"{:[,\\").text("b{");
            json.name("list").list(|json| {
                json.number(0);
                json.boolean(true);
                json.null();
                json.object(|_| {});
                json.list(|_| {});
                json.text("\n\u{7f}ä\u{9b}");
                json.text_or_null(None);
            });
            json.name("left").time_left(Some(Duration::from_millis(12_301)));
        });
        let bytes = json.end();
        let value: serde_json::Value = serde_json::from_slice(&bytes).unwrap();
        let expected = serde_json::json!({
            "a\"{:[,\\": "b{", "list": [0, true, null, {}, [], "\n\u{7f}ä\u{9b}", null], "left": "12.4s",
        });
        assert_eq!(value, expected);
        assert!(!bytes[..bytes.len() - 1].iter().any(u8::is_ascii_control));
    }

    #[test]
    fn time_that_is_left_is_not_nothing() {
        for (millis, text) in [
            (0, "0.0s"),
            (1, "0.1s"),
            (100, "0.1s"),
            (29_901, "30.0s"),
            (86_400_000, "86400.0s"),
        ] {
            assert_eq!(tenths(Duration::from_millis(millis)), text);
        }
    }
}
