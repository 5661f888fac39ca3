//! What the status of a pod proves of its images.
//!
//! Only what admits no other reading counts: a program that has run for a while or ended well,
//! and words of kubelet and runtime that stand for one cause. A pod that waits, a pull that
//! fails for another reason, and a container that ends at once with some exit code prove
//! nothing.

use jiff::{SignedDuration, Timestamp};
use serde::Deserialize;
use serde_json::Value;

use super::json::{Input, Nested, ObjectError, Text, each_object};
use super::kinds::{self, KindRef};
use crate::domain::observation::{Observation, ObservedContainer};
use crate::domain::text::{LONGEST_NAME, shortened};
use crate::domain::workload::Workload;

/// How long a program runs at least that the node can execute: one that it cannot counts as
/// running for a moment, too.
const SETTLED: SignedDuration = SignedDuration::from_secs(10);

/// How many containers of a pod are looked at.
const MOST_CONTAINERS: usize = 256;

/// What runtimes say of an index without a match. What containerd says where it took an entry
/// that was not fetched, `content digest sha256:…: not found`, it also says of content that got
/// lost, so it proves nothing.
/// Sources: containerd `core/images/handlers.go`; containers/image
/// `internal/manifest/oci_index.go` and `docker_schema2_list.go`; Moby
/// `distribution/pull_v2.go`; containerd's transfer service, containerd#9980.
const NO_MATCH: [&str; 5] = [
    "no match for platform in manifest",
    "no image found in image index for architecture",
    "no image found in manifest list for architecture",
    "no matching manifest for ",
    "no unpack platforms defined",
];

/// ENOEXEC in the words of the operating system. runc writes them in lower case, crun as
/// `strerror` has them.
const EXEC_FORMAT_ERROR: &str = "exec format error";

/// Why a container ended that never began: the message is the runtime's.
/// Sources: containerd `internal/cri/server/container_start.go`; dockershim
/// `docker_container.go`
const NOT_STARTED: [&str; 2] = ["StartError", "ContainerCannotRun"];

/// A pod that a node has.
#[derive(Clone, Debug)]
pub struct ObservedPod {
    /// Its images, and where it may go.
    pub workload: Workload,
    /// The node.
    pub node: String,
    /// Its containers that have a status, of every sort.
    pub containers: Vec<ObservedContainer>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, bound(deserialize = "'de: 'a"))]
struct PodObject<'a> {
    spec: Nested<PodPlace<'a>>,
    status: Nested<PodStatus<'a>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase", bound(deserialize = "'de: 'a"))]
struct PodPlace<'a> {
    node_name: Text<'a>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase", bound(deserialize = "'de: 'a"))]
struct PodStatus<'a> {
    #[serde(deserialize_with = "statuses")]
    container_statuses: Vec<ContainerStatus<'a>>,
    #[serde(deserialize_with = "statuses")]
    init_container_statuses: Vec<ContainerStatus<'a>>,
    #[serde(deserialize_with = "statuses")]
    ephemeral_container_statuses: Vec<ContainerStatus<'a>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase", bound(deserialize = "'de: 'a"))]
struct ContainerStatus<'a> {
    name: Text<'a>,
    #[serde(rename = "imageID")]
    image_id: Text<'a>,
    state: Nested<ContainerState<'a>>,
    last_state: Nested<ContainerState<'a>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, bound(deserialize = "'de: 'a"))]
struct ContainerState<'a> {
    waiting: Nested<WaitingState<'a>>,
    running: Nested<RunningState<'a>>,
    terminated: Nested<TerminatedState<'a>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, bound(deserialize = "'de: 'a"))]
struct WaitingState<'a> {
    reason: Text<'a>,
    message: Text<'a>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase", bound(deserialize = "'de: 'a"))]
struct RunningState<'a> {
    started_at: Text<'a>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase", bound(deserialize = "'de: 'a"))]
struct TerminatedState<'a> {
    /// None where the state is not this one.
    exit_code: Option<i64>,
    reason: Text<'a>,
    message: Text<'a>,
    started_at: Text<'a>,
    finished_at: Text<'a>,
}

/// The first containers of a list.
fn statuses<'de, D: serde::Deserializer<'de>>(
    deserializer: D,
) -> Result<Vec<ContainerStatus<'de>>, D::Error> {
    let mut kept = Vec::new();
    each_object(deserializer, |status| {
        if kept.len() < MOST_CONTAINERS {
            kept.push(status);
        }
    })?;
    Ok(kept)
}

impl ObservedPod {
    /// Reads a pod from its bytes, as of this time; none while no node has it.
    ///
    /// # Errors
    /// Not JSON, or a field of a wrong type.
    pub fn from_json(raw: &[u8], now: Timestamp) -> Result<Option<Self>, ObjectError> {
        let workload = kinds::from_json(&KindRef::from_object("v1", "Pod"), raw, &[])?;
        Self::of(workload, Input::Bytes(raw), now)
    }

