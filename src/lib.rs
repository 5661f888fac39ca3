//! archmatch: does every image of a workload fit the nodes it may run on?
//!
//! The modules, from the pure core to the rim (ARCHITECTURE.md has the rules):
//!
//! - [`domain`]: platforms, nodes, workloads, verdicts. Plain functions over plain values.
//! - [`go`]: what is read by the rules of Go.
//! - [`process`]: the process itself: certificates, readiness, shutdown, telemetry.
//! - [`objects`]: Kubernetes objects as they arrive, into domain values.
//! - [`wording`]: the sentences that are made of domain values.
//! - [`findings`]: what is worth saying of workloads, and the rules it follows.
//! - [`report`]: the report model and its renderers.
//! - [`checker`]: the one use case, and the trait it asks images through.
//! - [`work`]: work that several wait for.
//! - [`suggest`]: other tags, and whether a missing platform is on its way.
//! - [`credentials`]: what a look-up may show to registries.
//! - [`registry`]: adapter to OCI registries.
//! - [`cluster`]: adapter to the Kubernetes API, and the same view from a snapshot.
//! - [`files`]: adapter to Kubernetes objects in files.
//! - [`edit`]: images in texts of objects, changed where they stand.
//! - [`config`]: the configuration file, read into the settings of the parts above.
//! - [`admission`]: the webhook.
//! - [`audit`]: the audit of what runs already.
//! - [`cli`]: arguments, and the only place that knows all parts.

pub mod admission;
pub mod audit;
pub mod checker;
pub mod cli;
pub mod cluster;
pub mod config;
pub mod credentials;
pub mod domain;
pub mod edit;
pub mod files;
pub mod findings;
#[cfg(any(test, fuzzing))]
pub mod fuzzing;
pub mod go;
pub mod objects;
pub mod process;
pub mod registry;
#[cfg(test)]
mod rendered;
pub mod report;
pub mod suggest;
pub mod wording;
mod work;
