//! What formats have in common: the findings of a workload, and what is said of one.

use super::escape::visible_escapes;
use super::model::{Report, ReportedWorkload};
use crate::findings::{Acceptance, Finding};

impl Report {
    /// The findings that nobody accepted.
    pub(super) fn standing(&self) -> impl Iterator<Item = &Finding> {
        let findings = self.findings.iter();
        findings.filter(|finding| finding.accepted.is_none())
    }

    /// These of its findings, for each of its workloads.
    pub(super) fn by_workload<'r>(
        &'r self,
        findings: impl IntoIterator<Item = &'r Finding>,
    ) -> Vec<Vec<&'r Finding>> {
        let mut by_workload = vec![Vec::new(); self.workloads.len()];
        for finding in findings {
            if let Some(list) = by_workload.get_mut(finding.workload) {
                list.push(finding);
            }
        }
        by_workload
    }

    /// The workload of a finding, as kubectl names things.
    pub(super) fn title_of(&self, finding: &Finding) -> String {
        let workload = self.workloads.get(finding.workload);
        workload.map_or_else(String::new, ReportedWorkload::title)
    }
}

impl Finding {
    /// What is so, why it matters, and what to do, as sentences.
    pub(super) fn sentences(&self) -> [String; 3] {
        let why = format!("Why: {}", self.why);
        let next = format!("Next: {}", self.next);
        [self.what.clone(), why, next].map(|text| sentence(&text))
    }
}

impl Acceptance {
    /// `accepted until 2027-01-31: the vendor builds it in January`.
    pub(super) fn describe(&self) -> String {
        let mut text = "accepted".to_owned();
        if let Some(date) = &self.expires {
            text.push_str(" until ");
            text.push_str(&visible_escapes(date));
        }
        if let Some(reason) = &self.reason {
            text.push_str(": ");
            text.push_str(&visible_escapes(reason));
        }
        text
    }
}

/// The text with its hidden characters spelled out, and a full stop at its end.
fn sentence(text: &str) -> String {
    let mut text = visible_escapes(text.trim_end()).into_owned();
    if !text.ends_with(['.', '!', '?']) {
        text.push('.');
    }
    text
}
