//! The bytes of the cache file.
//!
//! ```text
//! archmatch cache 1\n
//! records: platforms, documents (entries point to platforms before), answers (they point to
//! documents before)
//! SHA-256 of all that, 32 bytes
//! ```
//!
//! Numbers are little-endian; texts and lists have their length in front. The checksum finds
//! damage, not malice: whoever may write the file may write what we know. So all of it is
//! parsed as strictly as if a registry had sent it, and bounded by the bytes that are there.

mod reader;

use std::collections::HashMap;
use std::io::{self, Write};
use std::time::SystemTime;

use sha2::{Digest as _, Sha256};
use thiserror::Error;

use crate::domain::inspection::{Content, EntryKind, Inspection, MediaType};
use crate::domain::platform::Platform;
use crate::domain::reference::Digest;
use crate::registry::cache::contents::{Contents, PublicAnswer};

/// How every version begins.
const NAME: &[u8] = b"archmatch cache ";
/// How this version begins.
const VERSION: &[u8] = b"archmatch cache 1\n";
const CHECKSUM: usize = 32;

const PLATFORM: u8 = b'p';
const DOCUMENT: u8 = b'd';
const ANSWER: u8 = b'a';

const MEDIA_TYPES: [MediaType; 4] = [
    MediaType::OciIndex,
    MediaType::DockerManifestList,
    MediaType::OciManifest,
    MediaType::DockerManifest,
];
const KINDS: [EntryKind; 3] = [EntryKind::Manifest, EntryKind::Index, EntryKind::Other];
const ALGORITHMS: [(&str, usize); 3] = [("sha256", 32), ("sha384", 48), ("sha512", 64)];
const INDEX: u8 = 0;
const MANIFEST: u8 = 1;
const ARTIFACT: u8 = 2;
const BY_DIGEST: u8 = 0;
const BY_TAG: u8 = 1;
/// Set in an entry's byte beside its kind.
const ZSTD: u8 = 0x80;
/// In place of a platform's position.
const NO_PLATFORM: u32 = u32::MAX;

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
    };
    output.write(VERSION)?;
    let mut platforms = Platforms::default();
    let mut documents: HashMap<&Digest, u32> = HashMap::new();
    let mut record = Vec::new();
    for (inspection, position) in contents.documents.iter().zip(0..) {
        record.clear();
        platforms.new.clear();
        document(&mut record, inspection, &mut platforms);
        if !output.has_room(platforms.new.len() + record.len(), most) {
            break;
        }
        output.write(&platforms.new)?;
        output.write(&record)?;
        documents.insert(&inspection.digest, position);
    }
    for answer in &contents.answers {
        let Some(position) = documents.get(&answer.inspection.digest) else {
            continue;
        };
        record.clear();
        self::answer(&mut record, answer, *position);
        if !output.has_room(record.len(), most) {
            break;
        }
        output.write(&record)?;
    }
    let checksum = output.hash.finalize();
    output.output.write_all(&checksum)
}

/// The contents that the bytes stand for: any bytes, without reading or writing anything
/// else.
///
/// # Errors
/// [`FileRefusal`] for whatever [`encode`] would not have written.
pub fn decode(bytes: &[u8]) -> Result<Contents, FileRefusal> {
    if !bytes.starts_with(VERSION) {
        return Err(if bytes.starts_with(NAME) {
            FileRefusal::Version
        } else {
            FileRefusal::Foreign
        });
    }
    let records = bytes
        .split_last_chunk::<CHECKSUM>()
        .filter(|(whole, checksum)| Sha256::digest(whole).as_slice() == *checksum)
        .and_then(|(whole, _)| whole.strip_prefix(VERSION));
    records
        .and_then(reader::contents)
        .ok_or(FileRefusal::Damaged)
}

/// A cache file with these records, whatever they are: no fuzzer finds a checksum.
#[cfg(any(test, fuzzing))]
pub(in crate::registry) fn sealed(records: &[u8]) -> Vec<u8> {
    let mut bytes = [VERSION, records].concat();
    let checksum = Sha256::digest(&bytes);
    bytes.extend(checksum);
    bytes
}

