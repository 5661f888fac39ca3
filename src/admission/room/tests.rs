use std::net::Ipv4Addr;

use tokio::time::{advance, timeout};

use super::*;

fn room(limits: &Limits) -> (Room, Gauge, Gauge) {
    let (small, large) = (Gauge::default(), Gauge::default());
    (
        Room::new(limits, small.clone(), large.clone()),
        small,
        large,
    )
}

fn peer(host: u8) -> Peer {
    Some(Ipv4Addr::new(192, 0, 2, host).into())
}

#[tokio::test(start_paused = true)]
async fn room_is_taken_in_steps_as_bytes_arrive() {
    let (room, _, large) = room(&Limits::default());
    let announced = 1_000_000;
    let mut ticket = room.ticket(peer(1), Some(announced));
    assert_eq!(large.get(), 0);
    for (arrived, taken) in [
        (1, STEP_BYTES),
        (STEP_BYTES, STEP_BYTES),
        (STEP_BYTES + 1, 2 * STEP_BYTES),
        (300_000, 300_000),
        (300_001, 600_000),
        (announced, announced),
    ] {
        assert_eq!(ticket.hold(arrived).await, Ok(taken));
        assert_eq!(large.get(), i64::try_from(taken).unwrap());
    }
    let body = ticket.keep(vec![b' '; announced]);
    let part = body.slice(10..20);
    drop(body);
    assert!(large.get() > 0, "part of it is still there");
    drop(part);
    assert_eq!(large.get(), 0);
}

