use std::collections::HashMap;
use std::sync::Mutex;

use super::*;
use crate::domain::inspection::{Content, MediaType};
use tokio::time::advance;

const FRESH: Duration = Duration::from_secs(300);
/// Longer than any jitter makes a fresh tag last.
const PAST_FRESH: Duration = Duration::from_secs(361);

/// A registry without a network: tags that move, and failures.
#[derive(Default)]
struct Fake {
    tags: Mutex<HashMap<String, char>>,
    failure: Mutex<Option<Reason>>,
    counts_documents: bool,
    is_private: bool,
    names_no_digest: bool,
    requests: Mutex<Vec<&'static str>>,
}

impl Fake {
    fn stands_for(&self, image: &ImageReference) -> Result<Digest, Unknown> {
        if let Some(reason) = *self.failure.lock().unwrap() {
            return Err(Unknown::new(reason, "it fails"));
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
        _: &'a Grant,
    ) -> BoxFuture<'a, Result<Arc<Inspection>, Unknown>> {
        self.requests.lock().unwrap().push("GET");
        let found = self.stands_for(image).map(|digest| {
            Arc::new(Inspection {
                digest,
                media_type: MediaType::OciIndex,
                content: Content::Index(Vec::new()),
            })
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
        _: &'a Grant,
    ) -> BoxFuture<'a, Result<Option<Digest>, Unknown>> {
        self.requests.lock().unwrap().push("HEAD");
        let found = self
            .stands_for(image)
            .map(|digest| (!self.names_no_digest).then_some(digest));
        async move { found }.boxed()
    }

    fn counts_documents(&self, _: &ImageReference) -> bool {
        self.counts_documents
    }

    fn is_anonymous(&self, _: &ImageReference) -> bool {
        !self.is_private
    }
}

fn digest(letter: char) -> Digest {
    format!("sha256:{}", letter.to_string().repeat(64))
        .parse()
        .unwrap()
}

/// A cache around a fake whose tag `1` stands for the digest of `a`.
struct Case {
    fake: Arc<Fake>,
    cache: Cache<Arc<Fake>>,
    image: ImageReference,
}

fn case(change: impl FnOnce(&mut Fake)) -> Case {
    let mut fake = Fake::default();
    fake.tags.lock().unwrap().insert("1".to_owned(), 'a');
    change(&mut fake);
    let fake = Arc::new(fake);
    Case {
        cache: Cache::new(Arc::clone(&fake), 1000, FRESH, Arc::default()),
        fake,
        image: "r.example/app:1".parse().unwrap(),
    }
}

impl Case {
    async fn inspect(&self) -> Result<Digest, Reason> {
        let found = self.cache.inspect(&self.image, &Grant::operator()).await;
        found
            .map(|found| found.inspection.digest.clone())
            .map_err(|unknown| unknown.reason)
    }

    fn move_tag(&self, to: char) {
        self.fake.tags.lock().unwrap().insert("1".to_owned(), to);
    }

    fn fail(&self, reason: Option<Reason>) {
        *self.fake.failure.lock().unwrap() = reason;
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
    assert_eq!(
        case.cache.statistics().lookups(),
        [("hit", 2), ("stale", 2), ("miss", 1)]
    );
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
async fn where_documents_are_counted_the_digest_is_asked_for_first() {
    let case = case(|fake| fake.counts_documents = true);
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
    case.cache = Cache::new(Arc::clone(&case.fake), 10, FRESH, Arc::default());
    for number in 0..500 {
        case.image = format!("r.example/app{number}@{}", digest('a'))
            .parse()
            .unwrap();
        case.inspect().await.unwrap();
    }
    case.cache.shared.answers.run_pending_tasks();
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
