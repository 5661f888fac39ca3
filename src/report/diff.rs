//! What changed from one report to another, by the ids of findings.

use std::collections::HashSet;
use std::fmt::Write;

use serde::Serialize;

use super::conclusion::plural;
use super::escape::visible_escapes;
use super::model::Report;
use super::style::Style;
use crate::findings::{Finding, Rule, Severity};

/// Findings that are new, gone and still there.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ReportDiff {
    /// In the later report alone.
    pub new: Vec<NamedFinding>,
    /// In the earlier report alone.
    pub gone: Vec<NamedFinding>,
    /// In both, as the later one has them.
    pub still: Vec<NamedFinding>,
}

/// A finding with the name of its workload, which stands without its report.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct NamedFinding {
    /// The finding's id.
    pub id: String,
    /// Its rule.
    pub rule: Rule,
    /// How much it matters.
    pub severity: Severity,
    /// The workload, such as `Deployment web/shop`.
    pub workload: String,
    /// The image, where it is of one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub image: Option<String>,
    /// The platforms concerned.
    pub platforms: Vec<String>,
    /// What is so.
    pub what: String,
    /// Why it matters.
    pub why: String,
    /// What to do.
    pub next: String,
}

impl ReportDiff {
    /// What changed. An image that has lost a platform from one to the other is new, whatever
    /// the later report was compared with.
    pub fn of(old: &Report, new: &Report) -> Self {
        let later = new.findings_since(old);
        let ids = |findings: &[Finding]| -> HashSet<String> {
            findings.iter().map(|finding| finding.id.clone()).collect()
        };
        let (before, after) = (ids(&old.findings), ids(&later));
        let named = |report: &Report, findings: &[Finding], keep: &dyn Fn(&Finding) -> bool| {
            let findings = findings.iter().filter(|finding| keep(finding));
            findings.map(|finding| report.named(finding)).collect()
        };
        Self {
            new: named(new, &later, &|finding| !before.contains(&finding.id)),
            gone: named(old, &old.findings, &|finding| !after.contains(&finding.id)),
            still: named(new, &later, &|finding| before.contains(&finding.id)),
        }
    }

    /// The same for people.
    pub fn render(&self, style: Style) -> String {
        let mut text = String::new();
        for (word, findings) in [
            ("new", &self.new),
            ("gone", &self.gone),
            ("still", &self.still),
        ] {
            let count = plural(findings.len(), "finding");
            let _ = writeln!(text, "{}", style.paint("1", &format!("{word}: {count}")));
            for finding in findings {
                let NamedFinding {
                    severity,
                    rule,
                    workload,
                    what,
                    ..
                } = finding;
                let what = visible_escapes(what);
                let _ = writeln!(text, "  {severity} {rule}: {workload}: {what}");
            }
        }
        text
    }
}

impl Report {
    fn named(&self, finding: &Finding) -> NamedFinding {
        let workload = self.title_of(finding);
        let finding = finding.clone();
        NamedFinding {
            id: finding.id,
            rule: finding.rule,
            severity: finding.severity,
            workload,
            image: finding.image,
            platforms: finding.platforms,
            what: finding.what,
            why: finding.why,
            next: finding.next,
        }
    }
}
