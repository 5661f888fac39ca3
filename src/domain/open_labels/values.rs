//! The values that one label may have on the nodes of a pool.

use std::collections::BTreeSet;

use thiserror::Error;

use crate::domain::placement::affinity::Operator;

/// A set of label values, which may be infinite.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Values {
    set: Set,
    /// Smallest and largest integer; with either, only integers are members.
    at_least: Option<i64>,
    at_most: Option<i64>,
    /// Whether a node may be without the label.
    absent: bool,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
enum Set {
    Only(BTreeSet<String>),
    Except(BTreeSet<String>),
}

/// Why a requirement of a pool means nothing.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum RequirementError {
    /// The operator is none of the eight.
    #[error("expected In, NotIn, Exists, DoesNotExist, Gt, Lt, Gte or Lte")]
    Operator,
    /// The operator compares numbers, and there is not one number.
    #[error("expected one integer from 0 to 9223372036854775807")]
    Number,
    /// The operator needs values, and there are none.
    #[error("expected at least one value")]
    NoValues,
}

impl RequirementError {
    /// The field of the requirement that is wrong, with its dot.
    pub fn field(&self) -> &'static str {
        match self {
            Self::Operator => ".operator",
            Self::Number | Self::NoValues => ".values",
        }
    }
}

impl Values {
    /// Any value; the label is there.
    pub fn any() -> Self {
        Self {
            set: Set::Except(BTreeSet::new()),
            at_least: None,
            at_most: None,
            absent: false,
        }
    }

    /// Any value, or none at all.
    pub fn any_or_absent() -> Self {
        Self {
            absent: true,
            ..Self::any()
        }
    }

    /// One of these values.
    pub fn only<'a>(values: impl IntoIterator<Item = &'a str>) -> Self {
        Self {
            set: Set::Only(values.into_iter().map(str::to_owned).collect()),
            ..Self::any()
        }
    }

    /// Any but these values.
    pub fn except<'a>(values: impl IntoIterator<Item = &'a str>) -> Self {
        Self {
            set: Set::Except(values.into_iter().map(str::to_owned).collect()),
            ..Self::any()
        }
    }

    /// What a requirement of a Karpenter NodePool leaves.
    /// Source: <https://github.com/kubernetes-sigs/karpenter/blob/main/pkg/scheduling/requirement.go>
    ///
    /// # Errors
    /// What Karpenter's validation refuses, too.
    pub fn of_requirement<'a>(
        operator: Operator,
        values: impl IntoIterator<Item = &'a str>,
    ) -> Result<Self, RequirementError> {
        let mut values = values.into_iter().peekable();
        if matches!(operator, Operator::In | Operator::NotIn) && values.peek().is_none() {
            return Err(RequirementError::NoValues);
        }
        Ok(match operator {
            Operator::In => Self::only(values),
            Operator::NotIn => Self {
                absent: true,
                ..Self::except(values)
            },
            Operator::Exists => Self::any(),
            Operator::DoesNotExist => Self {
                absent: true,
                ..Self::only([])
            },
            Operator::Gt | Operator::Lt | Operator::Gte | Operator::Lte => {
                let (Some(text), None) = (values.next(), values.next()) else {
                    return Err(RequirementError::Number);
                };
                let bound = natural(text).ok_or(RequirementError::Number)?;
                let (at_least, at_most) = match operator {
                    // Nothing is greater than the greatest number.
                    Operator::Gt => match bound.checked_add(1) {
                        Some(next) => (Some(next), None),
                        None => return Ok(Self::only([])),
                    },
                    Operator::Gte => (Some(bound), None),
                    Operator::Lt => (None, Some(bound - 1)),
                    _ => (None, Some(bound)),
                };
                Self {
                    at_least,
                    at_most,
                    ..Self::any()
                }
            }
            Operator::Other => return Err(RequirementError::Operator),
        })
    }

    /// What both allow.
    #[must_use]
    pub fn intersect(&self, other: &Self) -> Self {
        let set = match (&self.set, &other.set) {
            (Set::Only(own), Set::Only(others)) => Set::Only(own & others),
            (Set::Only(own), Set::Except(not)) | (Set::Except(not), Set::Only(own)) => {
                Set::Only(own - not)
            }
            (Set::Except(own), Set::Except(others)) => Set::Except(own | others),
        };
        let mut both = Self {
            set,
            at_least: self.at_least.max(other.at_least),
            at_most: match (self.at_most, other.at_most) {
                (Some(own), Some(others)) => Some(own.min(others)),
                (own, others) => own.or(others),
            },
            absent: self.absent && other.absent,
        };
        if let Set::Only(values) = &both.set {
            let within = values.iter().filter(|value| both.within(value)).cloned();
            both.set = Set::Only(within.collect());
            (both.at_least, both.at_most) = (None, None);
        }
        both
    }

    /// Whether a label may have this value.
    pub fn allows(&self, value: &str) -> bool {
        let member = match &self.set {
            Set::Only(values) => values.contains(value),
            Set::Except(values) => !values.contains(value),
        };
        member && self.within(value)
    }

    fn within(&self, value: &str) -> bool {
        if self.at_least.is_none() && self.at_most.is_none() {
            return true;
        }
        value.parse::<i64>().is_ok_and(|number| {
            self.at_least.is_none_or(|bound| bound <= number)
                && self.at_most.is_none_or(|bound| number <= bound)
        })
    }

    /// Whether no node can satisfy it, with the label or without.
    pub fn is_impossible(&self) -> bool {
        !self.absent && self.has_no_value()
    }

    fn has_no_value(&self) -> bool {
        let excluded = match &self.set {
            Set::Only(values) => return values.is_empty(),
            Set::Except(values) => values,
        };
        if self.at_least.is_none() && self.at_most.is_none() {
            return false;
        }
        // Label values have no sign. One more number than are excluded is enough to look at.
        let first = self.at_least.unwrap_or(0).max(0);
        let last = self.at_most.unwrap_or(i64::MAX);
        let mut numbers = (first..=last).take(excluded.len() + 1);
        !numbers.any(|number| !excluded.contains(&number.to_string()))
    }

    /// All values, where they can be counted.
    pub fn listed(&self) -> Option<&BTreeSet<String>> {
        match &self.set {
            Set::Only(values) => Some(values),
            Set::Except(_) => None,
        }
    }

    /// The one thing that holds for every node, if there is one: a value, or no label.
    pub fn settled(&self) -> Option<Option<&str>> {
        let values = self.listed()?;
        match (values.len(), self.absent) {
            (0, _) => Some(None),
            (1, false) => Some(values.first().map(String::as_str)),
            _ => None,
        }
    }
}

