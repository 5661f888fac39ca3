//! How an image was built, as the file has it: texts that the entry before has are not written
//! again.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::domain::inspection::Build;
use crate::registry::document::{is_base, is_revision};

/// How an image was built.
#[derive(Serialize, Deserialize)]
pub(super) struct StoredBuild<'a> {
    #[serde(borrow)]
    revision: StoredText<'a>,
    created: Option<u64>,
    #[serde(borrow)]
    base: StoredText<'a>,
}

/// A text of a build.
#[derive(Serialize, Deserialize)]
enum StoredText<'a> {
    None,
    /// That of the entry before.
    Same,
    Text(&'a str),
}

impl<'a> StoredBuild<'a> {
    /// The build of an entry, after the last one that has any.
    pub(super) fn of(build: &'a Build, before: Option<&'a Build>) -> Self {
        let text = |of: fn(&'a Build) -> &'a Option<Arc<str>>| {
            let known = before.map(of);
            match of(build) {
                None => StoredText::None,
                text if known == Some(text) => StoredText::Same,
                Some(text) => StoredText::Text(text),
            }
        };
        Self {
            revision: text(|build| &build.revision),
            created: build.created,
            base: text(|build| &build.base),
        }
    }

    /// None where nobody would write it so.
    pub(super) fn read(self, before: Option<&Arc<Build>>) -> Option<Arc<Build>> {
        Some(Arc::new(Build {
            revision: self
                .revision
                .read(is_revision, before.map(|one| &one.revision))?,
            created: self.created,
            base: self.base.read(is_base, before.map(|one| &one.base))?,
        }))
    }
}

impl StoredText<'_> {
    fn read(
        self,
        may_be: impl FnOnce(&str) -> bool,
        before: Option<&Option<Arc<str>>>,
    ) -> Option<Option<Arc<str>>> {
        match self {
            Self::None => Some(None),
            Self::Same => Some(Some(before?.clone()?)),
            Self::Text(text) => may_be(text).then(|| Some(text.into())),
        }
    }
}
