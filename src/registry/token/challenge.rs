//! `WWW-Authenticate`: which proof a registry asks for.
//!
//! Source: RFC 9110, section 11.6.1: several challenges in one header and several headers,
//! parameters as tokens or quoted strings. The parser of `http-auth` is stricter than what
//! registries send: it fails `parameters_come_in_every_form`, where a challenge has two spaces
//! or an open quote.

use reqwest::header::{HeaderMap, WWW_AUTHENTICATE};

/// What a registry asks for. Bearer goes before Basic, as in containerd.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Challenge {
    /// A token from a token server.
    Bearer {
        realm: String,
        service: String,
        scope: String,
    },
    /// User name and password.
    Basic,
}

/// The challenge to answer, if there is one that we can answer.
pub(super) fn choose(headers: &HeaderMap) -> Option<Challenge> {
    let mut basic = None;
    for value in headers.get_all(WWW_AUTHENTICATE) {
        // What is not text is no challenge of ours.
        let text = value.to_str().unwrap_or_default();
        for challenge in parse(text) {
            match challenge {
                Challenge::Bearer { .. } => return Some(challenge),
                Challenge::Basic => basic = Some(Challenge::Basic),
            }
        }
    }
    basic
}

fn parse(text: &str) -> Vec<Challenge> {
    let mut found: Vec<(String, Vec<(String, String)>)> = Vec::new();
    let mut rest = text;
    loop {
        rest = rest.trim_start_matches([' ', '\t', ',']);
        let end = rest.find([' ', '\t', ',', '=']).unwrap_or(rest.len());
        let (name, after) = rest.split_at(end);
        if name.is_empty() {
            // The end, or something that is no challenge: what came before still counts.
            break;
        }
        match after.trim_start_matches([' ', '\t']).strip_prefix('=') {
            Some(value) => {
                let (value, after) = parameter(value.trim_start_matches([' ', '\t']));
                if let Some((_, parameters)) = found.last_mut() {
                    parameters.push((name.to_ascii_lowercase(), value));
                }
                rest = after;
            }
            None => {
                found.push((name.to_ascii_lowercase(), Vec::new()));
                rest = after;
            }
        }
    }
    found.into_iter().filter_map(challenge).collect()
}

fn challenge((scheme, parameters): (String, Vec<(String, String)>)) -> Option<Challenge> {
    let parameter = |name: &str| {
        let found = parameters.iter().find(|(key, _)| key == name);
        found.map(|(_, value)| value.clone()).unwrap_or_default()
    };
    match scheme.as_str() {
        "basic" => Some(Challenge::Basic),
        "bearer" => Some(Challenge::Bearer {
            realm: parameter("realm"),
            service: parameter("service"),
            scope: parameter("scope"),
        }),
        _ => None,
    }
}

/// The value at the start of the text, and what follows it.
fn parameter(text: &str) -> (String, &str) {
    let Some(quoted) = text.strip_prefix('"') else {
        let end = text.find([' ', '\t', ',']).unwrap_or(text.len());
        return (text[..end].to_owned(), &text[end..]);
    };
    let mut value = String::new();
    let mut letters = quoted.char_indices();
    while let Some((at, letter)) = letters.next() {
        match letter {
            '"' => return (value, &quoted[at + 1..]),
            '\\' => value.extend(letters.next().map(|(_, escaped)| escaped)),
            other => value.push(other),
        }
    }
    (value, "")
}

#[cfg(test)]
mod tests {
    use super::*;
    use reqwest::header::HeaderValue;

    #[track_caller]
    fn chosen(headers: &[&'static str], expected: Option<(&str, &str, &str)>) {
        let mut map = HeaderMap::new();
        for header in headers {
            map.append(WWW_AUTHENTICATE, HeaderValue::from_static(header));
        }
        let expected = expected.map(|(realm, service, scope)| Challenge::Bearer {
            realm: realm.to_owned(),
            service: service.to_owned(),
            scope: scope.to_owned(),
        });
        assert_eq!(choose(&map), expected, "{headers:?}");
    }

    #[test]
    fn parameters_come_in_every_form() {
        let expected = Some(("https://a.b/token", "a.b", "repository:x:pull"));
        chosen(
            &[r#"Bearer realm="https://a.b/token",service="a.b",scope="repository:x:pull""#],
            expected,
        );
        chosen(
            &[
                r#"bearer  Realm = "https://a.b/token" , service=a.b,, error="a,b", scope="repository:\x:pull""#,
            ],
            expected,
        );
        chosen(&["Bearer"], Some(("", "", "")));
        chosen(&[r#"Bearer realm="open"#], Some(("open", "", "")));
    }

    #[test]
    fn bearer_goes_before_basic_wherever_it_stands() {
        let expected = Some(("https://a.b", "", ""));
        chosen(
            &[r#"Basic realm="x", Bearer realm="https://a.b""#],
            expected,
        );
        chosen(
            &[r#"Basic realm="x""#, r#"Bearer realm="https://a.b""#],
            expected,
        );
        chosen(
            &[
                "Negotiate",
                r#"Bearer realm="https://a.b", Basic realm="y""#,
            ],
            expected,
        );
    }

    #[test]
    fn other_schemes_are_no_challenge() {
        let headers =
            HeaderMap::from_iter([(WWW_AUTHENTICATE, HeaderValue::from_static("Negotiate a=b"))]);
        assert_eq!(choose(&headers), None);
        assert_eq!(choose(&HeaderMap::new()), None);
        let headers =
            HeaderMap::from_iter([(WWW_AUTHENTICATE, HeaderValue::from_static("Basic realm=x"))]);
        assert_eq!(choose(&headers), Some(Challenge::Basic));
    }

    proptest::proptest! {
        #[test]
        fn no_header_panics(text in r#"([Bb]earer|[a-z ,="\\]|\PC){0,80}"#) {
            let _ = parse(&text);
        }
    }
}
