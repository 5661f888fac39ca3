//! What images are to become, as the report has it.

use std::borrow::Cow;
use std::collections::BTreeMap;

use crate::edit::{ImageOwner, Replacements};
use crate::findings::FixKind;
use crate::report::{Report, ReportedWorkload};

/// What the images of each workload are to become: by name as written, another tag or digest
/// of the same repository.
pub fn replacements(report: &Report) -> Vec<Replacements> {
    let mut all = vec![Replacements::new(); report.workloads.len()];
    let findings = report.findings.iter();
    for finding in findings.filter(|finding| finding.accepted.is_none()) {
        let fixes = finding.fixes.iter();
        let images = fixes.filter(|fix| matches!(fix.kind, FixKind::Retag | FixKind::Repin));
        if let Some(own) = all.get_mut(finding.workload) {
            own.extend(images.map(|fix| (fix.old.clone(), fix.new.clone())));
        }
    }
    all
}

/// The file that a workload is from, and its line there.
pub fn place(source: &str) -> (&str, usize) {
    let place = source.rsplit_once(':');
    let place = place.and_then(|(file, line)| Some((file, line.parse().ok()?)));
    place.unwrap_or((source, 1))
}

/// What the images of a file's workloads are to become.
#[derive(Clone, Debug, Default)]
pub struct FilePlan {
    by_owner: BTreeMap<ImageOwner<'static>, Replacements>,
}

impl FilePlan {
    /// Adds what the images of a workload are to become.
    pub fn add(&mut self, workload: &ReportedWorkload, replacements: Replacements) {
        let owner = ImageOwner {
            api_version: Cow::Owned(workload.api_version.clone()),
            kind: Cow::Owned(workload.kind.clone()),
            name: Cow::Owned(workload.name.clone()),
        };
        self.by_owner.entry(owner).or_default().extend(replacements);
    }

    /// What an image of an object is to become.
    pub fn wanted(&self, owner: &ImageOwner<'_>, image: &str) -> Option<String> {
        self.by_owner.get(owner)?.get(image).cloned()
    }

    /// All of it, whatever object it is of.
    pub fn of_all_objects(&self) -> Replacements {
        let all = self.by_owner.values().flatten();
        all.map(|(old, new)| (old.clone(), new.clone())).collect()
    }

    /// Whether nothing changes.
    pub fn is_empty(&self) -> bool {
        self.by_owner.values().all(BTreeMap::is_empty)
    }
}
