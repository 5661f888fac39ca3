use tokio::task::{JoinHandle, yield_now};
use tokio::time::{advance, timeout};

use super::state::{MAX_LATE, MAX_LATE_OF_NAMESPACE, MAX_REQUESTS, MAX_REQUESTS_OF_NAMESPACE};
use super::*;
use crate::domain::access::Tenant;
use crate::work::audience::WaitingRoom;

type Entering = JoinHandle<Result<QueuePlace, Full>>;

const DEADLINE: Duration = Duration::from_secs(20);

fn namespace(name: &str) -> Audience {
    Audience::Caller(Tenant::Namespace(name.into()))
}

fn budget(places: usize) -> HostBudget {
    HostBudget {
        places,
        requests_per_second: 10_000,
    }
}

/// Lines up at the host, and has had the time to get in.
fn ask(queue: &Arc<Queue>, host: u64, budget: &HostBudget, audience: &Audience) -> Entering {
    let (queue, budget, audience) = (Arc::clone(queue), *budget, audience.clone());
    tokio::spawn(async move {
        let deadline = Instant::now() + DEADLINE;
        queue.enter(host, &budget, &audience, deadline).await
    })
}

async fn settle() {
    for _ in 0..200 {
        yield_now().await;
    }
}

/// Those that have their turn, out of those that wait.
async fn entered(waiting: &mut Vec<Entering>) -> Vec<QueuePlace> {
    settle().await;
    let mut places = Vec::new();
    for position in (0..waiting.len()).rev() {
        if waiting[position].is_finished()
            && let Ok(place) = waiting.remove(position).await.unwrap()
        {
            places.push(place);
        }
    }
    places
}

#[tokio::test(start_paused = true)]
async fn tenants_take_turns_however_much_one_of_them_asks_for() {
    let queue = Arc::new(Queue::default());
    let host = queue.host();
    let many = (0..40).map(|_| ask(&queue, host, &budget(1), &namespace("a")));
    let mut many: Vec<_> = many.collect();
    let first = entered(&mut many).await;
    assert_eq!((first.len(), many.len()), (1, 39));
    let few = (0..3).map(|_| ask(&queue, host, &budget(1), &namespace("b")));
    let mut few: Vec<_> = few.collect();
    settle().await;
    drop(first);
    let mut order = String::new();
    for _ in 0..8 {
        order.push_str(&"a".repeat(entered(&mut many).await.len()));
        order.push_str(&"b".repeat(entered(&mut few).await.len()));
    }
    // The place of `a` is free again before the one of `b` is asked for.
    assert_eq!(order.matches('b').count(), 3, "{order}");
    assert!(
        order.starts_with("ba") || order.starts_with("ab"),
        "{order}"
    );
}

#[tokio::test(start_paused = true)]
async fn while_another_tenant_waits_one_has_half_of_the_places() {
    let queue = Arc::new(Queue::default());
    let host = queue.host();
    let lined_up = |name: &str| -> Vec<_> {
        let asked = (0..30).map(|_| ask(&queue, host, &budget(6), &namespace(name)));
        asked.collect()
    };
    let mut greedy = lined_up("a");
    let mut alone = entered(&mut greedy).await;
    assert_eq!(alone.len(), 6, "nobody else waits");
    let mut other = lined_up("b");
    settle().await;
    for expected in 1..=3 {
        alone.pop();
        let came = entered(&mut other).await;
        assert_eq!(came.len(), 1, "{expected}");
        assert!(entered(&mut greedy).await.is_empty());
        std::mem::forget(came);
    }
    // Both have half: from now on, each gets what it gives up.
    alone.pop();
    assert!(entered(&mut other).await.len() + entered(&mut greedy).await.len() == 1);
}

#[tokio::test(start_paused = true)]
async fn one_that_has_more_than_its_share_gives_up_what_another_waits_for() {
    let queue = Arc::new(Queue::default());
    let host = queue.host();
    let asked = (0..6).map(|_| ask(&queue, host, &budget(6), &namespace("a")));
    let mut silent = entered(&mut asked.collect()).await;
    assert_eq!(silent.len(), 6);
    let mut waiting: Vec<_> = (0..5)
        .map(|_| ask(&queue, host, &budget(6), &namespace("b")))
        .collect();
    let started = Instant::now();
    let mut came = Vec::new();
    for _ in 0..3 {
        let asked = silent.iter_mut().map(|place| Box::pin(place.asked_for()));
        let asked = timeout(10 * FAIR_WAIT, futures::future::select_all(asked)).await;
        let ((), position, _) = asked.expect("one of them is asked for");
        silent.remove(position);
        came.extend(entered(&mut waiting).await);
    }
    assert_eq!(came.len(), 3);
    assert!(
        started.elapsed() <= 2 * FAIR_WAIT,
        "{:?}",
        started.elapsed()
    );
    // With half of the places each, nobody is asked for more.
    advance(10 * FAIR_WAIT).await;
    assert!(entered(&mut waiting).await.is_empty());
    for place in &mut silent {
        use futures::FutureExt as _;
        assert!(place.asked_for().now_or_never().is_none());
    }
}

