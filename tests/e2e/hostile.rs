//! A registry that accepts and never answers: nobody waits for it longer than for us, and
//! what it says at last is not asked twice.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use crate::Test;
use crate::cluster::{Cluster, eventually};
use crate::kubectl::Namespace;
use crate::product;
use crate::registries::{Client, SILENT, manifests_asked, puller};

pub const TESTS: &[(&str, Test)] = &[
    (
        "a_registry_that_never_answers_ends_in_a_warning",
        never_answers,
    ),
    (
        "a_registry_that_answers_late_answers_the_next_try",
        answers_late,
    ),
];

/// The silent registry, answering again when this goes.
struct Silence<'a>(&'a Cluster);

impl<'a> Silence<'a> {
    fn new(cluster: &'a Cluster) -> Self {
        tell(cluster, "silent");
        Self(cluster)
    }
}

impl Drop for Silence<'_> {
    fn drop(&mut self) {
        tell(self.0, "answering");
    }
}

fn tell(cluster: &Cluster, what: &str) {
    let url = format!("http://{SILENT}/{what}");
    cluster
        .inside(&[
            "curl",
            "--fail",
            "--silent",
            "--show-error",
            "--request",
            "POST",
            &url,
        ])
        .expect_ok();
}

/// A tag for the node's missing platform that nobody asked for before.
fn fresh_tag(cluster: &Cluster) -> String {
    static COUNT: AtomicUsize = AtomicUsize::new(0);
    let tag = format!("silent-{}", COUNT.fetch_add(1, Ordering::Relaxed));
    let image = crate::kubectl::image("app:noamd64");
    cluster
        .inside(&["crane", "tag", "--insecure", &image, &tag])
        .expect_ok();
    tag
}

fn image(tag: &str) -> String {
    format!("{SILENT}/app:{tag}")
}

/// The API server admits without a word what we do not answer in its time limit, so that
/// our warning itself shows that we kept it.
#[track_caller]
fn warns_in_time(namespace: &Namespace<'_>, tag: &str) {
    let began = Instant::now();
    let warning = namespace.warns(&puller(tag, &image(tag)));
    let took = began.elapsed();
    assert!(took < Duration::from_secs(10), "{took:?}");
    let expected = format!("{SILENT} did not answer in time (timeout)");
    assert!(warning.contains(&expected), "{warning}");
}

fn never_answers(cluster: &Cluster) {
    product::restore(cluster);
    let namespace = Namespace::new(cluster, &[]);
    let tag = fresh_tag(cluster);
    let silence = Silence::new(cluster);
    warns_in_time(&namespace, &tag);
    // It holds up nobody who asks for something else.
    let other = puller("other", &crate::kubectl::image("app:noamd64"));
    namespace.rejects(&other);
    drop(silence);
    eventually("it is asked again", || {
        let said = namespace.apply(&puller("again", &image(&tag)), &["--dry-run=server"]);
        let denied = said.stderr.contains("has no linux/amd64 manifest");
        if denied { Ok(()) } else { Err(said.stderr) }
    });
}

fn answers_late(cluster: &Cluster) {
    product::restore(cluster);
    let namespace = Namespace::new(cluster, &[]);
    // With one replica the next try meets the same memory. We wait 5 s for a request at
    // most, so a review has to end well before that.
    product::scale(cluster, 1);
    product::set_timeout(cluster, 2);
    let silence = Silence::new(cluster);
    eventually("the time limit counts", || {
        let tag = fresh_tag(cluster);
        let began = Instant::now();
        let said = namespace.apply(&puller("early", &image(&tag)), &["--dry-run=server"]);
        let took = began.elapsed();
        if took < Duration::from_secs(4) {
            Ok(())
        } else {
            Err(format!("{took:?}: {}", said.stderr))
        }
    });
    let tag = fresh_tag(cluster);
    warns_in_time(&namespace, &tag);
    drop(silence);
    let denial = namespace.rejects(&puller("again", &image(&tag)));
    assert!(denial.contains("has no linux/amd64 manifest"), "{denial}");
    let asked = manifests_asked(cluster, "silent", Client::Product, &format!("app:{tag}"));
    assert_eq!(asked, 1, "one look-up for both");
    product::restore(cluster);
}
