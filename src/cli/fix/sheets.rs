//! The files that are changed, each read once.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::fs;
use std::path::{Path, PathBuf};

use crate::edit::{Edited, unified_diff};
use crate::files::{self, FileError, STDIN};

/// A file, as it is and as it is to be.
struct Sheet {
    /// How many there were before it.
    position: usize,
    /// The path as given.
    path: String,
    before: String,
    after: String,
}

/// Files by what they are, so that one with two paths is changed once.
#[derive(Default)]
pub struct Sheets {
    sheets: BTreeMap<PathBuf, Sheet>,
}

impl Sheets {
    /// Adds standard input, which was read already.
    pub fn add_input(&mut self, text: String) {
        let sheet = Sheet::new(self.sheets.len(), STDIN, text);
        self.sheets.insert(PathBuf::from(STDIN), sheet);
    }

    fn open(&mut self, path: &str) -> Result<&mut Sheet, FileError> {
        let key = match path {
            STDIN => PathBuf::from(STDIN),
            path => fs::canonicalize(path).unwrap_or_else(|_| PathBuf::from(path)),
        };
        let position = self.sheets.len();
        match self.sheets.entry(key) {
            Entry::Occupied(known) => Ok(known.into_mut()),
            Entry::Vacant(new) => {
                let text = files::read_text(Path::new(path))?;
                Ok(new.insert(Sheet::new(position, path, text)))
            }
        }
    }

    /// What changed, in the order in which it was read.
    fn changed(&self) -> Vec<&Sheet> {
        let sheets = self.sheets.values();
        let mut changed: Vec<&Sheet> = sheets.filter(|one| one.before != one.after).collect();
        changed.sort_by_key(|sheet| sheet.position);
        changed
    }

    /// The text of a file, with its changes so far.
    ///
    /// # Errors
    /// That it cannot be read.
    pub fn text(&mut self, path: &str) -> Result<&str, FileError> {
        Ok(&self.open(path)?.after)
    }

    /// Changes a file, for the time being here.
    ///
    /// # Errors
    /// That it cannot be read.
    pub fn edit(
        &mut self,
        path: &str,
        edit: impl FnOnce(&str) -> Edited,
    ) -> Result<Edited, FileError> {
        let sheet = self.open(path)?;
        let mut edited = edit(&sheet.after);
        sheet.after = std::mem::take(&mut edited.text);
        Ok(edited)
    }

    /// What changed, as one diff.
    pub fn diff(&self) -> String {
        let changed = self.changed().into_iter();
        changed
            .map(|sheet| unified_diff(&sheet.path, &sheet.before, &sheet.after))
            .collect()
    }

    /// Writes what changed; what cannot be written stays as it was.
    pub fn write(&self) -> Vec<FileError> {
        let changed = self.changed().into_iter();
        let written = changed
            .map(|sheet| files::replace(Path::new(&sheet.path), &sheet.before, &sheet.after));
        written.filter_map(Result::err).collect()
    }
}

impl Sheet {
    fn new(position: usize, path: &str, text: String) -> Self {
        Self {
            position,
            path: path.to_owned(),
            after: text.clone(),
            before: text,
        }
    }
}