#[tokio::test(start_paused = true)]
async fn while_another_tenant_waits_so_many_of_one_wait_and_the_rest_is_refused_at_once() {
    let queue = Arc::new(Queue::default());
    let host = queue.host();
    let mut many: Vec<_> = (0..150)
        .map(|_| ask(&queue, host, &budget(8), &namespace("a")))
        .collect();
    let places = entered(&mut many).await;
    assert_eq!((places.len(), many.len()), (8, 142), "nobody else waits");
    let other = ask(&queue, host, &budget(8), &namespace("b"));
    assert!(entered(&mut many).await.is_empty());
    assert_eq!(many.len(), 64, "{} were refused", 142 - many.len());
    let one_more = ask(&queue, host, &budget(8), &namespace("a"));
    settle().await;
    assert!(one_more.is_finished() && one_more.await.unwrap().is_err());
    drop(places);
    settle().await;
    assert!(other.is_finished() && other.await.unwrap().is_ok());
}

#[tokio::test(start_paused = true)]
async fn a_namespace_has_so_many_requests_at_once_whatever_hosts_it_names() {
    let queue = Arc::new(Queue::default());
    let mut waiting: Vec<_> = (0..700)
        .map(|_| ask(&queue, queue.host(), &budget(8), &namespace("a")))
        .collect();
    let mut places = entered(&mut waiting).await;
    assert_eq!(places.len(), MAX_REQUESTS_OF_NAMESPACE);
    let other = ask(&queue, queue.host(), &budget(8), &namespace("b"));
    settle().await;
    assert!(other.is_finished());
    let mut count = places.len();
    while !places.is_empty() {
        places.truncate(places.len() / 2);
        let came = entered(&mut waiting).await;
        count += came.len();
        places.extend(came);
        assert!(places.len() <= MAX_REQUESTS_OF_NAMESPACE);
        if count > 300 {
            break;
        }
    }
    assert!(count > 300, "{count}: those that wait get in later");
}

#[tokio::test(start_paused = true)]
async fn there_are_so_many_requests_at_once_in_all_and_a_newcomer_gets_its_share() {
    let queue = Arc::new(Queue::default());
    let mut places = Vec::new();
    for number in 0..10 {
        let tenant = namespace(&number.to_string());
        let mut waiting: Vec<_> = (0..MAX_REQUESTS_OF_NAMESPACE)
            .map(|_| ask(&queue, queue.host(), &budget(8), &tenant))
            .collect();
        places.extend(entered(&mut waiting).await);
        for entering in waiting {
            entering.abort();
        }
    }
    assert_eq!(places.len(), MAX_REQUESTS);
    let mut late = vec![ask(&queue, queue.host(), &budget(8), &namespace("late"))];
    let asked = places.iter_mut().map(|place| Box::pin(place.asked_for()));
    let asked = timeout(10 * FAIR_WAIT, futures::future::select_all(asked)).await;
    let ((), position, _) = asked.expect("one of them is asked for");
    places.remove(position);
    assert_eq!(entered(&mut late).await.len(), 1);
}

#[tokio::test(start_paused = true)]
async fn whoever_runs_the_program_waits_for_as_many_as_there_are() {
    let queue = Arc::new(Queue::default());
    let host = queue.host();
    let operator = Audience::Caller(Tenant::Operator);
    let mut waiting: Vec<_> = (0..3000)
        .map(|_| ask(&queue, host, &budget(8), &operator))
        .collect();
    waiting.extend((0..300).map(|_| ask(&queue, queue.host(), &budget(8), &operator)));
    assert_eq!(entered(&mut waiting).await.len(), MAX_REQUESTS);
}

