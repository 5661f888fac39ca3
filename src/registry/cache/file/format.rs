//! The bytes of the cache file.
//!
//! ```text
//! archmatch cache 1\n
//! length of the body, 8 bytes
//! SHA-256 of everything else, 32 bytes
//! body: platforms, documents (entries point to platforms), answers (they point to documents)
//! ```
//!
//! Numbers are little-endian; lists and texts have their length in front. The checksum finds
//! damage, not malice: whoever may write the file may write what we know. So all of it is
//! parsed as strictly as if a registry had sent it, and bounded by the bytes that are there.

mod reader;

use std::collections::HashMap;
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
const LENGTH: usize = 8;
const CHECKSUM: usize = 32;
const HEADER: usize = VERSION.len() + LENGTH + CHECKSUM;

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
pub enum Refusal {
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

/// The contents as bytes, at most about `most`: documents that do not fit are left out, and
/// with them their answers.
pub fn encode(contents: &Contents, most: usize) -> Vec<u8> {
    let mut platforms = Platforms::default();
    let mut documents = List::default();
    let mut positions: HashMap<&Digest, u32> = HashMap::new();
    for inspection in &contents.documents {
        if platforms.list.bytes.len() + documents.bytes.len() > most {
            break;
        }
        positions.insert(&inspection.digest, documents.count);
        documents.count += 1;
        document(&mut documents.bytes, inspection, &mut platforms);
    }
    let mut answers = List::default();
    let room = most.saturating_sub(platforms.list.bytes.len() + documents.bytes.len());
    for answer in &contents.answers {
        if answers.bytes.len() > room {
            break;
        }
        if let Some(position) = positions.get(&answer.inspection.digest) {
            answers.count += 1;
            self::answer(&mut answers.bytes, answer, *position);
        }
    }
    let lists = [platforms.list, documents, answers];
    let length: usize = lists.iter().map(|list| 4 + list.bytes.len()).sum();
    let mut bytes = unsealed(length);
    for list in &lists {
        number(&mut bytes, list.count);
        bytes.extend(&list.bytes);
    }
    seal(&mut bytes);
    bytes
}

/// The header for a body of so many bytes, without its checksum.
fn unsealed(length: usize) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(HEADER + length);
    bytes.extend(VERSION);
    bytes.extend(u64::try_from(length).unwrap_or(u64::MAX).to_le_bytes());
    bytes.extend([0; CHECKSUM]);
    bytes
}

/// Writes the checksum into a header that the body follows.
fn seal(bytes: &mut [u8]) {
    let checksum = checksum(bytes);
    bytes[HEADER - CHECKSUM..HEADER].copy_from_slice(&checksum);
}

/// A cache file with this body, whatever it is: no fuzzer finds a checksum.
#[cfg(any(test, fuzzing))]
pub(in crate::registry) fn sealed(body: &[u8]) -> Vec<u8> {
    let mut bytes = unsealed(body.len());
    bytes.extend(body);
    seal(&mut bytes);
    bytes
}

/// The contents that the bytes stand for: any bytes, without reading or writing anything
/// else.
///
/// # Errors
/// [`Refusal`] for whatever [`encode`] would not have written.
pub fn decode(bytes: &[u8]) -> Result<Contents, Refusal> {
    let body = checked(bytes)?;
    reader::contents(body).ok_or(Refusal::Damaged)
}

fn checked(bytes: &[u8]) -> Result<&[u8], Refusal> {
    if !bytes.starts_with(VERSION) {
        return Err(if bytes.starts_with(NAME) {
            Refusal::Version
        } else {
            Refusal::Foreign
        });
    }
    let header = bytes.get(..HEADER).ok_or(Refusal::Damaged)?;
    let body = &bytes[HEADER..];
    let length = u64::try_from(body.len()).unwrap_or(u64::MAX).to_le_bytes();
    let is_whole = header[VERSION.len()..].starts_with(&length);
    if is_whole && header[HEADER - CHECKSUM..] == checksum(bytes) {
        Ok(body)
    } else {
        Err(Refusal::Damaged)
    }
}

/// Of everything but the checksum's own place. The bytes have a whole header.
fn checksum(bytes: &[u8]) -> [u8; CHECKSUM] {
    let hash = Sha256::new()
        .chain_update(&bytes[..HEADER - CHECKSUM])
        .chain_update(&bytes[HEADER..]);
    hash.finalize().into()
}

/// Encoded items, and how many.
#[derive(Default)]
struct List {
    count: u32,
    bytes: Vec<u8>,
}

/// Every platform once.
#[derive(Default)]
struct Platforms<'a> {
    list: List,
    positions: HashMap<&'a Platform, u32>,
}

impl<'a> Platforms<'a> {
    fn position(&mut self, platform: &'a Platform) -> u32 {
        if let Some(position) = self.positions.get(platform) {
            return *position;
        }
        let position = self.list.count;
        self.list.count += 1;
        self.positions.insert(platform, position);
        let bytes = &mut self.list.bytes;
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
        position
    }
}

fn document<'a>(bytes: &mut Vec<u8>, inspection: &'a Inspection, platforms: &mut Platforms<'a>) {
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
