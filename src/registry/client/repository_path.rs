//! What is asked for of a repository: a document, or a page of its tags.

use reqwest::Method;

use super::Attempt;
use crate::domain::unknown::Unknown;
use crate::registry::document::{self, MAX_DOCUMENT_BYTES};

/// How many tags are asked for at once.
const TAGS_A_PAGE: usize = 100;
/// The most that is read of a page of tags: there are registries that give all of them.
const MAX_TAGS_BYTES: u64 = 256 * 1024;

/// What is asked for of a repository.
#[derive(Clone, Copy)]
pub(super) struct RepositoryPath<'a> {
    pub(super) path: &'a str,
    pub(super) query: Option<&'a str>,
    /// Most bytes of the answer.
    pub(super) largest: u64,
}

impl<'a> RepositoryPath<'a> {
    pub(super) fn document(path: &'a str) -> Self {
        Self {
            path,
            query: None,
            largest: MAX_DOCUMENT_BYTES,
        }
    }
}

impl Attempt<'_> {
    /// A page of tags, as the registry orders them.
    /// Source: distribution specification, "Listing Tags".
    pub(super) async fn tags(&self, after: Option<&str>) -> Result<Vec<String>, Unknown> {
        let after = after.map(|tag| format!("&last={tag}"));
        let query = format!("n={TAGS_A_PAGE}{}", after.unwrap_or_default());
        let what = RepositoryPath {
            query: Some(&query),
            largest: MAX_TAGS_BYTES,
            ..RepositoryPath::document("tags/list")
        };
        let answer = self.request(Method::GET, what).await?;
        let tags = document::parse_tags(&answer.body);
        tags.map_err(|failure| answer.failure(failure, self.label()))
    }
}
