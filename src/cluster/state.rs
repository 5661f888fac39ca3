//! The objects that count, reduced, and the view that they amount to.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::sync::Arc;

use rpds::HashTrieMapSync;

use super::view::View;
use crate::domain::access::SecretName;
use crate::domain::node::{Node, NodeOverride, Nodes};
use crate::domain::placement::{AdmissionPlugin, RuntimeClass};
use crate::domain::pool::DeclaredPool;
use crate::objects::context::Namespace;
use crate::objects::node::{Interner, NodeRecord};
use crate::objects::pool::{PoolKind, PoolRecord};

/// What the operator knows of nodes beyond what the cluster says.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DeclaredNodes {
    /// Facts that nodes do not publish; the first match wins.
    pub overrides: Vec<NodeOverride>,
    /// Pools that have no node yet.
    pub pools: Vec<DeclaredPool>,
    /// Plugins that the cluster's admission has. OpenShift is found out where it is.
    pub admission_plugins: BTreeSet<AdmissionPlugin>,
}

/// An object that counts.
#[derive(Clone, Debug)]
pub enum Record {
    /// A node.
    Node(NodeRecord),
    /// A namespace with its name.
    Namespace(String, Namespace),
    /// A RuntimeClass with its name.
    RuntimeClass(String, RuntimeClass),
    /// A pool that an autoscaler may grow.
    Pool(PoolRecord),
    /// The pull secrets of a service account, by `namespace/name` of that.
    ServiceAccount(String, Arc<[SecretName]>),
}

/// All objects that count, kept up to date one object at a time.
#[derive(Debug, Default)]
pub struct State {
    settings: DeclaredNodes,
    /// What was found out of them.
    found_plugins: BTreeSet<AdmissionPlugin>,
    records: HashMap<Arc<str>, Box<NodeRecord>>,
    interner: Interner,
    pools: BTreeMap<(PoolKind, String), PoolRecord>,
    /// What the records amount to under the settings.
    nodes: Nodes,
    namespaces: HashTrieMapSync<String, Namespace>,
    runtime_classes: HashTrieMapSync<String, RuntimeClass>,
    /// Those with pull secrets: there are few, save on OpenShift, and they hardly change.
    service_accounts: HashTrieMapSync<String, Arc<[SecretName]>>,
}

impl State {
    /// A cluster without objects.
    pub fn new(settings: DeclaredNodes) -> Self {
        let mut state = Self::default();
        state.set_settings(settings);
        state
    }

    /// Judges all nodes by other settings.
    pub fn set_settings(&mut self, settings: DeclaredNodes) {
        self.settings = settings;
        let live = self.records.values();
        let live = live.map(|record| to_node(record, &self.settings, Warnings::Logged));
        let pools = self.pools.values();
        let pools = pools.flat_map(|record| pool_nodes(record, &self.settings, Warnings::Logged));
        let declared = self.settings.pools.iter().map(DeclaredPool::to_node);
        self.nodes = live.chain(pools).chain(declared).collect();
    }

    /// Takes in which plugins were found; tells whether that is new.
    pub(super) fn set_found_plugins(&mut self, found: BTreeSet<AdmissionPlugin>) -> bool {
        let changed = self.found_plugins != found;
        self.found_plugins = found;
        changed
    }

    /// Adds or replaces an object; tells whether anything changed that a decision reads.
    pub fn apply(&mut self, record: Record) -> bool {
        match record {
            Record::Node(node) => self.apply_node(node),
            Record::Namespace(name, namespace) => put(&mut self.namespaces, name, namespace),
            Record::RuntimeClass(name, class) => put(&mut self.runtime_classes, name, class),
            Record::Pool(pool) => self.apply_pool(pool),
            Record::ServiceAccount(name, secrets) => {
                let known = self.service_accounts.get(&name);
                if known.map_or(&[][..], |known| known) == &*secrets {
                    return false;
                }
                if secrets.is_empty() {
                    self.service_accounts.remove_mut(&name);
                } else {
                    self.service_accounts.insert_mut(name, secrets);
                }
                true
            }
        }
    }

    fn apply_pool(&mut self, record: PoolRecord) -> bool {
        let key = (record.kind, record.name.clone());
        if self.pools.get(&key) == Some(&record) {
            return false;
        }
        self.remove_pool(&key);
        for node in pool_nodes(&record, &self.settings, Warnings::Logged) {
            self.nodes.insert(node);
        }
        self.pools.insert(key, record);
        true
    }

    fn remove_pool(&mut self, key: &(PoolKind, String)) -> bool {
        let Some(record) = self.pools.remove(key) else {
            return false;
        };
        for node in pool_nodes(&record, &self.settings, Warnings::Known) {
            self.nodes.remove(node);
        }
        true
    }

