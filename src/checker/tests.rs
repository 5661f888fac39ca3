//! The checker against an inspector that is a table.

use std::sync::Mutex;
use std::time::Duration;

use super::*;
use crate::domain::candidates::MOST_STEPS;
use crate::domain::inspection::{Content, Entry, EntryKind, MediaType};
use crate::domain::node::{Node, NodePlatform, Source};
use crate::domain::platform::Platform;
use crate::domain::runtime::Runtime;
use crate::domain::verdict::LevelResult;
use crate::domain::workload::Usage;

/// A registry in memory that counts questions; a name it does not know never answers.
#[derive(Default)]
struct Table {
    documents: HashMap<String, Arc<Inspection>>,
    asked: Mutex<Vec<String>>,
}

impl ImageInspector for Table {
    fn inspect<'a>(
        &'a self,
        image: &'a ImageReference,
        _access: &'a Access,
    ) -> BoxFuture<'a, Result<Lookup, Unknown>> {
        Box::pin(async move {
            self.asked.lock().unwrap().push(image.to_string());
            let key = image
                .digest()
                .map_or(image.to_string(), ToString::to_string);
            match self.documents.get(&key) {
                Some(found) => Ok(Arc::clone(found).into()),
                None => std::future::pending().await,
            }
        })
    }
}

fn digest(number: u8) -> Digest {
    format!("sha256:{number:064x}").parse().unwrap()
}

fn entry(number: u8, platform: Option<&str>) -> Entry {
    Entry {
        digest: digest(number),
        kind: EntryKind::Manifest,
        platform: platform.map(|text| Arc::new(text.parse().unwrap())),
        zstd: false,
        build: None,
    }
}

fn document(number: u8, content: Content) -> Arc<Inspection> {
    let media_type = match content {
        Content::Index(_) => MediaType::OciIndex,
        _ => MediaType::OciManifest,
    };
    Arc::new(Inspection {
        build: None,
        digest: digest(number),
        media_type,
        content,
    })
}

fn node(name: &str, architecture: &str) -> Node {
    Node {
        name: name.to_owned(),
        labels: Default::default(),
        taints: Vec::new(),
        unschedulable: false,
        extended_resources: Default::default(),
        platform: NodePlatform {
            platform: Platform::new("linux", architecture, ""),
            runtime: Runtime::ContainerdTransfer,
            emulates: Vec::new(),
        },
        source: Source::Node,
        open_labels: None,
    }
}

fn template(images: &[&str]) -> PodTemplate {
    let mut template = PodTemplate::default();
    for (position, image) in images.iter().enumerate() {
        template.add_image(&format!("c{position}"), image, Usage::Container, false);
    }
    template
}

async fn check(table: &Arc<Table>, template: &PodTemplate, rules: Rules) -> Verdict {
    let nodes: Nodes = [node("a1", "amd64"), node("z1", "s390x")]
        .into_iter()
        .collect();
    let deadline = Instant::now() + Duration::from_secs(1);
    Checker::new(Arc::clone(table) as Arc<dyn ImageInspector>)
        .check(template, &nodes, rules, deadline)
        .await
}

fn names(verdict: &Verdict) -> Vec<&'static str> {
    verdict.images[0]
        .outcomes
        .iter()
        .map(Outcome::name)
        .collect()
}

#[tokio::test(start_paused = true)]
async fn an_index_is_one_question_and_a_missing_platform_fails_portable() {
    let index = Content::Index(vec![entry(1, Some("linux/amd64"))]);
    let mut table = Table::default();
    table
        .documents
        .insert("docker.io/library/node:22".to_owned(), document(9, index));
    let table = Arc::new(table);
    let verdict = check(&table, &template(&["node:22"]), Rules::default()).await;
    assert_eq!(names(&verdict), ["supported", "missing"]);
    assert_eq!(verdict.runnable(), LevelResult::Pass);
    assert_eq!(verdict.portable(), LevelResult::Fail);
    assert_eq!(table.asked.lock().unwrap().len(), 1);
}

#[tokio::test(start_paused = true)]
async fn what_does_not_answer_is_unknown_and_does_not_hide_a_known_no() {
    let plain = Content::Manifest("linux/arm64".parse().unwrap());
    let mut table = Table::default();
    table
        .documents
        .insert("docker.io/library/b:1".to_owned(), document(9, plain));
    let table = Arc::new(table);
    let verdict = check(&table, &template(&["silent:1", "b:1"]), Rules::default()).await;
    assert_eq!(names(&verdict), ["unknown", "unknown"]);
    assert_eq!(verdict.unknown_reasons(), [Reason::Timeout]);
    assert_eq!(verdict.runnable(), LevelResult::Fail);
    assert_eq!(verdict.portable(), LevelResult::Fail);
}

#[tokio::test(start_paused = true)]
async fn an_entry_without_platform_is_read_and_a_verified_one_too() {
    let index = Content::Index(vec![entry(1, Some("linux/amd64")), entry(2, None)]);
    let mut table = Table::default();
    table
        .documents
        .insert("docker.io/library/app:1".to_owned(), document(9, index));
    let s390x = Content::Manifest("linux/s390x".parse().unwrap());
    table
        .documents
        .insert(digest(1).to_string(), document(1, s390x.clone()));
    table
        .documents
        .insert(digest(2).to_string(), document(2, s390x));
    let table = Arc::new(table);
    let verdict = check(&table, &template(&["app:1"]), Rules::default()).await;
    assert_eq!(names(&verdict), ["supported", "supported"]);
    assert_eq!(table.asked.lock().unwrap().len(), 2);
    let rules = Rules {
        entries: Entries::Verified,
        ..Rules::default()
    };
    let verdict = check(&table, &template(&["app:1"]), rules).await;
    assert_eq!(names(&verdict), ["mismatched", "supported"]);
}

