//! Groups judged one after another, and what was found so far.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::filter::{Filter, Granularity, NodeView};
use super::{CandidatePlatform, Candidates, Exclusion, NAMES, possible};
use crate::domain::node::{GroupKey, IndividualLabel, Members};

/// Groups come in their order.
pub(super) struct CandidateBuilder<'a> {
    filter: &'a Filter<'a>,
    found: Candidates,
    excluded: BTreeMap<Exclusion, usize>,
    /// What pools may grow, with the pool's name.
    possible: Vec<(GroupKey, Arc<str>)>,
}

impl<'a> CandidateBuilder<'a> {
    pub(super) fn new(filter: &'a Filter<'a>) -> Self {
        Self {
            filter,
            found: Candidates::default(),
            excluded: BTreeMap::new(),
            possible: Vec::new(),
        }
    }

    /// Judges a group of live nodes.
    pub(super) fn judge_nodes(
        &mut self,
        reach: &Granularity<'_>,
        group: &GroupKey,
        members: &Members,
    ) {
        match reach {
            Granularity::Groups => {
                let named = || (Arc::clone(members.first_names()), members.len());
                let node = NodeView::of(group);
                match self.filter.exclusion(node) {
                    None => add_nodes(&mut self.found.platforms, group, named()),
                    Some(why) => {
                        if self.filter.waits(&why, node) {
                            add_nodes(&mut self.found.cordoned, group, named());
                        }
                        self.exclude(why, members.len());
                    }
                }
            }
            Granularity::Nodes => self.judge_each(group, members.iter()),
            Granularity::Named { names, others } => {
                if !self.filter.steps.take(names.len()) {
                    return;
                }
                let named: Vec<_> = names.iter().filter_map(|name| members.get(name)).collect();
                if members.len() > named.len() {
                    self.exclude(others.clone(), members.len() - named.len());
                }
                self.judge_each(group, named);
            }
        }
    }

    fn judge_each<'m>(
        &mut self,
        group: &GroupKey,
        members: impl IntoIterator<Item = (&'m Arc<str>, &'m [IndividualLabel])>,
    ) {
        let (mut open, mut cordoned) = (NamedNode::default(), NamedNode::default());
        for (name, individual) in members {
            if self.filter.steps.ran_out() {
                return;
            }
            let node = NodeView {
                group,
                name,
                individual,
            };
            match self.filter.exclusion(node) {
                None => open.add(name),
                Some(why) => {
                    if self.filter.waits(&why, node) {
                        cordoned.add(name);
                    }
                    self.exclude(why, 1);
                }
            }
        }
        for (platforms, named) in [
            (&mut self.found.platforms, open),
            (&mut self.found.cordoned, cordoned),
        ] {
            if named.count > 0 {
                add_nodes(platforms, group, (named.first.into(), named.count));
            }
        }
    }

    /// Judges pools, which stand for nodes that do not exist yet: none of them has a name. A
    /// platform that is asked about stands for any node.
    pub(super) fn judge_pools(
        &mut self,
        reach: &Granularity<'_>,
        group: &GroupKey,
        members: &Members,
    ) {
        if let Granularity::Named { others, .. } = reach
            && !group.may_have_any_name()
        {
            return self.exclude(others.clone(), members.len());
        }
        for (name, individual) in members.iter() {
            if !self.filter.steps.take(self.filter.effort) {
                return;
            }
            let group = possible::with_labels(group, individual);
            let (rest, parts) = possible::by_architecture(&group, self.filter.placement);
            let before = self.possible.len();
            for part in parts {
                if self.filter.exclusion(NodeView::of(&part)).is_none() {
                    self.possible.push((part, Arc::clone(name)));
                }
            }
            match self.filter.exclusion(NodeView::of(&rest)) {
                None => add(&mut self.found.platforms, &rest, |entry| {
                    entry.add_pool(rest.source, name);
                }),
                Some(why) if self.possible.len() == before => self.exclude(why, 1),
                Some(_) => {}
            }
        }
    }

    fn exclude(&mut self, why: Exclusion, count: usize) {
        *self.excluded.entry(why).or_default() += count;
    }

    pub(super) fn into_candidates(self) -> Candidates {
        let mut found = self.found;
        for (group, pool) in self.possible {
            found.add_possible(&group, pool);
        }
        let known = &found.platforms;
        found.cordoned.retain(|entry| {
            let same = |known: &CandidatePlatform| known.platform.cmp(&entry.platform);
            known.binary_search_by(same).is_err()
        });
        found.excluded = self.excluded.into_iter().collect();
        found
            .excluded
            .sort_by_key(|(_, count)| std::cmp::Reverse(*count));
        found
    }
}

/// Nodes by name: how many, and the first of them.
#[derive(Default)]
struct NamedNode {
    first: Vec<Arc<str>>,
    count: usize,
}

impl NamedNode {
    fn add(&mut self, name: &Arc<str>) {
        self.count += 1;
        if self.first.len() < NAMES {
            self.first.push(Arc::clone(name));
        }
    }
}

fn add_nodes(
    platforms: &mut Vec<CandidatePlatform>,
    group: &GroupKey,
    (first_names, count): (Arc<[Arc<str>]>, usize),
) {
    add(platforms, group, |entry| {
        entry.node_count += count;
        entry.nodes.add(first_names);
    });
}

/// Adds to the entry of a group's platform: the last one, since groups of one platform are
/// neighbours, or a new one.
fn add(
    platforms: &mut Vec<CandidatePlatform>,
    group: &GroupKey,
    add: impl FnOnce(&mut CandidatePlatform),
) {
    let last = platforms.pop_if(|last| last.platform == group.platform);
    let mut entry = last.unwrap_or_else(|| CandidatePlatform::of(&group.platform));
    entry.is_certain |= !group.platform.platform.architecture.is_empty();
    entry.add_source(group.source);
    add(&mut entry);
    platforms.push(entry);
}
