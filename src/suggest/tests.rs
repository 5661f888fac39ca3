//! Searches against a registry that is a table, which counts requests as a real one would.

use std::collections::HashMap;

use futures::FutureExt;
use proptest::prelude::*;

use super::*;
use crate::domain::advice::SearchEnd;
use crate::domain::inspection::{Build, Content, Entry, EntryKind, MediaType};
use crate::domain::node::{Node, Nodes, Source};
use crate::domain::outcome::Outcome;
use crate::domain::runtime::Runtime;
use crate::domain::unknown::Reason;
use crate::domain::verdict::ImageVerdict;
use crate::domain::workload::{PodTemplate, Usage};

/// 2026-08-22.
const NOW: u64 = 1_787_356_800;
const DAY: u64 = 24 * 60 * 60;

const AMD64: &str = "linux/amd64";
const S390X: &str = "linux/s390x";
const ARM64: &str = "linux/arm64";

/// What a name stands for.
#[derive(Clone)]
enum Answer {
    Image(Image),
    Failure(Reason),
}

#[derive(Clone, Default)]
struct Image {
    platforms: Vec<&'static str>,
    revision: Option<&'static str>,
    base: Option<&'static str>,
    /// In days.
    age: u64,
}

#[derive(Default)]
struct Table {
    answers: HashMap<String, Answer>,
    tags: Vec<Vec<String>>,
    asked: Mutex<Vec<String>>,
}

fn image(platforms: &[&'static str]) -> Image {
    Image {
        platforms: platforms.to_vec(),
        revision: Some("a1"),
        base: None,
        age: 365,
    }
}

impl Image {
    fn inspection(&self, name: &str) -> Arc<Inspection> {
        let build = Arc::new(Build {
            revision: self.revision.map(Into::into),
            created: Some(NOW - self.age * DAY),
            base: self.base.map(Into::into),
        });
        let entries = self.platforms.iter().zip(1_u8..);
        let entries = entries.map(|(platform, number)| Entry {
            digest: digest(&format!("{name} {number}")),
            kind: EntryKind::Manifest,
            platform: Some(Arc::new(platform.parse().unwrap())),
            zstd: false,
            build: Some(Arc::clone(&build)),
        });
        Arc::new(Inspection {
            digest: digest(name),
            media_type: MediaType::OciIndex,
            content: Content::Index(entries.collect()),
            build: None,
        })
    }
}

fn digest(text: &str) -> crate::domain::reference::Digest {
    use sha2::Digest as _;
    let hash = sha2::Sha256::digest(text);
    crate::domain::reference::Digest::new("sha256", &hash).unwrap()
}

impl Table {
    fn of(images: &[(&str, Image)]) -> Self {
        let answers = images.iter().map(|(name, image)| {
            let reference: ImageReference = name.parse().unwrap();
            (reference.to_string(), Answer::Image(image.clone()))
        });
        Self {
            answers: answers.collect(),
            ..Self::default()
        }
    }

    fn fail(mut self, name: &str, reason: Reason) -> Self {
        let reference: ImageReference = name.parse().unwrap();
        self.answers
            .insert(reference.to_string(), Answer::Failure(reason));
        self
    }
}

impl TagRegistry for Table {
    fn look_up<'a>(
        &'a self,
        image: &'a ImageReference,
        _: &'a Access,
        limit: &'a RequestLimit,
    ) -> BoxFuture<'a, Result<Arc<Inspection>, Unknown>> {
        let over = || Unknown::over_budget("no request is left");
        let answer = (|| {
            if !limit.take() {
                return Err(over());
            }
            self.asked.lock().push(image.to_string());
            let answer = self.answers.get(&image.to_string());
            let answer = answer.unwrap_or(&Answer::Failure(Reason::NotFound));
            match answer {
                Answer::Failure(reason) => {
                    if *reason == Reason::RateLimited {
                        limit.stop();
                    }
                    Err(Unknown::new(*reason, "it is so"))
                }
                // Docker Hub is asked for the digest first.
                Answer::Image(_) if image.registry() == "docker.io" && !limit.take() => Err(over()),
                Answer::Image(known) => Ok(known.inspection(&image.to_string())),
            }
        })();
        futures::future::ready(answer).boxed()
    }

    fn tags<'a>(
        &'a self,
        _: &'a ImageReference,
        after: Option<&'a str>,
        _: &'a Access,
        limit: &'a RequestLimit,
    ) -> BoxFuture<'a, Result<Vec<String>, Unknown>> {
        let answer = if limit.take() {
            let mut asked = self.asked.lock();
            let pages = asked.iter().filter(|name| name.starts_with("list"));
            let page = self.tags.get(pages.count());
            asked.push(format!("list after {}", after.unwrap_or_default()));
            Ok(page.cloned().unwrap_or_default())
        } else {
            Err(Unknown::over_budget("no request is left"))
        };
        futures::future::ready(answer).boxed()
    }
}

