//! The nodes of a cluster, in groups that are equal for every decision.
//!
//! Groups are kept up to date one node at a time. Two versions of the nodes share all that
//! they have in common, so that a reader keeps its version while the next one is made.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::sync::Arc;

use rpds::RedBlackTreeMapSync;

use super::{Labels, Node, NodePlatform, Source, Taint};
use crate::domain::labels::HOST_NAME_LABEL;
use crate::domain::open_labels::OpenLabels;

/// How many names of a group are at hand without a walk through its members: as many as a
/// decision shows.
pub const FIRST_NAMES: usize = 10;

/// A label key with more values than this is individual: it would make as many groups.
const MAX_SHARED_VALUES: usize = 64;

/// How many changes pass, at least, before individual keys are chosen anew.
const MIN_CHANGES: usize = 64;

/// What all nodes of a group have in common.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct GroupKey {
    /// What their runtimes look for; one value for all groups that agree in it.
    pub platform: Arc<NodePlatform>,
    /// Where they came from.
    pub source: Source,
    /// Whether they are cordoned.
    pub unschedulable: bool,
    /// Their taints, temporary ones left out.
    pub taints: Vec<Taint>,
    /// Extended resources that they allocate.
    pub extended_resources: BTreeSet<String>,
    /// Their labels, individual ones left out.
    pub labels: Labels,
    /// What a pool leaves open of them; nothing where they are live nodes.
    pub open_labels: Option<Arc<OpenLabels>>,
}

/// Key and value of a label that is kept with the node and not with its group.
pub type IndividualLabel = (Arc<str>, Box<str>);

/// The nodes of a group by name, each with its individual labels. Names are shared with
/// the answers that show them. A clone costs nothing, and a change costs the logarithm of
/// the number of nodes.
#[derive(Clone, Debug, Default)]
pub struct Members {
    first: Arc<[Arc<str>]>,
    all: RedBlackTreeMapSync<Arc<str>, Box<[IndividualLabel]>>,
}

impl Members {
    /// How many there are.
    pub fn len(&self) -> usize {
        self.all.size()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.all.is_empty()
    }

    /// Up to [`FIRST_NAMES`] names, the first in alphabetical order.
    pub fn first_names(&self) -> &Arc<[Arc<str>]> {
        &self.first
    }

    /// All names in alphabetical order.
    pub fn names(&self) -> impl Iterator<Item = &Arc<str>> {
        self.all.keys()
    }

    /// All names in alphabetical order, with individual labels.
    pub fn iter(&self) -> impl Iterator<Item = (&Arc<str>, &[IndividualLabel])> {
        self.all.iter().map(|(name, labels)| (name, &**labels))
    }

    /// The node of a name, if it is a member.
    pub fn get(&self, name: &str) -> Option<(&Arc<str>, &[IndividualLabel])> {
        let (name, labels) = self.all.get_key_value(name)?;
        Some((name, labels))
    }

    fn insert(&mut self, name: Arc<str>, labels: Box<[IndividualLabel]>) {
        let is_first =
            self.first.len() < FIRST_NAMES || self.first.last().is_some_and(|last| name <= *last);
        self.all.insert_mut(name, labels);
        if is_first {
            self.keep_first();
        }
    }

    fn remove(&mut self, name: &str) -> bool {
        let removed = self.all.remove_mut(name);
        if self.first.iter().any(|first| **first == *name) {
            self.keep_first();
        }
        removed
    }

    fn keep_first(&mut self) {
        self.first = self.all.keys().take(FIRST_NAMES).cloned().collect();
    }
}

/// The nodes of a cluster, in groups that are equal for every decision that names no
/// individual label.
///
/// A label is individual once its key has more than 64 values, until it has 32 or fewer. Keys
/// are counted again after a number of changes: a sixteenth of the nodes, 64 at least. So
/// regrouping costs each change a fixed number of steps, and a label that gains values
/// meanwhile adds no more groups than there were changes. No answer depends on it: a pod that
/// names an individual label is judged node by node.
#[derive(Clone, Debug)]
pub struct Nodes {
    groups: BTreeMap<Arc<GroupKey>, Members>,
    individual: Arc<BTreeSet<Arc<str>>>,
    len: usize,
    /// Changes since individual keys were chosen.
    changes: usize,
}

impl Default for Nodes {
    fn default() -> Self {
        Self {
            groups: BTreeMap::new(),
            // By design, however few nodes there are.
            individual: Arc::new([HOST_NAME_LABEL.into()].into()),
            len: 0,
            changes: 0,
        }
    }
}

impl Nodes {
    /// Adds a node. Nodes of one source have different names, or the same in every other
    /// respect too; that is the caller's to keep. A node that changes is removed first.
    pub fn insert(&mut self, node: Node) {
        let (key, name, labels) = self.sort(node);
        self.place(key, name, labels);
        self.count_change();
    }

    /// Removes a node that is equal to one that was added; tells whether there was one.
    pub fn remove(&mut self, node: Node) -> bool {
        let (key, name, _) = self.sort(node);
        let Some(members) = self.groups.get_mut(&key) else {
            return false;
        };
        let removed = members.remove(&name);
        if members.is_empty() {
            self.groups.remove(&key);
        }
        if removed {
            self.len -= 1;
            self.count_change();
        }
        removed
    }

    /// The groups, in a stable order: nodes of one platform are neighbours.
    pub fn groups(&self) -> impl Iterator<Item = (&GroupKey, &Members)> {
        self.groups.iter().map(|(key, members)| (&**key, members))
    }

    /// Whether the nodes of a group may differ in a label of this key.
    pub fn is_individual(&self, key: &str) -> bool {
        self.individual.contains(key)
    }

