//! What `check` judges: images by name, and the workloads in files.

use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail};
use clap::Args;

use super::selector::LabelSelector;
use super::skipped::{self, SkippedKinds};
use super::target::TargetArguments;
use super::terminal;
use crate::audit::Subject;
use crate::domain::labels::Labels;
use crate::domain::text::shortened;
use crate::domain::workload::{PodTemplate, Usage, Workload};
use crate::files::{self, FileError, FileObject, FoundObjects, Recursion};
use crate::findings::IMAGE_KIND;
use crate::objects::kinds::{self, KindRule};
use crate::report::{SkippedKind, Unread};

/// Arguments that name what is judged.
#[derive(Args, Clone, Debug)]
pub struct SubjectArguments {
    /// Images by name; a file is taken as with -f
    #[arg(value_name = "IMAGE|FILE")]
    pub images: Vec<String>,
    /// Images by name, one a line; lines with # are comments
    #[arg(long, value_name = "FILE|-")]
    pub images_from: Option<String>,
    /// Kubernetes objects: a file, a directory, or - for standard input (repeatable)
    #[arg(short = 'f', long = "filename", value_name = "FILE|DIR|-")]
    pub files: Vec<String>,
    /// Also read the folders in a directory
    #[arg(short = 'R', long)]
    pub recursive: bool,
    /// A kustomization, rendered by kubectl
    #[arg(short = 'k', long, value_name = "DIR")]
    pub kustomize: Option<PathBuf>,
    /// Only objects of files with these labels: =, ==, !=, in, notin, comma-separated
    #[arg(short = 'l', long, value_name = "SELECTOR")]
    pub selector: Option<LabelSelector>,
    /// Namespace of objects that name none; the others keep theirs. By default that of the
    /// kube context, else default
    #[arg(short = 'n', long, value_parser = parse_namespace, value_name = "NAME")]
    pub namespace: Option<String>,
}

/// A namespace's name is a DNS label.
pub fn parse_namespace(text: &str) -> Result<String, String> {
    let letters = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
    let is_label = text.len() <= 63
        && text.bytes().all(|byte| letters(byte) || byte == b'-')
        && text.bytes().next().is_some_and(letters)
        && text.bytes().last().is_some_and(letters);
    is_label.then(|| text.to_owned()).ok_or_else(|| {
        "expected the name of a namespace: lower-case letters, digits and dashes".to_owned()
    })
}

/// What the arguments name.
#[derive(Default)]
pub struct Subjects {
    /// What can be judged.
    pub workloads: Vec<Subject>,
    /// What could not be read.
    pub errors: Vec<Unread>,
    /// Objects of kinds of which nobody knows whether they have pods.
    pub skipped: Vec<SkippedKind>,
    /// Whether files were named.
    pub from_files: bool,
}

impl Subjects {
    /// Reads what the arguments name. What is left out on the way is said on stderr.
    pub fn read(
        arguments: &SubjectArguments,
        target: &TargetArguments,
        kinds: &[KindRule],
    ) -> Result<Self> {
        let (named, images): (Vec<&String>, Vec<&String>) =
            arguments.images.iter().partition(|name| is_file(name));
        let list = arguments.images_from.as_ref();
        let files: Vec<String> = arguments.files.iter().chain(named).cloned().collect();
        let sources = files.iter().chain(&target.snapshot).chain(list);
        if sources.filter(|name| *name == files::STDIN).count() > 1 {
            bail!("standard input (-) can be read once only");
        }
        let listed = list.map(|name| listed_images(name)).transpose()?;
        let listed = listed.unwrap_or_default();
        let recursion = if arguments.recursive {
            Recursion::Recursive
        } else {
            Recursion::Flat
        };
        let mut found = files::read(&files, recursion);
        if let Some(folder) = &arguments.kustomize {
            found.objects.extend(kustomize(folder)?);
        }
        let mut subjects = Self {
            workloads: images
                .into_iter()
                .chain(&listed)
                .map(|image| by_name(image))
                .collect(),
            from_files: !files.is_empty() || arguments.kustomize.is_some(),
            ..Self::default()
        };
        let passed_over = found.passed_over;
        let namespace = arguments.namespace.clone();
        let namespace = namespace.or_else(|| target.cluster.namespace());
        subjects.add(found, namespace, arguments.selector.as_ref(), kinds);
        let notes = [
            (passed_over > 0).then(|| {
                let files = if passed_over == 1 { "file" } else { "files" };
                format!("{passed_over} {files} without Kubernetes objects passed over")
            }),
            skipped::note(&subjects.skipped),
        ];
        for note in notes.into_iter().flatten() {
            terminal::note(note);
        }
        Ok(subjects)
    }

