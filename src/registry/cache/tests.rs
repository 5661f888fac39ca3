use std::collections::HashMap;
use std::sync::atomic::AtomicBool;
use std::sync::{LazyLock, Mutex};
use std::time::SystemTime;

use super::file::CacheFile;
use super::writer::CacheWriter;
use super::*;
use crate::credentials::SharedCredentials;
use crate::domain::access::Tenant;
use crate::domain::inspection::{Content, MediaType, StaleCause, Staleness};
use crate::domain::unknown::Origin;
use crate::domain::unknown::Reason;
use crate::registry::host::LookUpSettings;
use tokio::time::advance;

const FRESH: Duration = Duration::from_secs(300);
/// Longer than any jitter makes a fresh tag last.
const PAST_FRESH: Duration = Duration::from_secs(361);

/// A registry without a network: tags that move, and failures.
#[derive(Default)]
struct Fake {
    tags: Mutex<HashMap<String, char>>,
    failure: Mutex<Option<Unknown>>,
    names_no_digest: bool,
    is_silent: AtomicBool,
    requests: Mutex<Vec<&'static str>>,
}

impl Fake {
    fn stands_for(&self, image: &ImageReference) -> Result<Digest, Unknown> {
        if let Some(failure) = self.failure.lock().unwrap().clone() {
            return Err(failure);
        }
        let tags = self.tags.lock().unwrap();
        let tag = image
            .digest()
            .cloned()
            .or_else(|| Some(digest(*tags.get(image.tag()?)?)));
        tag.ok_or_else(|| Unknown::new(Reason::NotFound, "no such tag"))
    }
}

impl TagInspector for Arc<Fake> {
    fn inspect<'a>(
        &'a self,
        image: &'a ImageReference,
        target: &'a LookupTarget<'a>,
        _: &'a LookupCredentials,
    ) -> BoxFuture<'a, Result<Served, Unknown>> {
        self.requests.lock().unwrap().push("GET");
        let by = registry(target);
        let found = self.stands_for(image).map(|digest| Served {
            inspection: Arc::new(Inspection {
                build: None,
                digest,
                media_type: MediaType::OciIndex,
                content: Content::Index(Vec::new()),
            }),
            by,
        });
        async move {
            // Others come to wait before the answer is there.
            tokio::task::yield_now().await;
            found
        }
        .boxed()
    }

    fn resolve<'a>(
        &'a self,
        image: &'a ImageReference,
        target: &'a LookupTarget<'a>,
        _: &'a LookupCredentials,
    ) -> BoxFuture<'a, Result<Option<Resolved>, Unknown>> {
        self.requests.lock().unwrap().push("HEAD");
        let by = registry(target);
        let found = self
            .stands_for(image)
            .map(|digest| (!self.names_no_digest).then_some(Resolved { digest, by }));
        let is_silent = self.is_silent.load(Ordering::Relaxed);
        async move {
            if is_silent {
                std::future::pending::<()>().await;
            }
            found
        }
        .boxed()
    }

    fn tags<'a>(
        &'a self,
        _: &'a TagPage<'a>,
        _: &'a LookupTarget<'a>,
        _: &'a LookupCredentials,
    ) -> BoxFuture<'a, Result<Vec<String>, Unknown>> {
        futures::future::ready(Ok(Vec::new())).boxed()
    }
}

fn registry(target: &LookupTarget<'_>) -> RegistryId {
    RegistryId::of(&target.endpoints[0].url().unwrap())
}

static HOSTS: LazyLock<Arc<Hosts>> = LazyLock::new(|| {
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    Arc::new(Hosts::new(&LookUpSettings::default()).unwrap())
});

fn hosts() -> Arc<Hosts> {
    Arc::clone(&HOSTS)
}

fn digest(letter: char) -> Digest {
    format!("sha256:{}", letter.to_string().repeat(64))
        .parse()
        .unwrap()
}

/// A cache around a fake whose tag `1` stands for the digest of `a`.
struct Case {
    fake: Arc<Fake>,
    shared: Arc<SharedCredentials>,
    cache: Arc<Cache<Arc<Fake>>>,
    image: ImageReference,
}

fn statistics() -> Arc<Statistics> {
    Arc::new(Statistics::new(["hub", "all"].map(str::to_owned)))
}