/// The verdict on an image that has these platforms, on nodes of those.
fn judged(
    name: &str,
    found: &Arc<Inspection>,
    wanted: &[&str],
) -> (ImageVerdict, Vec<CandidatePlatform>) {
    let nodes = wanted.iter().map(|platform| {
        let (name, runtime) = ((*platform).to_owned(), Runtime::ContainerdTransfer);
        Node::of_platform(name, platform.parse().unwrap(), runtime, Source::Flag)
    });
    let nodes: Nodes = nodes.collect();
    let mut template = PodTemplate::default();
    template.add_image("web", name, Usage::Container, false);
    let rules = crate::domain::candidates::CandidateRules::default();
    let steps = crate::domain::candidates::Steps::default();
    let candidates =
        crate::domain::candidates::candidates_within(&nodes, &template.placement, rules, &steps);
    let outcomes = candidates.platforms.iter().map(|at| {
        let entries = crate::domain::pick::Entries::Believed;
        crate::domain::pick::pick(&at.platform, found, |_| None, entries).unwrap()
    });
    let verdict = ImageVerdict {
        image: template.images.iter().next().unwrap().clone(),
        inspection: Some(Arc::clone(found)),
        outdated: None,
        advice: None,
        outcomes: outcomes.collect::<Vec<Outcome>>(),
    };
    (verdict, candidates.platforms)
}

struct Told {
    suggestions: Vec<String>,
    publications: Vec<String>,
    asked: Vec<String>,
    advice: Arc<Advice>,
}

async fn ask_with(
    table: Table,
    maintainers: Option<Arc<dyn Maintainers>>,
    name: &str,
    wanted: &[&str],
) -> Told {
    let reference: ImageReference = name.parse().unwrap();
    let Some(Answer::Image(asked)) = table.answers.get(&reference.to_string()) else {
        panic!("{name} is asked for");
    };
    let found = asked.inspection(&reference.to_string());
    let (verdict, candidates) = judged(name, &found, wanted);
    let table = Arc::new(table);
    let advisor = Advisor::new(Arc::clone(&table) as _, maintainers, NOW);
    let deadline = Instant::now() + std::time::Duration::from_secs(60);
    let access = Access::default();
    let advice = advisor.advise(&verdict, &candidates, &access, deadline);
    let advice = advice.await.unwrap_or_default();
    let asked = table.asked.lock().clone();
    let suggestions = advice.suggestions.iter();
    let publications = advice.publications.iter();
    Told {
        suggestions: suggestions
            .map(|one| format!("{} {}", one.candidate.change, one.image))
            .collect(),
        publications: publications
            .map(|one| format!("{:?} {}", one.state, one.platform))
            .collect(),
        asked,
        advice,
    }
}

async fn ask(table: Table, name: &str, wanted: &[&str]) -> Told {
    ask_with(table, None, name, wanted).await
}

const BOTH: [&str; 2] = [AMD64, S390X];

