//! The settings of registry hosts, and what is kept for each: a client and a [`Bulkhead`].

mod clients;
mod name;
mod target;

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use reqwest::{Client, Url};
use thiserror::Error;

use super::address::FilteredNames;
use super::bulkhead::{Bulkhead, HostBudget, Queue};
use super::settings::{CacheSettings, HostSettings};
use crate::credentials::provider::Providers;
use crate::domain::glob;
use clients::Clients;
use name::Server;
pub(super) use name::authority;
use name::{DOCKER_HUB, DOCKER_HUB_API, is_docker_hub};
pub use target::LookupTarget;
pub(super) use target::{Endpoint, RegistryHost};

/// Most hosts whose bulkheads are kept; the longest unused goes first, since a new one must
/// never be without limits.
const MAX_BULKHEADS: u64 = 10_000;

/// Everything about registries that an operator may set.
#[derive(Default)]
pub struct LookUpSettings {
    /// Settings by host; the first that matches counts.
    pub hosts: Vec<HostSettings>,
    /// What the cache keeps.
    pub cache: CacheSettings,
    /// The operator's own credentials: the text of a docker `config.json`.
    pub docker_config: Option<Vec<u8>>,
    /// On the command line: files of docker and podman, in the order in which they count.
    pub client_files: Vec<PathBuf>,
    /// The kubelet's credential providers.
    pub providers: Option<Providers>,
    /// Time limits.
    pub limits: LookUpLimits,
    /// A name server to ask instead of the system's.
    pub name_server: Option<SocketAddr>,
    /// What is told of hosts in private networks.
    pub discretion: Discretion,
}

/// What is told of failing hosts that are on no public address, where no entry of the
/// settings names them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Discretion {
    /// No more than that they could not be asked: whoever may create a pod asks through us.
    #[default]
    Discreet,
    /// Everything: whoever runs the program can look himself.
    Open,
}

/// Time limits of look-ups.
#[derive(Clone, Copy, Debug)]
pub struct LookUpLimits {
    /// To connect, names and TLS included.
    pub connect: Duration,
    /// One request, from its sending to the last byte of its answer, for those who wait.
    pub request: Duration,
    /// The same request, which goes on when they have left: what it finds answers the retry.
    pub late: Duration,
    /// One look-up: every request, every wait, every mirror. Who waits has limits of one's own.
    pub lookup: Duration,
}

