//! Groups never change an answer: random clusters and pods, against each node alone.

use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;

use super::*;
use crate::domain::candidates::{
    CandidatePlatform, CandidateRules, Candidates, Exclusion, NAMES, candidates,
};
use crate::domain::placement::affinity::{NodeSelector, Operator, Requirement, Term};
use crate::domain::placement::toleration::Toleration;
use crate::domain::placement::{Placement, Placer};
use crate::domain::platform::Platform;
use crate::domain::runtime::Runtime;
use crate::domain::taint::Effect;

/// What differs between random nodes.
#[derive(Clone, Debug)]
struct Shape {
    is_s390x: bool,
    zone: Option<u8>,
    serial: u8,
    is_tainted: bool,
    is_cordoned: bool,
    has_gpu: bool,
    is_pool: bool,
}

fn shape(serials: u8) -> impl Strategy<Value = Shape> {
    let flags = (any::<[bool; 3]>(), 0..10u8, 0..10u8);
    (flags, option::of(0..3u8), 0..=serials).prop_map(|((flags, cordon, pool), zone, serial)| {
        Shape {
            is_s390x: flags[0],
            zone,
            serial,
            is_tainted: flags[1],
            is_cordoned: cordon == 0,
            has_gpu: flags[2],
            is_pool: pool == 0,
        }
    })
}

fn node(number: usize, shape: &Shape) -> Node {
    let architecture = if shape.is_s390x { "s390x" } else { "amd64" };
    let name = format!("n{number}");
    let mut labels = Labels::from([
        (HOST_NAME_LABEL.to_owned(), name.clone()),
        ("serial".to_owned(), shape.serial.to_string()),
    ]);
    if let Some(zone) = shape.zone {
        labels.insert("zone".to_owned(), zone.to_string());
    }
    Node {
        name,
        labels,
        taints: shape
            .is_tainted
            .then(|| Taint {
                key: "dedicated".to_owned(),
                value: String::new(),
                effect: Effect::NoSchedule,
            })
            .into_iter()
            .collect(),
        unschedulable: shape.is_cordoned,
        extended_resources: shape
            .has_gpu
            .then(|| "gpu".to_owned())
            .into_iter()
            .collect(),
        platform: NodePlatform {
            platform: Platform::new("linux", architecture, ""),
            runtime: Runtime::default(),
            emulates: Vec::new(),
        },
        source: if shape.is_pool {
            Source::Pool
        } else {
            Source::Node
        },
        open_labels: None,
    }
}

/// Clusters with and without a label that has too many values.
fn serials() -> impl Strategy<Value = u8> {
    prop_oneof![Just(3), Just(80), Just(255)]
}

fn cluster() -> impl Strategy<Value = Vec<Node>> {
    let shapes = serials().prop_flat_map(|serials| vec(shape(serials), 0..200));
    shapes.prop_map(|shapes| {
        shapes
            .iter()
            .enumerate()
            .map(|(i, it)| node(i, it))
            .collect()
    })
}

/// Updates and removals of nodes by number.
fn changes() -> impl Strategy<Value = Vec<(usize, Option<Shape>)>> {
    let change = |serials| (0..120usize, option::weighted(0.8, shape(serials)));
    vec(
        serials().prop_flat_map(move |serials| vec(change(serials), 0..250)),
        1..4,
    )
    .prop_map(|phases| phases.concat())
}

fn requirement() -> impl Strategy<Value = Requirement> {
    let operators = ["In", "NotIn", "Exists", "DoesNotExist", "Gt", "Lt"];
    let keys = ["zone", "serial", HOST_NAME_LABEL];
    let parts = (0..keys.len(), 0..operators.len(), 0..100u8);
    parts.prop_map(move |(key, operator, number)| Requirement {
        key: keys[key].to_owned(),
        operator: Operator::from_name(operators[operator]),
        values: match (operators[operator], keys[key]) {
            ("Exists" | "DoesNotExist", _) => Vec::new(),
            (_, HOST_NAME_LABEL) => vec![format!("n{number}")],
            (_, "zone") => vec![(number % 3).to_string()],
            _ => vec![number.to_string()],
        },
    })
}

fn field() -> impl Strategy<Value = Requirement> {
    (0..100u8, any::<bool>()).prop_map(|(number, is_in)| Requirement {
        key: "metadata.name".to_owned(),
        operator: if is_in { Operator::In } else { Operator::NotIn },
        values: vec![format!("n{number}")],
    })
}

