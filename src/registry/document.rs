//! Registry documents: indexes, lists, manifests and configs, bounded, as plain values.
//!
//! Documents are read as leniently as Go reads them, since that is what the runtimes do:
//! keys in any case, the last of several equal keys, missing and null lists as empty.
//! What runtimes refuse is refused: documents that are index and manifest at once, and
//! digests that are none.

mod lenient;

use std::sync::{Arc, LazyLock};

use moka::sync::Cache;

use crate::domain::inspection::{Build, Entry, EntryKind, MediaType};
use crate::domain::platform::Platform;
use crate::domain::reference::{Digest, is_tag};
use crate::domain::text::shortened;
use crate::domain::unknown::Unknown;

use super::error::{malformed, too_large, unsupported};
use lenient::{RawAnnotations, RawDescriptor, RawDocument, RawPlatform, RawTags};

/// Largest manifest, index or config that is read. Source: the OCI distribution
/// specification, "Pushing Manifests"; containers/image has the same limit.
pub(super) const MAX_DOCUMENT_BYTES: u64 = 4 * 1024 * 1024;
/// Most entries of an index.
pub(super) const MAX_ENTRIES: usize = 1000;
/// Most entries of `os.features`; Windows knows one.
pub(super) const MAX_OS_FEATURES: usize = 64;
/// Longest text of a platform that is kept, in bytes. No node says a longer one.
pub(super) const MAX_PLATFORM_TEXT_BYTES: usize = 128;
/// Longest revision that is kept, in bytes: a SHA-256 in hexadecimal.
const MAX_REVISION_BYTES: usize = 64;
/// Longest name of a base image that is kept, in bytes. Those that are followed are short.
const MAX_BASE_BYTES: usize = 128;
/// How many platforms are shared, and how many bytes one of them has at most.
const MAX_SHARED_PLATFORMS: u64 = 1000;
pub(super) const MAX_SHARED_PLATFORM_BYTES: usize = 512;

/// A document by its type.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct ParsedDocument {
    pub(super) media_type: MediaType,
    pub(super) body: Body,
    /// How it was built, by its own annotations.
    pub(super) build: Option<Build>,
}

/// What a document says by itself.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Body {
    /// An index or list with its entries.
    Index(Vec<Entry>),
    /// An image manifest: its platform is in the config.
    Image { config: Digest },
    /// A manifest whose config may be an image config under a general name.
    PerhapsImage { config: Digest },
    /// A manifest whose config is something else.
    Artifact,
}

/// Reads a manifest or index. `content_type` is the header's value.
pub(super) fn parse(bytes: &[u8], content_type: Option<&str>) -> Result<ParsedDocument, Unknown> {
    let announced = Announced::from_header(content_type)?;
    let mut raw: RawDocument =
        serde_json::from_slice(bytes).map_err(|_| malformed("the document is not valid JSON"))?;
    let media_type = media_type(announced, &raw)?;
    let build = build(raw.annotations.take().unwrap_or_default());
    let body = if media_type.is_index() {
        if raw.config.is_some() || raw.layers.is_some() {
            return Err(ambiguous());
        }
        Body::Index(entries(raw)?)
    } else {
        if raw.manifests.is_some() {
            return Err(ambiguous());
        }
        image(raw)?
    };
    Ok(ParsedDocument {
        media_type,
        body,
        build,
    })
}

/// Reads the platform of an image config; parts it does not state are empty.
pub(super) fn parse_config(bytes: &[u8]) -> Result<Platform, Unknown> {
    let raw: RawPlatform = serde_json::from_slice(bytes)
        .map_err(|_| malformed("the image's config is not valid JSON"))?;
    platform(raw)
}

/// Reads a page of tags; those that no reference may have are left out.
pub(super) fn parse_tags(bytes: &[u8]) -> Result<Vec<String>, Unknown> {
    let raw: RawTags = serde_json::from_slice(bytes)
        .map_err(|_| malformed("the registry's list of tags is not valid JSON"))?;
    let tags = raw.tags.unwrap_or_default().items.into_iter().flatten();
    Ok(tags.filter(|tag| is_tag(tag)).collect())
}

/// Both readings of such a document have the same digest: what we judge and what a node
/// pulls could differ. Source: CVE-2021-41190.
fn ambiguous() -> Unknown {
    malformed("the document is an index and a manifest at once")
}

