//! How text looks on a terminal: symbols, colours, columns.

use clap::ValueEnum;
use comfy_table::{Cell, Color, ContentArrangement, Row, Table, presets};

/// What the rows of the matrix are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum Rows {
    /// One image, however it is spelled
    #[default]
    Image,
    /// One workload
    Workload,
    /// The workloads of one namespace
    Namespace,
    /// One node platform
    Platform,
}

/// How text may look.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Style {
    /// Whether colours may be used.
    pub colour: bool,
    /// Whether the terminal reads UTF-8.
    pub unicode: bool,
    /// How many columns of text there are; as many as it takes where nobody knows.
    pub width: Option<u16>,
    /// What the rows of the matrix are.
    pub rows: Rows,
}

impl Style {
    /// Text for files and pipes.
    pub const PLAIN: Self = Self {
        colour: false,
        unicode: true,
        width: None,
        rows: Rows::Image,
    };

    /// A word with its symbol and, on a terminal, its colour. Colour is never alone.
    pub fn mark(self, word: &str) -> String {
        let (symbol, _, code) = self.sign(word);
        self.paint(code, &format!("{symbol} {word}"))
    }

    /// The same as a cell, whose width does not count the colour.
    pub(super) fn cell(self, word: &str) -> Cell {
        let (symbol, colour, _) = self.sign(word);
        Cell::new(format!("{symbol} {word}")).fg(colour)
    }

    /// The symbol of a word, and its colour for a table and by its code.
    fn sign(self, word: &str) -> (&'static str, Color, &'static str) {
        let (symbol, ascii, colour, code) = match word.split(' ').next().unwrap_or_default() {
            "supported" | "pass" | "yes" | "ready" | "ready:" => ("✓", "+", Color::DarkGreen, "32"),
            "missing" | "invalid" | "fail" | "no" | "blocked" | "blocked:" => {
                ("✗", "x", Color::DarkRed, "31")
            }
            "mismatched" => ("≠", "!", Color::DarkRed, "31"),
            "unknown" | "undecided" | "undecided:" => ("?", "?", Color::DarkYellow, "33"),
            _ => ("·", ".", Color::DarkGrey, "90"),
        };
        (if self.unicode { symbol } else { ascii }, colour, code)
    }

    /// A text in a colour, by its code.
    /// Source: <https://en.wikipedia.org/wiki/ANSI_escape_code#Select_Graphic_Rendition_parameters>
    pub fn paint(self, code: &str, text: &str) -> String {
        match self.colour {
            true => format!("\u{1b}[{code}m{text}\u{1b}[0m"),
            false => text.to_owned(),
        }
    }
}

/// A table without lines, as kubectl prints them. Where it is wider than the terminal, the
/// widest cells go on in the next line.
pub(super) fn columns<R: Into<Row>>(
    style: Style,
    header: impl Into<Row>,
    rows: impl IntoIterator<Item = R>,
) -> String {
    let mut table = Table::new();
    table.load_style(presets::NOTHING);
    if style.colour {
        table.enforce_styling();
    } else {
        table.force_no_tty();
    }
    if let Some(width) = style.width {
        table.set_content_arrangement(ContentArrangement::Dynamic);
        table.set_width(width);
    }
    table.set_header(header);
    for row in rows {
        table.add_row(row);
    }
    for column in table.column_iter_mut() {
        column.set_padding((0, 3));
    }
    let lines = table.lines().map(|line| line.trim_end().to_owned());
    lines.collect::<Vec<_>>().join("\n") + "\n"
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The lines as a terminal shows them. A coloured cell keeps its blanks.
    fn shown(text: &str) -> Vec<String> {
        let mut parts = text.split("\u{1b}[");
        let first = parts.next().unwrap_or_default().to_owned();
        let text = parts.fold(first, |text, part| text + part.split_once('m').unwrap().1);
        text.lines()
            .map(|line| line.trim_end().to_owned())
            .collect()
    }

    #[test]
    fn colours_are_those_of_outcomes_and_take_no_width() {
        let coloured = Style {
            colour: true,
            width: Some(40),
            ..Style::PLAIN
        };
        let plain = Style {
            colour: false,
            ..coloured
        };
        let table = |style: Style| {
            let words = ["supported", "missing", "unknown (timeout)", "not checked"];
            // A name that says the same as an outcome is no outcome.
            let rows = words.map(|word| [Cell::new("✗ missing"), style.cell(word)]);
            columns(style, ["IMAGE", "linux/arm64 containerd (4)"], rows)
        };
        let (coloured, plain) = (table(coloured), table(plain));
        assert_eq!(shown(&coloured), shown(&plain));
        assert_eq!(coloured.matches("\u{1b}[38;").count(), 4, "{coloured:?}");
        assert!(!plain.contains('\u{1b}'), "{plain:?}");
    }
}
