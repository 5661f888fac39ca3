//! Kubernetes objects in files, with the line each came from.
//!
//! Files, directories and standard input, YAML and JSON, several documents in one, lists.
//! A broken document is an error with its file and line, and does not stop the others.
//! Everything is bounded: the size of a file, the nesting and the aliases of a document.

mod documents;
mod replace;

use std::fs::{self, File};
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use serde_json::Value;
use thiserror::Error;

pub use self::documents::first_value;
pub(crate) use self::documents::{PlacedDocument, documents, yaml_problem};
pub use self::replace::replace;
use crate::domain::text::is_hidden;

/// The most that is read of one file.
const MAX_FILE_BYTES: u64 = 64 << 20;

/// How deep directories are followed.
const MAX_FOLDER_DEPTH: usize = 32;

/// The name of standard input.
pub const STDIN: &str = "-";

/// An object from a file.
#[derive(Clone, Debug, PartialEq)]
pub struct FileObject {
    /// The object: always a JSON object, never null or a list.
    pub value: Value,
    /// Where it starts: `file:line`.
    pub source: String,
}

/// Why a file, or a document in it, is not read.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("{source_name}: {problem}")]
pub struct FileError {
    source_name: String,
    problem: String,
    is_no_object: bool,
}

impl FileError {
    fn new(source_name: impl Into<String>, problem: impl Into<String>) -> Self {
        let problem: String = problem.into();
        let problem = problem.chars().take(300);
        Self {
            source_name: source_name.into(),
            problem: problem
                .map(
                    |character| {
                        if is_hidden(character) { ' ' } else { character }
                    },
                )
                .collect(),
            is_no_object: false,
        }
    }

    /// A document that is none of Kubernetes.
    fn no_object(source_name: impl Into<String>) -> Self {
        let problem = "expected a Kubernetes object, with apiVersion and kind";
        Self {
            is_no_object: true,
            ..Self::new(source_name, problem)
        }
    }

    /// The file, and the line where one is known.
    pub fn source_name(&self) -> &str {
        &self.source_name
    }

    /// What is wrong.
    pub fn problem(&self) -> &str {
        &self.problem
    }

    /// An error about an object that was read.
    pub fn about(object: &FileObject, problem: impl Into<String>) -> Self {
        Self::new(object.source.clone(), problem)
    }
}

/// Whether the folders in a directory are read, too.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Recursion {
    /// Only its own files, as `kubectl -f` does.
    #[default]
    Flat,
    /// Its folders, too, as `kubectl -R -f` does.
    Recursive,
}

/// What was found in files.
#[derive(Clone, Debug, Default)]
pub struct FoundObjects {
    /// Objects, and what could not be read, in the order of the sources.
    pub objects: Vec<Result<FileObject, FileError>>,
    /// How many files in directories hold no Kubernetes object, such as a chart's values. One
    /// that is named itself is an error.
    pub passed_over: usize,
}

/// Reads every object of the sources: files, directories, or `-` for standard input.
pub fn read(sources: &[String], recursion: Recursion) -> FoundObjects {
    let mut found = FoundObjects::default();
    for source in sources {
        let mut visit = |object| found.objects.push(object);
        if source == STDIN {
            read_input("stdin", io::stdin().lock(), &mut visit);
            continue;
        }
        let path = Path::new(source);
        match fs::metadata(path) {
            Ok(metadata) if metadata.is_dir() => {
                found.passed_over += read_folder(path, recursion, MAX_FOLDER_DEPTH, &mut visit);
            }
            Ok(_) => read_file(path, &mut visit),
            Err(error) => visit(Err(FileError::new(source, error.to_string()))),
        }
    }
    found
}

/// Reads every object of a text that is no file, such as another program's output.
pub fn read_from(name: &str, input: impl io::Read) -> Vec<Result<FileObject, FileError>> {
    let mut found = Vec::new();
    read_input(name, input, &mut |object| found.push(object));
    found
}

