//! A person's order to the status interface: JSON as well, with errors of the same form as the configuration's.

use super::ConfigError;
use super::block::Block;
use super::error::{BoxedError, Path};
use super::field::Field;
use super::json::Json;
use super::names::one_of;
use super::values;
use crate::model::HostAddr;
use std::ops::RangeInclusive;
use std::time::Duration;

type Result<T> = std::result::Result<T, BoxedError>;

const LASTS: RangeInclusive<Duration> = Duration::from_secs(1)..=Duration::from_secs(24 * 3600);

/// What a person orders.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Order {
    /// The host's cluster.
    pub cluster: String,
    /// The host.
    pub host: HostAddr,
    /// What is to be done with it: one of the actions that were given.
    pub action: &'static str,
    /// `for`: how long it is to hold.
    pub lasts: Option<Duration>,
    /// Why.
    pub reason: String,
}

impl Order {
    /// Reads an order whose action is one of `actions` and whose reason has at most so many bytes.
    ///
    /// # Errors
    /// The first thing that is wrong: where, what was found, and what would be right.
    pub fn from_json(
        bytes: &[u8],
        actions: &[&'static str],
        max_reason: usize,
    ) -> std::result::Result<Self, ConfigError> {
        read(bytes, actions, max_reason).map_err(|error| *error)
    }
}

fn read(bytes: &[u8], actions: &[&'static str], max_reason: usize) -> Result<Order> {
    const ONE: &str = "one object of JSON";
    let body = Path::top().field("body");
    let text = std::str::from_utf8(bytes).map_err(|_| body.error("text that is no UTF-8", ONE))?;
    let json: Json = serde_json::from_str(text).map_err(|error| body.error(format!("invalid JSON, {error}"), ONE))?;
    Block::read(body, &json, None, |block| {
        let cluster = block.take("cluster");
        let host = block.take("host");
        let action = block.take("action");
        let lasts = block.duration("for", LASTS)?;
        let reason = block.take("reason");
        // One that is misspelt is not missing.
        block.end()?;
        let cluster = there(block, cluster, "cluster", "the name of a cluster")?;
        let host = there(block, host, "host", "an IP address with a port")?;
        let action = there(block, action, "action", "what is to be done with the host")?;
        let reason = there(block, reason, "reason", "why, in a few words")?;
        let wanted = action.as_text().unwrap_or_default();
        let known = actions.iter().find(|known| **known == wanted);
        Ok(Order {
            cluster: values::text(&cluster, |text| !text.is_empty(), "the name of a cluster")?,
            host: values::host(&host)?,
            action: known.ok_or_else(|| action.refuse(one_of(actions.iter().copied(), wanted)))?,
            lasts,
            reason: values::text(
                &reason,
                // It goes into logs.
                |text| (1..=max_reason).contains(&text.trim().len()) && !text.chars().any(char::is_control),
                &format!("why, in 1 to {max_reason} bytes on one line"),
            )?,
        })
    })
}

fn there<'a>(block: &Block<'a>, field: Option<Field<'a>>, name: &str, expected: &str) -> Result<Field<'a>> {
    field.ok_or_else(|| block.missing(name, expected))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn order(json: &str) -> std::result::Result<Order, String> {
        Order::from_json(json.as_bytes(), &["eject", "release"], 12).map_err(|error| error.to_string())
    }

    const FULL: &str = r#"{"cluster": "a", "host": "10.0.0.1:80", "action": "eject", "for": "90s", "reason": "disk"}"#;

    #[test]
    fn an_order_says_what_to_do_with_whom_and_why() {
        let read = order(FULL);
        assert_eq!(
            read,
            Ok(Order {
                cluster: "a".to_owned(),
                host: "10.0.0.1:80".parse().unwrap(),
                action: "eject",
                lasts: Some(Duration::from_secs(90)),
                reason: "disk".to_owned(),
            })
        );
        let short = order(&FULL.replace(r#""for": "90s", "#, ""));
        assert_eq!(short.map(|order| order.lasts), Ok(None));
    }

    #[test]
    fn what_is_wrong_is_said_with_its_place() {
        for (from, to, error) in [
            (FULL, "", "body: found invalid JSON"),
            (FULL, "[]", "body: found []; expected an object"),
            ("\"a\"", "1", "body.cluster: found 1; expected the name of a cluster"),
            ("\"a\"", "\"\"", "body.cluster: found \"\""),
            (r#""cluster": "a","#, "", "body.cluster: found nothing"),
            (
                r#""cluster": "a","#,
                r#""clusters": "a","#,
                "body.clusters: found unknown field",
            ),
            (
                r#""cluster": "a","#,
                r#""cluster": "a", "cluster": "b","#,
                "body.cluster: found a second value",
            ),
            (r#""host": "10.0.0.1:80","#, "", "body.host: found nothing"),
            ("10.0.0.1:80", "10.0.0.1", "body.host: found \"10.0.0.1\""),
            ("10.0.0.1:80", "10.0.0.1:0", "body.host: found"),
            (r#""action": "eject","#, "", "body.action: found nothing"),
            (
                "eject",
                "ejct",
                "body.action: found \"ejct\"; expected one of eject, release (did you mean eject?)",
            ),
            (
                "90s",
                "90",
                "body.for: found \"90\"; expected a duration from 1s to 24h",
            ),
            ("90s", "999ms", "body.for"),
            ("90s", "25h", "body.for"),
            (r#", "reason": "disk""#, "", "body.reason: found nothing"),
            ("disk", "", "body.reason"),
            ("disk", "   ", "body.reason"),
            ("disk", "0123456789012", "body.reason"),
            ("disk", "a\\nb", "body.reason"),
        ] {
            let json = FULL.replacen(from, to, 1);
            let said = order(&json).expect_err(&json);
            assert!(said.starts_with(error), "{said} instead of {error}");
        }
        assert!(Order::from_json(b"\xff", &[], 1).is_err());
    }
}