#[tokio::test]
async fn what_an_architecture_has_apart_is_compared_by_its_revision() {
    let apart = |revision| Image {
        revision,
        ..image(&[S390X])
    };
    for (name, revision, expected) in [
        ("node", Some("a1"), &["StillPublishing linux/s390x"][..]),
        ("node", Some("b2"), &["Dropped linux/s390x"]),
        ("node", None, &[]),
        // Where architectures are built from commits of their own, another one says nothing.
        ("busybox", Some("b2"), &[]),
        ("busybox", Some("a1"), &["StillPublishing linux/s390x"]),
    ] {
        let table = Table::of(&[
            (&format!("{name}:22-x"), image(&[AMD64])),
            (&format!("s390x/{name}:22-x"), apart(revision)),
        ]);
        let told = ask(table, &format!("{name}:22-x"), &BOTH).await;
        assert_eq!(told.publications, expected, "{name} {revision:?}");
    }
    // An index without revisions is compared with nothing.
    let unmarked = Image {
        revision: None,
        ..image(&[AMD64])
    };
    let table = Table::of(&[
        ("node:22-x", unmarked),
        ("s390x/node:22-x", apart(Some("a1"))),
    ]);
    assert_eq!(ask(table, "node:22-x", &BOTH).await.publications, [""; 0]);
}

#[tokio::test]
async fn the_image_of_one_architecture_is_the_last_resort_for_one_platform() {
    let images = [
        ("node:22.15-x", image(&[AMD64])),
        ("s390x/node:22.15-x", image(&[S390X])),
        ("node:22-x", image(&[AMD64, S390X])),
    ];
    let told = ask(Table::of(&images), "node:22.15-x", &[S390X]).await;
    assert_eq!(
        told.suggestions,
        ["spelling node:22-x", "per-arch s390x/node:22.15-x"]
    );
    let told = ask(
        Table::of(&images),
        "docker.io/library/node:22.15-x",
        &[S390X],
    )
    .await;
    assert_eq!(
        told.suggestions,
        [
            "spelling docker.io/library/node:22-x",
            "per-arch docker.io/s390x/node:22.15-x"
        ]
    );
    let told = ask(Table::of(&images), "node:22.15-x", &BOTH).await;
    assert_eq!(told.suggestions, ["spelling node:22-x"]);
    // That of an older build is none.
    let other = Image {
        revision: Some("b2"),
        ..image(&[S390X])
    };
    let table = Table::of(&[images[0].clone(), (images[1].0, other)]);
    assert_eq!(
        ask(table, "node:22.15-x", &[S390X]).await.suggestions,
        [""; 0]
    );
}

#[tokio::test]
async fn a_platform_is_not_offered_where_a_sibling_has_it_and_time_has_shown_it() {
    let sibling = |tag: &str| tag.replace("bookworm", "trixie");
    for (tag, age, expected) in [
        ("22-bookworm", 1, true),
        ("lts-bookworm", 1, true),
        ("22.15.1-bookworm", 1, false),
        ("22.15.1-bookworm", 30, true),
        // Nobody knows whether it moves.
        ("22.15-bookworm", 1, false),
        ("22.15-bookworm", 30, true),
    ] {
        let asked = Image {
            age,
            ..image(&[AMD64])
        };
        let images = [
            (format!("node:{tag}"), asked),
            (format!("node:{}", sibling(tag)), image(&BOTH)),
        ];
        let images = images.map(|(name, image)| (name, image));
        let known: Vec<(&str, Image)> = images
            .iter()
            .map(|(name, image)| (name.as_str(), image.clone()))
            .collect();
        let told = ask(Table::of(&known), &images[0].0, &BOTH).await;
        assert_eq!(
            told.suggestions,
            [format!("flavour node:{}", sibling(tag))],
            "{tag}"
        );
        let expected: &[&str] = match expected {
            true => &["NotOffered linux/s390x"],
            false => &[],
        };
        assert_eq!(told.publications, expected, "{tag}, {age} days old");
        // Without a sibling nobody knows.
        let told = ask(Table::of(&known[..1]), &images[0].0, &BOTH).await;
        assert_eq!(told.publications, [""; 0], "{tag}");
    }
}