fn case(change: impl FnOnce(&mut Fake)) -> Case {
    let mut fake = Fake::default();
    fake.tags.lock().unwrap().insert("1".to_owned(), 'a');
    change(&mut fake);
    let fake = Arc::new(fake);
    Case {
        cache: Cache::new(Arc::clone(&fake), hosts(), 1000, FRESH, statistics()),
        fake,
        shared: Arc::default(),
        image: "r.example/app:1".parse().unwrap(),
    }
}

impl Case {
    fn everybody(&self) -> LookupCredentials {
        LookupCredentials::of_everybody(&self.shared, &Tenant::Operator)
    }

    fn lookups(&self, result: &'static str) -> u64 {
        self.cache.statistics().lookups()[&("all", result)]
    }

    async fn inspect(&self) -> Result<Digest, Reason> {
        let found = self.cache.inspect(&self.image, &self.everybody()).await;
        found
            .map(|found| found.inspection.digest.clone())
            .map_err(|unknown| unknown.reason)
    }

    /// As before a denial, with so much time for it.
    async fn confirm(&self, time: Duration) -> Result<(Digest, Option<Staleness>), Reason> {
        let deadline = Instant::now() + time;
        let everybody = self.everybody();
        let confirmed = self.cache.confirm(&self.image, &everybody, deadline).await;
        confirmed
            .map(|found| (found.inspection.digest.clone(), found.outdated))
            .map_err(|unknown| unknown.reason)
    }

    async fn outdated(&self) -> Option<Staleness> {
        let found = self.cache.inspect(&self.image, &self.everybody()).await;
        found.unwrap().outdated
    }

    /// Another process, with what this one leaves behind, started `later` by the wall clock.
    fn restarted(&self, later: i64) -> Self {
        let now = SystemTime::UNIX_EPOCH + Duration::from_secs(1_000_000_000);
        let then = match Duration::from_secs(later.unsigned_abs()) {
            time if later < 0 => now - time,
            time => now + time,
        };
        let mut bytes = Vec::new();
        file::encode(&self.cache.contents(now), usize::MAX, &mut bytes).unwrap();
        let cache = Cache::new(Arc::clone(&self.fake), hosts(), 1000, FRESH, statistics());
        cache.restore(file::decode(&bytes).unwrap(), &self.everybody(), then);
        Self {
            fake: Arc::clone(&self.fake),
            shared: Arc::clone(&self.shared),
            cache,
            image: self.image.clone(),
        }
    }

    fn move_tag(&self, to: char) {
        self.fake.tags.lock().unwrap().insert("1".to_owned(), to);
    }

    fn fail(&self, reason: Option<Reason>) {
        let failure = reason.map(|reason| Unknown::new(reason, "it fails"));
        *self.fake.failure.lock().unwrap() = failure;
    }

    fn run_out_of_budget(&self) {
        *self.fake.failure.lock().unwrap() = Some(Unknown::over_budget("we are busy"));
    }

    /// The requests since the last call, those in the background included.
    async fn requests(&self) -> Vec<&'static str> {
        for _ in 0..10 {
            tokio::task::yield_now().await;
        }
        std::mem::take(&mut *self.fake.requests.lock().unwrap())
    }
}

#[tokio::test(start_paused = true)]
async fn a_fresh_tag_costs_nothing_and_a_stale_one_is_asked_for_behind_the_answer() {
    let case = case(|_| {});
    assert_eq!(case.inspect().await, Ok(digest('a')));
    assert_eq!(case.requests().await, ["GET"]);
    advance(Duration::from_secs(239)).await;
    assert_eq!(case.inspect().await, Ok(digest('a')));
    assert!(case.requests().await.is_empty());

    advance(PAST_FRESH).await;
    assert_eq!(case.inspect().await, Ok(digest('a')));
    assert_eq!(case.requests().await, ["HEAD"]);
    case.move_tag('b');
    advance(PAST_FRESH).await;
    assert_eq!(case.inspect().await, Ok(digest('a')), "the stale answer");
    assert_eq!(case.requests().await, ["HEAD", "GET"]);
    assert_eq!(case.inspect().await, Ok(digest('b')));
    assert!(case.requests().await.is_empty());
    assert_eq!(case.lookups("hit"), 2);
    assert_eq!(case.lookups("stale"), 2);
    assert_eq!(case.lookups("miss"), 1);
}

#[tokio::test(start_paused = true)]
async fn what_is_known_is_told_without_any_request_as_long_as_a_verdict_rests_on_it() {
    let case = case(|_| {});
    let known = || case.cache.known(&case.image, None).is_some();
    assert!(!known());
    case.inspect().await.unwrap();
    case.requests().await;
    assert!(known());
    advance(PAST_FRESH).await;
    assert!(known());
    assert!(case.requests().await.is_empty());
    advance(Duration::from_secs(2 * 60 * 60)).await;
    assert!(!known());
}

