//! What a pool leaves open of the nodes that it could grow.

pub mod values;

use std::collections::{BTreeMap, BTreeSet};

use self::values::Values;
use crate::domain::labels::Labels;
pub use crate::domain::labels::{ARCHITECTURE_LABEL, OS_LABEL, canonical_label};
use crate::domain::placement::affinity::Term;

/// The labels that have no one value on the nodes of a pool. All others are fixed.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct OpenLabels {
    /// What a label may be.
    pub labels: BTreeMap<String, Values>,
    /// Domains whose labels may be anything, or absent: those that the provider sets as it
    /// likes, such as `karpenter.k8s.aws`.
    pub domains: BTreeSet<String>,
    /// Whether nodes with any extended resource may come.
    pub resources: bool,
    /// Whether nothing but the platform is settled: any other label may be anything, or
    /// absent, and a node of any name may come.
    pub anything_else: bool,
}

impl OpenLabels {
    /// What is open of a platform that somebody asks about by its name.
    pub fn of_platform() -> Self {
        Self {
            resources: true,
            anything_else: true,
            ..Self::default()
        }
    }

    /// What the label may be, where it is not fixed.
    pub fn values(&self, key: &str) -> Option<Values> {
        if let Some(values) = self.labels.get(key) {
            return Some(values.clone());
        }
        if self.anything_else {
            let is_settled = matches!(key, ARCHITECTURE_LABEL | OS_LABEL);
            return (!is_settled).then(Values::any_or_absent);
        }
        let (domain, _) = key.split_once('/')?;
        self.domains.contains(domain).then(Values::any_or_absent)
    }

    /// Whether a node that the pool could grow satisfies a node selector and a term of a
    /// required affinity. `fixed` has the labels that all its nodes share.
    ///
    /// Labels are independent of each other, so a term can be met when each of its labels
    /// can: by one value that passes everything that is asked of that label.
    pub fn admits<'a>(
        &self,
        selector: &Labels,
        term: Option<&Term>,
        fixed: impl Fn(&str) -> Option<&'a str>,
    ) -> bool {
        let requirements = term.map(|term| term.expressions.as_slice());
        let requirements = requirements.unwrap_or_default();
        let mut open: BTreeMap<&str, Values> = BTreeMap::new();
        let mut narrow = |key, values: Values, wanted: Values| {
            let known = open.entry(key).or_insert(values);
            *known = known.intersect(&wanted);
            !known.is_impossible()
        };
        let selected = selector.iter().all(|(key, value)| {
            let key = canonical_label(key);
            match self.values(key) {
                None => fixed(key) == Some(value),
                Some(values) => narrow(key, values, Values::only([value.as_str()])),
            }
        });
        selected
            && requirements.iter().all(|requirement| {
                let key = canonical_label(&requirement.key);
                let Some(values) = self.values(key) else {
                    return requirement.matches(fixed(key));
                };
                let listed = requirement.values.iter().map(String::as_str);
                // An operator that means nothing has spoilt its term before.
                Values::of_requirement(requirement.operator, listed)
                    .is_ok_and(|wanted| narrow(key, values, wanted))
            })
    }
}

#[cfg(test)]
mod tests;
