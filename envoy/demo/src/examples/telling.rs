//! How an example is told: what is done and seen, when, and at the end what was claimed.

use super::ExampleError;
use crate::text::{Line, Style};
use serde_json::Value;
use std::io::{self, IsTerminal, Write};
use std::time::Instant;

/// What has been told so far.
#[derive(Debug)]
pub(crate) struct Telling {
    start: Instant,
    coloured: bool,
    claims: Vec<(bool, String)>,
}

impl Telling {
    /// Starts the clock.
    pub(crate) fn begin() -> Self {
        let no_colour = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
        Self {
            start: Instant::now(),
            coloured: io::stdout().is_terminal() && !no_colour,
            claims: Vec::new(),
        }
    }

    /// What the example is about, and the plugin's configuration.
    pub(crate) fn title(&self, title: &str, plugin: &Value) -> io::Result<()> {
        self.put(&Line::new().and(Style::Bold, title))?;
        self.put(&Line::new().plain(format!("plugin configuration: {plugin}\n")))
    }

    /// Something is done.
    pub(crate) fn done(&self, text: impl Into<String>) -> io::Result<()> {
        self.put(&self.moment().and(Style::Bold, text))
    }

    /// Something is seen.
    pub(crate) fn seen(&self, text: impl Into<String>) -> io::Result<()> {
        self.put(&self.moment().plain(text))
    }

    /// The module says something in Envoy's log. This is the line, without what Envoy puts before it.
    pub(crate) fn logged(&self, line: &str) -> io::Result<()> {
        let said = line.split_once("wasm log ").map_or(line, |(_, said)| said);
        let said = said.split_once(": ").map_or(said, |(_, said)| said);
        self.put(&self.moment().plain("log: ").and(Style::Warn, said))
    }

    /// More about what was told last.
    pub(crate) fn more(&self, text: impl AsRef<str>) -> io::Result<()> {
        self.put(&Line::new().plain(format!("{:10}{}", "", text.as_ref())))
    }

    /// What the example is there to show, and whether it was seen.
    pub(crate) fn claim(&mut self, seen: bool, what: impl Into<String>) {
        self.claims.push((seen, what.into()));
    }

    /// Tells the claims.
    pub(crate) fn end(self) -> Result<(), ExampleError> {
        self.put(&Line::new())?;
        for (seen, what) in &self.claims {
            let mark = if *seen {
                Line::new().and(Style::Good, "seen      ")
            } else {
                Line::new().and(Style::Bad, "NOT SEEN  ")
            };
            self.put(&mark.plain(what.as_str()))?;
        }
        match self.claims.iter().filter(|(seen, _)| !seen).count() {
            0 => Ok(()),
            missing => Err(ExampleError::NotSeen(missing)),
        }
    }

    fn moment(&self) -> Line {
        Line::new().and(Style::Dim, format!("{:5.1} s   ", self.start.elapsed().as_secs_f64()))
    }

    fn put(&self, line: &Line) -> io::Result<()> {
        writeln!(io::stdout(), "{}", line.rendered(usize::MAX, self.coloured))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_claim_that_was_not_seen_is_a_failure() {
        let mut telling = Telling::begin();
        telling.claim(true, "one thing");
        assert!(telling.end().is_ok());
        let mut telling = Telling::begin();
        telling.claim(true, "one thing");
        telling.claim(false, "another");
        assert!(matches!(telling.end(), Err(ExampleError::NotSeen(1))));
    }
}
