//! Where the objects of a kind name their images.

use super::template_path::PathStep;
use super::{KindRef, KindRule, TemplateShape};

/// The path of a field that names an image, from the object down, such as
/// `spec.template.spec.containers[*].image`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ImagePath {
    steps: Vec<PathStep>,
}

/// The fields of a pod specification that name images.
/// Source: <https://kubernetes.io/docs/reference/kubernetes-api/workload-resources/pod-v1/>
const IN_POD_SPEC: [(&str, &str); 4] = [
    ("containers", "image"),
    ("initContainers", "image"),
    ("ephemeralContainers", "image"),
    ("volumes", "image.reference"),
];

impl ImagePath {
    /// The steps from the object to the image.
    pub fn steps(&self) -> &[PathStep] {
        &self.steps
    }

    fn all_below(spec: &[PathStep]) -> impl Iterator<Item = Self> {
        IN_POD_SPEC.into_iter().map(move |(list, field)| {
            let list = [PathStep::Field(list.to_owned()), PathStep::Each];
            let steps = spec.iter().cloned().chain(list).chain(fields(field));
            Self {
                steps: steps.collect(),
            }
        })
    }
}

fn fields(path: &str) -> impl Iterator<Item = PathStep> {
    path.split('.').map(|name| PathStep::Field(name.to_owned()))
}

impl TemplateShape {
    /// Where the pod specification is.
    fn spec_path(self) -> &'static str {
        match self {
            Self::Pod => "spec",
            Self::Templated(_) => "spec.template.spec",
            Self::CronJob => "spec.jobTemplate.spec.template.spec",
            Self::PodTemplate => "template.spec",
        }
    }
}

impl KindRef<'_> {
    /// Where objects of this kind name images; nowhere when the kind has no pods.
    pub fn image_paths(&self, rules: &[KindRule]) -> Vec<ImagePath> {
        let specs: Vec<Vec<PathStep>> = match (self.shape(), self.rule(rules)) {
            (Some(shape), _) => vec![fields(shape.spec_path()).collect()],
            (None, Some(rule)) => {
                let templates = rule.templates.iter().map(|path| path.steps().iter());
                let specs = templates.map(|steps| steps.cloned().chain(fields("spec")));
                specs.map(Iterator::collect).collect()
            }
            (None, None) => Vec::new(),
        };
        specs
            .iter()
            .flat_map(|spec| ImagePath::all_below(spec))
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::objects::kinds::read;

    /// An object with an image wherever the paths say.
    fn object(api_version: &str, kind: &str, paths: &[ImagePath]) -> Value {
        fn fill(value: &mut Value, steps: &[PathStep], image: &str) {
            match steps {
                [] => *value = image.into(),
                [PathStep::Field(name), rest @ ..] => fill(&mut value[name.as_str()], rest, image),
                [PathStep::Each, rest @ ..] => {
                    if value.is_null() {
                        *value = json!([{}]);
                    }
                    fill(&mut value[0], rest, image);
                }
            }
        }
        let mut object = json!({"apiVersion": api_version, "kind": kind});
        for (number, path) in paths.iter().enumerate() {
            fill(&mut object, path.steps(), &format!("image:{number}"));
        }
        object
    }

    #[test]
    fn every_image_of_a_path_is_one_that_is_judged_and_there_are_no_others() {
        let rules = KindRule::well_known();
        let built_in = KindRef::built_in().map(|kind| (kind.api_version(), kind.kind, 4));
        let configured = [
            ("argoproj.io/v1alpha1", "Rollout", 4),
            ("jobset.x-k8s.io/v1alpha2", "JobSet", 4),
            ("leaderworkerset.x-k8s.io/v1", "LeaderWorkerSet", 8),
            ("v1", "Service", 0),
            ("apps/v1", "Pod", 0),
        ];
        let configured = configured
            .into_iter()
            .map(|(version, kind, count)| (version.to_owned(), kind, count));
        for (version, kind, count) in built_in.chain(configured) {
            let paths = KindRef::from_object(&version, kind).image_paths(&rules);
            assert_eq!(paths.len(), count, "{version} {kind}");
            let workload = read(&object(&version, kind, &paths), &rules).unwrap();
            let templates = workload.into_iter().flat_map(|workload| workload.templates);
            let images: usize = templates.map(|template| template.images.len()).sum();
            assert_eq!(images, count, "{version} {kind}");
        }
    }
}