#[tokio::test(start_paused = true)]
async fn many_callers_of_a_stale_tag_ask_once() {
    let case = case(|_| {});
    case.inspect().await.unwrap();
    advance(PAST_FRESH).await;
    case.requests().await;
    for _ in 0..100 {
        case.inspect().await.unwrap();
    }
    assert_eq!(case.requests().await, ["HEAD"]);
}

#[tokio::test(start_paused = true)]
async fn a_tag_that_nobody_asked_for_in_long_is_asked_for_first() {
    let case = case(|_| {});
    case.inspect().await.unwrap();
    case.requests().await;
    case.move_tag('b');
    advance(Duration::from_secs(2 * 60 * 60)).await;
    assert_eq!(case.inspect().await, Ok(digest('b')));
    assert_eq!(case.requests().await, ["HEAD", "GET"]);
}

#[tokio::test(start_paused = true)]
async fn a_registry_that_is_down_leaves_known_tags_known() {
    let case = case(|_| {});
    case.inspect().await.unwrap();
    case.requests().await;
    case.fail(Some(Reason::Unreachable));
    advance(Duration::from_secs(2 * 60 * 60)).await;
    assert_eq!(case.inspect().await, Ok(digest('a')));
    assert_eq!(case.inspect().await, Ok(digest('a')));
    assert_eq!(
        case.requests().await,
        ["HEAD"],
        "it is left alone for a while"
    );

    advance(Duration::from_secs(25 * 60 * 60)).await;
    assert_eq!(case.inspect().await, Err(Reason::Unreachable));
}

#[tokio::test(start_paused = true)]
async fn a_tag_that_is_gone_or_hidden_is_forgotten() {
    for reason in [Reason::NotFound, Reason::Unauthorized, Reason::Blocked] {
        let case = case(|_| {});
        case.inspect().await.unwrap();
        advance(PAST_FRESH).await;
        case.fail(Some(reason));
        assert_eq!(case.inspect().await, Ok(digest('a')), "the stale answer");
        case.requests().await;
        assert_eq!(case.inspect().await, Err(reason));
    }
}

#[tokio::test(start_paused = true)]
async fn what_a_concealed_host_hides_is_forgotten_and_told_as_everything_of_it() {
    for reason in [Reason::NotFound, Reason::Unauthorized, Reason::Malformed] {
        let case = case(|_| {});
        case.inspect().await.unwrap();
        advance(Duration::from_secs(2 * 60 * 60)).await;
        let concealed = Unknown {
            origin: Origin::Concealed,
            ..Unknown::new(reason, "it could not be asked")
        };
        *case.fake.failure.lock().unwrap() = Some(concealed);
        assert_eq!(case.inspect().await, Err(Reason::Unreachable), "{reason}");
        assert_eq!(case.inspect().await, Err(Reason::Unreachable), "{reason}");
        // As long as all failures of such a host.
        case.fail(None);
        advance(Duration::from_secs(7)).await;
        assert_eq!(case.inspect().await, Ok(digest('a')));
    }
}

#[tokio::test(start_paused = true)]
async fn failures_are_kept_by_class() {
    for (reason, seconds) in [
        (Reason::Timeout, 5),
        (Reason::Unreachable, 5),
        (Reason::Tls, 5),
        (Reason::NotFound, 30),
        (Reason::Unauthorized, 30),
        (Reason::RateLimited, 30),
        (Reason::Blocked, 60),
        (Reason::Malformed, 300),
        (Reason::TooLarge, 300),
        (Reason::Unsupported, 300),
    ] {
        let case = case(|_| {});
        case.fail(Some(reason));
        assert_eq!(case.inspect().await, Err(reason));
        advance(Duration::from_millis(seconds * 790)).await;
        case.fail(None);
        assert_eq!(
            case.inspect().await,
            Err(reason),
            "{reason} is still believed"
        );
        assert_eq!(case.requests().await, ["GET"]);
        advance(Duration::from_millis(seconds * 420)).await;
        assert_eq!(
            case.inspect().await,
            Ok(digest('a')),
            "{reason} was long ago"
        );
    }
}

