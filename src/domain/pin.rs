//! Pins to an architecture: placement that says on which architectures a pod may run.

use super::labels::{ARCHITECTURE_LABEL, OS_LABEL, canonical_label};
use super::placement::Placement;
use super::placement::affinity::{NodeSelector, Operator, Requirement};

/// What of a placement names architectures, where it names nothing else but operating
/// systems.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ArchitecturePin {
    /// Where it stands in the pod's specification.
    pub field: PinField,
    /// What it says, as text: `kubernetes.io/arch: amd64`.
    pub text: String,
}

/// Where a pin stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, strum::IntoStaticStr)]
pub enum PinField {
    /// In the node selector.
    #[strum(serialize = "nodeSelector")]
    NodeSelector,
    /// In the required node affinity.
    #[strum(serialize = "affinity")]
    Affinity,
}

/// The pin of a placement, and the placement without it; none where it says nothing of
/// architectures, or more than that and the operating system.
pub fn without_pin(placement: &Placement) -> Option<(ArchitecturePin, Placement)> {
    if placement.node_name.is_some() || placement.is_cut {
        return None;
    }
    let is_architecture = |key: &str| canonical_label(key) == ARCHITECTURE_LABEL;
    let is_known = |key: &str| is_architecture(key) || canonical_label(key) == OS_LABEL;
    let terms = placement.required_affinity.as_ref();
    let terms = terms.map_or(&[][..], |affinity| &affinity.terms);
    let mut requirements = terms.iter().flat_map(|term| &term.expressions);
    let is_plain = |requirement: &Requirement| {
        is_known(&requirement.key) && matches!(requirement.operator, Operator::In | Operator::NotIn)
    };
    let says_more = !placement.node_selector.keys().all(|key| is_known(key))
        || terms.iter().any(|term| !term.fields.is_empty())
        || !requirements.all(is_plain);
    if says_more {
        return None;
    }
    let selected = placement.node_selector.iter();
    let selected = selected.filter(|(key, _)| is_architecture(key));
    let selected: Vec<String> = selected
        .map(|(key, value)| format!("{key}: {value}"))
        .collect();
    let requirements = terms.iter().flat_map(|term| &term.expressions);
    let required = requirements.filter(|requirement| is_architecture(&requirement.key));
    let required: Vec<String> = required
        .map(|requirement| {
            let Requirement {
                key,
                operator,
                values,
            } = requirement;
            format!("{key} {} ({})", operator.name(), values.join(", "))
        })
        .collect();
    let (field, texts) = match (selected.is_empty(), required.is_empty()) {
        (true, true) => return None,
        (false, _) => (PinField::NodeSelector, [selected, required].concat()),
        (true, false) => (PinField::Affinity, required),
    };
    let mut open = placement.clone();
    open.node_selector.retain(|key, _| !is_architecture(key));
    open.required_affinity = open.required_affinity.and_then(widened);
    let pin = ArchitecturePin {
        field,
        text: texts.join(", "),
    };
    Some((pin, open))
}

/// The affinity without requirements on the architecture; none where nothing is left, since
/// an affinity without terms matches no node.
fn widened(mut affinity: NodeSelector) -> Option<NodeSelector> {
    // One without requirements matches nothing, and goes on to.
    affinity.terms.retain(|term| !term.expressions.is_empty());
    for term in &mut affinity.terms {
        let is_other =
            |requirement: &Requirement| canonical_label(&requirement.key) != ARCHITECTURE_LABEL;
        term.expressions.retain(is_other);
    }
    // A term that asked for the architecture alone now asks for nothing: alternatives beside
    // it do not narrow that.
    let is_open = affinity
        .terms
        .iter()
        .any(|term| term.expressions.is_empty());
    (!is_open).then_some(affinity)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::placement::affinity::Term;

    fn requirement(key: &str, operator: Operator, values: &[&str]) -> Requirement {
        Requirement {
            key: key.to_owned(),
            operator,
            values: values.iter().map(ToString::to_string).collect(),
        }
    }

    fn selector(pairs: &[(&str, &str)], terms: &[&[Requirement]]) -> Placement {
        let pairs = pairs.iter();
        let terms = terms.iter().map(|expressions| Term {
            expressions: expressions.to_vec(),
            fields: Vec::new(),
        });
        let terms: Vec<Term> = terms.collect();
        Placement {
            node_selector: pairs
                .map(|(key, value)| ((*key).to_owned(), (*value).to_owned()))
                .collect(),
            required_affinity: (!terms.is_empty()).then_some(NodeSelector { terms }),
            ..Placement::default()
        }
    }

    #[test]
    fn a_pin_is_the_architecture_and_nothing_else_but_the_system() {
        let amd64 = || requirement(ARCHITECTURE_LABEL, Operator::In, &["amd64"]);
        let not_arm = || requirement("beta.kubernetes.io/arch", Operator::NotIn, &["arm64"]);
        let linux = || requirement(OS_LABEL, Operator::In, &["linux"]);
        let zone = || requirement("zone", Operator::In, &["a"]);
        let exists = || requirement(ARCHITECTURE_LABEL, Operator::Exists, &[]);
        // What a placement says, the pin, and what is left of the affinity.
        type Row = (Placement, Option<&'static str>, Option<usize>);
        let rows: [Row; 9] = [
            (
                selector(&[(ARCHITECTURE_LABEL, "amd64"), (OS_LABEL, "linux")], &[]),
                Some("kubernetes.io/arch: amd64"),
                None,
            ),
            (
                selector(&[], &[&[amd64()]]),
                Some("kubernetes.io/arch In (amd64)"),
                None,
            ),
            (
                selector(&[], &[&[not_arm(), linux()]]),
                Some("beta.kubernetes.io/arch NotIn (arm64)"),
                Some(1),
            ),
            (
                selector(&[], &[&[amd64(), linux()], &[]]),
                Some("kubernetes.io/arch In (amd64)"),
                Some(1),
            ),
            (
                selector(&[], &[&[amd64(), linux()], &[not_arm()]]),
                Some("kubernetes.io/arch In (amd64), beta.kubernetes.io/arch NotIn (arm64)"),
                None,
            ),
            (
                selector(&[(ARCHITECTURE_LABEL, "amd64"), ("zone", "a")], &[]),
                None,
                None,
            ),
            (selector(&[], &[&[amd64()], &[zone()]]), None, None),
            (selector(&[], &[&[exists()]]), None, None),
            (selector(&[(OS_LABEL, "linux")], &[]), None, None),
        ];
        for (placement, pin, terms) in rows {
            let found = without_pin(&placement);
            let text = found.as_ref().map(|(pin, _)| pin.text.as_str());
            assert_eq!(text, pin, "{placement:?}");
            let Some((_, open)) = found else { continue };
            let left = open.required_affinity.map(|affinity| affinity.terms.len());
            assert_eq!(left, terms, "{placement:?}");
            assert!(!open.node_selector.contains_key(ARCHITECTURE_LABEL));
        }
        let mut cut = selector(&[(ARCHITECTURE_LABEL, "amd64")], &[]);
        cut.is_cut = true;
        assert!(without_pin(&cut).is_none());
    }
}
