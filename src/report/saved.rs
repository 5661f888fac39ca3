//! Documents that were saved before: reports and baselines, as JSON or YAML.

use serde::Deserialize;
use serde::de::DeserializeOwned;
use thiserror::Error;

use super::model::Report;
use crate::domain::text::{printable, shortened};

/// The version of the format that this program reads.
const VERSION: &str = "archmatch.io/v1alpha1";

/// Why a saved document is refused.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("{0}")]
pub struct SavedError(String);

impl SavedError {
    pub(super) fn new(problem: impl AsRef<str>) -> Self {
        Self(printable(problem.as_ref()))
    }
}

/// A document of the right version, before its contents are read.
pub(super) struct Document<'a> {
    text: &'a str,
    header: Header,
}

/// How every document of ours begins.
#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Header {
    api_version: String,
    kind: String,
}

impl<'a> Document<'a> {
    /// The document in a text.
    pub(super) fn of(text: &'a str) -> Result<Self, SavedError> {
        let header: Header = parse(text)
            .map_err(|error| SavedError::new(format!("no document of {VERSION}: {error}")))?;
        let found = printable(&shortened(&header.api_version, 64));
        match header.api_version.as_str() {
            VERSION => Ok(Self { text, header }),
            "" => Err(SavedError::new(format!(
                "no saved report: it has no apiVersion, expected {VERSION}"
            ))),
            _ => Err(SavedError::new(format!(
                "it is of version {found}, and this program reads {VERSION}"
            ))),
        }
    }

    /// What it says that it is.
    pub(super) fn kind(&self) -> &str {
        &self.header.kind
    }

    /// Its contents.
    pub(super) fn read<T: DeserializeOwned>(&self) -> Result<T, SavedError> {
        parse(self.text)
    }

    /// The report in it.
    pub(super) fn report(&self) -> Result<Report, SavedError> {
        let kind = self.kind();
        if kind != "Report" {
            let kind = printable(&shortened(kind, 64));
            return Err(SavedError::new(format!(
                "it is of kind {kind:?}, expected Report of {VERSION}"
            )));
        }
        let report: Report = self.read()?;
        let mut positions = report.findings.iter().map(|finding| finding.workload);
        match positions.any(|position| position >= report.workloads.len()) {
            true => Err(SavedError::new(
                "it is damaged: a finding is of no workload in it",
            )),
            false => Ok(report),
        }
    }
}

impl Report {
    /// Reads a saved report.
    ///
    /// # Errors
    /// That it is none, or of another version.
    pub fn parse(text: &str) -> Result<Self, SavedError> {
        Document::of(text)?.report()
    }
}

fn parse<T: DeserializeOwned>(text: &str) -> Result<T, SavedError> {
    // JSON is read by its own reader, which is many times faster.
    let is_json = text.trim_start().starts_with('{');
    let problem = match is_json {
        true => match serde_json::from_str(text) {
            Ok(read) => return Ok(read),
            Err(error) => error.to_string(),
        },
        false => match serde_saphyr::from_str(text) {
            Ok(read) => return Ok(read),
            Err(error) => match error.without_snippet() {
                // The reader's own words name its functions.
                serde_saphyr::Error::MultipleDocuments { .. } => {
                    format!("it has several documents, expected one of {VERSION}")
                }
                _ => crate::files::yaml_problem(&error),
            },
        },
    };
    Err(SavedError::new(problem))
}
