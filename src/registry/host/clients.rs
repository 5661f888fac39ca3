//! Clients for hosts, one for all with the same rules.

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use reqwest::{Certificate, Client, redirect};

use super::{LookUpLimits, SettingsError};
use crate::registry::address::{Addresses, FilteredNames, FilteringResolver};
use crate::registry::settings::HostSettings;

/// Clients by what makes connections differ. A client keeps connections open, so hosts
/// with other rules about addresses or certificates must not share one.
pub(super) struct Clients {
    names: Arc<FilteredNames>,
    limits: LookUpLimits,
    made: HashMap<(Option<PathBuf>, Addresses, Duration), Client>,
}

impl Clients {
    pub(super) fn new(limits: LookUpLimits, names: Arc<FilteredNames>) -> Self {
        Self {
            names,
            limits,
            made: HashMap::new(),
        }
    }

    pub(super) fn for_host(&mut self, settings: &HostSettings) -> Result<Client, SettingsError> {
        // What is told of hosts that nothing names is told at whole seconds: one that does not
        // take the connection has to fail within the same one as one that refuses it.
        let connect = if settings.is_for_all() {
            self.limits.connect * 9 / 10
        } else {
            self.limits.connect
        };
        let key = (settings.ca.clone(), settings.addresses, connect);
        if let Some(client) = self.made.get(&key) {
            return Ok(client.clone());
        }
        let authorities = match &settings.ca {
            Some(path) => {
                let read = std::fs::read(path).map_err(|source| SettingsError::File {
                    path: path.clone(),
                    source,
                });
                authorities(&read?).ok_or_else(|| SettingsError::Authorities {
                    host: settings.host.clone(),
                })?
            }
            None => Vec::new(),
        };
        let builder = || {
            Client::builder()
                .dns_resolver(FilteringResolver {
                    names: Arc::clone(&self.names),
                    addresses: settings.addresses,
                })
                // Each redirect is judged by us, and so is each address: a proxy would
                // resolve names where the filter cannot see them.
                .redirect(redirect::Policy::none())
                .no_proxy()
                .retry(reqwest::retry::never())
                .connect_timeout(connect)
                .pool_idle_timeout(Duration::from_secs(30))
                .pool_max_idle_per_host(settings.places())
                .user_agent(concat!("archmatch/", env!("CARGO_PKG_VERSION")))
        };
        let client = match builder().tls_certs_merge(authorities.clone()).build() {
            Ok(client) => client,
            // A machine without certificate authorities: those that are set still count,
            // and every other handshake fails, which is then said for each host.
            Err(error) => {
                tracing::warn!(%error, "the system has no usable certificate authorities");
                builder().tls_certs_only(authorities).build()?
            }
        };
        self.made.insert(key, client.clone());
        Ok(client)
    }
}

fn authorities(pem: &[u8]) -> Option<Vec<Certificate>> {
    Certificate::from_pem_bundle(pem)
        .ok()
        .filter(|certificates| !certificates.is_empty())
}
