//! Drift: what changes of published images while the cluster stays as it is, and which of it a
//! pass is the first to see.

use std::collections::{HashMap, HashSet};

use crate::domain::outcome::OutcomeKind;
use crate::findings::{Finding, Rule};
use crate::report::{Report, ReportedImage, ReportedWorkload};

/// The rules of drift, each with the reason of its events.
const RULES: [(Rule, &str); 3] = [
    (Rule::PlatformLost, "PlatformLost"),
    (Rule::VersionSkew, "VersionSkew"),
    (Rule::ChildMissing, "ChildMissing"),
];

/// The reason of an event about such a finding, as Kubernetes writes reasons; none where it is
/// no drift.
pub(super) fn reason(rule: Rule) -> Option<&'static str> {
    let found = RULES.iter().find(|(known, _)| *known == rule);
    found.map(|(_, reason)| *reason)
}

/// The rules of drift.
pub(super) fn rules() -> impl Iterator<Item = Rule> {
    RULES.into_iter().map(|(rule, _)| rule)
}

/// The drift that passes saw.
#[derive(Debug, Default)]
pub struct Drift {
    /// The findings by id, each with its workload and image; none before the first pass.
    seen: Option<HashMap<String, ImagePlace>>,
}

/// A workload and an image of it.
type ImagePlace = (String, String);

impl Drift {
    /// The findings of drift that this pass is the first to see. What the first pass finds
    /// appeared before it. What a pass could not look at is not gone, so that it does not
    /// appear again.
    pub fn appeared<'r>(&mut self, report: &'r Report) -> Vec<&'r Finding> {
        let findings = report.findings.iter();
        let findings = findings.filter(|finding| reason(finding.rule).is_some());
        let found: HashMap<&str, (&Finding, ImagePlace)> = findings
            .clone()
            .filter_map(|finding| Some((finding.id.as_str(), (finding, place(report, finding)?))))
            .collect();
        let appeared = match &self.seen {
            None => Vec::new(),
            Some(seen) => findings
                .filter(|finding| !seen.contains_key(&finding.id))
                .collect(),
        };
        let is_whole = report.partial.is_empty() && report.errors.is_empty();
        let undecided = undecided(report);
        let seen = self.seen.get_or_insert_default();
        seen.retain(|id, place| {
            !is_whole || undecided.contains(place) || found.contains_key(id.as_str())
        });
        for (id, (_, place)) in found {
            seen.entry(id.to_owned()).or_insert(place);
        }
        appeared
    }
}

fn place(report: &Report, finding: &Finding) -> Option<ImagePlace> {
    let workload = report.workloads.get(finding.workload)?;
    let image = finding.image.clone().unwrap_or_default();
    Some((workload.title(), image))
}

/// The images of workloads of which something is not known.
fn undecided(report: &Report) -> HashSet<ImagePlace> {
    let is_undecided = |image: &&std::sync::Arc<ReportedImage>| {
        let mut outcomes = image.outcomes.iter();
        outcomes.any(|one| one.outcome == OutcomeKind::Unknown)
    };
    let of = |workload: &ReportedWorkload| -> Vec<ImagePlace> {
        let images = workload.images.iter().filter(is_undecided);
        images
            .map(|image| (workload.title(), image.image.clone()))
            .collect()
    };
    report.workloads.iter().flat_map(of).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    /// A report on workloads with one image, its outcome on s390x, and its finding.
    fn report(workloads: &[(&str, &str, Option<&str>)]) -> Value {
        let text = include_str!("../../tests/data/reports/mixed.json");
        let mut report: Value = serde_json::from_str(text).unwrap();
        report["partial"] = json!([]);
        report["errors"] = json!([]);
        let workload = report["workloads"][0].clone();
        let mut findings = Vec::new();
        let workloads = workloads.iter().enumerate();
        let workloads = workloads.map(|(position, (name, outcome, rule))| {
            let mut workload = workload.clone();
            workload["name"] = json!(name);
            let mut reported = json!({"platform": "linux/s390x", "runtime": "cri-o",
                "outcome": outcome, "why": "why"});
            if *outcome == "unknown" {
                reported["reason"] = json!("timeout");
            }
            workload["images"] = json!([{"image": "app:1", "reference": "docker.io/library/app:1",
                "containers": ["web"], "outcomes": [reported]}]);
            if let Some(rule) = rule {
                findings.push(json!({"id": format!("{rule} {name}"), "rule": rule,
                    "severity": "warning", "workload": position, "containers": ["web"],
                    "image": "app:1", "platforms": ["linux/s390x"],
                    "what": "what", "why": "why", "next": "next"}));
            }
            workload
        });
        report["workloads"] = workloads.collect();
        report["findings"] = json!(findings);
        report
    }

    fn appeared(drift: &mut Drift, report: &Value) -> Vec<String> {
        let report: Report = serde_json::from_value(report.clone()).unwrap();
        let appeared = drift.appeared(&report).into_iter();
        appeared.map(|finding| finding.id.clone()).collect()
    }

    #[test]
    fn drift_appears_once_however_often_passes_see_it() {
        let lost = ("a", "missing", Some("platform-lost"));
        let skewed = ("b", "supported", Some("version-skew"));
        let torn = ("c", "missing", Some("child-missing"));
        let lacking = ("d", "missing", Some("missing-platform"));
        let mut drift = Drift::default();
        let nothing: [&str; 0] = [];
        for (workloads, expected) in [
            // What was there before.
            (vec![skewed], vec![]),
            (vec![skewed, lost, lacking], vec!["platform-lost a"]),
            (vec![skewed, lost, torn], vec!["child-missing c"]),
            (vec![skewed, lost, torn], vec![]),
            // Gone for good, and back.
            (vec![("a", "supported", None), skewed], vec![]),
            (vec![lost, skewed], vec!["platform-lost a"]),
            // Nobody could look.
            (vec![("a", "unknown", None), skewed], vec![]),
            (vec![lost, skewed], vec![]),
        ] {
            assert_eq!(
                appeared(&mut drift, &report(&workloads)),
                expected,
                "{workloads:?}"
            );
        }
        for field in ["partial", "errors"] {
            let mut part = report(&[]);
            part[field] = match field {
                "partial" => json!(["pods could not be listed"]),
                _ => json!([{"source": "Pod a", "problem": "no name"}]),
            };
            assert_eq!(appeared(&mut drift, &part), nothing);
            assert_eq!(
                appeared(&mut drift, &report(&[lost, skewed])),
                nothing,
                "{field}"
            );
        }
        assert_eq!(appeared(&mut drift, &report(&[])), nothing);
        let again = appeared(&mut drift, &report(&[lost]));
        assert_eq!(again, ["platform-lost a"]);
    }

    #[test]
    fn reasons_are_the_names_of_rules_as_kubernetes_writes_reasons() {
        for (rule, expected) in RULES {
            let words = rule.name().split('-');
            let reason: String = words
                .map(|word| word[..1].to_uppercase() + &word[1..])
                .collect();
            assert_eq!(reason, expected);
        }
        assert_eq!(reason(Rule::MissingPlatform), None);
    }
}
