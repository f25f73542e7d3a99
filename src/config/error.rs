//! The one error of a configuration, and the paths that it names.

use super::json::show_text;
use std::fmt;

/// What is wrong with a configuration: one line with the path of the field, what was found, and what would be right.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{path}: found {found}; expected {expected}")]
pub struct ConfigError {
    /// Where: the field's path from the top, such as `clusters.backend.retry.num_retries`.
    pub path: String,
    /// What stands there, as JSON, shortened.
    pub found: String,
    /// What would be right.
    pub expected: String,
}

/// The error on its way out of the readers: one word, so that passing it on costs no code at each step.
pub(super) type BoxedError = Box<ConfigError>;

/// Where a value stands, as a person would look for it: `clusters.backend.hosts[2]`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Path(String);

impl Path {
    /// The whole configuration.
    pub(super) const fn top() -> Self {
        Self(String::new())
    }

    /// The field `name` of the object here. A name that could be misread in a path, such as one with a dot, is quoted.
    pub(super) fn field(&self, name: &str) -> Self {
        let is_plain = (1..=60).contains(&name.len())
            && name
                .bytes()
                .all(|b| b.is_ascii_alphanumeric() || b == b'_' || b == b'-');
        let mut path = self.0.clone();
        if !path.is_empty() {
            path.push('.');
        }
        path.push_str(&if is_plain { name.to_owned() } else { show_text(name) });
        Self(path)
    }

    /// The item at `index` of the list here.
    pub(super) fn item(&self, index: usize) -> Self {
        Self(format!("{}[{index}]", self.0))
    }

    /// Whether this is a field, which can be left out, and not an item or the whole.
    pub(super) fn is_field(&self) -> bool {
        !self.0.is_empty() && !self.0.ends_with(']')
    }

    /// The error of this place.
    pub(super) fn error(&self, found: impl Into<String>, expected: impl Into<String>) -> BoxedError {
        Box::new(ConfigError {
            path: self.to_string(),
            found: found.into(),
            expected: expected.into(),
        })
    }
}

impl fmt::Display for Path {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.0.is_empty() { "configuration" } else { &self.0 })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_names_fields_and_items() {
        let hosts = Path::top().field("clusters").field("back-end_1").field("hosts");
        assert_eq!(hosts.item(2).to_string(), "clusters.back-end_1.hosts[2]");
        assert_eq!(Path::top().to_string(), "configuration");
    }

    #[test]
    fn a_name_that_could_be_misread_is_quoted() {
        let clusters = Path::top().field("clusters");
        for (name, path) in [
            ("a.b", r#"clusters."a.b""#),
            ("", r#"clusters."""#),
            ("a\nb", r#"clusters."a\nb""#),
            ("outbound|80||a", r#"clusters."outbound|80||a""#),
        ] {
            assert_eq!(clusters.field(name).to_string(), path);
        }
    }
}
