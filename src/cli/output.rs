//! Results on stdout, quiet when nobody reads them.

use std::io::{self, ErrorKind, IsTerminal, Write};

use anyhow::{Context, Result};

use crate::report::Style;

/// Prints a result. A closed pipe is how `head` ends a program, and no error.
///
/// # Errors
/// When stdout cannot be written.
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

/// How the terminal wants its text: colours only on a terminal and without `NO_COLOR`,
/// symbols only where the locale has them.
pub fn style() -> Style {
    let variable = |name: &str| std::env::var(name).unwrap_or_default();
    let is_terminal = io::stdout().is_terminal();
    let is_dumb = variable("TERM") == "dumb";
    // The first of these that is set decides, as in setlocale(3).
    let locale = ["LC_ALL", "LC_CTYPE", "LANG"]
        .into_iter()
        .map(variable)
        .find(|value| !value.is_empty())
        .unwrap_or_default()
        .to_ascii_lowercase();
    let reads_unicode = locale.contains("utf-8") || locale.contains("utf8");
    Style {
        colour: is_terminal && !is_dumb && std::env::var_os("NO_COLOR").is_none(),
        unicode: !is_dumb && (reads_unicode || !is_terminal),
    }
}
