//! The forms that a report may have.

use clap::ValueEnum;
use thiserror::Error;

use super::model::Report;
use super::objects::ReportGroup;
use super::style::Style;
use super::{
    csv, github, gitlab, html, json, junit, markdown, objects, rdjson, sarif, table, wide, yaml,
};

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
    /// A page for a browser: one file, offline, readable without scripts
    Html,
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
            Self::Json => json::json(report)?,
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
            Self::Html => html::render(report),
        })
    }
}
