//! What docker and podman know on the machine of the person who runs us: their files, and
//! the credential helpers that those name.
//!
//! Source: <https://docs.docker.com/reference/cli/docker/login/#credential-helpers>, and
//! containers-auth.json(5) for podman's places.

use std::collections::BTreeMap;
use std::env;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use futures::FutureExt;
use parking_lot::Mutex;
use serde::Deserialize;
use zeroize::Zeroize;

use super::Credential;
use super::docker_config::{self, DockerConfigError};
use super::keyring::Keyring;
use super::program::{self, ProgramError};
use crate::domain::reference::RepositoryName;
use crate::work::flight::Flights;

/// What docker calls Docker Hub.
const DOCKER_HUB: &str = "https://index.docker.io/v1/";
/// The user name with which a helper says that the secret is an identity token.
const TOKEN_USER: &str = "<token>";

/// The files, in the order in which they count.
#[derive(Default)]
pub struct ClientFiles {
    files: Vec<ClientFile>,
    /// What helpers said. A run asks each once.
    asked: Arc<Mutex<Asked>>,
    flights: Flights<(String, String), Option<Arc<Credential>>>,
}

/// Answers by helper and registry.
type Asked = BTreeMap<(String, String), Option<Arc<Credential>>>;

struct ClientFile {
    keyring: Keyring,
    helpers: BTreeMap<String, String>,
    store: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct HelperAnswer {
    username: String,
    secret: String,
}

/// Where docker and podman look, in that order: a place that does not exist counts for
/// nothing.
pub fn usual_places() -> Vec<PathBuf> {
    let folder = |name: &str| {
        env::var_os(name)
            .filter(|text| !text.is_empty())
            .map(PathBuf::from)
    };
    let home = folder("HOME");
    let docker = folder("DOCKER_CONFIG").or_else(|| Some(home.as_ref()?.join(".docker")));
    let mut places: Vec<PathBuf> = docker
        .map(|path| path.join("config.json"))
        .into_iter()
        .collect();
    match folder("REGISTRY_AUTH_FILE") {
        Some(file) => places.push(file),
        None => {
            let runtime = folder("XDG_RUNTIME_DIR");
            places.extend(runtime.map(|path| path.join("containers/auth.json")));
            let config = folder("XDG_CONFIG_HOME").or_else(|| Some(home?.join(".config")));
            places.extend(config.map(|path| path.join("containers/auth.json")));
        }
    }
    places
}

impl ClientFiles {
    /// Reads the files that exist. One that cannot be read is left out, and the log says so.
    pub fn open(places: &[PathBuf]) -> Self {
        Self {
            files: places
                .iter()
                .filter_map(|path| ClientFile::open(path))
                .collect(),
            asked: Arc::default(),
            flights: Flights::default(),
        }
    }

    /// Whether a file or a helper may have something for the repository.
    pub(crate) fn may_know(&self, repository: &RepositoryName) -> bool {
        self.files.iter().any(|file| {
            file.helper(repository).is_some() || !file.keyring.find(repository).is_empty()
        })
    }

    /// The credentials for the repository. As in docker, a registry's own helper counts
    /// before the store, and the store before what the file itself holds.
    pub(crate) async fn find(&self, repository: &RepositoryName) -> Vec<Arc<Credential>> {
        let mut found = Vec::new();
        for file in &self.files {
            if let Some(helper) = file.helper(repository) {
                found.extend(self.ask(helper, server(repository)).await);
            }
            found.extend(file.keyring.find(repository));
        }
        found
    }

