use super::*;

fn bulkhead(concurrency: usize) -> Arc<Bulkhead> {
    Arc::new(Bulkhead::new(concurrency, 50))
}

fn claim(urgency: Urgency) -> Claim {
    Claim {
        urgency,
        tenant: Tenant::Operator,
        repository: "a".into(),
        account: None,
        is_counted: true,
        deadline: Instant::now() + Duration::from_secs(15),
    }
}

fn of(repository: &str) -> Claim {
    Claim {
        repository: repository.into(),
        ..claim(Urgency::Awaited)
    }
}

/// An answer did not come, or there was no connection at all.
fn failure(blame: Blame, reason: Reason) -> Failure {
    let unknown = Unknown::new(reason, "no answer");
    Failure { unknown, blame }
}

async fn enter(bulkhead: &Arc<Bulkhead>) -> Result<Passage, Refusal> {
    bulkhead.enter(&claim(Urgency::Awaited)).await
}

fn answer(passage: Passage, status: u16, headers: &[(&'static str, &'static str)]) {
    let mut map = HeaderMap::new();
    for (name, value) in headers {
        map.insert(*name, value.parse().unwrap());
    }
    passage.answered(StatusCode::from_u16(status).unwrap(), &map);
}

#[track_caller]
fn is_refused(entered: Result<Passage, Refusal>, expected: Refusal) {
    assert_eq!(entered.err(), Some(expected));
}

#[tokio::test(start_paused = true)]
async fn a_full_host_is_busy_at_the_deadline() {
    let bulkhead = bulkhead(1);
    let first = enter(&bulkhead).await.ok();
    is_refused(enter(&bulkhead).await, Refusal::Busy);
    drop(first);
    assert!(enter(&bulkhead).await.is_ok());
}

#[tokio::test(start_paused = true)]
async fn who_is_waited_for_goes_first() {
    let bulkhead = bulkhead(2);
    let background = claim(Urgency::Background);
    let first = bulkhead.enter(&background).await.ok();
    assert!(first.is_some());
    // The others get half of the places.
    is_refused(bulkhead.enter(&background).await, Refusal::Busy);
    let second = enter(&bulkhead).await.ok();
    drop(first);
    let third = enter(&bulkhead).await.ok();
    assert!(second.is_some() && third.is_some());

    let order = Mutex::new(Vec::new());
    let (one, two) = (claim(Urgency::Background), claim(Urgency::Awaited));
    let passes = async |claim: &Claim| {
        let passage = bulkhead.enter(claim).await.ok();
        order.lock().unwrap().push(claim.urgency);
        answer(passage.unwrap(), 200, &[]);
    };
    let leave = async {
        tokio::task::yield_now().await;
        drop(second);
    };
    // The one that nobody waits for came first.
    tokio::join!(passes(&one), passes(&two), leave);
    assert_eq!(
        *order.lock().unwrap(),
        [Urgency::Awaited, Urgency::Background]
    );
    drop(third);
}

#[tokio::test(start_paused = true)]
async fn a_host_that_keeps_failing_is_not_asked_and_found_well_again() {
    let bulkhead = bulkhead(8);
    let failure = failure(Blame::Host, Reason::Timeout);
    for _ in 0..5 {
        enter(&bulkhead).await.ok().unwrap().failed(&failure);
    }
    is_refused(enter(&bulkhead).await, Refusal::Failing(Reason::Timeout));
    assert!(bulkhead.is_failing());
    sleep(Duration::from_secs(7)).await;
    let probe = enter(&bulkhead).await.ok().unwrap();
    is_refused(enter(&bulkhead).await, Refusal::Failing(Reason::Timeout));
    answer(probe, 404, &[]);
    assert!(!bulkhead.is_failing());
    assert!(enter(&bulkhead).await.is_ok());
}

#[tokio::test(start_paused = true)]
async fn a_slow_repository_is_not_asked_for_and_silences_no_other() {
    let bulkhead = bulkhead(8);
    let failure = failure(Blame::Repository, Reason::Timeout);
    for _ in 0..5 {
        let passage = bulkhead.enter(&of("slow")).await.ok().unwrap();
        passage.failed(&failure);
    }
    let refused = bulkhead.enter(&of("slow")).await;
    is_refused(refused, Refusal::Failing(Reason::Timeout));
    assert!(!bulkhead.is_failing());
    assert!(bulkhead.enter(&of("other")).await.is_ok());
}

#[tokio::test(start_paused = true)]
async fn a_probe_that_is_given_up_is_a_failure() {
    let bulkhead = bulkhead(8);
    for (repository, status) in [("a", 500), ("b", 502), ("a", 503), ("b", 503), ("c", 503)] {
        assert!(!bulkhead.is_failing());
        let passage = bulkhead.enter(&of(repository)).await.ok().unwrap();
        answer(passage, status, &[]);
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
    is_refused(queued, Refusal::Failing(Reason::Unreachable));
}

#[tokio::test(start_paused = true)]
async fn a_short_pause_is_waited_for_and_a_long_one_is_not() {
    let bulkhead = bulkhead(8);
    answer(
        enter(&bulkhead).await.ok().unwrap(),
        429,
        &[("retry-after", "2")],
    );
    let background = claim(Urgency::Background);
    is_refused(bulkhead.enter(&background).await, Refusal::Paused);
    let started = Instant::now();
    let passage = enter(&bulkhead).await.ok().unwrap();
    assert_eq!(started.elapsed().as_secs(), 2);
    answer(passage, 429, &[("retry-after", "30")]);
    is_refused(enter(&bulkhead).await, Refusal::Paused);
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
    is_refused(enter(&bulkhead).await, Refusal::HalfSpent);
    assert_eq!(bulkhead.remaining(), Some(50));
    let mut other = claim(Urgency::Awaited);
    other.is_counted = false;
    assert!(bulkhead.enter(&other).await.is_ok(), "what is not counted");
    other.is_counted = true;
    let credential = crate::registry::credentials::Credential::new("ada", "smash");
    other.account = Some(credential.mark());
    assert!(bulkhead.enter(&other).await.is_ok());
}
