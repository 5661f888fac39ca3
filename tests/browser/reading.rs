//! What needs no script: the page is read, unfolded and followed without one.

use std::sync::Arc;

use futures::FutureExt;
use serde_json::json;

use crate::Test;
use crate::chromium::Chromium;
use crate::pages;
use crate::tab::Tab;

pub const TESTS: &[(&str, Test)] = &[
    ("everything_is_read_without_scripts", |browser| {
        without_scripts(browser).boxed()
    }),
    (
        "the_first_lines_say_how_ready_each_platform_is",
        |browser| first_lines(browser).boxed(),
    ),
    ("an_empty_report_says_so", |browser| empty(browser).boxed()),
    ("a_report_that_is_not_whole_says_so_at_the_top", |browser| {
        incomplete(browser).boxed()
    }),
];

async fn without_scripts(browser: Arc<Chromium>) {
    let tab = Tab::prepare(&browser, &pages::stories()).await;
    tab.go_without_scripts("#Deployment-shop-checkout").await;
    // Nothing is offered that only a script answers.
    let dead: usize = tab
        .eval(
            "[...document.querySelectorAll('input, select, button:enabled')].filter((one) => \
             one.getClientRects().length > 0).length",
        )
        .await;
    assert_eq!(dead, 0);
    assert_eq!(tab.shown().await.len(), 13);
    let text: String = tab.eval("document.body.innerText").await;
    for part in [
        "ghcr.io/acme/checkout:2.9.1",
        "✗ missing",
        "registry.acme.example/log-agent",
    ] {
        assert!(text.contains(part), "{part}");
    }
    let next = "use a tag of it that has linux/arm64";
    assert!(!text.contains(next), "a step away");
    let finding = tab.page.find_element(":target details summary").await;
    finding.unwrap().click().await.unwrap();
    let text: String = tab.eval("document.body.innerText").await;
    assert!(text.contains(next), "{text}");
    tab.close().await;
}

async fn first_lines(browser: Arc<Chromium>) {
    let tab = Tab::open(&browser, &pages::stories()).await;
    let text: String = tab.eval("document.body.innerText").await;
    let text: String = text.chars().take(1_500).collect();
    let words: Vec<&str> = text.split_whitespace().collect();
    let text = words.join(" ");
    for line in [
        "linux/amd64 6 nodes ✓ 12 ready, ✗ 0 blocked, ? 1 undecided",
        "linux/arm64 4 nodes ✓ 9 ready, ✗ 2 blocked, ? 0 undecided",
        "linux/s390x 2 nodes ✓ 3 ready, ✗ 7 blocked, ? 0 undecided",
        "publishes a manifest for",
        "FAIL at level portable",
    ] {
        assert!(text.contains(line), "{line} in {text}");
    }
    tab.close().await;
}

async fn empty(browser: Arc<Chromium>) {
    let tab = Tab::open(&browser, &pages::empty()).await;
    let text: String = tab.eval("document.body.innerText").await;
    assert!(text.contains("Nothing was checked"), "{text}");
    assert_eq!(tab.shown().await.len(), 0);
    tab.close().await;
}

async fn incomplete(browser: Arc<Chromium>) {
    let mut report = pages::stories();
    report["errors"] = json!([{"source": "shop.yaml:7", "problem": "it is no YAML"}]);
    report["partial"] = json!(["stopped by Ctrl-C"]);
    report["skipped"] = json!([{"kind": "Rollout", "group": "argoproj.io", "count": 3}]);
    let tab = Tab::open(&browser, &report).await;
    let text: String = tab.eval("document.body.innerText").await;
    let top: String = text.chars().take(600).collect();
    let notice =
        "This report is not whole: 1 document not read, 1 part missing, 3 objects skipped.";
    assert!(top.contains(notice), "{top}");
    for part in [
        "shop.yaml:7: it is no YAML",
        "stopped by Ctrl-C",
        "Rollout.argoproj.io: 3 objects",
    ] {
        assert!(text.contains(part), "{part} in {text}");
    }
    tab.close().await;
}
