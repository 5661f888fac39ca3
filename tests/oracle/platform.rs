//! What the runtime of a node pulls: random indexes, as a registry would have them.
//!
//! A case is a tree of documents. Upstream gets it as JSON, the engine as inspections.

use std::collections::HashMap;

use archmatch::domain::inspection::{Content, Entry, EntryKind, Inspection, MediaType};
use archmatch::domain::node::NodePlatform;
use archmatch::domain::outcome;
use archmatch::domain::pick::{Entries, NESTED_INDEXES, pick};
use archmatch::domain::platform::Platform;
use archmatch::domain::reference::Digest;
use archmatch::domain::runtime::Runtime;
use archmatch::domain::unknown::{Reason, Unknown};
use libtest_mimic::Failed;
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;
use serde_json::{Map, Value, json};

use crate::compare::Run;

pub fn containerd_transfer(run: &Run) -> Result<(), Failed> {
    table(run, Runtime::ContainerdTransfer, any_node())
}

pub fn containerd_local(run: &Run) -> Result<(), Failed> {
    table(run, Runtime::ContainerdLocal, any_node())
}

pub fn cri_o(run: &Run) -> Result<(), Failed> {
    table(run, Runtime::CriO, linux_node())
}

pub fn docker(run: &Run) -> Result<(), Failed> {
    table(run, Runtime::Docker, any_node())
}

fn table(run: &Run, runtime: Runtime, node: impl Strategy<Value = Platform>) -> Result<(), Failed> {
    let case = (node, root(), any::<bool>())
        .prop_map(move |(node, root, verified)| Case::new(runtime, node, &root, verified));
    run.agree(
        &format!("platform, {runtime}"),
        case,
        Case::questions,
        Case::expected,
        Case::ours,
    )
}

/// What happens to an image, in the words of reports.
#[derive(Clone, Debug, PartialEq)]
enum Outcome {
    Supported(Vec<String>),
    Mismatched(Vec<String>),
    Missing,
    Unknown(Reason),
}

// The shape of a case, as it is made up.

#[derive(Clone, Debug)]
enum Root {
    Plain(Stated),
    Index(IndexType, Vec<Item>),
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum IndexType {
    Oci,
    Docker,
}

#[derive(Clone, Debug)]
struct Item {
    platform: Option<Stated>,
    zstd: bool,
    child: Child,
    /// The digest is the one of the entry before.
    repeats: bool,
}

#[derive(Clone, Debug)]
enum Child {
    /// A manifest whose config says this, or what the entry says.
    Manifest(Option<Stated>),
    Artifact,
    Other,
    Index(IndexType, Vec<Item>),
    AbsentManifest,
    AbsentIndex,
}

/// A platform whose parts may be "what the node is", so that parts meet often.
#[derive(Clone, Debug)]
struct Stated {
    os: Option<&'static str>,
    architecture: Option<&'static str>,
    variant: Option<&'static str>,
    os_version: &'static str,
    os_features: Vec<&'static str>,
}

impl Stated {
    fn platform(&self, node: &Platform) -> Platform {
        let own = |part: Option<&str>, own: &str| part.unwrap_or(own).to_owned();
        Platform {
            os: own(self.os, &node.os),
            architecture: own(self.architecture, &node.architecture),
            variant: own(self.variant, &node.variant),
            os_version: self.os_version.to_owned(),
            os_features: self.os_features.iter().map(ToString::to_string).collect(),
        }
    }
}

// The case, ready for both sides.

#[derive(Clone, Debug)]
struct Case {
    node: NodePlatform,
    entries: Entries,
    root: Inspection,
    /// Documents below the root. Where the registry has none, there is none.
    children: HashMap<Digest, Inspection>,
    count: usize,
}

impl Case {
    fn new(runtime: Runtime, node: Platform, root: &Root, verified: bool) -> Self {
        let mut case = Self {
            node: NodePlatform {
                platform: node,
                runtime,
                emulates: Vec::new(),
            },
            entries: if verified {
                Entries::Verified
            } else {
                Entries::Believed
            },
            root: Inspection {
                build: None,
                digest: digest(0),
                media_type: MediaType::OciManifest,
                content: Content::Artifact,
            },
            children: HashMap::new(),
            count: 0,
        };
        match root {
            Root::Plain(config) => {
                case.root.content = Content::Manifest(config.platform(&case.node.platform));
            }
            Root::Index(kind, items) => {
                case.root.media_type = kind.media_type();
                case.root.content = Content::Index(case.add_entries(items));
            }
        }
        case
    }

