//! Report objects of one API group as the API server keeps them: lists in pages, and single
//! writes, each of which ends in time.

use std::time::Duration;

use kube::api::{Api, DeleteParams, ListParams, PostParams, Preconditions};
use kube::core::{ApiResource, DynamicObject, GroupVersionKind, ObjectList, Status};
use kube::{Client, Error};
use tokio::time::timeout;

use super::ReportWriteError;
use crate::cluster::access::words;
use crate::report::{MANAGED_BY, ReportGroup};

/// How long a page or a question for kinds may take.
const READ_LIMIT: Duration = Duration::from_secs(30);

/// How long one write may take.
const WRITE_LIMIT: Duration = Duration::from_secs(10);

/// Objects a page: each may have many results.
const PAGE: u32 = 50;

/// Who writes, in the objects' `managedFields`.
const FIELD_MANAGER: &str = "archmatch";

/// Report objects of one API group.
pub(super) struct ObjectStore {
    client: Client,
    group: ReportGroup,
    resource: ApiResource,
}

/// Why there is no page.
pub(super) enum PageError {
    /// The list is too old to go on with.
    Expired,
    /// The API server refuses it.
    Refused(ReportWriteError),
    /// Anything else.
    Failed(ReportWriteError),
}

/// How a write ended.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum WriteEnd {
    /// It is as it should be.
    Done,
    /// Somebody else wrote in the meantime: the next pass looks again.
    Overtaken,
    /// The namespace is gone, or about to be.
    NoPlace,
    /// It is not as it should be.
    Failed(String),
}

impl ObjectStore {
    /// The objects of a group; nothing is asked yet.
    pub(super) fn new(client: Client, group: ReportGroup) -> Self {
        let api_version = group.api_version();
        let (name, version) = api_version.split_once('/').unwrap_or_default();
        let kind = GroupVersionKind::gvk(name, version, group.kind());
        Self {
            client,
            group,
            resource: ApiResource::from_gvk_with_plural(&kind, group.plural()),
        }
    }

    /// Whether the API server has such objects.
    pub(super) async fn is_served(&self) -> Result<bool, ReportWriteError> {
        let (version, plural) = (self.group.api_version(), self.group.plural());
        let call = self.client.list_api_group_resources(version);
        match timeout(READ_LIMIT, call).await {
            Ok(Ok(list)) => Ok(list.resources.iter().any(|found| found.name == plural)),
            Ok(Err(Error::Api(status))) if status.code == 404 => Ok(false),
            Ok(Err(error)) => Err(self.problem("ask for", &words(&error))),
            Err(_) => Err(self.problem("ask for", &late(READ_LIMIT))),
        }
    }

    /// A page of the objects that are labelled as ours, of all namespaces.
    pub(super) async fn page(&self, next: &str) -> Result<ObjectList<DynamicObject>, PageError> {
        let (label, value) = MANAGED_BY;
        let mut parameters = ListParams::default()
            .labels(&format!("{label}={value}"))
            .limit(PAGE);
        if !next.is_empty() {
            parameters = parameters.continue_token(next);
        }
        let all = Api::all_with(self.client.clone(), &self.resource);
        match timeout(READ_LIMIT, all.list(&parameters)).await {
            Ok(Ok(list)) => Ok(list),
            Ok(Err(Error::Api(status))) if status.code == 410 => Err(PageError::Expired),
            Ok(Err(Error::Api(status))) if matches!(status.code, 401 | 403) => {
                let words = words(&Error::Api(status));
                Err(PageError::Refused(self.problem("list", &words)))
            }
            Ok(Err(error)) => Err(PageError::Failed(self.problem("list", &words(&error)))),
            Err(_) => Err(PageError::Failed(self.problem("list", &late(READ_LIMIT)))),
        }
    }

    /// Writes an object that is not there yet.
    pub(super) async fn create(&self, object: &DynamicObject) -> WriteEnd {
        let (api, _) = self.place_of(object);
        end(api.create(&written_by_us(), object)).await
    }

    /// Writes an object in place of the version that it was made of.
    pub(super) async fn replace(&self, object: &DynamicObject) -> WriteEnd {
        let (api, name) = self.place_of(object);
        end(api.replace(name, &written_by_us(), object)).await
    }

    /// Removes an object, if it is still as it was seen.
    pub(super) async fn delete(&self, object: &DynamicObject) -> WriteEnd {
        let (api, name) = self.place_of(object);
        let parameters = DeleteParams::default().preconditions(Preconditions {
            uid: object.metadata.uid.clone(),
            resource_version: object.metadata.resource_version.clone(),
        });
        let deleted = async {
            match api.delete(name, &parameters).await {
                Err(Error::Api(status)) if status.code == 404 => Ok(()),
                Err(error) => Err(error),
                Ok(_) => Ok(()),
            }
        };
        end(deleted).await
    }

    fn place_of<'o>(&self, object: &'o DynamicObject) -> (Api<DynamicObject>, &'o str) {
        let namespace = object.metadata.namespace.as_deref().unwrap_or_default();
        let api = Api::namespaced_with(self.client.clone(), namespace, &self.resource);
        (api, object.metadata.name.as_deref().unwrap_or_default())
    }

    /// `list reports of openreports.io/v1alpha1: …`
    pub(super) fn problem(&self, action: &str, words: &str) -> ReportWriteError {
        let (plural, version) = (self.group.plural(), self.group.api_version());
        ReportWriteError(format!("{action} {plural} of {version}: {words}"))
    }
}

fn written_by_us() -> PostParams {
    PostParams {
        field_manager: Some(FIELD_MANAGER.to_owned()),
        ..PostParams::default()
    }
}

fn late(limit: Duration) -> String {
    format!("no answer within {limit:?}")
}

async fn end<T>(call: impl Future<Output = Result<T, Error>>) -> WriteEnd {
    match timeout(WRITE_LIMIT, call).await {
        Ok(Ok(_)) => WriteEnd::Done,
        Ok(Err(Error::Api(status))) if has_no_place(&status) => WriteEnd::NoPlace,
        Ok(Err(Error::Api(status))) if matches!(status.code, 404 | 409) => WriteEnd::Overtaken,
        Ok(Err(error)) => WriteEnd::Failed(words(&error)),
        Err(_) => WriteEnd::Failed(late(WRITE_LIMIT)),
    }
}

/// Whether the namespace is gone or going.
fn has_no_place(status: &Status) -> bool {
    let Some(details) = &status.details else {
        return false;
    };
    let mut causes = details.causes.iter();
    match status.code {
        404 => details.kind == "namespaces",
        403 => causes.any(|cause| cause.reason == "NamespaceTerminating"),
        _ => false,
    }
}
