//! The list that the maintainers of Docker's official images keep on GitHub. It is asked for
//! on the command line alone, and where somebody says so.

use std::time::Duration;

use anyhow::{Context, Result};
use futures::FutureExt;
use futures::future::BoxFuture;
use reqwest::{Client, Url};

use super::terminal;
use crate::domain::text::printable;
use crate::suggest::{Maintained, Maintainers, parse_maintained};

/// Where the lists are, a file a repository.
const LISTS: &str =
    "https://raw.githubusercontent.com/docker-library/official-images/HEAD/library/";
/// The most that is read of a list; the longest has 60 KB.
const MAX_LIST_BYTES: usize = 1 << 20;
/// How long a list may take.
const MAX_TIME: Duration = Duration::from_secs(10);

/// The lists on GitHub.
pub struct GitHubLists {
    client: Client,
    lists: Url,
}

impl GitHubLists {
    /// The lists where they are.
    ///
    /// # Errors
    /// That there can be no client, such as without certificate authorities.
    pub fn new() -> Result<Self> {
        Self::at(LISTS)
    }

    fn at(lists: &str) -> Result<Self> {
        let client = Client::builder()
            .timeout(MAX_TIME)
            .user_agent(concat!("archmatch/", env!("CARGO_PKG_VERSION")))
            .build()
            .context("prepare to ask GitHub")?;
        let lists = Url::parse(lists).context("parse the address of the lists")?;
        Ok(Self { client, lists })
    }

    async fn read(&self, repository: &str) -> Result<Vec<Maintained>> {
        // The name is that of a parsed reference: one component of a path.
        let url = self.lists.join(repository)?;
        let mut response = self.client.get(url).send().await?.error_for_status()?;
        let mut text = Vec::new();
        while let Some(chunk) = response.chunk().await? {
            anyhow::ensure!(
                text.len() + chunk.len() <= MAX_LIST_BYTES,
                "it is larger than 1 MiB"
            );
            text.extend_from_slice(&chunk);
        }
        Ok(parse_maintained(&String::from_utf8_lossy(&text)))
    }
}

impl Maintainers for GitHubLists {
    fn tags<'a>(&'a self, repository: &'a str) -> BoxFuture<'a, Option<Vec<Maintained>>> {
        async move {
            match self.read(repository).await {
                Ok(list) => Some(list),
                Err(error) => {
                    let error = printable(&format!("{error:#}"));
                    terminal::note(format_args!(
                        "the maintainers' list of {repository} could not be read: {error}"
                    ));
                    None
                }
            }
        }
        .boxed()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::Router;
    use axum::routing::get;
    use tokio::net::TcpListener;

    #[tokio::test]
    async fn a_list_is_read_and_what_is_none_is_not_known() {
        let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
        let router = Router::new()
            .route(
                "/library/node",
                get(|| async { "Tags: 22\nArchitectures: s390x\n" }),
            )
            .route(
                "/library/large",
                get(|| async { "x".repeat(MAX_LIST_BYTES + 1) }),
            );
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let server = tokio::spawn(async move { axum::serve(listener, router).await });
        let lists = GitHubLists::at(&format!("http://{address}/library/")).unwrap();
        let listed = lists.tags("node").await.unwrap();
        assert_eq!(listed[0].architectures, ["s390x"]);
        for other in ["other", "large"] {
            assert_eq!(lists.tags(other).await, None, "{other}");
        }
        server.abort();
    }
}
