//! Private images: who has the secret is told about the image, nobody else is, and the real
//! node pulls with the same secret, or does not.

use serde_json::{Value, json};

use crate::Test;
use crate::cluster::{Cluster, eventually};
use crate::kubectl::{Namespace, deployment};
use crate::product::ReadableSecrets;
use crate::registries::{HTPASSWD, TOKEN, is_not_pulled, puller, runs};

pub const TESTS: &[(&str, Test)] = &[
    (
        "a_private_image_is_judged_and_pulled_with_the_pods_secret",
        secret_of_pod,
    ),
    (
        "a_private_image_is_judged_and_pulled_with_the_service_accounts_secret",
        secret_of_service_account,
    ),
    (
        "a_private_image_behind_a_wrong_password_is_unknown_by_that_secret",
        wrong_password,
    ),
    (
        "a_private_image_without_its_secret_reads_as_if_there_were_none",
        hidden,
    ),
    (
        "a_private_image_is_judged_where_the_chart_lets_us_read_secrets",
        access_modes,
    ),
];

const REGISTRIES: &[&str] = &[HTPASSWD, TOKEN];
const SECRET: &str = "regcred";

/// Runs on the real node.
fn good(registry: &str) -> String {
    format!("{registry}/team/app:multi")
}

/// Has nothing for the real node.
fn bad(registry: &str) -> String {
    format!("{registry}/team/app:noamd64")
}

/// A pull secret with one account of each registry; `tools/cmd/registry/accounts.go` has them.
fn put_secret(namespace: &Namespace<'_>, user: &str, password: &str) {
    let entry = |registry: &&str| {
        let account = json!({"username": user, "password": password});
        ((*registry).to_owned(), account)
    };
    let auths: serde_json::Map<String, Value> = REGISTRIES.iter().map(entry).collect();
    let config = json!({"auths": auths}).to_string();
    let secret = json!({
        "apiVersion": "v1", "kind": "Secret", "metadata": {"name": SECRET},
        "type": "kubernetes.io/dockerconfigjson", "stringData": {".dockerconfigjson": config},
    });
    namespace.apply(&secret, &[]).expect_ok();
}

fn with_secret(mut pod: Value) -> Value {
    pod["spec"]["imagePullSecrets"] = json!([{"name": SECRET}]);
    pod
}

fn secret_of_pod(cluster: &Cluster) {
    let namespace = Namespace::new(cluster, &[]);
    put_secret(&namespace, "ada", "engine");
    for (name, registry) in ["first", "second"].into_iter().zip(REGISTRIES) {
        let denial = namespace.rejects(&with_secret(puller(name, &bad(registry))));
        let expected = format!(
            "image \"{}\" (container web) has no linux/amd64 manifest, required by 1 node \
             (real-amd64)",
            bad(registry)
        );
        assert!(denial.contains(&expected), "{denial}");
        namespace.accepts(&with_secret(puller(name, &good(registry))));
        runs(&namespace, name);
    }
}

fn secret_of_service_account(cluster: &Cluster) {
    let namespace = Namespace::new(cluster, &[]);
    put_secret(&namespace, "ada", "engine");
    let patch = json!({"imagePullSecrets": [{"name": SECRET}]}).to_string();
    let patch = ["patch", "serviceaccount", "default", "-p", &patch];
    namespace.kubectl(&patch).expect_ok();
    for (name, registry) in ["first", "second"].into_iter().zip(REGISTRIES) {
        let workload = |image: &str| {
            let mut object = deployment(puller(name, image)["spec"].take());
            object["metadata"]["name"] = json!(name);
            object
        };
        // Nobody writes the secret into a template: we have to see the service account.
        eventually("the service account's secret counts", || {
            let said = namespace.apply(&workload(&bad(registry)), &["--dry-run=server"]);
            let denied = said.stderr.contains("has no linux/amd64 manifest");
            if denied { Ok(()) } else { Err(said.stderr) }
        });
        namespace.accepts(&workload(&good(registry)));
        let rolled_out = ["rollout", "status", "--timeout=60s", "deployment", name];
        namespace.kubectl(&rolled_out).expect_ok();
        // The API server does write it into a bare pod.
        namespace.rejects(&puller(name, &bad(registry)));
        namespace.accepts(&puller(name, &good(registry)));
        runs(&namespace, name);
    }
}

