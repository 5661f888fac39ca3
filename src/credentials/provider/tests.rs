//! Providers that are real programs.

use super::super::program::tests::script;
use super::*;
use crate::domain::reference::ImageReference;
use crate::domain::unknown::Origin;

const HEAD: &str =
    r#""apiVersion":"credentialprovider.kubelet.k8s.io/v1","kind":"CredentialProviderResponse""#;

fn config(more: &str) -> String {
    format!(
        "apiVersion: kubelet.config.k8s.io/v1\nkind: CredentialProviderConfig\nproviders:\n\
         - name: cloud\n  matchImages: ['*.cloud.example', 'other.example:5000/team']\n  \
         defaultCacheDuration: 12h\n  apiVersion: credentialprovider.kubelet.k8s.io/v1\n{more}"
    )
}

fn named(image: &str) -> RepositoryName {
    image.parse::<ImageReference>().expect(image).name().clone()
}

/// A provider whose program counts how often it is run.
struct Case {
    folder: tempfile::TempDir,
    providers: Providers,
}

impl Case {
    fn new(body: &str, more: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let count = folder.path().join("runs");
        let body = format!("echo run >> {}\n{body}", count.display());
        script(folder.path(), "cloud", &body);
        let providers = Providers::new(&config(more), folder.path()).unwrap();
        Self { folder, providers }
    }

    async fn users(&self, repository: &str) -> Vec<String> {
        let found = self
            .providers
            .find(&named(repository), &Tenant::Operator)
            .await;
        let found = found.unwrap().into_iter();
        found.map(|found| found.username().to_owned()).collect()
    }

    fn runs(&self) -> usize {
        let text = std::fs::read_to_string(self.folder.path().join("runs"));
        text.unwrap_or_default().lines().count()
    }
}

fn answering(key_type: &str, more: &str) -> Case {
    let body = format!(
        r#"cat > "$(dirname "$0")/request"
echo '{{{HEAD},"cacheKeyType":"{key_type}"{more},"auth":{{"*.cloud.example":{{"username":"ada","password":"smash"}}}}}}'"#
    );
    Case::new(&body, "")
}

#[tokio::test]
async fn a_provider_is_asked_for_images_that_its_patterns_match() {
    let case = answering("Registry", "");
    assert_eq!(case.users("a.cloud.example/app").await, ["ada"]);
    let request = std::fs::read_to_string(case.folder.path().join("request")).unwrap();
    let request: serde_json::Value = serde_json::from_str(&request).unwrap();
    assert_eq!(
        request,
        json!({"apiVersion": PROTOCOL_VERSION, "kind": "CredentialProviderRequest", "image": "a.cloud.example/app"})
    );
    for other in [
        "cloud.example/app",
        "a.b.cloud.example/app",
        "other.example:5000/x",
        "docker.io/library/node",
    ] {
        assert!(!case.providers.may_know(&named(other)), "{other}");
        assert!(case.users(other).await.is_empty(), "{other}");
    }
    let team = named("other.example:5000/team/app");
    assert!(case.providers.may_know(&team));
    assert_eq!(case.runs(), 1);
}

#[tokio::test]
async fn answers_are_kept_by_image_registry_or_for_all() {
    for (key_type, runs) in [("Image", 3), ("Registry", 2), ("Global", 1)] {
        let case = answering(key_type, "");
        for place in [
            "a.cloud.example/one",
            "a.cloud.example/two",
            "b.cloud.example/one",
            "a.cloud.example/one",
        ] {
            assert_eq!(case.users(place).await, ["ada"], "{key_type} {place}");
        }
        assert_eq!(case.runs(), runs, "{key_type}");
    }
}

#[tokio::test]
async fn images_of_one_registry_wait_for_one_answer() {
    for (key_type, runs) in [("Registry", 1), ("Image", 3)] {
        let case = answering(key_type, "");
        let places = ["one", "two", "three"].map(|name| format!("a.cloud.example/{name}"));
        let found = join_all(places.iter().map(|place| case.users(place))).await;
        assert!(found.iter().all(|users| users == &["ada"]), "{found:?}");
        assert_eq!(case.runs(), runs, "{key_type}");
    }
}

