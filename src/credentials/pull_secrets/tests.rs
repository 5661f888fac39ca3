//! How long secrets count, and when they are read again.

use std::sync::Mutex;

use tokio::time::advance;

use super::*;
use crate::domain::reference::RepositoryName;

/// A cluster with one secret, whose next readings are scripted.
#[derive(Default)]
struct Cluster {
    user: Mutex<Option<&'static str>>,
    away: Mutex<bool>,
    reads: Mutex<usize>,
    generation: Mutex<Option<&'static str>>,
}

impl SecretReader for Cluster {
    fn closed(&self, namespace: &str) -> Option<String> {
        (namespace == "closed").then(|| "the setting".to_owned())
    }

    fn generation(&self, _: &str) -> Option<Arc<str>> {
        self.generation.lock().unwrap().map(Arc::from)
    }

    fn read<'a>(&'a self, _: &'a SecretName) -> BoxFuture<'a, Result<Secret, ReadFailure>> {
        *self.reads.lock().unwrap() += 1;
        let user = *self.user.lock().unwrap();
        let read = match user {
            _ if *self.away.lock().unwrap() => Err(ReadFailure::Unavailable),
            None => Err(ReadFailure::Missing),
            Some(user) => {
                let text = format!(r#"{{"r.example":{{"username":"{user}"}}}}"#);
                Ok(Secret {
                    kind: "kubernetes.io/dockercfg".to_owned(),
                    data: [(".dockercfg".to_owned(), text.into_bytes())].into(),
                })
            }
        };
        std::future::ready(read).boxed()
    }
}

fn names() -> [SecretName; 1] {
    [SecretName::new("web", "regcred").unwrap()]
}

fn user(offers: Option<Vec<SecretContents>>) -> Option<String> {
    match offers?.first()? {
        SecretContents::Keyring(keyring) => {
            let found = keyring.find(&RepositoryName::new("r.example", "app"));
            Some(found.first()?.username().to_owned())
        }
        SecretContents::Nothing(why)
        | SecretContents::Unparsable(why)
        | SecretContents::Unread(why) => Some(why.to_string()),
    }
}

async fn settle() {
    for _ in 0..20 {
        tokio::task::yield_now().await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_secret_is_read_again_behind_its_answer() {
    let cluster = Arc::new(Cluster::default());
    *cluster.user.lock().unwrap() = Some("old");
    let secrets = Secrets::new(Arc::clone(&cluster) as _);
    let reads = || *cluster.reads.lock().unwrap();
    assert_eq!(user(secrets.known(&names())), None);
    assert_eq!(user(Some(secrets.all(&names()).await)).unwrap(), "old");
    *cluster.user.lock().unwrap() = Some("new");
    assert_eq!(user(secrets.known(&names())).unwrap(), "old");
    settle().await;
    assert_eq!(reads(), 1);

    advance(READ_LIFETIME + Duration::from_secs(1)).await;
    assert_eq!(user(secrets.known(&names())).unwrap(), "old");
    settle().await;
    assert_eq!(user(secrets.known(&names())).unwrap(), "new");
    assert_eq!(reads(), 2);

    // While the cluster is away, what was known counts.
    *cluster.away.lock().unwrap() = true;
    advance(READ_LIFETIME + Duration::from_secs(1)).await;
    for _ in 0..3 {
        assert_eq!(user(secrets.known(&names())).unwrap(), "new");
        settle().await;
    }
    assert_eq!(reads(), 3);
}

#[tokio::test(start_paused = true)]
async fn what_was_read_in_a_namespace_that_is_gone_counts_for_nothing_in_the_next() {
    let cluster = Arc::new(Cluster::default());
    let set = |user, generation| {
        *cluster.user.lock().unwrap() = user;
        *cluster.generation.lock().unwrap() = generation;
    };
    set(Some("former"), Some("uid-1"));
    let secrets = Secrets::new(Arc::clone(&cluster) as _);
    secrets.all(&names()).await;
    assert_eq!(user(secrets.known(&names())).unwrap(), "former");

    set(Some("tenant"), Some("uid-2"));
    assert_eq!(user(secrets.known(&names())), None, "it has to be read");
    let renewed = secrets.renewed(&names()).await;
    assert_eq!(user(Some(renewed)).unwrap(), "tenant");
    // Nor while the cluster cannot be asked, nor while there is no such namespace.
    *cluster.away.lock().unwrap() = true;
    set(Some("tenant"), Some("uid-3"));
    let unread = user(Some(secrets.all(&names()).await)).unwrap();
    assert!(unread.contains("could not be read"), "{unread}");
    *cluster.away.lock().unwrap() = false;
    set(Some("tenant"), Some("uid-3"));
    advance(FAILURE_PAUSE + Duration::from_secs(1)).await;
    secrets.known(&names());
    settle().await;
    assert_eq!(user(secrets.known(&names())).unwrap(), "tenant");
    set(None, None);
    assert_eq!(user(secrets.known(&names())), None);
    let missing = user(Some(secrets.all(&names()).await)).unwrap();
    assert!(missing.contains("was not found"), "{missing}");
}

#[tokio::test(start_paused = true)]
async fn refused_credentials_are_read_again_but_not_at_once() {
    let cluster = Arc::new(Cluster::default());
    *cluster.user.lock().unwrap() = Some("old");
    let secrets = Secrets::new(Arc::clone(&cluster) as _);
    secrets.all(&names()).await;
    *cluster.user.lock().unwrap() = Some("new");
    assert_eq!(user(Some(secrets.renewed(&names()).await)).unwrap(), "old");
    advance(FAILURE_PAUSE + Duration::from_secs(1)).await;
    assert_eq!(user(Some(secrets.renewed(&names()).await)).unwrap(), "new");
}

#[tokio::test(start_paused = true)]
async fn a_missing_secret_is_found_once_it_is_there() {
    let cluster = Arc::new(Cluster::default());
    let secrets = Secrets::new(Arc::clone(&cluster) as _);
    let missing = user(Some(secrets.all(&names()).await)).unwrap();
    assert_eq!(missing, "secret web/regcred was not found");
    *cluster.user.lock().unwrap() = Some("ada");
    advance(ABSENCE_LIFETIME + Duration::from_secs(1)).await;
    secrets.known(&names());
    settle().await;
    assert_eq!(user(secrets.known(&names())).unwrap(), "ada");
}

#[tokio::test(start_paused = true)]
async fn closed_namespaces_are_never_asked_for() {
    let cluster = Arc::new(Cluster::default());
    let secrets = Secrets::new(Arc::clone(&cluster) as _);
    let names = [SecretName::new("closed", "regcred").unwrap()];
    let closed = "secret closed/regcred may not be read: the setting";
    assert_eq!(user(secrets.known(&names)).unwrap(), closed);
    assert_eq!(user(Some(secrets.all(&names).await)).unwrap(), closed);
    assert_eq!(user(Some(secrets.renewed(&names).await)).unwrap(), closed);
    assert_eq!(*cluster.reads.lock().unwrap(), 0);
}

/// A cluster that takes a question and never answers it.
struct Silent;

impl SecretReader for Silent {
    fn closed(&self, _: &str) -> Option<String> {
        None
    }

    fn read<'a>(&'a self, _: &'a SecretName) -> BoxFuture<'a, Result<Secret, ReadFailure>> {
        std::future::pending().boxed()
    }
}

#[tokio::test(start_paused = true)]
async fn a_reading_that_is_not_answered_ends_in_time_and_so_does_waiting_for_ones_turn() {
    let secrets = Secrets::new(Arc::new(Silent));
    let names: Vec<String> = (0..40).map(|number| format!("s{number}")).collect();
    let names = SecretName::list("web", names.iter().map(String::as_str));
    let end = MAX_WAIT + MAX_READING + Duration::from_secs(1);
    let offers = timeout(end, secrets.all(&names)).await.expect("in time");
    let reads = |offer: &&SecretContents| {
        user(Some(vec![(*offer).clone()]))
            .unwrap()
            .contains("did not answer")
    };
    let read = offers.iter().filter(reads).count();
    let unread = offers
        .iter()
        .filter(|offer| matches!(offer, SecretContents::Unread(_)));
    assert_eq!(
        (read, unread.count()),
        (24, 16),
        "eight at once, three times"
    );
}

#[test]
fn a_docker_config_of_a_secret_has_a_largest_size() {
    let [name] = names();
    let offered = |length: usize| {
        let mut text = br#"{"r.example":{"username":"ada"}}"#.to_vec();
        text.resize(length, b' ');
        let secret = Secret {
            kind: "kubernetes.io/dockercfg".to_owned(),
            data: [(".dockercfg".to_owned(), text)].into(),
        };
        SecretContents::of(&name, &secret)
    };
    assert!(matches!(
        offered(MAX_DOCKER_CONFIG_BYTES),
        SecretContents::Keyring(_)
    ));
    let SecretContents::Unparsable(why) = offered(MAX_DOCKER_CONFIG_BYTES + 1) else {
        panic!("it is too large");
    };
    assert_eq!(&*why, "secret web/regcred is too large");
}
