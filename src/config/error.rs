//! The one error of a configuration.

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