/// What the Content-Type header says.
enum Announced {
    Known(MediaType),
    /// A general type, or none: the document must say what it is.
    Nothing,
}

impl Announced {
    fn from_header(content_type: Option<&str>) -> Result<Self, Unknown> {
        let name = content_type
            .and_then(|value| value.split(';').next())
            .map(|value| value.trim().to_ascii_lowercase())
            .unwrap_or_default();
        if let Some(media_type) = MediaType::from_name(&name) {
            return Ok(Self::Known(media_type));
        }
        match name.as_str() {
            ""
            | "application/json"
            | "application/octet-stream"
            | "binary/octet-stream"
            | "text/plain" => Ok(Self::Nothing),
            // A login page or a proxy's notice, with status 200.
            "text/html" | "application/xhtml+xml" => {
                Err(malformed("the answer is a web page, not a document"))
            }
            "application/vnd.docker.distribution.manifest.v1+prettyjws"
            | "application/vnd.docker.distribution.manifest.v1+json" => Err(schema_1()),
            _ => Err(unsupported("the document has a type that no runtime pulls")),
        }
    }
}

fn schema_1() -> Unknown {
    unsupported("the image is in Docker's first format (schema 1), which runtimes no longer pull")
}

/// The type, once. Source: distribution specification, "Pulling manifests": a client
/// refuses a document whose `mediaType` and Content-Type differ.
fn media_type(announced: Announced, raw: &RawDocument) -> Result<MediaType, Unknown> {
    if raw.fs_layers.is_some() || raw.schema_version == Some(1) {
        return Err(schema_1());
    }
    let stated = raw.media_type.as_deref().filter(|name| !name.is_empty());
    match (announced, stated) {
        (Announced::Known(media_type), None) => Ok(media_type),
        (Announced::Known(media_type), Some(name)) if name == media_type.name() => Ok(media_type),
        (Announced::Known(_), Some(_)) => Err(malformed(
            "the document's mediaType contradicts its Content-Type",
        )),
        (Announced::Nothing, Some(name)) => MediaType::from_name(name)
            .ok_or_else(|| unsupported("the document has a type that no runtime pulls")),
        (Announced::Nothing, None) => Err(unsupported("the document does not say its type")),
    }
}

fn entries(raw: RawDocument) -> Result<Vec<Entry>, Unknown> {
    let list = raw.manifests.unwrap_or_default();
    if list.overflow {
        return Err(too_large("the index has more than 1,000 entries"));
    }
    // A new list, just as long as needed: collecting in place would keep the larger raw one.
    let mut entries: Vec<Entry> = Vec::with_capacity(list.items.len());
    for item in list.items {
        let mut entry = entry(item)?;
        let before = entries.last().and_then(|last| last.build.as_ref());
        entry.build = entry.build.map(|build| shared_with(before, build));
        entries.push(entry);
    }
    Ok(entries)
}

fn entry(raw: Option<RawDescriptor>) -> Result<Entry, Unknown> {
    let raw = raw.unwrap_or_default();
    let annotations = raw.annotations.unwrap_or_default();
    Ok(Entry {
        digest: digest(raw.digest.as_deref())?,
        kind: match raw.media_type.as_deref().and_then(MediaType::from_name) {
            Some(media_type) if media_type.is_index() => EntryKind::Index,
            Some(_) => EntryKind::Manifest,
            None => EntryKind::Other,
        },
        platform: raw.platform.map(platform).transpose()?.map(shared),
        zstd: annotations.zstd,
        build: build(annotations).map(Arc::new),
    })
}

/// What annotations say of a build. What cannot be so is dropped.
fn build(annotations: RawAnnotations) -> Option<Build> {
    let created = annotations.created.and_then(|text| {
        let time: jiff::Timestamp = text.parse().ok()?;
        u64::try_from(time.as_second()).ok()
    });
    let build = Build {
        revision: annotations
            .revision
            .filter(|text| is_revision(text))
            .map(Into::into),
        created,
        base: annotations
            .base
            .filter(|text| is_base(text))
            .map(Into::into),
    };
    (build != Build::default()).then_some(build)
}

/// Whether a text may be the revision of sources.
pub(super) fn is_revision(text: &str) -> bool {
    is_visible(text, MAX_REVISION_BYTES)
}

