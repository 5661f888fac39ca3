//! Durations as Go writes them: `5s`, `1h30m`, `1.5h`, `500ms`.

use std::time::Duration;

/// In bytes: what kube's reader multiplies stays within a [`Duration`], where it would panic.
const MAX_BYTES: usize = 16;

/// A duration; `None` for what is none, and for a negative one.
///
/// Source: <https://pkg.go.dev/time#ParseDuration>
pub fn parse_duration(text: &str) -> Option<Duration> {
    // A sign within would have kube's reader panic.
    let has_inner_sign = text
        .chars()
        .skip(1)
        .any(|letter| matches!(letter, '+' | '-'));
    if text.is_empty() || text.len() > MAX_BYTES || has_inner_sign {
        return None;
    }
    let parsed: kube::core::Duration = text.parse().ok()?;
    (!parsed.is_negative()).then(|| parsed.into())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn durations_are_gos() {
        for (text, milliseconds) in [
            ("0", 0),
            ("0s", 0),
            ("5s", 5000),
            ("2m", 120_000),
            ("1h30m", 5_400_000),
            ("1.5s", 1500),
            ("500ms", 500),
            ("1m500ms", 60_500),
            ("999999999999999s", 999_999_999_999_999_000),
        ] {
            let expected = Some(Duration::from_millis(milliseconds));
            assert_eq!(parse_duration(text), expected, "{text}");
        }
        for text in [
            "",
            "1",
            "-1s",
            "-0.5h",
            "1s-1s",
            "--1s",
            "5 s",
            "1d",
            "h",
            "1e400s",
            "1s2",
            "99999999999999999999h",
            "18446744073709551615h",
        ] {
            assert_eq!(parse_duration(text), None, "{text}");
        }
    }

    proptest! {
        #[test]
        fn no_text_makes_it_panic(text in "[-+0-9.hmsnuµe ]{0,20}") {
            let _ = parse_duration(&text);
        }
    }
}
