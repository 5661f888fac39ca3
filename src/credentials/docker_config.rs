//! Docker's `config.json` and the two kinds of pull secrets.
//!
//! The kubelet reads `username`, `password` and `auth` of `auths`, and nothing else; one bad
//! entry spoils the whole document. Docker itself also knows identity tokens and helpers.
//! Names of fields count in any case and the last of two wins, as in Go.
//! Source: Kubernetes `pkg/credentialprovider/config.go` and `secrets/secrets.go`; Docker
//! `cli/config/configfile/file.go`.

use std::collections::{BTreeMap, HashMap};

use base64::Engine as _;
use base64::alphabet::STANDARD;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use serde::de::{DeserializeOwned, MapAccess};
use serde_json::Value;
use thiserror::Error;
use zeroize::Zeroizing;

use super::Credential;
use crate::go::json::{GoObject, assign, deserialize_go_objects, folded, skip};

/// The entries of a docker config: what was written as key, and its credential.
pub type DockerConfig = Vec<(String, Credential)>;

/// The first thing that is wrong with a docker config. It never holds a part of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum DockerConfigError {
    /// No JSON, or a part has the wrong type.
    #[error("the docker config is not valid JSON of the expected shape")]
    Shape,
    /// An `auth` is not base64.
    #[error("an auth field is not base64")]
    Encoding,
    /// An `auth` has no colon.
    #[error("an auth field is not base64 of username:password")]
    Separator,
}

/// What Docker's own `config.json` holds for its client.
#[derive(Debug, Default)]
pub struct ClientConfig {
    /// `auths`, identity tokens included.
    pub auths: DockerConfig,
    /// `credHelpers`: helpers by registry.
    pub helpers: BTreeMap<String, String>,
    /// `credsStore`: the helper of all other registries.
    pub store: Option<String>,
}

/// Reads `{"auths": {…}}` as the kubelet does.
pub fn parse(text: &[u8]) -> Result<DockerConfig, DockerConfigError> {
    let document: ConfigDocument = json(text)?;
    decoded(document.auths, AuthEntry::credential)
}

/// Reads a `config.json` as Docker's client does, for those who run us with theirs.
pub fn parse_client(text: &[u8]) -> Result<ClientConfig, DockerConfigError> {
    let document: ConfigDocument = json(text)?;
    Ok(ClientConfig {
        auths: decoded(document.auths, AuthEntry::client_credential)?,
        helpers: document.helpers,
        store: document.store.filter(|name| !name.is_empty()),
    })
}

/// Reads one key of a pull secret; `None` when the kubelet would ignore it, since it is
/// empty or its type and key do not fit each other.
pub fn parse_secret(
    secret_type: &str,
    key: &str,
    text: &[u8],
) -> Result<Option<DockerConfig>, DockerConfigError> {
    if text.is_empty() {
        return Ok(None);
    }
    match (secret_type, key) {
        ("kubernetes.io/dockerconfigjson", ".dockerconfigjson") => parse(text).map(Some),
        ("kubernetes.io/dockercfg", ".dockercfg") => {
            let entries: AuthEntries = json(text)?;
            decoded(entries, AuthEntry::credential).map(Some)
        }
        _ => Ok(None),
    }
}

/// Null is an object without fields.
fn json<T: DeserializeOwned + Default>(text: &[u8]) -> Result<T, DockerConfigError> {
    // Go puts a replacement character where bytes are no text.
    let read: Result<Option<T>, _> = serde_json::from_str(&String::from_utf8_lossy(text));
    read.map(Option::unwrap_or_default)
        .map_err(|_| DockerConfigError::Shape)
}

/// Every entry has to decode, also one that a later of the same name replaces.
fn decoded(
    entries: AuthEntries,
    decode: fn(AuthEntry) -> Result<Credential, DockerConfigError>,
) -> Result<DockerConfig, DockerConfigError> {
    let mut last = BTreeMap::new();
    for (location, entry) in entries.0 {
        last.insert(location, decode(entry)?);
    }
    Ok(last.into_iter().collect())
}

/// AuthEntries in the order of the document, which decides between fields of one name.
#[derive(Default)]
struct AuthEntries(Vec<(String, AuthEntry)>);

