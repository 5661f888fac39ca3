//! What would help, as text that can be pasted.

use std::collections::BTreeSet;
use std::fmt::Write;

use super::{NAMES, quoted};
use crate::domain::node::Nodes;
use crate::domain::platform::Platform;
use crate::domain::text::printable;
use crate::domain::verdict::{Outcome, Value, Verdict};

/// What would help: names that are some, nodes that run everything, or an image for all
/// nodes.
pub(super) fn remedy(verdicts: &[Verdict], nodes: &Nodes) -> String {
    let images = || verdicts.iter().flat_map(|verdict| &verdict.images);
    let is_invalid = |outcome: &Outcome| matches!(outcome, Outcome::Invalid(_));
    let mut text = String::new();
    for image in images()
        .filter(|image| image.outcomes.iter().any(is_invalid))
        .take(NAMES)
    {
        let _ = writeln!(text, "To fix it, correct the name {}", quoted(&image.image));
    }
    let is_lacking = |outcome: &Outcome| outcome.value() == Value::No && !is_invalid(outcome);
    let failing = || images().filter(|image| image.outcomes.iter().any(is_lacking));
    if failing().next().is_none() {
        return text;
    }
    text.push_str("To fix it, ");
    let working = working_architectures(verdicts, nodes);
    if !working.is_empty() {
        text.push_str("run it where its images work:\n");
        let _ = match working.as_slice() {
            [one] => writeln!(text, "  nodeSelector: {{kubernetes.io/arch: {one}}}"),
            several => writeln!(
                text,
                "  affinity: {{nodeAffinity: {{requiredDuringSchedulingIgnoredDuringExecution: \
                 {{nodeSelectorTerms: [{{matchExpressions: [{{key: kubernetes.io/arch, \
                 operator: In, values: [{}]}}]}}]}}}}}}",
                several.join(", ")
            ),
        };
        text.push_str("or ");
    }
    text.push_str("build the image for every node:\n");
    for image in failing().take(NAMES) {
        let mut platforms: BTreeSet<String> = verdicts
            .iter()
            .flat_map(|verdict| &verdict.candidates.platforms)
            .filter(|candidate| candidate.is_certain)
            .map(|candidate| candidate.platform.platform.to_string())
            .collect();
        if let Some(inspection) = &image.inspection {
            platforms.extend(inspection.platforms().iter().map(Platform::to_string));
        }
        let platforms: Vec<String> = platforms.into_iter().take(16).collect();
        let _ = writeln!(
            text,
            "  docker buildx build --platform {} --tag {} --push .",
            platforms.join(","),
            printable(&image.image.image)
        );
    }
    text
}

/// Architectures of this cluster's nodes for which every image names a platform.
fn working_architectures(verdicts: &[Verdict], nodes: &Nodes) -> Vec<String> {
    let mut platforms: BTreeSet<Platform> = nodes
        .groups()
        // A cordon or a taint would be the next thing in the way.
        .filter(|(group, _)| !group.unschedulable && group.taints.is_empty())
        .map(|(group, _)| group.platform.platform.normalized())
        .collect();
    for image in verdicts.iter().flat_map(|verdict| &verdict.images) {
        let inspection = image.inspection.as_ref();
        let has = inspection.map(|inspection| inspection.platforms());
        let has = has.unwrap_or_default();
        platforms.retain(|wanted| {
            has.iter().any(|platform| {
                platform.os == wanted.os && platform.architecture == wanted.architecture
            })
        });
        if platforms.is_empty() {
            break;
        }
    }
    let architectures: BTreeSet<String> = platforms
        .into_iter()
        .map(|platform| platform.architecture)
        .collect();
    architectures.into_iter().collect()
}