/// A number as label values write it: they have no sign.
fn natural(text: &str) -> Option<i64> {
    text.parse().ok().filter(|number| *number >= 0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::placement::affinity::Requirement;
    use proptest::prelude::*;

    const OPERATORS: [&str; 6] = ["In", "NotIn", "Exists", "DoesNotExist", "Gt", "Lt"];

    fn requirement() -> impl Strategy<Value = Requirement> {
        let values = proptest::collection::vec("[0-3a-b]", 1..3);
        (0..OPERATORS.len(), values).prop_map(|(operator, values)| {
            let operator = OPERATORS[operator];
            let values = match operator {
                "In" | "NotIn" => values,
                "Gt" | "Lt" => vec![values[0].replace(['a', 'b'], "1")],
                _ => Vec::new(),
            };
            Requirement {
                key: "key".to_owned(),
                operator: Operator::from_name(operator),
                values,
            }
        })
    }

    fn values(requirement: &Requirement) -> Values {
        let listed = requirement.values.iter().map(String::as_str);
        Values::of_requirement(requirement.operator, listed).unwrap()
    }

    /// Every value that requirements of [`requirement`] can tell apart.
    const UNIVERSE: [Option<&str>; 8] = [
        None,
        Some("0"),
        Some("1"),
        Some("2"),
        Some("3"),
        Some("4"),
        Some("a"),
        Some("b"),
    ];

    proptest! {
        #[test]
        fn an_intersection_is_what_all_requirements_match(
            requirements in proptest::collection::vec(requirement(), 1..4)
        ) {
            let both = requirements
                .iter()
                .map(values)
                .reduce(|all, next| all.intersect(&next))
                .unwrap();
            let mut possible = false;
            for value in UNIVERSE.into_iter().chain([Some("c"), Some("5"), Some("99")]) {
                let matches = requirements.iter().all(|requirement| requirement.matches(value));
                let member = value.map_or(both.absent, |value| both.allows(value));
                prop_assert_eq!(member, matches, "{:?} in {:?}", value, both);
                possible |= matches;
            }
            prop_assert_eq!(both.is_impossible(), !possible, "{:?}", both);
        }
    }

    #[test]
    fn gte_and_lte_include_their_number() {
        for (operator, allowed) in [
            ("Gt", ["4", "5"].as_slice()),
            ("Gte", &["3", "4", "5"]),
            ("Lt", &["0", "1", "2"]),
            ("Lte", &["0", "1", "2", "3"]),
        ] {
            let values = Values::of_requirement(Operator::from_name(operator), ["3"]).unwrap();
            let found = ["0", "1", "2", "3", "4", "5", "x"].into_iter();
            let found: Vec<&str> = found.filter(|value| values.allows(value)).collect();
            assert_eq!(found, allowed, "{operator}");
        }
    }

    #[test]
    fn numbers_at_the_edge_overflow_nothing() {
        let greatest = i64::MAX.to_string();
        let above = Values::of_requirement(Operator::Gt, [greatest.as_str()]).unwrap();
        assert!(above.is_impossible());
        let at = Values::of_requirement(Operator::Gte, [greatest.as_str()]).unwrap();
        assert!(!at.is_impossible() && at.allows(&greatest));
        let below = Values::of_requirement(Operator::Lt, ["0"]).unwrap();
        assert!(below.is_impossible());
    }

    #[test]
    fn what_karpenter_refuses_is_refused() {
        for (operator, values, expected) in [
            ("In", [].as_slice(), RequirementError::NoValues),
            ("NotIn", &[], RequirementError::NoValues),
            ("Gt", &[], RequirementError::Number),
            ("Gt", &["1", "2"], RequirementError::Number),
            ("Lte", &["-1"], RequirementError::Number),
            ("Gte", &["99999999999999999999"], RequirementError::Number),
            ("Lt", &["x"], RequirementError::Number),
            ("in", &["x"], RequirementError::Operator),
            ("", &[], RequirementError::Operator),
        ] {
            let read = Operator::from_name(operator);
            let found = Values::of_requirement(read, values.iter().copied());
            assert_eq!(found, Err(expected), "{operator} {values:?}");
        }
    }
}
