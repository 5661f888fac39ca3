//! Findings that were accepted: by a saved report, or by a short list with reasons and dates.

use std::collections::HashMap;
use std::str::FromStr;

use jiff::civil::Date;
use serde::Deserialize;

use super::lost::KnownToRun;
use super::model::{Report, ReportVersion};
use super::saved::{Document, SavedError};
use crate::findings::{Acceptance, Finding};

/// What was accepted before: everything in a saved report, or what a list names.
#[derive(Clone, Debug)]
pub struct Baseline {
    /// By the finding's id.
    accepted: HashMap<String, Acceptance>,
    /// What the saved report knew to run.
    known: Option<KnownToRun>,
}

/// A list of accepted findings, as a file has it.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct BaselineFile {
    #[serde(rename = "apiVersion")]
    _api_version: ReportVersion,
    #[serde(rename = "kind")]
    _kind: BaselineKind,
    accepted: Vec<AcceptedFinding>,
}

#[derive(Clone, Copy, Debug, Deserialize)]
enum BaselineKind {
    Baseline,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct AcceptedFinding {
    id: String,
    reason: Option<String>,
    expires: Option<String>,
}

impl Baseline {
    /// Reads a baseline: a saved report, or a list.
    ///
    /// # Errors
    /// What is wrong with the text.
    pub fn parse(text: &str) -> Result<Self, SavedError> {
        let document = Document::of(text)?;
        if document.kind() == "Report" {
            return Ok(Self::of(document.report()?));
        }
        let file: BaselineFile = document.read()?;
        let mut accepted = HashMap::new();
        for AcceptedFinding {
            id,
            reason,
            expires,
        } in file.accepted
        {
            if let Some(expires) = &expires
                && (expires.len() != 10 || Date::from_str(expires).is_err())
            {
                let problem =
                    format!("accepted: {id}: expires: expected a date such as 2026-12-31");
                return Err(SavedError::new(problem));
            }
            accepted.insert(id, Acceptance { reason, expires });
        }
        Ok(Self {
            accepted,
            known: None,
        })
    }

    fn of(report: Report) -> Self {
        let known = KnownToRun::of(&report);
        let findings = report.findings.into_iter();
        let accepted = findings.map(|finding| (finding.id, finding.accepted.unwrap_or_default()));
        Self {
            accepted: accepted.collect(),
            known: Some(known),
        }
    }

    /// What images were known to run on, where it is a saved report.
    pub(super) fn known(&self) -> Option<&KnownToRun> {
        self.known.as_ref()
    }

    /// Marks what is accepted on a day, such as `2026-11-28`. What has expired counts again,
    /// and says so.
    pub(super) fn accept(&self, findings: &mut [Finding], today: &str) {
        for finding in findings {
            let Some(acceptance) = self.accepted.get(&finding.id) else {
                continue;
            };
            match &acceptance.expires {
                // Dates of this form are in the order of their texts.
                Some(last) if last.as_str() < today => finding.expired = Some(last.clone()),
                _ => finding.accepted = Some(acceptance.clone()),
            }
        }
    }
}
