//! Compares what is said of images with what became of pods on their nodes.

use std::collections::HashMap;
use std::pin::pin;
use std::sync::Arc;

use futures::stream::{Stream, StreamExt};
use tokio::time::Instant;

use super::Subject;
use crate::checker::{Checker, Rules};
use crate::cluster::view::View;
use crate::domain::node::{Node, Nodes, Source};
use crate::domain::observation::Agreement;
use crate::domain::placement::Placement;
use crate::domain::verdict::{ImageOutcome, Verdict};
use crate::domain::workload::{PodTemplate, Usage};
use crate::objects::observed::ObservedPod;
use crate::report::Difference;

/// How many pods are judged at the same time.
const MAX_PODS_AT_ONCE: usize = 64;

/// Judges the images of pods on the nodes that the pods are on.
pub struct Observer<'a> {
    checker: Checker,
    view: &'a View,
    /// For each node one that stands for its platform, and nothing else.
    nodes: HashMap<Arc<str>, Arc<Nodes>>,
    rules: Rules,
    /// What is not known by then stays unknown.
    deadline: Instant,
}

impl<'a> Observer<'a> {
    /// An observer of the pods on the nodes of a view.
    pub fn new(checker: Checker, view: &'a View, rules: Rules, deadline: Instant) -> Self {
        let mut nodes = HashMap::new();
        for (group, members) in view.nodes.groups() {
            if group.source != Source::Node {
                continue;
            }
            let platform = &group.platform;
            let name = platform.platform.to_string();
            let (own, runtime) = (platform.platform.clone(), platform.runtime);
            let node = Node {
                platform: (**platform).clone(),
                ..Node::of_platform(name, own, runtime, Source::Node)
            };
            let alone: Arc<Nodes> = Arc::new([node].into_iter().collect());
            let names = members.names();
            nodes.extend(names.map(|name| (Arc::clone(name), Arc::clone(&alone))));
        }
        Self {
            checker,
            view,
            nodes,
            rules,
            deadline,
        }
    }

    /// Compares the pods as they come, and counts as it goes.
    pub async fn observe(
        &self,
        pods: impl Stream<Item = ObservedPod>,
        mut count: impl FnMut(Agreement, Option<Difference>),
    ) {
        let judged = pods.map(|pod| async {
            let verdict = self.judge(&pod).await;
            (pod, verdict)
        });
        let mut judged = pin!(judged.buffer_unordered(MAX_PODS_AT_ONCE));
        while let Some((pod, verdict)) = judged.next().await {
            compare(&pod, verdict.as_ref(), &mut count);
        }
    }

    /// The verdict on the pod's images on its node; none where the node is not known.
    async fn judge(&self, pod: &ObservedPod) -> Option<Verdict> {
        let nodes = self.nodes.get(pod.node.as_str())?;
        let mut subject = Subject {
            workload: pod.workload.clone(),
            source: None,
        };
        subject.complete(self.view);
        let template = subject.workload.templates.into_iter().next()?;
        // It is there, whatever may have let it.
        let anywhere = PodTemplate {
            placement: Placement::default(),
            ..template
        };
        let (rules, deadline) = (self.rules, self.deadline);
        Some(self.checker.check(&anywhere, nodes, rules, deadline).await)
    }
}

fn compare(
    pod: &ObservedPod,
    verdict: Option<&Verdict>,
    count: &mut impl FnMut(Agreement, Option<Difference>),
) {
    for container in &pod.containers {
        let at = verdict.and_then(|verdict| outcome_of(verdict, &container.name));
        let Some(at) = at else {
            count(Agreement::Silent, None);
            continue;
        };
        let agreement = container.compare(at.image, at.outcome);
        let difference = match (agreement, container.observation) {
            (Agreement::Wrong, Some(happened)) => Some(Difference {
                namespace: pod.workload.namespace.clone(),
                pod: pod.workload.name.clone(),
                container: container.name.clone(),
                image: at.image.image.image.clone(),
                node: pod.node.clone(),
                platform: at.candidate.platform.platform.to_string(),
                said: at.outcome.kind(),
                happened,
            }),
            _ => None,
        };
        count(agreement, difference);
    }
}

/// What is said of a container's image on the only node that there is.
fn outcome_of<'v>(verdict: &'v Verdict, container: &str) -> Option<ImageOutcome<'v>> {
    let mut images = verdict.images.iter();
    let image = images.find(|one| {
        let mut containers = one.image.containers.iter();
        one.image.usage == Usage::Container && containers.any(|name| name == container)
    })?;
    image.on(&verdict.candidates.platforms).next()
}
