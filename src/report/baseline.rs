//! Findings that were accepted: by a saved report, or by a short list with reasons and dates.

use std::collections::HashMap;
use std::str::FromStr;

use jiff::civil::Date;
use serde::Deserialize;

use super::model::{Report, ReportVersion};
use super::saved::{Document, SavedError};
use crate::findings::{Acceptance, Finding};

/// What was accepted before.
#[derive(Clone, Debug)]
pub enum Baseline {
    /// Everything in a saved report.
    Report(Box<Report>),
    /// These findings, by id.
    List(HashMap<String, Acceptance>),
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
            return Ok(Self::Report(Box::new(document.report()?)));
        }
        let file: BaselineFile = document.read()?;
        let mut list = HashMap::new();
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
            list.insert(id, Acceptance { reason, expires });
        }
        Ok(Self::List(list))
    }

    /// The saved report, where it is one.
    pub(super) fn report(&self) -> Option<&Report> {
        match self {
            Self::Report(report) => Some(report),
            Self::List(_) => None,
        }
    }

    /// Marks what is accepted on a day, such as `2026-11-28`. What has expired counts again,
    /// and says so.
    pub(super) fn accept(&self, findings: &mut [Finding], today: &str) {
        let accepted: HashMap<&str, Acceptance> = match self {
            Self::Report(report) => {
                let known = report.findings.iter();
                known
                    .map(|finding| {
                        let acceptance = finding.accepted.clone().unwrap_or_default();
                        (finding.id.as_str(), acceptance)
                    })
                    .collect()
            }
            Self::List(list) => {
                let list = list.iter();
                list.map(|(id, acceptance)| (id.as_str(), acceptance.clone()))
                    .collect()
            }
        };
        for finding in findings {
            let Some(acceptance) = accepted.get(finding.id.as_str()) else {
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
