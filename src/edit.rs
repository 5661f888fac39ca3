//! Images in texts of Kubernetes objects, changed where they stand.
//!
//! Nothing is printed anew: of a text only the characters of tags and digests change, so that
//! comments, order and quoting stay. What cannot be changed so is left alone, and said. After
//! each edit the text is read again by the reader of objects and compared with what it was:
//! where anything but the wanted images differs, the text stays as it was.

mod diff;
mod kustomization;
mod objects;
mod patch;
mod places;
mod scalar;
mod template;
#[cfg(test)]
mod tests;
mod tree;
mod uses;

use std::borrow::Cow;
use std::ops::Range;

use serde_json::Value;

pub use self::diff::unified_diff;
pub use self::kustomization::{
    KUSTOMIZATION_FILES, Kustomization, Replacements, edit_kustomization,
};
pub use self::patch::{Patch, has_strategic_merge, patch};
use self::places::{Change, ChangePlaces};
pub use self::template::{TemplateImage, is_template, template_images};
use self::tree::{DocumentTree, NodeContent, NodeId};
use self::uses::{Uses, uses};
use crate::domain::reference::ImageReference;
use crate::files::{PlacedDocument, documents};
use crate::objects::kinds::KindRule;

/// The object that names an image.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct ImageOwner<'a> {
    /// `apiVersion`, as written.
    pub api_version: Cow<'a, str>,
    /// `kind`, as written.
    pub kind: Cow<'a, str>,
    /// Its name, or what its name begins with where the API server makes it up.
    pub name: Cow<'a, str>,
}

impl<'a> ImageOwner<'a> {
    /// The owner that a kind and the metadata of an object make.
    fn of(value: &'a Value, kind: &'a str, api_version: &'a str) -> Self {
        let metadata = value.get("metadata");
        let text = |key: &str| metadata.and_then(|all| all.get(key)?.as_str());
        let name = text("name").filter(|name| !name.is_empty());
        let name = name.or_else(|| text("generateName")).unwrap_or_default();
        Self {
            api_version: Cow::Borrowed(api_version),
            kind: Cow::Borrowed(kind),
            name: Cow::Borrowed(name),
        }
    }
}

/// What an image of an object is to become; none where it stays.
pub type WantedImages<'w> = dyn Fn(&ImageOwner<'_>, &str) -> Option<String> + 'w;

/// A text after an edit.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Edited {
    /// The text, with the changes in it.
    pub text: String,
    /// What was changed, in the order of the text.
    pub changed: Vec<ChangedImage>,
    /// What was to change and did not.
    pub left_alone: Vec<LeftAlone>,
}

impl Edited {
    /// The same without any change, for a reason that completes a sentence about each image.
    #[must_use]
    pub fn taken_back(mut self, why: &'static str, before: &str) -> Self {
        before.clone_into(&mut self.text);
        let changed = std::mem::take(&mut self.changed).into_iter();
        self.left_alone.extend(changed.map(|change| LeftAlone {
            line: change.line,
            image: change.old,
            why,
        }));
        self.left_alone.sort();
        self
    }
}

/// An image that was changed.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct ChangedImage {
    /// The line on which it stands.
    pub line: usize,
    /// What it was.
    pub old: String,
    /// What it is now.
    pub new: String,
}

/// An image that was to change and did not.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct LeftAlone {
    /// The line on which it, or its document, stands.
    pub line: usize,
    /// What it is.
    pub image: String,
    /// Why, completing a sentence that begins with the image.
    pub why: &'static str,
}

/// Changes images of pod specifications, wherever the objects of a text have some.
pub fn edit(text: &str, kinds: &[KindRule], wanted: &WantedImages<'_>) -> Edited {
    edit_documents(text, |values| {
        let images = objects::images(values, kinds);
        let named = images.into_iter().filter_map(|named| {
            let new = wanted(&named.owner, named.image)?;
            (new != named.image).then(|| WantedChange {
                path: named.path,
                old: named.image.into(),
                shown: [named.image.to_owned(), new.clone()],
                change: end_of_image(named.image, new),
            })
        });
        named.collect()
    })
}

/// A change that is asked for.
struct WantedChange {
    path: Vec<String>,
    old: Value,
    /// How people are told: what it is, and what it becomes.
    shown: [String; 2],
    /// What becomes of it, or why it cannot.
    change: Result<(String, usize), &'static str>,
}

/// The new image, and how many bytes of the old one stay.
fn end_of_image(old: &str, new: String) -> Result<(String, usize), &'static str> {
    let name = written_name(old).ok_or("is no image reference")?;
    match (old.parse::<ImageReference>(), new.parse::<ImageReference>()) {
        (Ok(was), Ok(is)) if was.name() == is.name() && written_name(&new) == Some(name) => {
            match was.digest().is_some() && is.digest().is_none() {
                true => Err("has a digest, which would still decide"),
                false => Ok((new, name.len())),
            }
        }
        _ => Err("would have another name, which is more than another tag"),
    }
}

/// The name of an image as written, without tag and digest.
fn written_name(image: &str) -> Option<&str> {
    let reference: ImageReference = image.parse().ok()?;
    let name = match reference.digest() {
        Some(digest) => image.strip_suffix(&format!("@{digest}"))?,
        None => image,
    };
    let tag = reference.tag().map(|tag| format!(":{tag}"));
    Some(
        tag.and_then(|tag| name.strip_suffix(tag.as_str()))
            .unwrap_or(name),
    )
}

/// A document with what is to change in it.
struct EditPlan<'t> {
    document: PlacedDocument<'t>,
    values: Vec<Value>,
    places: ChangePlaces,
    changes: Vec<Planned>,
}

