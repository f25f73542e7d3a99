//! `google.protobuf.Struct` in protobuf's wire form.
//!
//! Envoy hands a plugin the text of a `StringValue`, but a `Struct` as the message's bytes (Envoy 1.40,
//! `MessageUtil::anyToBytes`), although its documentation speaks of JSON. So that both ways to write a configuration
//! work, the few message types that a `Struct` is made of are read here.

use super::json::Json;

/// How deep values may be nested, as in `serde_json`.
const MAX_DEPTH: u32 = 128;

/// The object that these bytes are a `Struct` of; `None` if they are none.
pub(super) fn read_struct(bytes: &[u8]) -> Option<Json> {
    object(bytes, MAX_DEPTH)
}

/// `Struct`: field 1, repeated, is an entry of a key (1) and a value (2).
fn object(bytes: &[u8], depth: u32) -> Option<Json> {
    let depth = depth.checked_sub(1)?;
    let mut object = Vec::new();
    for field in Fields(bytes) {
        let (1, Wire::Bytes(entry)) = field? else {
            return None;
        };
        let (mut key, mut value) = (String::new(), Json::Null);
        for field in Fields(entry) {
            match field? {
                (1, Wire::Bytes(bytes)) => key = text(bytes)?,
                (2, Wire::Bytes(bytes)) => value = any(bytes, depth)?,
                _ => return None,
            }
        }
        object.push((key, value));
    }
    Some(Json::Object(object))
}

/// `Value`: one of null (1), number (2), string (3), bool (4), struct (5), list (6).
fn any(bytes: &[u8], depth: u32) -> Option<Json> {
    let mut value = Json::Null;
    for field in Fields(bytes) {
        value = match field? {
            (1, Wire::Varint(_)) => Json::Null,
            (2, Wire::Fixed64(bits)) => Json::Number(f64::from_bits(bits)),
            (3, Wire::Bytes(bytes)) => Json::Text(text(bytes)?),
            (4, Wire::Varint(bit)) => Json::Bool(bit != 0),
            (5, Wire::Bytes(bytes)) => object(bytes, depth)?,
            (6, Wire::Bytes(bytes)) => list(bytes, depth)?,
            _ => return None,
        };
    }
    Some(value)
}

/// `ListValue`: field 1, repeated, is a value.
fn list(bytes: &[u8], depth: u32) -> Option<Json> {
    let depth = depth.checked_sub(1)?;
    Fields(bytes)
        .map(|field| match field? {
            (1, Wire::Bytes(bytes)) => any(bytes, depth),
            _ => None,
        })
        .collect::<Option<Vec<_>>>()
        .map(Json::List)
}

fn text(bytes: &[u8]) -> Option<String> {
    std::str::from_utf8(bytes).ok().map(str::to_owned)
}

/// A field's content.
enum Wire<'a> {
    Varint(u64),
    Fixed64(u64),
    Bytes(&'a [u8]),
}

/// The fields of a message; `None` where the bytes are no message.
struct Fields<'a>(&'a [u8]);

impl<'a> Iterator for Fields<'a> {
    type Item = Option<(u64, Wire<'a>)>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.0.is_empty() {
            return None;
        }
        let field = self.field();
        if field.is_none() {
            self.0 = &[];
        }
        Some(field)
    }
}

impl<'a> Fields<'a> {
    fn field(&mut self) -> Option<(u64, Wire<'a>)> {
        let tag = self.varint()?;
        let wire = match tag & 7 {
            0 => Wire::Varint(self.varint()?),
            1 => {
                let (bits, rest) = self.0.split_first_chunk::<8>()?;
                self.0 = rest;
                Wire::Fixed64(u64::from_le_bytes(*bits))
            }
            2 => {
                let size = usize::try_from(self.varint()?).ok()?;
                let (bytes, rest) = self.0.split_at_checked(size)?;
                self.0 = rest;
                Wire::Bytes(bytes)
            }
            _ => return None,
        };
        Some((tag >> 3, wire))
    }

    fn varint(&mut self) -> Option<u64> {
        let mut value = 0_u64;
        for shift in (0..64).step_by(7) {
            let (byte, rest) = self.0.split_first()?;
            self.0 = rest;
            value |= u64::from(byte & 0x7f) << shift;
            if byte & 0x80 == 0 {
                return Some(value);
            }
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Captured from Envoy 1.40: `{ retry: { num_retries: 99 } }`.
    const CAPTURED: &[u8] = b"\n%\n\x05retry\x12\x1c*\x1a\n\x18\n\x0bnum_retries\x12\t\x11\0\0\0\0\0\xc0X@";

    fn json(text: &str) -> Option<Json> {
        Some(serde_json::from_str(text).expect("valid JSON"))
    }

    #[test]
    fn what_envoy_hands_over_for_a_struct_is_read() {
        assert_eq!(read_struct(CAPTURED), json(r#"{"retry": {"num_retries": 99}}"#));
    }

    #[test]
    fn every_kind_of_value_is_read() {
        let bytes = b"\n\x32\n\x01a\x12\x2d\x32\x2b\
            \n\x02\x08\0\
            \n\x02\x20\x01\
            \n\x03\x1a\x01x\
            \n\x02*\0\
            \n\x02\x32\0\
            \n\t\x11\0\0\0\0\0\0\xf8\x3f\
            \n\t\x11\0\0\0\0\0\0\x14\xc0";
        assert_eq!(read_struct(bytes), json(r#"{"a": [null, true, "x", {}, [], 1.5, -5]}"#));
    }

    #[test]
    fn json_is_no_struct_and_neither_is_a_cut_one() {
        assert_eq!(read_struct(b"\n{\"retry\": {}}"), None);
        for cut in 1..CAPTURED.len() {
            assert_eq!(read_struct(&CAPTURED[..cut]), None, "cut at {cut}");
        }
    }

    #[test]
    fn nesting_has_an_end() {
        let list = |value: &[u8]| message(6, &message(1, value));
        let entry = |value: &[u8]| message(1, &[message(1, b"a"), message(2, value)].concat());
        let nested = |depth: usize, wrap: &dyn Fn(&[u8]) -> Vec<u8>| {
            let value = (0..depth).fold(Vec::new(), |value, _| wrap(&value));
            read_struct(&entry(&value))
        };
        for wrap in [&list as &dyn Fn(&[u8]) -> Vec<u8>, &|value| message(5, &entry(value))] {
            assert!(nested(100, wrap).is_some());
            assert_eq!(nested(200, wrap), None);
        }
    }

    /// The field `number` with a message or text in it.
    fn message(number: u8, bytes: &[u8]) -> Vec<u8> {
        let mut field = vec![number << 3 | 2];
        let mut size = bytes.len();
        while size > 127 {
            field.push(size as u8 | 0x80);
            size >>= 7;
        }
        field.push(size as u8);
        field.extend_from_slice(bytes);
        field
    }
}
