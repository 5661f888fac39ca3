//! What is published of the rules is what the catalogue says: `docs/rules.md`.

use std::fmt::Write as _;

use crate::findings::{Rule, RuleText};
use crate::rendered::publish;

const INTRODUCTION: &str = "\
# Rules

Every finding of a report names one of these rules. `archmatch explain RULE` prints the same,
and `--fail-on RULE,…` makes findings of a rule count as a failure.

This page is made of the program's catalogue by `make render`.
";

#[test]
fn what_is_published_of_the_rules_is_what_the_catalogue_says() {
    publish("docs/rules.md", &page());
}

#[test]
fn every_rule_has_an_anchor_and_a_link_to_it() {
    let page = page();
    for rule in Rule::all() {
        assert_eq!(page.matches(&format!("\n## {rule}\n")).count(), 1, "{rule}");
        assert_eq!(page.matches(&format!("(#{rule})")).count(), 1, "{rule}");
    }
}

/// A heading's anchor is its text, which for these names is the name.
fn page() -> String {
    let mut page = INTRODUCTION.to_owned();
    page.push_str("\n| rule | severity | says |\n|---|---|---|\n");
    for rule in Rule::all() {
        let RuleText {
            severity, title, ..
        } = rule.text();
        writeln!(page, "| [{rule}](#{rule}) | {severity} | {title} |").unwrap();
    }
    for rule in Rule::all() {
        let RuleText {
            severity,
            title,
            explanation,
            help,
        } = rule.text();
        write!(
            page,
            "\n## {rule}\n\n**{title}**\n\nSeverity: {severity}.\n\n{explanation}\n\n\
             What to do: {help}\n"
        )
        .unwrap();
    }
    page
}
