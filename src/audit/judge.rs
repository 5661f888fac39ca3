//! Judges many workloads at once, and gathers the report: for a pass over a cluster, and for
//! `check`.

use std::pin::pin;
use std::sync::Arc;

use futures::stream::{Stream, StreamExt};
use tokio::time::Instant;

use crate::checker::{Checker, Rules};
use crate::cluster::view::{ServiceAccounts, View};
use crate::domain::access::Tenant;
use crate::domain::node::Nodes;
use crate::domain::pin::without_pin;
use crate::domain::placement::Placement;
use crate::domain::policy::{Level, LevelResults};
use crate::domain::verdict::{LevelResult, Verdict};
use crate::domain::workload::{PodTemplate, Workload};
use crate::findings::{JudgedWorkload, Unpinned};
use crate::report::ReportBuilder;
use crate::suggest::Advisor;

/// How many workloads are judged at the same time: enough that a registry which never answers
/// holds up nobody else's images. Registries have limits of their own.
const MAX_WORKLOADS_AT_ONCE: usize = 256;

/// A workload, and where it was read.
pub struct Subject {
    /// The workload.
    pub workload: Workload,
    /// `file:line`; none for an image given by name, and for an object of a live cluster.
    pub source: Option<String>,
}

impl Subject {
    /// Adds what the cluster gives to its pods. The operator asks, with whatever credentials
    /// the configuration has.
    pub fn complete(&mut self, view: &View) {
        let namespace = self.workload.namespace.clone();
        let accounts = ServiceAccounts::ToApply;
        view.complete(&mut self.workload, &namespace, &Tenant::Operator, accounts);
    }
}

/// How workloads are judged.
pub struct Judge<'a> {
    /// Asks registries.
    pub checker: Checker,
    /// Where the workloads may go.
    pub nodes: &'a Nodes,
    /// The nodes without taints and cordons, where every node platform is to be compared.
    pub everywhere: Option<Nodes>,
    /// Finds out what to use instead of images that lack something, where that is wanted.
    pub advisor: Option<Arc<Advisor>>,
    /// How to judge.
    pub rules: Rules,
    /// What is not known by then stays unknown.
    pub deadline: Instant,
}

impl Judge<'_> {
    /// Judges the workloads as they come, as many at once as it may, and says after each how
    /// many there are.
    pub async fn judge(
        &self,
        subjects: impl Stream<Item = Subject>,
        report: &mut ReportBuilder,
        mut counted: impl FnMut(usize),
    ) {
        let judged = subjects.enumerate();
        let judged = judged
            .map(|(place, subject)| async move { (place, self.one(subject).await) })
            .buffer_unordered(MAX_WORKLOADS_AT_ONCE);
        let mut judged = pin!(judged);
        while let Some((place, one)) = judged.next().await {
            report.add(place, &one);
            counted(report.len());
        }
    }

    async fn one(&self, subject: Subject) -> JudgedWorkload {
        let Subject { workload, source } = subject;
        let templates = &workload.templates;
        let mut verdicts = self.check(templates, self.nodes).await;
        if let Some(advisor) = &self.advisor {
            // Apart, since a search is large and most passes have none: many workloads are judged
            // at once.
            for (template, verdict) in templates.iter().zip(&mut verdicts) {
                let (access, deadline) = (&template.access, self.deadline);
                Box::pin(advisor.advise_on(verdict, access, deadline)).await;
            }
        }
        let everywhere = match &self.everywhere {
            None => Vec::new(),
            Some(nodes) => {
                let anywhere = templates.iter().map(|template| PodTemplate {
                    placement: Placement::default(),
                    ..template.clone()
                });
                self.check(&anywhere.collect::<Vec<_>>(), nodes).await
            }
        };
        // A pin is needless only where the workload passes with it.
        let unpinned = match LevelResults::of(&verdicts).at(Level::Portable) {
            LevelResult::Pass => self.unpinned(templates).await,
            LevelResult::Undecided | LevelResult::Fail => Vec::new(),
        };
        JudgedWorkload {
            everywhere,
            unpinned,
            ..JudgedWorkload::of(workload, source, verdicts)
        }
    }

    async fn check(&self, templates: &[PodTemplate], nodes: &Nodes) -> Vec<Verdict> {
        let (rules, deadline) = (self.rules, self.deadline);
        self.checker
            .check_all(templates, nodes, rules, deadline)
            .await
    }

    /// What pinned templates would be without their pins: the same images, on further nodes.
    async fn unpinned(&self, templates: &[PodTemplate]) -> Vec<Unpinned> {
        let mut unpinned = Vec::new();
        for template in templates {
            let Some((pin, placement)) = without_pin(&template.placement) else {
                continue;
            };
            let open = PodTemplate {
                placement,
                ..template.clone()
            };
            let (rules, deadline) = (self.rules, self.deadline);
            let verdict = self.checker.check(&open, self.nodes, rules, deadline).await;
            unpinned.push(Unpinned {
                pin,
                path: template.path.to_string(),
                verdict,
            });
        }
        unpinned
    }
}
