//! R10 to R14, R16 and R17: bodies that are cut, endless or wrong.

use std::sync::Arc;

use archmatch::checker::{Checker, ImageInspector, Rules};
use archmatch::domain::node::Nodes;
use archmatch::domain::reference::ImageReference;
use archmatch::domain::unknown::Reason;
use archmatch::domain::workload::PodTemplate;
use archmatch::objects::kinds::{self, KindRef};
use archmatch::objects::node;
use archmatch::registry::{Addresses, HostSettings};
use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::{Failure, fails, faulty, hasty};
use crate::registry::{inspect, inspector, is_unknown, platforms};
use crate::support::raw::RawServer;
use crate::support::registry::{Document, FakeRegistry, Fault, digest_of, index, manifest};

fn header(name: &'static str, value: &str) -> Fault {
    Fault::Header(name, value.to_owned())
}

async fn answers(faults: Vec<Fault>, reason: Reason, status: &'static str) {
    let failure = Failure {
        reason,
        requests: 1,
        status,
    };
    faulty(&index([manifest("linux/amd64")]), "GET", faults, failure).await;
}

/// The same for a document that is what it is, with the right digest.
async fn document(media_type: &str, body: &str, reason: Reason) {
    let faults = vec![
        Fault::Body(body.as_bytes().to_vec()),
        header("docker-content-digest", &digest_of(body.as_bytes())),
        header("content-type", media_type),
    ];
    // The newest fault comes first: the body is the last to change.
    answers(faults, reason, "2xx").await;
}

#[tokio::test]
async fn r10_bodies_that_end_too_early_are_not_believed() {
    answers(vec![Fault::Truncated], Reason::Unreachable, "error").await;
    let chunked = "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n9\r\n{\"schema";
    let closed = "HTTP/1.1 200 OK\r\ncontent-length: 500\r\n\r\n{\"schemaVersion\":2";
    for answer in [chunked, closed] {
        let server = RawServer::start(async move |mut stream: TcpStream| {
            let mut request = [0; 2048];
            let _ = stream.read(&mut request).await;
            let _ = stream.write_all(answer.as_bytes()).await;
        })
        .await;
        let mut settings = HostSettings::new(server.host());
        settings.addresses = Addresses::Any;
        settings.plain_http = true;
        let image = format!("{}/app:1", server.host()).parse().unwrap();
        fails(&hasty(&[settings]), &image, Reason::Unreachable, "error").await;
    }
}

#[tokio::test]
async fn r11_bodies_are_cut_at_their_limit() {
    answers(vec![Fault::Endless], Reason::TooLarge, "error").await;
    answers(
        vec![Fault::Stalled(u64::MAX / 2)],
        Reason::TooLarge,
        "error",
    )
    .await;
    answers(vec![Fault::Stalled(1000)], Reason::Timeout, "error").await;
    let over = vec![b' '; 4 * 1024 * 1024 + 1];
    answers(vec![Fault::Body(over)], Reason::TooLarge, "error").await;
}

#[tokio::test]
async fn r12_compressed_bodies_are_refused() {
    for encoding in ["gzip", "br", "zstd", "gzip, gzip"] {
        let faults = vec![header("content-encoding", encoding)];
        answers(faults, Reason::Unsupported, "error").await;
    }
}

#[tokio::test]
async fn r13_content_must_have_its_digest() {
    let other = digest_of(b"other");
    for named in [other.as_str(), "evil", "sha256:EVIL", ""] {
        let faults = vec![header("docker-content-digest", named)];
        answers(faults, Reason::Malformed, "2xx").await;
    }
    let registry = FakeRegistry::start().await;
    let app = index([manifest("linux/amd64")]);
    let image = registry.push("app:1", &app);
    // Without a word of the registry, our own digest counts.
    registry.misbehave("GET", Fault::Without("docker-content-digest"));
    let found = inspect(&inspector(&[registry.settings()]), &image).await;
    assert_eq!(found.unwrap().digest.to_string(), app.digest());

    let by_digest = image.with_digest(app.digest().parse().unwrap());
    let other = index([manifest("linux/arm64")]);
    registry.misbehave("GET", Fault::Body(other.body.clone()));
    let inspector = hasty(&[registry.settings()]);
    fails(&inspector, &by_digest, Reason::Malformed, "2xx").await;
}