#[tokio::test]
async fn the_program_says_how_long_its_answer_is_kept() {
    let case = answering("Registry", r#","cacheDuration":"0s""#);
    case.users("a.cloud.example/app").await;
    case.users("a.cloud.example/app").await;
    assert_eq!(case.runs(), 2);
    let case = answering("Registry", r#","cacheDuration":"5m0s""#);
    case.users("a.cloud.example/app").await;
    let kept = case.providers.all[0].kept.get("a.cloud.example").unwrap();
    let lifetime = kept.until - Instant::now();
    assert!(lifetime <= Duration::from_secs(300) && lifetime > Duration::from_secs(200));
}

#[tokio::test]
async fn arguments_and_environment_reach_the_program() {
    let body = format!(
        r#"echo '{{{HEAD},"cacheKeyType":"Global","auth":{{"a.cloud.example":{{"username":"'"$1-$REGION"'","password":""}}}}}}'"#
    );
    let more = "  args: [get]\n  env: [{name: REGION, value: north}]\n";
    let case = Case::new(&body, more);
    assert_eq!(case.users("a.cloud.example/app").await, ["get-north"]);
}

#[tokio::test]
async fn a_broken_program_has_no_credentials_and_is_not_run_at_once_again() {
    for body in [
        "exit 1",
        "echo '{}'",
        "echo nonsense",
        r#"echo '{"apiVersion":"credentialprovider.kubelet.k8s.io/v1beta1","kind":"CredentialProviderResponse","cacheKeyType":"Global"}'"#,
    ] {
        let case = Case::new(body, "");
        assert!(case.users("a.cloud.example/app").await.is_empty(), "{body}");
        assert!(case.users("a.cloud.example/app").await.is_empty(), "{body}");
        assert_eq!(case.runs(), 1, "{body}");
    }
}

/// Programs note how many of them run at the same time.
fn counting() -> Case {
    let body = format!(
        r#"running="$(dirname "$0")/running"
mkdir -p "$running/$$"
ls "$running" | wc -l >> "$(dirname "$0")/at-once"
sleep 0.05
rmdir "$running/$$"
echo '{{{HEAD},"cacheKeyType":"Registry","auth":{{"*.cloud.example":{{"username":"ada","password":"smash"}}}}}}'"#
    );
    Case::new(&body, "")
}

#[tokio::test]
async fn however_many_hosts_one_asks_for_few_programs_run_at_once() {
    let case = counting();
    let places: Vec<_> = (0..43).map(|n| format!("r{n}.cloud.example/app")).collect();
    let found = join_all(places.iter().map(|place| case.users(place))).await;
    assert!(found.iter().all(|users| users == &["ada"]));
    assert_eq!(case.runs(), 43);
    let at_once = std::fs::read_to_string(case.folder.path().join("at-once")).unwrap();
    let most = at_once
        .lines()
        .map(|line| line.trim().parse::<usize>().unwrap());
    assert!(most.max().unwrap() <= MAX_PROGRAMS, "{at_once}");
}

#[tokio::test]
async fn who_needs_many_programs_keeps_nobody_else_from_one() {
    let case = counting();
    let tenant = |name: &str| Tenant::Namespace(name.into());
    let (noisy, quiet) = (tenant("noisy"), tenant("quiet"));
    let places = (0..90).map(|n| named(&format!("r{n}.cloud.example/app")));
    let places: Vec<_> = places.collect();
    let mut many: Vec<_> = places
        .iter()
        .map(|place| case.providers.find(place, &noisy).boxed())
        .collect();
    for one in &mut many {
        assert!(futures::poll!(one).is_pending());
    }
    // The programs' tasks take their turns in the order in which they came.
    for _ in 0..200 {
        tokio::task::yield_now().await;
    }
    let mine = named("mine.cloud.example/app");
    let found = case.providers.find(&mine, &quiet).await;
    assert_eq!(found.unwrap().len(), 1);
    assert!(
        case.runs() < 30,
        "{} runs before the quiet one",
        case.runs()
    );
    // What is too much is our doing, and nothing that the cloud said.
    let refused = join_all(many).await.into_iter().filter_map(Result::err);
    let refused: Vec<_> = refused.map(|unknown| unknown.origin).collect();
    assert_eq!(refused.len(), 90 - MAX_PROGRAMS - MAX_RUNS_WAITING);
    assert!(refused.iter().all(|origin| *origin == Origin::Budget));
}

#[tokio::test]
async fn what_is_kept_of_answers_is_bounded_in_bytes() {
    let body = format!(
        r#"printf '{{{HEAD},"cacheKeyType":"Image","auth":{{"%s":{{"username":"ada","password":"smash"}}}}}}' "$(head -c 200000 /dev/zero | tr '\0' x)""#
    );
    let case = Case::new(&body, "");
    for number in 0..12 {
        case.users(&format!("a.cloud.example/app{number}")).await;
    }
    let kept = &case.providers.all[0].kept;
    kept.run_pending_tasks();
    assert!(kept.weighted_size() <= MAX_KEPT_BYTES);
    assert!(
        (3..9).contains(&kept.entry_count()),
        "{}",
        kept.entry_count()
    );
    assert!(kept.contains_key("a.cloud.example/app11"), "the latest is");
}

#[track_caller]
fn refuses(text: &str, problem: &str) {
    let folder = tempfile::tempdir().unwrap();
    script(folder.path(), "cloud", "");
    let error = Providers::new(text, folder.path()).expect_err(text);
    assert!(error.to_string().contains(problem), "{error}");
}

#[test]
fn configurations_are_read_strictly() {
    let good = config("");
    refuses("{}", "cannot be read");
    refuses(
        &good.replace("kubelet.config.k8s.io/v1", "v1"),
        "expected kind",
    );
    refuses(&config("  tokenAttributes: {}\n"), "tokenAttributes");
    refuses(&config("  surprise: 1\n"), "surprise");
    refuses(
        &good.replace("name: cloud", "name: ../cloud"),
        "without a path",
    );
    refuses(
        &good.replace("name: cloud", "name: missing"),
        "no such program",
    );
    refuses(&good.replace("12h", "soon"), "defaultCacheDuration");
    refuses(
        &good.replace("credentialprovider.kubelet.k8s.io/v1", "x/v1"),
        "apiVersion",
    );
    refuses(
        &good.replace("['*.cloud.example', 'other.example:5000/team']", "[]"),
        "matchImages",
    );
}
