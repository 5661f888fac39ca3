//! The pull secrets of pods: read in the background, kept for minutes.
//!
//! A secret is never read for a warm answer. The first look-up that needs one has it read by
//! a task of its own, once however many look-ups wait, few at once and not too often, and
//! namespaces take turns; later it is read again behind the answers. So a burst of reviews
//! costs the API server, which waits for those reviews, one small request a secret. What was
//! read in a namespace that is gone counts for nothing in another of its name.

use std::sync::Arc;
use std::time::Duration;

use futures::FutureExt;
use futures::future::{BoxFuture, join_all};
use moka::sync::Cache;
use parking_lot::Mutex;
use tokio::runtime::Handle;
use tokio::time::{Instant, sleep_until, timeout};

use super::docker_config;
use super::keyring::Keyring;
use crate::domain::access::SecretName;
use crate::domain::unknown::{Reason, Unknown};
use crate::objects::context::Secret;
use crate::work::flight::{Flight, Flights};
use crate::work::rate::Rate;
use crate::work::turns::Turns;

/// How long a caller waits for secrets: the API server that is asked for them may be waiting
/// for the caller's review. What is found answers the retry.
const SECRET_WAIT: Duration = Duration::from_secs(1);
/// How many pull secrets a text says something of; a pod may name any number.
pub(super) const MAX_SECRETS_SHOWN: usize = 3;
/// How long a secret counts as read.
const READ_LIFETIME: Duration = Duration::from_secs(5 * 60);
/// How long it counts that there is none, or that it may not be read.
const ABSENCE_LIFETIME: Duration = Duration::from_secs(10);
/// How long after a failure the cluster is asked again.
const FAILURE_PAUSE: Duration = Duration::from_secs(10);
/// How long a secret that nobody uses is kept.
const IDLE_LIFETIME: Duration = Duration::from_secs(60 * 60);
/// How long one reading may take.
const MAX_READING: Duration = Duration::from_secs(5);
/// How long one may wait for its namespace's turn.
const MAX_WAIT: Duration = Duration::from_secs(15);
/// Readings at once and in a second: what one process costs the API server.
const MAX_READINGS: usize = 8;
const READINGS_PER_SECOND: u32 = 50;
/// How many readings of one namespace may wait: those of two pods that name as many secrets
/// as a pod may.
const MAX_READINGS_WAITING: usize = 128;
/// Largest docker config of a secret, and all of them together, in bytes.
const MAX_DOCKER_CONFIG_BYTES: usize = 256 * 1024;
const MAX_KEPT_BYTES: u64 = 8 * 1024 * 1024;

/// Reads secrets by name.
///
/// Implementations: the live cluster, a snapshot.
pub trait SecretReader: Send + Sync {
    /// Why the secrets of a namespace are not read at all, if they are not; it completes
    /// "secret web/regcred may not be read: …".
    fn closed(&self, _namespace: &str) -> Option<String> {
        None
    }

    /// What tells a namespace from an earlier one of its name, where that is known.
    fn generation(&self, _namespace: &str) -> Option<Arc<str>> {
        None
    }

    /// Reads one.
    ///
    /// # Errors
    /// [`ReadFailure`]
    fn read<'a>(&'a self, name: &'a SecretName) -> BoxFuture<'a, Result<Secret, ReadFailure>>;
}

/// Why a secret is not there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ReadFailure {
    /// There is none. The kubelet runs such a pod without it.
    Missing,
    /// It may not be read; the text is like that of [`SecretReader::closed`].
    Refused(String),
    /// The cluster could not be asked.
    Unavailable,
}

/// What a secret has for look-ups.
#[derive(Clone, Debug)]
pub(crate) enum SecretContents {
    Keyring(Arc<Keyring>),
    /// Nothing, and what a person may do about it.
    Nothing(Arc<str>),
    /// Nothing, and the kubelet pulls no image of the pod.
    Unparsable(Arc<str>),
    /// It was not read, since too many of the namespace's wait.
    Unread(Arc<str>),
}

#[derive(Clone)]
struct KnownSecret {
    contents: SecretContents,
    /// The namespace that it was read in.
    generation: Option<Arc<str>>,
    read: Instant,
    fresh_until: Instant,
    bytes: u32,
}

