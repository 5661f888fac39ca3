//! A denial, with what was found to help.

use std::collections::BTreeMap;

use super::answer::Answer;
use super::judging::Judging;
use crate::domain::advice::Suggestion;
use crate::domain::labels::Labels;
use crate::domain::placement::Placement;
use crate::domain::workload::PodTemplate;
use crate::suggest;
use crate::wording;

impl Judging<'_> {
    /// The denial. Where the pods would run is looked for until the deadline.
    pub(super) async fn denial(&self) -> Answer {
        let (templates, verdicts) = (&self.workload.templates, &self.verdicts);
        let fixed: Vec<Labels> = templates.iter().map(|one| self.fixed(one)).collect();
        let is_template = !self.workload.is_pod();
        let nodes = (&self.view.nodes, self.settings.rules);
        let elsewhere = self.checker.elsewhere(
            templates,
            verdicts,
            &fixed,
            is_template,
            nodes,
            self.deadline,
        );
        let remedy = wording::Remedy {
            templates,
            elsewhere: &elsewhere.await,
            suggestions: &self.suggestions(),
            foreign: &self.settings.foreign_images,
        };
        Answer::denied(
            wording::denial(verdicts, &remedy),
            wording::denial_causes(verdicts),
        )
    }

    /// Other tags of images that lack something, as far as they are known already, by the names
    /// of the images.
    fn suggestions(&self) -> BTreeMap<&str, Suggestion> {
        let templates = self.workload.templates.iter().zip(&self.verdicts);
        let images = templates.flat_map(|(template, verdict)| {
            let images = verdict.images.iter();
            images.map(move |image| (template, verdict, image))
        });
        let inspector = self.checker.inspector();
        let known = images.filter_map(|(template, verdict, image)| {
            let platforms = &verdict.candidates.platforms;
            let suggestion = suggest::known(inspector, image, platforms, &template.access)?;
            Some((image.image.image.as_str(), suggestion))
        });
        known.collect()
    }

    /// What admission adds to the selector of a template's pods, and would add again.
    fn fixed(&self, template: &PodTemplate) -> Labels {
        let namespace = &self.request.namespace;
        let class = template.placement.runtime_class.as_deref();
        let mut added = Placement::default();
        added.add_defaults(&self.view.placement_defaults(namespace, class));
        added.node_selector
    }
}
