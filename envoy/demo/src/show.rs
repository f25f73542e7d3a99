//! Showing the run: a picture that is redrawn in a terminal, lines anywhere else.

use crate::phase::VICTIM;
use crate::screen::{moment, picture};
use crate::story::{State, Story};
use crate::terminal::Terminal;
use crate::traffic::Side;
use std::io::{self, Write};

/// Where the run is shown.
#[derive(Debug)]
pub(crate) enum Show {
    /// A terminal.
    Screen(Terminal),
    /// Something that takes lines.
    Lines(Lines),
}

/// What has been written.
#[derive(Debug, Default)]
pub(crate) struct Lines {
    events: usize,
    seconds: u64,
}

impl Show {
    /// Finds out where the output goes. Takes a terminal over.
    pub(crate) fn start() -> io::Result<Self> {
        Ok(match Terminal::take()? {
            Some(terminal) => Self::Screen(terminal),
            None => Self::Lines(Lines::default()),
        })
    }

    /// Shows what is new.
    pub(crate) fn show(&mut self, story: &Story) -> io::Result<()> {
        match self {
            Self::Screen(terminal) => terminal.show(&picture(story, Terminal::size().1)),
            Self::Lines(lines) => lines.show(story),
        }
    }

    /// Gives a terminal back, and leaves there what lines would have left: what happened.
    pub(crate) fn end(self, story: &Story) -> io::Result<()> {
        if let Self::Screen(terminal) = self {
            drop(terminal);
            Lines::default().events(story)?;
        }
        Ok(())
    }
}

impl Lines {
    fn show(&mut self, story: &Story) -> io::Result<()> {
        self.events(story)?;
        let now = story.clock.now();
        if now.as_secs() == self.seconds {
            return Ok(());
        }
        self.seconds = now.as_secs();
        let state = match story.state(VICTIM) {
            State::Healthy => "all hosts healthy".to_owned(),
            state => format!("host {} {}", VICTIM + 1, state.text()),
        };
        let [with, without] = Side::ALL.map(|side| {
            let rate: f64 = (0..story.hosts.len()).map(|host| story.rate(side, host)).sum();
            let failed = story.traffic.tally().total(side).errors;
            format!("{rate:3.0} req/s, {failed} errors")
        });
        writeln!(
            io::stdout(),
            "{}with sidestep: {with}, {} saved, {state} | without: {without}",
            moment(now),
            story.counts().saved,
        )
    }

    fn events(&mut self, story: &Story) -> io::Result<()> {
        let mut out = io::stdout().lock();
        for event in story.events().iter().skip(self.events) {
            writeln!(out, "{}* {}", moment(event.at), event.text)?;
        }
        self.events = story.events().len();
        Ok(())
    }
}
