//! From serde shapes to the validated configuration.
use super::{Config, ConfigError};

pub(super) fn parse(_bytes: &[u8]) -> Result<Config, ConfigError> {
    Ok(Config::default())
}
