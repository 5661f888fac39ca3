//! What comes with a script: search, filters, sorting, links to rows.

use std::sync::Arc;

use futures::FutureExt;
use serde_json::json;

use crate::Test;
use crate::chromium::Chromium;
use crate::pages;
use crate::tab::Tab;

pub const TESTS: &[(&str, Test)] = &[
    ("search_finds_names_and_images_in_any_case", |browser| {
        search(browser).boxed()
    }),
    (
        "filters_compare_namespace_platform_and_outcome",
        |browser| filters(browser).boxed(),
    ),
    ("headings_sort_by_keyboard_and_turn_around", |browser| {
        sorting(browser).boxed()
    }),
    ("a_link_to_a_row_opens_it", |browser| links(browser).boxed()),
    ("names_never_become_markup", |browser| {
        hostile(browser).boxed()
    }),
];

async fn search(browser: Arc<Chromium>) {
    let tab = Tab::open(&browser, &pages::stories()).await;
    assert_eq!(tab.shown().await.len(), 13);
    assert_eq!(tab.status().await, "13 workloads");
    for (needle, expected, status) in [
        ("KAFKA", vec!["kafka"], "1 of 13 workloads shown"),
        (
            "  grafana/GRAFANA:12 ",
            vec!["grafana"],
            "1 of 13 workloads shown",
        ),
        (
            "log-agent",
            vec!["log-agent", "checkout", "catalogue", "storefront"],
            "4 of 13 workloads shown",
        ),
        ("no such thing", vec![], "No workload matches."),
    ] {
        tab.set("search", needle).await;
        let mut shown = tab.shown().await;
        let mut expected: Vec<String> = expected.into_iter().map(str::to_owned).collect();
        shown.sort();
        expected.sort();
        assert_eq!(shown, expected, "{needle}");
        assert_eq!(tab.status().await, status, "{needle}");
    }
    tab.set("search", "").await;
    assert_eq!(tab.shown().await.len(), 13);
    assert_eq!(tab.status().await, "13 workloads");
    tab.close().await;
}

async fn filters(browser: Arc<Chromium>) {
    let tab = Tab::open(&browser, &pages::stories()).await;
    let choose = async |id: &str, label: &str| {
        let script = format!(
            "[...document.getElementById({id:?}).options].find((one) => one.text === {label:?}).value"
        );
        let value: String = tab.eval(&script).await;
        tab.set(id, &value).await;
    };
    let first: Vec<String> = tab
        .eval("[...document.querySelectorAll('select')].map((one) => one.options[0].text)")
        .await;
    assert_eq!(first, ["All namespaces", "All platforms", "All outcomes"]);
    choose("namespace", "data").await;
    // What fails stands first, then names decide.
    assert_eq!(tab.shown().await, ["kafka", "search", "redis"]);
    choose("outcome", "missing").await;
    assert_eq!(tab.shown().await.len(), 2, "kafka and search");
    choose("platform", "linux/arm64").await;
    assert_eq!(tab.shown().await, Vec::<String>::new());
    choose("namespace", "All namespaces").await;
    let mut shown = tab.shown().await;
    shown.sort();
    assert_eq!(shown, ["checkout", "runner"]);
    choose("outcome", "unknown").await;
    // Its other image is missing there: the outcome is of one image on one platform.
    assert_eq!(tab.shown().await, ["runner"]);
    choose("platform", "linux/s390x").await;
    assert_eq!(tab.status().await, "No workload matches.");
    tab.close().await;
}

