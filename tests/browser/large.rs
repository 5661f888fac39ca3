//! 20,000 workloads.

use std::sync::Arc;
use std::time::{Duration, Instant};

use futures::FutureExt;

use crate::Test;
use crate::chromium::Chromium;
use crate::pages;
use crate::tab::Tab;

pub const TESTS: &[(&str, Test)] = &[
    (
        "twenty_thousand_workloads_open_and_are_searched",
        |browser| large(browser).boxed(),
    ),
    (
        "a_namespace_of_twenty_thousand_workloads_is_searched",
        |browser| one_namespace(browser).boxed(),
    ),
];

const WORKLOADS: usize = 20_000;

/// Until the page can be read.
const MAX_OPENING: Duration = Duration::from_secs(2);

/// Until what was found is seen.
const MAX_SEARCH: Duration = Duration::from_secs(1);

async fn large(browser: Arc<Chromium>) {
    within(&browser, 50).await;
}

async fn one_namespace(browser: Arc<Chromium>) {
    within(&browser, 1).await;
}

async fn within(browser: &Arc<Chromium>, namespaces: usize) {
    let report = pages::large(WORKLOADS, namespaces);
    let tab = Tab::prepare(browser, &report).await;
    let start = Instant::now();
    tab.go("").await;
    let opened = start.elapsed();
    let rows: usize = tab
        .eval("document.querySelectorAll('.workloads tbody tr').length")
        .await;
    assert_eq!(rows, WORKLOADS);
    let mut slowest = Duration::ZERO;
    // The first one reads every row; one letter finds nearly all of them.
    for (needle, found) in [
        ("kafka-19009", 1),
        ("e", 18_462),
        ("grafana-1998", 1),
        ("", WORKLOADS),
    ] {
        let start = Instant::now();
        tab.set("search", needle).await;
        tab.painted().await;
        slowest = slowest.max(start.elapsed());
        let status = tab.status().await;
        let count = status.split(' ').next().unwrap();
        assert_eq!(count, found.to_string(), "{needle}: {status}");
    }
    let start = Instant::now();
    let _: bool = tab
        .eval("document.querySelector('th button').click(), true")
        .await;
    tab.painted().await;
    eprintln!(
        "{WORKLOADS} workloads in {namespaces} namespaces: opened in {opened:?}, searched in \
         {slowest:?} at most, sorted in {:?}",
        start.elapsed()
    );
    assert!(opened < MAX_OPENING, "opened in {opened:?}");
    assert!(slowest < MAX_SEARCH, "searched in {slowest:?}");
    tab.close().await;
}
