//! Who may be contacted: the filter on addresses, and the resolver that applies it.
//!
//! Anybody who may create a pod chooses the host that we connect to. The address is judged
//! when the connection is made, so that a name which resolves differently the second time
//! gains nothing. Clients do not ask a resolver for literal addresses: those are judged by
//! [`check_literal`] before the request.

use std::error::Error;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::{Arc, OnceLock};

use hickory_resolver::TokioResolver;
use hickory_resolver::config::{
    ConnectionConfig, LookupIpStrategy, NameServerConfig, ResolverConfig,
};
use hickory_resolver::net::runtime::TokioRuntimeProvider;
use moka::policy::EvictionPolicy;
use moka::sync::Cache;
use reqwest::Url;
use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use serde::Deserialize;
use thiserror::Error;

/// Which addresses a host may have.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema, serde::Serialize))]
#[serde(rename_all = "lowercase")]
pub enum Addresses {
    /// Only addresses of the public internet.
    Public,
    /// Also those of private networks, where registries of the cluster are.
    #[default]
    Private,
    /// Also this machine and its link.
    Any,
}

/// The filter refused every address of a host.
#[derive(Debug, Error)]
#[error("the address is refused")]
pub(super) struct AddressRefused;

/// Where an address leads to, from a registry's point of view.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Range {
    Public,
    Private,
    /// This machine, its link, metadata services, and addresses that are no single host.
    Forbidden,
}

impl Addresses {
    fn allow(self, address: IpAddr) -> bool {
        match self {
            Self::Any => true,
            Self::Private => range(address) != Range::Forbidden,
            Self::Public => range(address) == Range::Public,
        }
    }
}

/// Judges hosts that are addresses themselves; names pass, the resolver judges them.
pub(super) fn check_literal(url: &Url, addresses: Addresses) -> Result<(), AddressRefused> {
    let host = url.host_str().unwrap_or_default();
    match host.trim_matches(['[', ']']).parse::<IpAddr>() {
        Ok(address) if !addresses.allow(address) => Err(AddressRefused),
        _ => Ok(()),
    }
}

/// Source: the IANA special-purpose address registries, RFC 6890 and its updates.
fn range(address: IpAddr) -> Range {
    match address {
        IpAddr::V4(address) => range_4(address),
        IpAddr::V6(address) => range_6(address),
    }
}

fn range_4(address: Ipv4Addr) -> Range {
    let octets = address.octets();
    match octets {
        // The metadata service of Alibaba Cloud lies in the shared range.
        [100, 100, 100, 200] => Range::Forbidden,
        // That of Azure is a public address.
        // Source: <https://learn.microsoft.com/azure/virtual-network/what-is-ip-address-168-63-129-16>
        [168, 63, 129, 16] => Range::Forbidden,
        // 192.0.0.0/24 holds Oracle's metadata service; from 224 on there are no hosts.
        [0 | 127 | 224.., ..] | [169, 254, ..] | [192, 0, 0, _] => Range::Forbidden,
        [10, ..] | [172, 16..=31, ..] | [192, 168, ..] => Range::Private,
        [100, 64..=127, ..] | [198, 18 | 19, ..] => Range::Private,
        _ => Range::Public,
    }
}

fn range_6(address: Ipv6Addr) -> Range {
    if let Some(embedded) = embedded_4(address) {
        return range_4(embedded);
    }
    let segments = address.segments();
    match segments {
        // The metadata service of AWS, inside the private range.
        [0xfd00, 0x0ec2, 0, 0, 0, 0, 0, 0x0254] => Range::Forbidden,
        // That of Google's cloud.
        // Source: <https://cloud.google.com/compute/docs/metadata/querying-metadata>
        [0xfd20, 0x00ce, 0, 0, 0, 0, 0, 0x0254] => Range::Forbidden,
        // ::/16 has the unspecified and the loopback address and nothing to connect to.
        [0, ..] => Range::Forbidden,
        // Local NAT64 (RFC 8215) and Teredo hide an address that we cannot read.
        [0x64, 0xff9b, 1, ..] | [0x2001, 0, ..] => Range::Forbidden,
        [0xfe80..=0xfebf, ..] | [0xff00..=0xffff, ..] => Range::Forbidden,
        [0xfc00..=0xfdff, ..] | [0xfec0..=0xfeff, ..] => Range::Private,
        _ => Range::Public,
    }
}

