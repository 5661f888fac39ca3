use super::fuzzing::judged;
use super::*;

#[track_caller]
fn refuses(registry: &str, realms: &[&str]) {
    let known = Arc::new(Credential::new("u", "p"));
    for realm in realms {
        let error = judged(registry, Some(&known), realm).expect_err(realm);
        assert_eq!(error.reason, Reason::Blocked, "{realm}");
        assert!(!error.detail.contains("evil"), "{error}");
    }
}

#[track_caller]
fn accepts(registry: &str, realms: &[&str]) {
    let known = Arc::new(Credential::new("u", "p"));
    for realm in realms {
        assert!(judged(registry, Some(&known), realm).is_ok(), "{realm}");
    }
}

#[test]
fn credentials_go_to_the_registrys_own_host_or_a_known_server() {
    accepts(
        "https://r.example/",
        &["https://r.example/token", "https://R.example:444/token"],
    );
    accepts(
        "https://registry-1.docker.io/",
        &["https://auth.docker.io/token"],
    );
    accepts(
        "https://registry.gitlab.com/",
        &["https://gitlab.com/jwt/auth"],
    );
    accepts(
        "http://r.example:5000/",
        &["http://r.example:5000/t", "https://r.example/t"],
    );
    refuses(
        "https://r.example/",
        &[
            "https://evil.example/token",
            "http://r.example/token",
            "https://u@r.example/",
            "evil",
            "https://auth.docker.io/token",
            "https://r.example.evil/",
            "ftp://r.example/",
            "",
            "https://u:p@r.example/",
            "https://[::ffff:169.254.169.254]/evil",
            "file:///etc/passwd",
        ],
    );
    refuses(
        "http://r.example:5000/",
        &["http://r.example/t", "http://r.example:5001/t"],
    );
}

#[test]
fn an_anonymous_token_may_come_from_elsewhere_over_https() {
    assert!(judged("https://r.example/", None, "https://token.example/t").is_ok());
    assert!(judged("https://r.example/", None, "http://token.example/t").is_err());
}

#[tokio::test(start_paused = true)]
async fn expiry_is_clamped() {
    let seconds = |body: &str| {
        let token = read(body.as_bytes()).expect(body);
        (token.until - Instant::now()).as_secs()
    };
    assert_eq!(seconds(r#"{"token":"t"}"#), 60);
    assert_eq!(seconds(r#"{"token":"t","expires_in":0}"#), 60);
    assert_eq!(seconds(r#"{"token":"t","expires_in":-1}"#), 60);
    assert_eq!(
        seconds(r#"{"access_token":"t","expires_in":300.5,"x":1}"#),
        300
    );
    assert_eq!(
        seconds(r#"{"token":"","access_token":"t","expires_in":1e18}"#),
        3600
    );
}

#[test]
fn answers_without_a_usable_token_are_refused() {
    for (body, reason) in [
        ("", Reason::Malformed),
        ("<html>", Reason::Malformed),
        ("{}", Reason::Malformed),
        (r#"{"token":""}"#, Reason::Malformed),
        (r#"{"token":"a\nb"}"#, Reason::Unsupported),
    ] {
        assert_eq!(
            read(body.as_bytes()).err().map(|error| error.reason),
            Some(reason),
            "{body}"
        );
    }
}

#[test]
fn secrets_are_not_printed() {
    let header = basic(&Credential::new("u", "p")).unwrap();
    assert!(!format!("{header:?}").contains("dTpw"));
}
