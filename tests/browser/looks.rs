//! What is seen: phone width, dark and light, contrast, and the picture in `docs/`.

use std::path::Path;
use std::sync::Arc;

use futures::FutureExt;
use serde_json::{Value, json};

use crate::Test;
use crate::chromium::Chromium;
use crate::pages;
use crate::tab::Tab;

pub const TESTS: &[(&str, Test)] = &[
    ("a_phone_scrolls_in_one_direction", |browser| {
        phone(browser).boxed()
    }),
    ("text_stands_out_in_both_schemes", |browser| {
        contrast(browser).boxed()
    }),
    ("the_picture_is_of_the_example", |browser| {
        picture(browser).boxed()
    }),
];

/// Unfolds everything.
const UNFOLD: &str =
    "[...document.querySelectorAll('details')].forEach((one) => { one.open = true; }), true";

/// Elements that are wider than the screen, or scroll sideways in themselves.
const TOO_WIDE: &str = "[...document.querySelectorAll('body *')].filter((one) => { \
    if (one.tagName === 'OPTION' || one.closest('.stack thead, caption')) return false; \
    const at = one.getBoundingClientRect(); \
    return at.width > 0 && (at.right > innerWidth + 0.5 || at.left < -0.5 || \
    (one.scrollWidth > one.clientWidth + 1 && getComputedStyle(one).overflowX !== 'visible' && \
    !['INPUT', 'SELECT'].includes(one.tagName))); \
    }).map((one) => one.tagName + '.' + one.className + ': ' + one.textContent.slice(0, 60))";

/// Texts with less contrast than 4.5 to what is behind them.
/// Source: <https://www.w3.org/TR/WCAG22/#dfn-contrast-ratio>
const TOO_FAINT: &str = "(() => { \
    const parse = (text) => text.match(/[\\d.]+/g).map(Number); \
    const light = ([r, g, b]) => { const [x, y, z] = [r, g, b].map((one) => { one /= 255; \
      return one <= 0.04045 ? one / 12.92 : ((one + 0.055) / 1.055) ** 2.4; }); \
      return 0.2126 * x + 0.7152 * y + 0.0722 * z; }; \
    const behind = (at) => { for (; at; at = at.parentElement) { \
      const colour = parse(getComputedStyle(at).backgroundColor); \
      if (colour.length < 4 || colour[3] === 1) return colour; } \
      throw new Error('the page has no background'); }; \
    const found = []; let seen = 0; \
    const walk = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT); \
    for (let node = walk.nextNode(); node; node = walk.nextNode()) { \
      const at = node.parentElement; \
      if (!node.data.trim() || at.closest('script, option, .workloads caption') || !at.getClientRects().length) continue; \
      const [one, other] = [parse(getComputedStyle(at).color), behind(at)].map(light); \
      const ratio = (Math.max(one, other) + 0.05) / (Math.min(one, other) + 0.05); \
      seen += 1; if (ratio < 4.5) found.push(ratio.toFixed(2) + ' ' + node.data.slice(0, 40)); } \
    return [seen, found]; })()";

/// A report with what is rarely seen: marks, evidence, long names, many platforms.
fn everything() -> Value {
    let mut report = pages::mixed();
    let long = format!("registry.example/{}:1", "a-long-path/".repeat(20));
    report["workloads"][0]["images"][0]["image"] = json!(long);
    report["workloads"][0]["name"] = json!("a".repeat(250));
    report["workloads"][0]["images"][0]["doubts"] = json!(["is older than it should be"]);
    report["workloads"][1]["unchecked"] = json!(["300 images are more than the 256 of a review"]);
    report["findings"][0]["accepted"] = json!({"reason": "known", "expires": "2027-01-31"});
    report["findings"][1]["expired"] = json!("2026-10-31");
    report["findings"][2]["what"] = json!(format!("{long} has no linux/s390x manifest"));
    report["findings"][2]["evidence"] = json!([format!("docker.io/s390x/{long}")]);
    report["readiness"][3]["blockers"] = json!([{"image": long, "unblocks": 12}]);
    report["errors"] = json!([{"source": format!("{long}.yaml:1"), "problem": "it is no YAML"}]);
    let platform = report["platforms"][0].clone();
    for runtime in ["containerd-local", "cri-o", "docker"] {
        let mut platform = platform.clone();
        platform["runtime"] = json!(runtime);
        report["platforms"].as_array_mut().unwrap().push(platform);
    }
    report
}

async fn phone(browser: Arc<Chromium>) {
    for report in [pages::stories(), everything(), pages::empty()] {
        let tab = Tab::open(&browser, &report).await;
        for width in [320, 360, 600, 820, 1024, 1280] {
            tab.resize(width, 640).await;
            let _: bool = tab.eval(UNFOLD).await;
            tab.painted().await;
            let page: i64 = tab.eval("document.documentElement.scrollWidth").await;
            assert!(page <= width, "{page} of {width}");
            let wide: Vec<String> = tab.eval(TOO_WIDE).await;
            assert!(wide.is_empty(), "at {width}: {wide:#?}");
        }
        tab.close().await;
    }
}

async fn contrast(browser: Arc<Chromium>) {
    let tab = Tab::open(&browser, &everything()).await;
    let _: bool = tab.eval(UNFOLD).await;
    let mut backgrounds = Vec::new();
    for scheme in ["light", "dark"] {
        tab.prefer(scheme).await;
        let (seen, faint): (usize, Vec<String>) = tab.eval(TOO_FAINT).await;
        assert!(seen > 100, "texts were seen: {seen}");
        assert!(faint.is_empty(), "{scheme}: {faint:#?}");
        let background: String = tab
            .eval("getComputedStyle(document.body).backgroundColor")
            .await;
        backgrounds.push(background);
    }
    assert_ne!(backgrounds[0], backgrounds[1], "each scheme has its own");
    tab.close().await;
}

async fn picture(browser: Arc<Chromium>) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/audit.png");
    let tab = Tab::open(&browser, &pages::demo()).await;
    tab.resize(1200, 900).await;
    let taken = tab.picture(false).await;
    if std::env::var_os("ARCHMATCH_RENDER").is_some() {
        std::fs::write(&path, &taken).unwrap();
    }
    // Fonts differ from machine to machine: that there is one, and that it is small, is all.
    let kept = std::fs::read(&path).unwrap();
    assert!(
        kept.starts_with(b"\x89PNG") && kept.len() < 150_000,
        "{}",
        kept.len()
    );
    if let Some(folder) = std::env::var_os("ARCHMATCH_SCREENSHOTS") {
        let folder = Path::new(&folder);
        let save = |name: &str, bytes: Vec<u8>| {
            std::fs::write(folder.join(format!("{name}.png")), bytes).unwrap();
        };
        save("desktop", tab.picture(true).await);
        tab.prefer("dark").await;
        save("dark", tab.picture(true).await);
        tab.prefer("light").await;
        let _: bool = tab.eval(UNFOLD).await;
        save("unfolded", tab.picture(true).await);
        tab.resize(360, 740).await;
        save("phone", tab.picture(true).await);
    }
    tab.close().await;
}
