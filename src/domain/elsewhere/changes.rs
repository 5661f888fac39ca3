//! What a pod may give up of what it says of nodes, and what a person can write.

use super::{MAX_REQUIREMENTS, Question, is_platform};
use crate::domain::labels::{is_label_key, is_label_value};
use crate::domain::open_labels::{ARCHITECTURE_LABEL, canonical_label};
use crate::domain::placement::Placement;
use crate::domain::placement::affinity::NodeSelector;

/// How many labels are given up one at a time.
const MAX_ALONE: usize = 8;

impl Question<'_> {
    /// The placement as it is, then with less and less of it.
    pub(super) fn relaxed(&self) -> Vec<Placement> {
        let own = self.placement;
        let mut all = vec![own.clone()];
        let mut add = |next: Placement| {
            if !all.contains(&next) && self.may_write_affinity(&next) {
                all.push(next);
            }
        };
        let free = Placement {
            node_name: None,
            ..own.clone()
        };
        let is_architecture = |key: &str| canonical_label(key) == ARCHITECTURE_LABEL;
        add(free.clone());
        add(self.without(&free, &is_architecture, &is_architecture));
        add(self.without(&free, &is_platform, &is_platform));
        let others = own.node_selector.keys().filter(|key| !is_platform(key));
        for other in others.take(MAX_ALONE) {
            let gone = |key: &str| is_platform(key) || *key == **other;
            add(self.without(&free, &gone, &is_platform));
        }
        add(self.without(&free, &|_| true, &is_platform));
        let no_affinity = Placement {
            required_affinity: None,
            ..free
        };
        add(self.without(&no_affinity, &is_platform, &|_| true));
        let nothing = self.without(&no_affinity, &|_| true, &|_| true);
        add(nothing.clone());
        add(Placement {
            os: None,
            ..nothing
        });
        all
    }

    /// The placement without some labels of its selector, save what would come back, and
    /// without requirements of its affinity on some labels.
    fn without(
        &self,
        base: &Placement,
        selected: &dyn Fn(&str) -> bool,
        required: &dyn Fn(&str) -> bool,
    ) -> Placement {
        let mut less = base.clone();
        let labels = base.node_selector.clone().into_iter();
        less.node_selector = labels
            .filter(|(key, value)| !selected(key) || self.fixed.get(key) == Some(value))
            .collect();
        if let Some(affinity) = &mut less.required_affinity {
            for term in &mut affinity.terms {
                term.expressions.retain(|wanted| !required(&wanted.key));
            }
            let is_empty =
                |term: &super::Term| term.expressions.is_empty() && term.fields.is_empty();
            if affinity.terms.iter().any(is_empty) {
                // One of its alternatives asks for nothing any more.
                less.required_affinity = None;
            }
        }
        less
    }

    /// Whether the author chose one architecture, so that one is enough.
    pub(super) fn names_architecture(&self) -> bool {
        let mut keys = self.placement.node_selector.keys();
        keys.any(|key| canonical_label(key) == ARCHITECTURE_LABEL)
    }

    /// Whether the placement's affinity is the pod's, or none, or may stand in its place.
    pub(super) fn may_write_affinity(&self, placement: &Placement) -> bool {
        placement.required_affinity.is_none()
            || placement.required_affinity == self.placement.required_affinity
            || !self.has_other_affinity
    }

    /// Whether a person can write what differs: names that the API server takes, and few.
    pub(super) fn can_be_written(&self, placement: &Placement) -> bool {
        let labels = &placement.node_selector;
        let selector = *labels == self.placement.node_selector
            || (labels.len() <= MAX_REQUIREMENTS
                && labels
                    .iter()
                    .all(|(key, value)| is_label_key(key) && is_label_value(value)));
        let is_readable = |affinity: &NodeSelector| {
            let effort: usize = affinity.terms.iter().map(super::Term::effort).sum();
            effort <= MAX_REQUIREMENTS && affinity.terms.iter().all(super::Term::is_valid)
        };
        let affinity = placement.required_affinity.as_ref();
        // What admission adds contradicts any other value.
        let fixed = self.fixed.iter();
        let mut own =
            fixed.filter(|(key, value)| self.placement.node_selector.get(*key) == Some(value));
        own.all(|(key, value)| labels.get(key) == Some(value))
            && selector
            && self.may_write_affinity(placement)
            && (placement.required_affinity == self.placement.required_affinity
                || affinity.is_none_or(is_readable))
    }
}