    fn add_entries(&mut self, items: &[Item]) -> Vec<Entry> {
        let mut entries: Vec<Entry> = Vec::new();
        for item in items {
            let platform = item
                .platform
                .as_ref()
                .map(|platform| platform.platform(&self.node.platform));
            // Upstream says which digest it took, not which of two equal ones: where that
            // would make a difference, none are equal.
            let before = entries.last().filter(|before| {
                let nothing = Platform::default();
                let states = |platform: Option<&Platform>| platform.is_some_and(|p| *p != nothing);
                item.repeats
                    && !self.has_unknown_build()
                    && before.platform.is_some() == platform.is_some()
                    && states(before.platform.as_deref()) == states(platform.as_ref())
            });
            let (digest, kind) = match before {
                Some(before) => (before.digest.clone(), before.kind),
                None => self.add_child(&item.child, platform.as_ref()),
            };
            entries.push(Entry {
                digest,
                kind,
                platform: platform.map(Into::into),
                zstd: item.zstd,
                build: None,
            });
        }
        entries
    }

    fn add_child(&mut self, child: &Child, stated: Option<&Platform>) -> (Digest, EntryKind) {
        self.count += 1;
        let digest = digest(self.count);
        let (kind, document) = match child {
            Child::Manifest(config) => {
                let config = match config {
                    Some(config) => config.platform(&self.node.platform),
                    None => stated.cloned().unwrap_or_default(),
                };
                let content = Content::Manifest(config);
                (EntryKind::Manifest, Some((MediaType::OciManifest, content)))
            }
            Child::Artifact => {
                let document = (MediaType::DockerManifest, Content::Artifact);
                (EntryKind::Manifest, Some(document))
            }
            // A Windows node of unknown build is asked about twice, for flat indexes of images.
            Child::Index(..) | Child::AbsentIndex | Child::AbsentManifest | Child::Other
                if self.has_unknown_build() =>
            {
                return self.add_child(&Child::Manifest(None), stated);
            }
            Child::Other => (EntryKind::Other, None),
            Child::Index(kind, items) => {
                let content = Content::Index(self.add_entries(items));
                (EntryKind::Index, Some((kind.media_type(), content)))
            }
            Child::AbsentManifest => (EntryKind::Manifest, None),
            Child::AbsentIndex => (EntryKind::Index, None),
        };
        if let Some((media_type, content)) = document {
            let inspection = Inspection {
                build: None,
                digest: digest.clone(),
                media_type,
                content,
            };
            self.children.insert(digest.clone(), inspection);
        }
        (digest, kind)
    }

    fn has_unknown_build(&self) -> bool {
        let platform = &self.node.platform;
        platform.os == "windows" && !has_build(&platform.os_version)
    }

    fn questions(&self) -> Vec<Value> {
        let asked = self.question(|_| true);
        if !self.has_unknown_build() {
            return vec![asked];
        }
        // To upstream a host without a version is one that runs every build. What it takes
        // then, and what it takes where no entry depends on the build, is what can be known.
        let any_build = |entry: &Entry| {
            let platform = entry.platform.as_deref();
            platform.is_some_and(|platform| platform.os_version.is_empty())
        };
        vec![asked, self.question(any_build)]
    }

