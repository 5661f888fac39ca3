//! Other tags, and whether waiting helps, against a registry that plays Docker Hub: the library
//! of official images, a repository for each architecture, annotations, tags that lag behind.

mod limits;
mod stories;

use std::sync::Arc;
use std::time::Duration;

use archmatch::checker::{Checker, Rules};
use archmatch::credentials::NoSecrets;
use archmatch::domain::node::{Node, Nodes, Source};
use archmatch::domain::policy::ForeignImages;
use archmatch::domain::runtime::Runtime;
use archmatch::domain::workload::{PodTemplate, Usage, Workload};
use archmatch::findings::{Finding, IMAGE_KIND, JudgedWorkload, find};
use archmatch::registry::{HostSettings, LookUpSettings, open};
use archmatch::report::{Circumstances, Report, ReportBuilder, ReportRequest};
use archmatch::suggest::Advisor;
use tokio::time::Instant;

use crate::support::install_crypto_provider;
use crate::support::raw::{NameServer, Named};
use crate::support::registry::{Document, FakeRegistry, index, manifest};

/// 2026-08-22.
const NOW: u64 = 1_787_356_800;
/// A year before that.
const LONG_AGO: &str = "2025-08-22T00:00:00Z";

/// What Docker Hub has.
struct Hub {
    registry: FakeRegistry,
    /// Which knows no name at all.
    names: NameServer,
}

/// How images are built.
#[derive(Clone, Copy)]
struct Build<'a> {
    revision: Option<&'a str>,
    created: &'a str,
    base: Option<&'a str>,
}

impl Default for Build<'_> {
    fn default() -> Self {
        Self {
            revision: Some("a1"),
            created: LONG_AGO,
            base: None,
        }
    }
}

impl Hub {
    async fn new() -> Self {
        Self {
            registry: FakeRegistry::start().await,
            names: NameServer::start(Named::Error(3)).await,
        }
    }

    /// Publishes an image for these platforms.
    fn publish(&self, name: &str, platforms: &[&str], build: Build<'_>) -> Document {
        let children = platforms.iter().map(|platform| {
            let mut image = manifest(platform);
            // Images differ although their platforms do not.
            image = image.annotated("name", name);
            image = image.annotated("org.opencontainers.image.created", build.created);
            if let Some(revision) = build.revision {
                image = image.annotated("org.opencontainers.image.revision", revision);
            }
            if let Some(base) = build.base {
                image = image.annotated("org.opencontainers.image.base.name", base);
            }
            image
        });
        let document = index(children);
        self.registry.push(name, &document);
        document
    }

    /// Docker Hub itself is not on loopback: a mirror stands in for it, and its own name leads
    /// nowhere.
    fn settings(&self) -> LookUpSettings {
        let mut hub = HostSettings::new("docker.io");
        hub.mirrors = vec![self.registry.host().try_into().unwrap()];
        let mut own = self.registry.settings();
        own.requests_per_second = 10_000;
        let mut settings = LookUpSettings {
            hosts: vec![hub, own],
            name_server: Some(self.names.address),
            ..LookUpSettings::default()
        };
        settings.limits.request = Duration::from_secs(10);
        settings
    }

    /// What is reported of an image on nodes of these platforms.
    async fn ask(&self, image: &str, platforms: &[&str]) -> Report {
        let judged = self.judge(image, platforms).await;
        let mut report = ReportBuilder::new(ReportRequest::default());
        report.add(0, &judged);
        let nodes = nodes(platforms);
        report.finish(&nodes, Circumstances::default())
    }

    async fn judge(&self, image: &str, platforms: &[&str]) -> JudgedWorkload {
        install_crypto_provider();
        let inspector = Arc::new(open(self.settings(), Arc::new(NoSecrets)).unwrap());
        let mut template = PodTemplate::default();
        template.add_image("web", image, Usage::Container, false);
        let deadline = Instant::now() + Duration::from_secs(60);
        let checker = Checker::new(Arc::clone(&inspector) as _);
        let nodes = nodes(platforms);
        let checked = checker.check(&template, &nodes, Rules::default(), deadline);
        let mut verdict = checked.await;
        self.registry.take_requests();
        let advisor = Advisor::new(inspector, None, NOW);
        advisor
            .advise_on(&mut verdict, &template.access, deadline)
            .await;
        let workload = Workload {
            kind: IMAGE_KIND.to_owned(),
            name: image.to_owned(),
            templates: vec![template],
            ..Workload::default()
        };
        JudgedWorkload::of(workload, None, vec![verdict])
    }

    /// The suggestions for an image, each with its change.
    async fn suggestions(&self, image: &str, platforms: &[&str]) -> Vec<String> {
        let report = self.ask(image, platforms).await;
        let suggestions = report.workloads[0].images[0].suggestions.clone();
        let suggestions = suggestions.unwrap_or_default();
        let told = suggestions.iter();
        told.map(|one| format!("{} {}", one.change, one.image))
            .collect()
    }

    /// The findings of an image, each with its platforms and what decided.
    async fn findings(&self, image: &str, platforms: &[&str]) -> Vec<Finding> {
        find(
            &self.judge(image, platforms).await,
            &ForeignImages::default(),
        )
    }
}

fn nodes(platforms: &[&str]) -> Nodes {
    let nodes = platforms.iter().map(|platform| {
        let runtime = Runtime::ContainerdTransfer;
        let name = (*platform).to_owned();
        Node::of_platform(name, platform.parse().unwrap(), runtime, Source::Flag)
    });
    nodes.collect()
}

/// The rules of findings that refine a missing platform.
fn rules(findings: &[Finding]) -> Vec<String> {
    let others = findings.iter().filter(|finding| !finding.rule.is_gap());
    let told = others.map(|finding| format!("{} {}", finding.rule, finding.platforms.join(",")));
    told.collect()
}
