//! A workload with the verdicts on it.

use crate::domain::access::Access;
use crate::domain::pin::ArchitecturePin;
use crate::domain::policy::{Level, LevelResults};
use crate::domain::verdict::{LevelResult, Verdict};
use crate::domain::workload::Workload;

/// The kind of an image given by name.
pub const IMAGE_KIND: &str = "Image";

/// One workload, judged.
#[derive(Clone, Debug)]
pub struct JudgedWorkload {
    /// `apiVersion`, as written.
    pub api_version: String,
    /// `kind`, as written; [`IMAGE_KIND`] for an image given by name.
    pub kind: String,
    /// Namespace; none for an image given by name.
    pub namespace: Option<String>,
    /// Name.
    pub name: String,
    /// The object's uid; empty where it is not known.
    pub uid: String,
    /// Where it was read, as `file:line`.
    pub source: Option<String>,
    /// One verdict for each pod template.
    pub verdicts: Vec<Verdict>,
    /// Its pod templates, in the same order.
    pub templates: Vec<JudgedTemplate>,
    /// The same images on every node platform of the cluster, where that was asked for.
    pub everywhere: Vec<Verdict>,
    /// What the templates would be without their pins to an architecture.
    pub unpinned: Vec<Unpinned>,
}

/// Where a pod template is, and what its images are looked up with.
#[derive(Clone, Debug)]
pub struct JudgedTemplate {
    /// Where it is in the object; empty where the object is a pod.
    pub path: String,
    /// Whose look-ups its images have.
    pub access: Access,
}

/// A pod template without its pin to an architecture.
#[derive(Clone, Debug)]
pub struct Unpinned {
    /// What was left out.
    pub pin: ArchitecturePin,
    /// Where the template is in the object.
    pub path: String,
    /// The verdict without it.
    pub verdict: Verdict,
}

impl JudgedWorkload {
    /// A workload with the verdicts on its templates.
    pub fn of(workload: Workload, source: Option<String>, verdicts: Vec<Verdict>) -> Self {
        let templates = workload.templates.into_iter();
        let templates = templates.map(|template| JudgedTemplate {
            path: template.path.to_string(),
            access: template.access,
        });
        Self {
            api_version: workload.api_version,
            namespace: (workload.kind != IMAGE_KIND).then_some(workload.namespace),
            kind: workload.kind,
            name: workload.name,
            uid: workload.uid,
            source,
            verdicts,
            templates: templates.collect(),
            everywhere: Vec::new(),
            unpinned: Vec::new(),
        }
    }

    /// The verdicts, each with the path of its pod template; empty where the object is a pod.
    pub fn by_path(&self) -> impl Iterator<Item = (&Verdict, &str)> {
        let paths = self.templates.iter().map(|template| template.path.as_str());
        self.verdicts.iter().zip(paths.chain(std::iter::repeat("")))
    }

    /// How the workload stands at a level. One without images neither passes nor fails.
    pub fn at(&self, level: Level) -> LevelResult {
        if self.is_without_images() {
            return LevelResult::Undecided;
        }
        LevelResults::of(&self.verdicts).at(level)
    }

    /// Whether no container names an image, so that nothing was judged.
    pub fn is_without_images(&self) -> bool {
        let mut verdicts = self.verdicts.iter();
        verdicts.all(|verdict| verdict.images.is_empty() && verdict.overlooked.is_none())
    }
}
