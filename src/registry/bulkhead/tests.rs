use super::*;
use crate::domain::access::Tenant;
use crate::work::audience::{Urgency, WaitingRoom};
use tokio::time::sleep;

fn bulkhead(places: usize) -> Arc<Bulkhead> {
    let budget = HostBudget {
        places,
        requests_per_second: 50,
    };
    Arc::new(Bulkhead::new("r.example", &Arc::default(), budget))
}

fn class(audience: Audience) -> RequestClass {
    RequestClass {
        audience,
        repository: "a".into(),
        account: None,
        is_counted: true,
        may_go_on: true,
        limit: None,
        deadline: Instant::now() + Duration::from_secs(15),
    }
}

fn awaited() -> RequestClass {
    class(Audience::Caller(Tenant::Operator))
}

fn background() -> RequestClass {
    class(Audience::Nobody(Tenant::Operator))
}

fn of(repository: &str) -> RequestClass {
    RequestClass {
        repository: repository.into(),
        ..awaited()
    }
}

/// An answer did not come, or there was no connection at all.
fn failure(blame: Blame, reason: Reason) -> Failure {
    let unknown = Unknown::new(reason, "no answer");
    Failure { unknown, blame }
}

async fn enter(bulkhead: &Arc<Bulkhead>) -> Result<Permit, EntryRefusal> {
    bulkhead.enter(&awaited()).await
}

fn answer(permit: Permit, status: u16, headers: &[(&'static str, &'static str)]) {
    let mut map = HeaderMap::new();
    for (name, value) in headers {
        map.insert(*name, value.parse().unwrap());
    }
    permit.answered(StatusCode::from_u16(status).unwrap(), &map);
}

#[track_caller]
fn is_refused(entered: Result<Permit, EntryRefusal>, expected: EntryRefusal) {
    assert_eq!(entered.err(), Some(expected));
}

#[tokio::test(start_paused = true)]
async fn a_full_host_is_busy_at_the_deadline() {
    let bulkhead = bulkhead(1);
    let first = enter(&bulkhead).await.ok();
    is_refused(enter(&bulkhead).await, EntryRefusal::Busy);
    drop(first);
    assert!(enter(&bulkhead).await.is_ok());
}

#[tokio::test(start_paused = true)]
async fn who_is_waited_for_goes_first() {
    let bulkhead = bulkhead(2);
    let background = background();
    let first = bulkhead.enter(&background).await.ok();
    assert!(first.is_some());
    // The others get half of the places.
    is_refused(bulkhead.enter(&background).await, EntryRefusal::Busy);
    let second = enter(&bulkhead).await.ok();
    drop(first);
    let third = enter(&bulkhead).await.ok();
    assert!(second.is_some() && third.is_some());

    let order = Mutex::new(Vec::new());
    let (one, two) = (self::background(), awaited());
    let passes = async |class: &RequestClass| {
        let permit = bulkhead.enter(class).await.ok();
        order.lock().push(class.audience.urgency());
        answer(permit.unwrap(), 200, &[]);
    };
    let leave = async {
        tokio::task::yield_now().await;
        drop(second);
    };
    // The one that nobody waits for came first.
    tokio::join!(passes(&one), passes(&two), leave);
    assert_eq!(*order.lock(), [Urgency::Awaited, Urgency::Background]);
    drop(third);
}

#[tokio::test(start_paused = true)]
async fn a_host_that_keeps_failing_is_not_asked_and_found_well_again() {
    let bulkhead = bulkhead(8);
    let failure = failure(Blame::Host, Reason::Timeout);
    for _ in 0..5 {
        enter(&bulkhead).await.ok().unwrap().failed(&failure);
    }
    is_refused(
        enter(&bulkhead).await,
        EntryRefusal::Failing(Reason::Timeout),
    );
    assert!(bulkhead.is_failing());
    sleep(Duration::from_secs(7)).await;
    let probe = enter(&bulkhead).await.ok().unwrap();
    is_refused(
        enter(&bulkhead).await,
        EntryRefusal::Failing(Reason::Timeout),
    );
    answer(probe, 404, &[]);
    assert!(!bulkhead.is_failing());
    assert!(enter(&bulkhead).await.is_ok());
}

#[tokio::test(start_paused = true)]
async fn a_slow_repository_is_not_asked_for_and_silences_no_other() {
    let bulkhead = bulkhead(8);
    let failure = failure(Blame::Repository, Reason::Timeout);
    for _ in 0..5 {
        let permit = bulkhead.enter(&of("slow")).await.ok().unwrap();
        permit.failed(&failure);
    }
    let refused = bulkhead.enter(&of("slow")).await;
    is_refused(refused, EntryRefusal::Failing(Reason::Timeout));
    assert!(!bulkhead.is_failing());
    assert!(bulkhead.enter(&of("other")).await.is_ok());
}

