//! Where a pod could go instead: placements that differ from its own as little as they can,
//! and of which the engine says that every platform they leave runs every image.
//!
//! Each proposal is judged as a pod with it would be, by [`candidates_within`], so that
//! nothing is decided here.

mod changes;

use std::collections::{BTreeMap, BTreeSet};

use super::candidates::{CandidateRules, Steps, candidates_within};
use super::labels::Labels;
use super::node::{GroupKey, Members, NodePlatform, Nodes, Source};
use super::open_labels::{ARCHITECTURE_LABEL, OS_LABEL, canonical_label};
use super::placement::affinity::{NAME_FIELD, NodeSelector, Operator, Requirement, Term};
use super::placement::{Placement, Placer};

/// How many proposals there are, at most: alternatives of which one will do.
const ALTERNATIVES: usize = 3;
/// How many values of a label are tried.
const VALUES: usize = 16;
/// How many pairs of other labels are tried for one placement.
const PAIRS: usize = 32;
/// How many nodes are tried by name, of one group and in all.
const NAMED: (usize, usize) = (2, 64);
/// How many labels or requirements a proposal may have: what a person still reads.
const LONGEST: usize = 24;

/// A label of a group, and the group.
type Pair<'a> = (&'a str, &'a str, &'a GroupKey);

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
        let values = self.values();
        let found = self.first(&bases, |base| self.by_platform(base, &values));
        let found = found.or_else(|| {
            let (own, others) = self.pairs();
            let found = self.first(&bases, |base| self.by_label(base, &own));
            found.or_else(|| self.first(&bases, |base| self.by_absence(base, &others, &values.1)))
        });
        let found = found.or_else(|| self.first(&bases, |base| self.by_name(base)));
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
            found.truncate(ALTERNATIVES);
            (!found.is_empty()).then_some(found)
        })
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
        (systems, architectures): &(Vec<String>, Vec<String>),
    ) -> Vec<Placement> {
        if self.works(base) {
            return vec![base.clone()];
        }
        let mut working = Vec::new();
        for system in systems {
            let with = with_label(base, OS_LABEL, system);
            if self.works(&with) {
                working.push(with);
            }
        }
        if !working.is_empty() {
            return working;
        }
        // The system is named only where that leaves more architectures.
        let mut most: Option<(Placement, Vec<&str>)> = None;
        for system in std::iter::once(None).chain(systems.iter().map(Some)) {
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
            let all = with_values(&with, ARCHITECTURE_LABEL, &values);
            if self.works(&all) {
                return vec![all];
            }
        }
        let one = |value: &&str| with_label(&with, ARCHITECTURE_LABEL, value);
        values.iter().map(one).collect()
    }

    /// By any other label that nodes have on which the images run.
    fn by_label(&self, base: &Placement, pairs: &[Pair<'_>]) -> Vec<Placement> {
        for (key, value, group) in pairs {
            let with = with_label(base, key, value);
            if self.works(&with) {
                return vec![with];
            }
            if let Some(architecture) = group.labels.get(ARCHITECTURE_LABEL) {
                let with = with_label(&with, ARCHITECTURE_LABEL, architecture);
                if self.works(&with) {
                    return vec![with];
                }
            }
        }
        Vec::new()
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
        let foreign = foreign.take(PAIRS).copied().collect();
        let (last, first): (Vec<_>, Vec<_>) =
            own.into_iter().partition(|(pair, _)| others.contains(pair));
        let own = first.into_iter().chain(last).take(PAIRS);
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
        for (key, value) in others {
            let values = vec![(*value).to_owned()];
            let without = with_requirement(
                base,
                |term| &mut term.expressions,
                key,
                Operator::NotIn,
                values,
            );
            if self.works(&without) {
                return vec![without];
            }
            for architecture in architectures.iter().take(ALTERNATIVES) {
                let with = with_label(&without, ARCHITECTURE_LABEL, architecture);
                if self.works(&with) {
                    return vec![with];
                }
            }
        }
        Vec::new()
    }

    /// By the name of one node.
    fn by_name(&self, base: &Placement) -> Vec<Placement> {
        const HOST_NAME: &str = "kubernetes.io/hostname";
        let nodes = self
            .running()
            .filter(|(group, _)| group.source == Source::Node);
        let members = nodes.flat_map(|(_, members)| members.iter().take(NAMED.0));
        for (name, individual) in members.take(NAMED.1) {
            let host = individual.iter().find(|(key, _)| **key == *HOST_NAME);
            let with = match host {
                Some((_, host)) => with_label(base, HOST_NAME, host),
                None => with_name(base, name),
            };
            if self.works(&with) {
                return vec![with];
            }
        }
        Vec::new()
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
            let values = values.into_iter().take(VALUES);
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

/// One requirement more in each term of the affinity.
fn with_values(base: &Placement, key: &str, values: &[&str]) -> Placement {
    let mut values: Vec<String> = values.iter().map(|value| (*value).to_owned()).collect();
    values.sort();
    with_requirement(
        base,
        |term| &mut term.expressions,
        key,
        Operator::In,
        values,
    )
}

fn with_name(base: &Placement, name: &str) -> Placement {
    let values = vec![name.to_owned()];
    with_requirement(
        base,
        |term| &mut term.fields,
        NAME_FIELD,
        Operator::In,
        values,
    )
}

fn with_requirement(
    base: &Placement,
    part: impl Fn(&mut Term) -> &mut Vec<Requirement>,
    key: &str,
    operator: Operator,
    values: Vec<String>,
) -> Placement {
    let mut with = base.clone();
    let affinity = with.required_affinity.get_or_insert_with(|| NodeSelector {
        terms: vec![Term::default()],
    });
    for term in &mut affinity.terms {
        part(term).push(Requirement {
            key: key.to_owned(),
            operator,
            values: values.clone(),
        });
    }
    with
}

#[cfg(test)]
mod tests;
