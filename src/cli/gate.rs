//! `archmatch gate`: whether images are published for every platform, in one line each.

use std::collections::HashSet;
use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Result, bail};
use clap::Args;
use clap::builder::NonEmptyStringValueParser;
use futures::stream::{self, StreamExt};
use tokio::time::Instant;

use super::duration::parse_duration;
use super::exit::Exit;
use super::live::KubeContext;
use super::origin::Target;
use super::platform::FlagPlatform;
use super::setup::{self, Registries, RunsFor};
use super::subjects::listed_images;
use super::target::TargetArguments;
use super::terminal;
use crate::checker::{Checker, Rules};
use crate::domain::node::Nodes;
use crate::domain::verdict::{LevelResult, Verdict};
use crate::domain::workload::{PodTemplate, Usage};
use crate::files;

/// How many images are judged at the same time: few enough that each has its turn at its
/// registry soon, since its time begins when it is taken up.
const IMAGES_AT_ONCE: usize = 16;

/// How long one image may take: whoever waits for a gate wants to know soon that a host is
/// dead, however long the list is.
const LONGEST_LOOK_UP: Duration = Duration::from_secs(10);

/// Arguments of `archmatch gate`.
#[derive(Args, Clone, Debug)]
pub struct Arguments {
    /// The images
    #[arg(value_name = "IMAGE", value_parser = NonEmptyStringValueParser::new())]
    pub images: Vec<String>,
    /// Further images, one a line; lines with # are comments
    #[arg(long, value_name = "FILE|-")]
    pub images_from: Option<String>,
    /// The platforms, such as linux/amd64,linux/s390x, s390x for short, or
    /// linux/arm64=cri-o (repeatable)
    #[arg(
        long,
        value_delimiter = ',',
        value_name = "[OS/]ARCH[/VARIANT][=RUNTIME]",
        conflicts_with = "platforms_from_cluster"
    )]
    pub platform: Vec<FlagPlatform>,
    /// Every platform that the cluster has nodes of, or pools that could grow them, whatever
    /// their taints; cordoned nodes as nodes.countCordoned says
    #[arg(long)]
    pub platforms_from_cluster: bool,
    /// The cluster as files instead of a live one: what `kubectl get nodes -o json` prints
    /// (repeatable)
    #[arg(long, value_name = "FILE|DIR|-")]
    pub snapshot: Vec<String>,
    #[command(flatten)]
    pub cluster: KubeContext,
    /// What is not known by then stays unknown
    #[arg(long, default_value = "2m", value_parser = parse_duration, value_name = "TIME")]
    pub timeout: Duration,
}

/// Judges each image, prints its line, and says by the exit code whether all of them pass.
pub async fn run(arguments: Arguments, config: Option<PathBuf>) -> Result<Exit> {
    let deadline = Instant::now() + arguments.timeout;
    let configuration = setup::configuration(config.as_deref())?;
    let images = arguments.all_images()?;
    let Target { view, secrets, .. } = arguments.target()?.view(&configuration, deadline).await?;
    let registries = Registries::open(&configuration, secrets, RunsFor::Person).await?;
    let gate = Gate {
        checker: registries.checker.clone(),
        nodes: view.nodes.without_taints(),
        rules: setup::rules(&configuration),
        deadline,
    };
    gate.check_platforms().await?;
    let judged = stream::iter(&images).map(|image| async {
        let verdict = gate.judge(image).await;
        (verdict.gate_line(image), verdict.portable())
    });
    let mut judged = std::pin::pin!(judged.buffered(IMAGES_AT_ONCE));
    let mut result = LevelResult::Pass;
    while let Some((line, own)) = judged.next().await {
        terminal::print(&format!("{line}\n"))?;
        result = LevelResult::all([result, own]);
    }
    registries.close().await;
    Ok(result.into())
}

impl Arguments {
    /// The images of the arguments and of the list, each once.
    fn all_images(&self) -> Result<Vec<String>> {
        let list = self.images_from.iter();
        let sources = self.snapshot.iter().chain(list);
        if sources.filter(|name| *name == files::STDIN).count() > 1 {
            bail!("standard input (-) can be read once only");
        }
        let listed = self.images_from.as_deref().map(listed_images).transpose()?;
        let images = self.images.iter().cloned();
        let mut images: Vec<String> = images.chain(listed.unwrap_or_default()).collect();
        let mut named = HashSet::new();
        images.retain(|image| named.insert(image.clone()));
        match images.is_empty() {
            true => bail!("no image: name one, or a list of them by --images-from"),
            false => Ok(images),
        }
    }

    /// Where the platforms come from.
    fn target(&self) -> Result<TargetArguments> {
        let is_known = self.platforms_from_cluster || !self.snapshot.is_empty();
        if !is_known && self.platform.is_empty() {
            bail!(
                "no platform: name them by --platform, or take those of the cluster by \
                 --platforms-from-cluster, or by --snapshot"
            );
        }
        Ok(TargetArguments {
            platform: self.platform.clone(),
            add_platform: Vec::new(),
            drop_platform: Vec::new(),
            snapshot: self.snapshot.clone(),
            cluster: self.cluster.clone(),
        })
    }
}

/// What an image is judged by.
struct Gate {
    checker: Checker,
    /// Without taints: the image is to run wherever some pod may go.
    nodes: Nodes,
    rules: Rules,
    deadline: Instant,
}

impl Gate {
    /// Refuses to judge by nothing.
    ///
    /// # Errors
    /// That no node counts.
    async fn check_platforms(&self) -> Result<()> {
        let anywhere = [PodTemplate::default()];
        let found = self
            .checker
            .candidates(&anywhere, &self.nodes, self.rules, self.deadline);
        if found.await.iter().any(|candidates| !candidates.is_empty()) {
            return Ok(());
        }
        match self.nodes.is_empty() {
            true => bail!("no platform: the cluster has no node, and no pool that could grow one"),
            false => bail!(
                "no platform: every node of the cluster is cordoned, which nodes.countCordoned \
                 makes count"
            ),
        }
    }

    /// The verdict on an image as a pod would name it that may go to every node.
    async fn judge(&self, image: &str) -> Verdict {
        let mut template = PodTemplate::default();
        template.add_image("image", image, Usage::Container, false);
        let deadline = self.deadline.min(Instant::now() + LONGEST_LOOK_UP);
        let (nodes, rules) = (&self.nodes, self.rules);
        self.checker.check(&template, nodes, rules, deadline).await
    }
}
