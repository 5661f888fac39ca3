//! The file in which a cache outlives its process.

use std::fs::{self, File};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use archmatch::checker::{Access, ImageInspector};
use archmatch::domain::access::SecretName;
use archmatch::domain::inspection::StaleCause;
use archmatch::domain::reference::ImageReference;
use archmatch::domain::unknown::Reason;
use archmatch::registry::{CacheFile, Inspector, LookUpSettings};
use serde_json::json;

use super::secrets::Cluster;
use super::{inspect, inspector, inspector_of, inspector_with, is_unknown, platforms};
use crate::support::cache::make_older;
use crate::support::registry::{FakeRegistry, Fault, index, manifest};

fn file_in(folder: &Path) -> CacheFile {
    CacheFile::new(folder.join("cache"), 1000)
}

/// What a process leaves behind that inspects these images.
async fn leave(inspector: &Inspector, file: &CacheFile, images: &[&ImageReference]) {
    let mut keeper = inspector.keep_in(file.clone()).await;
    for image in images {
        platforms(inspector, image).await;
    }
    keeper.write().await;
}

#[tokio::test]
async fn a_new_process_knows_what_the_old_one_knew_while_the_registry_is_down() {
    let folder = tempfile::tempdir().unwrap();
    let file = file_in(folder.path());
    let registry = FakeRegistry::start().await;
    let document = index([manifest("linux/amd64"), manifest("linux/arm/v7")]);
    let image = registry.push("app:1", &document);
    let plain = registry.push("plain:1", &manifest("linux/s390x"));
    let plain = plain.with_digest(manifest("linux/s390x").digest().parse().unwrap());
    leave(&inspector(&[registry.settings()]), &file, &[&image, &plain]).await;
    let mode = fs::metadata(file.path()).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600, "nobody else reads it");
    let before = registry.take_requests().len();
    registry.misbehave("/v2/", Fault::Status(503));

    let restarted = inspector(&[registry.settings()]);
    let _keeper = restarted.keep_in(file.clone()).await;
    let by_digest = image.with_digest(document.digest().parse().unwrap());
    assert_eq!(platforms(&restarted, &plain).await, ["linux/s390x"]);
    for known in [&by_digest, &image] {
        let found = platforms(&restarted, known).await;
        assert_eq!(found, ["linux/amd64", "linux/arm/v7"]);
    }
    // The tag alone is asked for, behind the answer.
    registry.requested(before + 1).await;
    assert_eq!(registry.requests(), ["HEAD /v2/app/manifests/1"]);
    is_unknown(
        inspect(&restarted, &registry.reference("app:2")).await,
        Reason::Unreachable,
    );

    make_older(&file, Duration::from_secs(7200));
    let late = inspector(&[registry.settings()]);
    let _keeper = late.keep_in(file.clone()).await;
    let found = late.inspect(&image, &Access::default()).await.unwrap();
    let outdated = found.outdated.expect("it is said that the answer is old");
    assert_eq!(outdated.why, StaleCause::Failed(Reason::Unreachable));
    assert!(outdated.age >= Duration::from_secs(7200));
}

#[tokio::test]
async fn what_credentials_helped_to_find_is_not_in_the_file() {
    let folder = tempfile::tempdir().unwrap();
    let file = file_in(folder.path());
    let registry = FakeRegistry::start().await;
    let team = registry.push("team/secret-app:1", &index([manifest("linux/amd64")]));
    let own = registry.push("own/operator-app:1", &index([manifest("linux/arm64")]));
    let open = registry.push("open/public-app:1", &index([manifest("linux/s390x")]));
    let cluster = Cluster::default();
    let team_place = format!("{}/team", registry.host());
    cluster.put("web/regcred", &[(&team_place, "ada", "smash")]);
    let pod = Access {
        secrets: SecretName::list("web", ["regcred"]),
        ..Access::default()
    };
    let operator = |settings: &mut LookUpSettings| {
        let place = format!("{}/own", registry.host());
        let config = json!({"auths": {place: {"username": "eve", "password": "marble"}}});
        settings.docker_config = Some(config.to_string().into_bytes());
    };
    let hosts = [registry.settings()];
    let inspector = inspector_of(&hosts, Arc::new(cluster), operator);
    let mut keeper = inspector.keep_in(file.clone()).await;
    platforms(&inspector, &open).await;
    registry.require_basic(&[("ada", "smash"), ("eve", "marble")]);
    platforms(&inspector, &own).await;
    inspector.inspect(&team, &pod).await.unwrap();
    keeper.write().await;

    let bytes = fs::read(file.path()).unwrap();
    let holds = |text: &str| {
        let mut windows = bytes.windows(text.len());
        windows.any(|window| window == text.as_bytes())
    };
    assert!(holds("open/public-app"));
    for private in [
        "team",
        "secret-app",
        "own/",
        "operator-app",
        "ada",
        "smash",
        "eve",
        "marble",
        "regcred",
        "YWRhOnNtYXNo",
        "web",
    ] {
        assert!(!holds(private), "{private}");
    }
    let contents = file.read().unwrap();
    assert_eq!((contents.documents.len(), contents.answers.len()), (3, 2));

    // The document is known; whether one may see it is asked all the same.
    let restarted = inspector_with(&hosts, operator);
    let _keeper = restarted.keep_in(file.clone()).await;
    is_unknown(inspect(&restarted, &team).await, Reason::Unauthorized);
    registry.take_requests();
    platforms(&restarted, &own).await;
    let requests = registry.requests();
    assert!(!requests.is_empty(), "the operator's own is asked for");
}