/// What was written, and its checksum so far.
struct Output<W> {
    output: W,
    hash: Sha256,
    written: usize,
}

impl<W: Write> Output<W> {
    fn has_room(&self, length: usize, most: usize) -> bool {
        self.written + length + CHECKSUM <= most
    }

    fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.hash.update(bytes);
        self.written += bytes.len();
        self.output.write_all(bytes)
    }
}

/// Every platform once.
#[derive(Default)]
struct Platforms<'a> {
    positions: HashMap<&'a Platform, u32>,
    /// Records of those that are not written yet.
    new: Vec<u8>,
}

impl<'a> Platforms<'a> {
    fn position(&mut self, platform: &'a Platform) -> u32 {
        let next = u32::try_from(self.positions.len()).unwrap_or(NO_PLATFORM);
        let position = *self.positions.entry(platform).or_insert(next);
        if position == next {
            let bytes = &mut self.new;
            bytes.push(PLATFORM);
            for part in [
                &platform.os,
                &platform.architecture,
                &platform.variant,
                &platform.os_version,
            ] {
                text(bytes, part);
            }
            length(bytes, platform.os_features.len());
            for feature in &platform.os_features {
                text(bytes, feature);
            }
        }
        position
    }
}

fn document<'a>(bytes: &mut Vec<u8>, inspection: &'a Inspection, platforms: &mut Platforms<'a>) {
    bytes.push(DOCUMENT);
    digest(bytes, &inspection.digest);
    byte(bytes, &MEDIA_TYPES, &inspection.media_type);
    match &inspection.content {
        Content::Index(entries) => {
            bytes.push(INDEX);
            length(bytes, entries.len());
            for entry in entries {
                digest(bytes, &entry.digest);
                byte(bytes, &KINDS, &entry.kind);
                if let (true, Some(kind)) = (entry.zstd, bytes.last_mut()) {
                    *kind |= ZSTD;
                }
                let platform = entry.platform.as_deref();
                let position = platform.map(|platform| platforms.position(platform));
                number(bytes, position.unwrap_or(NO_PLATFORM));
            }
        }
        Content::Manifest(platform) => {
            bytes.push(MANIFEST);
            number(bytes, platforms.position(platform));
        }
        Content::Artifact => bytes.push(ARTIFACT),
    }
}

fn answer(bytes: &mut Vec<u8>, answer: &PublicAnswer, position: u32) {
    let image = &answer.image;
    bytes.push(ANSWER);
    number(bytes, position);
    text(
        bytes,
        &format!("{}/{}", image.registry(), image.repository()),
    );
    match (image.digest(), image.tag()) {
        (None, Some(tag)) => {
            bytes.push(BY_TAG);
            text(bytes, tag);
            let confirmed = answer.confirmed.unwrap_or(SystemTime::UNIX_EPOCH);
            let since_1970 = confirmed.duration_since(SystemTime::UNIX_EPOCH);
            bytes.extend(since_1970.unwrap_or_default().as_secs().to_le_bytes());
        }
        _ => bytes.push(BY_DIGEST),
    }
}

fn digest(bytes: &mut Vec<u8>, digest: &Digest) {
    let known = ALGORITHMS.map(|(name, _)| name);
    byte(bytes, &known, &digest.algorithm());
    bytes.extend(digest.hash());
}

/// The position of the value among all of its kind.
fn byte<T: PartialEq>(bytes: &mut Vec<u8>, all: &[T], value: &T) {
    let position = all.iter().position(|known| known == value);
    bytes.push(
        position
            .and_then(|position| u8::try_from(position).ok())
            .unwrap_or(u8::MAX),
    );
}

fn text(bytes: &mut Vec<u8>, text: &str) {
    length(bytes, text.len());
    bytes.extend(text.as_bytes());
}

fn length(bytes: &mut Vec<u8>, length: usize) {
    number(bytes, u32::try_from(length).unwrap_or(u32::MAX));
}

fn number(bytes: &mut Vec<u8>, number: u32) {
    bytes.extend(number.to_le_bytes());
}

#[cfg(test)]
mod tests;
