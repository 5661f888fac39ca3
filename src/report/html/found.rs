//! What was found of one workload.

use maud::{Markup, html};

use crate::findings::{Finding, Severity};

/// Findings of a workload, each with what is so; why and what next are a step away.
pub(super) fn list(findings: &[&Finding]) -> Markup {
    html! {
        @if findings.is_empty() { "none" }
        @for finding in findings { (one(finding)) }
    }
}

fn one(finding: &Finding) -> Markup {
    let (class, symbol) = match finding.severity {
        _ if finding.accepted.is_some() => ("rest", "·"),
        Severity::Error => ("no", "✗"),
        Severity::Warning => ("open", "!"),
        Severity::Note => ("rest", "i"),
    };
    html! {
        details {
            summary {
                span class=(class) { (symbol) " " (finding.severity) " " (finding.rule) }
                " " (finding.what) (acceptance(finding))
            }
            p { b { "Why: " } (finding.why) }
            p { b { "Next: " } (finding.next) }
            @if !finding.containers.is_empty() {
                p { b { "Containers: " } (finding.containers.join(", ")) }
            }
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
}

/// That a baseline accepts it, or did.
fn acceptance(finding: &Finding) -> Markup {
    html! {
        @if let Some(accepted) = &finding.accepted {
            " " span.mark {
                "accepted"
                @if let Some(date) = &accepted.expires { " until " (date) }
                @if let Some(reason) = &accepted.reason { ": " (reason) }
            }
        } @else if let Some(date) = &finding.expired {
            " " span.mark { "was accepted, expired " (date) }
        }
    }
}