    /// The same nodes without taints and cordons: what each would pull, were a pod there.
    #[must_use]
    pub fn without_obstacles(&self) -> Self {
        self.with_groups(|group| GroupKey {
            taints: Vec::new(),
            unschedulable: false,
            ..group
        })
    }

    /// The same nodes without taints, which some pod or other tolerates.
    #[must_use]
    pub fn without_taints(&self) -> Self {
        self.with_groups(|group| GroupKey {
            taints: Vec::new(),
            ..group
        })
    }

    /// The same nodes, each group as the function makes it.
    fn with_groups(&self, changed: impl Fn(GroupKey) -> GroupKey) -> Self {
        let mut open = Self {
            groups: BTreeMap::new(),
            len: 0,
            ..self.clone()
        };
        for (group, members) in &self.groups {
            let key = changed(GroupKey::clone(group));
            for (name, labels) in &members.all {
                open.place(key.clone(), Arc::clone(name), labels.clone());
            }
        }
        open
    }

    /// The nodes whose platform is not such.
    #[must_use]
    pub fn without(&self, is_such: impl Fn(&NodePlatform) -> bool) -> Self {
        let mut left = self.clone();
        left.groups.retain(|group, _| !is_such(&group.platform));
        left.len = left.groups.values().map(Members::len).sum();
        left
    }

    /// How many nodes there are.
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether there is no node at all.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Chooses the individual labels now; worth it when many nodes have come or gone.
    pub fn regroup(&mut self) {
        self.changes = 0;
        let individual = self.find_individual();
        if individual == *self.individual {
            return;
        }
        let mut regrouped = Self {
            individual: Arc::new(individual),
            ..Self::default()
        };
        for node in self.nodes() {
            let (key, name, labels) = regrouped.sort(node);
            regrouped.place(key, name, labels);
        }
        *self = regrouped;
    }

    fn count_change(&mut self) {
        self.changes += 1;
        if self.changes > MIN_CHANGES.max(self.len / 16) {
            self.regroup();
        }
    }

    fn find_individual(&self) -> BTreeSet<Arc<str>> {
        let mut values: HashMap<&str, HashSet<&str>> = HashMap::new();
        for (key, value) in self.groups.keys().flat_map(|group| &group.labels) {
            let values = values.entry(key).or_default();
            // What is too many needs no further counting.
            if values.len() <= MAX_SHARED_VALUES {
                values.insert(value);
            }
        }
        let too_many = values
            .iter()
            .filter(|(_, values)| values.len() > MAX_SHARED_VALUES);
        let stay = self.individual.iter().filter(|key| self.stays(key));
        let found = too_many.map(|(key, _)| Arc::from(*key));
        found.chain(stay.cloned()).collect()
    }

    /// Whether an individual key stays one. Most show it within a few nodes.
    fn stays(&self, key: &str) -> bool {
        let mut values = HashSet::new();
        let labels = self.groups.values().flat_map(Members::iter);
        let labels = labels.flat_map(|(_, individual)| individual);
        let mut of_key = labels.filter(|(own, _)| **own == *key);
        key == HOST_NAME_LABEL
            || of_key.any(|(_, value)| values.insert(value) && values.len() > MAX_SHARED_VALUES / 2)
    }

    /// The group that a node belongs to, and what it has for itself.
    fn sort(&self, node: Node) -> (GroupKey, Arc<str>, Box<[IndividualLabel]>) {
        let Node {
            name,
            mut labels,
            mut taints,
            unschedulable,
            extended_resources,
            platform,
            source,
            open_labels,
        } = node;
        let individual = self.individual.iter().filter_map(|key| {
            let value = labels.remove(&**key)?;
            Some((Arc::clone(key), value.into_boxed_str()))
        });
        let individual = individual.collect();
        // Temporary taints never exclude.
        taints.retain(|taint| !taint.is_temporary());
        taints.sort();
        let key = GroupKey {
            platform: platform.into(),
            source,
            unschedulable,
            taints,
            extended_resources,
            labels,
            open_labels,
        };
        (key, name.into(), individual)
    }

    fn place(&mut self, mut key: GroupKey, name: Arc<str>, labels: Box<[IndividualLabel]>) {
        let members = match self.groups.get_mut(&key) {
            Some(members) => members,
            None => {
                let same = |known: &&Arc<GroupKey>| known.platform == key.platform;
                if let Some(known) = self.groups.keys().find(same) {
                    key.platform = Arc::clone(&known.platform);
                }
                self.groups.entry(Arc::new(key)).or_default()
            }
        };
        let before = members.len();
        members.insert(name, labels);
        self.len += members.len() - before;
    }

    /// Every node, as far as it decides.
    fn nodes(&self) -> impl Iterator<Item = Node> {
        self.groups.iter().flat_map(|(group, members)| {
            members.iter().map(|(name, individual)| {
                let own = individual.iter();
                let own = own.map(|(key, value)| (key.to_string(), value.to_string()));
                Node {
                    name: name.to_string(),
                    labels: group.labels.clone().into_iter().chain(own).collect(),
                    taints: group.taints.clone(),
                    unschedulable: group.unschedulable,
                    extended_resources: group.extended_resources.clone(),
                    platform: NodePlatform::clone(&group.platform),
                    source: group.source,
                    open_labels: group.open_labels.clone(),
                }
            })
        })
    }
}

impl FromIterator<Node> for Nodes {
    fn from_iter<I: IntoIterator<Item = Node>>(nodes: I) -> Self {
        let mut all = Self::default();
        for node in nodes {
            all.insert(node);
        }
        all.regroup();
        all
    }
}

#[cfg(test)]
mod tests;
