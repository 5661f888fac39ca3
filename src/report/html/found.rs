//! What was found of one workload.

use std::collections::HashMap;

use maud::{Markup, html};

use super::body::PageBody;
use crate::findings::{Finding, Severity};

/// With more findings than these, those that say the same share their explanation: else the
/// page of a large cluster would be slow to open.
const MAX_EXPLAINED: usize = 1_000;

/// What a finding says beyond what is so.
#[derive(PartialEq, Eq, Hash)]
struct ExplanationKey<'a> {
    what: &'a str,
    why: &'a str,
    next: &'a str,
    evidence: &'a [String],
}

/// The explanations that findings of several workloads share, in the order of the page.
#[derive(Default)]
pub(super) struct SharedExplanations<'a> {
    is_needed: bool,
    known: HashMap<ExplanationKey<'a>, usize>,
    first: Vec<&'a Finding>,
}

impl<'a> SharedExplanations<'a> {
    /// For a page with so many findings.
    pub(super) fn of(findings: usize) -> Self {
        Self {
            is_needed: findings > MAX_EXPLAINED,
            ..Self::default()
        }
    }

    /// The findings of a workload, each with what is so; why and what next are a step away.
    pub(super) fn list(&mut self, findings: &[&'a Finding]) -> Markup {
        html! {
            @if findings.is_empty() { "none" }
            @for finding in findings { (self.one(finding)) }
        }
    }

    fn one(&mut self, finding: &'a Finding) -> Markup {
        // A fix is of the workload itself.
        if !self.is_needed || !finding.fixes.is_empty() {
            return html! {
                details {
                    summary { (heading(finding)) " " (finding.what) (acceptance(finding)) }
                    (explained(finding))
                }
            };
        }
        let number = self.number(finding);
        html! {
            div {
                a href={ "#why" (number) } { (heading(finding)) }
                " " (finding.what) (acceptance(finding))
            }
        }
    }

    fn number(&mut self, finding: &'a Finding) -> usize {
        let explanation = ExplanationKey {
            what: &finding.what,
            why: &finding.why,
            next: &finding.next,
            evidence: &finding.evidence,
        };
        let first = &mut self.first;
        *self.known.entry(explanation).or_insert_with(|| {
            first.push(finding);
            first.len() - 1
        })
    }

    /// Adds them, closed: links open what they point to.
    pub(super) fn write(&self, body: &mut PageBody) {
        if self.first.is_empty() {
            return;
        }
        body.open("<section aria-labelledby=\"explanations\">");
        body.push(&html! { h2 #explanations { "Why, and what next" } });
        for (number, finding) in self.first.iter().enumerate() {
            body.push(&html! {
                details #{ "why" (number) } { summary { (finding.what) } (explained(finding)) }
            });
        }
        body.open("</section>");
    }
}

/// How much it matters, and the rule.
fn heading(finding: &Finding) -> Markup {
    let (class, symbol) = match finding.severity {
        _ if finding.accepted.is_some() => ("rest", "·"),
        Severity::Error => ("no", "✗"),
        Severity::Warning => ("open", "!"),
        Severity::Note => ("rest", "i"),
    };
    html! { span class=(class) { (symbol) " " (finding.severity) " " (finding.rule) } }
}

fn explained(finding: &Finding) -> Markup {
    html! {
        p { b { "Why: " } (finding.why) }
        p { b { "Next: " } (finding.next) }
        @for text in &finding.evidence { p { b { "Evidence: " } (text) } }
        @for fix in &finding.fixes {
            p {
                b { "Fix: " } (fix.kind) " " code { (fix.path) }
                @if !fix.old.is_empty() { ", from " code { (fix.old) } }
                @if !fix.new.is_empty() { ", to " code { (fix.new) } }
            }
        }
    }
}

/// That a baseline accepts it, or did.
fn acceptance(finding: &Finding) -> Markup {
    html! {
        @if let Some(accepted) = &finding.accepted {
            " " span.mark { (accepted.describe()) }
        } @else if let Some(date) = &finding.expired {
            " " span.mark { "was accepted, expired " (date) }
        }
    }
}
