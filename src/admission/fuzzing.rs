//! What must hold for bodies of reviews.

#![expect(clippy::panic, reason = "so a property says that it does not hold")]

use k8s_openapi::api::core::v1 as typed;
use serde_json::Value;

use super::answer::Answer;
use super::request::{Object, Request};
use super::review;
use crate::domain::placement::Placement;
use crate::domain::placement::affinity::{NodeSelector, Operator, Requirement, Term};
use crate::domain::placement::toleration::{Toleration, TolerationOperator};
use crate::domain::taint::Effect;
use crate::domain::workload::{PodTemplate, Usage};
use crate::objects::kinds;

/// Nobody can make us send more than this without an image being judged, in bytes.
const MAX_ANSWER_BYTES: usize = 16 * 1024;

/// An AdmissionReview: its uid is echoed, and of a pod we read what the typed objects of
/// Kubernetes read.
pub fn review(body: &[u8]) {
    // A tree refuses more than we do: depth, and numbers without bounds.
    let mut tree: Value = serde_json::from_slice(body).unwrap_or_default();
    let uid = tree["request"]["uid"].as_str().map(str::to_owned);
    match review::parse(body, &[]) {
        Err(error) => {
            let Some(echoed) = &error.uid else {
                return;
            };
            assert!(!echoed.is_empty());
            assert!(tree.is_null() || uid.as_ref() == Some(echoed));
            check_answer(&Answer::malformed(&error.message), echoed);
        }
        Ok(request) => {
            assert!(tree.is_null() || uid.as_ref() == Some(&request.uid));
            check_answer(&Answer::allowed(), &request.uid);
            if !tree.is_null() {
                check_object(request, tree["request"]["object"].take());
            }
        }
    }
}

fn check_answer(answer: &Answer, uid: &str) {
    let json = answer.to_json(uid);
    assert!(json.len() < MAX_ANSWER_BYTES);
    let answer: Value = serde_json::from_slice(&json).unwrap_or_default();
    assert_eq!(answer["response"]["uid"], uid);
    assert!(answer["response"]["allowed"].is_boolean());
}

fn check_object(request: Request, object: Value) {
    let kind = request.kind();
    if (kind.group, kind.kind) != ("", "Pod") {
        return;
    }
    let Ok(pod) = serde_json::from_value::<typed::Pod>(object) else {
        return;
    };
    // As the API server would write it: that has to be read.
    let written = serde_json::to_vec(&pod).unwrap_or_default();
    let workload = kinds::from_json(&kind, &written, &[]).ok().flatten();
    let Some(workload) = workload else {
        panic!("a pod is refused: {}", String::from_utf8_lossy(&written));
    };
    let spec = pod.spec.unwrap_or_default();
    check_template(&workload.templates, &spec);
    // As it came: it may be refused, for keys that come twice, but not be misread.
    let as_it_came = match request.object {
        Object::Workload(ref workload) => Some(workload),
        Object::Unreadable(_) => None,
        Object::Absent | Object::OtherKind => panic!("an object is overlooked"),
    };
    if let Some(workload) = as_it_came {
        check_template(&workload.templates, &spec);
    }
}

fn check_template(templates: &[PodTemplate], spec: &typed::PodSpec) {
    let [template] = templates else {
        panic!("a pod has one template");
    };
    let texts = template.images.iter().map(|image| image.image.len());
    let names = template.images.iter().map(|image| image.containers.len());
    if template.overlooked().is_some() || names.chain(texts).any(|length| length >= 64) {
        // More than is kept.
        return;
    }
    let found: Vec<_> = template
        .images
        .iter()
        .map(|image| {
            assert_eq!(image.reference, image.image.parse());
            let names = image.containers.clone();
            (image.image.clone(), image.usage, image.preloaded, names)
        })
        .collect();
    assert_eq!(found, images(spec));
    if template.placement.is_cut {
        return;
    }
    let expected = placement(spec);
    let found = &template.placement;
    assert_eq!(found.node_name, expected.node_name);
    assert_eq!(found.node_selector, expected.node_selector);
    assert_eq!(found.required_affinity, expected.required_affinity);
    assert_eq!(found.tolerations, expected.tolerations);
    assert_eq!(found.runtime_class, expected.runtime_class);
    assert_eq!(found.gated, expected.gated);
}

/// Image, usage, whether it is never pulled, and who uses it.
type Image = (String, Usage, bool, Vec<String>);

fn images(spec: &typed::PodSpec) -> Vec<Image> {
    let mut all: Vec<(&str, &Option<String>, Usage, &Option<String>)> = Vec::new();
    let init = spec.init_containers.iter().flatten();
    for one in spec.containers.iter().chain(init) {
        let (name, policy) = (&one.name, &one.image_pull_policy);
        all.push((name, &one.image, Usage::Container, policy));
    }
    for one in spec.ephemeral_containers.iter().flatten() {
        let (name, policy) = (&one.name, &one.image_pull_policy);
        all.push((name, &one.image, Usage::Container, policy));
    }
    for volume in spec.volumes.iter().flatten() {
        if let Some(image) = &volume.image {
            let (name, policy) = (&volume.name, &image.pull_policy);
            all.push((name, &image.reference, Usage::Volume, policy));
        }
    }
    let mut images: Vec<Image> = Vec::new();
    for (name, image, usage, policy) in all {
        let image = image.clone().unwrap_or_default();
        let never = policy.as_deref() == Some("Never");
        let mut known = images.iter_mut();
        match known.find(|known| (&known.0, known.1, known.2) == (&image, usage, never)) {
            Some(known) => known.3.push(name.to_owned()),
            None => images.push((image, usage, never, vec![name.to_owned()])),
        }
    }
    images
}

fn placement(spec: &typed::PodSpec) -> Placement {
    let affinity = spec.affinity.as_ref();
    let affinity = affinity.and_then(|affinity| affinity.node_affinity.as_ref());
    let required = affinity
        .and_then(|affinity| {
            let required = &affinity.required_during_scheduling_ignored_during_execution;
            required.as_ref()
        })
        .map(|selector| NodeSelector {
            terms: selector.node_selector_terms.iter().map(term).collect(),
        });
    let tolerations = spec.tolerations.iter().flatten().map(|one| Toleration {
        key: one.key.clone().unwrap_or_default(),
        operator: TolerationOperator::from_name(&one.operator.clone().unwrap_or_default()),
        value: one.value.clone().unwrap_or_default(),
        effect: Effect::named(&one.effect.clone().unwrap_or_default()),
    });
    let non_empty = |text: &Option<String>| text.clone().filter(|text| !text.is_empty());
    Placement {
        node_name: non_empty(&spec.node_name),
        node_selector: spec.node_selector.clone().unwrap_or_default(),
        required_affinity: required,
        tolerations: tolerations.collect(),
        runtime_class: non_empty(&spec.runtime_class_name),
        gated: spec.scheduling_gates.iter().flatten().next().is_some(),
        ..Placement::default()
    }
}

fn term(term: &typed::NodeSelectorTerm) -> Term {
    let requirements = |list: &Option<Vec<typed::NodeSelectorRequirement>>| {
        let list = list.iter().flatten().map(|one| Requirement {
            key: one.key.clone(),
            operator: Operator::from_name(&one.operator),
            values: one.values.clone().unwrap_or_default(),
        });
        list.collect()
    };
    Term {
        expressions: requirements(&term.match_expressions),
        fields: requirements(&term.match_fields),
    }
}
