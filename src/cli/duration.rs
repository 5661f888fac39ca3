//! Durations as Kubernetes people write them: `5s`, `2m`, `1h30m`, `500ms`.

use std::time::Duration;

/// Units, longest name first, so that `ms` is not read as minutes.
const UNITS: [(&str, u64); 4] = [("ms", 1), ("h", 3_600_000), ("m", 60_000), ("s", 1000)];

/// Parses a duration: numbers with units, the largest first.
///
/// # Errors
/// A sentence for the user.
pub fn parse_duration(text: &str) -> Result<Duration, String> {
    let wrong = || format!("expected a duration such as 5s, 2m or 1h30m, found {text:?}");
    let mut milliseconds: u64 = 0;
    let mut rest = text;
    while !rest.is_empty() {
        let digits = rest.find(|character: char| !character.is_ascii_digit());
        let (number, tail) = rest.split_at(digits.ok_or_else(wrong)?);
        let number: u64 = number.parse().map_err(|_| wrong())?;
        let (unit, factor) = UNITS
            .into_iter()
            .find(|(unit, _)| tail.starts_with(unit))
            .ok_or_else(wrong)?;
        let part = number.checked_mul(factor);
        milliseconds = part
            .and_then(|part| milliseconds.checked_add(part))
            .ok_or_else(wrong)?;
        rest = &tail[unit.len()..];
    }
    if text.is_empty() {
        return Err(wrong());
    }
    Ok(Duration::from_millis(milliseconds))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_numbers_with_units() {
        for (text, milliseconds) in [
            ("5s", 5000),
            ("2m", 120_000),
            ("1h30m", 5_400_000),
            ("500ms", 500),
            ("1m500ms", 60_500),
            ("0s", 0),
        ] {
            assert_eq!(
                parse_duration(text),
                Ok(Duration::from_millis(milliseconds)),
                "{text}"
            );
        }
        for text in [
            "",
            "5",
            "s",
            "5 s",
            "-5s",
            "1.5s",
            "5d",
            "99999999999999999999h",
            "18446744073709551615h",
        ] {
            assert!(parse_duration(text).is_err(), "{text}");
        }
    }
}
