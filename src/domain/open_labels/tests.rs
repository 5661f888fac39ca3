//! A pool admits a pod exactly when some node that it could grow does.

use proptest::prelude::*;

use super::*;
use crate::domain::placement::affinity::{NodeSelector, Operator, Requirement, Term};

const KEYS: [&str; 3] = ["a", "b", "provider.example/c"];
const VALUES: [&str; 4] = ["0", "1", "2", "x"];

/// One choice for each key: what `values` allow, absence included.
fn choices(values: Option<&Values>, fixed: Option<&String>) -> Vec<Option<String>> {
    let Some(values) = values else {
        return vec![fixed.cloned()];
    };
    // Values that no test names stand for all others.
    let universe = VALUES.into_iter().chain(["3", "7", "other"]);
    let present = universe.filter(|value| values.allows(value));
    let mut choices: Vec<Option<String>> = present.map(|value| Some(value.to_owned())).collect();
    // Only such a set may be absent.
    let absent = Values::of_requirement(Operator::DoesNotExist, []).unwrap();
    if !values.intersect(&absent).is_impossible() {
        choices.push(None);
    }
    choices
}

fn values() -> impl Strategy<Value = Values> {
    let operators = [
        Operator::In,
        Operator::NotIn,
        Operator::Exists,
        Operator::DoesNotExist,
        Operator::Gt,
        Operator::Lt,
        Operator::Gte,
        Operator::Lte,
    ];
    let listed = proptest::collection::btree_set(0..VALUES.len(), 1..3);
    (0..operators.len(), listed).prop_map(move |(operator, listed)| {
        let operator = operators[operator];
        let listed = listed.into_iter().map(|index| VALUES[index]);
        match operator {
            Operator::In | Operator::NotIn => Values::of_requirement(operator, listed).unwrap(),
            Operator::Exists | Operator::DoesNotExist => {
                Values::of_requirement(operator, []).unwrap()
            }
            _ => Values::of_requirement(operator, ["1"]).unwrap(),
        }
    })
}

/// Whether a term that counts does, or without an affinity the absence of any.
fn some_term(affinity: Option<&NodeSelector>, does: impl Fn(Option<&Term>) -> bool) -> bool {
    match affinity {
        None => does(None),
        Some(affinity) => {
            let mut terms = affinity.terms.iter().filter(|term| term.is_valid());
            terms.any(|term| does(Some(term)))
        }
    }
}

fn requirement() -> impl Strategy<Value = Requirement> {
    let operators = ["In", "NotIn", "Exists", "DoesNotExist", "Gt", "Lt", "Near"];
    let listed = proptest::collection::vec(0..VALUES.len(), 1..3);
    (0..KEYS.len(), 0..operators.len(), listed).prop_map(move |(key, operator, listed)| {
        let operator = operators[operator];
        let listed = listed.into_iter().map(|index| VALUES[index].to_owned());
        Requirement {
            key: KEYS[key].to_owned(),
            operator: Operator::from_name(operator),
            values: match operator {
                "In" | "NotIn" => listed.collect(),
                "Gt" | "Lt" => vec!["1".to_owned()],
                _ => Vec::new(),
            },
        }
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]
    #[test]
    fn a_pool_admits_what_one_of_its_nodes_does(
        open in proptest::collection::btree_map(0..KEYS.len(), values(), 0..3),
        fixed in proptest::collection::btree_map(0..KEYS.len(), 0..VALUES.len(), 0..3),
        has_domain in any::<bool>(),
        selector in proptest::collection::btree_map(0..KEYS.len(), 0..VALUES.len(), 0..2),
        terms in proptest::option::of(proptest::collection::vec(
            proptest::collection::vec(requirement(), 0..4), 0..3)),
    ) {
        let named = |pairs: BTreeMap<usize, usize>| -> Labels {
            let pairs = pairs.into_iter();
            pairs.map(|(key, value)| (KEYS[key].to_owned(), VALUES[value].to_owned())).collect()
        };
        let open_labels = OpenLabels {
            labels: open.into_iter().map(|(key, values)| (KEYS[key].to_owned(), values)).collect(),
            domains: has_domain.then(|| "provider.example".to_owned()).into_iter().collect(),
            ..OpenLabels::default()
        };
        let (fixed, selector) = (named(fixed), named(selector));
        let affinity = terms.map(|terms| NodeSelector {
            terms: terms
                .into_iter()
                .map(|expressions| Term { expressions, fields: Vec::new() })
                .collect(),
        });
        let label = |key: &str| fixed.get(key).map(String::as_str);
        let admitted = some_term(affinity.as_ref(), |term| open_labels.admits(&selector, term, label));
        let choices = KEYS.map(|key| choices(open_labels.values(key).as_ref(), fixed.get(key)));
        let mut exists = false;
        for a in &choices[0] {
            for b in &choices[1] {
                for c in &choices[2] {
                    let node = |key: &str| {
                        let index = KEYS.iter().position(|known| *known == key)?;
                        [a, b, c][index].as_deref()
                    };
                    exists |= selector.iter().all(|(key, value)| node(key) == Some(value.as_str()))
                        && some_term(affinity.as_ref(), |term| {
                            term.is_none_or(|term| term.fits("", node))
                        });
                }
            }
        }
        prop_assert_eq!(admitted, exists, "{:?} {:?} {:?}", open_labels, selector, affinity);
    }
}

#[test]
fn old_names_of_labels_are_the_present_ones() {
    let open_labels = OpenLabels {
        labels: [(ARCHITECTURE_LABEL.to_owned(), Values::only(["arm64"]))].into(),
        ..OpenLabels::default()
    };
    let selector = |value: &str| [("beta.kubernetes.io/arch".to_owned(), value.to_owned())].into();
    assert!(open_labels.admits(&selector("arm64"), None, |_| None));
    assert!(!open_labels.admits(&selector("amd64"), None, |_| None));
}