#[tokio::test]
async fn bases_are_followed_and_named() {
    let on = |base| Image {
        base: Some(base),
        ..image(&[AMD64])
    };
    let told = ask(
        Table::of(&[
            ("app:1", on("runtime:1")),
            ("runtime:1", on("root:1")),
            ("root:1", image(&[AMD64, ARM64])),
        ]),
        "app:1",
        &BOTH,
    )
    .await;
    assert_eq!(told.publications, ["BaseLacksPlatform linux/s390x"]);
    let evidence: Vec<String> =
        crate::wording::advice::evidence(&told.advice.publications[0]).collect();
    assert_eq!(
        evidence,
        [
            "s390x/app:1 is not there",
            "its base runtime:1 has linux/amd64",
            "its base root:1 has linux/amd64, linux/arm64"
        ]
    );
    // A base that has it, an endless way, and names that are not followed.
    let with = ask(
        Table::of(&[("app:1", on("runtime:1")), ("runtime:1", image(&BOTH))]),
        "app:1",
        &BOTH,
    );
    assert_eq!(with.await.publications, [""; 0]);
    let told = ask(
        Table::of(&[("app:1", on("app:2")), ("app:2", on("app:1"))]),
        "app:1",
        &BOTH,
    );
    assert_eq!(told.await.publications, ["BaseLacksPlatform linux/s390x"]);
    for base in ["scratch", "r.example/root:1", "../root", "library/root:1"] {
        let table = Table::of(&[("app:1", on(base)), ("root:1", image(&[AMD64]))]);
        let told = ask(table, "app:1", &BOTH).await;
        assert_eq!(told.publications, [""; 0], "{base}");
        let named = told.asked.iter().any(|name| name.contains("root"));
        assert!(!named, "{base}: {:?}", told.asked);
    }
    // An empty index is no answer.
    let table = Table::of(&[("app:1", on("root:1")), ("root:1", image(&[]))]);
    assert_eq!(ask(table, "app:1", &BOTH).await.publications, [""; 0]);
}

#[tokio::test]
async fn a_base_without_the_platform_goes_before_a_sibling_with_it() {
    let asked = Image {
        base: Some("root:1"),
        ..image(&[AMD64])
    };
    let table = Table::of(&[
        ("node:22-bookworm", asked),
        ("node:22-trixie", image(&BOTH)),
        ("root:1", image(&[AMD64])),
    ]);
    let told = ask(table, "node:22-bookworm", &BOTH).await;
    assert_eq!(told.publications, ["BaseLacksPlatform linux/s390x"]);
    assert_eq!(told.suggestions, ["flavour node:22-trixie"]);
}

#[tokio::test]
async fn of_what_fails_nothing_is_claimed() {
    let images = [
        ("node:22", image(&[AMD64])),
        ("node:22-trixie", image(&BOTH)),
    ];
    for reason in [
        Reason::Unreachable,
        Reason::Timeout,
        Reason::Unauthorized,
        Reason::Malformed,
    ] {
        let table = Table::of(&images).fail("s390x/node:22", reason);
        let told = ask(table, "node:22", &BOTH).await;
        assert_eq!(told.publications, [""; 0], "{reason}");
        assert_eq!(told.suggestions, ["flavour node:22-trixie"], "{reason}");
    }
}

#[tokio::test]
async fn a_registry_that_limits_us_is_asked_for_nothing_more() {
    let images = [
        ("node:22", image(&[AMD64])),
        ("node:22-bookworm", image(&BOTH)),
        ("node:21", image(&BOTH)),
    ];
    let table = Table::of(&images).fail("node:22-trixie", Reason::RateLimited);
    let told = ask(table, "node:22", &BOTH).await;
    assert_eq!(told.asked, ["docker.io/library/node:22-trixie"]);
    assert_eq!(
        (told.suggestions.len(), told.publications.len()),
        (0, 0),
        "{:?}",
        told.asked
    );
    assert_eq!(told.advice.ended, SearchEnd::RateLimited);
    // What was found before stays.
    let table = Table::of(&[images[0].clone(), ("node:22-trixie", image(&BOTH))]);
    let table = table.fail("s390x/node:22", Reason::RateLimited);
    let told = ask(table, "node:22", &BOTH).await;
    assert_eq!(told.suggestions, ["flavour node:22-trixie"]);
    assert_eq!(told.publications, [""; 0]);
}

