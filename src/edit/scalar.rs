//! A scalar of YAML with other characters at its end, in the style that it has.

use granit_parser::ScalarStyle;

use super::tree::{DocumentTree, NodeContent};

/// Why a scalar cannot be spelled with another end.
pub(super) type NotSpelled = &'static str;

/// The text of a scalar in which only the end differs: its first `kept` bytes stay.
///
/// # Errors
/// The end is written in a way that is not followed.
pub(super) fn with_end(
    source: &str,
    style: ScalarStyle,
    value: &str,
    kept: usize,
    new: &str,
) -> Result<String, NotSpelled> {
    let (Some(name), Some(end)) = (value.get(..kept), value.get(kept..)) else {
        return Err("is spelled in another way");
    };
    match style {
        ScalarStyle::Plain if source != value => Err("is written over several lines"),
        ScalarStyle::Plain if is_text(new) => Ok(new.to_owned()),
        ScalarStyle::Plain => Ok(format!("\"{new}\"")),
        ScalarStyle::SingleQuoted if inner(source) == value => Ok(format!("'{new}'")),
        ScalarStyle::DoubleQuoted if inner(source) == value => Ok(format!("\"{new}\"")),
        ScalarStyle::DoubleQuoted => {
            // The name may have escapes, such as `\/` in JSON, and stays as it is.
            let before = inner(source).strip_suffix(end);
            let before = before.filter(|before| decoded(&format!("\"{before}\"")) == name);
            let before = before.ok_or("is written with escapes")?;
            let added = new.get(kept..).unwrap_or_default();
            Ok(format!("\"{before}{added}\""))
        }
        ScalarStyle::Literal | ScalarStyle::Folded if source.matches(value).count() == 1 => {
            Ok(source.replacen(value, new, 1))
        }
        _ => Err("is written over several lines"),
    }
}

/// What is between quotes.
fn inner(source: &str) -> &str {
    let last = source.len().saturating_sub(1);
    source.get(1..last).unwrap_or_default()
}

/// What a scalar alone means; empty where it is none.
fn decoded(source: &str) -> String {
    let tree = DocumentTree::parse(source);
    let value = tree.as_ref().and_then(|tree| match tree.roots() {
        [root] => match tree.content(*root) {
            Some(NodeContent::Scalar(value, _)) => Some(value.to_string()),
            _ => None,
        },
        _ => None,
    });
    value.unwrap_or_default()
}

/// Whether a plain scalar is text, and no number or the like.
fn is_text(plain: &str) -> bool {
    serde_saphyr::from_str::<serde_json::Value>(plain).is_ok_and(|value| value.is_string())
}