#[tokio::test(start_paused = true)]
async fn what_our_own_budget_refused_is_never_remembered() {
    let case = case(|_| {});
    case.run_out_of_budget();
    assert_eq!(case.inspect().await, Err(Reason::RateLimited));
    assert_eq!(case.cache.entries()[2], ("failure", 0));
    case.fail(None);
    assert_eq!(case.inspect().await, Ok(digest('a')), "at once");

    // Nor does an answer that could not be asked for again speak against its registry for
    // longer than the one look-up takes.
    advance(Duration::from_secs(2 * 60 * 60)).await;
    case.run_out_of_budget();
    let why = case.outdated().await.map(|outdated| outdated.why);
    assert_eq!(why, Some(StaleCause::Failed(Reason::RateLimited)));
    case.fail(None);
    assert_eq!(case.outdated().await, None);
}

#[tokio::test(start_paused = true)]
async fn where_documents_are_counted_the_digest_is_asked_for_first() {
    let mut case = case(|_| {});
    case.image = "docker.io/library/app:1".parse().unwrap();
    case.inspect().await.unwrap();
    assert_eq!(case.requests().await, ["HEAD", "GET"]);
}

#[tokio::test(start_paused = true)]
async fn a_registry_that_names_no_digest_is_asked_for_the_document() {
    let case = case(|fake| fake.names_no_digest = true);
    case.inspect().await.unwrap();
    case.move_tag('b');
    advance(PAST_FRESH).await;
    case.inspect().await.unwrap();
    assert_eq!(case.requests().await, ["GET", "HEAD", "GET"]);
    assert_eq!(case.inspect().await, Ok(digest('b')));
}

#[tokio::test(start_paused = true)]
async fn the_number_of_entries_is_bounded() {
    let mut case = case(|_| {});
    case.cache = Cache::new(Arc::clone(&case.fake), hosts(), 10, FRESH, statistics());
    for number in 0..500 {
        case.image = format!("r.example/app{number}@{}", digest('a'))
            .parse()
            .unwrap();
        case.inspect().await.unwrap();
    }
    case.cache.answers.run_pending_tasks();
    assert!(
        case.cache.entries()[1].1 <= 20,
        "{:?}",
        case.cache.entries()
    );
}

#[tokio::test]
async fn work_that_panics_ends_for_those_who_wait_and_can_be_tried_again() {
    let flights: Flights<u8, u8> = Flights::default();
    let fails = flights.join(1, || None, || async { panic!("broken") }.boxed());
    assert_eq!(fails.await, None);
    let works = flights.join(1, || None, || async { 7 }.boxed());
    assert_eq!(works.await, Some(7));
}

#[tokio::test(start_paused = true)]
async fn an_answer_that_outlives_a_failure_says_so_and_how_old_it_is() {
    let case = case(|_| {});
    assert_eq!(case.outdated().await, None);
    advance(PAST_FRESH).await;
    let age = PAST_FRESH;
    let refreshing = Staleness {
        age,
        why: StaleCause::Refreshing,
    };
    assert_eq!(case.outdated().await, Some(refreshing), "asked for behind");
    case.requests().await;
    assert_eq!(case.outdated().await, None, "the next one knows");

    case.fail(Some(Reason::RateLimited));
    advance(PAST_FRESH).await;
    assert_eq!(case.outdated().await, Some(refreshing));
    case.requests().await;
    let outdated = |age, reason| {
        let why = StaleCause::Failed(reason);
        Some(Staleness { age, why })
    };
    assert_eq!(case.outdated().await, outdated(age, Reason::RateLimited));
    assert_eq!(case.lookups("hit"), 1, "an outdated answer is no hit");
    assert_eq!(case.lookups("stale"), 3);
    assert_eq!(case.lookups("miss"), 1);

    // Asked first, since nobody did in so long.
    case.fail(Some(Reason::Timeout));
    let long = Duration::from_secs(2 * 60 * 60);
    advance(long).await;
    assert_eq!(case.outdated().await, outdated(age + long, Reason::Timeout));
    case.requests().await;

    case.fail(None);
    advance(Duration::from_secs(5)).await;
    case.inspect().await.unwrap();
    assert_eq!(case.requests().await, ["HEAD"]);
    assert_eq!(case.outdated().await, None, "it was confirmed");
}