fn placement() -> impl Strategy<Value = Placement> {
    let term = (vec(requirement(), 0..3), vec(field(), 0..2));
    let term = term.prop_map(|(expressions, fields)| Term {
        expressions,
        fields,
    });
    let affinity = vec(term, 0..3).prop_map(|terms| NodeSelector { terms });
    let selector = prop_oneof![
        4 => Just(Labels::new()),
        1 => (0..100u8).prop_map(|number| [("serial".to_owned(), number.to_string())].into()),
        1 => (0..3u8).prop_map(|number| [("zone".to_owned(), number.to_string())].into()),
    ];
    let name = option::weighted(0.2, (0..100u8).prop_map(|number| format!("n{number}")));
    (name, selector, option::of(affinity), any::<[bool; 3]>()).prop_map(
        |(node_name, node_selector, required_affinity, [tolerates, gpu, daemon])| Placement {
            node_name,
            node_selector,
            required_affinity,
            tolerations: tolerates
                .then(|| Toleration::exists("dedicated", None))
                .into_iter()
                .collect(),
            extended_resources: gpu.then(|| "gpu".to_owned()).into_iter().collect(),
            placer: if daemon {
                Placer::DaemonSet
            } else {
                Placer::Scheduler
            },
            ..Placement::default()
        },
    )
}

/// The answer without groups: every node is a cluster of its own.
fn one_by_one(nodes: &[Node], placement: &Placement) -> Candidates {
    let mut sorted = nodes.to_vec();
    sorted.sort_by(|one, other| (one.source, &one.name).cmp(&(other.source, &other.name)));
    let mut whole = Candidates::default();
    let mut excluded: BTreeMap<Exclusion, usize> = BTreeMap::new();
    for node in sorted {
        let alone: Nodes = [node].into_iter().collect();
        let found = candidates(&alone, placement, CandidateRules::default());
        for platform in found.platforms {
            join(&mut whole.platforms, platform);
        }
        for platform in found.cordoned {
            join(&mut whole.cordoned, platform);
        }
        for (why, count) in found.excluded {
            *excluded.entry(why).or_default() += count;
        }
    }
    let order = |one: &NodePlatform, other: &NodePlatform| one.cmp(other);
    for platforms in [&mut whole.platforms, &mut whole.cordoned] {
        platforms.sort_by(|one, other| order(&one.platform, &other.platform));
    }
    let candidates = &whole.platforms;
    whole.cordoned.retain(|cordoned| {
        let same = |known: &CandidatePlatform| known.platform == cordoned.platform;
        !candidates.iter().any(same)
    });
    whole.excluded = excluded.into_iter().collect();
    whole
        .excluded
        .sort_by_key(|(_, count)| std::cmp::Reverse(*count));
    whole
}

fn join(all: &mut Vec<CandidatePlatform>, platform: CandidatePlatform) {
    let same = |known: &&mut CandidatePlatform| known.platform == platform.platform;
    let Some(known) = all.iter_mut().find(same) else {
        return all.push(platform);
    };
    let both = known.nodes.iter().chain(&platform.nodes).cloned();
    known.nodes = both.collect::<Vec<_>>().into_iter().take(NAMES).collect();
    known.node_count += platform.node_count;
    known.sources.extend(platform.sources);
    known.sources.dedup();
    known.pools.extend(platform.pools);
    known.pools.sort();
    known.pools.truncate(NAMES);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    #[test]
    fn groups_answer_as_each_node_alone(
        nodes in cluster(),
        placements in vec(placement(), 8),
    ) {
        let grouped: Nodes = nodes.iter().cloned().collect();
        prop_assert_eq!(grouped.len(), nodes.len());
        for placement in placements {
            let found = candidates(&grouped, &placement, CandidateRules::default());
            prop_assert_eq!(found, one_by_one(&nodes, &placement), "{:?}", placement);
        }
    }

    #[test]
    fn changes_amount_to_the_same_as_a_new_start(
        changes in changes(),
        placements in vec(placement(), 4),
    ) {
        let mut kept: BTreeMap<usize, Node> = BTreeMap::new();
        let mut nodes = Nodes::default();
        let mut published = Vec::new();
        for (position, (number, shape)) in changes.into_iter().enumerate() {
            let new = shape.map(|shape| node(number, &shape));
            if let Some(old) = kept.remove(&number) {
                prop_assert!(nodes.remove(old));
            }
            if let Some(new) = new {
                kept.insert(number, new.clone());
                nodes.insert(new);
            }
            if position % 50 == 0 {
                published.push((nodes.clone(), kept.clone()));
            }
        }
        // What was published stays as it was.
        published.push((nodes, kept));
        for (nodes, kept) in published {
            let anew: Nodes = kept.into_values().collect();
            prop_assert_eq!(nodes.len(), anew.len());
            prop_assert_eq!(nodes.groups().map(|(_, members)| members.len()).sum::<usize>(), anew.len());
            for placement in &placements {
                let rules = CandidateRules::default();
                let found = candidates(&nodes, placement, rules);
                prop_assert_eq!(found, candidates(&anew, placement, rules), "{:?}", placement);
            }
        }
    }
}

