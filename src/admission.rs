//! The webhook: a review in, an answer out.
//!
//! A review reads the cluster from a view in memory and images through the checker. It
//! never calls the API server: that call would wait for the one that waits for us.

mod annotations;
mod answer;
#[cfg(any(test, fuzzing))]
pub(crate) mod fuzzing;
mod leniency;
mod levels;
mod message;
mod metrics;
mod ratchet;
mod review;
mod server;

use std::sync::Arc;

use arc_swap::ArcSwap;
use axum::body::Bytes;
use tokio::time::Instant;

pub use self::answer::Answer;
pub use self::metrics::Metrics;
pub use self::server::router;

use self::annotations::{annotate, outdated_reasons};
use self::review::{Object, Request, ReviewError};
use crate::checker::{Checker, Rules, offload};
use crate::cluster::view::{ServiceAccounts, View};
use crate::domain::access::{Access, Tenant};
use crate::domain::policy::{
    Action, Findings, Leniency, Level, Levels, OnUnknown, OwnedPods, decide,
};
use crate::domain::text::{LONGEST_NAME, shortened};
use crate::domain::verdict::Verdict;
use crate::domain::workload::Workload;
use crate::objects::kinds::KindRule;

/// What the operator wants of the webhook; replaced whole when the configuration changes.
#[derive(Clone, Debug, Default)]
pub struct Settings {
    /// The cluster's levels; namespaces may have their own.
    pub levels: Levels,
    /// What an undecided level does.
    pub on_unknown: OnUnknown,
    /// How strictly a controller's own objects are judged.
    pub owned_pods: OwnedPods,
    /// Further user names that count as workload controllers.
    pub controllers: Vec<String>,
    /// How candidates and entries are judged.
    pub rules: Rules,
    /// Further kinds that hold pod templates.
    pub kinds: Vec<KindRule>,
}

/// A body of this many bytes is read in less time than it takes to go to another thread and
/// back.
const SHORT_BODY: usize = 64 * 1024;

/// Judges reviews.
#[derive(Clone)]
pub struct Reviewer {
    checker: Checker,
    view: Arc<ArcSwap<View>>,
    settings: Arc<ArcSwap<Settings>>,
    metrics: Metrics,
}

impl Reviewer {
    /// A reviewer that reads the cluster from `view` and follows `settings`.
    pub fn new(
        checker: Checker,
        view: Arc<ArcSwap<View>>,
        settings: Arc<ArcSwap<Settings>>,
        metrics: Metrics,
    ) -> Self {
        Self {
            checker,
            view,
            settings,
            metrics,
        }
    }

    /// Reads a body, a long one off the threads that answer others. None when the deadline
    /// came first.
    async fn parse(&self, body: Bytes, deadline: Instant) -> Option<Result<Request, ReviewError>> {
        let settings = self.settings.load_full();
        if body.len() <= SHORT_BODY {
            return Some(review::parse(&body, &settings.kinds));
        }
        offload(deadline, move || review::parse(&body, &settings.kinds)).await
    }

    /// The answer to one request, before the deadline.
    async fn review(&self, mut request: Request, deadline: Instant) -> Answer {
        let (object, old) = (
            std::mem::take(&mut request.object),
            std::mem::take(&mut request.old_object),
        );
        let answer = self.judge(&request, object, old, deadline).await;
        let decision = answer.action().name();
        self.metrics
            .answered(&request.kind.kind, &request.operation, decision);
        if answer.action() == Action::Deny {
            // Who calls without the API server may write what they like here.
            let name = |text: &str| shortened(text, LONGEST_NAME).into_owned();
            tracing::info!(
                uid = name(&request.uid),
                operation = %request.operation,
                kind = name(&request.kind.kind),
                namespace = name(request.namespace.as_deref().unwrap_or_default()),
                name = name(request.name.as_deref().unwrap_or_default()),
                message = answer.message().unwrap_or_default(),
                "denied"
            );
        }
        answer
    }

