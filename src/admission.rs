//! The webhook: a review in, an answer out.
//!
//! A review reads the cluster from a view in memory and images through the checker. It
//! never calls the API server: that call would wait for the one that waits for us.

mod annotations;
mod answer;
mod body;
#[cfg(any(test, fuzzing))]
pub(crate) mod fuzzing;
mod judging;
mod leniency;
mod levels;
mod log;

mod metrics;
mod ratchet;
mod remedies;
mod review;
mod room;
mod server;
mod turned_away;
mod waiting;

use std::sync::Arc;

use arc_swap::ArcSwap;
use axum::body::Bytes;
use futures::future::join_all;
use tokio::time::Instant;
use tracing::Instrument;

pub use self::answer::Answer;
pub use self::metrics::Metrics;
pub use self::server::{Limits, router};

use self::annotations::{annotate, staleness};
use self::judging::{Judging, is_update};
use self::leniency::Asker;
use self::remedies::Remedies;
use self::review::{Object, Request, ReviewError};
use crate::checker::{Checker, RestsOn, Rules, offload};
use crate::cluster::view::{ServiceAccounts, View};
use crate::domain::access::{Access, Tenant};
use crate::domain::policy::{
    Action, ForeignImages, Level, LevelResults, Levels, OnUnknown, OwnedPods,
};
use crate::domain::text::{LONGEST_NAME, shortened};
use crate::domain::verdict::{LevelResult, Verdict};
use crate::domain::workload::Workload;
use crate::objects::kinds::KindRule;
use crate::wording;

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
    /// Images that nobody here builds.
    pub foreign_images: ForeignImages,
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
    async fn review(
        &self,
        request: &Request,
        object: Object,
        old: Object,
        deadline: Instant,
    ) -> Answer {
        let span = tracing::debug_span!(
            "review",
            uid = request.uid,
            operation = request.operation,
            kind = request.kind.kind,
            namespace = request.namespace,
            name = request.name,
        );
        async {
            let answer = self.judge(request, object, old, deadline).await;
            tracing::debug!(decision = answer.action().name(), "decided");
            self.count(request, &answer);
            answer
        }
        .instrument(span)
        .await
    }

    /// Counts an answer, and logs a denial.
    fn count(&self, request: &Request, answer: &Answer) {
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
                text = answer.message().unwrap_or_default(),
                "denied"
            );
        }
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
            // Whoever could write it so before may take a finalizer from it.
            Object::Unreadable(error) if is_update(request) && old.is_unreadable() => {
                return Answer::unreadable(&error.to_string());
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
        let rules = settings.rules;
        let mut verdicts = self
            .checker
            .check_all(&workload.templates, &view.nodes, rules, deadline)
            .await;
        let mut is_confirmed = false;
        let (results, action) = loop {
            let results = LevelResults::of(&verdicts);
            let review = Judging {
                request,
                workload: &workload,
                verdicts: &verdicts,
                view: &view,
                settings: &settings,
                levels,
                deadline,
            };
            let leniencies = review.leniencies(&self.checker, &old).await;
            let action = review.action(levels.enforce, &leniencies);
            if action != Action::Deny || is_confirmed {
                self.metrics
                    .would_deny(review.stricter_denials(&leniencies));
                break (results, action);
            }
            // Once, by what the registries say now.
            is_confirmed = true;
            let rests_on = match results.at(levels.enforce) {
                LevelResult::Fail => RestsOn::Gaps,
                LevelResult::Pass | LevelResult::Undecided => RestsOn::Unknowns,
            };
            verdicts = self
                .confirmed(&workload, verdicts, rests_on, rules, deadline)
                .await;
        };
        log::judged(&verdicts);
        let staleness = staleness(&verdicts);
        self.metrics.undecided(&results.unknown);
        if results.at(levels.audit) == LevelResult::Fail {
            let asker = Asker::of(request, &settings);
            self.metrics.below_audit(levels.audit, asker);
        }
        self.metrics.stale(&staleness);
        let mut answer = match action {
            Action::Deny => {
                let remedies = Remedies {
                    workload: &workload,
                    verdicts: &verdicts,
                    namespace,
                    view: &view,
                    settings: &settings,
                };
                remedies.denial(&self.checker, deadline).await
            }
            Action::Warn => Answer {
                warnings: wording::warnings(&verdicts, &label_warnings),
                ..Answer::allowed()
            },
            Action::Allow => Answer {
                warnings: wording::reminders(&verdicts, label_warnings),
                ..Answer::allowed()
            },
        };
        annotate(
            &mut answer,
            &results,
            &levels,
            &verdicts,
            action,
            &staleness,
        );
        answer
    }

    /// The verdicts with what a denial rests on as the registries say now.
    async fn confirmed(
        &self,
        workload: &Workload,
        verdicts: Vec<Verdict>,
        rests_on: RestsOn,
        rules: Rules,
        deadline: Instant,
    ) -> Vec<Verdict> {
        let templates = workload.templates.iter().zip(verdicts);
        let confirmed = templates.map(|(template, verdict)| {
            self.checker
                .confirm(template, verdict, rests_on, rules, deadline)
        });
        join_all(confirmed).await
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
    // A pod carries all of it already.
    let is_pod = workload.is_pod();
    let service_accounts = if is_pod {
        ServiceAccounts::Applied
    } else {
        ServiceAccounts::ToApply
    };
    let tenant = Tenant::Namespace(namespace.into());
    for template in &mut workload.templates {
        if !is_pod {
            let class = template.placement.runtime_class.as_deref();
            let defaults = view.placement_defaults(namespace, class);
            template.placement.add_defaults(&defaults);
        }
        template.access = Access {
            tenant: tenant.clone(),
            secrets: view.pull_secrets(namespace, template, service_accounts),
        };
    }
    workload
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use futures::FutureExt;
    use futures::future::BoxFuture;
    use prometheus_client::registry::Registry;

    use super::*;
    use crate::checker::{ImageInspector, with_no_other_thread};
    use crate::domain::inspection::Found;
    use crate::domain::reference::ImageReference;
    use crate::domain::unknown::Unknown;

    struct Silent;

    impl ImageInspector for Silent {
        fn inspect<'a>(
            &'a self,
            _image: &'a ImageReference,
            _access: &'a Access,
        ) -> BoxFuture<'a, Result<Found, Unknown>> {
            std::future::pending().boxed()
        }
    }

    #[test]
    fn a_long_body_is_read_by_another_thread_and_within_the_deadline() {
        let reviewer = Reviewer::new(
            Checker::new(Arc::new(Silent)),
            Arc::default(),
            Arc::default(),
            Metrics::register(&mut Registry::default()),
        );
        let body = |length: usize| Bytes::from(vec![b' '; length]);
        with_no_other_thread(async {
            let later = Instant::now() + Duration::from_secs(600);
            let short = reviewer.parse(body(SHORT_BODY), later).now_or_never();
            assert!(short.flatten().is_some());
            let long = reviewer.parse(body(SHORT_BODY + 1), later);
            assert!(long.now_or_never().is_none());
            let late = reviewer.parse(body(SHORT_BODY + 1), Instant::now());
            let soon = Instant::now() + Duration::from_secs(5);
            let read = tokio::time::timeout_at(soon, late).await;
            assert!(read.unwrap().is_none());
        });
    }
}
