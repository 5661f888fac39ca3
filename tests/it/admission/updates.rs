//! Updates: what an object already was is never denied.

use archmatch::domain::policy::Level;
use archmatch::objects::kinds::KindRule;
use serde_json::{Value, json};

use super::{Review, Webhook};

#[tokio::test]
async fn an_update_is_denied_only_for_new_gaps() {
    let webhook = Webhook::start().await;
    let old = webhook.spec("node:22", "s390x");
    let mut restarted = old.clone();
    restarted["terminationGracePeriodSeconds"] = json!(1);
    let update = Review::deployment(&restarted).updating(Review::deployment(&old));
    Webhook::warned(&webhook.ask(&update).await);
    let deleting = update.with(
        "object",
        json!({
            "metadata": {"deletionTimestamp": "2026-01-01T00:00:00Z"},
            "spec": {"template": {"spec": webhook.spec("node:20", "s390x")}},
        }),
    );
    // A deletionTimestamp, which a finalizer keeps for ever, is no way around.
    Webhook::denied(&webhook.ask(&deleting).await);
    let other = Review::deployment(&webhook.spec("node:20", "s390x"));
    let other = other.updating(Review::deployment(&old));
    Webhook::denied(&webhook.ask(&other).await);
}

#[tokio::test]
async fn an_invalid_name_is_a_gap_like_any_other() {
    let webhook = Webhook::start().await;
    let named = |name: &str| {
        let mut spec = webhook.spec("node:21", "s390x");
        spec["initContainers"] = json!([{"name": "side", "image": name}]);
        Review::deployment(&spec)
    };
    let same = named("quay.io/App").with("name", json!("other"));
    Webhook::warned(&webhook.ask(&same.updating(named("quay.io/App"))).await);
    let another = named("quay.io/Other").updating(named("quay.io/App"));
    Webhook::denied(&webhook.ask(&another).await);
}

#[tokio::test]
async fn a_gated_pod_is_warned_and_judged_when_the_gate_goes() {
    let webhook = Webhook::start().await;
    let open = webhook.spec("node:22", "s390x");
    let mut gated = open.clone();
    gated["schedulingGates"] = json!([{"name": "example.com/gate"}]);
    Webhook::warned(&webhook.ask(&Review::pod(&gated)).await);
    let ungated = Review::pod(&open).updating(Review::pod(&gated));
    Webhook::denied(&webhook.ask(&ungated).await);
}

#[tokio::test]
async fn ephemeral_containers_are_judged_and_other_sub_resources_are_not() {
    let webhook = Webhook::start().await;
    let old = webhook.spec("node:21", "s390x");
    let mut new = old.clone();
    new["ephemeralContainers"] = json!([{"name": "debug", "image": webhook.image("node:22")}]);
    let update = || Review::pod(&new).updating(Review::pod(&old));
    let response = webhook
        .ask(&update().with("subResource", json!("ephemeralcontainers")))
        .await;
    assert!(Webhook::denied(&response).contains("container debug"));
    Webhook::admitted(
        &webhook
            .ask(&update().with("subResource", json!("status")))
            .await,
    );
}

/// The gap on s390x is known, but going there alone is a loss: `runnable` held before.
#[tokio::test]
async fn an_update_that_loses_a_level_is_denied_though_it_brings_no_gap() {
    let webhook = Webhook::start().await;
    let mut anywhere = webhook.spec("node:20", "");
    anywhere["nodeSelector"] = json!({});
    let anywhere = || Review::deployment(&anywhere);
    let there = || Review::deployment(&webhook.spec("node:20", "s390x"));
    let here = || Review::deployment(&webhook.spec("node:20", "amd64"));
    for enforce in [Level::Runnable, Level::Portable] {
        webhook.set(|settings| settings.levels.enforce = enforce);
        Webhook::denied(&webhook.ask(&there().updating(anywhere())).await);
        Webhook::denied(&webhook.ask(&there().updating(here())).await);
        // It was so already, or gets no worse.
        Webhook::warned(&webhook.ask(&there().updating(there())).await);
        Webhook::admitted(&webhook.ask(&here().updating(there())).await);
        let scaled = anywhere().updating(anywhere());
        Webhook::warned(&webhook.ask(&scaled).await);
    }
    // `portable` alone is lost: there are gaps that the old object could not have.
    webhook.set(|settings| settings.levels.enforce = Level::Portable);
    Webhook::denied(&webhook.ask(&anywhere().updating(here())).await);
    webhook.set(|settings| settings.levels.enforce = Level::Runnable);
    Webhook::warned(&webhook.ask(&anywhere().updating(here())).await);
    webhook.set(|settings| settings.levels.enforce = Level::Off);
    Webhook::warned(&webhook.ask(&there().updating(anywhere())).await);
}