#[derive(Default)]
struct AuthEntry {
    username: String,
    password: Zeroizing<String>,
    auth: Zeroizing<String>,
    identity_token: Zeroizing<String>,
}

#[derive(Default)]
struct ConfigDocument {
    auths: AuthEntries,
    helpers: BTreeMap<String, String>,
    store: Option<String>,
}

impl AuthEntry {
    fn credential(self) -> Result<Credential, DockerConfigError> {
        if self.auth.is_empty() {
            return Ok(Credential::new(&self.username, &self.password));
        }
        let pair = decode(&self.auth)?;
        let (username, password) = pair.split_once(':').ok_or(DockerConfigError::Separator)?;
        Ok(Credential::new(username, password))
    }

    fn client_credential(self) -> Result<Credential, DockerConfigError> {
        if self.identity_token.is_empty() {
            self.credential()
        } else {
            Ok(Credential::from_identity_token(&self.identity_token))
        }
    }
}

deserialize_go_objects!(ConfigDocument, AuthEntries, AuthEntry);

impl GoObject for ConfigDocument {
    fn field<'de, A: MapAccess<'de>>(&mut self, key: &str, map: &mut A) -> Result<(), A::Error> {
        match folded(key).as_str() {
            // Go reads a second map into the first.
            "auths" => {
                let entries = map.next_value::<Option<AuthEntries>>()?;
                self.auths.0.extend(entries.unwrap_or_default().0);
            }
            "credhelpers" => {
                // The kubelet does not look at it, so it spoils nothing.
                if let Value::Object(helpers) = map.next_value()? {
                    let text = |value: Value| value.as_str().map(str::to_owned);
                    let helpers = helpers.into_iter();
                    self.helpers
                        .extend(helpers.filter_map(|(host, name)| Some((host, text(name)?))));
                }
            }
            "credsstore" => self.store = map.next_value::<Value>()?.as_str().map(str::to_owned),
            // Its type alone matters.
            "httpheaders" => {
                map.next_value::<Option<HashMap<String, Option<String>>>>()?;
            }
            _ => skip(map)?,
        }
        Ok(())
    }
}

impl GoObject for AuthEntries {
    fn field<'de, A: MapAccess<'de>>(&mut self, key: &str, map: &mut A) -> Result<(), A::Error> {
        let entry = map.next_value::<Option<AuthEntry>>()?;
        self.0.push((key.to_owned(), entry.unwrap_or_default()));
        Ok(())
    }
}

impl GoObject for AuthEntry {
    fn field<'de, A: MapAccess<'de>>(&mut self, key: &str, map: &mut A) -> Result<(), A::Error> {
        match folded(key).as_str() {
            "username" => assign::<A, String, _>(&mut self.username, map),
            "password" => assign::<A, String, _>(&mut self.password, map),
            "auth" => assign::<A, String, _>(&mut self.auth, map),
            // Its type alone matters.
            "email" => map.next_value::<Option<String>>().map(drop),
            "identitytoken" => {
                if let Value::String(text) = map.next_value()? {
                    self.identity_token = text.into();
                }
                Ok(())
            }
            _ => skip(map),
        }
    }
}

