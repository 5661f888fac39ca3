//! Whose requests are judged more leniently than everybody's: controllers of the cluster,
//! gates that hold a pod back, and nodes with pods of their own.

use super::request::{NODE_USER_PREFIX, Request};
use super::settings::Settings;
use crate::domain::glob;
use crate::domain::policy::{Leniency, OwnedPods};
use crate::domain::workload::Workload;

/// Controllers of Kubernetes that create pods, and objects that create pods, from
/// templates which were judged before.
/// Source: <https://github.com/kubernetes/kubernetes/blob/master/plugin/pkg/auth/authorizer/rbac/bootstrappolicy/controller_policy.go>
const CONTROLLERS: [&str; 8] = [
    "system:serviceaccount:kube-system:cronjob-controller",
    "system:serviceaccount:kube-system:daemon-set-controller",
    "system:serviceaccount:kube-system:deployment-controller",
    "system:serviceaccount:kube-system:job-controller",
    "system:serviceaccount:kube-system:replicaset-controller",
    "system:serviceaccount:kube-system:replication-controller",
    "system:serviceaccount:kube-system:statefulset-controller",
    "system:kube-controller-manager",
];

/// What speaks for each template of a request, whatever the object was before.
pub(super) fn of_request(
    request: &Request,
    workload: &Workload,
    settings: &Settings,
) -> Vec<Leniency> {
    let is_owned = is_owned(request, settings);
    // Gates are the template's they stand in: what goes with it is judged as ever.
    let templates = workload.templates.iter();
    let leniencies = templates.map(|template| match is_owned || template.placement.gated {
        true => Leniency::WarnOnly,
        false => Leniency::None,
    });
    leniencies.collect()
}

/// Whether a request is warned of at most, since a workload controller asks.
pub(super) fn is_owned(request: &Request, settings: &Settings) -> bool {
    settings.owned_pods == OwnedPods::Warn && is_controller(request, settings)
}

/// Who asks for something, as far as it matters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, strum::IntoStaticStr, strum::VariantArray)]
#[strum(serialize_all = "lowercase")]
pub(super) enum Asker {
    /// A workload controller, whose templates were judged before.
    Controller,
    /// Anybody else.
    User,
}

impl Asker {
    /// Who asks in a request.
    pub(super) fn of(request: &Request, settings: &Settings) -> Self {
        match is_controller(request, settings) {
            true => Self::Controller,
            false => Self::User,
        }
    }

    /// The name in metrics.
    pub(super) fn name(self) -> &'static str {
        self.into()
    }
}

/// Whether a workload controller asks. Who asks decides, not the ownerReferences: those are
/// the user's to write.
fn is_controller(request: &Request, settings: &Settings) -> bool {
    let user = request.user_info.username.as_str();
    let matches = |pattern: &String| is_user_match(pattern, user);
    CONTROLLERS.contains(&user) || settings.controllers.iter().any(matches)
}

/// Whether a pattern of `policy.controllers` matches the whole name of a user: `*` spans
/// anything but a colon, so that no name reaches into the next part of a service account's.
/// The chart makes a regular expression of the same rule (`archmatch.globs`).
fn is_user_match(pattern: &str, user: &str) -> bool {
    let (patterns, parts) = (pattern.split(':'), user.split(':'));
    patterns.clone().count() == parts.clone().count()
        && patterns
            .zip(parts)
            .all(|(pattern, part)| glob::is_match(pattern, part))
}

/// A pod that a kubelet made of a file on its own node. Denying it would only hide it.
pub(super) fn is_mirror_pod(request: &Request, workload: &Workload) -> bool {
    let Some(node) = request.user_info.username.strip_prefix(NODE_USER_PREFIX) else {
        return false;
    };
    let placed_there = workload
        .templates
        .iter()
        .all(|template| template.placement.node_name.as_deref() == Some(node));
    request.kind.kind == "Pod" && placed_there && request.claims_mirror_pod
}

#[cfg(test)]
mod tests {
    use super::is_user_match;

    #[test]
    fn a_star_in_a_user_name_spans_anything_but_a_colon() {
        for (pattern, user, expected) in [
            ("argo", "argo", true),
            ("argo", "argocd", false),
            (
                "system:serviceaccount:cnpg-system:*",
                "system:serviceaccount:cnpg-system:manager",
                true,
            ),
            (
                "system:serviceaccount:cnpg-system:*",
                "system:serviceaccount:cnpg-system:",
                true,
            ),
            (
                "system:serviceaccount:cnpg-system:*",
                "system:serviceaccount:cnpg-system",
                false,
            ),
            (
                "system:serviceaccount:cnpg-system:*",
                "system:serviceaccount:cnpg-system:a:b",
                false,
            ),
            (
                "system:serviceaccount:cnpg-*",
                "system:serviceaccount:cnpg-system:manager",
                false,
            ),
            (
                "system:serviceaccount:*:operator",
                "system:serviceaccount:web:operator",
                true,
            ),
            (
                "system:serviceaccount:*:operator",
                "system:serviceaccount:web:x:operator",
                false,
            ),
            (
                "system:serviceaccount:op-*-x:*",
                "system:serviceaccount:op-a-x:b",
                true,
            ),
            ("*", "ann", true),
            ("*", "system:node:a1", false),
            ("a.c", "abc", false),
            ("", "", true),
            ("", "ann", false),
        ] {
            assert_eq!(is_user_match(pattern, user), expected, "{pattern} {user}");
        }
    }
}
