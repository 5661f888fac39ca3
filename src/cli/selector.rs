//! Label selectors as kubectl's `-l` reads them: `app=web,tier in (front, back),!canary`.
//!
//! kube knows what a selector selects; it has no parser for the text.
//! Source: <https://github.com/kubernetes/apimachinery/blob/master/pkg/labels/selector.go>,
//! `Parse`. Its `<` and `>` are left out, as in kubectl's help.

use std::collections::BTreeSet;
use std::str::FromStr;

use kube::core::{Expression, Selector, SelectorExt};

use crate::domain::labels::Labels;
use crate::domain::labels::{is_label_key, is_label_value};

/// A selector of the command line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LabelSelector {
    text: String,
    selector: Selector,
}

impl LabelSelector {
    /// Whether an object with these labels is selected.
    pub fn selects(&self, labels: &Labels) -> bool {
        self.selector.matches(labels)
    }

    /// The text, as the API server takes it, too.
    pub fn text(&self) -> &str {
        &self.text
    }
}

impl FromStr for LabelSelector {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let requirements: Vec<&str> = match text.trim() {
            "" => Vec::new(),
            text => outside_parentheses(text),
        };
        let expressions = requirements.into_iter().map(expression);
        let selector = expressions.collect::<Result<Selector, String>>()?;
        let text = text.trim().to_owned();
        Ok(Self { text, selector })
    }
}

/// The parts between commas; those within parentheses part values.
fn outside_parentheses(text: &str) -> Vec<&str> {
    let mut depth = 0_usize;
    let is_comma = |character| {
        match character {
            '(' => depth += 1,
            ')' => depth = depth.saturating_sub(1),
            _ => {}
        }
        character == ',' && depth == 0
    };
    text.split(is_comma).collect()
}

fn expression(text: &str) -> Result<Expression, String> {
    let text = text.trim();
    if let Some(key_of_absent) = text.strip_prefix('!') {
        return Ok(Expression::DoesNotExist(key(key_of_absent)?));
    }
    if let Some((name, values)) = text.split_once('(') {
        let inner = values
            .strip_suffix(')')
            .ok_or_else(|| format!("expected a closing parenthesis in {text:?}"))?;
        let values = inner.split(',').map(value);
        let values: BTreeSet<String> = values.collect::<Result<_, _>>()?;
        return match name.trim_end().rsplit_once(char::is_whitespace) {
            Some((name, "in")) => Ok(Expression::In(key(name)?, values)),
            Some((name, "notin")) => Ok(Expression::NotIn(key(name)?, values)),
            _ => Err(format!(
                "expected \"key in (…)\" or \"key notin (…)\" in {text:?}"
            )),
        };
    }
    for (operator, of_pair) in [
        (
            "!=",
            Expression::NotEqual as fn(String, String) -> Expression,
        ),
        ("==", Expression::Equal),
        ("=", Expression::Equal),
    ] {
        if let Some((name, text)) = text.split_once(operator) {
            return Ok(of_pair(key(name)?, value(text)?));
        }
    }
    Ok(Expression::Exists(key(text)?))
}

fn key(text: &str) -> Result<String, String> {
    checked(text, is_label_key, "key")
}

fn value(text: &str) -> Result<String, String> {
    checked(text, is_label_value, "value")
}

fn checked(text: &str, is_valid: fn(&str) -> bool, what: &str) -> Result<String, String> {
    let text = text.trim();
    match is_valid(text) {
        true => Ok(text.to_owned()),
        false => Err(format!("{text:?} is no label {what}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn selectors_select_as_in_kubectl() {
        let labels: Labels = [("app", "web"), ("tier", "front"), ("empty", "")]
            .map(|(key, value)| (key.to_owned(), value.to_owned()))
            .into();
        for (text, expected) in [
            ("", true),
            ("app=web", true),
            ("app==web", true),
            ("app = web", true),
            ("app=db", false),
            ("app!=web", false),
            ("absent!=web", true),
            ("app", true),
            ("!app", false),
            ("!absent", true),
            ("app in (db, web)", true),
            ("app in (db)", false),
            ("absent in (db)", false),
            ("app notin (db,web)", false),
            ("absent notin (db)", true),
            ("tier in (front,back),app=web", true),
            ("tier in (front,back),app=db", false),
            ("empty=", true),
            ("empty in ()", true),
            ("app=", false),
        ] {
            let selector: LabelSelector = text.parse().expect(text);
            assert_eq!(selector.selects(&labels), expected, "{text}");
        }
    }

    #[test]
    fn what_kubectl_refuses_is_refused() {
        for text in [
            ",",
            "app=web,",
            "=web",
            "app in web",
            "app in (web",
            "app between (a,b)",
            "!",
            "a b",
            "app=web=x",
            "app>1",
            "-app",
            "in (a)",
            "app=(a)",
            "app in (a)(b)",
            "app=\u{1b}",
        ] {
            assert!(text.parse::<LabelSelector>().is_err(), "{text}");
        }
    }
}
