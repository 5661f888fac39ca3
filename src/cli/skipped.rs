//! Objects of kinds of which nobody knows whether they have pods: named with a count.

use std::collections::BTreeMap;

use super::terminal;
use crate::domain::text::{printable, shortened};
use crate::files::FileObject;
use crate::objects::kinds::KindRef;
use crate::objects::pool::PoolKind;
use crate::report::SkippedKind;

/// Longest kind that is repeated, in characters.
const MAX_KIND_CHARACTERS: usize = 63;

/// How many kinds that are passed over are told apart.
const MAX_SKIPPED_KINDS: usize = 100;

/// Kinds, each with its group and how many objects there are.
#[derive(Default)]
pub struct SkippedKinds(BTreeMap<(String, String), usize>);

impl SkippedKinds {
    /// Counts an object, unless its kind is among those that are known to have no pods.
    pub fn add(&mut self, object: &FileObject) {
        let Some(key) = unknown_kind(object) else {
            return;
        };
        if self.0.len() < MAX_SKIPPED_KINDS || self.0.contains_key(&key) {
            *self.0.entry(key).or_default() += 1;
        }
    }

    /// The kinds as a report has them.
    pub fn into_list(self) -> Vec<SkippedKind> {
        let kinds = self.0.into_iter();
        let kinds = kinds.map(|((kind, group), count)| SkippedKind { kind, group, count });
        kinds.collect()
    }
}

/// What a person should know of them; none where there are none.
pub fn note(skipped: &[SkippedKind]) -> Option<String> {
    const NAMED: usize = 10;
    let named = skipped.iter().map(|skipped| {
        let SkippedKind { kind, group, count } = skipped;
        match group.is_empty() {
            true => format!("{count} {kind}"),
            false => format!("{count} {kind} ({group})"),
        }
    });
    let named = terminal::listed(&named.collect::<Vec<_>>(), NAMED, "further kinds");
    (!named.is_empty()).then(|| {
        format!(
            "not checked: {named}; if they have pods, name them under kinds: in the configuration"
        )
    })
}

/// Kind and group of an object, unless they are among those of Kubernetes that hold no pods.
fn unknown_kind(object: &FileObject) -> Option<(String, String)> {
    let text = |key: &str| object.value[key].as_str().unwrap_or_default();
    let KindRef { group, kind, .. } = KindRef::from_object(text("apiVersion"), text("kind"));
    let is_known = match group {
        "" => CORE_WITHOUT_PODS.contains(&kind),
        "apps" => kind == "ControllerRevision",
        "extensions" => kind == "Ingress",
        "autoscaling" | "policy" => true,
        // What a snapshot may have beside workloads.
        group if PoolKind::named(group, kind).is_some() => true,
        // Groups of the project's experiments, such as jobset.x-k8s.io, do not end so.
        group => group.ends_with(".k8s.io"),
    };
    let short = |text: &str| printable(&shortened(text, MAX_KIND_CHARACTERS));
    (!is_known).then(|| (short(kind), short(group)))
}

/// Kinds of the core group that hold no pods.
/// Source: <https://kubernetes.io/docs/reference/kubernetes-api/>
const CORE_WITHOUT_PODS: [&str; 15] = [
    "Binding",
    "ComponentStatus",
    "ConfigMap",
    "Endpoints",
    "Event",
    "LimitRange",
    "List",
    "Namespace",
    "Node",
    "PersistentVolume",
    "PersistentVolumeClaim",
    "ResourceQuota",
    "Secret",
    "Service",
    "ServiceAccount",
];
