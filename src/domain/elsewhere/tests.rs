//! What may be tried; that proposals work is shown through the webhook.

use super::*;
use crate::domain::node::Node;
use crate::domain::platform::Platform;
use crate::domain::runtime::Runtime;

fn nodes(count: usize) -> Nodes {
    let node = |number: usize| {
        let architecture = if number == 0 { "amd64" } else { "s390x" };
        let labels = [
            (ARCHITECTURE_LABEL, architecture.to_owned()),
            ("kubernetes.io/hostname", format!("n{number}")),
            ("rack", (number % 60).to_string()),
        ];
        let labels = labels.map(|(key, value)| (key.to_owned(), value));
        Node {
            name: format!("n{number}"),
            labels: labels.into(),
            taints: Vec::new(),
            unschedulable: false,
            extended_resources: BTreeSet::new(),
            platform: NodePlatform {
                platform: Platform::new("linux", architecture, ""),
                runtime: Runtime::default(),
                emulates: Vec::new(),
            },
            source: Source::Node,
            open_labels: None,
        }
    };
    (0..count).map(node).collect()
}

fn answer(nodes: &Nodes, placement: &Placement, steps: &Steps) -> Vec<Placement> {
    let question = Question {
        placement,
        fixed: &Labels::new(),
        is_template: true,
        has_other_affinity: false,
        architectures: Vec::new(),
        nodes,
        rules: CandidateRules::default(),
        runs: &|platform| platform.platform.architecture == "amd64",
        steps,
    };
    question.answer()
}

fn selecting(key: &str, value: &str) -> Placement {
    with_label(&Placement::default(), key, value)
}

#[test]
fn no_more_is_tried_than_there_are_steps() {
    let nodes = nodes(3000);
    let pinned = selecting("kubernetes.io/hostname", "n7");
    let few = Steps::of(5_000);
    assert_eq!(answer(&nodes, &pinned, &few), []);
    assert!(few.ran_out());
    let enough = Steps::of(2_000_000);
    let expected = selecting(ARCHITECTURE_LABEL, "amd64");
    assert_eq!(answer(&nodes, &pinned, &enough), [expected]);
    assert!(!enough.ran_out());
}

#[test]
fn what_cannot_be_written_is_not_proposed() {
    let nodes = nodes(5);
    let labels = (0..100).map(|number| (format!("rack-{number}"), "x".to_owned()));
    let long = Placement {
        node_selector: labels.collect(),
        ..Placement::default()
    };
    for placement in [long, selecting("rack", "not a\nvalue")] {
        let found = answer(&nodes, &placement, &Steps::default());
        assert_eq!(found, [selecting(ARCHITECTURE_LABEL, "amd64")]);
    }
}
