//! What Envoy writes: its log, and the access log.

use super::Envoy;
use crate::wait::{TimedOut, wait_for};

impl Envoy {
    /// Envoy's log so far.
    #[must_use]
    pub fn log(&self) -> String {
        self.process.folder().log_text()
    }

    /// Waits until the log has a line with this in it, and gives that line.
    ///
    /// # Errors
    /// It did not come in time.
    pub async fn until_log(&self, part: &str) -> Result<String, TimedOut> {
        wait_for(format!("{part:?} in Envoy's log"), || async {
            let log = self.log();
            log.lines().find(|line| line.contains(part)).map(str::to_owned)
        })
        .await
    }

    /// The access log so far, line by line, if the configuration [asked](super::EnvoyConfig::access_log) for one.
    #[must_use]
    pub fn access_log(&self) -> Vec<String> {
        self.process.folder().access_log_lines()
    }

    /// Waits until the access log has so many lines, and gives all that it has then.
    ///
    /// # Errors
    /// They did not come in time; the error has how many there were.
    pub async fn until_access_log(&self, lines: usize) -> Result<Vec<String>, TimedOut> {
        let look = || async { Some(self.access_log()).filter(|found| found.len() >= lines) };
        wait_for(format!("{lines} lines of access log"), look)
            .await
            .map_err(|error| error.with(Some(self.access_log().len() as u64)))
    }
}
