//! When a new view is made. The clock stands still until everybody waits, so that a second
//! here takes no time.

use futures::channel::mpsc::{UnboundedSender, unbounded};
use futures::stream;
use serde_json::json;
use tokio::time::sleep;

use super::*;

struct Watched {
    cluster: Cluster,
    events: UnboundedSender<(WatchedKind, Result<Event<Record>, watcher::Error>)>,
}

impl Watched {
    /// An empty cluster, listed once.
    async fn start() -> Self {
        let (events, received) = unbounded();
        let no_pools = stream::iter([Installed::default()]).chain(stream::pending());
        let (cluster, work) = follow(
            select_all([received.boxed()]),
            no_pools,
            |_, _| stream::pending().boxed(),
            DeclaredNodes::default(),
        );
        tokio::spawn(work);
        let watched = Self { cluster, events };
        for kind in [
            WatchedKind::Node,
            WatchedKind::Namespace,
            WatchedKind::RuntimeClass,
            WatchedKind::ServiceAccount,
        ] {
            watched.send(kind, Event::InitDone);
        }
        watched.settle().await;
        assert_eq!(watched.views(), 1);
        watched
    }

    fn send(&self, kind: WatchedKind, event: Event<Record>) {
        self.events.unbounded_send((kind, Ok(event))).unwrap();
    }

    fn node(&self, name: &str, heartbeat: u32) {
        let node = json!({
            "metadata": {"name": name},
            "status": {
                "conditions": [{"type": "Ready", "lastHeartbeatTime": heartbeat.to_string()}],
                "nodeInfo": {"architecture": "amd64", "operatingSystem": "linux"},
            },
        });
        let record = Record::Node(crate::objects::node::read(&node).unwrap());
        self.send(WatchedKind::Node, Event::Apply(record));
    }

    /// Until nothing happens any more.
    async fn settle(&self) {
        sleep(Duration::from_secs(1)).await;
    }

    fn views(&self) -> u64 {
        *self.cluster.views().borrow()
    }
}

#[tokio::test(start_paused = true)]
async fn a_heartbeat_does_not_replace_the_view() {
    let watched = Watched::start().await;
    watched.node("a1", 0);
    watched.settle().await;
    let before = watched.cluster.view().load_full();
    assert_eq!((before.nodes.len(), watched.views()), (1, 2));
    for beat in 1..5 {
        watched.node("a1", beat);
        watched.settle().await;
    }
    assert!(Arc::ptr_eq(&before, &watched.cluster.view().load_full()));
}

#[tokio::test(start_paused = true)]
async fn a_burst_makes_one_view() {
    let watched = Watched::start().await;
    for index in 0..1000 {
        watched.node(&format!("n{index}"), 0);
    }
    watched.settle().await;
    assert_eq!(watched.cluster.view().load().nodes.len(), 1000);
    assert_eq!(watched.views(), 2);
}

#[tokio::test(start_paused = true)]
async fn an_endless_burst_does_not_hold_the_view_back() {
    let watched = Watched::start().await;
    // Faster than it ever gets quiet.
    for index in 0..100 {
        watched.node(&format!("n{index}"), 0);
        sleep(QUIET_TIME / 2).await;
    }
    let views = watched.views();
    assert!((4..=8).contains(&views), "{views} views in a second");
}