/// Whether a text may be the name of a base image.
pub(super) fn is_base(text: &str) -> bool {
    is_visible(text, MAX_BASE_BYTES)
}

fn is_visible(text: &str, longest: usize) -> bool {
    (1..=longest).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_graphic())
}

/// The build, with the texts of the one before where they agree, which is all of it or
/// nearly all.
pub(super) fn shared_with(before: Option<&Arc<Build>>, build: Arc<Build>) -> Arc<Build> {
    let Some(before) = before else {
        return build;
    };
    if **before == *build {
        return Arc::clone(before);
    }
    let same = |known: &Option<Arc<str>>, new: &Option<Arc<str>>| match known == new {
        true => known.clone(),
        false => new.clone(),
    };
    Arc::new(Build {
        revision: same(&before.revision, &build.revision),
        created: build.created,
        base: same(&before.base, &build.base),
    })
}

fn image(raw: RawDocument) -> Result<Body, Unknown> {
    let config = raw
        .config
        .ok_or_else(|| malformed("the manifest has no config"))?;
    let digest = digest(config.digest.as_deref())?;
    let is_too_large = config
        .size
        .is_some_and(|size| u64::try_from(size).is_ok_and(|size| size > MAX_DOCUMENT_BYTES));
    match config.media_type.as_deref().unwrap_or_default() {
        "application/vnd.oci.image.config.v1+json"
        | "application/vnd.docker.container.image.v1+json" => {
            if is_too_large {
                return Err(too_large("the image's config is larger than 4 MiB"));
            }
            Ok(Body::Image { config: digest })
        }
        // Old registries label image configs so. Source: distribution issue 1622.
        "application/octet-stream" if !is_too_large => Ok(Body::PerhapsImage { config: digest }),
        "" => Err(malformed("the manifest's config has no type")),
        _ => Ok(Body::Artifact),
    }
}

/// Digests are read strictly before any URL is built of them. Source: CVE-2024-3727.
fn digest(text: Option<&str>) -> Result<Digest, Unknown> {
    text.unwrap_or_default()
        .parse()
        .map_err(|_| malformed("the document names something by an invalid digest"))
}

/// The same platform for all documents that name it: nearly all entries of all indexes are
/// for the same two dozen. Long ones are none of those, and nobody else's memory to keep.
pub(super) fn shared(platform: Platform) -> Arc<Platform> {
    static KNOWN: LazyLock<Cache<Platform, Arc<Platform>>> =
        LazyLock::new(|| Cache::new(MAX_SHARED_PLATFORMS));
    if size(&platform) > MAX_SHARED_PLATFORM_BYTES {
        return Arc::new(platform);
    }
    if let Some(known) = KNOWN.get(&platform) {
        return known;
    }
    let new = Arc::new(platform.clone());
    KNOWN.insert(platform, Arc::clone(&new));
    new
}

/// Bytes of a platform, roughly: its own, and those of its texts.
pub(super) fn size(platform: &Platform) -> usize {
    texts(platform).fold(size_of::<Platform>(), |size, text| {
        size + size_of::<String>() + text.len()
    })
}

/// All texts of a platform.
pub(super) fn texts(platform: &Platform) -> impl Iterator<Item = &String> {
    let texts = [
        &platform.os,
        &platform.architecture,
        &platform.variant,
        &platform.os_version,
    ];
    texts.into_iter().chain(&platform.os_features)
}

fn platform(raw: RawPlatform) -> Result<Platform, Unknown> {
    let features = raw.os_features.unwrap_or_default();
    if features.overflow {
        return Err(too_large("the document lists too many os.features"));
    }
    let text = |text: Option<String>| platform_text(text.unwrap_or_default());
    let features = features.items.into_iter().flatten();
    Ok(Platform {
        os: text(raw.os),
        architecture: text(raw.architecture),
        variant: text(raw.variant),
        os_version: text(raw.os_version),
        os_features: features.map(platform_text).collect(),
    })
}

/// A text that is too long to be any node's matches none, as the runtimes have it: of such a
/// one the start is kept, with an ellipsis, which is no node's either.
fn platform_text(text: String) -> String {
    /// In characters: with the ellipsis, less than the longest text has bytes.
    const START: usize = 31;
    if text.len() <= MAX_PLATFORM_TEXT_BYTES {
        return text;
    }
    shortened(&text, START).into_owned()
}

#[cfg(test)]
mod tests;