/// The IPv4 address that an IPv6 address stands for: mapped, compatible, NAT64 (RFC 6052)
/// and 6to4 (RFC 3056).
fn embedded_4(address: Ipv6Addr) -> Option<Ipv4Addr> {
    let from = |high: u16, low: u16| {
        let [first, second] = high.to_be_bytes();
        let [third, fourth] = low.to_be_bytes();
        Ipv4Addr::new(first, second, third, fourth)
    };
    match address.segments() {
        [0, 0, 0, 0, 0, 0 | 0xffff, high, low]
        | [0, 0, 0, 0, 0xffff, 0, high, low]
        | [0x64, 0xff9b, 0, 0, 0, 0, high, low]
        | [0x2002, high, low, ..] => Some(from(high, low)),
        _ => None,
    }
}

/// Names to addresses: one resolver, shared by the clients of all hosts.
///
/// Hickory, since a static binary has no name service switch.
pub(super) struct FilteredNames {
    /// Asked instead of the system's servers.
    server: Option<SocketAddr>,
    resolver: OnceLock<TokioResolver>,
    /// Names that led to an address which is not public: written when a connection is made,
    /// so that a name which leads elsewhere when it is asked for once more gains nothing.
    inside: Cache<String, ()>,
}

/// Most names that are known to lead inside; the last used stay.
const MAX_INSIDE_NAMES: u64 = 10_000;

impl FilteredNames {
    pub(super) fn new(server: Option<SocketAddr>) -> Self {
        Self {
            server,
            resolver: OnceLock::new(),
            inside: Cache::builder()
                .max_capacity(MAX_INSIDE_NAMES)
                .eviction_policy(EvictionPolicy::lru())
                .build(),
        }
    }

    /// Whether the URL's host was contacted on an address that is not public. One whose
    /// addresses are refused was not, and that says nothing of the network.
    pub(super) fn lead_inside(&self, url: &Url, addresses: Addresses) -> bool {
        let host = url.host_str().unwrap_or_default();
        match host.trim_matches(['[', ']']).parse::<IpAddr>() {
            Ok(address) => addresses.allow(address) && range(address) != Range::Public,
            Err(_) => self.inside.contains_key(&lower(host)),
        }
    }

    async fn resolve(&self, name: &str) -> Result<Vec<IpAddr>, Box<dyn Error + Send + Sync>> {
        // RFC 6761, section 6.3: these never leave the machine, whatever a server says.
        let lower = lower(name);
        if lower == "localhost" || lower.ends_with(".localhost") {
            return Ok(vec![Ipv4Addr::LOCALHOST.into(), Ipv6Addr::LOCALHOST.into()]);
        }
        // Made on first use, since it reads the system's configuration.
        let resolver = match self.resolver.get() {
            Some(resolver) => resolver,
            None => {
                let made = self.open()?;
                self.resolver.get_or_init(|| made)
            }
        };
        Ok(resolver.lookup_ip(name).await?.iter().collect())
    }

    fn open(&self) -> Result<TokioResolver, Box<dyn Error + Send + Sync>> {
        let mut builder = match self.server {
            None => TokioResolver::builder_tokio()?,
            Some(server) => {
                let mut connection = ConnectionConfig::udp();
                connection.port = server.port();
                let server = NameServerConfig::new(server.ip(), true, vec![connection]);
                let config = ResolverConfig::from_parts(None, Vec::new(), vec![server]);
                TokioResolver::builder_with_config(config, TokioRuntimeProvider::default())
            }
        };
        let options = builder.options_mut();
        options.ip_strategy = LookupIpStrategy::Ipv4AndIpv6;
        // Kubernetes gives pods five: every public name would be asked for in each of the
        // cluster's domains first, and would mean there what it does not mean on nodes.
        options.ndots = 1;
        Ok(builder.build()?)
    }
}

fn lower(name: &str) -> String {
    name.trim_end_matches('.').to_ascii_lowercase()
}

/// The resolver of one client: only addresses that its hosts may have.
pub(super) struct FilteringResolver {
    pub(super) names: Arc<FilteredNames>,
    pub(super) addresses: Addresses,
}