/// The text of a file, for who changes it.
///
/// # Errors
/// That it cannot be read, is too large, or is no text.
pub fn read_text(path: &Path) -> Result<String, FileError> {
    let name = path.display().to_string();
    match File::open(path) {
        Ok(file) => text_of(&name, file),
        Err(error) => Err(FileError::new(name, error.to_string())),
    }
}

/// The text of an input that is no file, such as standard input.
///
/// # Errors
/// That it cannot be read, is too large, or is no text.
pub fn text_of(name: &str, input: impl Read) -> Result<String, FileError> {
    let mut bytes = Vec::new();
    match input.take(MAX_FILE_BYTES + 1).read_to_end(&mut bytes) {
        Err(error) => return Err(FileError::new(name, error.to_string())),
        Ok(_) if bytes.len() as u64 > MAX_FILE_BYTES => {
            return Err(FileError::new(name, "larger than 64 MiB"));
        }
        Ok(_) => {}
    }
    String::from_utf8(bytes).map_err(|error| {
        let before = error
            .as_bytes()
            .get(..error.utf8_error().valid_up_to())
            .unwrap_or_default();
        let line = 1 + before.iter().filter(|byte| **byte == b'\n').count();
        FileError::new(format!("{name}:{line}"), "not UTF-8 text")
    })
}

type Visit<'a> = dyn FnMut(Result<FileObject, FileError>) + 'a;

/// Reads a directory; how many of its files were passed over.
fn read_folder(path: &Path, recursion: Recursion, deepest: usize, visit: &mut Visit<'_>) -> usize {
    let mut fail = |path: &Path, error: &io::Error| {
        visit(Err(FileError::new(
            path.display().to_string(),
            error.to_string(),
        )));
    };
    let mut entries: Vec<(PathBuf, fs::FileType)> = Vec::new();
    match fs::read_dir(path) {
        Ok(listing) => {
            for entry in listing {
                // The type of a link is a link: folders behind links are not followed, so
                // that a circle of links ends.
                match entry.and_then(|entry| Ok((entry.path(), entry.file_type()?))) {
                    Ok(entry) => entries.push(entry),
                    Err(error) => fail(path, &error),
                }
            }
        }
        Err(error) => fail(path, &error),
    }
    entries.sort_by(|(one, _), (other, _)| one.cmp(other));
    let mut passed_over = 0;
    for (path, kind) in entries {
        if kind.is_dir() {
            if recursion == Recursion::Recursive && deepest > 0 {
                passed_over += read_folder(&path, recursion, deepest - 1, visit);
            }
        } else if is_object_file(&path) && !path.is_dir() {
            passed_over += usize::from(!has_objects(&path, visit));
        }
    }
    passed_over
}

/// Reads a file of a directory, unless nothing in it is an object: then nothing is said of
/// it. Beside objects, what is none is a mistake.
fn has_objects(path: &Path, visit: &mut Visit<'_>) -> bool {
    let mut held = Vec::new();
    let mut has_objects = false;
    read_file(path, &mut |found| match found {
        Err(error) if error.is_no_object && !has_objects => held.push(error),
        found => {
            has_objects = true;
            held.drain(..).for_each(|error| visit(Err(error)));
            visit(found);
        }
    });
    has_objects || held.is_empty()
}

/// Whether kubectl takes a file of this name from a directory.
/// Source: `FileExtensions` in
/// <https://github.com/kubernetes/cli-runtime/blob/master/pkg/resource/builder.go>
pub fn is_object_file(path: &Path) -> bool {
    let extension = path.extension().and_then(|extension| extension.to_str());
    matches!(extension, Some("json" | "yaml" | "yml"))
}

fn read_file(path: &Path, visit: &mut Visit<'_>) {
    let name = path.display().to_string();
    match File::open(path) {
        Ok(file) => read_input(&name, file, visit),
        Err(error) => visit(Err(FileError::new(name, error.to_string()))),
    }
}

fn read_input(name: &str, input: impl Read, visit: &mut Visit<'_>) {
    match text_of(name, input) {
        Ok(text) => documents::read(name, &text, visit),
        Err(error) => visit(Err(error)),
    }
}

#[cfg(test)]
mod tests;
