//! The terminal: a screen of our own that is given back when the value goes.

use crate::text::Line;
use std::fmt::Write as _;
use std::io::{self, IsTerminal, Write};

/// A second screen, without cursor and without wrapping of lines.
const ENTER: &str = "\x1b[?1049h\x1b[?25l\x1b[?7l\x1b[2J";
const LEAVE: &str = "\x1b[?7h\x1b[?25h\x1b[?1049l";

/// The terminal, while it shows a screen of ours.
#[derive(Debug)]
pub(crate) struct Terminal {
    coloured: bool,
}

impl Terminal {
    /// Takes the terminal over. `None` if the output is none, or one that can't place its cursor.
    pub(crate) fn take() -> io::Result<Option<Self>> {
        let can = std::env::var_os("TERM").is_some_and(|term| term != "dumb" && !term.is_empty());
        if !can || !io::stdout().is_terminal() {
            return Ok(None);
        }
        let terminal = Self {
            coloured: std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty()),
        };
        put(ENTER)?;
        Ok(Some(terminal))
    }

    /// Columns and rows.
    pub(crate) fn size() -> (usize, usize) {
        let size = rustix::termios::tcgetwinsize(io::stdout()).ok();
        size.filter(|size| size.ws_col > 0 && size.ws_row > 0)
            .map_or((80, 24), |size| (usize::from(size.ws_col), usize::from(size.ws_row)))
    }

    /// Shows these lines from the top; what does not fit is left out.
    pub(crate) fn show(&self, lines: &[Line]) -> io::Result<()> {
        let (columns, rows) = Self::size();
        // In one piece, and over what is there: nothing flickers.
        let mut out = String::from("\x1b[H");
        for (row, line) in lines.iter().take(rows).enumerate() {
            let new_line = if row == 0 { "" } else { "\r\n" };
            // Cleared before, not after: a full line leaves the cursor on its last character.
            let _ = write!(out, "{new_line}\x1b[K{}", line.rendered(columns, self.coloured));
        }
        if lines.len() < rows {
            out.push_str("\r\n\x1b[J");
        }
        put(&out)
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        let _ = put(LEAVE);
    }
}

fn put(text: &str) -> io::Result<()> {
    let mut stdout = io::stdout().lock();
    stdout.write_all(text.as_bytes())?;
    stdout.flush()
}
