//! Images that a kustomization sets, and where those come from that it does not.

use std::collections::BTreeMap;

use serde::{Deserialize, Deserializer};
use serde_json::Value;

use super::{Edited, WantedChange, edit_documents, end_of_image, written_name};
use crate::domain::reference::ImageReference;
use crate::files::first_value;

/// The names of a kustomization's file, of which a folder has one.
/// Source: `RecognizedKustomizationFileNames` in
/// <https://github.com/kubernetes-sigs/kustomize/blob/master/api/konfig/general.go>
pub const KUSTOMIZATION_FILES: [&str; 3] =
    ["kustomization.yaml", "kustomization.yml", "Kustomization"];

/// What images become, by what they are.
pub type Replacements = BTreeMap<String, String>;

/// A kustomization, as far as images are concerned.
/// Source: <https://kubectl.docs.kubernetes.io/references/kustomize/kustomization/>
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct Kustomization {
    #[serde(deserialize_with = "those_that_fit")]
    images: Vec<ImageEntry>,
    #[serde(deserialize_with = "those_that_fit")]
    resources: Vec<String>,
    #[serde(deserialize_with = "those_that_fit")]
    bases: Vec<String>,
    #[serde(deserialize_with = "those_that_fit")]
    components: Vec<String>,
    #[serde(deserialize_with = "those_that_fit")]
    patches: Vec<PatchEntry>,
    #[serde(deserialize_with = "those_that_fit")]
    patches_strategic_merge: Vec<String>,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct ImageEntry {
    name: String,
    new_name: Option<String>,
    new_tag: Option<String>,
    digest: Option<String>,
    tag_suffix: Option<String>,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
struct PatchEntry {
    path: Option<String>,
}

/// kubectl has rendered it: what it took and we do not know is none of ours.
fn those_that_fit<'de, D, T>(source: D) -> Result<Vec<T>, D::Error>
where
    D: Deserializer<'de>,
    T: for<'a> Deserialize<'a>,
{
    let values = Vec::<Value>::deserialize(source).unwrap_or_default();
    let read = values.into_iter().map(serde_json::from_value);
    Ok(read.filter_map(Result::ok).collect())
}

impl Kustomization {
    /// Reads a kustomization; none where the text is no object.
    pub fn parse(text: &str) -> Option<Self> {
        let value = first_value(text).filter(Value::is_object)?;
        Self::deserialize(value).ok()
    }

    /// What it is made of: files, folders and addresses, as written.
    pub fn sources(&self) -> impl Iterator<Item = &str> {
        let patches = self.patches.iter().filter_map(|patch| patch.path.as_ref());
        let lists = [&self.resources, &self.bases, &self.components];
        lists
            .into_iter()
            .flatten()
            .chain(patches)
            .chain(&self.patches_strategic_merge)
            .map(String::as_str)
            // A patch may also stand there itself.
            .filter(|source| !source.contains('\n'))
    }

    /// What the images of its sources are to become, so that those it renders do: names as
    /// they were before it gave them others, and without those whose tag it sets.
    pub fn of_sources(&self, rendered: &Replacements) -> Replacements {
        let mut wanted = Replacements::new();
        for (old, new) in rendered {
            let Some(name) = written_name(old) else {
                continue;
            };
            if !self.images.iter().any(|entry| entry.name == name) {
                wanted.insert(old.clone(), new.clone());
            }
            let names = self.images.iter().filter(|entry| !entry.sets_end());
            for entry in names.filter(|entry| entry.rendered_name() == name) {
                let before = |image: &str| {
                    let end = image.strip_prefix(name)?;
                    Some(format!("{}{end}", entry.name))
                };
                wanted.extend(before(old).zip(before(new)));
            }
        }
        wanted
    }
}

impl ImageEntry {
    fn rendered_name(&self) -> &str {
        self.new_name.as_deref().unwrap_or(&self.name)
    }

    /// Whether what stands behind the name is this entry's, whatever it was before.
    fn sets_end(&self) -> bool {
        self.new_tag.is_some() || self.digest.is_some() || self.tag_suffix.is_some()
    }

    /// Whether it makes this image of what it applies to.
    fn renders(&self, image: &str, reference: &ImageReference) -> bool {
        let digest = reference.digest().map(ToString::to_string);
        let has_digest = self.digest == digest;
        let has_tag = self.new_tag.is_none() || self.new_tag.as_deref() == reference.tag();
        self.sets_end()
            && written_name(image) == Some(self.rendered_name())
            && (self.tag_suffix.is_some() || (has_digest && has_tag))
    }
}

/// Changes `newTag` and `digest` of the entries under `images` that make the images.
pub fn edit_kustomization(text: &str, rendered: &Replacements) -> Edited {
    edit_documents(text, |values| {
        let images = values.first().and_then(|value| value["images"].as_array());
        let entries = images.into_iter().flatten().enumerate();
        let changes = entries.flat_map(|(position, entry)| {
            let Ok(known) = ImageEntry::deserialize(entry) else {
                return Vec::new();
            };
            let made = rendered.iter().filter(|(old, _)| {
                let reference = old.parse::<ImageReference>();
                reference.is_ok_and(|reference| known.renders(old, &reference))
            });
            made.flat_map(|(old, new)| known.changes(position, entry, old, new))
                .collect()
        });
        changes.collect()
    })
}

impl ImageEntry {
    /// The fields that have to change for another image.
    fn changes(&self, position: usize, entry: &Value, old: &str, new: &str) -> Vec<WantedChange> {
        let field = |key: &str, end: Result<String, &'static str>| WantedChange {
            path: ["0", "images", &position.to_string(), key]
                .map(str::to_owned)
                .to_vec(),
            old: entry[key].clone(),
            shown: [old.to_owned(), new.to_owned()],
            change: end.map(|end| (end, 0)),
        };
        let reference = end_of_image(old, new.to_owned());
        let reference = reference.and_then(|(new, _)| {
            let parsed = new.parse::<ImageReference>();
            parsed.map_err(|_| "is no image reference")
        });
        let reference = match reference {
            Ok(reference) => reference,
            Err(why) => return vec![field("name", Err(why))],
        };
        if self.tag_suffix.is_some() && self.new_tag.is_none() && self.digest.is_none() {
            return vec![field("tagSuffix", Err("has a tag with a tagSuffix"))];
        }
        let tag = self.new_tag.is_some().then(|| {
            let tag = reference.tag().map(str::to_owned);
            field(
                "newTag",
                tag.ok_or("would have no tag, and newTag sets one"),
            )
        });
        let digest = match (&self.digest, reference.digest()) {
            (Some(_), Some(digest)) => Some(field("digest", Ok(digest.to_string()))),
            (Some(_), None) => Some(field(
                "digest",
                Err("has a digest, which would still decide"),
            )),
            (None, Some(_)) => Some(field(
                "newTag",
                Err("would have a digest, and its entry has none"),
            )),
            (None, None) => None,
        };
        let changes: Vec<WantedChange> = tag.into_iter().chain(digest).collect();
        // One without the other would be a third image.
        match changes.iter().any(|change| change.change.is_err()) {
            true => changes
                .into_iter()
                .filter(|one| one.change.is_err())
                .collect(),
            false => changes,
        }
    }
}
