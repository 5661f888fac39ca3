//! A strategic merge patch: an object with nothing in it but the images that change.
//!
//! Source: <https://kubernetes.io/docs/tasks/manage-kubernetes-objects/update-api-object-kubectl-patch/>

use serde_json::{Map, Value, json};

use super::{ChangedImage, LeftAlone, WantedImages, end_of_image, objects};
use crate::objects::kinds::KindRef;

/// A patch of one object, and what it does not change.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Patch {
    /// The patch; none where it would change nothing.
    pub value: Option<Value>,
    /// What it changes. There are no lines.
    pub changed: Vec<ChangedImage>,
    /// What was to change and does not.
    pub left_alone: Vec<LeftAlone>,
}

/// Items of a list are told apart by this field.
/// Source: `patchMergeKey` of containers and volumes in
/// <https://github.com/kubernetes/api/blob/master/core/v1/types.go>
const MERGE_KEY: &str = "name";

/// Containers that only a call of their own adds, and nobody changes.
/// Source: <https://kubernetes.io/docs/concepts/workloads/pods/ephemeral-containers/>
const EPHEMERAL: &str = "ephemeralContainers";

/// The patch that gives an object of a built-in kind its new images. Others have no strategic
/// merge: a patch would replace their lists.
pub fn patch(object: &Value, namespace: &str, wanted: &WantedImages<'_>) -> Patch {
    let text = |key: &str| object.get(key).and_then(Value::as_str).unwrap_or_default();
    let (api_version, kind) = (text("apiVersion"), text("kind"));
    let mut patch = Patch::default();
    let mut body = Map::new();
    let values = std::slice::from_ref(object);
    for named in objects::images(values, &[]) {
        let Some(new) = wanted(&named.owner, named.image) else {
            continue;
        };
        if new == named.image {
            continue;
        }
        let old = named.image.to_owned();
        // The first step is the object's own position.
        let path = named.path.get(1..).unwrap_or_default();
        let end = match path.iter().any(|step| step == EPHEMERAL) {
            true => Err("is one of an ephemeral container, which nobody can change"),
            false => end_of_image(named.image, new),
        };
        let line = 0;
        let put = end.and_then(|(new, _)| {
            put(&mut body, object, path, &new).ok_or("is one of a container without a name")?;
            Ok(new)
        });
        match put {
            Ok(new) => patch.changed.push(ChangedImage { line, old, new }),
            Err(why) => patch.left_alone.push(LeftAlone {
                line,
                image: old,
                why,
            }),
        }
    }
    if !patch.changed.is_empty() {
        let name = &object["metadata"][MERGE_KEY];
        body.insert("apiVersion".to_owned(), api_version.into());
        body.insert("kind".to_owned(), kind.into());
        let metadata = json!({"name": name, "namespace": namespace});
        body.insert("metadata".to_owned(), metadata);
        patch.value = Some(Value::Object(body));
    }
    patch
}

/// Whether an object of this kind can be patched so.
pub fn has_strategic_merge(api_version: &str, kind: &str) -> bool {
    KindRef::from_object(api_version, kind).is_built_in()
}

/// Puts an image at its path, with the names of the items on the way.
fn put(body: &mut Map<String, Value>, object: &Value, path: &[String], image: &str) -> Option<()> {
    let [field, rest @ ..] = path else {
        return None;
    };
    let source = object.get(field)?;
    match (source, rest) {
        (Value::Array(items), [position, rest @ ..]) => {
            let item = items.get(position.parse::<usize>().ok()?)?;
            let name = item
                .get(MERGE_KEY)?
                .as_str()
                .filter(|name| !name.is_empty())?;
            let list = body.entry(field.clone()).or_insert_with(|| json!([]));
            let list = list.as_array_mut()?;
            let place = list.iter().position(|known| known[MERGE_KEY] == name);
            let place = place.unwrap_or_else(|| {
                list.push(json!({MERGE_KEY: name}));
                list.len() - 1
            });
            put(list.get_mut(place)?.as_object_mut()?, item, rest, image)
        }
        (Value::Object(_), [_, ..]) => {
            let below = body.entry(field.clone()).or_insert_with(|| json!({}));
            put(below.as_object_mut()?, source, rest, image)
        }
        (_, []) => {
            body.insert(field.clone(), image.into());
            Some(())
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    fn new_image(image: &str) -> Option<String> {
        let known = BTreeMap::from([
            ("node:22", "node:22-trixie"),
            ("redis:7-alpine", "redis:7"),
            ("app:1", "other:1"),
        ]);
        known.get(image).map(|new| (*new).to_owned())
    }

    fn patched(object: &Value) -> Patch {
        patch(object, "web", &|_, image| new_image(image))
    }

    #[test]
    fn it_has_the_containers_that_change_by_name_and_nothing_else() {
        let spec = json!({
            "nodeSelector": {"a": "b"},
            "containers": [
                {"name": "a", "image": "node:22", "args": ["x"]},
                {"name": "b", "image": "node:23"},
                {"name": "c", "image": "redis:7-alpine"},
            ],
            "initContainers": [{"name": "a", "image": "node:22"}],
            "volumes": [{"name": "v", "image": {"reference": "node:22"}}, {"name": "e"}],
        });
        let changed = json!({
            "containers": [
                {"name": "a", "image": "node:22-trixie"},
                {"name": "c", "image": "redis:7"},
            ],
            "initContainers": [{"name": "a", "image": "node:22-trixie"}],
            "volumes": [{"name": "v", "image": {"reference": "node:22-trixie"}}],
        });
        let at = |kind: &str, version: &str, spec: &Value, metadata: Value| {
            let below = match kind {
                "Pod" => spec.clone(),
                "CronJob" => json!({"jobTemplate": {"spec": {"template": {"spec": spec}}}}),
                _ => json!({"template": {"spec": spec}}),
            };
            json!({"apiVersion": version, "kind": kind, "metadata": metadata, "spec": below})
        };
        for (kind, version) in [
            ("Deployment", "apps/v1"),
            ("CronJob", "batch/v1"),
            ("Pod", "v1"),
        ] {
            let metadata = json!({"name": "d", "namespace": "web", "labels": {"x": "y"}});
            let patch = patched(&at(kind, version, &spec, metadata));
            let expected = at(
                kind,
                version,
                &changed,
                json!({"name": "d", "namespace": "web"}),
            );
            assert_eq!(patch.value, Some(expected), "{kind}");
            assert_eq!((patch.changed.len(), patch.left_alone.len()), (4, 0));
        }
    }

    #[test]
    fn what_cannot_be_patched_is_said() {
        let pod = |spec: Value| json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "p"}, "spec": spec});
        for (spec, why) in [
            (
                json!({"ephemeralContainers": [{"name": "a", "image": "node:22"}]}),
                "ephemeral",
            ),
            (
                json!({"containers": [{"image": "node:22"}]}),
                "without a name",
            ),
            (
                json!({"containers": [{"name": "a", "image": "app:1"}]}),
                "another tag",
            ),
        ] {
            let patch = patched(&pod(spec));
            assert_eq!((patch.value, patch.changed.len()), (None, 0));
            assert!(
                patch.left_alone[0].why.contains(why),
                "{:?}",
                patch.left_alone
            );
        }
        assert_eq!(
            patched(&pod(json!({"containers": [{"image": "node:23"}]}))),
            Patch::default()
        );
        for (version, kind, expected) in [
            ("apps/v1", "Deployment", true),
            ("argoproj.io/v1alpha1", "Rollout", false),
        ] {
            assert_eq!(has_strategic_merge(version, kind), expected);
        }
    }
}
