//! Reading a body back.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use super::{
    ALGORITHMS, ANSWER, ARTIFACT, BY_DIGEST, BY_TAG, DOCUMENT, INDEX, KINDS, MANIFEST, MEDIA_TYPES,
    NO_PLATFORM, PLATFORM, ZSTD,
};
use crate::domain::inspection::{Content, Entry, Inspection};
use crate::domain::platform::Platform;
use crate::domain::reference::{Digest, ImageReference};
use crate::registry::cache::contents::{Contents, PublicAnswer};
use crate::registry::document::{self, LONGEST_PLATFORM_TEXT, MOST_ENTRIES, MOST_FEATURES};

/// The contents of the records; none if nobody would write them so.
pub(super) fn contents(records: &[u8]) -> Option<Contents> {
    let mut reader = Reader(records);
    let mut platforms = Vec::new();
    let mut contents = Contents::default();
    let mut digests = HashSet::new();
    while !reader.0.is_empty() {
        match reader.byte()? {
            PLATFORM => platforms.push(reader.platform()?),
            DOCUMENT => {
                let document = reader.document(&platforms)?;
                // Two documents of one digest: at least one of them is a lie.
                if !digests.insert(document.digest.clone()) {
                    return None;
                }
                contents.documents.push(Arc::new(document));
            }
            ANSWER => {
                let answer = reader.answer(&contents.documents)?;
                contents.answers.push(answer);
            }
            _ => return None,
        }
    }
    Some(contents)
}

/// What is left to read. Nothing here takes more memory than there are bytes for.
struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    fn take(&mut self, length: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(length)?;
        self.0 = rest;
        Some(taken)
    }

    fn byte(&mut self) -> Option<u8> {
        self.take(1)?.first().copied()
    }

    fn number(&mut self) -> Option<u32> {
        Some(u32::from_le_bytes(self.take(4)?.try_into().ok()?))
    }

    fn long(&mut self) -> Option<u64> {
        Some(u64::from_le_bytes(self.take(8)?.try_into().ok()?))
    }

    fn length(&mut self) -> Option<usize> {
        usize::try_from(self.number()?).ok()
    }

    fn text(&mut self) -> Option<&'a str> {
        let length = self.length()?;
        std::str::from_utf8(self.take(length)?).ok()
    }

    fn digest(&mut self) -> Option<Digest> {
        let (algorithm, length) = one_of(self.byte()?, &ALGORITHMS)?;
        Digest::new(algorithm, self.take(length)?).ok()
    }

    fn platform(&mut self) -> Option<Arc<Platform>> {
        let mut platform = Platform::default();
        for part in [
            &mut platform.os,
            &mut platform.architecture,
            &mut platform.variant,
            &mut platform.os_version,
        ] {
            self.platform_text()?.clone_into(part);
        }
        let features = self.length()?;
        if features > MOST_FEATURES {
            return None;
        }
        for _ in 0..features {
            platform.os_features.push(self.platform_text()?.to_owned());
        }
        Some(document::shared(platform))
    }

    fn platform_text(&mut self) -> Option<&'a str> {
        self.text()
            .filter(|text| text.len() <= LONGEST_PLATFORM_TEXT)
    }

    fn platform_of(&mut self, platforms: &[Arc<Platform>]) -> Option<Option<Arc<Platform>>> {
        match self.number()? {
            NO_PLATFORM => Some(None),
            position => Some(Some(
                platforms.get(usize::try_from(position).ok()?)?.clone(),
            )),
        }
    }

    fn document(&mut self, platforms: &[Arc<Platform>]) -> Option<Inspection> {
        let digest = self.digest()?;
        let media_type = one_of(self.byte()?, &MEDIA_TYPES)?;
        let content = match (self.byte()?, media_type.is_index()) {
            (INDEX, true) => Content::Index(self.entries(platforms)?),
            (MANIFEST, false) => {
                Content::Manifest(Platform::clone(&*self.platform_of(platforms)??))
            }
            (ARTIFACT, false) => Content::Artifact,
            _ => return None,
        };
        Some(Inspection {
            digest,
            media_type,
            content,
        })
    }

    fn entries(&mut self, platforms: &[Arc<Platform>]) -> Option<Vec<Entry>> {
        let count = self.length()?;
        if count > MOST_ENTRIES {
            return None;
        }
        // Just as long as needed: they stay.
        let mut entries = Vec::with_capacity(count);
        for _ in 0..count {
            let digest = self.digest()?;
            let kind = self.byte()?;
            entries.push(Entry {
                digest,
                kind: one_of(kind & !ZSTD, &KINDS)?,
                platform: self.platform_of(platforms)?,
                zstd: kind & ZSTD != 0,
            });
        }
        Some(entries)
    }

    fn answer(&mut self, documents: &[Arc<Inspection>]) -> Option<PublicAnswer> {
        let inspection = documents.get(self.length()?)?;
        let name = self.text()?;
        let (reference, confirmed) = match self.byte()? {
            BY_TAG => {
                let reference = format!("{name}:{}", self.text()?);
                let since_1970 = Duration::from_secs(self.long()?);
                (
                    reference,
                    Some(SystemTime::UNIX_EPOCH.checked_add(since_1970)?),
                )
            }
            BY_DIGEST => (format!("{name}@{}", inspection.digest), None),
            _ => return None,
        };
        let image: ImageReference = reference.parse().ok()?;
        // One selector, and no name that stands for another one.
        let is_plain = image.tag().is_none() || image.digest().is_none();
        (is_plain && image.to_string() == reference).then(|| PublicAnswer {
            image,
            inspection: Arc::clone(inspection),
            confirmed,
        })
    }
}

/// One of all values of a kind, by its position.
fn one_of<T: Copy>(position: u8, all: &[T]) -> Option<T> {
    all.get(usize::from(position)).copied()
}