async fn sorting(browser: Arc<Chromium>) {
    let tab = Tab::open(&browser, &pages::stories()).await;
    let mut stops = Vec::new();
    // Where the focus is, with the outline that shows it.
    let focus = "(() => { const at = document.activeElement; const style = getComputedStyle(at); \
        return [at.id || at.textContent, at.tagName, \
        style.outlineStyle !== 'none' && parseFloat(style.outlineWidth) >= 2]; })()";
    for _ in 0..60 {
        tab.press("Tab").await;
        let stop: (String, String, bool) = tab.eval(focus).await;
        assert!(stop.2, "the focus is seen: {stop:?}");
        let is_heading = stop.0 == "Workload";
        stops.push(stop.0);
        if is_heading {
            break;
        }
    }
    for stop in ["search", "namespace", "platform", "outcome", "Workload"] {
        assert!(stops.iter().any(|one| one == stop), "{stop} of {stops:?}");
    }
    let direction = "document.activeElement.closest('th').getAttribute('aria-sort')";
    let rows = "[...document.querySelectorAll('.workloads tbody')].map((body) => \
        [...body.rows].map((row) => row.querySelector('a').textContent))";
    assert_eq!(tab.eval::<String>(direction).await, "none");
    tab.press("Enter").await;
    assert_eq!(tab.eval::<String>(direction).await, "ascending");
    let ascending: Vec<Vec<String>> = tab.eval(rows).await;
    assert!(
        ascending.iter().all(|names| names.is_sorted()),
        "{ascending:?}"
    );
    tab.press(" ").await;
    assert_eq!(tab.eval::<String>(direction).await, "descending");
    let mut descending: Vec<Vec<String>> = tab.eval(rows).await;
    descending.iter_mut().for_each(|names| names.reverse());
    assert_eq!(descending, ascending);
    // Another column takes over, in every namespace.
    let sorted: Vec<String> = tab
        .eval(
            "[...document.querySelectorAll('th button')].find((one) => one.textContent === \
             'Findings').click(), [...document.querySelectorAll('[aria-sort]:not([aria-sort=none])')]\
             .map((one) => one.textContent + ' ' + one.ariaSort)",
        )
        .await;
    assert_eq!(sorted, ["Findings ascending"; 4]);
    tab.close().await;
}

async fn links(browser: Arc<Chromium>) {
    let tab = Tab::open(&browser, &pages::large(600, 3)).await;
    let is_seen = "(() => { const row = document.getElementById('StatefulSet-team-2-kafka-29'); \
        const at = row?.getBoundingClientRect(); return Boolean(at && at.height > 0 && \
        at.top >= 0 && at.bottom <= innerHeight); })()";
    assert!(
        !tab.eval::<bool>(is_seen).await,
        "its namespace is closed at first"
    );
    let href = "[...document.querySelectorAll('a')].some((one) => \
        one.getAttribute('href') === '#StatefulSet-team-2-kafka-29')";
    assert!(tab.eval::<bool>(href).await, "the row has a link to it");
    tab.close().await;
    let tab = Tab::prepare(&browser, &pages::large(600, 3)).await;
    tab.go("#StatefulSet-team-2-kafka-29").await;
    assert!(tab.eval::<bool>(is_seen).await);
    // A filter that hides it gives way.
    tab.set("search", "grafana").await;
    assert!(!tab.eval::<bool>(is_seen).await);
    let _: bool = tab.eval("location.hash = '', true").await;
    let _: bool = tab
        .eval("location.hash = '#StatefulSet-team-2-kafka-29', true")
        .await;
    tab.painted().await;
    assert!(tab.eval::<bool>(is_seen).await);
    tab.close().await;
}

async fn hostile(browser: Arc<Chromium>) {
    let names = [
        "<script>window.taken=1</script>",
        "\"><img src=x onerror=window.taken=1>",
        "' onmouseover='window.taken=1",
        "</code></td></table></main><iframe src=https://nobody.invalid/>",
        "javascript:window.taken=1",
        "</title></style></script><svg onload=window.taken=1>",
        "\u{202e}gnp.exe\u{0}\n&lt;b&gt;",
    ];
    let mut report = pages::mixed();
    let elements = "document.querySelectorAll('*').length";
    let tab = Tab::open(&browser, &report).await;
    let honest: usize = tab.eval(elements).await;
    tab.close().await;
    for name in names {
        for key in ["name", "kind", "namespace", "source", "excluded"] {
            report["workloads"][0][key] = json!(name);
        }
        report["workloads"][0]["images"][0]["image"] = json!(name);
        report["workloads"][0]["images"][0]["outcomes"][0]["why"] = json!(name);
        for key in ["what", "why", "next"] {
            report["findings"][0][key] = json!(name);
        }
        report["created"] = json!(name);
        report["tool"]["version"] = json!(name);
        let tab = Tab::open(&browser, &report).await;
        let taken: bool = tab.eval("'taken' in window").await;
        assert!(!taken, "{name}");
        let now: usize = tab.eval(elements).await;
        // One namespace more, with its table, and nothing else.
        let table: usize = tab
            .eval(
                "document.querySelector('details.group').querySelectorAll('thead, thead *').length",
            )
            .await;
        let more = table
            + "details summary b span table caption tbody option"
                .split(' ')
                .count();
        assert_eq!(now, honest + more, "{name}");
        tab.set("search", "GNP.EXE").await;
        tab.close().await;
    }
}