    fn apply_node(&mut self, mut record: NodeRecord) -> bool {
        let known = self.records.get(&record.name);
        if known.is_some_and(|known| **known == record) {
            // A heartbeat: the record holds nothing that it changes.
            return false;
        }
        self.remove_node(&Arc::clone(&record.name));
        record.intern(&mut self.interner);
        let node = to_node(&record, &self.settings, Warnings::Logged);
        self.nodes.insert(node);
        self.records.insert(Arc::clone(&record.name), record.into());
        true
    }

    fn remove_node(&mut self, name: &str) -> bool {
        let Some(record) = self.records.remove(name) else {
            return false;
        };
        // The same record under the same settings is the same node.
        let node = to_node(&record, &self.settings, Warnings::Known);
        self.nodes.remove(node);
        true
    }

    /// Removes an object; tells whether it was there.
    pub fn remove(&mut self, record: &Record) -> bool {
        match record {
            Record::Node(node) => self.remove_node(&node.name),
            Record::Namespace(name, _) => self.namespaces.remove_mut(name),
            Record::RuntimeClass(name, _) => self.runtime_classes.remove_mut(name),
            Record::Pool(pool) => self.remove_pool(&(pool.kind, pool.name.clone())),
            Record::ServiceAccount(name, _) => self.service_accounts.remove_mut(name),
        }
    }

    /// Keeps of one kind only what a new complete list names.
    pub(super) fn retain(&mut self, kind: WatchedKind, names: &HashSet<String>) {
        match kind {
            WatchedKind::Node => {
                let gone = |name: &&Arc<str>| !names.contains(name.as_ref());
                let gone: Vec<Arc<str>> = self.records.keys().filter(gone).cloned().collect();
                for name in gone {
                    self.remove_node(&name);
                }
                self.nodes.regroup();
            }
            WatchedKind::Namespace => retain(&mut self.namespaces, names),
            WatchedKind::RuntimeClass => retain(&mut self.runtime_classes, names),
            WatchedKind::ServiceAccount => retain(&mut self.service_accounts, names),
            WatchedKind::Pool(kind) => {
                let of_kind = |key: &&(PoolKind, String)| key.0 == kind && !names.contains(&key.1);
                let gone: Vec<_> = self.pools.keys().filter(of_kind).cloned().collect();
                for key in gone {
                    self.remove_pool(&key);
                }
            }
        }
    }

    /// The view that all this amounts to. It shares what it can with the view before; the
    /// cost grows with the number of groups, not of nodes.
    pub fn view(&self) -> View {
        View {
            nodes: self.nodes.clone(),
            admission_plugins: &self.settings.admission_plugins | &self.found_plugins,
            namespaces: self.namespaces.clone(),
            runtime_classes: self.runtime_classes.clone(),
            service_accounts: self.service_accounts.clone(),
        }
    }
}

/// Adds or replaces a value; tells whether it is new.
fn put<V: PartialEq>(map: &mut HashTrieMapSync<String, V>, name: String, value: V) -> bool {
    let changed = map.get(&name) != Some(&value);
    map.insert_mut(name, value);
    changed
}

fn retain<V>(map: &mut HashTrieMapSync<String, V>, names: &HashSet<String>) {
    let gone = map.keys().filter(|name| !names.contains(*name));
    for name in gone.cloned().collect::<Vec<_>>() {
        map.remove_mut(&name);
    }
}

/// Whether what about a record deserves a warning was said before.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Warnings {
    Logged,
    Known,
}

fn to_node(record: &NodeRecord, settings: &DeclaredNodes, warnings: Warnings) -> Node {
    let (node, warning) = record.to_node(&settings.overrides);
    if let Some(warning) = warning.filter(|_| warnings == Warnings::Logged) {
        tracing::warn!("{warning}");
    }
    node
}

/// The nodes that a pool stands for.
fn pool_nodes(record: &PoolRecord, settings: &DeclaredNodes, warnings: Warnings) -> Vec<Node> {
    let Some(pool) = &record.pool else {
        return Vec::new();
    };
    let nodes = pool.to_nodes(&settings.overrides);
    let is_open = |node: &Node| node.platform.platform.architecture.is_empty();
    if warnings == Warnings::Logged && nodes.iter().any(is_open) {
        tracing::warn!(
            "{}: leaves its architecture open, so images are unknown there; \
             nodes.overrides[].architectures settles it",
            pool.display_name(),
        );
    }
    nodes
}

/// The kinds that count.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, strum::Display)]
pub(super) enum WatchedKind {
    Node,
    Namespace,
    RuntimeClass,
    ServiceAccount,
    #[strum(to_string = "{0}")]
    Pool(PoolKind),
}

impl Record {
    /// The object's name.
    pub(super) fn name(&self) -> &str {
        match self {
            Self::Node(node) => &node.name,
            Self::Namespace(name, _)
            | Self::RuntimeClass(name, _)
            | Self::ServiceAccount(name, _) => name,
            Self::Pool(pool) => &pool.name,
        }
    }
}
