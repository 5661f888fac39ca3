//! The files that objects are from: what is changed in them, and what is left.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use super::chart;
use super::kustomization::Folders;
use super::outcome::FixOutcome;
use super::plan::{FilePlan, place, replacements};
use super::sheets::Sheets;
use crate::cli::subjects::Subjects;
use crate::domain::verdict::LevelResult;
use crate::edit::{TemplateImage, edit, is_template};
use crate::findings::IMAGE_KIND;
use crate::objects::kinds::KindRule;
use crate::report::Report;

/// What is said of a file that is no object yet.
const TEMPLATE: &str = "it has template expressions, {{ … }}, which have to be rendered first";

/// The files, in the order in which they were read.
pub struct Files {
    paths: Vec<String>,
    /// The folder of the kustomization that kubectl rendered, where there is one.
    rendered: Option<String>,
    /// The images that values of charts make, by file and line.
    templates: Vec<(String, TemplateImage)>,
}

impl Files {
    /// The files of what was read, and what the templates among them name.
    pub fn of(subjects: &Subjects, rendered: Option<&Path>, sheets: &mut Sheets) -> Self {
        let sources = subjects.workloads.iter();
        let sources = sources.filter_map(|subject| subject.source.as_deref());
        let errors = subjects.errors.iter().map(|error| error.source.as_str());
        let mut known = BTreeSet::new();
        let paths: Vec<String> = sources
            .chain(errors)
            .map(|source| place(source).0)
            .filter(|path| known.insert(path.to_owned()))
            .map(str::to_owned)
            .collect();
        let rendered = rendered.map(|folder| folder.display().to_string());
        let mut templates = Vec::new();
        for path in paths.iter().filter(|path| Some(*path) != rendered.as_ref()) {
            let Ok(text) = sheets.text(path) else {
                continue;
            };
            if is_template(text) {
                let images = chart::images(Path::new(path), text);
                let images = images.into_iter();
                templates.extend(images.map(|image| (format!("{path}:{}", image.line), image)));
            }
        }
        Self {
            paths,
            rendered,
            templates,
        }
    }

    /// The images of templates, each with its file and line.
    pub fn templates(&self) -> &[(String, TemplateImage)] {
        &self.templates
    }

    /// Edits the files as the report has it, and tells what is left.
    pub fn edit(
        &self,
        report: &Report,
        kinds: &[KindRule],
        sheets: &mut Sheets,
        outcome: &mut FixOutcome,
    ) {
        let mut plans: BTreeMap<&str, FilePlan> = BTreeMap::new();
        let mut troubled: BTreeSet<&str> = BTreeSet::new();
        for (workload, replacements) in report.workloads.iter().zip(replacements(report)) {
            let path = place(workload.source.as_deref().unwrap_or_default()).0;
            let plan = plans.entry(path).or_default();
            plan.add(workload, replacements);
        }
        for finding in &report.findings {
            if report.weight(finding) != LevelResult::Pass {
                troubled.extend(finding.source.as_deref().map(|source| place(source).0));
            }
        }
        troubled.extend(report.errors.iter().map(|error| place(&error.source).0));
        let mut left_whole = BTreeSet::new();
        for path in self.paths.iter().map(String::as_str) {
            let plan = plans.remove(path).unwrap_or_default();
            if self.rendered.as_deref() == Some(path) {
                let mut folders = Folders {
                    sheets,
                    outcome,
                    kinds,
                };
                folders.edit(Path::new(path), &plan.of_all_objects());
                continue;
            }
            let is_concerned = !plan.is_empty() || troubled.contains(path);
            if is_concerned && sheets.text(path).is_ok_and(is_template) {
                outcome.leave(path, TEMPLATE);
                self.tell_values(path, report, outcome);
                left_whole.insert(path);
            } else if !plan.is_empty() {
                let edited = sheets.edit(path, |text| {
                    edit(text, kinds, &|owner, image| plan.wanted(owner, image))
                });
                match edited {
                    Ok(edited) => {
                        outcome.tell(path, &edited);
                        outcome.tell_missed(path, &edited, &plan.of_all_objects());
                    }
                    Err(error) => outcome.leave_file(&error),
                }
            }
        }
        for error in &report.errors {
            if !left_whole.contains(place(&error.source).0) {
                outcome.leave(&error.source, &error.problem);
            }
        }
        outcome.give_up(report, |finding| {
            let source = finding.source.as_deref().unwrap_or_default();
            let workload = report.workloads.get(finding.workload);
            let is_of_values = workload.is_some_and(|workload| workload.kind == IMAGE_KIND);
            is_of_values || !left_whole.contains(place(source).0)
        });
    }

    /// Tells which values of a chart would change its images.
    fn tell_values(&self, path: &str, report: &Report, outcome: &mut FixOutcome) {
        let workloads = report.workloads.iter().zip(replacements(report));
        for (workload, replacements) in workloads.filter(|(one, _)| one.kind == IMAGE_KIND) {
            let source = workload.source.as_deref().unwrap_or_default();
            let mut templates = self.templates.iter();
            let known = templates.find(|(known, image)| {
                known == source && image.image == workload.name && place(known).0 == path
            });
            let Some((_, image)) = known else { continue };
            for (old, new) in replacements {
                // The value is what stands behind the last colon.
                let tag = new.rsplit_once(':').map_or(new.as_str(), |(_, tag)| tag);
                outcome.leave(
                    source,
                    format_args!("{old} is made of values: set {} to {tag}", image.tag_value),
                );
            }
        }
    }
}