    fn question(&self, keep: impl Fn(&Entry) -> bool + Copy) -> Value {
        let mut documents = Map::new();
        self.add_document(&mut documents, &self.root, keep);
        for child in self.children.values() {
            self.add_document(&mut documents, child, keep);
        }
        self.add_unread(&mut documents);
        json!({
            "table": "platform",
            "runtime": self.node.runtime.name(),
            "node": platform_json(&self.node.platform),
            "root": self.root.digest.to_string(),
            "documents": documents,
        })
    }

    /// Documents that exist though nobody reads them: things of unknown types, and, since
    /// the index is believed, manifests of entries with a platform, and indexes where any
    /// fails the pull.
    fn add_unread(&self, documents: &mut Map<String, Value>) {
        let all = self.children.values().chain([&self.root]);
        for document in all {
            let Content::Index(entries) = &document.content else {
                continue;
            };
            for entry in entries {
                let believed = entry.kind == EntryKind::Manifest
                    && self.entries == Entries::Believed
                    && self.states_platform(entry);
                let media_type = match entry.kind {
                    EntryKind::Other => UNKNOWN_TYPE,
                    EntryKind::Index if self.node.runtime == Runtime::CriO => {
                        MediaType::OciIndex.name()
                    }
                    _ if believed => MediaType::OciManifest.name(),
                    _ => continue,
                };
                documents
                    .entry(entry.digest.to_string())
                    .or_insert_with(|| json!({"mediaType": media_type, "blob": {}}));
            }
        }
    }

    fn add_document(
        &self,
        documents: &mut Map<String, Value>,
        document: &Inspection,
        keep: impl Fn(&Entry) -> bool,
    ) {
        let name = document.digest.to_string();
        let media_type = document.media_type.name();
        let config_name = format!("{name}-config");
        let manifest = |config_type: &str| {
            json!({
                "schemaVersion": 2,
                "mediaType": media_type,
                "config": {"mediaType": config_type, "digest": config_name, "size": 2},
                "layers": [],
            })
        };
        let (blob, config) = match &document.content {
            Content::Index(entries) => {
                let entries = entries.iter().filter(|entry| keep(entry));
                let entries: Vec<Value> = entries.map(|entry| self.entry_json(entry)).collect();
                let blob =
                    json!({"schemaVersion": 2, "mediaType": media_type, "manifests": entries});
                (blob, None)
            }
            Content::Manifest(config) => {
                let config = self.platform_json(config);
                (manifest(CONFIG_TYPE), Some(config))
            }
            Content::Artifact => (
                manifest("application/vnd.oci.empty.v1+json"),
                Some(json!({})),
            ),
        };
        if let Some(config) = config {
            let config = json!({"mediaType": CONFIG_TYPE, "blob": config});
            documents.insert(config_name, config);
        }
        documents.insert(
            name.to_owned(),
            json!({"mediaType": media_type, "blob": blob}),
        );
    }

    fn entry_json(&self, entry: &Entry) -> Value {
        let document = self.children.get(&entry.digest);
        let media_type = match (entry.kind, document) {
            (EntryKind::Other, _) => UNKNOWN_TYPE,
            (_, Some(document)) => document.media_type.name(),
            (EntryKind::Manifest, None) => MediaType::OciManifest.name(),
            (EntryKind::Index, None) => MediaType::OciIndex.name(),
        };
        let mut object =
            json!({"mediaType": media_type, "digest": entry.digest.to_string(), "size": 2});
        if let Some(platform) = &entry.platform {
            object["platform"] = self.platform_json(platform);
        }
        if entry.zstd {
            object["annotations"] = json!({"io.github.containers.compression.zstd": "true"});
        }
        object
    }

