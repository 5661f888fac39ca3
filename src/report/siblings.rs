//! DaemonSets of one program for several architectures, each with a pin of its own.

use super::model::ReportedWorkload;

/// Parts of a name that stand for an architecture.
const ARCHITECTURES: [&str; 16] = [
    "386", "aarch64", "amd64", "arm", "arm32", "arm32v6", "arm32v7", "arm64", "arm64v8", "armhf",
    "i386", "ppc64le", "riscv64", "s390x", "x64", "x86_64",
];

/// Whether a DaemonSet is one of several whose names differ in the architecture alone: then
/// its pin is what keeps them apart.
pub(super) fn is_split_by_architecture(position: usize, workloads: &[ReportedWorkload]) -> bool {
    let Some(workload) = workloads
        .get(position)
        .filter(|one| one.kind == "DaemonSet")
    else {
        return false;
    };
    let name = without_architecture(&workload.name);
    workloads.iter().any(|other| {
        other.kind == workload.kind
            && other.namespace == workload.namespace
            && other.name != workload.name
            && without_architecture(&other.name) == name
    })
}

/// The parts of a name, those that stand for an architecture left out.
fn without_architecture(name: &str) -> Vec<&str> {
    let parts = name.split(['-', '.']);
    parts.filter(|part| !ARCHITECTURES.contains(part)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_compared_without_the_architecture() {
        for (one, other, same) in [
            ("kube-flannel-ds-amd64", "kube-flannel-ds-s390x", true),
            ("agent", "agent-arm64", true),
            ("agent-amd64-v2", "agent-arm64-v2", true),
            ("agent-amd64-v1", "agent-arm64-v2", false),
            ("farm-amd64", "charm-amd64", false),
        ] {
            let is_same = without_architecture(one) == without_architecture(other);
            assert_eq!(is_same, same, "{one} {other}");
        }
    }
}
