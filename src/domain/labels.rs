//! Labels, as nodes and selectors have them.

use std::collections::BTreeMap;

use super::text::LONGEST_NAME;

/// Keys with their values.
pub type Labels = BTreeMap<String, String>;

/// The present name of a label that had another one: nodes have both.
/// Source: `NormalizedLabels` in
/// <https://github.com/kubernetes-sigs/karpenter/blob/main/pkg/apis/v1/labels.go>
pub fn canonical_label(key: &str) -> &str {
    match key {
        "beta.kubernetes.io/arch" => ARCHITECTURE_LABEL,
        "beta.kubernetes.io/os" => OS_LABEL,
        "beta.kubernetes.io/instance-type" => "node.kubernetes.io/instance-type",
        "failure-domain.beta.kubernetes.io/zone" => "topology.kubernetes.io/zone",
        "failure-domain.beta.kubernetes.io/region" => "topology.kubernetes.io/region",
        other => other,
    }
}

/// Source: <https://kubernetes.io/docs/reference/labels-annotations-taints/#kubernetes-io-arch>
pub const ARCHITECTURE_LABEL: &str = "kubernetes.io/arch";
/// Source: <https://kubernetes.io/docs/reference/labels-annotations-taints/#kubernetes-io-os>
pub const OS_LABEL: &str = "kubernetes.io/os";
/// Source: <https://kubernetes.io/docs/reference/labels-annotations-taints/#kubernetesiohostname>
pub(super) const HOST_NAME_LABEL: &str = "kubernetes.io/hostname";

/// A qualified name: an optional DNS subdomain, a slash, and a name of up to 63 characters.
/// Source: <https://github.com/kubernetes/apimachinery/blob/master/pkg/util/validation/validation.go>
pub fn is_label_key(key: &str) -> bool {
    match key.split_once('/') {
        None => is_name_part(key),
        Some((prefix, name)) => is_dns_subdomain(prefix) && is_name_part(name),
    }
}

fn is_name_part(name: &str) -> bool {
    !name.is_empty() && is_label_value(name)
}

/// Up to 63 characters, alphanumeric at both ends; empty is a value, too.
pub fn is_label_value(value: &str) -> bool {
    let bytes = value.as_bytes();
    let (Some(first), Some(last)) = (bytes.first(), bytes.last()) else {
        return true;
    };
    bytes.len() <= 63
        && first.is_ascii_alphanumeric()
        && last.is_ascii_alphanumeric()
        && bytes
            .iter()
            .all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.'))
}

/// A name as objects and the prefixes of labels have it, by RFC 1123.
/// Source: `IsDNS1123Subdomain` in the same file
pub fn is_dns_subdomain(text: &str) -> bool {
    let is_part = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    text.len() <= LONGEST_NAME
        && text.split('.').all(|label| {
            !label.is_empty()
                && !label.starts_with('-')
                && !label.ends_with('-')
                && label.bytes().all(is_part)
        })
}