    /// Whoever reads an empty operating system takes its own. The oracle runs on Linux.
    fn platform_json(&self, platform: &Platform) -> Value {
        let mut platform = platform.clone();
        let containerd = matches!(
            self.node.runtime,
            Runtime::ContainerdTransfer | Runtime::ContainerdLocal
        );
        if containerd && self.node.platform.os == "windows" && platform.os.is_empty() {
            platform.os = "windows".to_owned();
        }
        platform_json(&platform)
    }

    /// Docker knows no difference between a platform that says nothing and none.
    fn states_platform(&self, entry: &Entry) -> bool {
        let nothing = Platform::default();
        let docker = self.node.runtime == Runtime::Docker;
        entry
            .platform
            .as_deref()
            .is_some_and(|platform| !docker || *platform != nothing)
    }

    fn expected(&self, answers: &[Value]) -> Outcome {
        let first = self.outcome(&answers[0]);
        let Some(second) = answers.get(1) else {
            return first;
        };
        let picked = answers[0]["outcome"] == "picked";
        let depends_on_build = self.way(&answers[0]).last().is_some_and(|last| {
            if !picked {
                return false;
            }
            let Some(entry) = self.taken(&answers[0]) else {
                return false;
            };
            match &entry.platform {
                Some(platform) => !platform.os_version.is_empty(),
                None => matches!(
                    self.children.get(last).map(|child| &child.content),
                    Some(Content::Manifest(config)) if !config.os_version.is_empty()
                ),
            }
        });
        match self.outcome(second) {
            _ if !depends_on_build => first,
            // An entry for any build is taken whatever the build is, or one for just it.
            Outcome::Missing => Outcome::Unknown(Reason::Unsupported),
            outcome => outcome,
        }
    }

    fn way(&self, answer: &Value) -> Vec<Digest> {
        let path = answer["path"].as_array().unwrap();
        let steps = path.iter().map(|step| step.as_str().unwrap());
        steps.map(|step| step.parse().unwrap()).collect()
    }

    /// The entry by which the last document of the way was reached.
    fn taken(&self, answer: &Value) -> Option<&Entry> {
        let way = self.way(answer);
        let (last, before) = way.split_last()?;
        let parent = match before.last() {
            Some(parent) => self.children.get(parent)?,
            None => &self.root,
        };
        let Content::Index(entries) = &parent.content else {
            return None;
        };
        entries.iter().find(|entry| entry.digest == *last)
    }

    /// An answer of upstream in the words of reports: what is pulled is judged by
    /// its config where the index does not say, and nesting has a limit.
    fn outcome(&self, answer: &Value) -> Outcome {
        let way = self.way(answer);
        let path: Vec<String> = way.iter().map(ToString::to_string).collect();
        let indexes = way.iter().filter(|step| self.is_index(step)).count();
        if indexes > NESTED_INDEXES && self.node.runtime != Runtime::CriO {
            return Outcome::Unknown(Reason::Unsupported);
        }
        match answer["outcome"].as_str().unwrap() {
            "missing" => return Outcome::Missing,
            "absent" => return Outcome::Unknown(Reason::NotFound),
            "picked" => {}
            other => panic!("outcome {other}"),
        }
        let entry = self.taken(answer);
        let stated = entry.is_some_and(|entry| self.states_platform(entry));
        let containerd = matches!(
            self.node.runtime,
            Runtime::ContainerdTransfer | Runtime::ContainerdLocal
        );
        if stated && self.entries == Entries::Believed && entry.is_some_and(is_manifest) {
            return Outcome::Supported(path);
        }
        let document = match way.last() {
            Some(last) => self.children.get(last),
            None => Some(&self.root),
        };
        let config = match document.map(|document| &document.content) {
            Some(Content::Manifest(config)) => config,
            _ => return Outcome::Unknown(Reason::Unsupported),
        };
        if containerd && !stated && !way.is_empty() {
            return Outcome::Supported(path);
        }
        if config.architecture.is_empty() {
            Outcome::Unknown(Reason::Unsupported)
        } else if !runs(&self.node.platform, config) {
            Outcome::Mismatched(path)
        } else if is_of_another_build(&self.node.platform, &config.os_version) {
            // It may still run, with a kernel of its own.
            Outcome::Unknown(Reason::Unsupported)
        } else {
            Outcome::Supported(path)
        }
    }

