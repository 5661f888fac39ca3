use std::net::Ipv4Addr;

use axum::Router;
use axum::routing::get;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Notify;
use tokio::time::{advance, timeout};

use super::super::{Transport, serve};
use super::*;
use crate::process::shutdown::shutdown;

const SOON: Duration = Duration::from_secs(10);

fn peer(host: u8) -> IpAddr {
    Ipv4Addr::new(192, 0, 2, host).into()
}

fn few() -> Connections {
    Connections::new(ConnectionLimits {
        connections: 4,
        connections_of_a_peer: 3,
        handshake: Duration::from_secs(1),
        head: Duration::from_secs(2),
        idle: Duration::from_secs(3),
        pressed: Duration::from_secs(3600),
        ..ConnectionLimits::webhook()
    })
}

impl Connections {
    /// A connection of this peer that is at this.
    fn at(&self, host: u8, stage: ConnectionStage) -> ConnectionPlace {
        let place = self.enter(peer(host)).unwrap();
        place.progress.enter(stage);
        place
    }

    fn placed(&self) -> usize {
        self.table().placed
    }

    fn has_place(&self, place: &ConnectionPlace) -> bool {
        !self.table().members[&place.id].leaving
    }
}

#[tokio::test(start_paused = true)]
async fn each_stage_has_its_limit_and_who_is_being_answered_has_none() {
    let limits = ConnectionLimits {
        connections: 100,
        ..few().limits().clone()
    };
    let connections = Connections::new(limits);
    let stages = [
        ConnectionStage::Hello,
        ConnectionStage::Handshake,
        ConnectionStage::Head,
        ConnectionStage::Idle,
        ConnectionStage::Answering,
    ];
    let places = stages.map(|stage| connections.at(stage as u8, stage));
    for seconds in 0..4 {
        connections.sweep();
        let kept: Vec<bool> = places
            .iter()
            .map(|one| connections.has_place(one))
            .collect();
        let expected = [1, 1, 2, 3, 99].map(|limit| seconds <= limit);
        assert_eq!(kept, expected, "after {seconds} s");
        advance(Duration::from_secs(1)).await;
    }
    connections.sweep();
    advance(Duration::from_secs(3600)).await;
    connections.sweep();
    let kept = places.map(|one| connections.has_place(&one));
    assert_eq!(kept, [false, false, false, false, true]);
}

#[tokio::test(start_paused = true)]
async fn who_has_more_than_the_others_gives_way_be_it_the_one_who_comes() {
    let connections = few();
    let oldest = connections.at(1, ConnectionStage::Head);
    advance(Duration::from_millis(10)).await;
    let older = connections.at(2, ConnectionStage::Head);
    advance(Duration::from_millis(10)).await;
    let newer = connections.at(2, ConnectionStage::Head);
    let _busy = connections.at(3, ConnectionStage::Answering);
    let another = connections.at(3, ConnectionStage::Answering);
    assert!(!connections.has_place(&older), "of two, the older");
    assert!(connections.has_place(&oldest) && connections.has_place(&newer));
    assert!(connections.enter(peer(3)).is_none(), "it has the most");
    assert!(connections.has_place(&oldest) && connections.has_place(&newer));
    drop(another);
    assert!(connections.enter(peer(3)).is_some());
}

#[tokio::test(start_paused = true)]
async fn with_few_places_left_the_silent_go_soon_and_who_is_being_answered_never() {
    let connections = Connections::new(ConnectionLimits {
        pressed: Duration::from_millis(500),
        ..few().limits().clone()
    });
    let busy = connections.at(1, ConnectionStage::Answering);
    let silent = [
        connections.at(1, ConnectionStage::Idle),
        connections.at(1, ConnectionStage::Head),
    ];
    advance(Duration::from_millis(501)).await;
    connections.sweep();
    assert!(connections.has_place(&busy));
    let kept = silent.map(|one| connections.has_place(&one));
    assert_eq!(kept, [false, false]);
}

