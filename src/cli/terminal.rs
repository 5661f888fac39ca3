//! What people read: results on stdout, quiet when nobody reads them, and notes on stderr.

use std::fmt::Display;
use std::io::{self, ErrorKind, IsTerminal, Write};

use anyhow::{Context, Result};
use clap::ValueEnum;

use crate::report::{Rows, Style};

/// Prints a result. A closed pipe is how `head` ends a program, and no error.
pub fn print(text: &str) -> Result<()> {
    let mut stdout = io::stdout().lock();
    let written = stdout
        .write_all(text.as_bytes())
        .and_then(|()| stdout.flush());
    match written {
        Err(error) if error.kind() == ErrorKind::BrokenPipe => Ok(()),
        other => other.context("write to stdout"),
    }
}

/// Says what a person should know of a result.
pub fn note(text: impl Display) {
    eprintln!("note: {text}");
}

/// The first of many, and how many more there are: `a, b and 3 more`.
pub fn listed(items: &[String], most: usize, more: &str) -> String {
    let named = items.get(..most).unwrap_or(items).join(", ");
    match items.len().saturating_sub(most) {
        0 => named,
        count => format!("{named} and {count} {more}"),
    }
}

/// Whether results have colours.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum Color {
    /// On a terminal, unless NO_COLOR is set
    #[default]
    Auto,
    /// Also in pipes and files
    Always,
    /// Nowhere
    Never,
}

/// How the terminal wants its text.
pub fn style(color: Color) -> Style {
    let is_terminal = io::stdout().is_terminal();
    let size = is_terminal.then(terminal_size::terminal_size).flatten();
    let width = size.map(|(width, _)| width.0);
    let mut style = style_for(is_terminal, width, |name| std::env::var(name).ok());
    match color {
        Color::Auto => {}
        Color::Always => style.colour = true,
        Color::Never => style.colour = false,
    }
    style
}

/// Colours only on a terminal and without `NO_COLOR`, symbols only where the locale has them.
/// Source: <https://no-color.org>: the variable counts when it is set and not empty.
///
/// `COLUMNS` says the width also of what is no terminal.
fn style_for(
    is_terminal: bool,
    width: Option<u16>,
    variable: impl Fn(&str) -> Option<String>,
) -> Style {
    /// Less has no room for a table.
    const MIN_COLUMNS: u16 = 20;
    let text = |name| variable(name).unwrap_or_default();
    let is_dumb = text("TERM") == "dumb";
    // The first of these that is set decides, as in setlocale(3).
    let locale = ["LC_ALL", "LC_CTYPE", "LANG"]
        .into_iter()
        .map(text)
        .find(|value| !value.is_empty())
        .unwrap_or_default()
        .to_ascii_lowercase();
    let reads_unicode = locale.contains("utf-8") || locale.contains("utf8");
    let asked = text("COLUMNS").parse().ok();
    Style {
        width: asked.or(width).filter(|width| *width >= MIN_COLUMNS),
        colour: is_terminal && !is_dumb && text("NO_COLOR").is_empty(),
        unicode: !is_dumb && (reads_unicode || !is_terminal),
        rows: Rows::default(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_width_is_that_of_columns_else_of_the_terminal() {
        for (columns, terminal, expected) in [
            (None, None, None),
            (None, Some(80), Some(80)),
            (Some("120"), Some(80), Some(120)),
            (Some("120"), None, Some(120)),
            (Some("wide"), Some(80), Some(80)),
            (Some("0"), Some(80), None),
        ] {
            let variable = |name: &str| (name == "COLUMNS").then(|| columns.map(str::to_owned))?;
            let width = style_for(true, terminal, variable).width;
            assert_eq!(width, expected, "{columns:?} {terminal:?}");
        }
    }

    #[test]
    fn the_terminal_and_its_variables_decide_on_colours_and_symbols() {
        // Whether it is a terminal, the variables, colour, unicode.
        type Row = (bool, &'static [(&'static str, &'static str)], bool, bool);
        let rows: [Row; 7] = [
            (false, &[], false, true),
            (true, &[], true, false),
            (true, &[("LANG", "en_US.UTF-8")], true, true),
            (true, &[("LANG", "C.utf8"), ("NO_COLOR", "1")], false, true),
            (true, &[("LANG", "C.utf8"), ("NO_COLOR", "")], true, true),
            (true, &[("LANG", "C.utf8"), ("LC_ALL", "C")], true, false),
            (true, &[("LANG", "C.utf8"), ("TERM", "dumb")], false, false),
        ];
        for (is_terminal, variables, colour, unicode) in rows {
            let variable = |name: &str| {
                let found = variables.iter().find(|(key, _)| *key == name);
                found.map(|(_, value)| (*value).to_owned())
            };
            let style = style_for(is_terminal, None, variable);
            assert_eq!(
                (style.colour, style.unicode),
                (colour, unicode),
                "{variables:?}"
            );
        }
    }
}