#[tokio::test(start_paused = true)]
async fn a_probe_that_is_given_up_is_a_failure() {
    let bulkhead = bulkhead(8);
    for (repository, status) in [("a", 500), ("b", 502), ("a", 503), ("b", 503), ("c", 503)] {
        assert!(!bulkhead.is_failing());
        let permit = bulkhead.enter(&of(repository)).await.ok().unwrap();
        answer(permit, status, &[]);
    }
    assert!(bulkhead.is_failing());
    sleep(Duration::from_secs(7)).await;
    drop(enter(&bulkhead).await.ok());
    assert!(bulkhead.is_failing());
    sleep(Duration::from_secs(13)).await;
    assert!(enter(&bulkhead).await.is_ok());
}

#[tokio::test(start_paused = true)]
async fn those_in_the_queue_learn_that_the_host_fails() {
    let bulkhead = bulkhead(1);
    let unreachable = failure(Blame::Host, Reason::Unreachable);
    for _ in 0..4 {
        enter(&bulkhead).await.ok().unwrap().failed(&unreachable);
    }
    let last = enter(&bulkhead).await.ok().unwrap();
    let fails = async {
        tokio::task::yield_now().await;
        last.failed(&unreachable);
    };
    let (queued, ()) = tokio::join!(enter(&bulkhead), fails);
    is_refused(queued, EntryRefusal::Failing(Reason::Unreachable));
}

#[tokio::test(start_paused = true)]
async fn a_short_pause_is_waited_for_and_a_long_one_is_not() {
    let bulkhead = bulkhead(8);
    answer(
        enter(&bulkhead).await.ok().unwrap(),
        429,
        &[("retry-after", "2")],
    );
    let background = background();
    is_refused(bulkhead.enter(&background).await, EntryRefusal::Paused);
    let started = Instant::now();
    let permit = enter(&bulkhead).await.ok().unwrap();
    assert_eq!(started.elapsed().as_secs(), 2);
    answer(permit, 429, &[("retry-after", "30")]);
    is_refused(enter(&bulkhead).await, EntryRefusal::Paused);
    assert_eq!(started.elapsed().as_secs(), 2);
}

#[tokio::test(start_paused = true)]
async fn accounts_are_limited_apart() {
    let bulkhead = bulkhead(8);
    let spent = [
        ("ratelimit-limit", "100;w=21600"),
        ("ratelimit-remaining", "50;w=21600"),
    ];
    answer(enter(&bulkhead).await.ok().unwrap(), 200, &spent);
    is_refused(enter(&bulkhead).await, EntryRefusal::HalfSpent);
    assert_eq!(bulkhead.remaining(), Some(50));
    let mut other = awaited();
    other.is_counted = false;
    assert!(bulkhead.enter(&other).await.is_ok(), "what is not counted");
    other.is_counted = true;
    let credential = crate::credentials::Credential::new("ada", "smash");
    other.account = Some(credential.hashed());
    assert!(bulkhead.enter(&other).await.is_ok());
}

#[tokio::test(start_paused = true)]
async fn a_window_is_spent_on_the_account_of_anybody_who_waits() {
    let bulkhead = bulkhead(8);
    let window = [
        ("ratelimit-limit", "100;w=21600"),
        ("ratelimit-remaining", "54;w=21600"),
    ];
    answer(enter(&bulkhead).await.ok().unwrap(), 200, &window);
    let [a, b] = ["a", "b"].map(|name| Tenant::Namespace(name.into()));
    let own = class(Audience::Caller(a.clone()));
    assert!(bulkhead.enter(&own).await.is_ok());
    is_refused(bulkhead.enter(&own).await, EntryRefusal::ShareSpent);
    let room = WaitingRoom::new(a.clone());
    let _seats = [&a, &b].map(|tenant| room.seat(&Audience::Caller(tenant.clone())));
    let shared = class(Audience::Joined(room));
    assert!(bulkhead.enter(&shared).await.is_ok());
}

#[tokio::test(start_paused = true)]
async fn an_answer_that_comes_late_shows_that_the_host_is_well() {
    let bulkhead = bulkhead(8);
    let mut late = Vec::new();
    for repository in ["a", "b", "c"] {
        let mut permit = bulkhead.enter(&of(repository)).await.ok().unwrap();
        permit.overdue();
        late.push(permit);
    }
    assert!(bulkhead.is_failing());
    answer(late.remove(0), 200, &[]);
    assert!(!bulkhead.is_failing());
}

#[tokio::test(start_paused = true)]
async fn a_probe_that_ends_for_our_own_reasons_leaves_it_to_another() {
    let bulkhead = bulkhead(8);
    let failure = failure(Blame::Host, Reason::Timeout);
    for _ in 0..5 {
        enter(&bulkhead).await.ok().unwrap().failed(&failure);
    }
    sleep(Duration::from_secs(7)).await;
    enter(&bulkhead).await.ok().unwrap().given_up();
    assert!(enter(&bulkhead).await.is_ok());
}
