//! Taints and tolerations.
//!
//! Source: <https://github.com/kubernetes/api/blob/master/core/v1/toleration.go>

use crate::domain::taint::{Effect, Taint};

/// A toleration of a pod.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Toleration {
    /// Key; empty means every key.
    pub key: String,
    /// Operator as written; empty means `Equal`.
    pub operator: String,
    /// Value to compare with.
    pub value: String,
    /// Effect; empty means every effect.
    pub effect: String,
}

/// Whether the operators `Lt` and `Gt` count: the cluster's feature gate
/// `TaintTolerationComparisonOperators`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ComparisonOperators {
    /// They match nothing, as the API server would refuse them.
    #[default]
    Disabled,
    /// They compare canonical decimal integers.
    Enabled,
}

impl Toleration {
    /// Whether this toleration covers the taint.
    pub fn tolerates(&self, taint: &Taint, comparison: ComparisonOperators) -> bool {
        if !self.effect.is_empty() && Effect::from_name(&self.effect) != taint.effect {
            return false;
        }
        if !self.key.is_empty() && self.key != taint.key {
            return false;
        }
        match self.operator.as_str() {
            "" | "Equal" => self.value == taint.value,
            "Exists" => true,
            "Lt" | "Gt" if comparison == ComparisonOperators::Enabled => {
                let numbers = canonical_integer(&taint.value).zip(canonical_integer(&self.value));
                numbers.is_some_and(|(of_taint, own)| match self.operator.as_str() {
                    "Lt" => of_taint < own,
                    _ => of_taint > own,
                })
            }
            _ => false,
        }
    }

    /// A toleration of any taint with this key and effect.
    pub fn exists(key: &str, effect: &str) -> Self {
        Self {
            key: key.to_owned(),
            operator: "Exists".to_owned(),
            value: String::new(),
            effect: effect.to_owned(),
        }
    }
}

/// A decimal integer in its one spelling: no plus, no leading zero, no negative zero.
fn canonical_integer(text: &str) -> Option<i64> {
    let number: i64 = text.parse().ok()?;
    (number.to_string() == text).then_some(number)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::Value;

    /// Cases of the scheduler's own tables; see the file for the source of each.
    #[test]
    fn agrees_with_upstream() {
        let text = include_str!("../../../tests/data/toleration-vectors.json");
        let vectors: Vec<Value> = serde_json::from_str(text).unwrap();
        assert!(vectors.len() > 20);
        for vector in vectors {
            let text = |value: &Value, key: &str| value[key].as_str().unwrap_or("").to_owned();
            let list = |key: &str| vector[key].as_array().cloned().unwrap_or_default();
            let taints: Vec<Taint> = list("taints")
                .iter()
                .map(|taint| Taint {
                    key: text(taint, "key"),
                    value: text(taint, "value"),
                    effect: Effect::from_name(&text(taint, "effect")),
                })
                .collect();
            let tolerations: Vec<Toleration> = list("tolerations")
                .iter()
                .map(|toleration| Toleration {
                    key: text(toleration, "key"),
                    operator: text(toleration, "operator"),
                    value: text(toleration, "value"),
                    effect: text(toleration, "effect"),
                })
                .collect();
            let effects: Vec<Effect> = list("considered_effects")
                .iter()
                .filter_map(Value::as_str)
                .map(Effect::from_name)
                .collect();
            let comparison = if vector["comparison_operators"].as_bool() == Some(true) {
                ComparisonOperators::Enabled
            } else {
                ComparisonOperators::Disabled
            };
            let tolerated = taints.iter().all(|taint| {
                let mut tolerations = tolerations.iter();
                !effects.contains(&taint.effect)
                    || tolerations.any(|toleration| toleration.tolerates(taint, comparison))
            });
            assert_eq!(
                tolerated,
                vector["tolerated"].as_bool().unwrap(),
                "{} {}",
                vector["id"],
                vector["name"]
            );
        }
    }
}