struct Planned {
    change: Change,
    shown: [String; 2],
    line: usize,
    /// Why it is left alone; unknown where nobody came to it yet.
    outcome: Result<(), &'static str>,
}

/// Characters of a text, and what they become.
type Edit = (Range<usize>, String);

/// Why a change is not made although it could be written.
const SAYS_MORE: &str = "is in a text that would say something else then, too";

fn edit_documents(text: &str, wanted: impl Fn(&[Value]) -> Vec<WantedChange>) -> Edited {
    let mut plans = Vec::new();
    let mut edits = Vec::new();
    for mut document in documents(text) {
        let Some(values) = document.values.take() else {
            plans.push(None);
            continue;
        };
        let asked = wanted(&values);
        let mut plan = EditPlan::new(document, values, asked);
        plan.find_edits(&mut edits);
        plans.push(Some(plan));
    }
    edits.sort_by_key(|(range, _)| range.start);
    let after = replaced(text, &edits);
    let holds = differs_as_planned(&after, &plans);
    let mut edited = Edited {
        text: if holds { after } else { text.to_owned() },
        ..Edited::default()
    };
    for planned in plans.into_iter().flatten().flat_map(|plan| plan.changes) {
        let [old, new] = planned.shown;
        let line = planned.line;
        let outcome = planned
            .outcome
            .and(if holds { Ok(()) } else { Err(SAYS_MORE) });
        match outcome {
            Ok(()) => edited.changed.push(ChangedImage { line, old, new }),
            Err(why) => edited.left_alone.push(LeftAlone {
                line,
                image: old,
                why,
            }),
        }
    }
    edited.changed.sort();
    edited.left_alone.sort();
    edited
}

/// The text with edits, which are sorted and do not overlap.
fn replaced(text: &str, edits: &[Edit]) -> String {
    let mut after = String::with_capacity(text.len());
    let mut at = 0;
    for (range, new) in edits {
        after.push_str(text.get(at..range.start).unwrap_or_default());
        after.push_str(new);
        at = range.end;
    }
    after.push_str(text.get(at..).unwrap_or_default());
    after
}

/// Reads the text again: whether it says what it said, save for what was to change.
fn differs_as_planned(after: &str, plans: &[Option<EditPlan<'_>>]) -> bool {
    let documents = documents(after);
    let mut pairs = documents.iter().zip(plans);
    documents.len() == plans.len()
        && pairs.all(|(document, plan)| match (&document.values, plan) {
            (Some(values), Some(plan)) => plan.explains(values),
            (None, None) => true,
            _ => false,
        })
}

impl<'t> EditPlan<'t> {
    fn new(document: PlacedDocument<'t>, values: Vec<Value>, asked: Vec<WantedChange>) -> Self {
        let mut places = ChangePlaces::default();
        let mut changes = Vec::new();
        for asked in asked {
            let outcome = match &asked.change {
                Ok(_) => Err("was not found in the text"),
                Err(why) => Err(*why),
            };
            if asked.change.is_ok() {
                places.insert(&asked.path, changes.len());
            }
            let (new, kept) = asked.change.unwrap_or_default();
            changes.push(Planned {
                change: Change {
                    old: asked.old,
                    new,
                    kept,
                },
                shown: asked.shown,
                line: document.line,
                outcome,
            });
        }
        Self {
            document,
            values,
            places,
            changes,
        }
    }

    fn explains(&self, after: &[Value]) -> bool {
        let changes: Vec<Option<&Change>> = self
            .changes
            .iter()
            .map(|planned| planned.outcome.is_ok().then_some(&planned.change))
            .collect();
        self.places.explain(&changes, &self.values, after)
    }

    /// Finds the characters of what is to change, and says of the rest why it is left alone.
    fn find_edits(&mut self, edits: &mut Vec<Edit>) {
        if self.places.is_empty() {
            return;
        }
        let tree =
            DocumentTree::parse(self.document.text).ok_or("is in a document that is not followed");
        let found = tree.and_then(|tree| uses(&tree, &self.places).map(|uses| (tree, uses)));
        let (tree, uses) = match found {
            Ok(found) => found,
            Err(why) => {
                let changes = self.changes.iter_mut();
                changes.for_each(|planned| planned.outcome = Err(why));
                return;
            }
        };
        for (node, uses) in uses
            .into_iter()
            .filter(|(_, uses)| !uses.changes.is_empty())
        {
            let edit = self.edit_of(&tree, node, &uses);
            for number in uses.changes {
                if let Some(planned) = self.changes.get_mut(number) {
                    planned.line = self.document.line + tree.line(node) - 1;
                    planned.outcome = edit.as_ref().map(|_| ()).map_err(|why| *why);
                }
            }
            edits.extend(edit.ok());
        }
    }

    /// The edit of a scalar that stands for one image or several.
    fn edit_of(
        &self,
        tree: &DocumentTree<'_>,
        node: NodeId,
        uses: &Uses,
    ) -> Result<Edit, &'static str> {
        let mut changes = uses
            .changes
            .iter()
            .filter_map(|number| self.changes.get(*number));
        let Some(first) = changes.next() else {
            return Err("was not found in the text");
        };
        if uses.elsewhere {
            return Err("stands at an anchor that something else refers to, too");
        }
        if changes.any(|other| other.change != first.change) {
            return Err("stands at an anchor of images that would become different ones");
        }
        let span = tree.span(node);
        let source = self.document.text.get(span.clone()).unwrap_or_default();
        let Some(NodeContent::Scalar(value, style)) = tree.content(node) else {
            return Err("was not found in the text");
        };
        let Change { new, kept, .. } = &first.change;
        let new = scalar::with_end(source, *style, value, *kept, new)?;
        let offset = self.document.offset;
        Ok((span.start + offset..span.end + offset, new))
    }
}
