//! A kustomization is changed where it names an image: under `images`, or in its files.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Component, Path, PathBuf};

use super::outcome::FixOutcome;
use super::sheets::Sheets;
use crate::edit::{
    KUSTOMIZATION_FILES, Kustomization, Replacements, edit, edit_kustomization, is_template,
};
use crate::objects::kinds::KindRule;

/// Kustomizations in kustomizations are followed to this depth.
const MAX_DEPTH: usize = 32;

/// Goes through a kustomization and what it is made of.
pub struct Folders<'a> {
    pub sheets: &'a mut Sheets,
    pub outcome: &'a mut FixOutcome,
    pub kinds: &'a [KindRule],
}

/// What came of one image.
#[derive(Default)]
struct ImageSearch {
    /// Files and folders that were looked at.
    seen: BTreeSet<PathBuf>,
    /// Whether it was found, be it to leave it alone.
    found: bool,
    /// What is not on this machine.
    elsewhere: BTreeSet<String>,
}

impl Folders<'_> {
    /// Changes the images that a kustomization renders.
    pub fn edit(&mut self, folder: &Path, rendered: &Replacements) {
        for (old, new) in rendered {
            let wanted = Replacements::from([(old.clone(), new.clone())]);
            let mut search = ImageSearch::default();
            self.folder(folder, &wanted, MAX_DEPTH, &mut search);
            if search.found {
                continue;
            }
            let elsewhere: Vec<String> = search.elsewhere.into_iter().collect();
            let why = match elsewhere.as_slice() {
                [] => "a patch, a component or a generator names it".to_owned(),
                sources => format!("it may be named by {}", sources.join(", ")),
            };
            self.outcome.leave(
                &folder.display().to_string(),
                format_args!("{old} was not found in its files: {why}; it would become {new}"),
            );
        }
    }

    fn folder(
        &mut self,
        folder: &Path,
        wanted: &Replacements,
        depth: usize,
        search: &mut ImageSearch,
    ) {
        let files = KUSTOMIZATION_FILES.map(|name| folder.join(name));
        let Some(file) = files.into_iter().find(|file| file.is_file()) else {
            return;
        };
        let name = file.display().to_string();
        let edited = self
            .sheets
            .edit(&name, |text| edit_kustomization(text, wanted));
        let edited = match edited {
            Ok(edited) => edited,
            Err(error) => return self.outcome.leave_file(&error),
        };
        search.found |= self.outcome.tell(&name, &edited);
        let parsed = self.sheets.text(&name).ok().and_then(Kustomization::parse);
        let Some(kustomization) = parsed else { return };
        let wanted = kustomization.of_sources(wanted);
        if wanted.is_empty() {
            return;
        }
        for source in kustomization.sources() {
            let path = below(folder, source);
            let Ok(known) = fs::canonicalize(&path) else {
                search.elsewhere.insert(source.to_owned());
                continue;
            };
            if !search.seen.insert(known) {
                continue;
            }
            match path.is_dir() {
                true if depth > 0 => self.folder(&path, &wanted, depth - 1, search),
                true => {}
                false => search.found |= self.file(&path, &wanted),
            }
        }
    }

    fn file(&mut self, path: &Path, wanted: &Replacements) -> bool {
        let name = path.display().to_string();
        let kinds = self.kinds;
        let edited = self.sheets.edit(&name, |text| {
            let edited = edit(text, kinds, &|_, image| wanted.get(image).cloned());
            match is_template(text) {
                true => edited.taken_back("is in a file with template expressions, {{ … }}", text),
                false => edited,
            }
        });
        match edited {
            Ok(edited) => self.outcome.tell(&name, &edited),
            Err(error) => {
                self.outcome.leave_file(&error);
                false
            }
        }
    }
}

/// The path of a source, without the way up where it leads to the same place: `patch` takes
/// no `..`.
fn below(folder: &Path, source: &str) -> PathBuf {
    let plain = folder.join(source);
    let mut short = folder.to_owned();
    for part in Path::new(source).components() {
        match part {
            Component::CurDir => {}
            Component::ParentDir => {
                if !matches!(short.components().next_back(), Some(Component::Normal(_))) {
                    return plain;
                }
                short.pop();
            }
            part => short.push(part),
        }
    }
    // Behind a link, `..` is another folder.
    match (fs::canonicalize(&plain), fs::canonicalize(&short)) {
        (Ok(one), Ok(other)) if one == other => short,
        _ => plain,
    }
}
