//! Names of hosts: what references spell in many ways is one server.

use std::net::Ipv6Addr;

use reqwest::Url;

/// Docker Hub, as references have it.
pub(in crate::registry) const DOCKER_HUB: &str = "docker.io";
/// The host that serves Docker Hub's API.
pub(in crate::registry) const DOCKER_HUB_API: &str = "registry-1.docker.io";
/// A former one, which still does.
const FORMER_DOCKER_HUB: &str = "index.docker.io";

/// What a URL leads to, however a reference spells it: a host has one budget.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Server {
    scheme: String,
    /// `host[:port]` as a reference would have it.
    pub(super) authority: String,
}

impl Server {
    pub(super) fn of(url: &Url) -> Self {
        // URLs are parsed already: lower case, no leading zeros, no usual ports.
        let mut authority = authority(url);
        let host = url.host_str().unwrap_or_default().trim_matches(['[', ']']);
        let address = host.parse::<Ipv6Addr>().ok();
        if let Some(mapped) = address.and_then(|address| address.to_ipv4_mapped()) {
            authority = with_port(&mapped.to_string(), url);
        }
        if is_docker_hub(&authority) {
            authority = DOCKER_HUB.to_owned();
        }
        Self {
            scheme: url.scheme().to_owned(),
            authority,
        }
    }
}

/// Whether `host[:port]` is one of Docker Hub's.
pub(in crate::registry) fn is_docker_hub(authority: &str) -> bool {
    let host = authority.strip_suffix(":443").unwrap_or(authority);
    [DOCKER_HUB, DOCKER_HUB_API, FORMER_DOCKER_HUB]
        .iter()
        .any(|name| name.eq_ignore_ascii_case(host))
}

/// `host[:port]` of a URL, as a reference would have it.
pub(in crate::registry) fn authority(url: &Url) -> String {
    let host = url.host_str().unwrap_or_default();
    // Redirects and realms may name the root of all domains, references cannot.
    with_port(host.strip_suffix('.').unwrap_or(host), url)
}

fn with_port(host: &str, url: &Url) -> String {
    match url.port() {
        Some(port) => format!("{host}:{port}"),
        None => host.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_host_is_one_however_it_is_spelled() {
        let server = |text: &str| Server::of(&Url::parse(text).expect(text));
        for (spellings, other) in [
            (
                [
                    "https://r.example:5500/",
                    "https://R.Example:005500/",
                    "https://r.example.:5500",
                ],
                "https://r.example:5501/",
            ),
            (
                [
                    "https://quay.io",
                    "https://QUAY.io:443",
                    "https://quay.io.:0443",
                ],
                "http://quay.io",
            ),
            (
                [
                    "https://[2001:DB8::1]",
                    "https://[2001:db8:0::1]",
                    "https://[2001:db8::0001]:443",
                ],
                "https://[2001:db8::2]",
            ),
            (
                [
                    "https://10.0.0.1",
                    "https://[::ffff:10.0.0.1]",
                    "https://0xa.1",
                ],
                "https://10.0.0.2",
            ),
            (
                [
                    "https://docker.io",
                    "https://index.docker.io:443",
                    "https://registry-1.docker.io",
                ],
                "https://auth.docker.io",
            ),
        ] {
            for spelling in spellings {
                assert_eq!(server(spelling), server(spellings[0]), "{spelling}");
                assert_ne!(server(spelling), server(other), "{spelling}");
            }
        }
    }
}