#[tokio::test]
async fn who_fails_again_and_again_is_left_alone() {
    let mut table = Table::of(&[("r.example/app:22", image(&[AMD64]))]);
    let reference: ImageReference = "r.example/app:22".parse().unwrap();
    for candidate in crate::domain::tag::Tag::parse("22").unwrap().candidates() {
        let name = reference.with_tag(&candidate.tag).unwrap().to_string();
        table = table.fail(&name, Reason::Unreachable);
    }
    let told = ask(table, "r.example/app:22", &BOTH).await;
    assert_eq!(told.asked.len(), 2, "{:?}", told.asked);
    assert_eq!(told.advice.ended, SearchEnd::Failing);
}

#[tokio::test]
async fn other_registries_have_no_repositories_of_architectures() {
    let table = Table::of(&[
        ("r.example/library/node:22", image(&[AMD64])),
        ("r.example/library/node:22-trixie", image(&BOTH)),
    ]);
    let told = ask(table, "r.example/library/node:22", &BOTH).await;
    assert_eq!(
        told.suggestions,
        ["flavour r.example/library/node:22-trixie"]
    );
    assert_eq!(told.asked, ["r.example/library/node:22-trixie"]);
    assert_eq!(told.publications, [""; 0]);
    // Nor have other people's images on Docker Hub.
    let told = ask(
        Table::of(&[("team/app:22", image(&[AMD64]))]),
        "team/app:22",
        &BOTH,
    );
    let asked = told.await.asked;
    assert!(
        asked.iter().all(|name| !name.contains("s390x/")),
        "{asked:?}"
    );
}

#[tokio::test]
async fn older_versions_come_from_a_list_where_nothing_else_is_there() {
    let mut table = Table::of(&[
        ("r.example/app:9-x", image(&[AMD64])),
        ("r.example/app:5-x", image(&BOTH)),
        ("r.example/app:4-x", image(&BOTH)),
    ]);
    table.tags = vec![
        vec!["7.1-x".to_owned(), "7.9-y".to_owned()],
        vec![
            "4-x".to_owned(),
            "5-x".to_owned(),
            "5-y".to_owned(),
            "99-x".to_owned(),
        ],
    ];
    let told = ask(table, "r.example/app:9-x", &BOTH).await;
    assert_eq!(
        told.suggestions,
        ["older r.example/app:5-x"],
        "{:?}",
        told.asked
    );
    let lists = told.asked.iter().filter(|name| name.starts_with("list"));
    assert_eq!(lists.count(), 2);
    assert!(told.advice.requests <= MAX_REQUESTS);
    // In another order, a second page says nothing of what is near.
    let mut table = Table::of(&[("r.example/app:9-x", image(&[AMD64]))]);
    table.tags = vec![vec!["b".to_owned(), "a".to_owned()], Vec::new()];
    let told = ask(table, "r.example/app:9-x", &BOTH).await;
    let lists = told.asked.iter().filter(|name| name.starts_with("list"));
    assert_eq!(lists.count(), 1);
}

#[tokio::test]
async fn a_sibling_stands_before_another_libc_whenever_it_is_found() {
    let siblings = crate::domain::tag::Tag::parse("22-alpine3.22").unwrap();
    let siblings = siblings.candidates().into_iter();
    let alpine = siblings.filter(|one| !one.changes_libc && !one.is_less_pinned);
    let alpine: Vec<String> = alpine
        .filter(|one| one.change == crate::domain::tag::TagChange::Flavour)
        .map(|one| one.tag)
        .collect();
    assert!(alpine.len() > 1, "{alpine:?}");
    let later = format!("node:{}", alpine[1]);
    let slim = "node:22-slim";
    for (present, expected) in [
        (vec![slim, &later], vec![&later[..], slim]),
        (vec![slim], vec![slim]),
        (vec![&later], vec![&later]),
    ] {
        let mut images = vec![("node:22-alpine3.22", image(&[AMD64]))];
        images.extend(present.iter().map(|name| (*name, image(&BOTH))));
        let told = ask(Table::of(&images), "node:22-alpine3.22", &BOTH).await;
        let expected = expected.iter().map(|name| format!("flavour {name}"));
        let expected: Vec<String> = expected.collect();
        assert_eq!(told.suggestions, expected, "{:?}", told.asked);
        assert!(told.advice.requests <= MAX_REQUESTS);
    }
}