    fn is_index(&self, digest: &Digest) -> bool {
        let all = self.children.values().chain([&self.root]);
        let mut entries = all.filter_map(|document| match &document.content {
            Content::Index(entries) => Some(entries),
            _ => None,
        });
        entries.any(|entries| {
            entries
                .iter()
                .any(|entry| entry.digest == *digest && entry.kind == EntryKind::Index)
        })
    }

    fn ours(&self) -> Outcome {
        let not_found = Unknown::new(Reason::NotFound, "not there");
        let child = |digest: &Digest| Some(self.children.get(digest).ok_or(&not_found));
        let path = |path: Vec<Digest>| path.iter().map(ToString::to_string).collect();
        match pick(&self.node, &self.root, child, self.entries) {
            Ok(outcome::Outcome::Supported { picked, .. }) => Outcome::Supported(path(picked)),
            Ok(outcome::Outcome::Mismatched { picked, .. }) => Outcome::Mismatched(path(picked)),
            Ok(outcome::Outcome::Missing(_)) => Outcome::Missing,
            Ok(outcome::Outcome::Unknown(unknown)) => Outcome::Unknown(unknown.reason),
            Ok(outcome::Outcome::Invalid(_)) => panic!("no name was read"),
            Err(digest) => panic!("{digest} was there to read"),
        }
    }
}

const UNKNOWN_TYPE: &str = "application/spdx+json";
const CONFIG_TYPE: &str = "application/vnd.oci.image.config.v1+json";

fn is_manifest(entry: &Entry) -> bool {
    entry.kind == EntryKind::Manifest
}

/// Whether a node runs programs of a platform: its own architecture, 386 on amd64, arm on
/// arm64; a variant decides for arm only.
fn runs(node: &Platform, program: &Platform) -> bool {
    let (node, program) = (node.normalized(), program.normalized());
    let level = |platform: &Platform| {
        let digits = platform.variant.strip_prefix('v');
        digits.and_then(|level| level.parse().ok()).unwrap_or(7_u8)
    };
    let own_os = program.os.is_empty() || program.os == node.os;
    own_os
        && match (node.architecture.as_str(), program.architecture.as_str()) {
            ("amd64", "386") | ("arm64", "arm") => true,
            ("arm", "arm") => level(&program) <= level(&node),
            (own, other) => own == other,
        }
}

/// Whether a Windows node is not sure to run a version: the rule of containerd/platforms,
/// `checkWindowsHostAndContainerCompat`, once more.
fn is_of_another_build(node: &Platform, version: &str) -> bool {
    if node.os != "windows" || version.is_empty() {
        return false;
    }
    let numbers = |text: &str| -> Option<Vec<u16>> {
        let numbers = text
            .split('.')
            .take(3)
            .map(|number| match number.starts_with('+') {
                true => None,
                false => number.parse().ok(),
            });
        numbers
            .collect::<Option<Vec<_>>>()
            .filter(|all| all.len() == 3)
    };
    let (Some(host), Some(image)) = (numbers(&node.os_version), numbers(version)) else {
        return true;
    };
    let oldest = match host[2] {
        ..20348 => host[2],
        20348.. => 20348,
    };
    host[..2] != image[..2] || !(oldest..=host[2]).contains(&image[2])
}

fn has_build(version: &str) -> bool {
    let mut numbers = version.split('.').map(str::parse::<u16>);
    let three = [numbers.next(), numbers.next(), numbers.next()];
    three.iter().all(|number| matches!(number, Some(Ok(_))))
}

fn digest(number: usize) -> Digest {
    format!("sha256:{number:064x}").parse().unwrap()
}

fn platform_json(platform: &Platform) -> Value {
    let mut object = Map::new();
    for (key, value) in [
        ("os", &platform.os),
        ("architecture", &platform.architecture),
        ("variant", &platform.variant),
        ("os.version", &platform.os_version),
    ] {
        if !value.is_empty() {
            object.insert(key.to_owned(), value.as_str().into());
        }
    }
    if !platform.os_features.is_empty() {
        object.insert("os.features".to_owned(), json!(platform.os_features));
    }
    object.into()
}

impl IndexType {
    fn media_type(self) -> MediaType {
        match self {
            Self::Oci => MediaType::OciIndex,
            Self::Docker => MediaType::DockerManifestList,
        }
    }
}

// What is made up.

const ARCHITECTURES: [&str; 21] = [
    "amd64", "x86_64", "x86-64", "AMD64", "386", "i386", "arm", "armhf", "armel", "ARM", "arm64",
    "aarch64", "AArch64", "s390x", "ppc64le", "ppc64el", "riscv64", "loong64", "amd64v2",
    "unknown", "",
];

const VARIANTS: [&str; 36] = [
    "", "v1", "v2", "v3", "v4", "V2", "1", "2", "3", "5", "6", "7", "8", "9", "v5", "v6", "v7",
    "v8", "v9", "V8", "v8.0", "v8.1", "v8.2", "v8.6", "v8.9", "v8.10", "9.0", "v9.0", "v9.1",
    "v9.2", "v9.7", "v9.8", "v10", "power9", "rva22u64", "v",
];

const BUILDS: [&str; 14] = [
    "10.0.17763",
    "10.0.20348",
    "10.0.20348.1",
    "10.0.20348.999",
    "10.0.20348.2340",
    "10.0.22621",
    "10.0.25398",
    "10.0.26100",
    "10.0.26100.1",
    "10.0.26200.3",
    "10.1.20348",
    "10.0",
    "10.0.+20348",
    "10.0.99999",
];

/// Most nodes have none; an operator may declare some.
fn node_features() -> impl Strategy<Value = Vec<String>> {
    let some = select(vec![
        vec!["a"],
        vec!["a", "sse4"],
        vec!["sse4", "win32k"],
        vec!["", "b"],
    ]);
    let owned = |features: Vec<&str>| features.into_iter().map(str::to_owned).collect();
    prop_oneof![3 => Just(Vec::new()), 1 => some.prop_map(owned)]
}

fn linux_node() -> impl Strategy<Value = Platform> {
    let (os, known) = (Just("linux"), known_node());
    let odd = (select(ARCHITECTURES.to_vec()), select(VARIANTS.to_vec()))
        .prop_filter("a node has an architecture", |(name, _)| !name.is_empty());
    (os, prop_oneof![5 => known, 1 => odd])
        .prop_map(|(os, (architecture, variant))| Platform::new(os, architecture, variant))
}

/// Nodes as they are, and the variants that an operator may declare.
fn known_node() -> impl Strategy<Value = (&'static str, &'static str)> {
    prop_oneof![
        3 => (Just("amd64"), select(vec!["", "", "v2", "v3", "v4"])),
        3 => (Just("arm64"), select(vec!["v8", "v8", "", "v8.2", "v8.9", "v9", "v9.2", "v9.7", "v8.10"])),
        2 => (Just("arm"), select(vec!["v7", "v6", "v5", "v8", ""])),
        2 => (select(vec!["s390x", "ppc64le", "riscv64", "386", "loong64"]), Just("")),
        // Some that nobody has a list for.
        1 => (select(vec!["amd64", "armel", "s390x", "arm", "riscv64"]), select(vec!["custom", "v3"])),
    ]
}

fn any_node() -> impl Strategy<Value = Platform> {
    let host = select(vec![
        "10.0.17763",
        "10.0.20348",
        "10.0.22621",
        "10.0.25398",
        "10.0.26100",
        "10.0.26200",
        "",
        "",
        "unknown",
    ]);
    let windows =
        (select(vec!["amd64", "amd64", "arm64"]), host).prop_map(|(architecture, os_version)| {
            Platform {
                os_version: os_version.to_owned(),
                ..Platform::new(
                    "windows",
                    architecture,
                    if architecture == "arm64" { "v8" } else { "" },
                )
            }
        });
    let node = prop_oneof![4 => linux_node(), 1 => windows];
    (node, node_features()).prop_map(|(node, os_features)| Platform {
        os_features,
        ..node
    })
}

fn root() -> impl Strategy<Value = Root> {
    prop_oneof![
        1 => stated().prop_map(Root::Plain),
        12 => (index_type(), vec(item(4), 0..6)).prop_map(|(kind, items)| Root::Index(kind, items)),
    ]
}

fn index_type() -> impl Strategy<Value = IndexType> {
    prop_oneof![3 => Just(IndexType::Oci), 1 => Just(IndexType::Docker)]
}

fn item(depth: u32) -> BoxedStrategy<Item> {
    let platform = prop_oneof![
        2 => Just(None),
        // An attestation, as buildkit names it.
        1 => Just(Some(attestation())),
        1 => Just(Some(nothing())),
        8 => stated().prop_map(Some),
    ];
    (
        platform,
        prop::bool::weighted(0.2),
        child(depth),
        prop::bool::weighted(0.1),
    )
        .prop_map(|(platform, zstd, child, repeats)| Item {
            platform,
            zstd,
            child,
            repeats,
        })
        .boxed()
}

fn child(depth: u32) -> BoxedStrategy<Child> {
    let leaf = prop_oneof![
        8 => Just(Child::Manifest(None)),
        6 => stated().prop_map(|config| Child::Manifest(Some(config))),
        1 => Just(Child::Artifact),
        1 => Just(Child::Other),
        1 => Just(Child::AbsentManifest),
        1 => Just(Child::AbsentIndex),
    ];
    if depth == 0 {
        return leaf.boxed();
    }
    let nested = (index_type(), vec(item(depth - 1), 0..4))
        .prop_map(|(kind, items)| Child::Index(kind, items));
    prop_oneof![6 => leaf, 1 => nested].boxed()
}

fn attestation() -> Stated {
    Stated {
        os: Some("unknown"),
        architecture: Some("unknown"),
        ..nothing()
    }
}

fn nothing() -> Stated {
    Stated {
        os: Some(""),
        architecture: Some(""),
        variant: Some(""),
        os_version: "",
        os_features: Vec::new(),
    }
}

fn stated() -> impl Strategy<Value = Stated> {
    let os = prop_oneof![
        8 => Just(None),
        2 => select(vec!["linux", "windows", "Linux", "", "lİnux", "Windows", "darwin", "macos", "unknown"])
            .prop_map(Some),
    ];
    let architecture = prop_oneof![
        5 => Just(None),
        4 => select(ARCHITECTURES.to_vec()).prop_map(Some),
    ];
    let variant = prop_oneof![
        3 => Just(None),
        3 => Just(Some("")),
        3 => select(VARIANTS.to_vec()).prop_map(Some),
    ];
    let os_version = prop_oneof![3 => Just(""), 1 => select(BUILDS.to_vec())];
    let features = prop_oneof![
        8 => Just(vec![]),
        2 => select(vec![
            vec!["win32k"], vec!["win32k", "win32k"], vec!["a", "win32k"], vec![""],
            vec!["sse4"], vec!["a"], vec!["sse4", "a"], vec!["a", "a"],
        ]),
    ];
    (os, architecture, variant, os_version, features).prop_map(
        |(os, architecture, variant, os_version, os_features)| Stated {
            os,
            architecture,
            variant,
            os_version,
            os_features,
        },
    )
}
