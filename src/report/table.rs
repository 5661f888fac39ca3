//! The default view: a summary, the matrix of images and platforms, and what fails.

use std::collections::HashMap;
use std::fmt::Write;

use comfy_table::{Cell, Color, ContentArrangement, Row, Table, presets};

use super::ReportInput;
use super::conclusion::{conclusion, plural};
use super::model::{Summary, names, platforms, reference_or_text};
use crate::domain::outcome::Outcome;
use crate::domain::policy::Level;
use crate::domain::text::{printable, visible};
use crate::domain::verdict::LevelResult;
use crate::wording;

/// How text may look.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Style {
    /// Whether colours may be used.
    pub colour: bool,
    /// Whether the terminal reads UTF-8.
    pub unicode: bool,
    /// How many columns of text there are; as many as it takes where nobody knows.
    pub width: Option<u16>,
}

impl Style {
    /// Text for files and pipes.
    pub const PLAIN: Self = Self {
        colour: false,
        unicode: true,
        width: None,
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
            "supported" | "pass" | "yes" => ("✓", "+", Color::DarkGreen, "32"),
            "missing" | "invalid" | "fail" | "no" => ("✗", "x", Color::DarkRed, "31"),
            "mismatched" => ("≠", "!", Color::DarkRed, "31"),
            "unknown" | "undecided" => ("?", "?", Color::DarkYellow, "33"),
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

/// The whole view.
pub fn render(run: &ReportInput, style: Style) -> String {
    body(run, style) + &conclusion(run)
}

/// The view without its last line.
pub fn body(run: &ReportInput, style: Style) -> String {
    let mut text = summary(run);
    // Without a row the headings say nothing.
    if !run.is_empty() {
        text.push('\n');
        text.push_str(&matrix(run, style));
    }
    let verdicts = run.workloads.iter().flat_map(|one| &one.verdicts);
    let caveats = wording::caveats(verdicts, |image| printable(&image.image));
    if !caveats.is_empty() {
        text.push('\n');
        text.push_str(&caveats.join("\n"));
        text.push('\n');
    }
    let failing = findings(run, style);
    if !failing.is_empty() {
        text.push('\n');
        text.push_str(&failing);
    }
    text.push('\n');
    text
}

fn summary(run: &ReportInput) -> String {
    let summary = Summary::of(&run.workloads);
    let not_portable = run
        .workloads
        .iter()
        .filter(|judged| judged.at(Level::Portable) == LevelResult::Fail)
        .count();
    let without = match summary.without_images {
        0 => String::new(),
        count => format!(", {count} without images"),
    };
    format!(
        "{}, {}: {} on every platform of their nodes, {} on some, {} on none, {} undecided{without}\n",
        plural(summary.workloads, "workload"),
        plural(summary.images, "image"),
        summary.portable,
        not_portable - summary.failing.min(not_portable),
        summary.failing,
        summary.undecided,
    )
}

fn matrix(run: &ReportInput, style: Style) -> String {
    let columns = platforms(&run.nodes);
    let mut runtimes = columns.iter().map(|column| column.runtime);
    let several_runtimes = runtimes
        .next()
        .is_some_and(|first| runtimes.any(|one| one != first));
    let titles = columns.iter().map(|column| {
        let mut title = column.platform.clone();
        if several_runtimes {
            let _ = write!(title, " {}", column.runtime);
        }
        // What is declared has no node yet.
        if column.nodes > 0 {
            let _ = write!(title, " ({})", column.nodes);
        }
        title
    });
    let header = std::iter::once("IMAGE".to_owned()).chain(titles);
    // One image is one row, however it is spelled.
    let mut known: HashMap<String, usize> = HashMap::new();
    let mut rows: Vec<Vec<Cell>> = Vec::new();
    for verdict in run.workloads.iter().flat_map(|judged| &judged.verdicts) {
        for image in &verdict.images {
            let position = *known.entry(reference_or_text(image)).or_insert_with(|| {
                let mut row = vec![style.cell("not checked"); columns.len() + 1];
                row[0] = Cell::new(visible(&image.image.image));
                rows.push(row);
                rows.len() - 1
            });
            for at in image.on(&verdict.candidates.platforms) {
                let (platform, runtime) = names(&at.candidate.platform);
                let column = columns
                    .iter()
                    .position(|column| column.is(&platform, runtime));
                if let Some(cell) = column.and_then(|column| rows[position].get_mut(column + 1)) {
                    *cell = style.cell(&cell_text(at.outcome));
                }
            }
        }
    }
    self::columns(style, header, rows)
}

fn cell_text(outcome: &Outcome) -> String {
    match outcome {
        Outcome::Unknown(unknown) => format!("unknown ({})", unknown.reason),
        other => other.name().to_owned(),
    }
}

fn findings(run: &ReportInput, style: Style) -> String {
    let mut text = String::new();
    for judged in &run.workloads {
        if judged.at(Level::Portable) == LevelResult::Pass {
            continue;
        }
        let source = judged
            .source
            .as_ref()
            .map(|source| format!(" ({})", printable(source)));
        if judged.is_without_images() {
            let source = source.unwrap_or_default();
            let _ = writeln!(
                text,
                "{}{source}: no container with an image",
                judged.title()
            );
            continue;
        }
        let _ = writeln!(
            text,
            "{}{}: runnable {}, portable {}",
            judged.title(),
            source.unwrap_or_default(),
            style.mark(judged.at(Level::Runnable).name()),
            style.mark(judged.at(Level::Portable).name()),
        );
        for cause in wording::causes(&judged.verdicts) {
            let _ = writeln!(text, "  {cause}");
        }
    }
    text
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