#[tokio::test]
async fn every_platform_has_to_be_there() {
    let table = Table::of(&[
        ("node:22", image(&[AMD64])),
        ("node:22-trixie", image(&[AMD64, S390X])),
        ("node:22-bookworm", image(&[AMD64, S390X, ARM64])),
    ]);
    let told = ask(table, "node:22", &[AMD64, S390X, ARM64]).await;
    assert_eq!(told.suggestions, ["flavour node:22-bookworm"]);
    assert!(told.advice.requests <= MAX_REQUESTS);
}

#[tokio::test]
async fn a_digest_has_no_suggestion_and_beside_a_tag_its_index_is_looked_for() {
    let table = || {
        Table::of(&[
            ("node:22", image(&BOTH)),
            ("node:21", image(&[AMD64])),
            ("node:20", image(&BOTH)),
        ])
    };
    let index = image(&BOTH).inspection("docker.io/library/node:22");
    let Content::Index(entries) = &index.content else {
        panic!("an index");
    };
    let child = &entries[0].digest;
    let single = image(&[AMD64]).inspection("docker.io/library/node:21");
    let Content::Index(alone) = &single.content else {
        panic!("an index");
    };
    for (name, expected) in [
        (format!("node:22@{child}"), true),
        (format!("node:22@{}", index.digest), false),
        (format!("node:20@{child}"), false),
        (format!("node:21@{}", alone[0].digest), false),
        (format!("node@{child}"), false),
    ] {
        let found = Arc::new(Inspection {
            digest: child.clone(),
            media_type: MediaType::OciManifest,
            content: Content::Manifest(AMD64.parse().unwrap()),
            build: None,
        });
        let (verdict, candidates) = judged(&name, &found, &BOTH);
        let table = Arc::new(table());
        let advisor = Advisor::new(Arc::clone(&table) as _, None, NOW);
        let deadline = Instant::now() + std::time::Duration::from_secs(60);
        let access = Access::default();
        let advice = advisor.advise(&verdict, &candidates, &access, deadline);
        let advice = advice.await.unwrap_or_default();
        assert_eq!(advice.suggestions, [], "{name}");
        assert_eq!(advice.index_of_pin.is_some(), expected, "{name}");
        // One look at the tag, which takes two requests on Docker Hub.
        let tags = usize::from(name.contains(':') && !name.starts_with("node@"));
        assert_eq!(table.asked.lock().len(), tags, "{name}");
    }
}

struct Listed(Vec<Maintained>);

impl Maintainers for Listed {
    fn tags<'a>(&'a self, _: &'a str) -> BoxFuture<'a, Option<Vec<Maintained>>> {
        futures::future::ready(Some(self.0.clone())).boxed()
    }
}

#[tokio::test]
async fn the_maintainers_settle_what_nothing_else_does() {
    let asked = Image {
        age: 1,
        ..image(&[AMD64])
    };
    for (architectures, apart, expected) in [
        ("amd64, s390x", None, "StillPublishing linux/s390x"),
        ("amd64", None, "NotOffered linux/s390x"),
        ("amd64, s390x", Some("b2"), "StillPublishing linux/s390x"),
        ("amd64", Some("b2"), "Dropped linux/s390x"),
    ] {
        let mut images = vec![("node:22.15.1", asked.clone())];
        images.extend(apart.map(|revision| {
            let image = Image {
                revision: Some(revision),
                ..image(&[S390X])
            };
            ("s390x/node:22.15.1", image)
        }));
        let list = parse_maintained(&format!("Tags: 22.15.1\nArchitectures: {architectures}\n"));
        let maintainers = Some(Arc::new(Listed(list)) as Arc<dyn Maintainers>);
        let told = ask_with(Table::of(&images), maintainers, "node:22.15.1", &BOTH).await;
        assert_eq!(told.publications, [expected], "{architectures} {apart:?}");
    }
}

