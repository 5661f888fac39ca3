//! Providers that are real programs.

use super::super::program::tests::script;
use super::*;

const HEAD: &str =
    r#""apiVersion":"credentialprovider.kubelet.k8s.io/v1","kind":"CredentialProviderResponse""#;

fn config(more: &str) -> String {
    format!(
        "apiVersion: kubelet.config.k8s.io/v1\nkind: CredentialProviderConfig\nproviders:\n\
         - name: cloud\n  matchImages: ['*.cloud.example', 'other.example:5000/team']\n  \
         defaultCacheDuration: 12h\n  apiVersion: credentialprovider.kubelet.k8s.io/v1\n{more}"
    )
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

    async fn users(&self, place: &str) -> Vec<String> {
        let found = self.providers.find(place).await.into_iter();
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
        assert!(!case.providers.may_know(other), "{other}");
        assert!(case.users(other).await.is_empty(), "{other}");
    }
    assert!(case.providers.may_know("other.example:5000/team/app"));
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
    let kept = case.providers.0[0].shared.get("a.cloud.example").unwrap();
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

#[test]
fn durations_are_gos() {
    for (text, milliseconds) in [
        ("0", 0),
        ("0s", 0),
        ("1h30m", 5_400_000),
        ("1.5s", 1500),
        ("500ms", 500),
    ] {
        let expected = Some(Duration::from_millis(milliseconds));
        assert_eq!(parse_duration(text), expected, "{text}");
    }
    for text in ["", "1", "-1s", "1d", "h", "1e400s", "1s2"] {
        assert_eq!(parse_duration(text), None, "{text}");
    }
}
