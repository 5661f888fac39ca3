//! On whose account a look-up is, and whose credentials it may use.

use std::fmt;
use std::sync::Arc;

use super::labels::is_dns_subdomain;

/// A pull secret by name: `namespace/name`.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct SecretName {
    namespace: Box<str>,
    name: Box<str>,
}

/// On whose account work is done. Tenants share what there is; no answer depends on them.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub enum Tenant {
    /// Whoever runs the program.
    #[default]
    Operator,
    /// Those who work in a namespace.
    Namespace(Arc<str>),
}

/// For whom a look-up is.
///
/// Answers are proven per credential: what one access may see never answers for another.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Access {
    /// On whose account it is.
    pub tenant: Tenant,
    /// The pull secrets of a pod, in the pod's order. Without any there is what everybody's
    /// look-ups have: what the operator configured, anonymous where that has nothing for the
    /// image.
    pub secrets: Arc<[SecretName]>,
}

/// How many pull secrets of a pod are looked at.
pub const MOST_PULL_SECRETS: usize = 64;

impl SecretName {
    /// The name, if such a Secret can exist: whatever else a pod says names nothing, and
    /// must not become part of a URL.
    /// Source: <https://kubernetes.io/docs/concepts/overview/working-with-objects/names/>
    pub fn new(namespace: &str, name: &str) -> Option<Self> {
        let valid = is_dns_subdomain(namespace) && is_dns_subdomain(name);
        valid.then(|| Self {
            namespace: namespace.into(),
            name: name.into(),
        })
    }

    /// The pull secrets that a pod names. Secrets count in the pod's own namespace alone.
    pub fn list<'a>(namespace: &str, names: impl IntoIterator<Item = &'a str>) -> Arc<[Self]> {
        let names = names.into_iter();
        names
            .filter_map(|name| Self::new(namespace, name))
            .take(MOST_PULL_SECRETS)
            .collect()
    }

    /// The pod's namespace.
    pub fn namespace(&self) -> &str {
        &self.namespace
    }

    /// The name in the namespace.
    pub fn name(&self) -> &str {
        &self.name
    }
}

impl fmt::Display for SecretName {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}/{}", self.namespace, self.name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_no_object_can_have_name_nothing() {
        for name in [
            "",
            "..",
            "a/b",
            "../b",
            "A",
            "a b",
            "a%2fb",
            "a?b",
            "-a",
            "a.",
            &"a".repeat(254),
        ] {
            assert_eq!(SecretName::new("web", name), None, "{name}");
            assert_eq!(SecretName::new(name, "regcred"), None, "{name}");
            assert!(SecretName::list("web", [name]).is_empty(), "{name}");
        }
        let name = SecretName::new("web", "reg.cred-1").unwrap();
        assert_eq!((name.namespace(), name.name()), ("web", "reg.cred-1"));
        assert_eq!(name.to_string(), "web/reg.cred-1");
    }

    #[test]
    fn the_first_pull_secrets_are_looked_at_and_no_more() {
        let names: Vec<String> = (0..100).map(|number| format!("s{number}")).collect();
        let secrets = SecretName::list("web", names.iter().map(String::as_str));
        assert_eq!(secrets.len(), 64);
        assert_eq!(secrets[63].name(), "s63");
    }
}
