//! The webhook: a review in, an answer out.
//!
//! A review reads the cluster from a view in memory and images through the checker. It
//! never calls the API server: that call would wait for the one that waits for us.

mod answer;
#[cfg(any(test, fuzzing))]
pub(crate) mod fuzzing;
mod message;
mod metrics;
mod ratchet;
mod review;
mod server;

use std::sync::Arc;

use arc_swap::ArcSwap;
use tokio::time::Instant;

pub use self::answer::Answer;
pub use self::metrics::Metrics;
pub use self::server::router;

use self::review::{NODE_USER_PREFIX, Object, Request};
use crate::checker::{Checker, Rules};
use crate::cluster::view::{ServiceAccounts, View};
use crate::domain::policy::{
    Action, Findings, Leniency, Level, Levels, OnUnknown, OwnedPods, decide,
};
use crate::domain::unknown::Reason;
use crate::domain::verdict::Verdict;
use crate::domain::workload::Workload;
use crate::objects::kinds::{self, KindRule};

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

/// Judges reviews.
#[derive(Clone)]
pub struct Reviewer {
    checker: Checker,
    view: Arc<ArcSwap<View>>,
    settings: Arc<ArcSwap<Settings>>,
    metrics: Metrics,
}

/// Controllers of Kubernetes that create pods, and objects that create pods, from
/// templates which were judged before.
/// Source: <https://github.com/kubernetes/kubernetes/blob/master/plugin/pkg/auth/authorizer/rbac/bootstrappolicy/controller_policy.go>
const CONTROLLERS: [&str; 8] = [
    "system:serviceaccount:kube-system:cronjob-controller",
    "system:serviceaccount:kube-system:daemon-set-controller",
    "system:serviceaccount:kube-system:deployment-controller",
    "system:serviceaccount:kube-system:job-controller",
    "system:serviceaccount:kube-system:replicaset-controller",
    "system:serviceaccount:kube-system:replication-controller",
    "system:serviceaccount:kube-system:statefulset-controller",
    "system:kube-controller-manager",
];

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

    /// The answer to one request, before the deadline.
    async fn review(&self, request: &mut Request<'_>, deadline: Instant) -> Answer {
        let object = std::mem::take(&mut request.object);
        let answer = self.judge(request, object, deadline).await;
        let decision = answer.action().name();
        self.metrics
            .answered(&request.kind.kind, &request.operation, decision);
        if answer.action() == Action::Deny {
            tracing::info!(
                uid = %request.uid,
                operation = %request.operation,
                kind = %request.kind.kind,
                namespace = request.namespace.as_deref().unwrap_or_default(),
                name = request.name.as_deref().unwrap_or_default(),
                message = answer.message().unwrap_or_default(),
                "denied"
            );
        }
        answer
    }

    async fn judge(&self, request: &Request<'_>, object: Object<'_>, deadline: Instant) -> Answer {
        if !is_judged(request) {
            return Answer::allowed();
        }
        let settings = self.settings.load();
        // One view for the whole review: candidates of the old and the new object agree.
        let view = self.view.load_full();
        let read =
            |bytes: &str| kinds::from_json(&request.kind(), bytes.as_bytes(), &settings.kinds);
        let workload = match object {
            Object::Absent => {
                return Answer::malformed("read AdmissionReview: request.object is missing");
            }
            Object::Workload(workload) => Ok(Some(workload)),
            Object::Bytes(bytes) => match read(bytes.get()) {
                Ok(Some(workload)) if is_mirror_pod(request, bytes.get(), &workload) => {
                    return Answer::allowed();
                }
                read => read,
            },
        };
        let namespace = request.namespace.as_deref().unwrap_or_default();
        let workload = match workload {
            Ok(Some(workload)) => with_defaults(workload, request, &view),
            Ok(None) => {
                return Answer::warned(&format!(
                    "{} is not configured, so its images were not checked",
                    request.kind.kind
                ));
            }
            Err(error) => return Answer::malformed(&error.to_string()),
        };
        let (levels, label_warnings) = levels(&view, namespace, settings.levels);
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
        let mut leniency = self.leniency_of_request(request, &workload, &settings);
        let mut action = decide(&findings, &levels, settings.on_unknown, leniency);
        if action == Action::Deny && request.operation == "UPDATE" {
            // Only a denial depends on what the object was before.
            let old = request
                .old_object
                .and_then(|old| read(old.get()).ok().flatten());
            if let Some(old) = old.map(|old| with_defaults(old, request, &view)) {
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
        annotate(&mut answer, &findings, &levels, &verdicts, action);
        if !outdated.is_empty() {
            answer.annotations.insert("stale", names(&outdated).into());
        }
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

    fn leniency_of_request(
        &self,
        request: &Request<'_>,
        workload: &Workload,
        settings: &Settings,
    ) -> Leniency {
        // Who asks decides, not the ownerReferences: those are the user's to write.
        let user = request.user_info.username.as_ref();
        let is_controller = CONTROLLERS.contains(&user)
            || settings
                .controllers
                .iter()
                .any(|controller| controller == user);
        let gated = workload
            .templates
            .iter()
            .any(|template| template.placement.gated);
        if gated || (is_controller && settings.owned_pods == OwnedPods::Warn) {
            Leniency::WarnOnly
        } else {
            Leniency::None
        }
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
fn is_judged(request: &Request<'_>) -> bool {
    let operation = matches!(request.operation.as_ref(), "CREATE" | "UPDATE");
    let sub_resource = matches!(
        request.sub_resource.as_deref(),
        None | Some("" | "ephemeralcontainers")
    );
    operation && sub_resource
}

/// The workload with what admission adds to its pods later.
fn with_defaults(mut workload: Workload, request: &Request<'_>, view: &View) -> Workload {
    let namespace = request.namespace.as_deref().unwrap_or_default();
    let service_accounts = if request.kind.group.is_empty() && request.kind.kind == "Pod" {
        ServiceAccounts::Applied
    } else {
        ServiceAccounts::ToApply
    };
    for template in &mut workload.templates {
        let class = template.placement.runtime_class.as_deref();
        let defaults = view.placement_defaults(namespace, class);
        template.placement.add_defaults(&defaults);
        template.access = view.access(namespace, template, service_accounts);
    }
    workload
}

/// A pod that a kubelet made of a file on its own node. Denying it would only hide it.
fn is_mirror_pod(request: &Request<'_>, object: &str, workload: &Workload) -> bool {
    let Some(node) = request.user_info.username.strip_prefix(NODE_USER_PREFIX) else {
        return false;
    };
    let placed_there = workload
        .templates
        .iter()
        .all(|template| template.placement.node_name.as_deref() == Some(node));
    request.kind.kind == "Pod" && placed_there && kinds::is_mirror_pod(object.as_bytes())
}

/// The levels of a namespace. A label that is no level counts as absent, and says so.
fn levels(view: &View, namespace: &str, defaults: Levels) -> (Levels, Vec<String>) {
    let mut levels = defaults;
    let mut warnings = Vec::new();
    let Some(labels) = view.namespace(namespace) else {
        return (levels, warnings);
    };
    let modes = [
        ("enforce", &labels.enforce, &mut levels.enforce),
        ("warn", &labels.warn, &mut levels.warn),
        ("audit", &labels.audit, &mut levels.audit),
    ];
    for (mode, label, level) in modes {
        match label.as_deref().map(str::parse) {
            None => {}
            Some(Ok(stated)) => *level = stated,
            Some(Err(error)) => warnings.push(format!(
                "label archmatch.io/{mode} of namespace {namespace}: {error}; the default {level} counts"
            )),
        }
    }
    (levels, warnings)
}

fn annotate(
    answer: &mut Answer,
    findings: &Findings,
    levels: &Levels,
    verdicts: &[Verdict],
    action: Action,
) {
    let strictest = findings.at(levels.strictest());
    answer
        .annotations
        .insert("verdict", strictest.name().into());
    answer.annotations.insert("mode", action.name().into());
    let missing = message::missing_platforms(verdicts);
    if !missing.is_empty() {
        answer
            .annotations
            .insert("missing", missing.join(",").into());
    }
    if !findings.unknown.is_empty() {
        answer
            .annotations
            .insert("undecided", names(&findings.unknown).into());
    }
}

/// Why registries could not be asked again, where answers are old; each reason once.
fn outdated_reasons(verdicts: &[Verdict]) -> Vec<Reason> {
    let mut reasons: Vec<Reason> = verdicts
        .iter()
        .flat_map(Verdict::outdated_reasons)
        .collect();
    reasons.sort();
    reasons.dedup();
    reasons
}

fn names(reasons: &[Reason]) -> String {
    let names: Vec<&str> = reasons.iter().map(|reason| reason.name()).collect();
    names.join(",")
}
