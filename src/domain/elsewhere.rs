//! Where a pod could go instead: placements that differ from its own as little as they can,
//! and of which the engine says that every platform they leave runs every image.
//!
//! Each proposal is judged as a pod with it would be, by [`candidates_within`], so that
//! nothing is decided here.

mod changes;

use std::cell::LazyCell;
use std::collections::{BTreeMap, BTreeSet};
use std::iter;

use super::candidates::{CandidateRules, Steps, candidates_within};
use super::labels::{HOST_NAME_LABEL, Labels};
use super::node::{GroupKey, Members, NodePlatform, Nodes, Source};
use super::open_labels::{ARCHITECTURE_LABEL, OS_LABEL, canonical_label};
use super::placement::affinity::{NAME_FIELD, NodeSelector, Operator, Requirement, Term};
use super::placement::{Placement, Placer};

/// How many proposals there are, at most: alternatives of which one will do.
const MAX_ALTERNATIVES: usize = 3;
/// How many values of a label are tried.
const MAX_VALUES: usize = 16;
/// How many pairs of other labels are tried for one placement.
const MAX_PAIRS: usize = 32;
/// How many nodes are tried by name.
const MAX_NAMED: usize = 64;
/// How many of one group.
const MAX_NAMED_OF_GROUP: usize = 2;
/// How many labels or requirements a proposal may have: what a person still reads.
const MAX_REQUIREMENTS: usize = 24;

/// A label of a group, and the group.
type Pair<'a> = (&'a str, &'a str, &'a GroupKey);

/// Finds placements that work, from one that does not.
type Way<'a> = &'a dyn Fn(&Placement) -> Vec<Placement>;

/// What is asked: a pod that may not run where it goes now.
pub struct Question<'a> {
    /// Where it goes now.
    pub placement: &'a Placement,
    /// What admission adds to its selector, and would add again.
    pub fixed: &'a Labels,
    /// Whether it is a template, which admission completes.
    pub is_template: bool,
    /// Whether its affinity says more than is known here, so that it can be left out in part
    /// but not written anew.
    pub has_other_affinity: bool,
    /// Architectures that its images name, for pools that leave theirs open.
    pub architectures: Vec<String>,
    /// The nodes that there are.
    pub nodes: &'a Nodes,
    /// How candidates are counted.
    pub rules: CandidateRules,
    /// Whether every image is known to run on a platform.
    pub runs: &'a dyn Fn(&NodePlatform) -> bool,
    /// How much may be tried.
    pub steps: &'a Steps,
}

