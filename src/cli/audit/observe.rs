//! `archmatch audit --observe`: what is said beside what became of pods.

use std::cell::RefCell;

use futures::future::ready;
use futures::stream::{self, LocalBoxStream, Stream, StreamExt};
use jiff::Timestamp;
use tokio::time::Instant;

use super::{Found, SelectionArguments};
use crate::audit::Observer;
use crate::cli::origin::WorkloadOrigin;
use crate::cli::subjects::labels;
use crate::cluster::inventory::Listed;
use crate::files::{FileError, FileObject};
use crate::objects::observed::ObservedPod;
use crate::report::{Observed, Unread};

impl SelectionArguments {
    /// The pods of a cluster that nodes have, wherever they are.
    pub(super) fn observed_pods<'a>(
        &self,
        origin: &WorkloadOrigin,
        deadline: Instant,
        found: &'a RefCell<Found>,
    ) -> LocalBoxStream<'a, ObservedPod> {
        let now = Timestamp::now();
        match origin {
            WorkloadOrigin::Live(client) => {
                let inventory = self.inventory(client.clone(), &[]);
                kept(inventory.observed_pods(now, deadline), found).boxed_local()
            }
            WorkloadOrigin::Files(objects) => {
                let pods: Vec<_> = self.pods_of_files(objects, now, found);
                stream::iter(pods).boxed_local()
            }
            WorkloadOrigin::Nowhere => stream::empty().boxed_local(),
        }
    }

    fn pods_of_files(
        &self,
        objects: &[FileObject],
        now: Timestamp,
        found: &RefCell<Found>,
    ) -> Vec<ObservedPod> {
        let selected = objects.iter().filter(|object| self.selects(object));
        let pods = selected.filter_map(|object| match ObservedPod::read(&object.value, now) {
            Ok(pod) => pod,
            Err(error) => {
                let error = FileError::about(object, error.to_string());
                found.borrow_mut().unread(Unread::from(&error));
                None
            }
        });
        pods.collect()
    }

    /// Whether an object of a file is among those that are asked for.
    pub(super) fn selects(&self, object: &FileObject) -> bool {
        let namespace = self.namespace.as_deref();
        namespace.is_none_or(|wanted| object.value["metadata"]["namespace"] == wanted)
            && self
                .selector
                .as_ref()
                .is_none_or(|selector| selector.selects(&labels(object)))
    }
}

/// The pods that can be read; what else is listed is added to what is found.
fn kept(
    listed: impl Stream<Item = Listed<ObservedPod>>,
    found: &RefCell<Found>,
) -> impl Stream<Item = ObservedPod> {
    listed.filter_map(move |listed| {
        let mut found = found.borrow_mut();
        ready(match listed {
            Listed::Object(pod) => Some(*pod),
            Listed::Unread { object, problem } => {
                let source = object;
                found.unread(Unread { source, problem });
                None
            }
            Listed::Partial(sentence) => {
                found.partial(sentence);
                None
            }
        })
    })
}

/// Compares until there is no further pod, or until Ctrl-C, which is returned as what is
/// missing then.
pub(super) async fn observe_for_person(
    observer: &Observer<'_>,
    pods: impl Stream<Item = ObservedPod>,
) -> (Observed, Option<String>) {
    let observed = RefCell::new(Observed::default());
    let comparing = observer.observe(pods, |agreement, difference| {
        let mut observed = observed.borrow_mut();
        observed.count(agreement);
        difference.into_iter().for_each(|one| observed.differs(one));
    });
    let interrupted = tokio::select! {
        () = comparing => None,
        Ok(()) = tokio::signal::ctrl_c() => {
            Some("interrupted: not all pods were observed".to_owned())
        }
    };
    let mut observed = observed.into_inner();
    observed.sort();
    (observed, interrupted)
}
