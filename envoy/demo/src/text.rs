//! Text with styles, cut to the terminal's width.

use std::fmt::Write;

/// How a piece of text looks. What it means must be readable without it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Style {
    /// As it is.
    Plain,
    /// Headings.
    Bold,
    /// What is there to be looked up.
    Dim,
    /// Green.
    Good,
    /// Red.
    Bad,
    /// Yellow.
    Warn,
}

impl Style {
    fn code(self) -> &'static str {
        match self {
            Self::Plain => "",
            Self::Bold => "\x1b[1m",
            Self::Dim => "\x1b[2m",
            Self::Good => "\x1b[32m",
            Self::Bad => "\x1b[1;31m",
            Self::Warn => "\x1b[1;33m",
        }
    }
}

/// One line. Each of its characters takes one column.
#[derive(Clone, Debug, Default)]
pub(crate) struct Line(Vec<(Style, String)>);

impl Line {
    /// An empty one.
    pub(crate) fn new() -> Self {
        Self::default()
    }

    /// With more text.
    pub(crate) fn and(mut self, style: Style, text: impl Into<String>) -> Self {
        self.0.push((style, text.into()));
        self
    }

    /// With more text in the plain style.
    pub(crate) fn plain(self, text: impl Into<String>) -> Self {
        self.and(Style::Plain, text)
    }

    /// As a terminal gets it, at most so many columns of it.
    pub(crate) fn rendered(&self, columns: usize, coloured: bool) -> String {
        let mut left = columns;
        let mut out = String::new();
        for (style, text) in &self.0 {
            let shown: String = text.chars().take(left).collect();
            left -= shown.chars().count();
            let code = if coloured { style.code() } else { "" };
            if code.is_empty() {
                out.push_str(&shown);
            } else {
                let _ = write!(out, "{code}{shown}\x1b[0m");
            }
        }
        out
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_cut_to_its_columns_whatever_its_styles() {
        let line = Line::new().and(Style::Bad, "▇▇▇").plain("abc");
        assert_eq!(line.rendered(4, false), "▇▇▇a");
        assert_eq!(line.rendered(2, true), "\x1b[1;31m▇▇\x1b[0m");
        assert_eq!(line.rendered(80, false), "▇▇▇abc");
    }
}