impl Resolve for FilteringResolver {
    fn resolve(&self, name: Name) -> Resolving {
        let names = Arc::clone(&self.names);
        let addresses = self.addresses;
        Box::pin(async move {
            let found = allowed(names.resolve(name.as_str()).await?, addresses)?;
            if found.iter().any(|address| range(*address) != Range::Public) {
                names.inside.insert(lower(name.as_str()), ());
            }
            // The port comes from the URL.
            let sockets = found.into_iter().map(|address| SocketAddr::new(address, 0));
            Ok(Box::new(sockets) as Addrs)
        })
    }
}

fn allowed(mut found: Vec<IpAddr>, addresses: Addresses) -> Result<Vec<IpAddr>, AddressRefused> {
    found.retain(|address| addresses.allow(*address));
    if found.is_empty() {
        return Err(AddressRefused);
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn is(expected: Range, texts: &[&str]) {
        for text in texts {
            assert_eq!(range(text.parse().expect(text)), expected, "{text}");
        }
    }

    #[test]
    fn ranges_follow_the_registries() {
        is(
            Range::Public,
            &[
                "1.1.1.1",
                "100.63.0.1",
                "168.63.129.17",
                "172.32.0.1",
                "2606:4700::1",
                "64:ff9b::101:101",
                "2002:101:101::1",
            ],
        );
        is(
            Range::Private,
            &[
                "10.0.0.1",
                "172.16.0.1",
                "172.31.255.255",
                "192.168.1.1",
                "100.64.0.1",
                "198.18.0.1",
                "fd00::1",
                "fd20:ce::255",
                "fec0::1",
                "::ffff:10.0.0.1",
                "64:ff9b::10.0.0.1",
                "2002:0a00:0001::1",
            ],
        );
        is(
            Range::Forbidden,
            &[
                "0.0.0.0",
                "0.1.2.3",
                "127.0.0.1",
                "127.255.0.1",
                "169.254.169.254",
                "100.100.100.200",
                "192.0.0.192",
                "224.0.0.1",
                "255.255.255.255",
                "::",
                "::1",
                "fe80::1",
                "ff02::1",
                "fd00:ec2::254",
                "fd20:ce::254",
                "168.63.129.16",
                "::ffff:168.63.129.16",
                "64:ff9b::a83f:8110",
                "::ffff:127.0.0.1",
                "::127.0.0.1",
                "::ffff:0:127.0.0.1",
                "::ffff:169.254.169.254",
                "64:ff9b::a9fe:a9fe",
                "64:ff9b:1::1",
                "2002:7f00:1::1",
                "2002:a9fe:a9fe::",
                "2001:0:1::1",
            ],
        );
    }

    #[test]
    fn literals_are_judged_in_every_spelling() {
        for host in [
            "127.0.0.1",
            "2130706433",
            "0x7f.1",
            "127.1",
            "0",
            "[::1]",
            "[::ffff:7f00:1]",
            "[::ffff:169.254.169.254]",
            "169.254.169.254",
        ] {
            let url = Url::parse(&format!("https://{host}/v2/")).expect(host);
            assert!(check_literal(&url, Addresses::Private).is_err(), "{host}");
            assert!(check_literal(&url, Addresses::Any).is_ok(), "{host}");
        }
        let private = Url::parse("https://10.0.0.1/").unwrap();
        assert!(check_literal(&private, Addresses::Private).is_ok());
        assert!(check_literal(&private, Addresses::Public).is_err());
    }

    #[test]
    fn only_allowed_addresses_of_a_name_are_kept() {
        let found = vec!["127.0.0.1".parse().unwrap(), "10.0.0.1".parse().unwrap()];
        let kept = allowed(found.clone(), Addresses::Private).unwrap();
        assert_eq!(kept, ["10.0.0.1".parse::<IpAddr>().unwrap()]);
        assert!(allowed(found, Addresses::Public).is_err());
    }

    #[tokio::test]
    async fn localhost_never_leaves_the_machine() {
        let names = FilteredNames::new(None);
        for name in ["localhost", "LOCALHOST", "a.b.localhost", "localhost."] {
            let found = names.resolve(name).await.expect(name);
            assert!(found.iter().all(IpAddr::is_loopback), "{name}");
        }
    }
}
