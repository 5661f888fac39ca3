//! A denial, with what was found to help.

use super::answer::Answer;
use super::judging::Judging;
use crate::domain::labels::Labels;
use crate::domain::placement::Placement;
use crate::domain::workload::PodTemplate;
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
            foreign: &self.settings.foreign_images,
        };
        Answer::denied(
            wording::denial(verdicts, &remedy),
            wording::denial_causes(verdicts),
        )
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
