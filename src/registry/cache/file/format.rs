//! The bytes of the cache file.
//!
//! ```text
//! archmatch cache 4\n
//! records as postcard writes them: platforms, documents (entries point to platforms before),
//! answers (they point to documents before)
//! SHA-256 of all that, 32 bytes
//! ```
//!
//! The checksum finds damage, not malice: whoever may write the file may write what we know.
//! So all of it is parsed as strictly as if a registry had sent it, one bounded record at a
//! time.

mod build;

use std::borrow::Cow;
use std::collections::{HashMap, HashSet};
use std::io::{self, Write};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use thiserror::Error;

use self::build::StoredBuild;
use crate::domain::inspection::{Build, Content, Entry, EntryKind, Inspection, MediaType};
use crate::domain::platform::Platform;
use crate::domain::reference::{Digest, ImageReference};
use crate::registry::cache::contents::{Contents, PublicAnswer};
use crate::registry::document::{self, MAX_ENTRIES, MAX_OS_FEATURES, MAX_PLATFORM_TEXT_BYTES};

/// How every version begins.
const NAME: &[u8] = b"archmatch cache ";
/// How this version begins.
const VERSION: &[u8] = b"archmatch cache 4\n";
const CHECKSUM_BYTES: usize = 32;
/// Longest record. It bounds what a length within one can make us take; an index of
/// [`MAX_ENTRIES`] with the longest digests and annotations has 270 KB.
const MAX_RECORD_BYTES: usize = 384 * 1024;

/// Why bytes are no cache. Nothing of them is believed then.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum FileRefusal {
    /// Another program's file.
    #[error("it is no cache file")]
    Foreign,
    /// Written by another version of this program.
    #[error("it is of another version")]
    Version,
    /// Cut, changed, or written by somebody else.
    #[error("it is damaged")]
    Damaged,
}

/// Digests are hashes alone, whose length tells the algorithm; others are named by their
/// position.
#[derive(Serialize, Deserialize)]
enum FileRecord<'a> {
    /// Written once, however many documents name it.
    Platform(#[serde(with = "StoredPlatform")] Platform),
    Document {
        digest: &'a [u8],
        media_type: MediaType,
        #[serde(borrow)]
        content: StoredContent<'a>,
        build: Option<StoredBuild<'a>>,
    },
    Answer {
        document: usize,
        #[serde(borrow)]
        image: Cow<'a, str>,
        /// In seconds since 1970, of a tag.
        confirmed: Option<u64>,
    },
}

/// A platform as its parts; in the configuration it is one text.
#[derive(Serialize, Deserialize)]
#[serde(remote = "Platform")]
struct StoredPlatform {
    os: String,
    architecture: String,
    variant: String,
    os_version: String,
    os_features: Vec<String>,
}

#[derive(Serialize, Deserialize)]
enum StoredContent<'a> {
    #[serde(borrow)]
    Index(Vec<StoredEntry<'a>>),
    Manifest(usize),
    Artifact,
}

#[derive(Serialize, Deserialize)]
struct StoredEntry<'a> {
    digest: &'a [u8],
    kind: EntryKind,
    platform: Option<usize>,
    zstd: bool,
    #[serde(borrow)]
    build: Option<StoredBuild<'a>>,
}

