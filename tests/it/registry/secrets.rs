//! Pull secrets: whose they are, what they open, and what they open to nobody else.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use archmatch::checker::{Access, ImageInspector};
use archmatch::credentials::{ReadFailure, SecretReader};
use archmatch::domain::access::{SecretName, Tenant};
use archmatch::domain::inspection::Lookup;
use archmatch::domain::reference::ImageReference;
use archmatch::domain::unknown::{Origin, Reason, Unknown};
use archmatch::objects::context::Secret;
use archmatch::registry::{Inspector, LookUpSettings};
use futures::FutureExt;
use futures::future::{BoxFuture, join_all};
use serde_json::json;
use tokio::sync::Semaphore;

use super::inspector_of;
use crate::support::registry::{FakeRegistry, Fault, index, manifest};

/// A cluster that holds secrets and counts how often each is read.
#[derive(Default)]
pub(super) struct Cluster {
    secrets: Mutex<HashMap<String, Result<Secret, ReadFailure>>>,
    reads: Mutex<Vec<String>>,
    closed: Option<&'static str>,
    gate: Option<Arc<Semaphore>>,
}

impl SecretReader for Cluster {
    fn closed(&self, _: &str) -> Option<String> {
        self.closed.map(str::to_owned)
    }

    fn read<'a>(&'a self, name: &'a SecretName) -> BoxFuture<'a, Result<Secret, ReadFailure>> {
        async move {
            self.reads.lock().unwrap().push(name.to_string());
            if let Some(gate) = &self.gate {
                gate.acquire().await.unwrap().forget();
            }
            let secrets = self.secrets.lock().unwrap();
            let found = secrets.get(&name.to_string()).cloned();
            found.unwrap_or(Err(ReadFailure::Missing))
        }
        .boxed()
    }
}

impl Cluster {
    pub(super) fn put(&self, name: &str, auths: &[(&str, &str, &str)]) {
        let entry = |(key, user, password): &(&str, &str, &str)| {
            let value = json!({"username": user, "password": password});
            ((*key).to_owned(), value)
        };
        let auths: serde_json::Map<_, _> = auths.iter().map(entry).collect();
        self.put_text(name, &json!({"auths": auths}).to_string());
    }

    fn put_text(&self, name: &str, text: &str) {
        let secret = Secret {
            kind: "kubernetes.io/dockerconfigjson".to_owned(),
            data: [(".dockerconfigjson".to_owned(), text.as_bytes().to_vec())].into(),
        };
        self.put_result(name, Ok(secret));
    }

    fn put_result(&self, name: &str, result: Result<Secret, ReadFailure>) {
        self.secrets.lock().unwrap().insert(name.to_owned(), result);
    }

    fn reads(&self) -> usize {
        self.reads.lock().unwrap().len()
    }
}

/// A registry that lets ada in, a private image in it, and a cluster in front of it.
struct Case {
    registry: FakeRegistry,
    image: ImageReference,
    cluster: Arc<Cluster>,
    inspector: Inspector,
}

impl Case {
    async fn new(change: impl FnOnce(&mut Cluster)) -> Self {
        Self::with_settings(change, |_| {}).await
    }

    async fn with_settings(
        change: impl FnOnce(&mut Cluster),
        settings: impl FnOnce(&mut LookUpSettings),
    ) -> Self {
        let registry = FakeRegistry::start().await;
        registry.require_basic(&[("ada", "smash")]);
        let image = registry.push("team/app:1", &index([manifest("linux/amd64")]));
        let mut cluster = Cluster::default();
        cluster.put("web/regcred", &[(&registry.host(), "ada", "smash")]);
        change(&mut cluster);
        let cluster = Arc::new(cluster);
        let secrets = Arc::clone(&cluster) as Arc<dyn SecretReader>;
        let inspector = inspector_of(&[registry.settings()], secrets, settings);
        Self {
            registry,
            image,
            cluster,
            inspector,
        }
    }

    async fn ask(&self, image: &ImageReference, access: &Access) -> Result<Lookup, Unknown> {
        match self.inspector.cached(image, access) {
            Some(known) => known,
            None => self.inspector.inspect(image, access).await,
        }
    }

    async fn sees(&self, access: &Access) -> bool {
        self.ask(&self.image, access).await.is_ok()
    }