    async fn judge(
        &self,
        request: &Request,
        object: Object,
        old: Object,
        deadline: Instant,
    ) -> Answer {
        if !is_judged(request) {
            return Answer::allowed();
        }
        let settings = self.settings.load();
        // One view for the whole review: candidates of the old and the new object agree.
        let view = self.view.load_full();
        let namespace = request.namespace.as_deref().unwrap_or_default();
        let workload = match object {
            Object::Absent => {
                return Answer::malformed("read AdmissionReview: request.object is missing");
            }
            Object::OtherKind => {
                return Answer::warned(&format!(
                    "{} is not configured, so its images were not checked",
                    request.kind.kind
                ));
            }
            Object::Unreadable(error) => return Answer::malformed(&error.to_string()),
            Object::Workload(workload) if leniency::is_mirror_pod(request, &workload) => {
                return Answer::allowed();
            }
            Object::Workload(workload) => with_defaults(workload, request, &view),
        };
        let (levels, label_warnings) = levels::of_namespace(&view, namespace, settings.levels);
        if levels.strictest() == Level::Off {
            return Answer {
                warnings: label_warnings,
                ..Answer::allowed()
            };
        }
        let verdicts = self
            .verdicts(&workload, &view, settings.rules, deadline)
            .await;
        let findings = Findings::of(&verdicts);
        let mut leniency = leniency::of_request(request, &workload, &settings);
        let mut action = decide(&findings, &levels, settings.on_unknown, leniency);
        if action == Action::Deny && request.operation == "UPDATE" {
            // Only a denial depends on what the object was before.
            if let Object::Workload(old) = old {
                let old = with_defaults(old, request, &view);
                leniency = self
                    .leniency_of_update(&workload, &verdicts, &old, &view, settings.rules, deadline)
                    .await;
                action = decide(&findings, &levels, settings.on_unknown, leniency);
            }
        }
        let outdated = outdated_reasons(&verdicts);
        self.metrics.undecided(&findings.unknown);
        self.metrics.stale(&outdated);
        let mut answer = match action {
            Action::Deny => Answer::denied(
                message::denial(&verdicts, &view.nodes),
                message::causes(&verdicts),
            ),
            Action::Warn => Answer {
                warnings: message::warnings(&verdicts, &label_warnings),
                ..Answer::allowed()
            },
            Action::Allow => Answer {
                warnings: message::reminders(&verdicts, label_warnings),
                ..Answer::allowed()
            },
        };
        annotate(
            &mut answer,
            &findings,
            &levels,
            &verdicts,
            action,
            &outdated,
        );
        answer
    }

    async fn verdicts(
        &self,
        workload: &Workload,
        view: &View,
        rules: Rules,
        deadline: Instant,
    ) -> Vec<Verdict> {
        let mut verdicts = Vec::with_capacity(workload.templates.len());
        for template in &workload.templates {
            let verdict = self.checker.check(template, &view.nodes, rules, deadline);
            verdicts.push(verdict.await);
        }
        verdicts
    }

    async fn leniency_of_update(
        &self,
        workload: &Workload,
        verdicts: &[Verdict],
        old: &Workload,
        view: &View,
        rules: Rules,
        deadline: Instant,
    ) -> Leniency {
        // A gated pod was never denied, so it has had no gaps yet.
        if old
            .templates
            .iter()
            .any(|template| template.placement.gated)
        {
            return Leniency::None;
        }
        if ratchet::is_unchanged(workload, old) {
            return Leniency::Unchanged;
        }
        let old_verdicts = self.verdicts(old, view, rules, deadline).await;
        if ratchet::brings_gaps(verdicts, &old_verdicts) {
            Leniency::None
        } else {
            Leniency::NoNewGaps
        }
    }
}

/// Creations and updates of whole objects, and of a pod's ephemeral containers. Scaling,
/// resizing, status and binding name no images.
fn is_judged(request: &Request) -> bool {
    let operation = matches!(request.operation.as_str(), "CREATE" | "UPDATE");
    let sub_resource = matches!(
        request.sub_resource.as_deref(),
        None | Some("" | "ephemeralcontainers")
    );
    operation && sub_resource
}

/// The workload with what admission adds to its pods later.
fn with_defaults(mut workload: Workload, request: &Request, view: &View) -> Workload {
    let namespace = request.namespace.as_deref().unwrap_or_default();
    let service_accounts = if request.kind.group.is_empty() && request.kind.kind == "Pod" {
        ServiceAccounts::Applied
    } else {
        ServiceAccounts::ToApply
    };
    let tenant = Tenant::Namespace(namespace.into());
    for template in &mut workload.templates {
        let class = template.placement.runtime_class.as_deref();
        let defaults = view.placement_defaults(namespace, class);
        template.placement.add_defaults(&defaults);
        template.access = Access {
            tenant: tenant.clone(),
            secrets: view.pull_secrets(namespace, template, service_accounts),
        };
    }
    workload
}