impl Question<'_> {
    /// Placements with which the pod runs wherever it may go, the least different first.
    /// None where there is none, or too little could be tried.
    pub fn answer(&self) -> Vec<Placement> {
        let bases = self.relaxed();
        let (systems, architectures) = &self.values();
        let pairs = LazyCell::new(|| self.pairs());
        let ways: [Way<'_>; 4] = [
            &|base| self.by_platform(base, systems, architectures),
            &|base| self.by_label(base, &pairs.0),
            &|base| self.by_absence(base, &pairs.1, architectures),
            &|base| self.by_name(base),
        ];
        let found = ways.iter().find_map(|way| self.first(&bases, way));
        found.unwrap_or_default()
    }

    /// What a way finds for the first placement for which it finds anything.
    fn first(
        &self,
        bases: &[Placement],
        way: impl Fn(&Placement) -> Vec<Placement>,
    ) -> Option<Vec<Placement>> {
        let mut bases = bases.iter().take_while(|_| !self.steps.ran_out());
        bases.find_map(|base| {
            let mut found = way(base);
            found.truncate(MAX_ALTERNATIVES);
            (!found.is_empty()).then_some(found)
        })
    }

    /// The first of some placements that works, if any does.
    fn first_working(&self, mut placements: impl Iterator<Item = Placement>) -> Vec<Placement> {
        let found = placements.find(|placement| self.works(placement));
        found.into_iter().collect()
    }

    /// Whether a pod with this placement goes somewhere, and runs wherever it goes.
    fn works(&self, placement: &Placement) -> bool {
        if !self.steps.take(placement.effort()) {
            return false;
        }
        let mut then = placement.clone();
        if self.is_template && then.placer == Placer::Scheduler {
            then.add_arm64_toleration();
        }
        let found = candidates_within(self.nodes, &then, self.rules, self.steps);
        let mut platforms = found.platforms.iter();
        !found.is_empty()
            && platforms.all(|found| (self.runs)(&found.platform))
            && self.can_be_written(placement)
    }

    /// By operating system and architecture.
    fn by_platform(
        &self,
        base: &Placement,
        systems: &[String],
        architectures: &[String],
    ) -> Vec<Placement> {
        if self.works(base) {
            return vec![base.clone()];
        }
        let on = systems.iter();
        let on = on.map(|system| with_label(base, OS_LABEL, system));
        let working: Vec<Placement> = on.filter(|with| self.works(with)).collect();
        if !working.is_empty() {
            return working;
        }
        // The system is named only where that leaves more architectures.
        let mut most: Option<(Placement, Vec<&str>)> = None;
        for system in iter::once(None).chain(systems.iter().map(Some)) {
            let with =
                system.map_or_else(|| base.clone(), |system| with_label(base, OS_LABEL, system));
            let values = architectures.iter().map(String::as_str);
            let works = |value: &&str| self.works(&with_label(&with, ARCHITECTURE_LABEL, value));
            let values: Vec<&str> = values.filter(works).collect();
            let known = most.as_ref().map_or(0, |(_, known)| known.len());
            if values.len() > known {
                most = Some((with, values));
            }
        }
        let Some((with, values)) = most else {
            return Vec::new();
        };
        if values.len() > 1 && !self.names_architecture() {
            let listed = values.iter().map(|value| (*value).to_owned()).collect();
            let all = with_expression(&with, ARCHITECTURE_LABEL, Operator::In, listed);
            if self.works(&all) {
                return vec![all];
            }
        }
        let one = |value: &&str| with_label(&with, ARCHITECTURE_LABEL, value);
        values.iter().map(one).collect()
    }

    /// By any other label that nodes have on which the images run.
    fn by_label(&self, base: &Placement, pairs: &[Pair<'_>]) -> Vec<Placement> {
        self.first_working(pairs.iter().flat_map(|(key, value, group)| {
            let with = with_label(base, key, value);
            let architecture = group.labels.get(ARCHITECTURE_LABEL);
            let narrower = architecture.map(|one| with_label(&with, ARCHITECTURE_LABEL, one));
            iter::once(with).chain(narrower)
        }))
    }

    /// Labels of nodes on which the images run; those that other nodes have as well come last.
    /// Then labels that only nodes have on which the images do not run.
    fn pairs(&self) -> (Vec<Pair<'_>>, Vec<(&str, &str)>) {
        let mut own: BTreeMap<(&str, &str), &GroupKey> = BTreeMap::new();
        let mut others: BTreeSet<(&str, &str)> = BTreeSet::new();
        for (group, _) in self.nodes.groups() {
            if !self.steps.take(group.labels.len()) {
                break;
            }
            let is_running = self.is_running(group);
            for (key, value) in group.labels.iter().filter(|(key, _)| !is_platform(key)) {
                if is_running {
                    own.entry((key, value)).or_insert(group);
                } else {
                    others.insert((key, value));
                }
            }
        }
        let foreign = others.iter().filter(|pair| !own.contains_key(*pair));
        let foreign = foreign.take(MAX_PAIRS).copied().collect();
        let (last, first): (Vec<_>, Vec<_>) =
            own.into_iter().partition(|(pair, _)| others.contains(pair));
        let own = first.into_iter().chain(last).take(MAX_PAIRS);
        let own = own.map(|((key, value), group)| (key, value, group));
        (own.collect(), foreign)
    }

    /// By the absence of a label that only other nodes have.
    fn by_absence(
        &self,
        base: &Placement,
        others: &[(&str, &str)],
        architectures: &[String],
    ) -> Vec<Placement> {
        self.first_working(others.iter().flat_map(|(key, value)| {
            let values = vec![(*value).to_owned()];
            let without = with_expression(base, key, Operator::NotIn, values);
            let named = architectures.iter().take(MAX_ALTERNATIVES);
            let narrower: Vec<Placement> = named
                .map(|one| with_label(&without, ARCHITECTURE_LABEL, one))
                .collect();
            iter::once(without).chain(narrower)
        }))
    }

    /// By the name of one node.
    fn by_name(&self, base: &Placement) -> Vec<Placement> {
        let nodes = self
            .running()
            .filter(|(group, _)| group.source == Source::Node);
        let members = nodes.flat_map(|(_, members)| members.iter().take(MAX_NAMED_OF_GROUP));
        self.first_working(members.take(MAX_NAMED).map(|(name, individual)| {
            let host = individual.iter().find(|(key, _)| **key == *HOST_NAME_LABEL);
            match host {
                Some((_, host)) => with_label(base, HOST_NAME_LABEL, host),
                None => with_name(base, name),
            }
        }))
    }

    /// The groups of nodes on which every image runs.
    fn running(&self) -> impl Iterator<Item = (&GroupKey, &Members)> {
        let groups = self.nodes.groups();
        groups.filter(|(group, _)| self.is_running(group))
    }

    fn is_running(&self, group: &GroupKey) -> bool {
        (self.runs)(&group.platform)
    }

    /// Systems and architectures that are worth a try: those that the nodes' labels name on
    /// which the images run, the most nodes first, and what open pools may grow.
    fn values(&self) -> (Vec<String>, Vec<String>) {
        let mut counts: [BTreeMap<&str, usize>; 2] = Default::default();
        for (group, members) in self.running() {
            if !self.steps.take(1) {
                break;
            }
            for (counts, key) in counts.iter_mut().zip([OS_LABEL, ARCHITECTURE_LABEL]) {
                if let Some(value) = group.labels.get(key) {
                    *counts.entry(value).or_default() += members.len();
                }
            }
        }
        let is_open = |group: &GroupKey| {
            let open_labels = group.open_labels.as_ref();
            open_labels.is_some_and(|open_labels| open_labels.values(ARCHITECTURE_LABEL).is_some())
        };
        let [systems, mut architectures] = counts;
        if self.nodes.groups().any(|(group, _)| is_open(group)) {
            for architecture in &self.architectures {
                architectures.entry(architecture).or_default();
            }
        }
        let sorted = |counts: BTreeMap<&str, usize>| {
            let mut values: Vec<(&str, usize)> = counts.into_iter().collect();
            values.sort_by_key(|(_, count)| std::cmp::Reverse(*count));
            let values = values.into_iter().take(MAX_VALUES);
            values.map(|(value, _)| value.to_owned()).collect()
        };
        (sorted(systems), sorted(architectures))
    }
}

