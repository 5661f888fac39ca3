use super::*;
use crate::credentials::Credential;

fn headers(pairs: &[(&'static str, &str)]) -> HeaderMap {
    let pairs = pairs.iter();
    pairs
        .map(|(name, value)| (name.parse().unwrap(), value.parse().unwrap()))
        .collect()
}

fn namespace(name: &str) -> Tenant {
    Tenant::Namespace(name.into())
}

fn account(name: &str) -> Option<CredentialHash> {
    Some(Credential::new(name, "smash").hashed())
}

/// An answer to somebody anonymous.
fn learn(
    allowances: &mut Allowances,
    repository: &str,
    status: u16,
    pairs: &[(&'static str, &str)],
    now: Instant,
) {
    let status = StatusCode::from_u16(status).unwrap();
    allowances.learn(None, &repository.into(), (status, &headers(pairs)), now);
}

fn window(allowances: &mut Allowances, remaining: &str, now: Instant) {
    let pairs = [
        ("ratelimit-limit", "100;w=21600"),
        ("ratelimit-remaining", remaining),
    ];
    learn(allowances, "a", 200, &pairs, now);
}

#[track_caller]
fn pauses(status: u16, value: Option<&str>, expected: Option<u64>) {
    let now = Instant::now();
    let mut allowances = Allowances::default();
    let pairs: Vec<_> = value
        .map(|value| ("retry-after", value))
        .into_iter()
        .collect();
    learn(&mut allowances, "a", status, &pairs, now);
    let pause = allowances.pause(None, "a", now);
    let pause = pause.map(|pause| pause.as_secs());
    assert_eq!(pause, expected, "{status} {value:?}");
}

#[test]
fn a_pause_is_what_the_registry_asks_for_within_bounds() {
    pauses(429, Some("7"), Some(7));
    pauses(429, Some("0"), None);
    pauses(429, Some("1000000000"), Some(900));
    pauses(429, Some("99999999999999999999999999"), Some(900));
    pauses(429, Some("Fri, 31 Dec 9999 23:59:59 GMT"), Some(900));
    pauses(429, Some("Sun, 06 Nov 1994 08:49:37 GMT"), None);
    for nonsense in ["", "-1", "1.5", "soon", "5 s"] {
        pauses(429, Some(nonsense), Some(10));
    }
    pauses(429, None, Some(10));
    pauses(503, Some("7"), Some(7));
    pauses(503, None, None);
    pauses(200, Some("7"), None);
}

#[test]
fn a_pause_is_one_repositorys_until_another_agrees_and_ends() {
    let now = Instant::now();
    let mut allowances = Allowances::default();
    let paused = |allowances: &Allowances, repository: &str, seconds: u64| {
        let then = now + Duration::from_secs(seconds);
        allowances.pause(None, repository, then).is_some()
    };
    learn(&mut allowances, "a", 429, &[("retry-after", "7")], now);
    learn(&mut allowances, "a", 429, &[("retry-after", "7")], now);
    assert!(paused(&allowances, "a", 6) && !paused(&allowances, "a", 7));
    assert!(!paused(&allowances, "b", 0));
    learn(&mut allowances, "b", 503, &[("retry-after", "9")], now);
    assert!(paused(&allowances, "c", 8) && !paused(&allowances, "c", 9));

    let later = now + Duration::from_secs(10);
    learn(&mut allowances, "c", 429, &[("retry-after", "900")], later);
    assert!(paused(&allowances, "c", 11) && !paused(&allowances, "d", 11));
}

#[test]
fn many_repositories_and_accounts_are_kept_in_bounds_and_wipe_out_nobody() {
    let now = Instant::now();
    let mut allowances = Allowances::default();
    let mut limited = |account, repository: &str, now| {
        let limited = (StatusCode::TOO_MANY_REQUESTS, &HeaderMap::new());
        allowances.learn(account, &repository.into(), limited, now);
    };
    for number in 0..2 * MAX_PAUSES {
        limited(None, &number.to_string(), now);
    }
    limited(account("ada"), "a", now);
    limited(account("ada"), "b", now);
    for number in 0..MAX_ACCOUNTS - 2 {
        limited(
            account(&number.to_string()),
            "a",
            now + Duration::from_secs(1),
        );
    }
    assert!(allowances.pause(account("ada"), "c", now).is_some());
    for number in 0..MAX_ACCOUNTS {
        let (status, map) = (StatusCode::TOO_MANY_REQUESTS, HeaderMap::new());
        let other = account(&format!("other-{number}"));
        allowances.learn(other, &"a".into(), (status, &map), now);
    }
    assert_eq!(allowances.accounts.len(), MAX_ACCOUNTS);
    assert_eq!(allowances.accounts[&None].repositories.len(), MAX_PAUSES);
    assert!(allowances.pause(None, "x", now).is_some(), "anonymous");
}

#[test]
fn half_of_a_window_is_left_to_the_nodes() {
    let now = Instant::now();
    let mut allowances = Allowances::default();
    let operator = Tenant::Operator;
    let nobody_counts = allowances.spend(None, &operator, now);
    assert_eq!(nobody_counts, Ok(()), "no window is known");
    window(&mut allowances, "52;w=21600", now);
    assert_eq!(allowances.remaining(now), Some(52));
    assert_eq!(allowances.spend(None, &operator, now), Ok(()));
    assert_eq!(allowances.spend(None, &operator, now), Ok(()));
    assert_eq!(allowances.spend(None, &operator, now), Err(Spent::Half));
    assert_eq!(allowances.remaining(now), Some(50));
    let later = now + Duration::from_secs(2160);
    let again = allowances.spend(None, &operator, later);
    assert_eq!(again, Ok(()), "it fills again");
    assert_eq!(allowances.remaining(later), None);
}

#[test]
fn a_tenant_spends_a_quarter_of_what_is_left_of_a_window() {
    let now = Instant::now();
    let mut allowances = Allowances::default();
    window(&mut allowances, "98;w=21600", now);
    let mut spends = |tenant: &Tenant| {
        let spent = (0..100).take_while(|_| allowances.spend(None, tenant, now).is_ok());
        spent.count()
    };
    let counts = ["a", "b", "a", "c", "d", "b"].map(|name| spends(&namespace(name)));
    // Of 48, of 36, and so on; who spent a quarter gets no more.
    assert_eq!(counts, [12, 9, 0, 7, 5, 0]);
    // What the registry says does not make the tenant's own spending undone.
    window(&mut allowances, "66;w=21600", now);
    let again = allowances.spend(None, &namespace("a"), now);
    assert_eq!(again, Err(Spent::Share));
    let next_window = now + Duration::from_secs(21600);
    window(&mut allowances, "100;w=21600", next_window);
    let again = allowances.spend(None, &namespace("a"), next_window);
    assert_eq!(again, Ok(()));
}

#[test]
fn a_tenant_gets_what_is_left_if_that_is_one() {
    let now = Instant::now();
    let mut allowances = Allowances::default();
    window(&mut allowances, "51;w=21600", now);
    assert_eq!(allowances.spend(None, &namespace("a"), now), Ok(()));
    assert_eq!(
        allowances.spend(None, &namespace("b"), now),
        Err(Spent::Half)
    );
}

#[test]
fn windows_that_make_no_sense_count_for_nothing() {
    let now = Instant::now();
    for (limit, remaining) in [("", "1"), ("many", "1"), ("100", "-1"), ("100", "few")] {
        let window = headers(&[
            ("ratelimit-limit", limit),
            ("ratelimit-remaining", remaining),
        ]);
        assert!(Window::read(&window, now).is_none(), "{limit} {remaining}");
    }
    let window = headers(&[
        (
            "ratelimit-limit",
            "99999999999999999999999;w=99999999999999999999999",
        ),
        ("ratelimit-remaining", "7"),
    ]);
    let window = Window::read(&window, now).expect("a window");
    assert_eq!((window.limit, window.remaining), (u64::MAX, 7));
    assert_eq!(window.believed_until, now + MAX_BELIEF);
}
