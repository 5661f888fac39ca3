//! Kubernetes objects in files, with the line each came from.
//!
//! Files, directories and standard input, YAML and JSON, several documents in one, lists.
//! A broken document is an error with its file and line, and does not stop the others.
//! Everything is bounded: the size of a file, the nesting and the aliases of a document.

mod documents;

use std::fs::{self, File};
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use serde_json::Value;
use thiserror::Error;

/// The most that is read of one file.
const LARGEST_FILE: u64 = 64 << 20;

/// How deep directories are followed.
const DEEPEST_FOLDER: usize = 32;

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
}

impl FileError {
    fn new(source_name: impl Into<String>, problem: impl Into<String>) -> Self {
        let problem: String = problem.into();
        let problem = problem.chars().take(300);
        Self {
            source_name: source_name.into(),
            problem: problem
                .map(|character| {
                    if character.is_control() {
                        ' '
                    } else {
                        character
                    }
                })
                .collect(),
        }
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

/// Reads every object of the sources: files, directories, or `-` for standard input.
pub fn read(sources: &[String], recursion: Recursion) -> Vec<Result<FileObject, FileError>> {
    let mut found = Vec::new();
    for_each(sources, recursion, |object| found.push(object));
    found
}

/// Hands over every object of the sources, so that one file at a time is in memory.
pub fn for_each(
    sources: &[String],
    recursion: Recursion,
    mut visit: impl FnMut(Result<FileObject, FileError>),
) {
    for source in sources {
        if source == STDIN {
            read_input("stdin", io::stdin().lock(), &mut visit);
            continue;
        }
        let path = Path::new(source);
        match fs::metadata(path) {
            Ok(metadata) if metadata.is_dir() => {
                read_folder(path, recursion, DEEPEST_FOLDER, &mut visit);
            }
            Ok(_) => read_file(path, &mut visit),
            Err(error) => visit(Err(FileError::new(source, error.to_string()))),
        }
    }
}

/// Reads every object of a text that is no file, such as another program's output.
pub fn read_from(name: &str, input: impl io::Read) -> Vec<Result<FileObject, FileError>> {
    let mut found = Vec::new();
    read_input(name, input, &mut |object| found.push(object));
    found
}

type Visit<'a> = dyn FnMut(Result<FileObject, FileError>) + 'a;

fn read_folder(path: &Path, recursion: Recursion, deepest: usize, visit: &mut Visit<'_>) {
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
    for (path, kind) in entries {
        if kind.is_dir() {
            if recursion == Recursion::Recursive && deepest > 0 {
                read_folder(&path, recursion, deepest - 1, visit);
            }
        } else if is_object_file(&path) && !path.is_dir() {
            read_file(&path, visit);
        }
    }
}

/// The file names that kubectl takes from a directory.
/// Source: `FileExtensions` in
/// <https://github.com/kubernetes/cli-runtime/blob/master/pkg/resource/builder.go>
fn is_object_file(path: &Path) -> bool {
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
    let mut bytes = Vec::new();
    let problem = match input.take(LARGEST_FILE + 1).read_to_end(&mut bytes) {
        Err(error) => error.to_string(),
        Ok(_) if bytes.len() as u64 > LARGEST_FILE => "larger than 64 MiB".to_owned(),
        Ok(_) => match std::str::from_utf8(&bytes) {
            Ok(text) => {
                documents::read(name, text, visit);
                return;
            }
            Err(error) => {
                let before = &bytes[..error.valid_up_to()];
                let line = 1 + before.iter().filter(|byte| **byte == b'\n').count();
                visit(Err(FileError::new(
                    format!("{name}:{line}"),
                    "not UTF-8 text",
                )));
                return;
            }
        },
    };
    visit(Err(FileError::new(name, problem)));
}

#[cfg(test)]
mod tests;