    async fn unknown(&self, access: &Access) -> Unknown {
        self.ask(&self.image, access).await.expect_err("an unknown")
    }
}

fn pod(namespace: &str, secrets: &[&str]) -> Access {
    Access {
        tenant: Tenant::Namespace(namespace.into()),
        secrets: SecretName::list(namespace, secrets.iter().copied()),
    }
}

#[tokio::test]
async fn a_pods_secret_opens_an_image_and_is_read_once() {
    let case = Case::new(|_| {}).await;
    for _ in 0..3 {
        assert!(case.sees(&pod("web", &["regcred"])).await);
    }
    let access = pod("web", &["regcred"]);
    let found = join_all((0..100).map(|_| case.ask(&case.image, &access))).await;
    assert!(found.iter().all(Result::is_ok));
    assert_eq!(case.cluster.reads(), 1);
}

#[tokio::test]
async fn what_one_namespaces_secret_sees_answers_for_no_other() {
    let case = Case::new(|_| {}).await;
    assert!(case.sees(&pod("web", &["regcred"])).await);
    let digest = index([manifest("linux/amd64")]).digest();
    let by_digest = case.image.with_digest(digest.parse().unwrap());
    assert!(
        case.ask(&by_digest, &pod("web", &["regcred"]))
            .await
            .is_ok()
    );
    let missing = case.registry.reference("team/none:1");
    for other in [
        Access::default(),
        // The name is the same, the namespace is not.
        pod("shop", &["regcred"]),
        pod("shop", &[]),
    ] {
        // Concurrently with one that may see it, and by tag as by digest.
        let allowed = pod("web", &["regcred"]);
        let (private, digest, missing, seen) = tokio::join!(
            case.ask(&case.image, &other),
            case.ask(&by_digest, &other),
            case.ask(&missing, &other),
            case.ask(&case.image, &allowed),
        );
        assert!(seen.is_ok());
        let (private, digest) = (private.unwrap_err(), digest.unwrap_err());
        assert_eq!(private.reason, Reason::Unauthorized);
        assert_eq!(private.detail, missing.unwrap_err().detail);
        assert_eq!(private.detail, digest.detail);
    }
}

#[tokio::test]
async fn wrong_credentials_see_nothing_of_what_right_ones_saw() {
    let case = Case::new(|_| {}).await;
    let host = case.registry.host();
    case.cluster.put("shop/regcred", &[(&host, "eve", "wrong")]);
    assert!(case.sees(&pod("web", &["regcred"])).await);
    let refused = case.unknown(&pod("shop", &["regcred"])).await;
    assert_eq!(
        (refused.reason, &*refused.detail),
        (
            Reason::Unauthorized,
            &*format!("{host} refused the credentials of secret shop/regcred")
        )
    );
}

#[tokio::test]
async fn a_text_names_three_secrets_however_many_a_pod_has() {
    let case = Case::new(|_| {}).await;
    let names: Vec<String> = (0..60)
        .map(|number| format!("{}{number}", "n".repeat(200)))
        .collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let unknown = case.unknown(&pod("web", &names)).await;
    assert_eq!(unknown.reason, Reason::Unauthorized);
    assert!(unknown.detail.chars().count() <= 513, "{unknown}");

    let names: Vec<String> = (0..20).map(|number| format!("s{number}")).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let unknown = case.unknown(&pod("web", &names)).await;
    assert_eq!(unknown.detail.matches("web/s").count(), 3, "{unknown}");
    assert!(unknown.detail.contains("and 17 more secrets"), "{unknown}");
}

#[tokio::test]
async fn an_image_that_a_token_does_not_open_reads_like_one_that_is_not_there() {
    let case = Case::new(|_| {}).await;
    case.registry.require_token(&[("ada", "smash")]);
    let access = pod("web", &["regcred"]);
    assert!(case.sees(&access).await);
    let mut texts = Vec::new();
    for (name, status) in [("a", 401), ("b", 403), ("c", 404)] {
        let image = case.registry.reference(&format!("team/{name}:1"));
        let part = format!("GET /v2/team/{name}");
        case.registry.misbehave(&part, Fault::Status(status));
        let unknown = case.ask(&image, &access).await.unwrap_err();
        texts.push(unknown.detail.to_string());
    }
    assert!(texts[0].ends_with("or we may not read it with secret web/regcred"));
    assert!(texts.iter().all(|text| *text == texts[0]), "{texts:?}");
}