/// Writes the contents, at most `most` bytes: documents that do not fit are left out, and
/// with them their answers.
///
/// # Errors
/// What the output says.
pub fn encode(contents: &Contents, most: usize, output: impl Write) -> io::Result<()> {
    let mut output = Output {
        output,
        hash: Sha256::new(),
        written: 0,
        most,
    };
    output.write(VERSION)?;
    let mut platforms: HashMap<&Platform, usize> = HashMap::new();
    let mut documents: HashMap<&Digest, usize> = HashMap::new();
    for (position, inspection) in contents.documents.iter().enumerate() {
        let mut records = Vec::new();
        let record = stored(inspection, |platform| {
            let next = platforms.len();
            *platforms.entry(platform).or_insert_with(|| {
                records.push(FileRecord::Platform(platform.clone()));
                next
            })
        });
        records.push(record);
        if !output.write_records(&records)? {
            break;
        }
        documents.insert(&inspection.digest, position);
    }
    for answer in &contents.answers {
        let Some(document) = documents.get(&answer.inspection.digest) else {
            continue;
        };
        let confirmed = answer.confirmed.map(|time| {
            let since_1970 = time.duration_since(SystemTime::UNIX_EPOCH);
            since_1970.unwrap_or_default().as_secs()
        });
        output.write_records(&[FileRecord::Answer {
            document: *document,
            image: answer.image.to_string().into(),
            confirmed,
        }])?;
    }
    let checksum = output.hash.finalize();
    output.output.write_all(&checksum)
}

fn stored<'a>(
    inspection: &'a Inspection,
    mut position: impl FnMut(&'a Platform) -> usize,
) -> FileRecord<'a> {
    let content = match &inspection.content {
        Content::Index(entries) => {
            let mut before = None;
            let entries = entries.iter().map(|entry| {
                let build = entry.build.as_deref();
                StoredEntry {
                    digest: entry.digest.hash(),
                    kind: entry.kind,
                    platform: entry.platform.as_deref().map(&mut position),
                    zstd: entry.zstd,
                    build: build.map(|build| StoredBuild::of(build, before.replace(build))),
                }
            });
            StoredContent::Index(entries.collect())
        }
        Content::Manifest(platform) => StoredContent::Manifest(position(platform)),
        Content::Artifact => StoredContent::Artifact,
    };
    FileRecord::Document {
        digest: inspection.digest.hash(),
        media_type: inspection.media_type,
        content,
        build: inspection
            .build
            .as_deref()
            .map(|build| StoredBuild::of(build, None)),
    }
}

/// What was written, and its checksum so far.
struct Output<W> {
    output: W,
    hash: Sha256,
    written: usize,
    most: usize,
}

impl<W: Write> Output<W> {
    /// Writes all of the records, or none where they do not fit.
    fn write_records(&mut self, records: &[FileRecord<'_>]) -> io::Result<bool> {
        let mut bytes = Vec::new();
        for record in records {
            let before = bytes.len();
            postcard::to_io(record, &mut bytes).map_err(io::Error::other)?;
            if bytes.len() - before > MAX_RECORD_BYTES {
                return Ok(false);
            }
        }
        let fits = self.written + bytes.len() + CHECKSUM_BYTES <= self.most;
        if fits {
            self.write(&bytes)?;
        }
        Ok(fits)
    }

    fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.hash.update(bytes);
        self.written += bytes.len();
        self.output.write_all(bytes)
    }
}

/// The contents that the bytes stand for: any bytes, without reading or writing anything
/// else.
///
/// # Errors
/// [`FileRefusal`] for what [`encode`] would not have written.
pub fn decode(bytes: &[u8]) -> Result<Contents, FileRefusal> {
    if !bytes.starts_with(VERSION) {
        return Err(if bytes.starts_with(NAME) {
            FileRefusal::Version
        } else {
            FileRefusal::Foreign
        });
    }
    let records = bytes
        .split_last_chunk::<CHECKSUM_BYTES>()
        .filter(|(whole, checksum)| Sha256::digest(whole).as_slice() == *checksum)
        .and_then(|(whole, _)| whole.strip_prefix(VERSION));
    records.and_then(read).ok_or(FileRefusal::Damaged)
}

/// A cache file with these records, whatever they are: no fuzzer finds a checksum.
#[cfg(any(test, fuzzing))]
pub(in crate::registry) fn sealed(records: &[u8]) -> Vec<u8> {
    let mut bytes = [VERSION, records].concat();
    let checksum = Sha256::digest(&bytes);
    bytes.extend(checksum);
    bytes
}

