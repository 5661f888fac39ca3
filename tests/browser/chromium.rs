//! One browser for all tests.

use std::path::PathBuf;

use chromiumoxide::browser::{Browser, BrowserConfig};
use futures::StreamExt;
use tempfile::TempDir;
use tokio::task::JoinHandle;

/// A running browser, with a profile of its own.
pub struct Chromium {
    pub browser: Browser,
    /// Profile and pages.
    pub folder: TempDir,
    events: JoinHandle<()>,
}

/// The browser's program; none where there is none.
pub fn program() -> Option<PathBuf> {
    let named = std::env::var_os("CHROMIUM").map(PathBuf::from);
    let path = std::env::var_os("PATH").unwrap_or_default();
    let mut found = std::env::split_paths(&path).map(|folder| folder.join("chromium"));
    named.or_else(|| found.find(|program| program.is_file()))
}

impl Chromium {
    /// Starts it, on a port that it chooses.
    pub async fn launch(program: &std::path::Path) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let mut config = BrowserConfig::builder()
            .chrome_executable(program)
            .user_data_dir(folder.path().join("profile"))
            .port(0)
            .new_headless_mode()
            .viewport(None)
            .window_size(1280, 900);
        // Chromium refuses its sandbox to root.
        if rustix::process::geteuid().is_root() {
            config = config.no_sandbox();
        }
        let config = config.build().unwrap();
        let (browser, mut handler) = Browser::launch(config).await.unwrap();
        let events = tokio::spawn(async move { while handler.next().await.is_some() {} });
        Self {
            browser,
            folder,
            events,
        }
    }

    /// Ends it, and waits until it has.
    pub async fn end(mut self) {
        if self.browser.close().await.is_err() {
            self.browser.kill().await;
        }
        self.browser.wait().await.unwrap();
        self.events.abort();
    }
}