    /// Adds the objects that are workloads, and says which are not known.
    pub fn add(
        &mut self,
        found: FoundObjects,
        namespace: Option<String>,
        selector: Option<&LabelSelector>,
        kinds: &[KindRule],
    ) {
        let namespace = namespace.unwrap_or_else(|| "default".to_owned());
        let mut skipped = SkippedKinds::default();
        for object in found.objects {
            let object = match object {
                Ok(object) => object,
                Err(error) => {
                    self.errors.push(Unread::from(&error));
                    continue;
                }
            };
            if let Some(selector) = selector
                && !selector.selects(&labels(&object))
            {
                continue;
            }
            match kinds::read(&object.value, kinds) {
                Ok(Some(mut workload)) => {
                    if workload.namespace.is_empty() {
                        workload.namespace.clone_from(&namespace);
                    }
                    if workload.name.is_empty() {
                        workload.name = generated_name(&object);
                    }
                    self.workloads.push(Subject {
                        workload,
                        source: Some(object.source),
                    });
                }
                Ok(None) => skipped.add(&object),
                Err(error) => {
                    let error = FileError::about(&object, error.to_string());
                    self.errors.push(Unread::from(&error));
                }
            }
        }
        self.skipped = skipped.into_list();
    }
}

/// The images that a file lists, one a line.
pub fn listed_images(name: &str) -> Result<Vec<String>> {
    /// In bytes: ten thousand long names.
    const MAX_LIST_BYTES: u64 = 4 << 20;
    let read = |input: &mut dyn Read| -> io::Result<String> {
        let mut text = String::new();
        input.take(MAX_LIST_BYTES + 1).read_to_string(&mut text)?;
        Ok(text)
    };
    let text = match name {
        files::STDIN => read(&mut io::stdin().lock()),
        name => File::open(name).and_then(|mut file| read(&mut file)),
    };
    let text = text.with_context(|| format!("read images from {name}"))?;
    if text.len() as u64 > MAX_LIST_BYTES {
        bail!("read images from {name}: larger than 4 MiB");
    }
    let lines = text.lines().map(str::trim);
    let names = lines.filter(|line| !line.is_empty() && !line.starts_with('#'));
    Ok(names.map(str::to_owned).collect())
}

/// Whether an argument without `-f` names a file. No image begins with a dot or a slash.
pub fn is_file(name: &str) -> bool {
    let path = Path::new(name);
    name == files::STDIN
        || name.starts_with(['.', '/'])
        || (files::is_object_file(path) && path.is_file())
}

/// An image given by name.
pub fn by_name(image: &str) -> Subject {
    let mut template = PodTemplate::default();
    template.add_image("image", image, Usage::Container, false);
    // A name of the command line has no container around it.
    template.images.forget_containers();
    Subject {
        workload: Workload {
            api_version: "archmatch.io/v1alpha1".to_owned(),
            kind: IMAGE_KIND.to_owned(),
            name: image.to_owned(),
            templates: vec![template],
            ..Workload::default()
        },
        source: None,
    }
}

/// What the API server will make a name of, as kubectl shows it.
fn generated_name(object: &FileObject) -> String {
    let name = object.value["metadata"]["generateName"].as_str();
    shortened(name.unwrap_or_default(), crate::domain::text::LONGEST_NAME).into_owned()
}

/// The labels of an object. What is none is no label: the object's kind reports it.
pub fn labels(object: &FileObject) -> Labels {
    let labels = object.value["metadata"]["labels"].as_object();
    let pairs = labels.into_iter().flatten();
    pairs
        .filter_map(|(key, value)| Some((key.clone(), value.as_str()?.to_owned())))
        .collect()
}

/// What `kubectl apply -k` would apply.
pub fn kustomize(folder: &Path) -> Result<Vec<Result<FileObject, FileError>>> {
    let rendered = Command::new("kubectl")
        .arg("kustomize")
        .arg(folder)
        .stdin(Stdio::null())
        .stderr(Stdio::inherit())
        .output()
        .context("run kubectl, which renders kustomizations")?;
    if !rendered.status.success() {
        bail!("kubectl kustomize {} failed", folder.display());
    }
    let name = folder.display().to_string();
    Ok(files::read_from(&name, rendered.stdout.as_slice()))
}
