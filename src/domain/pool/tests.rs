use super::*;
use crate::domain::runtime::Runtime;

fn pool(labels: &[(&str, &str)], open: &[(&str, Values)]) -> Pool {
    let pairs = labels.iter();
    Pool {
        name: "p".to_owned(),
        source: Source::NodePool,
        labels: pairs
            .map(|(key, value)| ((*key).to_owned(), (*value).to_owned()))
            .collect(),
        open_labels: OpenLabels {
            labels: open
                .iter()
                .map(|(key, values)| ((*key).to_owned(), values.clone()))
                .collect(),
            ..OpenLabels::default()
        },
        taints: Vec::new(),
        extended_resources: BTreeSet::new(),
        container_runtime_version: String::new(),
    }
}

#[track_caller]
fn grows(pool: &Pool, overrides: &[NodeOverride], expected: &[&str]) {
    let nodes = pool.to_nodes(overrides);
    let platforms = nodes.iter().map(|node| node.platform.platform.to_string());
    assert_eq!(platforms.collect::<Vec<_>>(), expected);
}

fn settles(architectures: &[&str]) -> NodeOverride {
    NodeOverride {
        architectures: architectures
            .iter()
            .map(|name| (*name).to_owned().try_into().unwrap())
            .collect(),
        ..NodeOverride::default()
    }
}

#[test]
fn a_pool_is_one_node_for_each_platform_that_it_lists() {
    let fixed = pool(&[(ARCHITECTURE_LABEL, "s390x")], &[]);
    grows(&fixed, &[], &["linux/s390x"]);
    let listed = Values::only(["arm64", "amd64"]);
    let both = pool(&[], &[(ARCHITECTURE_LABEL, listed.clone())]);
    grows(&both, &[], &["linux/amd64", "linux/arm64"]);
    let systems = Values::only(["windows", "linux"]);
    let four = pool(&[], &[(ARCHITECTURE_LABEL, listed), (OS_LABEL, systems)]);
    let expected = [
        "linux/amd64",
        "linux/arm64",
        "windows/amd64",
        "windows/arm64",
    ];
    grows(&four, &[], &expected);
}

#[test]
fn an_open_architecture_is_unknown_until_an_override_settles_it() {
    let open = pool(&[], &[(ARCHITECTURE_LABEL, Values::any())]);
    grows(&open, &[], &["linux/unknown"]);
    grows(
        &open,
        &[settles(&["arm64", "amd64"])],
        &["linux/arm64", "linux/amd64"],
    );
    let other = NodeOverride {
        selector: [("pool".to_owned(), "other".to_owned())].into(),
        ..settles(&["arm64"])
    };
    grows(&open, &[other], &["linux/unknown"]);
    // What the pool rules out does not come back.
    let not_arm = pool(&[], &[(ARCHITECTURE_LABEL, Values::except(["arm64"]))]);
    grows(&not_arm, &[settles(&["arm64", "amd64"])], &["linux/amd64"]);
    grows(&not_arm, &[settles(&["arm64"])], &["linux/unknown"]);
    // A pool that says its architecture is not overruled.
    let fixed = pool(&[(ARCHITECTURE_LABEL, "s390x")], &[]);
    grows(&fixed, &[settles(&["arm64"])], &["linux/s390x"]);
}

#[test]
fn an_open_operating_system_is_linux() {
    let arm = (ARCHITECTURE_LABEL, "arm64");
    grows(
        &pool(&[arm], &[(OS_LABEL, Values::any())]),
        &[],
        &["linux/arm64"],
    );
    let not_linux = Values::except(["linux"]);
    grows(
        &pool(&[arm], &[(OS_LABEL, not_linux)]),
        &[],
        &["windows/arm64"],
    );
}

#[test]
fn overrides_reach_the_nodes_of_a_pool() {
    let arm = pool(&[(ARCHITECTURE_LABEL, "arm"), ("pool", "x")], &[]);
    let settings = NodeOverride {
        selector: [("pool".to_owned(), "x".to_owned())].into(),
        runtime: Some(Runtime::CriO),
        variant: Some("v6".to_owned()),
        emulates: vec!["linux/amd64".parse().unwrap()],
        ..NodeOverride::default()
    };
    let nodes = arm.to_nodes(&[settings]);
    assert_eq!(nodes[0].platform.platform.to_string(), "linux/arm/v6");
    assert_eq!(nodes[0].platform.runtime, Runtime::CriO);
    assert_eq!(nodes[0].platform.emulates.len(), 1);
}