/// The contents of the records; none if nobody would write them so.
fn read(mut records: &[u8]) -> Option<Contents> {
    let mut platforms = Vec::new();
    let mut digests = HashSet::new();
    let mut contents = Contents::default();
    while !records.is_empty() {
        let start = &records[..records.len().min(MAX_RECORD_BYTES)];
        let (record, rest) = postcard::take_from_bytes(start).ok()?;
        records = &records[start.len() - rest.len()..];
        match record {
            FileRecord::Platform(platform) => platforms.push(read_platform(platform)?),
            FileRecord::Document {
                digest,
                media_type,
                content,
                build,
            } => {
                let digest = read_digest(digest)?;
                let content = read_content(content, &platforms)?;
                let is_index = matches!(content, Content::Index(_));
                // Two documents of one digest: at least one of them is a lie.
                if is_index != media_type.is_index() || !digests.insert(digest.clone()) {
                    return None;
                }
                contents.documents.push(Arc::new(Inspection {
                    digest,
                    media_type,
                    content,
                    build: match build {
                        Some(build) => Some(build.read(None)?),
                        None => None,
                    },
                }));
            }
            FileRecord::Answer {
                document,
                image,
                confirmed,
            } => {
                let inspection = contents.documents.get(document)?;
                let answer = read_answer(&image, confirmed, inspection)?;
                contents.answers.push(answer);
            }
        }
    }
    Some(contents)
}

fn read_platform(platform: Platform) -> Option<Arc<Platform>> {
    let longest = document::texts(&platform).map(String::len).max();
    let is_bounded = platform.os_features.len() <= MAX_OS_FEATURES
        && longest.is_none_or(|longest| longest <= MAX_PLATFORM_TEXT_BYTES);
    is_bounded.then(|| document::shared(platform))
}

fn read_digest(hash: &[u8]) -> Option<Digest> {
    let algorithm = match hash.len() {
        32 => "sha256",
        48 => "sha384",
        _ => "sha512",
    };
    Digest::new(algorithm, hash).ok()
}

fn read_content(content: StoredContent<'_>, platforms: &[Arc<Platform>]) -> Option<Content> {
    Some(match content {
        StoredContent::Index(stored) => {
            if stored.len() > MAX_ENTRIES {
                return None;
            }
            // Just as long as needed: they stay.
            let mut entries: Vec<Entry> = Vec::with_capacity(stored.len());
            let mut before: Option<Arc<Build>> = None;
            for entry in stored {
                let build = match entry.build {
                    None => None,
                    Some(build) => {
                        let build =
                            document::shared_with(before.as_ref(), build.read(before.as_ref())?);
                        before = Some(Arc::clone(&build));
                        Some(build)
                    }
                };
                entries.push(Entry {
                    digest: read_digest(entry.digest)?,
                    kind: entry.kind,
                    platform: match entry.platform {
                        Some(position) => Some(Arc::clone(platforms.get(position)?)),
                        None => None,
                    },
                    zstd: entry.zstd,
                    build,
                });
            }
            Content::Index(entries)
        }
        StoredContent::Manifest(position) => {
            Content::Manifest(Platform::clone(platforms.get(position)?))
        }
        StoredContent::Artifact => Content::Artifact,
    })
}

fn read_answer(
    text: &str,
    confirmed: Option<u64>,
    inspection: &Arc<Inspection>,
) -> Option<PublicAnswer> {
    let image: ImageReference = text.parse().ok()?;
    let confirmed = match (image.tag(), image.digest(), confirmed) {
        (Some(_), None, Some(seconds)) => {
            let since_1970 = Duration::from_secs(seconds);
            Some(SystemTime::UNIX_EPOCH.checked_add(since_1970)?)
        }
        (None, Some(digest), None) if *digest == inspection.digest => None,
        _ => return None,
    };
    // No name that stands for another one.
    (image.to_string() == text).then(|| PublicAnswer {
        image,
        inspection: Arc::clone(inspection),
        confirmed,
    })
}

#[cfg(test)]
mod tests;