#[tokio::test]
async fn r14_documents_must_be_one_thing() {
    let (list, single) = (
        "application/vnd.oci.image.index.v1+json",
        "application/vnd.oci.image.manifest.v1+json",
    );
    let config = json!({"mediaType": "application/vnd.oci.image.config.v1+json",
        "digest": digest_of(b""), "size": 2});
    let both = json!({"schemaVersion": 2, "manifests": [], "layers": [], "config": config});
    document(list, &both.to_string(), Reason::Malformed).await;
    document(single, &both.to_string(), Reason::Malformed).await;
    let stated = json!({"schemaVersion": 2, "mediaType": list, "manifests": []});
    document(single, &stated.to_string(), Reason::Malformed).await;
    let plain = json!({"schemaVersion": 2, "config": config, "layers": []});
    document(list, &plain.to_string(), Reason::Malformed).await;
    let first = json!({"schemaVersion": 1, "fsLayers": []});
    let first_type = "application/vnd.docker.distribution.manifest.v1+prettyjws";
    document(first_type, &first.to_string(), Reason::Unsupported).await;
    document(list, &first.to_string(), Reason::Unsupported).await;
    document("application/evil", "{}", Reason::Unsupported).await;
    document(
        "text/html; charset=utf-8",
        "<html>evil login",
        Reason::Malformed,
    )
    .await;
    document(list, "<html>evil", Reason::Malformed).await;
    document("application/json", "{}", Reason::Unsupported).await;
}

/// An index with these entries, as JSON.
fn index_of(entries: impl Iterator<Item = serde_json::Value>) -> String {
    let entries: Vec<_> = entries.collect();
    json!({"schemaVersion": 2, "manifests": entries}).to_string()
}

fn entry(digest: &str) -> serde_json::Value {
    json!({"mediaType": "application/vnd.oci.image.manifest.v1+json", "size": 2,
        "digest": digest, "platform": {"os": "linux", "architecture": "amd64"}})
}

#[tokio::test]
async fn r16_an_index_has_a_thousand_entries_at_most() {
    let list = "application/vnd.oci.image.index.v1+json";
    let digest = digest_of(b"a");
    let most = index_of((0..1001).map(|_| entry(&digest)));
    document(list, &most, Reason::TooLarge).await;
    let bare = index_of((0..100_000).map(|_| json!({})));
    document(list, &bare, Reason::TooLarge).await;
}

/// What the engine says of an image on an amd64 node.
async fn judged(registry: &FakeRegistry, image: &ImageReference) -> String {
    let inspector = inspector(&[registry.settings()]);
    let node = json!({"metadata": {"name": "a"}, "status": {"nodeInfo": {"operatingSystem": "linux",
        "architecture": "amd64", "containerRuntimeVersion": "containerd://2.1.4"}}});
    let record = node::read(&node).unwrap();
    let nodes: Nodes = [record.to_node(&[]).0].into_iter().collect();
    let pod = json!({"containers": [{"name": "web", "image": image.to_string()}]});
    let template = template_of(&pod);
    let checker = Checker::new(Arc::new(inspector) as Arc<dyn ImageInspector>);
    let deadline = tokio::time::Instant::now() + std::time::Duration::from_secs(10);
    let verdict = checker
        .check(&template, &nodes, Rules::default(), deadline)
        .await;
    let outcome = &verdict.images[0].outcomes[0];
    match outcome.reason() {
        Some(reason) => reason.name().to_owned(),
        None => outcome.name().to_owned(),
    }
}