fn wrong_password(cluster: &Cluster) {
    let namespace = Namespace::new(cluster, &[]);
    put_secret(&namespace, "ada", "spelled wrong");
    for (name, registry) in ["first", "second"].into_iter().zip(REGISTRIES) {
        let warning = namespace.warns(&with_secret(puller(name, &good(registry))));
        let expected = format!(
            "could not be checked: {registry} refused the credentials of secret {}/{SECRET} \
             (unauthorized)",
            namespace.name
        );
        assert!(warning.contains(&expected), "{warning}");
        is_not_pulled(&namespace, name);
    }
}

fn hidden(cluster: &Cluster) {
    let insider = Namespace::new(cluster, &[]);
    put_secret(&insider, "ada", "engine");
    let outsider = Namespace::new(cluster, &[]);
    // An account of the registry, which may not see this repository.
    let stranger = Namespace::new(cluster, &[]);
    put_secret(&stranger, "bob", "builder");
    for registry in REGISTRIES {
        // We know the images well, by somebody else's secret.
        insider.rejects(&with_secret(puller("known", &bad(registry))));
        looks_absent(&outsider, registry, &|pod| pod);
        insider.rejects(&with_secret(puller("known", &bad(registry))));
    }
    // To htpasswd all accounts are equal; the token server tells them apart.
    looks_absent(&stranger, TOKEN, &with_secret);
}

/// A private image, with and without a platform for the node, reads like one that does not
/// exist; and to the node it is none.
fn looks_absent(namespace: &Namespace<'_>, registry: &str, with: &dyn Fn(Value) -> Value) {
    let names = [good(registry), bad(registry)];
    let absent = format!("{registry}/team/app:never-pushed");
    let number = registry.replace(['.', ':'], "-");
    let words = |position: usize, image: &str| {
        let name = format!("pod-{position}-{number}");
        let warning = namespace.warns(&with(puller(&name, image)));
        is_not_pulled(namespace, &name);
        warning.replace(image, "IMAGE")
    };
    let expected = words(0, &absent);
    for part in ["could not be checked: ", "(unauthorized)"] {
        assert!(expected.contains(part), "{part} in {expected}");
    }
    for platform in ["amd64", "arm64", "s390x"] {
        assert!(!expected.contains(platform), "{platform} in {expected}");
    }
    for (position, image) in names.iter().enumerate() {
        assert_eq!(words(position + 1, image), expected, "{image}");
    }
}

fn access_modes(cluster: &Cluster) {
    let [listed, other] = [(), ()].map(|()| Namespace::new(cluster, &[]));
    for namespace in [&listed, &other] {
        put_secret(namespace, "ada", "engine");
    }
    let pod = with_secret(puller("web", &bad(HTPASSWD)));
    // Replicas that are on their way out still answer.
    let says = |namespace: &Namespace<'_>, text: &str| {
        eventually("the new access counts", || {
            let said = namespace.apply(&pod, &["--dry-run=server"]);
            if said.stderr.contains(text) {
                Ok(said.ok)
            } else {
                Err(said.stderr)
            }
        })
    };
    let denied = |namespace| assert!(!says(namespace, "has no linux/amd64 manifest"));
    let closed = |namespace: &Namespace<'_>, why: &str| {
        let name = &namespace.name;
        let why = why.replace("NAME", name);
        assert!(says(
            namespace,
            &format!("secret {name}/{SECRET} may not be read: credentials.secrets {why}")
        ));
    };
    denied(&listed);
    let access = ReadableSecrets::none(cluster);
    closed(&listed, "is none");
    access.of_namespaces(&[&listed.name]);
    denied(&listed);
    closed(&other, "does not list namespace NAME");
    // The Role is in the one namespace, and lets us read one secret by its name.
    let may = |verb: &str, namespace: &Namespace<'_>| {
        let us = "--as=system:serviceaccount:archmatch:archmatch";
        namespace
            .kubectl(&["auth", "can-i", verb, "secrets", us])
            .ok
    };
    assert!(may("get", &listed) && !may("list", &listed) && !may("watch", &listed));
    assert!(!may("get", &other));
    drop(access);
    denied(&other);
}
