//! Whose requests are judged more leniently than everybody's: controllers of the cluster,
//! gates that hold a pod back, and nodes with pods of their own.

use super::Settings;
use super::review::{NODE_USER_PREFIX, Request};
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

/// What speaks for a request, whatever its object was before.
pub(super) fn of_request(request: &Request, workload: &Workload, settings: &Settings) -> Leniency {
    // Who asks decides, not the ownerReferences: those are the user's to write.
    let user = request.user_info.username.as_str();
    let is_controller = CONTROLLERS.contains(&user)
        || settings
            .controllers
            .iter()
            .any(|controller| controller == user);
    let gated = workload
        .templates
        .iter()
        .any(|template| template.placement.gated);
    if gated || (is_controller && settings.owned_pods == OwnedPods::Warn) {
        Leniency::WarnOnly
    } else {
        Leniency::None
    }
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