fn is_platform(key: &str) -> bool {
    matches!(canonical_label(key), ARCHITECTURE_LABEL | OS_LABEL)
}

fn with_label(base: &Placement, key: &str, value: &str) -> Placement {
    let mut with = base.clone();
    with.node_selector
        .extend([(key.to_owned(), value.to_owned())]);
    with
}

/// One requirement on a label more in each term of the affinity.
fn with_expression(
    base: &Placement,
    key: &str,
    operator: Operator,
    mut values: Vec<String>,
) -> Placement {
    values.sort();
    let key = key.to_owned();
    let wanted = Requirement {
        key,
        operator,
        values,
    };
    with_requirement(base, |term| term.expressions.push(wanted.clone()))
}

/// One requirement on the name more in each term of the affinity.
fn with_name(base: &Placement, name: &str) -> Placement {
    let wanted = Requirement {
        key: NAME_FIELD.to_owned(),
        operator: Operator::In,
        values: vec![name.to_owned()],
    };
    with_requirement(base, |term| term.fields.push(wanted.clone()))
}

fn with_requirement(base: &Placement, add: impl FnMut(&mut Term)) -> Placement {
    let mut with = base.clone();
    let affinity = with.required_affinity.get_or_insert_with(|| NodeSelector {
        terms: vec![Term::default()],
    });
    affinity.terms.iter_mut().for_each(add);
    with
}

#[cfg(test)]
mod tests;