/// The secrets that are known.
#[derive(Clone)]
pub(crate) struct Secrets {
    reader: Arc<dyn SecretReader>,
    known: Cache<SecretName, KnownSecret>,
    turns: Turns<Box<str>>,
    rate: Arc<Mutex<Rate>>,
    flights: Flights<SecretName, SecretContents>,
}

impl Secrets {
    pub(crate) fn new(reader: Arc<dyn SecretReader>) -> Self {
        Self {
            reader,
            known: Cache::builder()
                .weigher(|_, known: &KnownSecret| known.bytes)
                .max_capacity(MAX_KEPT_BYTES)
                .time_to_idle(IDLE_LIFETIME)
                .build(),
            turns: Turns::new(MAX_READINGS, MAX_READINGS_WAITING),
            rate: Arc::new(Mutex::new(Rate::per_second(READINGS_PER_SECOND))),
            flights: Flights::default(),
        }
    }

    /// What the secrets have if all of them are known, without waiting. One that is no longer
    /// fresh is read again in the background.
    pub(crate) fn known(&self, names: &[SecretName]) -> Option<Vec<SecretContents>> {
        names.iter().map(|name| self.known_contents(name)).collect()
    }

    /// What the secrets have; those that are not known are read.
    pub(crate) async fn all(&self, names: &[SecretName]) -> Vec<SecretContents> {
        join_all(names.iter().map(|name| async move {
            match self.known_contents(name) {
                Some(contents) => contents,
                None => self.read(name).await,
            }
        }))
        .await
    }

    /// Waits until the secrets are known, as long as a review may.
    pub(crate) async fn wait(&self, names: &[SecretName]) -> Result<(), Unknown> {
        let read = timeout(SECRET_WAIT, self.all(names)).await;
        read.map(drop).map_err(|_| {
            let secrets = list(names.iter());
            let detail = format!("{secrets} could not be read in time; the look-up goes on");
            Unknown::new(Reason::Timeout, detail)
        })
    }

    /// Reads again what was not read just now: its credentials have been refused.
    pub(crate) async fn renewed(&self, names: &[SecretName]) -> Vec<SecretContents> {
        join_all(names.iter().map(|name| async move {
            let recent = self.held(name);
            let recent = recent.filter(|known| Instant::now() < known.read + FAILURE_PAUSE);
            let contents = recent.map(|known| known.contents);
            match contents.or_else(|| self.closed(name)) {
                Some(contents) => contents,
                None => self.read(name).await,
            }
        }))
        .await
    }

    fn closed(&self, name: &SecretName) -> Option<SecretContents> {
        let why = self.reader.closed(name.namespace())?;
        Some(SecretContents::refused(name, &why))
    }

    fn known_contents(&self, name: &SecretName) -> Option<SecretContents> {
        if let Some(closed) = self.closed(name) {
            return Some(closed);
        }
        let known = self.held(name)?;
        if known.fresh_until <= Instant::now() && Handle::try_current().is_ok() {
            let _running = self.flight(name);
        }
        Some(known.contents)
    }

    /// What is known of a secret of this very namespace.
    fn held(&self, name: &SecretName) -> Option<KnownSecret> {
        let known = self.known.get(name)?;
        if known.generation == self.reader.generation(name.namespace()) {
            return Some(known);
        }
        self.known.invalidate(name);
        None
    }

    async fn read(&self, name: &SecretName) -> SecretContents {
        let ended = || SecretContents::nothing(format!("secret {name} could not be read"));
        self.flight(name).await.unwrap_or_else(ended)
    }

    fn flight(&self, name: &SecretName) -> Flight<SecretContents> {
        let start = || {
            let (secrets, name) = (self.clone(), name.clone());
            async move { secrets.look(&name).await }.boxed()
        };
        self.flights.join(name.clone(), || None, start)
    }

