//! Where the objects of a document name images.

use serde_json::Value;

use super::ImageOwner;
use crate::objects::kinds::{ImagePath, KindRef, KindRule, PathStep};

/// Lists of lists are followed to this depth, as the reader of objects does.
const MAX_LIST_DEPTH: usize = 4;

/// An image of an object, and the path to it from the top.
pub(super) struct NamedImage<'v> {
    pub(super) owner: ImageOwner<'v>,
    pub(super) path: Vec<String>,
    pub(super) image: &'v str,
}

/// The images that the values at the top name, those of lists included.
pub(super) fn images<'v>(values: &'v [Value], kinds: &[KindRule]) -> Vec<NamedImage<'v>> {
    let mut found = Vec::new();
    for (position, value) in values.iter().enumerate() {
        let mut finder = Finder {
            kinds,
            path: vec![position.to_string()],
            found: &mut found,
        };
        finder.add(value, "", "", MAX_LIST_DEPTH);
    }
    found
}

struct Finder<'f, 'v> {
    kinds: &'f [KindRule],
    path: Vec<String>,
    found: &'f mut Vec<NamedImage<'v>>,
}

impl<'v> Finder<'_, 'v> {
    /// Adds the images of an object. Items of typed lists may leave out what they are.
    fn add(&mut self, value: &'v Value, kind: &'v str, api_version: &'v str, lists: usize) {
        let text = |key: &str| value.get(key).and_then(Value::as_str);
        let (kind, api_version) = match text("kind") {
            Some(kind) => (kind, text("apiVersion").unwrap_or_default()),
            None => (kind, text("apiVersion").unwrap_or(api_version)),
        };
        if let (Some(item_kind), Some(Value::Array(items))) =
            (kind.strip_suffix("List"), value.get("items"))
        {
            if lists > 0 {
                self.path.push("items".to_owned());
                self.each(items, |finder, item| {
                    finder.add(item, item_kind, api_version, lists - 1);
                });
                self.path.pop();
            }
            return;
        }
        let owner = ImageOwner::of(value, kind, api_version);
        let paths = KindRef::from_object(api_version, kind).image_paths(self.kinds);
        for path in &paths {
            self.follow(&owner, value, path, 0);
        }
    }

    fn each(&mut self, items: &'v [Value], mut visit: impl FnMut(&mut Self, &'v Value)) {
        for (position, item) in items.iter().enumerate() {
            self.path.push(position.to_string());
            visit(self, item);
            self.path.pop();
        }
    }

    fn follow(&mut self, owner: &ImageOwner<'v>, value: &'v Value, path: &ImagePath, at: usize) {
        match (path.steps().get(at), value) {
            (None, Value::String(image)) => self.found.push(NamedImage {
                owner: owner.clone(),
                path: self.path.clone(),
                image,
            }),
            (Some(PathStep::Field(name)), Value::Object(fields)) => {
                if let Some(value) = fields.get(name) {
                    self.path.push(name.clone());
                    self.follow(owner, value, path, at + 1);
                    self.path.pop();
                }
            }
            (Some(PathStep::Each), Value::Array(items)) => {
                self.each(items, |finder, item| {
                    finder.follow(owner, item, path, at + 1);
                });
            }
            (Some(PathStep::Each), Value::Object(fields)) => {
                for (name, value) in fields {
                    self.path.push(name.clone());
                    self.follow(owner, value, path, at + 1);
                    self.path.pop();
                }
            }
            _ => {}
        }
    }
}
