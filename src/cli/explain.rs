//! `archmatch explain`: what a rule says, why, and what to do.

use std::fmt::Write;

use anyhow::Result;
use clap::Args;

use super::exit::Exit;
use super::terminal;
use crate::findings::Rule;

/// Arguments of `archmatch explain`.
#[derive(Args, Clone, Debug)]
pub struct Arguments {
    /// The rule, as findings name it; all of them where none is named
    #[arg(value_parser = Rule::named)]
    pub rule: Option<Rule>,
}

/// Prints the rule, or the list of all.
pub fn run(arguments: &Arguments) -> Result<Exit> {
    terminal::print(&match arguments.rule {
        Some(rule) => rule.explained(),
        None => list(),
    })?;
    Ok(Exit::Success)
}

fn list() -> String {
    let width = Rule::all()
        .map(|rule| rule.name().len())
        .max()
        .unwrap_or_default();
    let mut text = String::new();
    for rule in Rule::all() {
        let _ = writeln!(text, "{:width$}  {}", rule.name(), rule.text().title);
    }
    text + "\n`archmatch explain RULE` says more of one.\n"
}