fn template_of(spec: &serde_json::Value) -> PodTemplate {
    let pod = json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "p"}, "spec": spec});
    let kind = KindRef {
        group: "",
        version: "v1",
        kind: "Pod",
        resource: "pods",
    };
    let workload = kinds::from_json(&kind, pod.to_string().as_bytes(), &[]);
    workload.unwrap().unwrap().templates.remove(0)
}

#[tokio::test]
async fn r16_odd_indexes_are_judged_with_few_requests() {
    let nested = |document: Document, levels: usize| {
        (0..levels).fold(document, |inner, _| index([inner.without_platform()]))
    };
    let amd64 = manifest("linux/amd64");
    let attestation = {
        let mut document = manifest("linux/amd64");
        document.platform = Some(json!({"os": "unknown", "architecture": "unknown"}));
        document
    };
    for (document, outcome, most) in [
        (index([]), "missing", 1),
        (index([attestation]), "missing", 1),
        (index([amd64.clone(), amd64.clone()]), "supported", 1),
        (index([amd64.clone().without_platform()]), "supported", 3),
        (nested(amd64.clone(), 2), "supported", 4),
        (nested(amd64, 50), "unsupported", 4),
    ] {
        let registry = FakeRegistry::start().await;
        let image = registry.push("app:1", &document);
        assert_eq!(judged(&registry, &image).await, outcome);
        let requests = registry.requests();
        assert!(requests.len() <= most, "{requests:?}");
    }
}

#[tokio::test]
async fn r17_digests_are_read_strictly_before_anything_is_asked() {
    let hexadecimal = "a".repeat(64);
    for digest in [
        "../../evil".to_owned(),
        format!("sha256:{}", hexadecimal.to_uppercase()),
        format!("sha256:{hexadecimal}/../../evil"),
        format!("sha256:{}", "a".repeat(10 * 1024)),
        format!("md5:{}", "a".repeat(32)),
        format!("sha512:{hexadecimal}"),
        format!("sha256:{hexadecimal}?evil=1"),
        String::new(),
    ] {
        let list = "application/vnd.oci.image.index.v1+json";
        document(
            list,
            &index_of([entry(&digest)].into_iter()),
            Reason::Malformed,
        )
        .await;
        let config = json!({"mediaType": "application/vnd.oci.image.config.v1+json",
            "digest": digest, "size": 2});
        let plain = json!({"schemaVersion": 2, "config": config, "layers": []});
        let single = "application/vnd.oci.image.manifest.v1+json";
        document(single, &plain.to_string(), Reason::Malformed).await;
    }
}

#[tokio::test]
async fn configs_are_read_with_the_same_suspicion() {
    let app = manifest("linux/amd64");
    for (fault, reason, status) in [
        (Fault::Status(404), Reason::NotFound, "4xx"),
        (Fault::Body(b"{}".to_vec()), Reason::Malformed, "2xx"),
        (Fault::Endless, Reason::TooLarge, "error"),
        (Fault::Truncated, Reason::Unreachable, "error"),
        (Fault::Stalled(1 << 40), Reason::TooLarge, "error"),
    ] {
        let failure = Failure {
            reason,
            requests: 2,
            status,
        };
        faulty(&app, "GET /v2/app/blobs/", vec![fault], failure).await;
    }
}

#[tokio::test]
async fn a_fault_of_one_image_is_no_fault_of_another() {
    let registry = FakeRegistry::start().await;
    let image = registry.push("app:1", &index([manifest("linux/amd64")]));
    let other = registry.push("other:1", &index([manifest("linux/amd64")]));
    registry.misbehave("/v2/app/", Fault::Body(b"evil".to_vec()));
    let inspector = inspector(&[registry.settings()]);
    is_unknown(inspect(&inspector, &image).await, Reason::Malformed);
    platforms(&inspector, &other).await;
}
