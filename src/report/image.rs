//! What is known of one image: what its index lists, and what each runtime would pull.

use std::fmt::Write;

use comfy_table::Cell;
use serde::Serialize;

use super::model::{ReportedOutcome, ReportedSearch, ReportedSuggestion};
use super::style::{Style, columns};
use super::wide::short_digest;
use crate::domain::inspection::{Content, Entry, EntryKind, Lookup};
use crate::domain::outcome::OutcomeKind;
use crate::domain::platform::Platform;
use crate::domain::reference::ImageReference;
use crate::domain::runtime::Runtime;
use crate::domain::unknown::Unknown;
use crate::domain::verdict::Verdict;
use crate::findings::{self, Rule};

/// An image, as `inspect -o json` prints it.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ImageReport {
    image: String,
    reference: String,
    digest: String,
    media_type: &'static str,
    kind: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    stale_seconds: Option<u64>,
    platforms: Vec<String>,
    entries: Vec<ReportedEntry>,
    picks: Vec<ReportedOutcome>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    doubts: Vec<String>,
    /// What to use instead, where that was asked for and something is missing.
    #[serde(skip_serializing_if = "Option::is_none")]
    suggestions: Option<Vec<ReportedSuggestion>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    search: Option<ReportedSearch>,
    /// Why platforms are missing, as far as it was found out.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    publications: Vec<ReportedPublication>,
}

/// Why an image lacks platforms.
#[derive(Clone, Debug, Serialize)]
struct ReportedPublication {
    rule: Rule,
    platforms: Vec<String>,
    what: String,
    next: String,
    evidence: Vec<String>,
}

/// Why nothing is known of an image, as `inspect -o json` prints it.
#[derive(Clone, Debug, Serialize)]
pub struct ImageFailure<'a> {
    image: &'a str,
    reference: String,
    reason: &'static str,
    why: String,
}

#[derive(Clone, Debug, Serialize)]
struct ReportedEntry {
    digest: String,
    kind: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    platform: Option<String>,
    attestation: bool,
}

impl<'a> ImageFailure<'a> {
    /// What a look-up of the image ended with.
    pub fn of(image: &'a str, reference: &ImageReference, unknown: &Unknown) -> Self {
        Self {
            image,
            reference: reference.to_string(),
            reason: unknown.reason.name(),
            why: unknown.to_string(),
        }
    }
}

impl ReportedEntry {
    fn of(entry: &Entry) -> Self {
        let platform = entry.platform.as_deref();
        Self {
            digest: entry.digest.to_string(),
            kind: match entry.kind {
                EntryKind::Manifest => "manifest",
                EntryKind::Index => "index",
                EntryKind::Other => "other",
            },
            platform: platform.map(Platform::to_string),
            attestation: platform.is_some_and(Platform::is_attestation),
        }
    }
}

impl ImageReport {
    /// What was found of an image, and the verdict on it.
    pub fn of(image: &str, reference: &ImageReference, found: &Lookup, verdict: &Verdict) -> Self {
        let inspection = &found.inspection;
        let (kind, entries) = match &inspection.content {
            Content::Index(entries) => ("index", entries.as_slice()),
            Content::Manifest(_) => ("manifest", &[][..]),
            Content::Artifact => ("artifact", &[][..]),
        };
        let platforms = inspection.platforms();
        let picks = verdict.outcomes().map(ReportedOutcome::of);
        let mut advices = verdict
            .images
            .iter()
            .filter_map(|image| image.advice.as_deref());
        let advice = advices.next();
        let publications = verdict.images.iter().flat_map(findings::publications);
        Self {
            image: image.to_owned(),
            reference: reference.to_string(),
            digest: inspection.digest.to_string(),
            media_type: inspection.media_type.name(),
            kind,
            stale_seconds: found
                .outdated
                .as_ref()
                .map(|outdated| outdated.age.as_secs()),
            platforms: platforms.iter().map(Platform::to_string).collect(),
            entries: entries.iter().map(ReportedEntry::of).collect(),
            picks: picks.collect(),
            doubts: verdict
                .caveats()
                .map(|(_, caveat)| caveat.to_string())
                .collect(),
            suggestions: advice.map(|advice| {
                let suggestions = advice.suggestions.iter();
                suggestions.map(ReportedSuggestion::of).collect()
            }),
            search: advice.map(ReportedSearch::of),
            publications: publications
                .map(|answer| ReportedPublication {
                    rule: answer.rule,
                    platforms: answer.platforms,
                    what: answer.text.what,
                    next: answer.text.next,
                    evidence: answer.evidence,
                })
                .collect(),
        }
    }