#[tokio::test]
async fn what_the_configuration_blocks_is_not_restored() {
    let folder = tempfile::tempdir().unwrap();
    let file = file_in(folder.path());
    let registry = FakeRegistry::start().await;
    let image = registry.push("app:1", &index([manifest("linux/amd64")]));
    leave(&inspector(&[registry.settings()]), &file, &[&image]).await;
    let mut blocked = registry.settings();
    blocked.blocked = true;
    let restarted = inspector(&[blocked]);
    let _keeper = restarted.keep_in(file.clone()).await;
    is_unknown(inspect(&restarted, &image).await, Reason::Blocked);
}

#[tokio::test]
async fn a_file_that_cannot_be_used_is_replaced() {
    let folder = tempfile::tempdir().unwrap();
    let file = file_in(folder.path());
    let registry = FakeRegistry::start().await;
    let image = registry.push("app:1", &index([manifest("linux/amd64")]));
    leave(&inspector(&[registry.settings()]), &file, &[&image]).await;
    let whole = fs::read(file.path()).unwrap();
    let mut damaged = whole.clone();
    damaged[60] ^= 1;
    let mut newer = whole.clone();
    newer[16] = b'9';
    for bytes in [
        &damaged[..],
        &newer,
        &whole[..100],
        b"",
        b"another program's",
    ] {
        fs::write(file.path(), bytes).unwrap();
        assert!(file.read().is_err());
        let restarted = inspector(&[registry.settings()]);
        registry.take_requests();
        leave(&restarted, &file, &[&image]).await;
        assert_eq!(registry.requests().len(), 1, "nothing was believed");
        assert_eq!(file.read().unwrap().answers.len(), 2);
    }
    let large = File::create(file.path()).unwrap();
    large.set_len(1 << 40).unwrap();
    let error = file.read().unwrap_err().to_string();
    assert!(error.contains("larger"), "{error}");
}

#[tokio::test]
async fn what_a_killed_process_left_changes_nothing_and_goes_in_time() {
    let folder = tempfile::tempdir().unwrap();
    let file = file_in(folder.path());
    let registry = FakeRegistry::start().await;
    let image = registry.push("app:1", &index([manifest("linux/amd64")]));
    let other = registry.push("app:2", &index([manifest("linux/arm64")]));
    leave(&inspector(&[registry.settings()]), &file, &[&image]).await;
    let known = file.read().unwrap();
    let left = |name: &str| folder.path().join(name);
    let (new, old) = (left(".cache.1.unfinished"), left(".cache.2.unfinished"));
    let foreign = left(".other.2.unfinished");
    let an_hour_ago = SystemTime::now() - Duration::from_secs(3600);
    for path in [&new, &old, &foreign] {
        fs::write(path, &fs::read(file.path()).unwrap()[..80]).unwrap();
    }
    for path in [&old, &foreign] {
        File::options()
            .write(true)
            .open(path)
            .and_then(|file| file.set_modified(an_hour_ago))
            .unwrap();
    }
    assert_eq!(file.read().unwrap(), known);
    leave(&inspector(&[registry.settings()]), &file, &[&image, &other]).await;
    assert_eq!(file.read().unwrap().answers.len(), 4);
    assert!(
        new.exists() && foreign.exists(),
        "somebody may be writing it"
    );
    assert!(!old.exists());
}

#[tokio::test(flavor = "multi_thread")]
async fn several_that_share_a_file_leave_a_whole_one() {
    let folder = tempfile::tempdir().unwrap();
    let file = file_in(folder.path());
    let registry = FakeRegistry::start().await;
    let image = registry.push("app:1", &index([manifest("linux/amd64")]));
    leave(&inspector(&[registry.settings()]), &file, &[&image]).await;
    let contents = file.read().unwrap();
    let writers = (0..8).map(|_| {
        let (file, contents) = (file.clone(), contents.clone());
        tokio::task::spawn_blocking(move || {
            for _ in 0..5 {
                file.write(&contents).unwrap();
                assert_eq!(file.read().unwrap(), contents);
            }
        })
    });
    for written in futures::future::join_all(writers).await {
        written.unwrap();
    }
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
}

#[tokio::test]
async fn where_nothing_can_be_written_or_read_all_goes_on() {
    let folder = tempfile::tempdir().unwrap();
    let registry = FakeRegistry::start().await;
    let image = registry.push("app:1", &index([manifest("linux/amd64")]));
    let here = folder.path();
    for path in [here.join("missing/cache"), here.to_owned(), "/".into()] {
        let file = CacheFile::new(path, 1000);
        leave(&inspector(&[registry.settings()]), &file, &[&image]).await;
    }
    assert_eq!(fs::read_dir(here).unwrap().count(), 0);
}
