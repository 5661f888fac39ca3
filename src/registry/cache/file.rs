//! The file in which a cache outlives its process.
//!
//! It is read whole or not at all, and replaced at once: whoever is killed in between leaves
//! the old one, and several that share it leave one of theirs. Only its owner may read it.

pub(in crate::registry) mod format;

use std::fs::{self, DirEntry, File, OpenOptions};
use std::hash::{BuildHasher, RandomState};
use std::io::{self, BufWriter, Read};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::contents::Contents;
pub use format::{FileRefusal, decode, encode};

/// Room in the file for one document and what stands for it. One with 16 entries and a tag
/// takes about a quarter of it.
const BYTES_A_DOCUMENT: usize = 3 * 1024;
/// Room for the rest: the largest document of all, which registries may send, is one of them.
const SPARE_BYTES: usize = 8 * 1024 * 1024;
/// What was being written is left behind by a process that was killed; nobody writes so long.
const ABANDONED_AFTER: Duration = Duration::from_secs(10 * 60);
/// How the name of what is being written ends.
const UNFINISHED_SUFFIX: &str = ".unfinished";

/// Where a cache is kept, and how large that may grow.
#[derive(Clone, Debug)]
pub struct CacheFile {
    path: PathBuf,
    most_bytes: usize,
}

impl CacheFile {
    /// A file for a cache of so many documents.
    pub fn new(path: PathBuf, digests: u64) -> Self {
        let digests = usize::try_from(digests).unwrap_or(usize::MAX);
        Self {
            path,
            most_bytes: digests
                .saturating_mul(BYTES_A_DOCUMENT)
                .saturating_add(SPARE_BYTES),
        }
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// What the file holds; nothing if there is none.
    ///
    /// # Errors
    /// When it cannot be read, is larger than it may be, or is refused by [`decode`].
    pub fn read(&self) -> io::Result<Contents> {
        let found = match fs::metadata(&self.path) {
            // Opening a pipe would wait for a writer.
            Ok(found) if !found.is_file() => return Err(invalid("it is no file")),
            Ok(found) => found,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Contents::default()),
            Err(error) => return Err(error),
        };
        let most = u64::try_from(self.most_bytes).unwrap_or(u64::MAX);
        let most = most.saturating_add(1);
        // Growing would take twice as much while reading.
        let room = usize::try_from(found.len().min(most)).unwrap_or(0);
        let mut bytes = Vec::with_capacity(room);
        File::open(&self.path)?.take(most).read_to_end(&mut bytes)?;
        if bytes.len() > self.most_bytes {
            return Err(invalid("it is larger than cache.digests allows"));
        }
        decode(&bytes).map_err(invalid)
    }

    /// Replaces the file.
    ///
    /// # Errors
    /// When it cannot be written; the old one is still there then.
    pub fn write(&self, contents: &Contents) -> io::Result<()> {
        let folder = match self.path.parent() {
            Some(folder) if folder != Path::new("") => folder,
            _ => Path::new("."),
        };
        self.remove_abandoned(folder);
        let unfinished = folder.join(self.unfinished_name()?);
        let written = write_new(&unfinished, contents, self.most_bytes)
            .and_then(|()| fs::rename(&unfinished, &self.path))
            // The name, too, is to survive the machine. Not every file system can do it.
            .map(|()| drop(File::open(folder).and_then(|folder| folder.sync_all())));
        if written.is_err() {
            let _ = fs::remove_file(&unfinished);
        }
        written
    }

    /// Another name each time: in containers every process has the same id.
    fn unfinished_name(&self) -> io::Result<String> {
        let random = RandomState::new().hash_one(std::process::id());
        Ok(format!(
            "{}{random:016x}{UNFINISHED_SUFFIX}",
            self.prefix()?
        ))
    }

    fn prefix(&self) -> io::Result<String> {
        let name = self
            .path
            .file_name()
            .ok_or_else(|| invalid("it is no file"))?;
        Ok(format!(".{}.", name.to_string_lossy()))
    }

    /// What others of this file left unfinished, long ago.
    fn remove_abandoned(&self, folder: &Path) {
        let (Ok(prefix), Ok(entries)) = (self.prefix(), fs::read_dir(folder)) else {
            return;
        };
        let is_abandoned = |entry: &DirEntry| {
            let name = entry.file_name().to_string_lossy().into_owned();
            let age = entry.metadata().and_then(|found| found.modified());
            let age = age.ok().and_then(|time| time.elapsed().ok());
            name.starts_with(&prefix)
                && name.ends_with(UNFINISHED_SUFFIX)
                && age.is_some_and(|age| age > ABANDONED_AFTER)
        };
        for entry in entries.flatten().filter(is_abandoned) {
            let _ = fs::remove_file(entry.path());
        }
    }
}

fn write_new(path: &Path, contents: &Contents, most: usize) -> io::Result<()> {
    let mut options = OpenOptions::new();
    let options = options.write(true).create_new(true).mode(0o600);
    // A piece at a time: the whole would take as much memory as what is read from it.
    let mut buffer = BufWriter::new(options.open(path)?);
    encode(contents, most, &mut buffer)?;
    buffer.into_inner()?.sync_all()
}

fn invalid(why: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, why)
}