/// A level that was never known to hold is not lost.
#[tokio::test]
async fn an_update_of_what_was_undecided_is_denied_for_new_gaps_only() {
    let webhook = Webhook::start().await;
    let mut old = webhook.spec("node:20", "");
    old["nodeSelector"] = json!({});
    let new = webhook.spec("node:20", "s390x");
    webhook.cordon(&["a1", "a2"]);
    let update = || Review::deployment(&new).updating(Review::deployment(&old));
    Webhook::warned(&webhook.ask(&update()).await);
    webhook.cordon(&[]);
    Webhook::denied(&webhook.ask(&update()).await);
}

/// Several templates in one object, as JobSets have them.
fn job_set(specs: &[&Value]) -> Review {
    let jobs = specs
        .iter()
        .map(|spec| json!({"template": {"spec": {"template": {"spec": spec}}}}));
    let object = json!({"apiVersion": "jobset.x-k8s.io/v1", "kind": "JobSet",
        "spec": {"replicatedJobs": jobs.collect::<Vec<_>>()}});
    Review::of("jobset.x-k8s.io", "JobSet", "jobsets", object)
}

fn with_job_sets(webhook: &Webhook) {
    let path = "spec.replicatedJobs[*].template.spec.template"
        .parse()
        .unwrap();
    let rule = KindRule {
        group: "jobset.x-k8s.io".to_owned(),
        version: "*".to_owned(),
        resource: "jobsets".to_owned(),
        templates: vec![path],
    };
    webhook.set(|settings| settings.kinds = vec![rule]);
}

#[tokio::test]
async fn gates_are_the_templates_they_stand_in() {
    let webhook = Webhook::start().await;
    with_job_sets(&webhook);
    let (good, bad) = (
        webhook.spec("node:21", "s390x"),
        webhook.spec("node:20", "s390x"),
    );
    let mut gated = webhook.spec("node:20", "s390x");
    gated["schedulingGates"] = json!([{"name": "kueue.x-k8s.io/admission"}]);
    Webhook::warned(&webhook.ask(&job_set(&[&good, &gated])).await);
    Webhook::denied(&webhook.ask(&job_set(&[&bad, &gated])).await);
    // What a gate held back has had no gaps, and another template keeps its own.
    let opened = || job_set(&[&good, &bad]).updating(job_set(&[&good, &gated]));
    Webhook::denied(&webhook.ask(&opened()).await);
    let known = job_set(&[&bad, &good, &gated]).updating(job_set(&[&gated, &bad]));
    Webhook::warned(&webhook.ask(&known).await);
}

#[tokio::test]
async fn templates_may_change_places_and_none_hides_behind_another() {
    let webhook = Webhook::start().await;
    with_job_sets(&webhook);
    let (bad, good) = (
        webhook.spec("node:20", "s390x"),
        webhook.spec("node:21", "s390x"),
    );
    let mut anywhere = webhook.spec("node:22", "");
    anywhere["nodeSelector"] = json!({});
    let there = webhook.spec("node:22", "s390x");
    let swapped = job_set(&[&good, &bad]).updating(job_set(&[&bad, &good]));
    Webhook::warned(&webhook.ask(&swapped).await);
    let moved = job_set(&[&bad, &there]).updating(job_set(&[&bad, &anywhere]));
    Webhook::denied(&webhook.ask(&moved).await);
}

/// Objects from before the webhook have finalizers, too.
#[tokio::test]
async fn an_update_of_what_could_not_be_read_before_is_warned_not_refused() {
    let webhook = Webhook::start().await;
    with_job_sets(&webhook);
    let broken = |image: Value| job_set(&[&json!({"containers": [{"name": "c", "image": image}]})]);
    let refused = webhook.ask(&broken(json!(5))).await;
    assert_eq!(refused["status"]["code"], 400);
    let update = broken(json!(6)).updating(broken(json!(5)));
    let response = webhook.ask(&update).await;
    let warning = Webhook::warned(&response);
    assert!(warning.contains("its images were not checked"), "{warning}");
    assert_eq!(
        response["auditAnnotations"],
        json!({"verdict": "undecided", "mode": "warn", "undecided": "malformed"})
    );
    let good = job_set(&[&webhook.spec("node:21", "s390x")]);
    let worse = webhook.ask(&broken(json!(5)).updating(good)).await;
    assert_eq!(worse["status"]["code"], 400);
    let mended = job_set(&[&webhook.spec("node:21", "s390x")]).updating(broken(json!(5)));
    Webhook::admitted(&webhook.ask(&mended).await);
}