/// Why settings cannot be used.
#[derive(Debug, Error)]
pub enum SettingsError {
    /// The file of certificate authorities cannot be read.
    #[error("read {}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// The certificate authorities are none.
    #[error("registry {host:?}: the certificate authorities are no PEM certificates")]
    Authorities {
        /// The pattern of the settings.
        host: String,
    },
    /// The docker config cannot be read.
    #[error("read the docker config")]
    DockerConfig(#[from] crate::credentials::docker_config::DockerConfigError),
    /// No client could be made.
    #[error("prepare the client for registries")]
    Client(#[from] reqwest::Error),
}

impl Default for LookUpLimits {
    fn default() -> Self {
        Self {
            connect: Duration::from_secs(1),
            request: Duration::from_secs(5),
            late: Duration::from_secs(20),
            lookup: Duration::from_secs(20),
        }
    }
}

/// One entry of the settings, ready for use.
pub(super) struct Host {
    pub(super) settings: HostSettings,
    pub(super) client: Client,
}

/// A class of hosts, by its place among the names of all: Docker Hub, the others, and each
/// pattern of the configuration. They are few, whatever hosts are asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HostClass(pub(super) usize);

/// The classes that are always there.
const FIRST_CLASSES: [&str; 2] = [DOCKER_HUB, "other"];

/// The settings of every host, and the bulkheads of those that were contacted.
pub(super) struct Hosts {
    entries: Vec<Host>,
    others: Host,
    bulkheads: moka::sync::Cache<Server, Arc<Bulkhead>>,
    names: Arc<FilteredNames>,
    discretion: Discretion,
    queue: Arc<Queue>,
}

impl Hosts {
    pub(super) fn new(settings: &LookUpSettings) -> Result<Self, SettingsError> {
        let names = Arc::new(FilteredNames::new(settings.name_server));
        let mut clients = Clients::new(settings.limits, Arc::clone(&names));
        let mut host = |settings: HostSettings| {
            Ok::<_, SettingsError>(Host {
                client: clients.for_host(&settings)?,
                settings,
            })
        };
        Ok(Self {
            entries: settings
                .hosts
                .iter()
                .cloned()
                .map(&mut host)
                .collect::<Result<_, _>>()?,
            others: host(HostSettings::new("*"))?,
            bulkheads: moka::sync::Cache::builder()
                .max_capacity(MAX_BULKHEADS)
                .eviction_policy(moka::policy::EvictionPolicy::lru())
                .build(),
            names,
            discretion: settings.discretion,
            queue: Arc::default(),
        })
    }

    /// Whether nobody is told more of the URL's host than that it could not be asked: it is
    /// on no public address, and the configuration does not name it.
    pub(super) fn conceals(&self, url: &Url) -> bool {
        let authority = authority(url);
        let addresses = self.of(&authority).settings.addresses;
        self.discretion == Discretion::Discreet
            && !self.is_named(&authority)
            && self.names.lead_inside(url, addresses)
    }

    /// Whether an entry is for this host, more or less, or has it as a mirror.
    fn is_named(&self, authority: &str) -> bool {
        let names = |host: &Host| {
            let mut mirrors = host.settings.mirrors.iter();
            !host.settings.is_for_all() && matches(&host.settings.host, authority)
                || mirrors.any(|mirror| mirror.registry.eq_ignore_ascii_case(authority))
        };
        self.entries.iter().any(names)
    }

    /// The settings for `host[:port]`.
    pub(super) fn of(&self, authority: &str) -> &Host {
        let configured = self.configured(authority);
        configured.map_or(&self.others, |position| &self.entries[position])
    }

    /// Which of the entries is the first that matches.
    fn configured(&self, authority: &str) -> Option<usize> {
        let position = |authority: &str| {
            let mut entries = self.entries.iter();
            entries.position(|host| matches(&host.settings.host, authority))
        };
        // Docker Hub's settings count under each of its names.
        let own = position(authority);
        own.or_else(|| position(DOCKER_HUB).filter(|_| is_docker_hub(authority)))
    }

    /// How many hosts are not asked at the moment, since they keep failing.
    pub(super) fn failing(&self) -> usize {
        let bulkheads = self.bulkheads.iter();
        bulkheads
            .filter(|(_, bulkhead)| bulkhead.is_failing())
            .count()
    }

    /// The least that is left of the windows of registries that count requests, by the
    /// name of their class.
    pub(super) fn remaining(&self) -> BTreeMap<&str, u64> {
        let mut least = BTreeMap::new();
        for (server, bulkhead) in &self.bulkheads {
            let Some(remaining) = bulkhead.remaining() else {
                continue;
            };
            let class = self.class_name(self.class(&server.authority));
            let entry = least.entry(class).or_insert(remaining);
            *entry = remaining.min(*entry);
        }
        least
    }

    /// The class of `host[:port]`.
    pub(super) fn class(&self, authority: &str) -> HostClass {
        if is_docker_hub(authority) {
            return HostClass(0);
        }
        let configured = self.configured(authority);
        HostClass(configured.map_or(1, |position| FIRST_CLASSES.len() + position))
    }

    /// The names of all classes, in their order.
    pub(super) fn class_names(&self) -> impl Iterator<Item = &str> {
        let patterns = self.entries.iter().map(|host| host.settings.host.as_str());
        FIRST_CLASSES.into_iter().chain(patterns)
    }

    fn class_name(&self, class: HostClass) -> &str {
        self.class_names().nth(class.0).unwrap_or_default()
    }

    /// The bulkhead of the URL's host: what one host does slows no other.
    pub(super) fn bulkhead(&self, url: &Url) -> Arc<Bulkhead> {
        let server = Server::of(url);
        self.bulkheads.get_with_by_ref(&server, || {
            let settings = &self.of(&server.authority).settings;
            let budget = HostBudget {
                places: settings.places(),
                requests_per_second: settings.requests_per_second,
            };
            Arc::new(Bulkhead::new(&server.authority, &self.queue, budget))
        })
    }
}

/// Whether the pattern, in which `*` matches any text, matches the whole host. Case does
/// not count, since it does not for DNS and a `blocked` host must stay so.
fn matches(pattern: &str, host: &str) -> bool {
    glob::is_match(&pattern.to_ascii_lowercase(), &host.to_ascii_lowercase())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn matching(pattern: &str, hosts: &[&str], others: &[&str]) {
        for host in hosts {
            assert!(matches(pattern, host), "{pattern} should match {host}");
        }
        for host in others {
            assert!(!matches(pattern, host), "{pattern} should not match {host}");
        }
    }

    #[test]
    fn a_star_spans_everything() {
        matching("*", &["a", "a.b:5000", "[::1]:5000"], &[]);
        matching(
            "*.example",
            &["a.example", "a.b.example", ".example"],
            &["example", "a.example:1"],
        );
        matching(
            "127.0.0.1:*",
            &["127.0.0.1:5000"],
            &["127.0.0.1", "127.0.0.11:1"],
        );
        matching(
            "a*b*c",
            &["abc", "axxbxxc", "abbcc"],
            &["ab", "acb", "xabc"],
        );
        matching("ab*ba", &["abba", "abxba"], &["aba"]);
    }

    #[test]
    fn a_pattern_without_star_is_one_host() {
        matching(
            "docker.io",
            &["docker.io", "DOCKER.io"],
            &["docker.io:443", "xdocker.io", "docker.i"],
        );
    }

    #[test]
    fn docker_hubs_settings_count_under_each_of_its_names() {
        let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
        let mut hub = HostSettings::new("docker.io");
        hub.blocked = true;
        let settings = LookUpSettings {
            hosts: vec![hub],
            ..LookUpSettings::default()
        };
        let hosts = Hosts::new(&settings).unwrap();
        for name in ["docker.io", "registry-1.docker.io", "Index.docker.io:443"] {
            assert!(hosts.of(name).settings.blocked, "{name}");
            assert_eq!(hosts.class(name), HostClass(0), "{name}");
        }
        assert!(!hosts.of("auth.docker.io").settings.blocked);
    }

    #[test]
    fn a_new_host_is_never_without_a_budget() {
        let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
        let hosts = Hosts::new(&LookUpSettings::default()).unwrap();
        let bulkhead = |number: u64| {
            let url = Url::parse(&format!("https://r{number}.example/")).unwrap();
            hosts.bulkhead(&url)
        };
        for number in 0..2 * MAX_BULKHEADS {
            bulkhead(number);
        }
        for number in 3 * MAX_BULKHEADS..3 * MAX_BULKHEADS + 100 {
            let first = bulkhead(number);
            hosts.bulkheads.run_pending_tasks();
            assert!(Arc::ptr_eq(&first, &bulkhead(number)));
        }
    }
}