fn plain(number: usize) -> Node {
    let shape = Shape {
        is_s390x: number.is_multiple_of(2),
        zone: u8::try_from(number % 3).ok(),
        serial: 0,
        is_tainted: false,
        is_cordoned: false,
        has_gpu: false,
        is_pool: false,
    };
    node(number, &shape)
}

#[test]
fn a_label_with_too_many_values_makes_no_groups() {
    let mut nodes = Nodes::default();
    for number in 0..2000 {
        let mut node = plain(number);
        node.labels.insert("uuid".to_owned(), number.to_string());
        nodes.insert(node);
        // Until its values are counted, it may make a few.
        assert!(nodes.groups().count() <= 6 + MIN_CHANGES.max(number / 16) + 1);
    }
    nodes.regroup();
    assert!(nodes.is_individual("uuid") && !nodes.is_individual("zone"));
    assert_eq!(nodes.groups().count(), 6);
    // Old nodes go, and with them the reason.
    for number in 30..2000 {
        let mut node = plain(number);
        node.labels.insert("uuid".to_owned(), number.to_string());
        assert!(nodes.remove(node), "{number}");
    }
    nodes.regroup();
    assert!(!nodes.is_individual("uuid"));
    assert_eq!(nodes.groups().count(), 30);
}

#[test]
fn a_label_at_the_bound_does_not_come_and_go() {
    let with_values = |count: usize| {
        move |number: usize| {
            let mut node = plain(number);
            let value = (number % count).to_string();
            node.labels.insert("rack".to_owned(), value);
            node
        }
    };
    let mut nodes: Nodes = (0..200).map(with_values(65)).collect();
    assert!(nodes.is_individual("rack"));
    for number in 0..200 {
        assert!(nodes.remove(with_values(65)(number)));
        nodes.insert(with_values(60)(number));
    }
    nodes.regroup();
    assert!(nodes.is_individual("rack"));
    let anew: Nodes = (0..200).map(with_values(60)).collect();
    assert!(!anew.is_individual("rack"));
}

#[test]
fn groups_of_one_platform_share_it() {
    let nodes: Nodes = (0..12).map(plain).collect();
    let platforms: Vec<_> = nodes.groups().map(|(group, _)| &group.platform).collect();
    assert_eq!(platforms.len(), 6);
    assert!(Arc::ptr_eq(platforms[0], platforms[2]));
    assert!(Arc::ptr_eq(platforms[3], platforms[5]));
}

#[test]
fn without_obstacles_nothing_is_tainted_or_cordoned() {
    let mut tainted = plain(0);
    tainted.taints.push(Taint {
        key: "a".to_owned(),
        value: String::new(),
        effect: Effect::NoExecute,
    });
    let mut cordoned = plain(6);
    cordoned.unschedulable = true;
    let nodes: Nodes = [tainted, cordoned, plain(12)].into_iter().collect();
    let untainted = nodes.without_taints();
    let cordons = untainted.groups().map(|(group, members)| {
        assert!(group.taints.is_empty());
        (group.unschedulable, members.len())
    });
    assert_eq!(cordons.collect::<Vec<_>>(), [(false, 2), (true, 1)]);
    let open = nodes.without_obstacles();
    let groups: Vec<_> = open.groups().collect();
    assert_eq!((nodes.groups().count(), groups.len()), (3, 1));
    assert_eq!((open.len(), groups[0].1.len()), (3, 3));
    assert!(groups[0].0.taints.is_empty() && !groups[0].0.unschedulable);
}