#[tokio::test(start_paused = true)]
async fn preloaded_images_and_names_of_no_registry_ask_nobody() {
    let table = Arc::new(Table::default());
    let mut template = template(&["UPPER CASE", "under_score.example/app"]);
    template.add_image("never", "app:1", Usage::Container, true);
    // The kubelet reads the name before it looks at the policy.
    template.add_image("never", "not a name", Usage::Container, true);
    let verdict = check(&table, &template, Rules::default()).await;
    let outcomes = verdict.images.iter().map(|image| &image.outcomes[0]);
    let outcomes: Vec<_> = outcomes.map(|one| (one.name(), one.reason())).collect();
    assert_eq!(
        outcomes,
        [
            ("invalid", None),
            ("unknown", Some(Reason::Malformed)),
            ("unknown", Some(Reason::Preloaded)),
            ("invalid", None),
        ]
    );
    assert!(table.asked.lock().unwrap().is_empty());
}

#[tokio::test(start_paused = true)]
async fn comparing_takes_steps_and_a_turn_and_ends_with_the_deadline() {
    let budget = Budget::new(Instant::now() + Duration::from_secs(1));
    let turn = budget.spend(1000).await.unwrap();
    assert!(turn.is_some());
    assert!(budget.spend(1000).now_or_never().is_none(), "one at a time");
    let short = budget.spend(100).now_or_never();
    assert!(
        short.unwrap().unwrap().is_none(),
        "what is short needs none"
    );
    drop(turn);
    tokio::time::advance(Duration::from_secs(2)).await;
    let late = budget.spend(1000).await.unwrap_err();
    assert_eq!(late.reason, Reason::Timeout);
    let most = usize::try_from(MOST_STEPS).unwrap();
    let beyond = budget.spend(most).await.unwrap_err();
    assert_eq!(beyond.reason, Reason::TooLarge);
}

/// A placement that is not found at once among as many nodes.
fn long_to_find() -> (Nodes, PodTemplate) {
    let nodes = (0..600).map(|number| Node {
        labels: [("number".to_owned(), number.to_string())].into(),
        ..node(&format!("n{number}"), "amd64")
    });
    let mut template = PodTemplate::default();
    let selected = (0..100).map(|number| (format!("k{number}"), String::new()));
    template.placement.node_selector = selected.collect();
    template
        .placement
        .node_selector
        .insert("number".to_owned(), "7".to_owned());
    (nodes.collect(), template)
}

#[test]
fn where_a_pod_may_go_is_found_by_another_thread_if_it_takes_long_and_within_the_deadline() {
    let checker = Checker::new(Arc::<Table>::default());
    let rules = Rules::default();
    let (nodes, long) = long_to_find();
    let (long, short) = ([long], [PodTemplate::default()]);
    with_no_other_thread(async {
        let later = Instant::now() + Duration::from_secs(600);
        let found = checker.candidates(&short, &nodes, rules, later);
        assert_eq!(found.now_or_never().unwrap()[0].platforms.len(), 1);
        let found = checker.candidates(&long, &nodes, rules, later);
        assert!(found.now_or_never().is_none());
        let late = checker.candidates(&long, &nodes, rules, Instant::now());
        let found = timeout_at(Instant::now() + Duration::from_secs(5), late).await;
        let unknown = found.unwrap()[0].undetermined.clone().unwrap();
        assert_eq!(unknown.reason, Reason::Timeout);
    });
}

#[tokio::test]
async fn others_have_their_turn_between_two_templates() {
    let checker = Checker::new(Arc::<Table>::default());
    let nodes: Nodes = [node("a1", "amd64")].into_iter().collect();
    let templates = [PodTemplate::default(), PodTemplate::default()];
    let deadline = Instant::now() + Duration::from_secs(600);
    let find = |templates| checker.candidates(templates, &nodes, Rules::default(), deadline);
    assert!(find(&templates[..1]).now_or_never().is_some());
    assert!(find(&templates).now_or_never().is_none());
    assert_eq!(find(&templates).await.len(), 2);
}

#[tokio::test(start_paused = true)]
async fn so_many_children_of_an_image_are_read_and_no_more() {
    let name = |number: u8| format!("a{number}");
    let entries = (1..=40).map(|number| entry(number, Some(&format!("linux/a{number}"))));
    let index = Content::Index(entries.collect());
    let mut table = Table::default();
    let root = ("docker.io/library/app:1".to_owned(), document(99, index));
    table.documents.extend([root]);
    table.documents.extend((1..=40).map(|number| {
        let own = Content::Manifest(Platform::new("linux", &name(number), ""));
        (digest(number).to_string(), document(number, own))
    }));
    let table = Arc::new(table);
    let nodes: Nodes = (1..=40)
        .map(|number| node(&name(number), &name(number)))
        .collect();
    let rules = Rules {
        entries: Entries::Verified,
        ..Rules::default()
    };
    let deadline = Instant::now() + Duration::from_secs(1);
    let verdict = Checker::new(Arc::clone(&table) as Arc<dyn ImageInspector>)
        .check(&template(&["app:1"]), &nodes, rules, deadline)
        .await;
    assert_eq!(table.asked.lock().unwrap().len(), 1 + MAX_CHILDREN);
    let outcomes = names(&verdict).into_iter();
    let known = outcomes.clone().filter(|name| *name == "supported").count();
    let unknown = outcomes.filter(|name| *name == "unknown").count();
    assert_eq!((known, unknown), (MAX_CHILDREN, 40 - MAX_CHILDREN));
}
