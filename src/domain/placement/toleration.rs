//! Taints and tolerations.
//!
//! Source: <https://github.com/kubernetes/api/blob/master/core/v1/toleration.go>

use crate::domain::taint::{Effect, Taint};

/// A toleration of a pod.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Toleration {
    /// Key; empty means every key.
    pub key: String,
    /// How to compare.
    pub operator: TolerationOperator,
    /// Value to compare with.
    pub value: String,
    /// Effect; none means every effect.
    pub effect: Option<Effect>,
}

/// How a toleration compares the value of a taint with its own.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, strum::EnumString)]
pub enum TolerationOperator {
    /// The values are equal.
    #[default]
    #[strum(serialize = "", serialize = "Equal")]
    Equal,
    /// Whatever the values are.
    Exists,
    /// The number of the taint is less.
    Lt,
    /// The number of the taint is greater.
    Gt,
    /// Anything else that a person wrote, which means nothing.
    Other,
}

impl TolerationOperator {
    /// The operator of a name in an object; none is `Equal`.
    pub fn from_name(name: &str) -> Self {
        name.parse().unwrap_or(Self::Other)
    }
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
        let effect = self.effect.as_ref();
        if effect.is_some_and(|effect| *effect != taint.effect) {
            return false;
        }
        if !self.key.is_empty() && self.key != taint.key {
            return false;
        }
        let compares = |holds: fn(&i64, &i64) -> bool| {
            let numbers = canonical_integer(&taint.value).zip(canonical_integer(&self.value));
            comparison == ComparisonOperators::Enabled
                && numbers.is_some_and(|(of_taint, own)| holds(&of_taint, &own))
        };
        match self.operator {
            TolerationOperator::Equal => self.value == taint.value,
            TolerationOperator::Exists => true,
            TolerationOperator::Lt => compares(i64::lt),
            TolerationOperator::Gt => compares(i64::gt),
            TolerationOperator::Other => false,
        }
    }

    /// A toleration of any taint with this key and effect.
    pub fn exists(key: &str, effect: impl Into<Option<Effect>>) -> Self {
        Self {
            key: key.to_owned(),
            operator: TolerationOperator::Exists,
            value: String::new(),
            effect: effect.into(),
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
                    operator: TolerationOperator::from_name(&text(toleration, "operator")),
                    value: text(toleration, "value"),
                    effect: Effect::named(&text(toleration, "effect")),
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
