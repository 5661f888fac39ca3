//! Which of the objects of a snapshot are judged.

use serde_json::Value;

use super::json::ObjectError;
use super::kinds::{self, KindRef, KindRule};
use super::ties::ObjectTies;
use crate::domain::ownership::{JudgedPods, Ownership, Standing};
use crate::domain::workload::Workload;

/// The workloads among objects, each with the position of its object.
#[derive(Debug, Default)]
pub struct ToJudge {
    /// What is judged.
    pub workloads: Vec<(usize, Workload)>,
    /// What cannot be read.
    pub errors: Vec<(usize, ObjectError)>,
    /// Objects of which nobody says that they have pods.
    pub others: Vec<usize>,
}

/// Reads the workloads that are judged, without those that another one stands for
/// ([`crate::domain::ownership`]). The order of the objects decides nothing.
pub fn to_judge<'a>(
    objects: impl IntoIterator<Item = &'a Value>,
    rules: &[KindRule],
    pods: JudgedPods,
) -> ToJudge {
    let mut found = ToJudge::default();
    let mut ranked = Vec::new();
    for (position, object) in objects.into_iter().enumerate() {
        let text = |value: &'a Value| value.as_str().unwrap_or_default();
        let kind = KindRef::from_object(text(&object["apiVersion"]), text(&object["kind"]));
        let Some(rank) = kind.rank(rules) else {
            found.others.push(position);
            continue;
        };
        match ObjectTies::read(object) {
            Ok(ties) => ranked.push((rank, position, object, kind.is_pod(), ties)),
            Err(error) => found.errors.push((position, error)),
        }
    }
    // Within a kind as the API server lists them.
    ranked.sort_by(
        |(one_rank, one_position, .., one), (rank, position, .., other)| {
            let names = one.ties().namespace.cmp(other.ties().namespace);
            let names = names.then_with(|| one.name().cmp(other.name()));
            let positions = one_position.cmp(position);
            one_rank.cmp(rank).then(names).then(positions)
        },
    );
    // Snapshots may overlap.
    ranked.dedup_by(|(rank, .., again), (first_rank, .., first)| {
        let (ties, first_ties) = (again.ties(), first.ties());
        let same_name = again.name() == first.name() && ties.namespace == first_ties.namespace;
        let same_uid = !ties.uid.is_empty() && ties.uid == first_ties.uid;
        rank == first_rank && same_name && same_uid
    });
    let mut ownership = Ownership::new(pods);
    for (_, position, object, is_pod, ties) in ranked {
        let ties = ties.ties();
        // A uid that is there under another name was copied with the file.
        if ownership.meet(&ties, is_pod) == Standing::Owned {
            continue;
        }
        match kinds::read(object, rules) {
            Ok(Some(workload)) => {
                if !workload.templates.is_empty() {
                    ownership.judged(&ties);
                }
                found.workloads.push((position, workload));
            }
            Ok(None) => {}
            Err(error) => found.errors.push((position, error)),
        }
    }
    found.workloads.sort_by_key(|(position, _)| *position);
    found.errors.sort_by_key(|(position, _)| *position);
    found
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn object(kind: (&str, &str), name: &str, uid: &str, owner: &str) -> Value {
        let pod = json!({"containers": [{"name": "c", "image": "i"}]});
        let spec = match kind.1 {
            "Pod" => pod,
            _ => json!({"replicas": 0, "template": {"spec": pod}}),
        };
        let owners = json!([{"kind": "Any", "uid": owner, "controller": true}]);
        json!({
            "apiVersion": kind.0, "kind": kind.1, "spec": spec,
            "metadata": {"name": name, "namespace": "web", "uid": uid, "ownerReferences": owners},
        })
    }

    const DEPLOYMENT: (&str, &str) = ("apps/v1", "Deployment");
    const REPLICA_SET: (&str, &str) = ("apps/v1", "ReplicaSet");
    const ROLLOUT: (&str, &str) = ("argoproj.io/v1alpha1", "Rollout");
    const POD: (&str, &str) = ("v1", "Pod");

    /// Names of what is judged, and positions of what cannot be read and of what has no pods.
    fn names(found: &ToJudge) -> (Vec<&str>, Vec<usize>, &[usize]) {
        let workloads = found.workloads.iter().map(|(_, one)| one.name.as_str());
        let errors = found.errors.iter().map(|(position, _)| *position);
        (workloads.collect(), errors.collect(), &found.others)
    }

    #[test]
    fn the_order_of_the_objects_decides_nothing() {
        let service = json!({"apiVersion": "v1", "kind": "Service", "metadata": {"name": "s"}});
        let objects = [
            object(POD, "p1", "p1", "r1"),
            object(POD, "p2", "p2", "r2"),
            object(POD, "bare", "bare", ""),
            object(POD, "loop-b", "lb", "la"),
            object(REPLICA_SET, "r2", "r2", "rollout"),
            object(REPLICA_SET, "r1", "r1", "d"),
            object(POD, "loop-a", "la", "lb"),
            object(DEPLOYMENT, "d", "d", ""),
            service,
        ];
        let forwards = to_judge(&objects, &[], JudgedPods::Bare);
        let expected = vec!["bare", "r2", "loop-a", "d"];
        assert_eq!(names(&forwards), (expected.clone(), Vec::new(), &[8][..]));
        let backwards = to_judge(objects.iter().rev(), &[], JudgedPods::Bare);
        let reversed = expected.into_iter().rev().collect();
        assert_eq!(names(&backwards), (reversed, Vec::new(), &[0][..]));

        let each = to_judge(&objects, &[], JudgedPods::Each);
        let pods = ["p1", "p2", "bare", "loop-b", "r2", "loop-a", "d"];
        assert_eq!(names(&each).0, pods);
    }

    #[test]
    fn a_kind_that_is_configured_stands_for_what_it_makes() {
        let rules = KindRule::well_known();
        let mut rollout = object(ROLLOUT, "rollout", "rollout", "");
        let replica_set = object(REPLICA_SET, "r", "r", "rollout");
        let judge = |objects: &[Value], rules: &[KindRule]| {
            let found = to_judge(objects, rules, JudgedPods::Bare);
            let names = found.workloads.into_iter().map(|(_, one)| one.name);
            (names.collect::<Vec<_>>(), found.others)
        };
        let objects = [replica_set.clone(), rollout.clone()];
        assert_eq!(
            judge(&objects, &rules),
            (vec!["rollout".to_owned()], vec![])
        );
        assert_eq!(judge(&objects, &[]), (vec!["r".to_owned()], vec![1]));
        // Without a template there is nothing to judge it by.
        rollout["spec"] = json!({"workloadRef": {"name": "d"}});
        let names = vec!["r".to_owned(), "rollout".to_owned()];
        assert_eq!(judge(&[replica_set, rollout], &rules), (names, vec![]));
    }

    #[test]
    fn the_same_object_counts_once_and_a_copied_uid_hides_nothing() {
        let objects = [
            object(DEPLOYMENT, "d", "u", ""),
            object(DEPLOYMENT, "d", "u", ""),
            object(DEPLOYMENT, "copy", "u", ""),
            object(DEPLOYMENT, "plain", "", ""),
            object(DEPLOYMENT, "plain", "", ""),
        ];
        let found = to_judge(&objects, &[], JudgedPods::Bare);
        assert_eq!(names(&found).0, ["d", "copy", "plain", "plain"]);
        let positions: Vec<usize> = found.workloads.iter().map(|(at, _)| *at).collect();
        assert_eq!(positions, [0, 2, 3, 4]);
    }

    #[test]
    fn what_cannot_be_read_is_an_error_and_stands_for_nothing() {
        let mut broken = object(DEPLOYMENT, "d", "d", "");
        broken["spec"]["template"]["spec"]["containers"] = json!({});
        let mut nameless = object(POD, "w", "w", "");
        nameless["metadata"]["ownerReferences"] = json!(1);
        let replica_set = object(REPLICA_SET, "r", "r", "d");
        let objects = [replica_set, nameless, broken, json!(null), json!([1])];
        let found = to_judge(&objects, &[], JudgedPods::Bare);
        assert_eq!(names(&found), (vec!["r"], vec![1, 2], &[3, 4][..]));
        assert_eq!(found.errors[0].1.path(), "metadata.ownerReferences");
    }
}
