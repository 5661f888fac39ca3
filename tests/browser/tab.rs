//! A page in front, and what it did that it should not.

use std::sync::Arc;

use chromiumoxide::Page;
use chromiumoxide::cdp::browser_protocol::emulation::MediaFeature;
use chromiumoxide::cdp::browser_protocol::emulation::{
    SetDeviceMetricsOverrideParams, SetScriptExecutionDisabledParams,
};
use chromiumoxide::cdp::browser_protocol::log::EventEntryAdded;
use chromiumoxide::cdp::browser_protocol::network::EventRequestWillBeSent;
use chromiumoxide::cdp::browser_protocol::page::CaptureScreenshotFormat;
use chromiumoxide::cdp::js_protocol::runtime::{EventConsoleApiCalled, EventExceptionThrown};
use chromiumoxide::listeners::EventStream;
use chromiumoxide::page::ScreenshotParams;
use futures::{FutureExt, Stream, StreamExt};
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::chromium::Chromium;
use crate::pages;

/// Answers once what was changed is on the screen.
const PAINTED: &str =
    "new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(() => done(true))))";

/// A tab of the browser.
pub struct Tab {
    pub page: Page,
    url: String,
    requests: EventStream<EventRequestWillBeSent>,
    exceptions: EventStream<EventExceptionThrown>,
    console: EventStream<EventConsoleApiCalled>,
    log: EventStream<EventEntryAdded>,
}

impl Tab {
    /// Opens the page of a report.
    pub async fn open(chromium: &Arc<Chromium>, report: &Value) -> Self {
        let tab = Self::prepare(chromium, report).await;
        tab.go("").await;
        tab
    }

    /// The same, before the page is asked for.
    pub async fn prepare(chromium: &Arc<Chromium>, report: &Value) -> Self {
        let page = chromium.browser.new_page("about:blank").await.unwrap();
        let id = page.target_id().inner();
        let file = chromium.folder.path().join(format!("{id}.html"));
        std::fs::write(&file, pages::page(report)).unwrap();
        page.enable_log().await.unwrap();
        Self {
            requests: page.event_listener().await.unwrap(),
            exceptions: page.event_listener().await.unwrap(),
            console: page.event_listener().await.unwrap(),
            log: page.event_listener().await.unwrap(),
            url: format!("file://{}", file.display()),
            page,
        }
    }

    /// Goes to the page, or to a place in it.
    pub async fn go(&self, fragment: &str) {
        let url = format!("{}{fragment}", self.url);
        self.page.goto(url).await.unwrap();
        self.painted().await;
    }

    /// The same with scripts off: those of the page have not run when they are switched on
    /// again for the test's own.
    pub async fn go_without_scripts(&self, fragment: &str) {
        for is_off in [true, false] {
            let scripts = SetScriptExecutionDisabledParams::new(is_off);
            self.page.execute(scripts).await.unwrap();
            if is_off {
                let url = format!("{}{fragment}", self.url);
                self.page.goto(url).await.unwrap();
            }
        }
        self.painted().await;
    }

    /// A screen of such a size.
    pub async fn resize(&self, width: i64, height: i64) {
        let size = SetDeviceMetricsOverrideParams::new(width, height, 1.0, width < 600);
        self.page.execute(size).await.unwrap();
        self.painted().await;
    }

    /// Prefers dark or light pages.
    pub async fn prefer(&self, scheme: &str) {
        let feature = MediaFeature::new("prefers-color-scheme", scheme);
        self.page
            .emulate_media_features(vec![feature])
            .await
            .unwrap();
        self.painted().await;
    }

    /// What an expression gives.
    pub async fn eval<T: DeserializeOwned>(&self, expression: &str) -> T {
        let result = self.page.evaluate(expression).await;
        let result = result.unwrap_or_else(|error| panic!("{expression}: {error}"));
        result
            .into_value()
            .unwrap_or_else(|error| panic!("{expression}: {error}"))
    }

    /// Waits until everything is on the screen.
    pub async fn painted(&self) {
        let _: bool = self.eval(PAINTED).await;
    }

    /// Presses a key wherever the focus is.
    pub async fn press(&self, key: &str) {
        let body = self.page.find_element("body").await.unwrap();
        body.press_key(key).await.unwrap();
    }

    /// Writes into a field, or chooses of a list, as a person does.
    pub async fn set(&self, id: &str, value: &str) {
        let script = format!(
            "(() => {{ const field = document.getElementById({id:?}); field.value = {value:?}; \
             field.dispatchEvent(new Event('input', {{ bubbles: true }})); return true; }})()"
        );
        let _: bool = self.eval(&script).await;
    }

    /// The names of the workloads that are shown, in their order.
    pub async fn shown(&self) -> Vec<String> {
        self.eval(
            "[...document.querySelectorAll('.workloads tbody tr')].filter((row) => \
             row.getClientRects().length > 0).map((row) => row.querySelector('a').textContent)",
        )
        .await
    }

    /// What is said of how many are shown.
    pub async fn status(&self) -> String {
        self.eval("document.querySelector('[role=status]').textContent")
            .await
    }

    /// A picture of what is on the screen.
    pub async fn picture(&self, full_page: bool) -> Vec<u8> {
        let how = ScreenshotParams::builder()
            .format(CaptureScreenshotFormat::Png)
            .full_page(full_page)
            .build();
        self.page.screenshot(how).await.unwrap()
    }

    /// Ends with the proof that the page asked for nothing and complained of nothing.
    pub async fn close(mut self) {
        // What came before this answer has been heard of.
        let _: bool = self.eval("true").await;
        let requests = heard(&mut self.requests).into_iter();
        let requests: Vec<String> = requests.map(|one| one.request.url.clone()).collect();
        let foreign: Vec<&String> = requests
            .iter()
            .filter(|url| !url.starts_with(&self.url) && !url.starts_with("data:"))
            .collect();
        assert!(foreign.is_empty(), "requests left the page: {foreign:?}");
        assert!(!requests.is_empty(), "the page itself was asked for");
        let exceptions = heard(&mut self.exceptions);
        assert!(exceptions.is_empty(), "{exceptions:?}");
        let console = heard(&mut self.console);
        assert!(console.is_empty(), "{console:?}");
        let log = heard(&mut self.log);
        assert!(log.is_empty(), "{log:?}");
        self.page.close().await.unwrap();
    }
}

/// What a stream has by now.
fn heard<T>(events: &mut (impl Stream<Item = T> + Unpin)) -> Vec<T> {
    let mut all = Vec::new();
    while let Some(Some(event)) = events.next().now_or_never() {
        all.push(event);
    }
    all
}
