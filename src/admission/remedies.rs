//! A denial, with what was found to help.

use tokio::time::Instant;

use super::Settings;
use super::answer::Answer;
use crate::checker::Checker;
use crate::cluster::view::View;
use crate::domain::labels::Labels;
use crate::domain::placement::Placement;
use crate::domain::verdict::Verdict;
use crate::domain::workload::{PodTemplate, Workload};
use crate::wording;

/// An object that is denied.
pub(super) struct Remedies<'a> {
    pub(super) workload: &'a Workload,
    /// One for each of its pod templates.
    pub(super) verdicts: &'a [Verdict],
    pub(super) namespace: &'a str,
    pub(super) view: &'a View,
    pub(super) settings: &'a Settings,
}

impl Remedies<'_> {
    /// The denial. Where the pods would run is looked for until the deadline.
    pub(super) async fn denial(&self, checker: &Checker, deadline: Instant) -> Answer {
        let (templates, verdicts) = (&self.workload.templates, self.verdicts);
        let fixed: Vec<Labels> = templates.iter().map(|one| self.fixed(one)).collect();
        let is_template = !self.workload.is_pod();
        let nodes = (&self.view.nodes, self.settings.rules);
        let elsewhere = checker
            .elsewhere(templates, verdicts, &fixed, is_template, nodes, deadline)
            .await;
        let remedy = wording::Remedy {
            templates,
            elsewhere: &elsewhere,
            foreign: &self.settings.foreign_images,
        };
        Answer::denied(
            wording::denial(verdicts, &remedy),
            wording::denial_causes(verdicts),
        )
    }

    /// What admission adds to the selector of a template's pods, and would add again.
    fn fixed(&self, template: &PodTemplate) -> Labels {
        let class = template.placement.runtime_class.as_deref();
        let mut added = Placement::default();
        added.add_defaults(&self.view.placement_defaults(self.namespace, class));
        added.node_selector
    }
}