#[tokio::test(start_paused = true)]
async fn a_tenant_that_waits_everywhere_keeps_no_other_from_waiting() {
    let queue = Arc::new(Queue::default());
    let mut flood: Vec<_> = (0..2000)
        .map(|_| ask(&queue, queue.host(), &budget(8), &namespace("a")))
        .collect();
    let places = entered(&mut flood).await;
    assert_eq!(flood.len(), 1024, "the rest was refused");
    let host = queue.host();
    let mut others: Vec<_> = (0..40)
        .map(|_| ask(&queue, host, &budget(8), &namespace("b")))
        .collect();
    assert_eq!(entered(&mut others).await.len(), 8);
    assert_eq!(others.len(), 32, "they wait");
    assert!(entered(&mut flood).await.is_empty());
    assert!(flood.len() < 1024);
    drop(places);
}

#[tokio::test(start_paused = true)]
async fn what_goes_on_without_a_place_has_little_room() {
    let queue = Arc::new(Queue::default());
    let host = queue.host();
    let mut waiting: Vec<_> = (0..9)
        .map(|_| ask(&queue, host, &budget(6), &namespace("a")))
        .collect();
    let slow = entered(&mut waiting).await;
    let leaving = slow.iter().filter(|place| place.leave()).count();
    assert_eq!(leaving, 2, "of a host");
    assert_eq!(entered(&mut waiting).await.len(), 2, "places came free");
    let mut everywhere = Vec::new();
    for number in 0..10 {
        let tenant = namespace(&format!("other-{number}"));
        let asked =
            (0..MAX_REQUESTS_OF_NAMESPACE).map(|_| ask(&queue, queue.host(), &budget(1), &tenant));
        let places = entered(&mut asked.collect()).await;
        let leaving: Vec<_> = places.into_iter().filter(QueuePlace::leave).collect();
        assert!(leaving.len() <= MAX_LATE_OF_NAMESPACE);
        everywhere.extend(leaving);
    }
    assert_eq!(everywhere.len() + 2, MAX_LATE);
}

#[tokio::test(start_paused = true)]
async fn what_nobody_waits_for_any_more_is_not_started_where_enough_is_under_way() {
    let queue = Arc::new(Queue::default());
    let tenant = Tenant::Namespace("a".into());
    let rooms: Vec<_> = (0..100).map(|_| WaitingRoom::new(tenant.clone())).collect();
    let caller = Audience::Caller(tenant.clone());
    let seats: Vec<_> = rooms.iter().map(|room| room.seat(&caller)).collect();
    let asked = rooms.iter().map(|room| {
        let audience = Audience::Joined(Arc::clone(room));
        ask(&queue, queue.host(), &budget(8), &audience)
    });
    let mut waiting: Vec<_> = asked.collect();
    let places = entered(&mut waiting).await;
    assert_eq!(places.len(), MAX_REQUESTS_OF_NAMESPACE);
    drop(seats);
    assert!(entered(&mut waiting).await.is_empty());
    assert!(waiting.is_empty(), "all others were refused");
}

#[tokio::test(start_paused = true)]
async fn whoever_joins_makes_it_urgent_and_gives_it_a_turn() {
    let queue = Arc::new(Queue::default());
    let host = queue.host();
    let (a, b) = (namespace("a"), namespace("b"));
    let mut many: Vec<_> = (0..21).map(|_| ask(&queue, host, &budget(1), &a)).collect();
    let mut place = entered(&mut many).await;
    let refresh = WaitingRoom::new(a.owner());
    let mut last = vec![ask(
        &queue,
        host,
        &budget(1),
        &Audience::Joined(Arc::clone(&refresh)),
    )];
    settle().await;
    place.clear();
    place = entered(&mut many).await;
    assert_eq!(place.len(), 1);
    assert!(entered(&mut last).await.is_empty(), "nobody waits for it");
    let _seat = refresh.seat(&b);
    settle().await;
    place.clear();
    assert_eq!(entered(&mut last).await.len(), 1, "before twenty others");
}

#[tokio::test(start_paused = true)]
async fn whoever_joins_starts_at_once_what_only_waited_for_being_in_the_background() {
    let queue = Arc::new(Queue::default());
    let host = queue.host();
    let background = Audience::Nobody(Tenant::Operator);
    let mut first = vec![ask(&queue, host, &budget(2), &background)];
    let _half_of_the_places = entered(&mut first).await;
    let room = WaitingRoom::new(Tenant::Operator);
    let audience = Audience::Joined(Arc::clone(&room));
    let mut second = vec![ask(&queue, host, &budget(2), &audience)];
    assert!(entered(&mut second).await.is_empty());
    let _seat = room.seat(&namespace("a"));
    assert_eq!(entered(&mut second).await.len(), 1, "a place was free");
}

