//! What would help, as text that can be pasted.
//!
//! How it is read: YAML is for fields of the pod's specification, at the path that is named;
//! a field replaces the pod's whole field. `# remove X` says what else has to go.
//! Alternatives begin with `or`.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;

use serde_json::{Map, Value as Json, json};

use super::nodes::{MAX_NAMES, counted, grouped, quoted};
use super::suggestion;
use crate::domain::advice::Suggestion;
use crate::domain::candidates::CandidatePlatform;
use crate::domain::outcome::{Outcome, Ternary};
use crate::domain::placement::Placement;
use crate::domain::placement::affinity::{NodeSelector, Requirement};
use crate::domain::policy::ForeignImages;
use crate::domain::text::printable;
use crate::domain::verdict::{ImageVerdict, Verdict};
use crate::domain::workload::PodTemplate;

/// How many paths of templates are named for one change.
const MAX_PATHS: usize = 64;
/// How many different changes are shown for the templates of one object.
const MAX_CHANGES: usize = 8;
/// How many platforms a build names.
const MAX_PLATFORMS: usize = 16;
/// How many labels are named that have to go, before the selector goes whole.
const MAX_REMOVALS: usize = 8;
/// Where in a pod the affinity is that is judged.
const REQUIRED_AFFINITY: &str = "requiredDuringSchedulingIgnoredDuringExecution";

/// What is known of what would help.
pub(crate) struct Remedy<'a> {
    /// The pod templates, in the order of their verdicts.
    pub(crate) templates: &'a [PodTemplate],
    /// Placements with which each would run; nothing for one that runs as it is, and nothing
    /// at all where one has none.
    pub(crate) elsewhere: &'a [Vec<Placement>],
    /// Other tags that have every platform, by the names of the images that lack some.
    pub(crate) suggestions: &'a BTreeMap<&'a str, Suggestion>,
    /// Images that nobody here builds.
    pub(crate) foreign: &'a ForeignImages,
}

