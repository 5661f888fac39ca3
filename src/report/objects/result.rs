//! One result of an object, made of a finding.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::message::{listed, message, text};
use crate::findings::{Finding, Fix, FixKind, Rule, Severity};

/// The source of every result.
pub(super) const SOURCE: &str = "archmatch";

/// The category of every result.
const CATEGORY: &str = "Image platforms";

/// The property that is a result's identity for those who read the objects.
pub const RESULT_ID: &str = "resultID";

/// How many results there are of each sort.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub(super) struct ResultCounts {
    pass: usize,
    fail: usize,
    warn: usize,
    error: usize,
    skip: usize,
}

/// One result of an object.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub(super) struct ReportResult {
    source: &'static str,
    policy: &'static str,
    pub(super) rule: String,
    category: &'static str,
    severity: ResultSeverity,
    pub(super) result: ResultKind,
    pub(super) message: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) timestamp: Option<ResultTime>,
    pub(super) properties: BTreeMap<&'static str, String>,
}

/// How much a result matters, in the words of the definitions.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
enum ResultSeverity {
    High,
    Medium,
    Low,
    Info,
}

/// What a result is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum ResultKind {
    Fail,
    Warn,
    Error,
}

/// When a result was found first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ResultTime {
    pub(super) seconds: i64,
    pub(super) nanos: i32,
}

impl ResultCounts {
    pub(super) fn of(results: &[ReportResult]) -> Self {
        let mut counts = Self::default();
        for result in results {
            match result.result {
                ResultKind::Fail => counts.fail += 1,
                ResultKind::Warn => counts.warn += 1,
                ResultKind::Error => counts.error += 1,
            }
        }
        counts
    }
}

impl ReportResult {
    /// The result of a finding.
    pub(super) fn of(
        finding: &Finding,
        policy: &'static str,
        timestamp: Option<ResultTime>,
    ) -> Self {
        let rule = match (finding.rule, finding.platforms.as_slice()) {
            (Rule::MissingPlatform, [platform]) => {
                format!("{}/{}", finding.rule, text(&platform.replace('/', "-")))
            }
            (rule, _) => rule.to_string(),
        };
        let result = match (finding.rule, finding.severity) {
            (Rule::CouldNotCheck, _) => ResultKind::Error,
            (_, Severity::Error) => ResultKind::Fail,
            (_, Severity::Warning | Severity::Note) => ResultKind::Warn,
        };
        let severity = match (finding.rule, finding.severity) {
            (Rule::CouldNotCheck, _) | (_, Severity::Note) => ResultSeverity::Info,
            (_, Severity::Error) => ResultSeverity::High,
            (Rule::PinnedToOnePlatform | Rule::VersionSkew, _) => ResultSeverity::Low,
            (_, Severity::Warning) => ResultSeverity::Medium,
        };
        let mut properties = BTreeMap::from([(RESULT_ID, text(&finding.id).into_owned())]);
        if let Some(image) = &finding.image {
            properties.insert("image", text(image).into_owned());
        }
        let images = |fix: &&Fix| matches!(fix.kind, FixKind::Retag | FixKind::Repin);
        if let Some(fix) = finding.fixes.iter().find(images) {
            properties.insert("suggestion", text(&fix.new).into_owned());
        }
        for (key, names) in [
            ("platform", &finding.platforms),
            ("containers", &finding.containers),
        ] {
            if !names.is_empty() {
                properties.insert(key, listed(names));
            }
        }
        Self {
            source: SOURCE,
            policy,
            rule,
            category: CATEGORY,
            severity,
            result,
            message: message(finding),
            timestamp,
            properties,
        }
    }

    /// A result that counts findings which are not listed.
    pub(super) fn more(
        count: usize,
        object: &str,
        policy: &'static str,
        timestamp: Option<ResultTime>,
    ) -> Self {
        Self {
            source: SOURCE,
            policy,
            rule: "more-findings".to_owned(),
            category: CATEGORY,
            severity: ResultSeverity::Low,
            result: ResultKind::Warn,
            message: format!("{count} more findings; archmatch audit lists them all"),
            timestamp,
            properties: BTreeMap::from([(RESULT_ID, format!("{object}-more"))]),
        }
    }
}