#[tokio::test]
async fn the_same_credentials_in_another_namespace_share_the_answers_and_no_names() {
    let case = Case::new(|_| {}).await;
    let host = case.registry.host();
    case.cluster.put(
        "shop/other",
        &[(&host, "ada", "smash"), ("x.example", "x", "x")],
    );
    assert!(case.sees(&pod("web", &["regcred"])).await);
    case.registry.take_requests();
    assert!(case.sees(&pod("shop", &["other"])).await);
    assert!(case.registry.take_requests().is_empty());

    case.cluster.put("web/wrong", &[(&host, "eve", "wrong")]);
    case.cluster.put("shop/wrong", &[(&host, "eve", "wrong")]);
    let first = case.unknown(&pod("web", &["wrong"])).await;
    case.registry.take_requests();
    let second = case.unknown(&pod("shop", &["wrong"])).await;
    assert!(case.registry.take_requests().is_empty());
    assert!(first.detail.contains("secret web/wrong"), "{first}");
    assert!(second.detail.contains("secret shop/wrong") && !second.detail.contains("web"));
}

#[tokio::test]
async fn secrets_that_do_not_fit_leave_a_pod_nobody_in_particular() {
    let case = Case::new(|_| {}).await;
    let open = FakeRegistry::start().await;
    let public = open.push("app:1", &index([manifest("linux/amd64")]));
    let secrets = Arc::clone(&case.cluster) as Arc<dyn SecretReader>;
    let inspector = inspector_of(&[open.settings()], secrets, |_| {});
    inspector
        .inspect(&public, &Access::default())
        .await
        .unwrap();
    inspector
        .inspect(&public, &pod("web", &["regcred"]))
        .await
        .unwrap();
    assert_eq!(open.take_requests().len(), 1);

    // And what was read without showing anything is everybody's.
    case.cluster.put("web/open", &[(&open.host(), "eve", "x")]);
    inspector
        .inspect(&public, &pod("web", &["open"]))
        .await
        .unwrap();
    assert!(open.take_requests().is_empty() && open.proofs().is_empty());
}

#[tokio::test]
async fn what_the_operators_credentials_saw_is_not_everybodys_answer_for_other_credentials() {
    let registry = FakeRegistry::start().await;
    registry.require_basic(&[("op", "op")]);
    let image = registry.push("app:1", &index([manifest("linux/amd64")]));
    let cluster = Arc::new(Cluster::default());
    cluster.put("web/regcred", &[(&registry.host(), "eve", "wrong")]);
    let secrets = Arc::clone(&cluster) as Arc<dyn SecretReader>;
    let inspector = inspector_of(&[registry.settings()], secrets, |settings| {
        let auths = json!({"auths": {registry.host(): {"username": "op", "password": "op"}}});
        settings.docker_config = Some(auths.to_string().into_bytes());
    });
    inspector.inspect(&image, &Access::default()).await.unwrap();
    registry.take_requests();
    // The kubelet, too, would try the pod's own first and the node's then.
    inspector
        .inspect(&image, &pod("web", &["regcred"]))
        .await
        .unwrap();
    assert_eq!(registry.take_requests().len(), 2);
}

#[tokio::test]
async fn several_secrets_are_tried_in_the_kubelets_order() {
    let case = Case::new(|_| {}).await;
    let host = case.registry.host();
    case.cluster.put(
        "web/a",
        &[(&host, "one", "x"), (&format!("{host}/team"), "two", "x")],
    );
    case.cluster.put("web/b", &[(&host, "ada", "smash")]);
    assert!(case.sees(&pod("web", &["missing", "a", "b"])).await);
    let proofs = case.registry.proofs();
    assert_eq!(proofs.len(), 3, "two, one, ada: {proofs:?}");
}