impl Remedy<'_> {
    /// What would help: names that are some, nodes that run everything, or another image.
    pub(super) fn text(&self, verdicts: &[Verdict]) -> String {
        let mut text = String::new();
        let mut begins = "To fix it, ";
        let invalid = distinct(verdicts, |outcome| matches!(outcome, Outcome::Invalid(_)));
        if !invalid.is_empty() {
            let names = invalid.iter().map(|(_, image)| quoted(&image.image));
            let names = counted(names, MAX_NAMES);
            let _ = writeln!(text, "{begins}correct the name {names}");
            begins = "and then ";
        }
        let lacking = distinct(verdicts, |outcome| {
            outcome.value() == Ternary::No && !matches!(outcome, Outcome::Invalid(_))
        });
        let (builds, others) = (
            self.builds(verdicts, &lacking),
            self.others(verdicts, &lacking),
        );
        let instead = self.instead(&lacking);
        // Who is told a tag need not look for one.
        let others = others.filter(|_| instead.is_none());
        // Both, where some images are of one sort and some of the other.
        let images: Vec<String> = builds.into_iter().chain(others).collect();
        let mut ways = self.elsewhere();
        ways.extend(instead);
        if !images.is_empty() {
            ways.push(images.join("\nand "));
        }
        for way in ways {
            let _ = writeln!(text, "{begins}{way}");
            begins = "or ";
        }
        text
    }

    /// Other tags, where one is known for every image that lacks something.
    fn instead(&self, lacking: &[Lacking<'_>]) -> Option<String> {
        let known = lacking.iter().map(|(_, image)| {
            let instead = self.suggestions.get(&*image.image.image)?;
            let instead = suggestion::suggestion(instead);
            Some(format!("{instead} in place of {}", quoted(&image.image)))
        });
        let known: Vec<String> = known.collect::<Option<_>>()?;
        (!known.is_empty()).then(|| format!("use {}", counted(known.into_iter(), MAX_NAMES)))
    }

    /// What to change of where the pods go: the least change of every template, then what
    /// else would do if there is but one.
    fn elsewhere(&self) -> Vec<String> {
        let templates = self.templates.iter().zip(self.elsewhere);
        let changes = templates.filter_map(|(template, found)| {
            let mut changes = found.iter().map(|then| change(template, then));
            Some((changes.next()?, (path(template), changes)))
        });
        let changes = grouped(changes);
        if changes.is_empty() {
            return Vec::new();
        }
        let blocks = changes.iter().take(MAX_CHANGES);
        let mut blocks: Vec<String> = blocks
            .map(|(change, places)| {
                let paths = places.iter().map(|(path, _)| path.clone());
                format!("in {}:\n{change}", counted(paths, MAX_PATHS))
            })
            .collect();
        if changes.len() > MAX_CHANGES {
            blocks.push(format!("{} more", changes.len() - MAX_CHANGES));
        }
        let mut ways = vec![format!(
            "run it where its images work, {}",
            blocks.join("\nand ")
        )];
        if changes.len() == 1
            && let Some((_, mut places)) = changes.into_iter().next()
            && places.len() == 1
            && let Some((path, others)) = places.pop()
        {
            ways.extend(others.map(|change| format!("in {path}:\n{change}")));
        }
        ways
    }

    /// The builds of images that users of this cluster build.
    fn builds(&self, verdicts: &[Verdict], lacking: &[Lacking<'_>]) -> Option<String> {
        let own = lacking.iter().filter(|(_, image)| !self.is_foreign(image));
        let commands = grouped(own.map(|(_, image)| (build(verdicts, image), &image.image)));
        let what = match commands.len() {
            0 => return None,
            1 => "image",
            _ => "images",
        };
        let mut text = format!("build the {what} for every node:");
        for (command, images) in commands.iter().take(MAX_NAMES) {
            let _ = write!(text, "\n  {command}");
            let pinned = images.iter().filter(|image| image.image.contains('@'));
            let pinned: Vec<String> = pinned.map(|image| quoted(image)).collect();
            if !pinned.is_empty() {
                let pinned = counted(pinned.into_iter(), MAX_NAMES);
                let _ = write!(text, "\n  and name its new digest in place of {pinned}");
            }
        }
        if commands.len() > MAX_NAMES {
            let _ = write!(text, "\n  and {} more", commands.len() - MAX_NAMES);
        }
        Some(text)
    }

    /// What to look for in place of images that nobody here builds, those that lack the same
    /// together.
    fn others(&self, verdicts: &[Verdict], lacking: &[Lacking<'_>]) -> Option<String> {
        let foreign = lacking.iter().filter(|(_, image)| self.is_foreign(image));
        let groups = grouped(foreign.map(|(_, image)| {
            let wanted = wanted(verdicts, image).into_iter().take(MAX_PLATFORMS);
            let wanted = wanted.collect::<Vec<_>>().join(", ");
            (wanted, quoted(&image.image))
        }));
        let more = match groups.len().saturating_sub(MAX_NAMES) {
            0 => String::new(),
            more => format!(", and {more} more"),
        };
        let parts = groups.into_iter().take(MAX_NAMES).map(|(wanted, names)| {
            let names = counted(names.into_iter(), MAX_NAMES);
            format!("another tag or image that has {wanted} in place of {names}")
        });
        let parts: Vec<String> = parts.collect();
        (!parts.is_empty()).then(|| format!("use {}{more}", parts.join(", ")))
    }

    fn is_foreign(&self, image: &ImageVerdict) -> bool {
        let reference = image.image.reference.as_ref();
        reference.is_ok_and(|reference| self.foreign.contains(reference))
    }
}

type Lacking<'a> = (&'a Verdict, &'a ImageVerdict);

/// Images with such an outcome, each name once.
fn distinct(verdicts: &[Verdict], is_such: impl Fn(&Outcome) -> bool) -> Vec<Lacking<'_>> {
    let mut names = BTreeSet::new();
    let all = verdicts.iter().flat_map(|verdict| {
        let images = verdict.images.iter();
        images.map(move |image| (verdict, image))
    });
    all.filter(|(_, image)| image.outcomes.iter().any(&is_such))
        .filter(|(_, image)| names.insert(&image.image.image))
        .collect()
}

fn path(template: &PodTemplate) -> String {
    match &*template.path {
        "" => "spec".to_owned(),
        path => printable(path),
    }
}

/// The platforms of the nodes that the pods with this image may go to.
fn wanted(verdicts: &[Verdict], image: &ImageVerdict) -> BTreeSet<String> {
    let named = |verdict: &&Verdict| {
        let mut images = verdict.images.iter();
        images.any(|other| other.image.image == image.image.image)
    };
    let candidates = verdicts.iter().filter(named);
    let candidates = candidates.flat_map(|verdict| &verdict.candidates.platforms);
    let certain = candidates.filter(|candidate| candidate.is_certain);
    let name = |candidate: &CandidatePlatform| candidate.platform.platform.to_string();
    certain.map(name).collect()
}

/// A build for every node, and for what the image has already. Nothing is tagged by digest.
fn build(verdicts: &[Verdict], image: &ImageVerdict) -> String {
    let wanted = wanted(verdicts, image);
    let room = MAX_PLATFORMS.saturating_sub(wanted.len());
    let has = image.inspection.iter().flat_map(|found| found.platforms());
    let has = has.map(|platform| platform.to_string());
    let has: Vec<String> = has
        .filter(|name| !wanted.contains(name))
        .take(room)
        .collect();
    let all: BTreeSet<String> = wanted.into_iter().chain(has).collect();
    let platforms = all
        .into_iter()
        .take(MAX_PLATFORMS)
        .collect::<Vec<_>>()
        .join(",");
    let name = &image.image.image;
    let (name, digest) = name.split_once('@').unwrap_or((name, ""));
    let tag = image
        .image
        .reference
        .as_ref()
        .ok()
        .and_then(|found| found.tag());
    let named = tag.is_some_and(|tag| name.ends_with(&format!(":{tag}")));
    let tag = match (named, digest) {
        (true, _) => "",
        (false, "") => ":latest",
        // What else is called latest is not to be replaced.
        (false, _) => ":multi-platform",
    };
    format!(
        "docker buildx build --platform {platforms} --tag {}{tag} --push .",
        printable(name)
    )
}

/// What to write for a placement, and what has to go.
fn change(template: &PodTemplate, then: &Placement) -> String {
    let now = &template.placement;
    let mut text = String::new();
    let mut remove = |what: &str| {
        let _ = writeln!(text, "  # remove {what}");
    };
    if now.node_name.is_some() && then.node_name.is_none() {
        remove("nodeName");
    }
    if now.os.is_some() && then.os.is_none() {
        remove("os");
    }
    let labels = now.node_selector.keys();
    let gone: Vec<&String> = labels
        .filter(|key| !then.node_selector.contains_key(*key))
        .collect();
    if gone.len() > MAX_REMOVALS {
        remove("nodeSelector");
    } else {
        for key in &gone {
            remove(&format!("{} from nodeSelector", printable(key)));
        }
    }
    if now.required_affinity.is_some() && then.required_affinity.is_none() {
        remove(&match template.has_other_affinity {
            false => "affinity".to_owned(),
            true => format!("affinity.nodeAffinity.{REQUIRED_AFFINITY}"),
        });
    }
    let mut fields = Map::new();
    let is_new = |(key, value): (&String, &String)| now.node_selector.get(key) != Some(value);
    let all_goes = gone.len() > MAX_REMOVALS && !then.node_selector.is_empty();
    if all_goes || then.node_selector.iter().any(is_new) {
        fields.insert("nodeSelector".to_owned(), json!(then.node_selector));
    }
    if let Some(required) = &then.required_affinity
        && then.required_affinity != now.required_affinity
    {
        fields.insert("affinity".to_owned(), affinity(required));
    }
    if !fields.is_empty() {
        // Texts, lists and objects always serialise.
        let yaml = serde_saphyr::to_string(&fields).unwrap_or_default();
        for line in yaml.lines() {
            let _ = writeln!(text, "  {line}");
        }
    }
    text.truncate(text.trim_end().len());
    text
}

fn affinity(required: &NodeSelector) -> Json {
    let requirement = |wanted: &Requirement| {
        let mut object = json!({"key": wanted.key, "operator": wanted.operator.name()});
        if !wanted.values.is_empty() {
            object["values"] = json!(wanted.values);
        }
        object
    };
    let terms = required.terms.iter().map(|term| {
        let mut object = json!({});
        for (part, wanted) in [
            ("matchExpressions", &term.expressions),
            ("matchFields", &term.fields),
        ] {
            if !wanted.is_empty() {
                object[part] = wanted.iter().map(requirement).collect();
            }
        }
        object
    });
    let terms: Vec<Json> = terms.collect();
    json!({"nodeAffinity": {REQUIRED_AFFINITY: {"nodeSelectorTerms": terms}}})
}
