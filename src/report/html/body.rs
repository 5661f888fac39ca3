//! The page as it grows: the only way into it for a value.

use maud::Markup;

use super::super::escape::visible_escapes;

/// The parts of the page, a line each.
#[derive(Debug, Default)]
pub(super) struct PageBody {
    text: String,
}

impl PageBody {
    /// Adds a part. No template has hidden characters of its own, so that those which are in
    /// it came with a value: they are spelled out, line breaks too.
    pub(super) fn push(&mut self, part: &Markup) {
        self.text.push_str(&visible_escapes(&part.0));
        self.text.push('\n');
    }

    /// Adds a tag that a later part closes, or closes it.
    pub(super) fn open(&mut self, tag: &'static str) {
        self.text.push_str(tag);
        self.text.push('\n');
    }

    /// All of it.
    pub(super) fn into_text(self) -> String {
        self.text
    }
}
