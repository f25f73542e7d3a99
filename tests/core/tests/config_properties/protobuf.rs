//! The same in protobuf's forms: spellings of `outlier_detection`, and a whole configuration as bytes.

use serde_json::{Map, Value, json};
use sidestep::model::parse_duration;

/// The configuration with another spelling of each block of `outlier_detection`, as `dice` say.
pub(crate) fn respelled(config: &Value, dice: u64) -> Value {
    let mut config = config.clone();
    let mut dice = Dice(dice);
    let top = config.get_mut("outlier_detection").into_iter();
    top.for_each(|block| respell(block, &mut dice));
    if let Some(clusters) = config.get_mut("clusters").and_then(Value::as_object_mut) {
        let blocks = clusters
            .values_mut()
            .filter_map(|cluster| cluster.get_mut("outlier_detection"));
        blocks.for_each(|block| respell(block, &mut dice));
    }
    config
}

fn respell(block: &mut Value, dice: &mut Dice) {
    let fields = block.as_object().cloned().unwrap_or_default();
    let respelled = fields.into_iter().map(|(name, mut value)| {
        match &mut value {
            Value::Object(_) => respell(&mut value, dice),
            // The one number that is no field of Envoy's.
            _ if name == "factor" => {}
            _ => value = value_respelled(&value, dice),
        }
        (if dice.roll(2) == 0 { camel_case(&name) } else { name }, value)
    });
    *block = Value::Object(respelled.collect());
}

fn value_respelled(value: &Value, dice: &mut Dice) -> Value {
    match value {
        Value::Bool(false) if dice.roll(3) == 0 => json!({}),
        Value::Bool(_) if dice.roll(2) == 0 => json!({"value": value}),
        Value::Number(number) => {
            let digits = number.as_f64().expect("a double").to_string();
            match dice.roll(5) {
                0 if digits == "0" => json!({}),
                1 => json!({"value": value}),
                2 => json!(digits),
                3 => json!({"value": digits}),
                _ => value.clone(),
            }
        }
        Value::String(text) => {
            let duration = parse_duration(text).expect("a duration");
            let (seconds, nanos) = (duration.as_secs(), duration.subsec_nanos());
            match dice.roll(4) {
                0 => json!({"seconds": seconds, "nanos": nanos}),
                1 => json!({"seconds": seconds.to_string(), "nanos": nanos}),
                2 if nanos == 0 => json!({"seconds": seconds}),
                2 => json!(format!("{seconds}.{nanos:09}s")),
                _ => value.clone(),
            }
        }
        _ => value.clone(),
    }
}

/// As protobuf derives the name of a field in JSON.
fn camel_case(name: &str) -> String {
    let mut words = name.split('_');
    let first = words.next().unwrap_or_default().to_owned();
    words.fold(first, |camel, word| {
        let (initial, rest) = word.split_at(1);
        camel + &initial.to_ascii_uppercase() + rest
    })
}

/// Numbers at random, the same for the same seed.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: u64) -> u64 {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % sides
    }
}

/// A message of protobuf's: the field `number` with these bytes.
fn message(number: u8, bytes: &[u8]) -> Vec<u8> {
    let mut message = vec![number << 3 | 2];
    let mut size = bytes.len();
    while size > 127 {
        message.push(size as u8 | 0x80);
        size >>= 7;
    }
    message.push(size as u8);
    message.extend_from_slice(bytes);
    message
}

/// `google.protobuf.Value`.
fn wire_value(value: &Value) -> Vec<u8> {
    match value {
        Value::Null => vec![0x08, 0],
        Value::Bool(bool) => vec![0x20, u8::from(*bool)],
        Value::Number(number) => {
            let mut bytes = vec![0x11];
            bytes.extend(number.as_f64().expect("a double").to_le_bytes());
            bytes
        }
        Value::String(text) => message(3, text.as_bytes()),
        Value::Array(items) => {
            let items: Vec<_> = items.iter().flat_map(|item| message(1, &wire_value(item))).collect();
            message(6, &items)
        }
        Value::Object(fields) => message(5, &wire_struct(fields)),
    }
}

/// `google.protobuf.Struct`.
pub(crate) fn wire_struct(fields: &Map<String, Value>) -> Vec<u8> {
    let entry = |(name, value): (&String, &Value)| {
        message(
            1,
            &[message(1, name.as_bytes()), message(2, &wire_value(value))].concat(),
        )
    };
    fields.iter().flat_map(entry).collect()
}
