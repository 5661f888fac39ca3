//! The nodes of a pool that leaves its architecture open, told apart by what a pod asks for.

use std::borrow::Cow;
use std::collections::BTreeSet;
use std::sync::Arc;

use super::{CandidatePlatform, Candidates};
use crate::domain::node::{GroupKey, IndividualLabel, NodePlatform, default_variant};
use crate::domain::open_labels::values::Values;
use crate::domain::open_labels::{ARCHITECTURE_LABEL, canonical_label};
use crate::domain::placement::Placement;
use crate::domain::placement::affinity::Operator;

/// How many architectures of a pod are told apart; there are not so many.
const MAX_ARCHITECTURES: usize = 16;

/// The group with the labels that its one member has for itself. Nodes that do not exist yet
/// have host names that nobody can name.
pub(super) fn with_labels<'a>(
    group: &'a GroupKey,
    individual: &[IndividualLabel],
) -> Cow<'a, GroupKey> {
    if individual.is_empty() {
        return Cow::Borrowed(group);
    }
    let mut group = group.clone();
    let own = individual.iter();
    let own = own.map(|(key, value)| (key.to_string(), value.to_string()));
    group.labels.extend(own);
    Cow::Owned(group)
}

/// The nodes of a group whose architecture is open, by the architectures that the pod names:
/// all others, and one part for each. Together they are the group again.
pub(super) fn by_architecture<'a>(
    group: &'a GroupKey,
    placement: &Placement,
) -> (Cow<'a, GroupKey>, Vec<GroupKey>) {
    let open = group
        .open_labels
        .as_ref()
        .and_then(|open_labels| Some((open_labels, open_labels.values(ARCHITECTURE_LABEL)?)));
    let Some((open_labels, values)) = open else {
        return (Cow::Borrowed(group), Vec::new());
    };
    let named: BTreeSet<&str> = named_architectures(placement)
        .filter(|name| values.allows(name))
        .take(MAX_ARCHITECTURES)
        .collect();
    let narrowed = |values: Option<Values>| {
        let mut open_labels = open_labels.as_ref().clone();
        match values {
            Some(values) => open_labels
                .labels
                .insert(ARCHITECTURE_LABEL.to_owned(), values),
            None => open_labels.labels.remove(ARCHITECTURE_LABEL),
        };
        GroupKey {
            open_labels: Some(Arc::new(open_labels)),
            ..group.clone()
        }
    };
    let parts = named.iter().map(|name| {
        let mut part = narrowed(None);
        let label = (ARCHITECTURE_LABEL.to_owned(), (*name).to_owned());
        part.labels.extend([label]);
        let mut platform = NodePlatform::clone(&part.platform);
        platform.platform.architecture = (*name).to_owned();
        platform.platform.variant = default_variant(name).to_owned();
        part.platform = Arc::new(platform);
        part
    });
    let parts: Vec<GroupKey> = parts.collect();
    let rest = values.intersect(&Values::except(named.iter().copied()));
    (Cow::Owned(narrowed(Some(rest))), parts)
}

fn named_architectures(placement: &Placement) -> impl Iterator<Item = &str> {
    let is_architecture = |key: &str| canonical_label(key) == ARCHITECTURE_LABEL;
    let selected = placement
        .node_selector
        .iter()
        .filter(move |(key, _)| is_architecture(key))
        .map(|(_, value)| value.as_str());
    let terms = placement.required_affinity.iter();
    let affine = terms
        .flat_map(|affinity| &affinity.terms)
        .flat_map(|term| &term.expressions)
        .filter(move |wanted| wanted.operator == Operator::In && is_architecture(&wanted.key))
        .flat_map(|wanted| wanted.values.iter().map(String::as_str));
    selected.chain(affine)
}

impl Candidates {
    /// Adds what a pool may grow that leaves its architecture open, where it belongs.
    pub(super) fn add_possible(&mut self, group: &GroupKey, pool: Arc<str>) {
        let platforms = &mut self.platforms;
        let place = platforms.binary_search_by(|known| known.platform.cmp(&group.platform));
        let position = place.unwrap_or_else(|position| {
            platforms.insert(position, CandidatePlatform::of(&group.platform));
            position
        });
        if let Some(entry) = platforms.get_mut(position) {
            entry.add_source(group.source);
            entry.add_pool(group.source, &pool);
        }
    }
}
