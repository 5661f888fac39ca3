//! Judges reviews: one request in, one answer out.

use std::sync::Arc;

use arc_swap::ArcSwap;
use axum::body::Bytes;
use tokio::time::Instant;
use tracing::Instrument;

use super::annotations::{annotate, staleness};
use super::answer::Answer;
use super::judging::{Judging, with_defaults};
use super::leniency::{self, Asker};
use super::metrics::Metrics;
use super::request::{Object, Request};
use super::review::{self, ReviewError};
use super::settings::Settings;
use super::{levels, log};
use crate::checker::{Checker, offload};
use crate::cluster::view::View;
use crate::domain::policy::{Action, Level, LevelResults};
use crate::domain::text::{LONGEST_NAME, shortened};
use crate::domain::verdict::LevelResult;
use crate::domain::workload::Workload;
use crate::wording;

/// A body of this many bytes is read in less time than it takes to go to another thread and
/// back.
pub(super) const SHORT_BODY_BYTES: usize = 64 * 1024;

/// Judges reviews.
#[derive(Clone)]
pub struct Reviewer {
    checker: Checker,
    pub(super) view: Arc<ArcSwap<View>>,
    pub(super) settings: Arc<ArcSwap<Settings>>,
    pub(super) metrics: Metrics,
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
    pub(super) async fn parse(
        &self,
        body: Bytes,
        deadline: Instant,
    ) -> Option<Result<Request, ReviewError>> {
        let settings = self.settings.load_full();
        if body.len() <= SHORT_BODY_BYTES {
            return Some(review::parse(&body, &settings.kinds));
        }
        offload(deadline, move || review::parse(&body, &settings.kinds)).await
    }

    /// The answer to one request, before the deadline.
    pub(super) async fn review(
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
    pub(super) fn count(&self, request: &Request, answer: &Answer) {
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
                namespace = name(&request.namespace),
                name = name(&request.name),
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
        if !request.is_judged() {
            return Answer::allowed();
        }
        let settings = self.settings.load();
        // One view for the whole review: candidates of the old and the new object agree.
        let view = self.view.load_full();
        let workload = match workload_of(request, object, &old) {
            Ok(workload) => with_defaults(workload, request, &view),
            Err(answer) => return answer,
        };
        let (levels, label_warnings) =
            levels::of_namespace(&view, &request.namespace, settings.levels);
        if levels.strictest() == Level::Off {
            return Answer::with_warnings(label_warnings);
        }
        let templates = &workload.templates;
        let verdicts = self
            .checker
            .check_all(templates, &view.nodes, settings.rules, deadline);
        let mut judging = Judging {
            checker: &self.checker,
            request,
            workload: &workload,
            verdicts: verdicts.await,
            view: &view,
            settings: &settings,
            levels,
            deadline,
        };
        let mut leniencies = judging.leniencies(&old).await;
        let mut action = judging.action(levels.enforce, &leniencies);
        if action == Action::Deny {
            judging.confirm().await;
            leniencies = judging.leniencies(&old).await;
            action = judging.action(levels.enforce, &leniencies);
        }
        let verdicts = &judging.verdicts;
        let results = LevelResults::of(verdicts);
        let staleness = staleness(verdicts);
        log::judged(verdicts);
        self.metrics
            .would_deny(judging.stricter_denials(&leniencies));
        self.metrics.undecided(&results.unknown);
        self.metrics.stale(&staleness);
        if results.at(levels.audit) == LevelResult::Fail {
            let asker = Asker::of(request, &settings);
            self.metrics.below_audit(levels.audit, asker);
        }
        let mut answer = match action {
            Action::Deny => judging.denial().await,
            Action::Warn => Answer::with_warnings(wording::warnings(verdicts, &label_warnings)),
            Action::Allow => Answer::with_warnings(wording::reminders(verdicts, label_warnings)),
        };
        annotate(&mut answer, &results, &levels, verdicts, action, &staleness);
        answer
    }
}

/// The workload that is judged, or the answer where there is none.
fn workload_of(request: &Request, object: Object, old: &Object) -> Result<Workload, Answer> {
    match object {
        Object::Absent => Err(Answer::malformed(
            "read AdmissionReview: request.object is missing",
        )),
        Object::OtherKind => Err(Answer::warned(&format!(
            "{} is not configured, so its images were not checked",
            request.kind.kind
        ))),
        // Whoever could write it so before may take a finalizer from it.
        Object::Unreadable(error) if request.is_update() && old.is_unreadable() => {
            Err(Answer::unreadable(&error.to_string()))
        }
        Object::Unreadable(error) => Err(Answer::malformed(&error.to_string())),
        Object::Workload(workload) if leniency::is_mirror_pod(request, &workload) => {
            Err(Answer::allowed())
        }
        Object::Workload(workload) => Ok(workload),
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use futures::FutureExt;
    use futures::future::BoxFuture;
    use prometheus_client::registry::Registry;

    use super::*;
    use crate::checker::{ImageInspector, with_no_other_thread};
    use crate::domain::access::Access;
    use crate::domain::inspection::Lookup;
    use crate::domain::reference::ImageReference;
    use crate::domain::unknown::Unknown;

    struct Silent;

    impl ImageInspector for Silent {
        fn inspect<'a>(
            &'a self,
            _image: &'a ImageReference,
            _access: &'a Access,
        ) -> BoxFuture<'a, Result<Lookup, Unknown>> {
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
            let short = reviewer.parse(body(SHORT_BODY_BYTES), later).now_or_never();
            assert!(short.flatten().is_some());
            let long = reviewer.parse(body(SHORT_BODY_BYTES + 1), later);
            assert!(long.now_or_never().is_none());
            let late = reviewer.parse(body(SHORT_BODY_BYTES + 1), Instant::now());
            let soon = Instant::now() + Duration::from_secs(5);
            let read = tokio::time::timeout_at(soon, late).await;
            assert!(read.unwrap().is_none());
        });
    }
}