/// Padded base64 if it ends like it, else unpadded; line breaks within do not count.
fn decode(auth: &str) -> Result<Zeroizing<String>, DockerConfigError> {
    let padding = if auth.trim_end().ends_with('=') {
        DecodePaddingMode::RequireCanonical
    } else {
        DecodePaddingMode::RequireNone
    };
    let config = GeneralPurposeConfig::new()
        .with_decode_padding_mode(padding)
        // Go is not strict about the last bits.
        .with_decode_allow_trailing_bits(true);
    let is_text = |letter: &char| !matches!(letter, '\r' | '\n');
    let one_line: Zeroizing<String> = auth.chars().filter(is_text).collect::<String>().into();
    let bytes = GeneralPurpose::new(&STANDARD, config)
        .decode(one_line.as_bytes())
        .map_err(|_| DockerConfigError::Encoding)?;
    // What is no text cannot be sent to a container runtime either.
    let text = String::from_utf8(bytes).map_err(|_| DockerConfigError::Encoding)?;
    Ok(text.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_config_without_auths_offers_nothing() {
        for text in [
            "{}",
            "null",
            r#"{"auths":null,"credsStore":"x"}"#,
            r#"{"AUTHS":{}}"#,
            r#"{"credHelpers":[],"credsStore":1,"HttpHeaders":{"a":"b"}}"#,
        ] {
            assert_eq!(parse(text.as_bytes()), Ok(Vec::new()), "{text}");
        }
    }

    #[test]
    fn one_bad_entry_spoils_the_whole() {
        let fails = |text: &str, error| assert_eq!(parse(text.as_bytes()), Err(error), "{text}");
        for text in [
            "",
            "[]",
            "{} x",
            r#"{"auths":[]}"#,
            r#"{"auths":{"a.b":[]}}"#,
            r#"{"auths":{"a.b":{"username":1}}}"#,
            r#"{"auths":{"a.b":{"Email":false}}}"#,
            r#"{"HTTPHeaders":{"a":1}}"#,
        ] {
            fails(text, DockerConfigError::Shape);
        }
        fails(
            r#"{"auths":{"a.b":{"auth":"%"},"c.d":{}}}"#,
            DockerConfigError::Encoding,
        );
        fails(
            r#"{"auths":{"a.b":{"auth":"YQ=="},"c.d":{}}}"#,
            DockerConfigError::Separator,
        );
        // Also where another entry of the same name comes after it.
        fails(
            r#"{"auths":{"a.b":{"auth":"%"},"a.b":{}}}"#,
            DockerConfigError::Encoding,
        );
    }

    #[track_caller]
    fn reads(text: &str, expected: &[(&str, &str, &str)]) {
        let found = parse(text.as_bytes()).expect(text);
        let expected: DockerConfig = expected
            .iter()
            .map(|(key, user, password)| ((*key).to_owned(), Credential::new(user, password)))
            .collect();
        assert_eq!(found, expected, "{text}");
    }

    #[test]
    fn names_of_fields_count_in_any_case_and_the_last_wins() {
        reads(
            r#"{"Auths":{"a.b":{"username":"a","USERNAME":"b","Pa\u017fsword":"p","x":{}}}}"#,
            &[("a.b", "b", "p")],
        );
        reads(
            r#"{"auths":{"a.b":{"USERNAME":"b","username":"a","username":null}}}"#,
            &[("a.b", "a", "")],
        );
        reads(
            r#"{"auths":{"a.b":{"username":"a"},"a.b":{"password":"p"}},"AUTHS":{"c.d":null}}"#,
            &[("a.b", "", "p"), ("c.d", "", "")],
        );
    }

    #[test]
    fn the_kubelet_sees_no_tokens_and_dockers_client_does() {
        let text = r#"{"auths":{"a.b":{"auth":"Zm9vOmJhcg==","identitytoken":"t"},"c.d":{"identitytoken":7}},
            "credHelpers":{"e.f":"one"},"credsStore":"two"}"#;
        reads(text, &[("a.b", "foo", "bar"), ("c.d", "", "")]);
        let client = parse_client(text.as_bytes()).unwrap();
        assert_eq!(client.auths[0].1, Credential::from_identity_token("t"));
        assert!(client.auths[1].1.is_anonymous());
        assert_eq!(client.helpers["e.f"], "one");
        assert_eq!(client.store.as_deref(), Some("two"));
    }

    #[test]
    fn an_empty_secret_is_ignored() {
        let kind = "kubernetes.io/dockerconfigjson";
        assert_eq!(parse_secret(kind, ".dockerconfigjson", b""), Ok(None));
        let found = parse_secret(kind, ".dockerconfigjson", b"null");
        assert_eq!(found, Ok(Some(Vec::new())));
        let found = parse_secret("kubernetes.io/dockercfg", ".dockercfg", b"null");
        assert_eq!(found, Ok(Some(Vec::new())));
        assert_eq!(parse_secret("Opaque", ".dockercfg", b"{}"), Ok(None));
    }

    proptest::proptest! {
        #[test]
        fn no_text_panics(text in r#"(\{"auths":\{"a":\{"auth":"[A-Za-z0-9+/=]{0,8}"\}\}\}|\PC{0,40})"#) {
            let _ = parse(text.as_bytes());
            let _ = parse_client(text.as_bytes());
        }
    }
}