    /// Reads a secret in bounded time, and remembers what came of it. That too many wait says
    /// nothing of the secret.
    async fn look(&self, name: &SecretName) -> SecretContents {
        let turn = self.turns.enter(name.namespace().into());
        let Ok(Some(_place)) = timeout(MAX_WAIT, turn).await else {
            let why =
                format!("secret {name} was not read yet: too many of its namespace are waiting");
            return SecretContents::Unread(why.into());
        };
        let generation = self.reader.generation(name.namespace());
        let reading = async {
            let start = self.rate.lock().next_start();
            sleep_until(start).await;
            self.reader.read(name).await
        };
        let read = timeout(MAX_READING, reading)
            .await
            .unwrap_or(Err(ReadFailure::Unavailable));
        let now = Instant::now();
        let (contents, lifetime, bytes) = match read {
            Ok(secret) => {
                let bytes = secret.data.values().map(Vec::len).sum::<usize>();
                (SecretContents::of(name, &secret), READ_LIFETIME, bytes)
            }
            Err(ReadFailure::Missing) => {
                let why = format!("secret {name} was not found");
                (SecretContents::nothing(why), ABSENCE_LIFETIME, 0)
            }
            Err(ReadFailure::Refused(why)) => {
                (SecretContents::refused(name, &why), ABSENCE_LIFETIME, 0)
            }
            Err(ReadFailure::Unavailable) => {
                tracing::warn!(secret = %name, "a pull secret could not be read");
                if let Some(mut known) = self.held(name) {
                    // What was known is better than nothing.
                    known.fresh_until = now + FAILURE_PAUSE;
                    self.known.insert(name.clone(), known.clone());
                    return known.contents;
                }
                let why = format!("secret {name} could not be read, the API server did not answer");
                (SecretContents::nothing(why), FAILURE_PAUSE, 0)
            }
        };
        let known = KnownSecret {
            contents: contents.clone(),
            generation,
            read: now,
            fresh_until: now + lifetime,
            // Parsed, a document takes a few times its size.
            bytes: u32::try_from(bytes.min(MAX_DOCKER_CONFIG_BYTES) * 3 + 512).unwrap_or(u32::MAX),
        };
        self.known.insert(name.clone(), known);
        contents
    }
}

/// `secret web/regcred`, or several.
pub(super) fn list<'a>(names: impl Iterator<Item = &'a SecretName> + Clone) -> String {
    let count = names.clone().count();
    let shown: Vec<String> = names
        .take(MAX_SECRETS_SHOWN)
        .map(ToString::to_string)
        .collect();
    let (plural, list) = (if count == 1 { "" } else { "s" }, shown.join(", "));
    match count.saturating_sub(MAX_SECRETS_SHOWN) {
        0 => format!("secret{plural} {list}"),
        more => format!("secrets {list} and {more} more"),
    }
}

impl SecretContents {
    /// What the kubelet makes of a secret.
    fn of(name: &SecretName, secret: &Secret) -> Self {
        for key in [".dockerconfigjson", ".dockercfg"] {
            let Some(text) = secret.data.get(key) else {
                continue;
            };
            if text.len() > MAX_DOCKER_CONFIG_BYTES {
                return Self::Unparsable(format!("secret {name} is too large").into());
            }
            match docker_config::parse_secret(&secret.kind, key, text) {
                Ok(None) => {}
                Ok(Some(config)) => return Self::Keyring(Arc::new(Keyring::new(config))),
                Err(error) => {
                    return Self::Unparsable(
                        format!("secret {name} cannot be used: {error}").into(),
                    );
                }
            }
        }
        Self::nothing(format!("secret {name} is no pull secret"))
    }

    fn nothing(why: String) -> Self {
        Self::Nothing(why.into())
    }

    fn refused(name: &SecretName, why: &str) -> Self {
        Self::nothing(format!("secret {name} may not be read: {why}"))
    }
}

/// No secrets at all: nothing is known of a cluster.
#[derive(Clone, Copy, Debug, Default)]
pub struct NoSecrets;

impl SecretReader for NoSecrets {
    fn read<'a>(&'a self, _: &'a SecretName) -> BoxFuture<'a, Result<Secret, ReadFailure>> {
        async { Err(ReadFailure::Missing) }.boxed()
    }
}

#[cfg(test)]
mod tests;
