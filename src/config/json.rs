//! JSON as it was written: every field in its place, a repeated one too.
//!
//! `serde_json::Value` keeps the last of two fields with the same name and forgets the other. Here both stay, so
//! that the reader of an object can refuse them by path.

use serde::Deserialize;
use serde::de::{Deserializer, MapAccess, SeqAccess, Visitor};
use std::fmt;

/// The fields of an object, in their order.
pub(super) type Fields = [(String, Json)];

/// A JSON value.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Json {
    Null,
    Bool(bool),
    /// All numbers are doubles, as they are in a `google.protobuf.Struct`: `5` and `5.0` are the same.
    Number(f64),
    Text(String),
    List(Vec<Json>),
    Object(Vec<(String, Json)>),
}

impl<'de> Deserialize<'de> for Json {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(JsonVisitor)
    }
}

struct JsonVisitor;

impl<'de> Visitor<'de> for JsonVisitor {
    type Value = Json;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_unit<E>(self) -> Result<Json, E> {
        Ok(Json::Null)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Json, E> {
        Ok(Json::Bool(value))
    }

    fn visit_f64<E>(self, value: f64) -> Result<Json, E> {
        Ok(Json::Number(value))
    }

    // No field of the configuration takes an integer that a double cannot hold, so rounding never hides an error.
    fn visit_u64<E>(self, value: u64) -> Result<Json, E> {
        Ok(Json::Number(value as f64))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Json, E> {
        Ok(Json::Number(value as f64))
    }

    fn visit_str<E>(self, value: &str) -> Result<Json, E> {
        Ok(Json::Text(value.to_owned()))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Json, A::Error> {
        let mut list = Vec::new();
        while let Some(item) = items.next_element()? {
            list.push(item);
        }
        Ok(Json::List(list))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Json, A::Error> {
        let mut fields = Vec::new();
        while let Some(field) = entries.next_entry()? {
            fields.push(field);
        }
        Ok(Json::Object(fields))
    }
}

/// The most characters of a value that an error shows.
const SHOWN: usize = 60;

/// A value as JSON for an error: on one line, no longer than a reader needs to recognise it.
pub(super) fn show(value: &Json) -> String {
    let mut shown = Excerpt::default();
    shown.value(value);
    shown.end()
}

/// A text as a JSON string for an error, under the bounds of [`show`].
pub(super) fn show_text(text: &str) -> String {
    let mut shown = Excerpt::default();
    shown.text(text);
    shown.end()
}

/// The beginning of some JSON.
#[derive(Default)]
struct Excerpt {
    text: String,
    chars: usize,
}

impl Excerpt {
    /// Whether nothing that follows would be shown.
    const fn is_full(&self) -> bool {
        self.chars > SHOWN
    }

    fn raw(&mut self, text: &str) {
        for c in text.chars().take((SHOWN + 1).saturating_sub(self.chars)) {
            self.text.push(c);
            self.chars += 1;
        }
    }

    fn text(&mut self, text: &str) {
        self.raw("\"");
        for c in text.chars() {
            if self.is_full() {
                return;
            }
            match c {
                '"' => self.raw("\\\""),
                '\\' => self.raw("\\\\"),
                '\n' => self.raw("\\n"),
                '\r' => self.raw("\\r"),
                '\t' => self.raw("\\t"),
                c if is_safe(c) => self.raw(c.encode_utf8(&mut [0; 4])),
                c => self.raw(&format!("\\u{:04x}", u32::from(c))),
            }
        }
        self.raw("\"");
    }

    fn value(&mut self, value: &Json) {
        match value {
            Json::Null => self.raw("null"),
            Json::Bool(true) => self.raw("true"),
            Json::Bool(false) => self.raw("false"),
            Json::Number(number) => self.raw(&show_number(*number)),
            Json::Text(text) => self.text(text),
            Json::List(items) => {
                self.raw("[");
                for (i, item) in items.iter().enumerate() {
                    if self.is_full() {
                        return;
                    }
                    self.raw(if i == 0 { "" } else { "," });
                    self.value(item);
                }
                self.raw("]");
            }
            Json::Object(fields) => {
                self.raw("{");
                for (i, (name, value)) in fields.iter().enumerate() {
                    if self.is_full() {
                        return;
                    }
                    self.raw(if i == 0 { "" } else { "," });
                    self.text(name);
                    self.raw(":");
                    self.value(value);
                }
                self.raw("}");
            }
        }
    }

    fn end(mut self) -> String {
        if self.is_full() {
            let kept = self
                .text
                .char_indices()
                .nth(SHOWN - 3)
                .map_or(self.text.len(), |(at, _)| at);
            self.text.truncate(kept);
            self.text.push_str("...");
        }
        self.text
    }
}

/// A number with six decimals, as far as they say something. The standard library's way to write doubles exactly would
/// take a twentieth of the module, for digits that nobody reads.
fn show_number(number: f64) -> String {
    const PLAIN: f64 = 1e15;
    if !number.is_finite() {
        return (if number.is_nan() { "NaN" } else { "Infinity" }).to_owned();
    }
    if number.fract() == 0.0 && number.abs() < PLAIN {
        return (number as i64).to_string();
    }
    let (mut size, mut exponent) = (number.abs(), 0_i32);
    while size >= PLAIN || (exponent > 0 && size >= 10.0) {
        size /= 10.0;
        exponent += 1;
    }
    while size < 1e-3 || (exponent < 0 && size < 1.0) {
        size *= 10.0;
        exponent -= 1;
    }
    let millionths = ((size.fract() * 1e6 + 0.5) as u32).min(999_999);
    let sign = if number < 0.0 { "-" } else { "" };
    let mut text = format!("{sign}{}.{millionths:06}", size.trunc() as u64);
    text.truncate(text.trim_end_matches('0').trim_end_matches('.').len());
    match exponent {
        // What is no integer must not look like one.
        0 if millionths == 0 => format!("{text}.000000..."),
        0 => text,
        _ => format!("{text}e{exponent}"),
    }
}

/// Whether a character may stand in a line of a log: none that ends a line, controls a terminal, or turns the
/// direction of text around.
const fn is_safe(c: char) -> bool {
    !matches!(c,
        '\0'..='\x1f' | '\x7f'..='\u{9f}' | '\u{ad}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}'
        | '\u{2060}'..='\u{206f}' | '\u{feff}')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Json {
        serde_json::from_str(text).expect("valid JSON")
    }

    #[test]
    fn both_of_two_fields_with_one_name_are_kept() {
        let field = |value| ("a".to_owned(), Json::Number(value));
        assert_eq!(read(r#"{"a":1,"a":2.0}"#), Json::Object(vec![field(1.0), field(2.0)]));
    }

    #[test]
    fn a_short_value_is_shown_as_it_was_written() {
        for text in [
            "null",
            "true",
            "5",
            "-0.5",
            r#""a\"\\b""#,
            r#"[1,"x",{}]"#,
            r#"{"a":[],"b":null}"#,
        ] {
            assert_eq!(show(&read(text)), text);
        }
    }

    #[test]
    fn a_number_is_recognised_by_its_first_digits() {
        for (number, text) in [
            (0.0, "0"),
            (-0.0, "0"),
            (100.0, "100"),
            (4_294_967_296.0, "4294967296"),
            (-999_999_999_999_999.0, "-999999999999999"),
            (0.5, "0.5"),
            (-12.25, "-12.25"),
            (0.1, "0.1"),
            (1.0 / 3.0, "0.333333"),
            (99.999_999_9, "99.999999"),
            (5.000_000_01, "5.000000..."),
            (0.001, "0.001"),
            (0.000_123, "1.23e-4"),
            (1e15, "1e15"),
            (-1.5e300, "-1.5e300"),
            (f64::NAN, "NaN"),
            (f64::INFINITY, "Infinity"),
            (f64::NEG_INFINITY, "Infinity"),
        ] {
            assert_eq!(show(&Json::Number(number)), text, "{number}");
        }
        for extreme in [f64::MAX, f64::MIN_POSITIVE, 5e-324] {
            assert!(show(&Json::Number(extreme)).len() < 20);
        }
    }

    #[test]
    fn a_long_value_is_cut_to_sixty_characters() {
        let sixty = "ä".repeat(58);
        assert_eq!(show_text(&sixty), format!("\"{sixty}\""));
        let shown = show_text(&"ä".repeat(59));
        assert_eq!(shown, format!("\"{}...", "ä".repeat(56)));
        assert_eq!(shown.chars().count(), SHOWN);
    }

    #[test]
    fn what_could_break_the_line_or_the_terminal_is_escaped() {
        assert_eq!(
            show_text("a\n\r\t\0\x1b[1m\u{85}\u{2028}\u{202e}b"),
            r#""a\n\r\t\u0000\u001b[1m\u0085\u2028\u202eb""#
        );
    }
}