    async fn ask(&self, helper: &str, server: &str) -> Option<Arc<Credential>> {
        let key = (helper.to_owned(), server.to_owned());
        let known = || self.asked.lock().get(&key).cloned();
        let start = || {
            let (asked, key) = (Arc::clone(&self.asked), key.clone());
            async move {
                let (helper, server) = &key;
                let answer = get(helper, server).await;
                match &answer {
                    Ok(_) => {}
                    // So does a helper that has nothing for the registry.
                    Err(error @ ProgramError::Failed) => {
                        tracing::debug!(helper, server, %error, "credential helper");
                    }
                    Err(error) => tracing::warn!(helper, server, %error, "credential helper"),
                }
                let answer = answer.ok().map(Arc::new);
                asked.lock().insert(key, answer.clone());
                answer
            }
            .boxed()
        };
        self.flights.join(key.clone(), known, start).await.flatten()
    }
}

impl ClientFile {
    fn open(path: &Path) -> Option<Self> {
        let mut text = match std::fs::read(path) {
            Ok(text) => text,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return None,
            Err(error) => {
                tracing::warn!("{}: {error}", path.display());
                return None;
            }
        };
        let parsed = docker_config::parse_client(&text);
        text.zeroize();
        let warn = |error: &DockerConfigError| tracing::warn!("{}: {error}", path.display());
        let config = parsed.inspect_err(warn).ok()?;
        // Where a helper keeps the secrets, the file names the registries alone.
        let auths = config.auths.into_iter();
        let held = auths.filter(|(_, held)| !held.is_anonymous());
        Some(Self {
            keyring: Keyring::new(held.collect()),
            helpers: config.helpers,
            store: config.store,
        })
    }

    fn helper(&self, repository: &RepositoryName) -> Option<&str> {
        let helper = |name: &str| self.helpers.get(name);
        let own = helper(server(repository)).or_else(|| helper(repository.registry()));
        own.or(self.store.as_ref()).map(String::as_str)
    }
}

/// The registry as docker names it.
fn server(repository: &RepositoryName) -> &str {
    match &**repository.registry() {
        "docker.io" => DOCKER_HUB,
        registry => registry,
    }
}

async fn get(helper: &str, server: &str) -> Result<Credential, ProgramError> {
    // A name, not a path: it is found as every program is.
    if helper.is_empty() || helper.contains(['/', '\0']) {
        return Err(ProgramError::Start);
    }
    let program = PathBuf::from(format!("docker-credential-{helper}"));
    let output = program::run(&program, &["get".to_owned()], &[], server.as_bytes()).await?;
    let mut answer: HelperAnswer =
        serde_json::from_slice(&output).map_err(|_| ProgramError::Failed)?;
    let credential = if answer.username == TOKEN_USER {
        Credential::from_identity_token(&answer.secret)
    } else {
        Credential::new(&answer.username, &answer.secret)
    };
    answer.secret.zeroize();
    Ok(credential)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn app(registry: &str) -> RepositoryName {
        RepositoryName::new(registry, "app")
    }

    fn file(text: &str) -> ClientFiles {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("config.json");
        std::fs::write(&path, text).unwrap();
        ClientFiles::open(&[folder.path().join("missing"), path])
    }

    #[tokio::test]
    async fn files_offer_their_entries_and_identity_tokens() {
        let files = file(
            r#"{"auths":{"r.example":{"auth":"YWRhOnNtYXNo"},"t.example":{"identitytoken":"t"},"empty.example":{}}}"#,
        );
        let found = files.find(&app("r.example")).await;
        assert_eq!(*found[0], Credential::new("ada", "smash"));
        let found = files.find(&app("t.example")).await;
        assert_eq!(found[0].identity_token(), Some("t"));
        assert!(files.find(&app("empty.example")).await.is_empty());
        assert!(!files.may_know(&app("other.example")));
    }

    #[test]
    fn a_registrys_own_helper_comes_before_the_store() {
        let files = file(r#"{"credHelpers":{"r.example":"own"},"credsStore":"store"}"#);
        assert_eq!(files.files[0].helper(&app("r.example")), Some("own"));
        assert_eq!(files.files[0].helper(&app("other.example")), Some("store"));
        let hub = file(r#"{"credHelpers":{"https://index.docker.io/v1/":"hub"}}"#);
        assert_eq!(
            hub.files[0].helper(&RepositoryName::new("docker.io", "library/node")),
            Some("hub")
        );
        assert_eq!(hub.files[0].helper(&app("r.example")), None);
    }

    #[tokio::test]
    async fn a_helper_is_a_name_and_no_path() {
        for name in ["../evil", "/bin/sh", ""] {
            assert_eq!(get(name, "r.example").await, Err(ProgramError::Start));
        }
    }

    #[test]
    fn a_broken_file_counts_for_nothing() {
        assert!(file("{").files.is_empty());
    }
}
