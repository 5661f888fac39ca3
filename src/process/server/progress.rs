//! How far each connection has come, as the table of connections sees it.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use crossbeam_utils::atomic::AtomicCell;
use tokio::sync::Notify;
use tokio::time::Instant;

/// What a connection is at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum ConnectionStage {
    /// Nothing was said yet, or not the whole hello of a TLS handshake.
    Hello,
    /// The hello has come, and the handshake is not through.
    Handshake,
    /// The head of a request is being read.
    Head,
    /// Between two requests.
    Idle,
    /// A request is being answered.
    Answering,
}

/// How far a connection has come. One task writes it, and the table reads it.
#[derive(Debug)]
pub(super) struct ConnectionProgress {
    opened: Instant,
    stage: AtomicCell<ConnectionStage>,
    /// Milliseconds since `opened` when the stage began.
    since: AtomicU64,
    dismissed: Notify,
}

impl ConnectionProgress {
    pub(super) fn new() -> Self {
        Self {
            opened: Instant::now(),
            stage: AtomicCell::new(ConnectionStage::Hello),
            since: AtomicU64::new(0),
            dismissed: Notify::new(),
        }
    }

    pub(super) fn stage(&self) -> ConnectionStage {
        self.stage.load()
    }

    /// The stage, and how long it has lasted by now.
    pub(super) fn standing(&self, now: Instant) -> (ConnectionStage, Duration) {
        let since = Duration::from_millis(self.since.load(Ordering::Relaxed));
        let open = now.saturating_duration_since(self.opened);
        (self.stage(), open.saturating_sub(since))
    }

    pub(super) fn enter(&self, stage: ConnectionStage) {
        let since = u64::try_from(self.opened.elapsed().as_millis()).unwrap_or(u64::MAX);
        self.since.store(since, Ordering::Relaxed);
        self.stage.store(stage);
    }

    /// Bytes have come: between two requests, they begin the next one.
    pub(super) fn hear(&self, bytes: &[u8]) {
        if !bytes.is_empty() && self.stage() == ConnectionStage::Idle {
            self.enter(ConnectionStage::Head);
        }
    }

    /// The hello has come. Its time and that of the handshake are one.
    pub(super) fn begin_handshake(&self) {
        self.stage.store(ConnectionStage::Handshake);
    }

    /// Asks the connection's task to end. A request that came in the meantime goes before.
    pub(super) fn dismiss(&self) {
        self.dismissed.notify_one();
    }

    pub(super) async fn dismissed(&self) {
        self.dismissed.notified().await;
    }
}
