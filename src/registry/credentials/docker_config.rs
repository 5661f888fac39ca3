//! Docker's `config.json` and the two kinds of pull secrets, as the kubelet reads them.
//!
//! Only `auths` with `username`, `password` and `auth` count; helpers and identity tokens
//! do not. One bad entry spoils the whole document, as it does for the kubelet.
//! Source: Kubernetes `pkg/credentialprovider/config.go` and `secrets/secrets.go`.

use base64::Engine as _;
use base64::alphabet::STANDARD;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use serde_json::{Map, Value};
use thiserror::Error;

use super::Credential;

/// The entries of a docker config: what was written as key, and its credential.
pub type DockerConfig = Vec<(String, Credential)>;

/// Why a docker config cannot be read. It never holds a part of it.
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

/// Reads `{"auths": {…}}`.
///
/// # Errors
/// [`DockerConfigError`] with the first thing that is wrong.
pub fn parse(text: &[u8]) -> Result<DockerConfig, DockerConfigError> {
    match field(&object(text)?, "auths") {
        None | Some(Value::Null) => Ok(Vec::new()),
        Some(Value::Object(auths)) => entries(auths),
        Some(_) => Err(DockerConfigError::Shape),
    }
}

/// Reads one key of a pull secret; `None` when the kubelet would ignore it, since its type
/// and key do not fit each other.
///
/// # Errors
/// [`DockerConfigError`] with the first thing that is wrong.
pub fn parse_secret(
    secret_type: &str,
    key: &str,
    text: &[u8],
) -> Result<Option<DockerConfig>, DockerConfigError> {
    match (secret_type, key) {
        ("kubernetes.io/dockerconfigjson", ".dockerconfigjson") => parse(text).map(Some),
        ("kubernetes.io/dockercfg", ".dockercfg") => entries(&object(text)?).map(Some),
        _ => Ok(None),
    }
}

fn object(text: &[u8]) -> Result<Map<String, Value>, DockerConfigError> {
    serde_json::from_slice(text).map_err(|_| DockerConfigError::Shape)
}

fn entries(auths: &Map<String, Value>) -> Result<DockerConfig, DockerConfigError> {
    auths
        .iter()
        .map(|(key, value)| Ok((key.clone(), entry(value)?)))
        .collect()
}

fn entry(value: &Value) -> Result<Credential, DockerConfigError> {
    let empty = Map::new();
    let fields = match value {
        Value::Null => &empty,
        Value::Object(fields) => fields,
        _ => return Err(DockerConfigError::Shape),
    };
    text(fields, "email")?;
    let credential = Credential {
        username: text(fields, "username")?.to_owned(),
        password: text(fields, "password")?.to_owned(),
    };
    match text(fields, "auth")? {
        "" => Ok(credential),
        auth => decode(auth),
    }
}

fn text<'a>(fields: &'a Map<String, Value>, name: &str) -> Result<&'a str, DockerConfigError> {
    match field(fields, name) {
        None | Some(Value::Null) => Ok(""),
        Some(Value::String(text)) => Ok(text),
        Some(_) => Err(DockerConfigError::Shape),
    }
}

/// Go matches the keys of structs in any case.
fn field<'a>(fields: &'a Map<String, Value>, name: &str) -> Option<&'a Value> {
    fields.get(name).or_else(|| {
        let found = fields
            .iter()
            .find(|(key, _)| key.eq_ignore_ascii_case(name));
        found.map(|(_, value)| value)
    })
}

/// Padded base64 if it ends like it, else unpadded; line breaks within do not count.
fn decode(auth: &str) -> Result<Credential, DockerConfigError> {
    let padding = if auth.trim_end().ends_with('=') {
        DecodePaddingMode::RequireCanonical
    } else {
        DecodePaddingMode::RequireNone
    };
    let config = GeneralPurposeConfig::new()
        .with_decode_padding_mode(padding)
        // Go is not strict about the last bits.
        .with_decode_allow_trailing_bits(true);
    let one_line: String = auth
        .chars()
        .filter(|letter| !matches!(letter, '\r' | '\n'))
        .collect();
    let bytes = GeneralPurpose::new(&STANDARD, config)
        .decode(one_line)
        .map_err(|_| DockerConfigError::Encoding)?;
    let decoded = String::from_utf8(bytes).map_err(|_| DockerConfigError::Encoding)?;
    let (username, password) = decoded
        .split_once(':')
        .ok_or(DockerConfigError::Separator)?;
    Ok(Credential {
        username: username.to_owned(),
        password: password.to_owned(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_config_without_auths_offers_nothing() {
        for text in [
            "{}",
            r#"{"auths":null,"credsStore":"x"}"#,
            r#"{"AUTHS":{}}"#,
        ] {
            assert_eq!(parse(text.as_bytes()), Ok(Vec::new()), "{text}");
        }
    }

    #[test]
    fn one_bad_entry_spoils_the_whole() {
        let fails = |text: &str, error| assert_eq!(parse(text.as_bytes()), Err(error), "{text}");
        fails("", DockerConfigError::Shape);
        fails("[]", DockerConfigError::Shape);
        fails(r#"{"auths":[]}"#, DockerConfigError::Shape);
        fails(
            r#"{"auths":{"a.b":{"auth":"%"},"c.d":{}}}"#,
            DockerConfigError::Encoding,
        );
        fails(
            r#"{"auths":{"a.b":{"auth":"YQ=="},"c.d":{}}}"#,
            DockerConfigError::Separator,
        );
        fails(
            r#"{"auths":{"a.b":{"username":1}}}"#,
            DockerConfigError::Shape,
        );
    }

    #[test]
    fn secrets_are_not_printed() {
        let credential = decode("dXNlcjpwYXNzd29yZA==").unwrap();
        assert!(!format!("{credential:?}").contains("password\""));
    }
}
