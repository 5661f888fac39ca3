//! What a finding is of, and the id that follows from it.

use sha2::{Digest as _, Sha256};

use super::judged::IMAGE_KIND;
use super::{Finding, JudgedWorkload, Rule, Severity};
use crate::domain::verdict::ImageVerdict;
use crate::wording::sentences::{self, Sentences};

/// The workload of a finding, without what changes when it is made anew.
#[derive(Clone, Copy, Debug)]
pub struct WorkloadIdentity<'a> {
    /// `apiVersion`, as written.
    pub api_version: &'a str,
    /// `kind`, as written.
    pub kind: &'a str,
    /// Namespace; none for an image given by name.
    pub namespace: Option<&'a str>,
    /// Name.
    pub name: &'a str,
    /// Where it was read, as `file:line`.
    pub source: Option<&'a str>,
}

/// The image of a finding.
#[derive(Clone, Debug)]
pub struct ImageIdentity {
    /// The name as written.
    pub image: String,
    /// `registry/repository`; empty where the name is no image reference.
    pub repository: String,
    /// The containers or volumes that name it.
    pub containers: Vec<String>,
}

impl ImageIdentity {
    /// That of an image that was judged.
    pub(super) fn of(image: &ImageVerdict) -> Self {
        let reference = image.image.reference.as_ref();
        Self {
            image: image.image.image.clone(),
            repository: reference.map_or_else(|_| String::new(), |one| one.name().to_string()),
            containers: image.image.containers.clone(),
        }
    }
}

impl JudgedWorkload {
    /// What it is.
    pub(super) fn identity(&self) -> WorkloadIdentity<'_> {
        WorkloadIdentity {
            api_version: &self.api_version,
            kind: &self.kind,
            namespace: self.namespace.as_deref(),
            name: &self.name,
            source: self.source.as_deref(),
        }
    }
}

/// That an image no longer has platforms which it had.
pub fn platform_lost(
    workload: WorkloadIdentity<'_>,
    image: ImageIdentity,
    platforms: Vec<String>,
) -> Finding {
    let text = sentences::platform_lost(&image.image, &platforms);
    workload.image_finding(
        Rule::PlatformLost,
        Severity::Warning,
        image,
        platforms,
        text,
    )
}

impl WorkloadIdentity<'_> {
    /// A finding of the workload as a whole.
    pub(super) fn finding(self, rule: Rule, severity: Severity, text: Sentences) -> Finding {
        let Sentences { what, why, next } = text;
        Finding {
            id: self.id(rule, &[], "", ""),
            rule,
            severity,
            workload: 0,
            containers: Vec::new(),
            image: None,
            platforms: Vec::new(),
            what,
            why,
            next,
            evidence: Vec::new(),
            fixes: Vec::new(),
            source: self.source.map(str::to_owned),
            accepted: None,
            expired: None,
        }
    }

    /// A finding of one of its images.
    pub(super) fn image_finding(
        self,
        rule: Rule,
        severity: Severity,
        image: ImageIdentity,
        platforms: Vec<String>,
        text: Sentences,
    ) -> Finding {
        let ImageIdentity {
            image,
            repository,
            containers,
        } = image;
        let platform = match rule {
            Rule::MissingPlatform | Rule::WrongPlatform => platforms.concat(),
            _ => String::new(),
        };
        Finding {
            id: self.id(rule, &containers, &repository, &platform),
            containers,
            image: Some(image),
            platforms,
            ..self.finding(rule, severity, text)
        }
    }

    /// The stable id: a hash of rule, workload, containers, repository and platform.
    fn id(self, rule: Rule, containers: &[String], repository: &str, platform: &str) -> String {
        let (group, _) = self.api_version.split_once('/').unwrap_or_default();
        // The name of an image given by name is its tag, too.
        let name = if self.kind == IMAGE_KIND {
            ""
        } else {
            self.name
        };
        let mut containers: Vec<&str> = containers.iter().map(String::as_str).collect();
        containers.sort_unstable();
        let namespace = self.namespace.unwrap_or_default();
        let workload = [rule.name(), group, self.kind, namespace, name];
        let place = [&containers.join("\u{1}"), repository, platform];
        stable_hash(workload.into_iter().chain(place))
    }
}

/// A hash of texts that is the same in every run and every version, in hexadecimal digits.
pub fn stable_hash<'a>(parts: impl IntoIterator<Item = &'a str>) -> String {
    /// In bytes: more than any cluster has findings or workloads.
    const LENGTH: usize = 16;
    let mut hash = Sha256::new();
    for part in parts {
        hash.update(part);
        hash.update([0]);
    }
    let hash = hash.finalize();
    let bytes = hash.iter().take(LENGTH);
    bytes.map(|byte| format!("{byte:02x}")).collect()
}