    /// The same for people.
    pub fn render(&self, style: Style) -> String {
        let mut text = format!(
            "Image:       {}\nDigest:      {}\nMedia type:  {}\nPlatforms:   {}\n",
            self.reference,
            self.digest,
            self.media_type,
            self.platforms.join(", "),
        );
        for caveat in &self.doubts {
            let _ = writeln!(text, "Doubt:       it {caveat}");
        }
        if !self.entries.is_empty() {
            let rows = self.entries.iter().map(|entry| {
                let platform = match &entry.platform {
                    _ if entry.attestation => "attestation, never a platform",
                    Some(platform) => platform,
                    None => "not stated",
                };
                [platform, entry.kind, &entry.digest].map(str::to_owned)
            });
            text.push('\n');
            text.push_str(&columns(style, ["ENTRY", "KIND", "DIGEST"], rows));
        }
        if !self.picks.is_empty() {
            let header = ["ON A NODE", "WITH RUNTIME", "OUTCOME", "WHY", "PULLS"];
            text.push('\n');
            text.push_str(&columns(style, header, self.pick_rows(style)));
        }
        text.push_str(&self.instead(style));
        text
    }

    /// What to use instead, and why platforms are missing.
    fn instead(&self, style: Style) -> String {
        let mut text = String::new();
        for ReportedPublication {
            rule,
            what,
            evidence,
            ..
        } in &self.publications
        {
            let _ = writeln!(text, "\n{rule}: {what}");
            for sentence in evidence {
                let _ = writeln!(text, "  {sentence}");
            }
        }
        match self.suggestions.as_deref() {
            None => {}
            Some([]) => text.push_str("\nUse instead: nothing was found\n"),
            Some(suggestions) => {
                let rows = suggestions.iter().map(|suggestion| {
                    let created = suggestion.created.clone().unwrap_or_default();
                    [suggestion.image.clone(), suggestion.what.clone(), created]
                });
                text.push('\n');
                text.push_str(&columns(
                    style,
                    ["USE INSTEAD", "WHAT IT IS", "BUILT"],
                    rows,
                ));
            }
        }
        text
    }

    /// What would be pulled; runtimes that agree share a row.
    fn pick_rows(&self, style: Style) -> impl Iterator<Item = [Cell; 5]> {
        let mut rows: Vec<([String; 4], Vec<&str>)> = Vec::new();
        for pick in &self.picks {
            let outcome = pick.cell();
            let pulled = match pick.picked.last() {
                Some(digest) => short_digest(digest),
                None if pick.outcome == OutcomeKind::Supported => "it as it is",
                None => "",
            };
            let cells = [&*pick.platform, &outcome, &pick.why, pulled].map(str::to_owned);
            match rows.iter_mut().find(|(known, _)| *known == cells) {
                Some((_, runtimes)) => runtimes.push(pick.runtime.name()),
                None => rows.push((cells, vec![pick.runtime.name()])),
            }
        }
        rows.into_iter()
            .map(move |([platform, outcome, why, pulled], runtimes)| {
                let runtimes = match runtimes.len() {
                    count if count == Runtime::ALL.len() => "all".to_owned(),
                    _ => runtimes.join(", "),
                };
                let [platform, why, pulled] = [platform, why, pulled].map(Cell::new);
                [
                    platform,
                    Cell::new(runtimes),
                    style.cell(&outcome),
                    why,
                    pulled,
                ]
            })
    }
}
