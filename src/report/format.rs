//! The forms that a report may have.

use clap::ValueEnum;
use serde::Serialize;
use thiserror::Error;

use super::model::Report;
use super::objects::ReportGroup;
use super::style::Style;
use super::{csv, github, gitlab, junit, markdown, objects, rdjson, sarif, table, wide, yaml};
use crate::domain::text::is_hidden;

/// Why a report could not be rendered.
#[derive(Debug, Error)]
pub enum RenderError {
    /// What the writer of JSON says.
    #[error(transparent)]
    Json(#[from] serde_json::Error),
    /// What the writer of YAML says.
    #[error(transparent)]
    Yaml(#[from] serde_saphyr::SerializeError),
    /// What the writer of CSV says.
    #[error(transparent)]
    Csv(#[from] ::csv::Error),
    /// What the writer of XML says.
    #[error(transparent)]
    Xml(#[from] std::fmt::Error),
}

/// Output formats.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum, strum::IntoStaticStr)]
#[strum(serialize_all = "lowercase")]
pub enum Format {
    /// A summary, the matrix of images and platforms, and what fails
    Table,
    /// The same, and for each workload where it may go, why not elsewhere, and what is pulled
    Wide,
    /// The report as JSON
    Json,
    /// The report as YAML
    Yaml,
    /// One line a finding, for spreadsheets
    Csv,
    /// Tables, and findings to unfold, for comments and wikis
    Markdown,
    /// A test case a workload
    Junit,
    /// For code scanning and editors
    Sarif,
    /// Code quality of GitLab
    Gitlab,
    /// Annotations of GitHub's workflows
    Github,
    /// For reviewdog, which comments on pull requests
    Rdjson,
    /// Report objects of openreports.io, one a workload that has findings
    Openreports,
    /// The same as PolicyReport objects of wgpolicyk8s.io
    Policyreport,
}

impl Format {
    /// The name in flags.
    pub fn name(self) -> &'static str {
        self.into()
    }

    /// The names of all formats.
    pub fn names() -> impl Iterator<Item = &'static str> {
        Self::value_variants().iter().map(|format| (*format).into())
    }

    /// Whether it points to lines of files, so that a cluster has nothing to show in it.
    pub fn needs_files(self) -> bool {
        matches!(
            self,
            Self::Sarif | Self::Gitlab | Self::Github | Self::Rdjson
        )
    }

    /// The report in this format.
    ///
    /// # Errors
    /// What the writer of the format says.
    pub fn render(self, report: &Report, style: Style) -> Result<String, RenderError> {
        Ok(match self {
            Self::Table => table::render(report, style),
            Self::Wide => wide::render(report, style),
            Self::Json => json(report)?,
            Self::Yaml => yaml::yaml(report)?,
            Self::Csv => csv::render(report)?,
            Self::Markdown => markdown::render(report, style),
            Self::Junit => junit::render(report)?,
            Self::Sarif => sarif::render(report)?,
            Self::Gitlab => gitlab::render(report)?,
            Self::Github => github::render(report),
            Self::Rdjson => rdjson::render(report)?,
            Self::Openreports => objects::render(report, ReportGroup::OpenReports)?,
            Self::Policyreport => objects::render(report, ReportGroup::PolicyReport)?,
        })
    }
}

/// JSON for people and programs: text is exact, hidden characters are escapes.
pub fn json(value: &impl Serialize) -> serde_json::Result<String> {
    let text = serde_json::to_string_pretty(value)?;
    let mut safe = String::with_capacity(text.len() + 1);
    for character in text.chars() {
        // Outside of strings JSON has no hidden character but line breaks.
        if is_hidden(character) && character != '\n' {
            let mut units = [0; 2];
            for unit in character.encode_utf16(&mut units) {
                safe.push_str(&format!("\\u{unit:04x}"));
            }
        } else {
            safe.push(character);
        }
    }
    safe.push('\n');
    Ok(safe)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn json_keeps_text_exact_and_escapes_what_is_hidden() {
        let text = "a\u{202e}\u{7f}\u{e0041}\n\u{1b}é";
        let printed = json(&[text]).unwrap();
        assert!(
            printed.contains(r"a\u202e\u007f\udb40\udc41\n\u001bé"),
            "{printed}"
        );
        let read: Vec<String> = serde_json::from_str(&printed).unwrap();
        assert_eq!(read, [text]);
    }
}