#[tokio::test]
async fn an_image_is_searched_for_once_however_many_ask() {
    let table = Table::of(&[
        ("node:22", image(&[AMD64])),
        ("node:22-trixie", image(&BOTH)),
    ]);
    let found = image(&[AMD64]).inspection("docker.io/library/node:22");
    let (verdict, candidates) = judged("node:22", &found, &BOTH);
    let table = Arc::new(table);
    let advisor = Advisor::new(Arc::clone(&table) as _, None, NOW);
    let deadline = Instant::now() + std::time::Duration::from_secs(60);
    let access = Access::default();
    let asking = (0..10).map(|_| advisor.advise(&verdict, &candidates, &access, deadline));
    let advices = futures::future::join_all(asking).await;
    assert!(advices.iter().all(|advice| *advice == advices[0]));
    let asked = table.asked.lock().clone();
    let unique: std::collections::BTreeSet<&String> = asked.iter().collect();
    assert_eq!(asked.len(), unique.len(), "{asked:?}");
}

/// The same table that holds the candidates of tags, with every request that a search makes.
#[tokio::test]
async fn official_images_have_the_suggestions_that_they_should() {
    use super::samples::{SUGGESTIONS, official};
    let platform = |architecture: &str| match architecture {
        "amd64" => Some(AMD64),
        "arm64v8" => Some(ARM64),
        "ppc64le" => Some("linux/ppc64le"),
        "s390x" => Some(S390X),
        _ => None,
    };
    let official = official();
    // What is nearer, and the repository of the architecture, take the requests that the last
    // candidates would need.
    let out_of_reach = [("clojure", "temurin-17-alpine"), ("julia", "1.12")];
    let mut differing = Vec::new();
    for (repository, tag, architecture, expected) in SUGGESTIONS {
        let tags = official[*repository].iter().map(|(tag, architectures)| {
            let platforms = architectures.iter().filter_map(|name| platform(name));
            let platforms: Vec<&'static str> = platforms.collect();
            (format!("{repository}:{tag}"), image(&platforms))
        });
        let tags: Vec<(String, Image)> = tags.collect();
        let table = tags
            .iter()
            .map(|(name, image)| (name.as_str(), image.clone()));
        let table = Table::of(&table.collect::<Vec<_>>());
        let wanted = platform(architecture).unwrap();
        let told = ask(table, &format!("{repository}:{tag}"), &[wanted]).await;
        let first = told.advice.suggestions.first();
        let found = first.map(|one| one.candidate.tag.clone());
        let expected = expected.filter(|_| !out_of_reach.contains(&(*repository, *tag)));
        if found.as_deref() != expected {
            let asked = &told.asked;
            differing.push(format!(
                "{repository}:{tag} {architecture}: {found:?} by {asked:?}"
            ));
        }
        assert!(told.advice.requests <= MAX_REQUESTS);
    }
    assert_eq!(differing, [""; 0]);
}

proptest! {
    /// Whatever a repository has, a search is bounded and claims what it may.
    #[test]
    fn a_search_is_bounded(
        tag in "[a-z0-9]{1,4}(\\.[0-9]{1,3}){0,3}(-[a-z0-9.]{1,8}){0,3}",
        present in prop::collection::vec(any::<u8>(), 48),
        listed in prop::collection::vec("[ -~]{0,12}", 0..40),
    ) {
        let name = format!("node:{tag}");
        let reference: ImageReference = name.parse().unwrap();
        let mut table = Table::of(&[(&name, image(&[AMD64]))]);
        let parsed = crate::domain::tag::Tag::parse(&tag).unwrap();
        for (candidate, state) in parsed.candidates().iter().zip(&present) {
            let other = reference.with_tag(&candidate.tag).unwrap().to_string();
            let answer = match state % 6 {
                0 => Answer::Image(image(&BOTH)),
                1 => Answer::Image(image(&[AMD64])),
                2 => Answer::Failure(Reason::Unreachable),
                3 if *state > 200 => Answer::Failure(Reason::RateLimited),
                _ => Answer::Failure(Reason::NotFound),
            };
            table.answers.insert(other, answer);
        }
        table.tags = vec![listed.clone(), listed];
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
        let told = runtime.block_on(ask(table, &name, &BOTH));
        prop_assert!(told.advice.requests <= MAX_REQUESTS);
        prop_assert!(told.publications.len() <= 1);
        for suggestion in &told.advice.suggestions {
            prop_assert!(suggestion.platforms.len() == 2);
        }
    }
}