#[tokio::test(start_paused = true)]
async fn a_handshake_that_has_begun_is_not_silent_and_goes_after_all_that_are() {
    let connections = Connections::new(ConnectionLimits {
        pressed: Duration::from_secs(2),
        ..few().limits().clone()
    });
    let older = connections.at(1, ConnectionStage::Hello);
    older.progress.begin_handshake();
    advance(Duration::from_millis(10)).await;
    let newer = connections.at(1, ConnectionStage::Hello);
    newer.progress.begin_handshake();
    for stage in [
        ConnectionStage::Hello,
        ConnectionStage::Head,
        ConnectionStage::Idle,
    ] {
        let silent = connections.at(1, stage);
        let newcomer = connections.at(1, ConnectionStage::Answering);
        assert!(!connections.has_place(&silent), "{stage:?}");
        drop(newcomer);
    }
    assert!(connections.has_place(&older) && connections.has_place(&newer));
    // With nobody silent, the oldest of them goes.
    let _busy = connections.at(1, ConnectionStage::Answering);
    let newcomer = connections.at(1, ConnectionStage::Hello);
    assert!(!connections.has_place(&older) && connections.has_place(&newer));
    // Who does not go on with it is silent, too, in the end.
    advance(Duration::from_secs(3)).await;
    newcomer.progress.enter(ConnectionStage::Idle);
    let _newcomer = connections.at(1, ConnectionStage::Hello);
    assert!(connections.has_place(&newcomer) && !connections.has_place(&newer));
}

#[tokio::test(start_paused = true)]
async fn a_hello_gives_a_handshake_no_more_time() {
    let connections = few();
    let place = connections.at(1, ConnectionStage::Hello);
    advance(Duration::from_millis(900)).await;
    place.progress.begin_handshake();
    advance(Duration::from_millis(101)).await;
    connections.sweep();
    assert!(!connections.has_place(&place));
}

#[tokio::test(start_paused = true)]
async fn a_request_that_came_in_the_meantime_takes_its_place_again() {
    let connections = few();
    let silent = connections.at(1, ConnectionStage::Idle);
    let place = connections.at(1, ConnectionStage::Head);
    connections.dismiss_one();
    connections.dismiss_one();
    assert_eq!(connections.placed(), 0);
    assert!(silent.has_to_leave());
    place.progress.enter(ConnectionStage::Answering);
    assert!(!place.has_to_leave());
    assert_eq!(connections.placed(), 1);
    assert_eq!(connections.table().of(peer(1)), 1);
    drop((silent, place));
    assert_eq!((connections.placed(), connections.open()), (0, 0));
    assert!(connections.table().peers.is_empty());
}

#[tokio::test]
async fn a_request_that_is_being_answered_is_never_cut_off() {
    let entered = Arc::new(Notify::new());
    let release = Arc::new(Notify::new());
    let (has_entered, may_leave) = (Arc::clone(&entered), Arc::clone(&release));
    let slow = get(move || async move {
        has_entered.notify_one();
        may_leave.notified().await;
        "finished"
    });
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let (connections, (_trigger, shutdown)) = (few(), shutdown());
    let router = Router::new().route("/", slow);
    let plain = Transport::Plain;
    tokio::spawn(serve(
        listener,
        plain,
        router,
        connections.clone(),
        shutdown,
    ));
    let mut stream = TcpStream::connect(address).await.unwrap();
    let request = b"GET / HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n";
    stream.write_all(request).await.unwrap();
    timeout(SOON, entered.notified()).await.unwrap();
    // Chosen when it was silent, told when it no longer is.
    connections.dismiss(&mut connections.table(), 0);
    let is_told = async {
        while connections.placed() == 0 && connections.open() > 0 {
            tokio::task::yield_now().await;
        }
    };
    timeout(SOON, is_told).await.unwrap();
    release.notify_one();
    let mut said = String::new();
    let answered = timeout(SOON, stream.read_to_string(&mut said));
    answered.await.unwrap().unwrap();
    assert!(said.ends_with("finished"), "{said}");
}
