//! Groups judged one after another, and what was found so far.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::filter::{Filter, Reach};
use super::{CandidatePlatform, Candidates, Exclusion, NAMES, possible};
use crate::domain::node::{GroupKey, IndividualLabel, Members};

/// Groups come in their order.
pub(super) struct Count<'a> {
    filter: &'a Filter<'a>,
    found: Candidates,
    excluded: BTreeMap<Exclusion, usize>,
    /// What pools may grow, with the pool's name.
    possible: Vec<(GroupKey, Arc<str>)>,
}

impl<'a> Count<'a> {
    pub(super) fn new(filter: &'a Filter<'a>) -> Self {
        Self {
            filter,
            found: Candidates::default(),
            excluded: BTreeMap::new(),
            possible: Vec::new(),
        }
    }

    /// Judges a group of live nodes.
    pub(super) fn judge_nodes(&mut self, reach: &Reach<'_>, group: &GroupKey, members: &Members) {
        match reach {
            Reach::Groups => match self.filter.exclusion(group, "", &[]) {
                None => self.add_nodes(group, Arc::clone(members.first_names()), members.len()),
                Some(why) => self.exclude(why, members.len()),
            },
            Reach::Nodes => self.judge_each(group, members.iter()),
            Reach::Named { names, others } => {
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
        let mut names = Vec::new();
        let mut count = 0;
        for (name, individual) in members {
            match self.filter.exclusion(group, name, individual) {
                Some(why) => self.exclude(why, 1),
                None => {
                    count += 1;
                    if names.len() < NAMES {
                        names.push(Arc::clone(name));
                    }
                }
            }
        }
        if count > 0 {
            self.add_nodes(group, names.into(), count);
        }
    }

    /// Judges pools, which stand for nodes that do not exist yet: none of them has a name.
    pub(super) fn judge_pools(&mut self, reach: &Reach<'_>, group: &GroupKey, members: &Members) {
        if let Reach::Named { others, .. } = reach {
            return self.exclude(others.clone(), members.len());
        }
        for (name, individual) in members.iter() {
            let group = possible::with_labels(group, individual);
            let (rest, parts) = possible::by_architecture(&group, self.filter.placement);
            let before = self.possible.len();
            for part in parts {
                if self.filter.exclusion(&part, "", &[]).is_none() {
                    self.possible.push((part, Arc::clone(name)));
                }
            }
            match self.filter.exclusion(&rest, "", &[]) {
                None => self.add(&rest, |entry| entry.add_pool(rest.source, name)),
                Some(why) if self.possible.len() == before => self.exclude(why, 1),
                Some(_) => {}
            }
        }
    }

    fn add_nodes(&mut self, group: &GroupKey, first_names: Arc<[Arc<str>]>, count: usize) {
        self.add(group, |entry| {
            entry.node_count += count;
            entry.nodes.add(first_names);
        });
    }

    /// Adds to the entry of a group's platform: the last one, since groups of one platform
    /// are neighbours, or a new one.
    fn add(&mut self, group: &GroupKey, add: impl FnOnce(&mut CandidatePlatform)) {
        let platforms = &mut self.found.platforms;
        let last = platforms.pop_if(|last| last.platform == group.platform);
        let mut entry = last.unwrap_or_else(|| CandidatePlatform::of(&group.platform));
        entry.is_certain |= !group.platform.platform.architecture.is_empty();
        entry.add_source(group.source);
        add(&mut entry);
        platforms.push(entry);
    }

    fn exclude(&mut self, why: Exclusion, count: usize) {
        *self.excluded.entry(why).or_default() += count;
    }

    pub(super) fn into_candidates(self) -> Candidates {
        let mut found = self.found;
        for (group, pool) in self.possible {
            found.add_possible(&group, pool);
        }
        found.excluded = self.excluded.into_iter().collect();
        found
            .excluded
            .sort_by_key(|(_, count)| std::cmp::Reverse(*count));
        found
    }
}
