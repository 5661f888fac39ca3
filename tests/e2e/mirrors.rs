//! A registry with a mirror: we ask where the node asks.

use crate::Test;
use crate::cluster::Cluster;
use crate::kubectl::Namespace;
use crate::registries::{
    Client, ELSEWHERE, MIRRORED, Stopped, is_not_pulled, manifests_asked, puller, runs,
};

pub const TESTS: &[(&str, Test)] = &[
    (
        "an_image_that_only_a_mirror_has_is_judged_and_pulled",
        only_in_mirror,
    ),
    (
        "a_mirror_is_asked_before_its_registry_and_instead",
        mirror_first,
    ),
    ("without_its_mirror_a_registry_is_asked_itself", mirror_down),
];

const CLIENTS: &[Client] = &[Client::Product, Client::Node];

fn only_in_mirror(cluster: &Cluster) {
    let namespace = Namespace::new(cluster, &[]);
    let bad = puller("bad", &format!("{ELSEWHERE}/app:noamd64"));
    let denial = namespace.rejects(&bad);
    assert!(denial.contains("has no linux/amd64 manifest"), "{denial}");
    namespace.accepts(&puller("good", &format!("{ELSEWHERE}/app:multi")));
    runs(&namespace, "good");
}

fn mirror_first(cluster: &Cluster) {
    let namespace = Namespace::new(cluster, &[]);
    namespace.accepts(&puller("web", &format!("{MIRRORED}/node:21")));
    runs(&namespace, "web");
    for client in CLIENTS {
        let asked = |service| manifests_asked(cluster, service, *client, "node:21");
        assert_ne!(asked("mirror"), 0, "{client:?}");
        assert_eq!(asked("origin"), 0, "{client:?}");
    }
}

fn mirror_down(cluster: &Cluster) {
    let namespace = Namespace::new(cluster, &[]);
    let _stopped = Stopped::new(cluster, "mirror");
    // Names that nobody asked for before, so that no cache has them.
    let bad = puller("bad", &format!("{MIRRORED}/shape:list-without"));
    let denial = namespace.rejects(&bad);
    assert!(denial.contains("has no linux/amd64 manifest"), "{denial}");
    namespace.accepts(&puller("good", &format!("{MIRRORED}/shape:amd64-last")));
    runs(&namespace, "good");
    for client in CLIENTS {
        let asked = manifests_asked(cluster, "origin", *client, "shape:amd64-last");
        assert_ne!(asked, 0, "{client:?}");
    }
    // Without the mirror of nowhere there is nowhere to ask.
    let lost = format!("{ELSEWHERE}/node:19");
    let warning = namespace.warns(&puller("lost", &lost));
    let expected = format!("image \"{lost}\" could not be checked: ");
    assert!(warning.contains(&expected), "{warning}");
    is_not_pulled(&namespace, "lost");
}
