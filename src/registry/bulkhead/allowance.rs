//! What a registry allows an account: when it may ask again, and how much it may spend.
//!
//! A registry counts by account, or by address where there is none. What one tenant's
//! account used up must not silence the others.

use std::time::{Duration, SystemTime};

use reqwest::StatusCode;
use reqwest::header::{HeaderMap, RETRY_AFTER};
use tokio::time::Instant;

/// How long a registry is left alone that limits us and does not say for how long.
const USUAL_PAUSE: Duration = Duration::from_secs(10);
/// Longest pause, whatever the registry asks for.
const LONGEST_PAUSE: Duration = Duration::from_secs(15 * 60);
/// How long what is left of a window is believed: it fills again while we do not ask.
const SHORTEST_BELIEF: Duration = Duration::from_secs(60);
const LONGEST_BELIEF: Duration = Duration::from_secs(60 * 60);

/// What one account may do.
#[derive(Debug, Default)]
pub(super) struct Allowance {
    paused_until: Option<Instant>,
    window: Option<Window>,
}

/// A number of requests in a time, as the registry counts them.
#[derive(Debug)]
struct Window {
    limit: u64,
    remaining: u64,
    believed_until: Instant,
}

impl Allowance {
    /// How long the registry wants to be left alone.
    pub(super) fn pause(&self, now: Instant) -> Option<Duration> {
        let until = self.paused_until?;
        until
            .checked_duration_since(now)
            .filter(|left| !left.is_zero())
    }

    /// Takes one request of the window; `false` if only the half is left that is the nodes'.
    /// The kubelets pull through the same addresses, and often with the same accounts.
    pub(super) fn spend(&mut self, now: Instant) -> bool {
        let window = self.window.as_mut();
        let Some(window) = window.filter(|window| now < window.believed_until) else {
            return true;
        };
        if window.remaining <= window.limit / 2 {
            return false;
        }
        window.remaining -= 1;
        true
    }

    /// What is left of the window, if the registry counts.
    pub(super) fn remaining(&self, now: Instant) -> Option<u64> {
        let window = self.window.as_ref()?;
        (now < window.believed_until).then_some(window.remaining)
    }

    /// What an answer says of the allowance.
    pub(super) fn learn(&mut self, status: StatusCode, headers: &HeaderMap, now: Instant) {
        let asked = retry_after(headers, SystemTime::now());
        let pause = match status {
            StatusCode::TOO_MANY_REQUESTS => Some(asked.unwrap_or(USUAL_PAUSE)),
            StatusCode::SERVICE_UNAVAILABLE => asked,
            _ => None,
        };
        if let Some(pause) = pause {
            self.paused_until = Some(now + pause.min(LONGEST_PAUSE));
        }
        if let Some(window) = Window::read(headers, now) {
            self.window = Some(window);
        }
    }
}

impl Window {
    /// Docker Hub's headers, and those that others follow.
    /// Sources: <https://docs.docker.com/docker-hub/usage/pulls/>,
    /// <https://datatracker.ietf.org/doc/draft-ietf-httpapi-ratelimit-headers/03/>.
    fn read(headers: &HeaderMap, now: Instant) -> Option<Self> {
        let limit = text(headers, "ratelimit-limit")?;
        let remaining = text(headers, "ratelimit-remaining")?;
        let reset = text(headers, "ratelimit-reset").and_then(number);
        let length = limit
            .split(';')
            .filter_map(|parameter| parameter.trim().strip_prefix("w="))
            .find_map(number);
        // Windows slide: after a tenth of one there is something to spend again.
        let seconds = reset.or(length.map(|length| length / 10)).unwrap_or(0);
        let belief = Duration::from_secs(seconds).clamp(SHORTEST_BELIEF, LONGEST_BELIEF);
        Some(Self {
            limit: number(limit)?,
            remaining: number(remaining)?,
            believed_until: now + belief,
        })
    }
}

fn text<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    headers.get(name)?.to_str().ok()
}

/// The number that a text begins with.
fn number(text: &str) -> Option<u64> {
    let text = text.trim();
    let digits = text.len()
        - text
            .trim_start_matches(|byte: char| byte.is_ascii_digit())
            .len();
    // Too many digits are a number that is large enough.
    match &text[..digits] {
        "" => None,
        digits => Some(digits.parse().unwrap_or(u64::MAX)),
    }
}

/// Seconds, or a date. Source: RFC 9110, section 10.2.3.
fn retry_after(headers: &HeaderMap, now: SystemTime) -> Option<Duration> {
    let text = text(headers, RETRY_AFTER.as_str())?.trim();
    if let Ok(date) = httpdate::parse_http_date(text) {
        return Some(date.duration_since(now).unwrap_or_default());
    }
    text.bytes()
        .all(|byte| byte.is_ascii_digit())
        .then(|| number(text).map(Duration::from_secs))?
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(pairs: &[(&'static str, &str)]) -> HeaderMap {
        let pairs = pairs.iter();
        pairs
            .map(|(name, value)| (name.parse().unwrap(), value.parse().unwrap()))
            .collect()
    }

    #[track_caller]
    fn pauses(status: u16, value: Option<&str>, expected: Option<u64>) {
        let now = Instant::now();
        let mut allowance = Allowance::default();
        let pairs: Vec<_> = value
            .map(|value| ("retry-after", value))
            .into_iter()
            .collect();
        let status = StatusCode::from_u16(status).unwrap();
        allowance.learn(status, &headers(&pairs), now);
        let pause = allowance.pause(now).map(|pause| pause.as_secs());
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
    fn a_pause_ends() {
        let now = Instant::now();
        let mut allowance = Allowance::default();
        let status = StatusCode::TOO_MANY_REQUESTS;
        allowance.learn(status, &headers(&[("retry-after", "7")]), now);
        assert!(allowance.pause(now + Duration::from_secs(6)).is_some());
        assert_eq!(allowance.pause(now + Duration::from_secs(7)), None);
    }

    #[test]
    fn half_of_a_window_is_left_to_the_nodes() {
        let now = Instant::now();
        let mut allowance = Allowance::default();
        assert!(allowance.spend(now), "no window is known");
        let window = headers(&[
            ("ratelimit-limit", "100;w=21600"),
            ("ratelimit-remaining", "52;w=21600"),
        ]);
        allowance.learn(StatusCode::OK, &window, now);
        assert_eq!(allowance.remaining(now), Some(52));
        assert!(allowance.spend(now) && allowance.spend(now));
        assert!(!allowance.spend(now));
        assert_eq!(allowance.remaining(now), Some(50));
        let later = now + Duration::from_secs(2160);
        assert!(allowance.spend(later), "it fills again");
        assert_eq!(allowance.remaining(later), None);
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
        assert_eq!(window.believed_until, now + LONGEST_BELIEF);
    }
}