#[tokio::test(start_paused = true)]
async fn before_a_denial_a_tag_is_asked_for_again_unless_it_was_just_now() {
    let second = Duration::from_secs(1);
    let case = case(|_| {});
    case.inspect().await.unwrap();
    case.requests().await;
    case.move_tag('b');
    advance(5 * second).await;
    assert_eq!(case.confirm(second).await, Ok((digest('a'), None)));
    assert!(case.requests().await.is_empty());
    advance(second).await;
    let confirmed: Vec<_> = (0..20).map(|_| case.confirm(second)).collect();
    for confirmed in futures::future::join_all(confirmed).await {
        assert_eq!(confirmed, Ok((digest('b'), None)));
    }
    assert_eq!(case.requests().await, ["HEAD", "GET"]);
    advance(30 * second).await;
    assert_eq!(case.confirm(second).await, Ok((digest('b'), None)));
    assert_eq!(case.requests().await, ["HEAD"]);
    assert_eq!(case.inspect().await, Ok(digest('b')));

    // What a digest names does not change.
    let mut by_digest = case;
    by_digest.image = by_digest.image.with_digest(digest('b'));
    advance(999 * second).await;
    assert_eq!(by_digest.confirm(second).await, Ok((digest('b'), None)));
    assert!(by_digest.requests().await.is_empty());
}

#[tokio::test(start_paused = true)]
async fn what_cannot_be_confirmed_stands_and_its_age_is_said() {
    let second = Duration::from_secs(1);
    let unconfirmed = |seconds: u32, reason| {
        let outdated = Staleness {
            age: seconds * second,
            why: StaleCause::Failed(reason),
        };
        Ok((digest('a'), Some(outdated)))
    };
    let case = case(|_| {});
    case.inspect().await.unwrap();
    advance(70 * second).await;
    case.requests().await;
    case.fail(Some(Reason::Unreachable));
    let expected = unconfirmed(70, Reason::Unreachable);
    assert_eq!(case.confirm(second).await, expected);
    assert_eq!(case.confirm(second).await, expected);
    assert_eq!(case.requests().await, ["HEAD"], "it is left alone a while");

    case.run_out_of_budget();
    advance(10 * second).await;
    let expected = unconfirmed(80, Reason::RateLimited);
    assert_eq!(case.confirm(second).await, expected);

    case.fail(None);
    case.requests().await;
    case.fake.is_silent.store(true, Ordering::Relaxed);
    advance(10 * second).await;
    // The failure before is not the reason any more, once it was tried again.
    let expected = unconfirmed(93, Reason::Timeout);
    assert_eq!(case.confirm(3 * second).await, expected);
    assert_eq!(case.confirm(Duration::ZERO).await, expected);
    assert_eq!(case.requests().await, ["HEAD"], "one look-up goes on");
}

#[tokio::test(start_paused = true)]
async fn before_a_denial_a_failure_is_asked_about_again_unless_it_was_just_now() {
    let second = Duration::from_secs(1);
    for reason in [Reason::NotFound, Reason::Malformed, Reason::Unsupported] {
        let case = case(|_| {});
        case.fail(Some(reason));
        case.inspect().await.unwrap_err();
        case.fail(None);
        advance(4 * second).await;
        assert_eq!(case.confirm(second).await, Err(reason));
        advance(2 * second).await;
        assert_eq!(case.confirm(second).await, Ok((digest('a'), None)));
    }
    // And a tag that is gone is no evidence any more.
    let case = case(|_| {});
    case.inspect().await.unwrap();
    advance(6 * second).await;
    case.fail(Some(Reason::NotFound));
    assert_eq!(case.confirm(second).await, Err(Reason::NotFound));
    assert_eq!(case.inspect().await, Err(Reason::NotFound));
}

#[tokio::test(start_paused = true)]
async fn an_outdated_answer_ends_after_a_day_however_often_it_is_asked_for() {
    let case = case(|_| {});
    case.inspect().await.unwrap();
    case.fail(Some(Reason::Unreachable));
    let quarter = Duration::from_secs(15 * 60);
    for _ in 0..24 * 4 - 1 {
        advance(quarter).await;
        assert_eq!(case.inspect().await, Ok(digest('a')));
        case.requests().await;
    }
    advance(quarter).await;
    assert_eq!(case.inspect().await, Err(Reason::Unreachable));
}