    /// Reads a pod from a tree; none where the object is no pod, and while no node has it.
    ///
    /// # Errors
    /// A field of a wrong type.
    pub fn read(value: &Value, now: Timestamp) -> Result<Option<Self>, ObjectError> {
        let is_pod = value["apiVersion"] == "v1" && value["kind"] == "Pod";
        match is_pod {
            true => Self::of(kinds::read(value, &[])?, Input::Tree(value), now),
            false => Ok(None),
        }
    }

    fn of(
        workload: Option<Workload>,
        input: Input<'_>,
        now: Timestamp,
    ) -> Result<Option<Self>, ObjectError> {
        let Some(workload) = workload else {
            return Ok(None);
        };
        let PodObject { spec, status } = input.object("Pod")?;
        let status = &status.0;
        let containers = [
            &status.container_statuses,
            &status.init_container_statuses,
            &status.ephemeral_container_statuses,
        ];
        let containers = containers.into_iter().flatten();
        let containers = containers.map(|status| status.observed(now)).collect();
        let node = spec.node_name.non_empty();
        Ok(node.map(|node| Self {
            workload,
            node,
            containers,
        }))
    }
}

impl ContainerStatus<'_> {
    fn observed(&self, now: Timestamp) -> ObservedContainer {
        // `docker-pullable://repository@sha256:…`, or without the scheme; what was loaded onto
        // the node has no repository.
        let digest = self.image_id.rsplit_once('@');
        let digest = digest.and_then(|(_, digest)| digest.parse().ok());
        let states = [&self.state.0, &self.last_state.0];
        let mut observations = states
            .into_iter()
            .filter_map(|state| state.observation(now));
        ObservedContainer {
            name: shortened(&self.name, LONGEST_NAME).into_owned(),
            observation: observations.next(),
            digest,
        }
    }
}

impl ContainerState<'_> {
    fn observation(&self, now: Timestamp) -> Option<Observation> {
        let Self {
            waiting,
            running,
            terminated,
        } = self;
        if let Some(observation) = waiting.observation() {
            return Some(observation);
        }
        if lasted(&running.started_at, Some(now)) {
            return Some(Observation::Ran);
        }
        terminated.observation()
    }
}

impl WaitingState<'_> {
    /// Source: `pkg/kubelet/images/types.go` and `pkg/kubelet/kuberuntime/kuberuntime_container.go`
    /// of <https://github.com/kubernetes/kubernetes>
    fn observation(&self) -> Option<Observation> {
        match &*self.reason {
            "InvalidImageName" => Some(Observation::InvalidImageName),
            "ErrImagePull" | "ImagePullBackOff" => {
                let is_no_match = NO_MATCH.iter().any(|words| self.message.contains(words));
                is_no_match.then_some(Observation::NoMatch)
            }
            "RunContainerError" | "CreateContainerError" | "StartError" => {
                says_exec_format(&self.message).then_some(Observation::ExecFormatError)
            }
            _ => None,
        }
    }
}

impl TerminatedState<'_> {
    fn observation(&self) -> Option<Observation> {
        let exit_code = self.exit_code?;
        let is_refused = match NOT_STARTED.contains(&&*self.reason) {
            true => says_exec_format(&self.message),
            false => is_exec_format_alone(&self.message),
        };
        if is_refused {
            return Some(Observation::ExecFormatError);
        }
        let ended = self.finished_at.parse().ok();
        let has_run = exit_code == 0 || lasted(&self.started_at, ended);
        has_run.then_some(Observation::Ran)
    }
}

fn says_exec_format(message: &str) -> bool {
    message.to_ascii_lowercase().contains(EXEC_FORMAT_ERROR)
}

/// Whether a message that may be the container's own log is what the runtime writes there in
/// place of the program, and nothing else: what a script says of a program that it starts is
/// none of ours.
fn is_exec_format_alone(message: &str) -> bool {
    let line = message.trim().trim_end_matches('"').to_ascii_lowercase();
    let is_runtimes = line.starts_with("exec ") || line.starts_with("standard_init_linux.go:");
    is_runtimes && line.ends_with(EXEC_FORMAT_ERROR) && !line.contains('\n')
}

/// Whether so much time has passed that a program must have run.
fn lasted(start: &str, end: Option<Timestamp>) -> bool {
    let start = start.parse::<Timestamp>().ok();
    let time = start.zip(end).map(|(start, end)| end.duration_since(start));
    time.is_some_and(|time| time >= SETTLED)
}

#[cfg(test)]
mod tests;