#[tokio::test(start_paused = true)]
async fn only_slower_bodies_that_are_not_whole_give_way() {
    let limits = Limits {
        large_room_bytes: 1_000_000,
        ..Limits::default()
    };
    let (room, _, large) = room(&limits);
    let mut whole = room.ticket(peer(1), Some(200_000));
    assert!(whole.hold(200_000).await.is_ok());
    let mut slow = room.ticket(peer(1), Some(210_000));
    assert!(slow.hold(200_000).await.is_ok());
    let mut fast = room.ticket(peer(1), Some(210_000));
    assert!(fast.hold(205_000).await.is_ok());
    assert!(slow.was_displaced() && !whole.was_displaced() && !fast.was_displaced());
    assert_eq!(slow.hold(210_000).await, Err(Cause::Room));
    drop(slow);
    assert_eq!(large.get(), 405_000);
    // Nobody is slower than who has just come and waits for more.
    assert!(fast.hold(210_000).await.is_ok());
    let mut late = room.ticket(peer(1), Some(300_000));
    drop(fast);
    assert!(late.hold(250_000).await.is_ok());
    let mut other = room.ticket(peer(2), Some(500_000));
    assert!(other.hold(500_000).await.is_ok(), "half is for others");
    drop((whole, late, other));
    assert_eq!(large.get(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_peer_with_less_is_not_displaced_by_one_with_more() {
    let limits = Limits {
        large_room_bytes: 1_000_000,
        ..Limits::default()
    };
    let (room, ..) = room(&limits);
    let mut few = room.ticket(peer(1), Some(150_000));
    assert!(few.hold(140_000).await.is_ok());
    let mut many = Vec::new();
    for host in [2, 3] {
        for length in [200_000, 220_000] {
            let mut ticket = room.ticket(peer(host), Some(length + 1));
            assert!(ticket.hold(length).await.is_ok(), "{host} {length}");
            many.push(ticket);
        }
    }
    assert!(!few.was_displaced());
    let mut more = room.ticket(peer(2), Some(80_001));
    assert!(more.hold(80_000).await.is_ok());
    assert!(!few.was_displaced());
}

#[tokio::test(start_paused = true)]
async fn the_slowest_gives_way_and_not_before_it_had_some_time() {
    let limits = Limits {
        large_room_bytes: 8 * STEP_BYTES,
        ..Limits::default()
    };
    let (room, ..) = room(&limits);
    let started = Instant::now();
    let mut slow = Vec::new();
    for arrived in [4000, 1000, 3000, 2000] {
        let mut ticket = room.ticket(peer(1), Some(200_000));
        assert!(ticket.hold(arrived).await.is_ok());
        slow.push(ticket);
    }
    advance(limits.patience / 3).await;
    let mut gone = Vec::new();
    let mut newcomers = Vec::new();
    for _ in 0..3 {
        let mut new = room.ticket(peer(1), Some(200_000));
        assert!(new.hold(STEP_BYTES).await.is_ok());
        assert!(started.elapsed() >= limits.patience);
        newcomers.push(new);
        gone.push(slow.iter().map(Ticket::was_displaced).collect::<Vec<_>>());
    }
    assert_eq!(
        gone,
        [
            [false, true, false, false],
            [false, true, false, true],
            [false, true, true, true],
        ]
    );
}

/// So many bytes more every few milliseconds, as long as somebody waits.
async fn goes_on(ticket: &mut Ticket, mut arrived: usize, step: usize) {
    loop {
        sleep(Duration::from_millis(5)).await;
        arrived += step;
        assert!(ticket.hold(arrived).await.is_ok(), "{arrived}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_slower_body_drives_out_no_faster_one() {
    let limits = Limits {
        large_room_bytes: 1_000_000,
        ..Limits::default()
    };
    let (room, ..) = room(&limits);
    let mut slower = room.ticket(peer(1), Some(400_000));
    assert!(slower.hold(1).await.is_ok());
    let mut faster = room.ticket(peer(1), Some(430_000));
    assert!(faster.hold(400_000).await.is_ok());
    advance(Duration::from_millis(400)).await;
    assert!(faster.hold(400_001).await.is_ok());
    tokio::select! {
        held = slower.hold(STEP_BYTES + 1) => assert_eq!(held, Err(Cause::RoomShare)),
        () = goes_on(&mut faster, 400_001, 1) => {}
    }
    assert!(!faster.was_displaced());
    // And the other way round it does.
    drop(slower);
    let mut slower = room.ticket(peer(1), Some(200_000));
    assert!(slower.hold(1).await.is_ok());
    advance(Duration::from_millis(400)).await;
    assert!(slower.hold(2).await.is_ok());
    assert!(faster.hold(430_001).await.is_ok());
    assert!(slower.hold(STEP_BYTES).await.is_ok());
}

#[tokio::test(start_paused = true)]
async fn a_newcomer_drives_out_none_that_is_as_fast_as_the_largest_has_to_be() {
    let limits = Limits {
        body_bytes: 2_000_000,
        body_time: Duration::from_secs(2),
        large_room_bytes: 1_000_000,
        ..Limits::default()
    };
    // More than a million bytes a second, or less.
    for (step, is_fast) in [(5_500, true), (4_500, false)] {
        let (room, ..) = room(&limits);
        let mut old = room.ticket(peer(1), Some(450_000));
        assert!(old.hold(1).await.is_ok());
        let going_on = timeout(Duration::from_millis(203), goes_on(&mut old, 1, step));
        assert!(going_on.await.is_err());
        let mut new = room.ticket(peer(1), Some(400_000));
        let arrived = 1 + 40 * step;
        let held = tokio::select! {
            held = new.hold(300_000) => held,
            () = goes_on(&mut old, arrived, step) => Ok(0),
        };
        assert_eq!(held.is_err(), is_fast, "{step}");
        assert_eq!(old.was_displaced(), !is_fast, "{step}");
    }
    // Who has stopped is slow, however fast the first part came.
    let (room, ..) = room(&limits);
    let mut old = room.ticket(peer(1), Some(450_000));
    assert!(old.hold(400_000).await.is_ok());
    let mut new = room.ticket(peer(1), Some(400_000));
    assert!(new.hold(300_000).await.is_ok());
    assert!(old.was_displaced());
}

#[tokio::test(start_paused = true)]
async fn whole_bodies_of_several_peers_never_take_more_than_there_is() {
    let limits = Limits {
        large_room_bytes: 1_000_000,
        ..Limits::default()
    };
    let (room, _, large) = room(&limits);
    let mut tickets = [1, 2, 3].map(|host| room.ticket(peer(host), Some(400_000)));
    assert!(tickets[0].hold(400_000).await.is_ok());
    assert!(tickets[1].hold(400_000).await.is_ok());
    assert_eq!(tickets[2].hold(400_000).await, Err(Cause::Room));
    assert_eq!(large.get(), 800_000);
}