#[tokio::test(start_paused = true)]
async fn what_a_digest_names_needs_no_registry_and_never_ages() {
    let mut case = case(|_| {});
    case.inspect().await.unwrap();
    case.fail(Some(Reason::Unreachable));
    case.image = case.image.with_digest(digest('a'));
    let year = 365 * 24 * 60 * 60;
    advance(Duration::from_secs(year)).await;
    assert_eq!(case.outdated().await, None);
    let restarted = case.restarted(i64::try_from(year).unwrap());
    restarted.requests().await;
    assert_eq!(restarted.outdated().await, None);
    assert!(restarted.requests().await.is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_restored_tag_is_served_and_asked_for_behind_the_answer() {
    let case = case(|_| {});
    case.inspect().await.unwrap();
    case.requests().await;
    // However young: clocks jump.
    for later in [0, 1, 60 * 60] {
        let restarted = case.restarted(later);
        assert_eq!(restarted.inspect().await, Ok(digest('a')), "{later}");
        assert_eq!(restarted.requests().await, ["HEAD"], "{later}");
        restarted.inspect().await.unwrap();
        assert!(restarted.requests().await.is_empty(), "confirmed");
    }
}

#[tokio::test(start_paused = true)]
async fn a_restored_tag_outlives_a_registry_that_is_down_for_a_day() {
    let case = case(|_| {});
    case.inspect().await.unwrap();
    advance(Duration::from_secs(60 * 60)).await;
    case.fail(Some(Reason::Unreachable));
    let restarted = case.restarted(60 * 60);
    let age = Duration::from_secs(2 * 60 * 60);
    assert_eq!(restarted.outdated().await.map(|found| found.age), Some(age));
    // The age goes on from file to file.
    let again = restarted.restarted(20 * 60 * 60);
    let age = Duration::from_secs(22 * 60 * 60);
    assert_eq!(again.outdated().await.map(|found| found.age), Some(age));
    let late = case.restarted(24 * 60 * 60);
    assert_eq!(late.inspect().await, Err(Reason::Unreachable));
}

#[tokio::test(start_paused = true)]
async fn a_time_that_is_still_to_come_is_as_old_as_can_be() {
    let case = case(|_| {});
    case.inspect().await.unwrap();
    case.requests().await;
    let restarted = case.restarted(-24 * 60 * 60);
    restarted.move_tag('b');
    assert_eq!(restarted.inspect().await, Ok(digest('b')), "asked first");
    restarted.fail(Some(Reason::Unreachable));
    let restarted = case.restarted(-1);
    assert_eq!(restarted.inspect().await, Err(Reason::Unreachable));
}

#[tokio::test(start_paused = true)]
async fn only_what_was_found_without_credentials_is_restored() {
    let case = case(|_| {});
    case.inspect().await.unwrap();
    // Credentials came with the new configuration.
    let config = br#"{"auths":{"r.example":{"username":"ada"}}}"#;
    case.shared.set_docker_config(config).unwrap();
    let restarted = case.restarted(0);
    restarted.cache.documents.run_pending_tasks();
    assert_eq!(
        restarted.cache.entries(),
        [("digest", 1), ("answer", 0), ("failure", 0)]
    );

    // And what they helped to find stays, when they go.
    restarted.inspect().await.unwrap();
    case.shared.set_docker_config(b"{}").unwrap();
    let contents = restarted.cache.contents(SystemTime::now());
    assert_eq!((contents.documents.len(), contents.answers.len()), (1, 0));
}

/// Whoever may create a pod chooses how long an image's name is.
#[tokio::test(start_paused = true)]
async fn long_names_take_more_of_the_room() {
    let mut case = case(|_| {});
    case.fail(Some(Reason::Unreachable));
    for number in 0..100 {
        let host = "a".repeat(1024 * 1024);
        case.image = format!("{host}.example/app:{number}").parse().unwrap();
        case.inspect().await.unwrap_err();
    }
    case.cache.failures.run_pending_tasks();
    let [.., (_, failures)] = case.cache.entries();
    assert!(failures <= 20, "{failures} MiB");
}

#[tokio::test]
async fn the_file_follows_the_cache() {
    let folder = tempfile::tempdir().unwrap();
    let file = CacheFile::new(folder.path().join("cache"), 1000);
    let case = case(|_| {});
    let mut writer = CacheWriter::open(case.cache.clone(), file.clone(), case.everybody()).await;
    writer.write().await;
    assert!(!file.path().exists(), "there is nothing to write");
    case.inspect().await.unwrap();
    writer.write().await;
    assert_eq!(file.read().unwrap().answers.len(), 2);

    let (end, ended) = tokio::sync::oneshot::channel::<()>();
    let kept = tokio::spawn(writer.keep(ended.map(drop)));
    case.fail(Some(Reason::NotFound));
    case.cache.answers.invalidate_all();
    case.cache.changes.count(false);
    drop(end);
    kept.await.unwrap();
    assert!(
        file.read().unwrap().answers.is_empty(),
        "written at the end"
    );
}