#[tokio::test(start_paused = true)]
async fn of_what_everybody_left_the_first_that_came_go_on_waiting() {
    let queue = Arc::new(Queue::default());
    let host = queue.host();
    let tenant = Tenant::Namespace("a".into());
    let mut first = vec![ask(&queue, host, &budget(1), &namespace("a"))];
    let place = entered(&mut first).await;
    let rooms: Vec<_> = (0..100).map(|_| WaitingRoom::new(tenant.clone())).collect();
    let caller = Audience::Caller(tenant);
    let seats: Vec<_> = rooms.iter().map(|room| room.seat(&caller)).collect();
    let asked = rooms.iter().map(|room| {
        let audience = Audience::Joined(Arc::clone(room));
        ask(&queue, host, &budget(1), &audience)
    });
    let mut waiting: Vec<_> = asked.collect();
    settle().await;
    // Whoever gets in leaves a gap, which the last one fills.
    drop(place);
    let _place = entered(&mut waiting).await;
    assert_eq!(waiting.len(), 99);
    drop(seats);
    settle().await;
    let still = waiting.iter().map(|entering| !entering.is_finished());
    let still: Vec<bool> = still.collect();
    let expected: Vec<bool> = (0..99).map(|number| number < 64).collect();
    assert_eq!(still, expected);
}

#[tokio::test(start_paused = true)]
async fn what_everybody_left_does_not_wait_while_the_process_has_all_it_may_have() {
    let queue = Arc::new(Queue::default());
    let operator = Audience::Caller(Tenant::Operator);
    let mut many: Vec<_> = (0..MAX_REQUESTS)
        .map(|_| ask(&queue, queue.host(), &budget(1), &operator))
        .collect();
    let places = entered(&mut many).await;
    assert_eq!(places.len(), MAX_REQUESTS);
    for (owner, is_refused) in [
        (Tenant::Namespace("a".into()), true),
        (Tenant::Operator, false),
    ] {
        let room = WaitingRoom::new(owner.clone());
        let seat = room.seat(&Audience::Caller(owner));
        let audience = Audience::Joined(Arc::clone(&room));
        let entering = ask(&queue, queue.host(), &budget(1), &audience);
        settle().await;
        assert!(!entering.is_finished());
        drop(seat);
        settle().await;
        assert_eq!(entering.is_finished(), is_refused);
    }
}

#[tokio::test(start_paused = true)]
async fn what_goes_on_without_a_place_counts_once_everybody_left() {
    let queue = Arc::new(Queue::default());
    let host = queue.host();
    let mut other = vec![ask(&queue, host, &budget(1), &namespace("b"))];
    let _other = entered(&mut other).await;
    let mut waiting: Vec<_> = (0..MAX_REQUESTS_OF_NAMESPACE)
        .map(|_| ask(&queue, queue.host(), &budget(1), &namespace("a")))
        .collect();
    let places = entered(&mut waiting).await;
    assert!(places[0].leave() && places[1].leave());
    let tenant = Tenant::Namespace("a".into());
    let room = WaitingRoom::new(tenant.clone());
    let seat = room.seat(&Audience::Caller(tenant));
    let audience = Audience::Joined(Arc::clone(&room));
    let entering = ask(&queue, host, &budget(1), &audience);
    settle().await;
    assert!(!entering.is_finished(), "who waits may wait");
    drop(seat);
    settle().await;
    assert!(entering.is_finished() && entering.await.unwrap().is_err());
}

#[tokio::test(start_paused = true)]
async fn what_nobody_waits_for_has_half_of_places_and_rate() {
    let queue = Arc::new(Queue::default());
    let host = queue.host();
    let background = Audience::Nobody(Tenant::Operator);
    let slow = HostBudget {
        places: 8,
        requests_per_second: 4,
    };
    let mut waiting: Vec<_> = (0..8)
        .map(|_| ask(&queue, host, &slow, &background))
        .collect();
    let mut places = entered(&mut waiting).await;
    assert_eq!(places.len(), 2, "half of the burst");
    for _ in 0..2 {
        advance(Duration::from_millis(500)).await;
        places.extend(entered(&mut waiting).await);
    }
    assert_eq!(places.len(), 4, "and then half of the pace");
    advance(Duration::from_secs(9)).await;
    assert!(entered(&mut waiting).await.is_empty(), "half of the places");
}

#[tokio::test(start_paused = true)]
async fn a_host_that_nobody_asks_is_forgotten() {
    let queue = Arc::new(Queue::default());
    for _ in 0..500 {
        let entering = ask(&queue, queue.host(), &budget(1), &namespace("a"));
        drop(entering.await);
        advance(Duration::from_secs(2)).await;
    }
    assert!(queue.state.lock().lines.len() < 3);
}