#[tokio::test]
async fn a_secret_that_cannot_be_parsed_opens_nothing_and_says_so() {
    let case = Case::new(|_| {}).await;
    case.cluster
        .put_text("web/broken", r#"{"auths":{"a.b":{"auth":"%secret%"}}}"#);
    let unknown = case.unknown(&pod("web", &["regcred", "broken"])).await;
    assert_eq!(unknown.reason, Reason::Unauthorized);
    assert_eq!(
        &*unknown.detail,
        "secret web/broken cannot be used: an auth field is not base64"
    );
    assert!(case.registry.requests().is_empty());
}

#[tokio::test]
async fn a_secret_that_might_have_helped_is_named_with_what_opens_it() {
    let hidden = |host: &str| format!("{host} has no such image, or we may not read it");
    let closed = Case::new(|cluster| cluster.closed = Some("credentials.secrets is none")).await;
    let unknown = closed.unknown(&pod("web", &["regcred"])).await;
    let hidden_there = hidden(&closed.registry.host());
    assert_eq!(
        &*unknown.detail,
        format!("{hidden_there}; secret web/regcred may not be read: credentials.secrets is none")
    );
    assert_eq!(closed.cluster.reads(), 0);

    let case = Case::new(|_| {}).await;
    let hidden_here = hidden(&case.registry.host());
    case.cluster
        .put_result("web/kept", Err(ReadFailure::Refused("rbac".to_owned())));
    case.cluster
        .put_result("web/away", Err(ReadFailure::Unavailable));
    for (name, why) in [
        ("none", "secret web/none was not found"),
        ("kept", "secret web/kept may not be read: rbac"),
        (
            "away",
            "secret web/away could not be read, the API server did not answer",
        ),
    ] {
        let unknown = case.unknown(&pod("web", &[name])).await;
        assert_eq!(&*unknown.detail, format!("{hidden_here}; {why}"));
        assert_eq!(unknown.reason, Reason::Unauthorized);
    }
}

#[tokio::test(start_paused = true)]
async fn a_slow_api_server_holds_a_review_for_a_second_and_the_look_up_goes_on() {
    let gate = Arc::new(Semaphore::new(0));
    let case = Case::new(|cluster| cluster.gate = Some(Arc::clone(&gate))).await;
    let access = pod("web", &["regcred"]);
    let started = tokio::time::Instant::now();
    let found = join_all((0..50).map(|_| case.ask(&case.image, &access))).await;
    assert!(started.elapsed() < std::time::Duration::from_secs(2));
    for unknown in found {
        let unknown = unknown.unwrap_err();
        assert_eq!(unknown.reason, Reason::Timeout);
        assert!(unknown.detail.contains("secret web/regcred"), "{unknown}");
    }
    assert_eq!(case.cluster.reads(), 1, "one reading for fifty reviews");
    gate.add_permits(1);
    // Nobody asks, and yet the registry is asked: the refusal, and the document.
    case.registry.requested(2).await;
    assert!(case.sees(&access).await);
    assert_eq!(case.cluster.reads(), 1);
}

/// A pod that names as many secrets as it likes, none of which there is.
fn names(namespace: &str, pod_number: usize, count: usize) -> Access {
    let names = (0..count).map(|number| format!("none-{pod_number}-{number}"));
    let names: Vec<String> = names.collect();
    pod(
        namespace,
        &names.iter().map(String::as_str).collect::<Vec<_>>(),
    )
}

#[tokio::test]
async fn a_pod_with_many_secrets_keeps_no_other_namespaces_secret_from_being_read() {
    let gate = Arc::new(Semaphore::new(0));
    let case = Case::new(|cluster| cluster.gate = Some(Arc::clone(&gate))).await;
    let case = Arc::new(case);
    let ask = |access: Access| {
        let case = Arc::clone(&case);
        tokio::spawn(async move { case.ask(&case.image, &access).await })
    };
    let reads = async |count: usize| {
        while case.cluster.reads() < count {
            tokio::task::yield_now().await;
        }
    };
    let noisy: Vec<_> = (0..3).map(|pod| ask(names("noisy", pod, 37))).collect();
    reads(8).await;
    for _ in 0..50 {
        tokio::task::yield_now().await;
    }
    let quiet = ask(pod("web", &["regcred"]));
    for _ in 0..50 {
        tokio::task::yield_now().await;
    }
    assert_eq!(case.cluster.reads(), 8, "so many at once");
    // Two readings end: the next one is of the noisy namespace, the one after that is not.
    gate.add_permits(2);
    reads(10).await;
    let read = case.cluster.reads.lock().unwrap().clone();
    assert!(read[8..].contains(&"web/regcred".to_owned()), "{read:?}");
    gate.add_permits(10_000);
    // On a busy machine the first one may have given up; the retry knows.
    drop(quiet.await);
    assert!(case.sees(&pod("web", &["regcred"])).await);
    for noisy in noisy {
        noisy.await.unwrap().unwrap_err();
    }
}

#[tokio::test(start_paused = true)]
async fn a_secret_that_has_to_wait_for_too_many_is_our_budget_and_is_not_remembered() {
    let gate = Arc::new(Semaphore::new(0));
    let case = Case::new(|cluster| cluster.gate = Some(Arc::clone(&gate))).await;
    let many: Vec<_> = (0..5).map(|pod| names("web", pod, 40)).collect();
    let asked = join_all(many.iter().map(|access| case.ask(&case.image, access))).await;
    let refused = asked.into_iter().map(Result::unwrap_err);
    let refused: Vec<_> = refused
        .map(|unknown| (unknown.reason, unknown.origin))
        .collect();
    let budget = (Reason::RateLimited, Origin::Budget);
    assert!(refused.contains(&budget), "{refused:?}");
    assert!(case.cluster.reads() <= 8);
    gate.add_permits(10_000);
    assert!(
        case.registry.requests().is_empty(),
        "nobody concluded anything"
    );
}

#[tokio::test]
async fn a_secret_with_hundreds_of_credentials_costs_a_registry_eight_and_says_so() {
    let case = Case::new(|_| {}).await;
    let host = case.registry.host();
    // The kubelet's keyring takes all of these for the host.
    let many = (0..250).map(|n| (format!("u{n}@{host}"), format!("user{n}")));
    let many: Vec<(String, String)> = many.collect();
    let auths: Vec<_> = many
        .iter()
        .map(|(place, user)| (&**place, &**user, "x"))
        .collect();
    case.cluster.put("web/many", &auths);
    case.cluster.put("web/more", &[(&host, "ada", "smash")]);
    let unknown = case.unknown(&pod("web", &["many", "more"])).await;
    assert_eq!(unknown.reason, Reason::Unauthorized);
    let said = format!(
        "{host} refused the credentials of secrets web/many, web/more \
         (8 credentials were tried, and no more are)"
    );
    assert_eq!(*unknown.detail, *said);
    assert_eq!(case.registry.proofs().len(), 8);
}

#[tokio::test]
async fn refused_secrets_are_read_again() {
    let case = Case::new(|_| {}).await;
    let host = case.registry.host();
    let wrong = json!({"auths": {&host: {"username": "ada", "password": "old"}}}).to_string();
    case.cluster.put_text("web/regcred", &wrong);
    let access = pod("web", &["regcred"]);
    case.unknown(&access).await;
    case.cluster.put("web/regcred", &[(&host, "ada", "smash")]);
    // Not at once: one who applies a wrong secret again and again must not make us read it
    // each time.
    case.unknown(&access).await;
    assert_eq!(case.cluster.reads(), 1);
}

#[tokio::test]
async fn a_mirror_gets_only_the_credentials_for_its_own_host() {
    let origin = FakeRegistry::start().await;
    let mirror = FakeRegistry::start().await;
    let image = origin.push("app:1", &index([manifest("linux/amd64")]));
    mirror.push("app:1", &index([manifest("linux/amd64")]));
    mirror.require_basic(&[("mia", "mirror")]);
    origin.require_basic(&[("ada", "smash")]);
    origin.misbehave("GET", Fault::Status(503));
    let cluster = Arc::new(Cluster::default());
    cluster.put(
        "web/both",
        &[
            (&origin.host(), "ada", "smash"),
            (&mirror.host(), "mia", "mirror"),
        ],
    );
    cluster.put("web/origin", &[(&origin.host(), "ada", "smash")]);
    let mut hosts = [origin.settings(), mirror.settings()];
    hosts[0].mirrors = vec![mirror.host().try_into().unwrap()];
    let secrets = Arc::clone(&cluster) as Arc<dyn SecretReader>;
    let inspector = inspector_of(&hosts, secrets, |_| {});
    inspector
        .inspect(&image, &pod("web", &["both"]))
        .await
        .unwrap();
    let shown = mirror.proofs();
    assert_eq!(shown.len(), 1, "{shown:?}");
    // One who has nothing for the mirror is somebody else.
    let other = inspector.inspect(&image, &pod("web", &["origin"])).await;
    assert!(other.is_err());
    assert_eq!(mirror.proofs(), shown);
}
