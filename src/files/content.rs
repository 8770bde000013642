//! What stands in a file, by its format.
//!
//! | of | format | what | newline at the end |
//! |---|---|---|---|
//! | a token | `raw` | the bare token | never: SDKs send a token file as it is |
//! | a token | `json` | `{"access_token","token_type":"Bearer","expires_at","scope"?}`; no `expires_in`, which ages in a file | one |
//! | credentials | `aws-profile` | the section `[default]` of an AWS shared credentials file | one |
//! | credentials | `json` | the answer of `/v1/credentials/{name}` | one |
//! | credentials | `env` | lines of `VARIABLE=value` | one |
//!
//! `aws-profile` has the keys `aws_access_key_id`, `aws_secret_access_key`, `aws_session_token`, `aws_account_id` and, for tools that look
//! (SDKs do not), `x_security_token_expires`. `env` is read alike by systemd's `EnvironmentFile=`, by `.` in a shell, and by containers'
//! `--env-file`, which agree on no quoting at all. So nothing is quoted in either format, and what would have to be is refused.
//!
//! When it ends can be read out of every format but `raw`, and out of that where the token is a JWT: so a file of an earlier run is not
//! left longer than what is in it lives.

use std::fmt::Write as _;
use std::time::SystemTime;

use secrecy::{ExposeSecret as _, SecretString};
use serde_json::{Value, json};
use zeroize::Zeroizing;

use crate::clock::{read_rfc3339, rfc3339};
use crate::source::jwt::Claims;
use crate::source::{AwsCredentials, BearerToken};

/// The formats of a token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TokenFormat {
    /// The bare token.
    Raw,
    /// JSON.
    Json,
}

/// The formats of credentials.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CredentialsFormat {
    /// An AWS shared credentials file.
    AwsProfile,
    /// JSON.
    Json,
    /// Lines of `VARIABLE=value`.
    Env,
}

/// What is written. Wiped when it is dropped.
pub type Content = Zeroizing<String>;

/// What was issued cannot stand in a file of the format.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error(
    "what was issued has characters that would have to be quoted, on which the readers of this format do not agree; use format = \"json\""
)]
pub struct Unquotable;

/// Room from the start, because a buffer that grows leaves copies behind.
const ROOM: usize = 16 * 1024;
const HEAD: &str = "# Written by credbroker, which replaces this file: changes are lost.\n";
const PROFILE_END: &str = "x_security_token_expires = ";
const ENV_END: &str = "AWS_CREDENTIAL_EXPIRATION=";

impl TokenFormat {
    /// As the configuration writes it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Raw => "raw",
            Self::Json => "json",
        }
    }
}

impl CredentialsFormat {
    /// As the configuration writes it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::AwsProfile => "aws-profile",
            Self::Json => "json",
            Self::Env => "env",
        }
    }
}

/// `token`, which ends at `expiry`.
#[expect(clippy::disallowed_methods, reason = "the file that is configured for the token is where it belongs")]
pub fn token(token: &BearerToken, expiry: SystemTime, format: TokenFormat) -> Content {
    let text = token.token.expose_secret();
    match format {
        TokenFormat::Raw => Content::new(text.to_owned()),
        TokenFormat::Json => {
            let mut body = json!({ "access_token": text, "token_type": "Bearer", "expires_at": rfc3339(expiry) });
            if let Some(scope) = &token.scope {
                body["scope"] = json!(scope);
            }
            line(&body)
        }
    }
}

/// `credentials`, which end at `expiry`.
///
/// # Errors
/// [`Unquotable`].
pub fn credentials(
    credentials: &AwsCredentials,
    expiry: SystemTime,
    format: CredentialsFormat,
) -> Result<Content, Unquotable> {
    match format {
        CredentialsFormat::Json => Ok(line(&credentials.document(expiry))),
        CredentialsFormat::AwsProfile => {
            let keys = [
                "[default]\naws_access_key_id = ",
                "aws_secret_access_key = ",
                "aws_session_token = ",
                "aws_account_id = ",
            ];
            lines(credentials, keys, PROFILE_END, expiry)
        }
        CredentialsFormat::Env => {
            let keys = ["AWS_ACCESS_KEY_ID=", "AWS_SECRET_ACCESS_KEY=", "AWS_SESSION_TOKEN=", "AWS_ACCOUNT_ID="];
            lines(credentials, keys, ENV_END, expiry)
        }
    }
}

#[expect(clippy::disallowed_methods, reason = "the file that is configured for the credentials is where they belong")]
fn lines(credentials: &AwsCredentials, keys: [&str; 4], end: &str, expiry: SystemTime) -> Result<Content, Unquotable> {
    let values = [
        Some(credentials.access_key_id.as_str()),
        Some(credentials.secret_access_key.expose_secret()),
        credentials.session_token.as_ref().map(SecretString::expose_secret),
        credentials.account_id.as_deref(),
    ];
    let mut content = Content::new(String::with_capacity(ROOM));
    content.push_str(HEAD);
    for (key, value) in keys.into_iter().zip(values) {
        let Some(value) = value else { continue };
        if !value.bytes().all(needs_no_quotes) {
            return Err(Unquotable);
        }
        for part in [key, value, "\n"] {
            content.push_str(part);
        }
    }
    // Writing to a text cannot fail.
    let _ = writeln!(content, "{end}{}", rfc3339(expiry));
    Ok(content)
}

/// Whatever stands in base64 in either alphabet, and a little more; nothing that a shell, systemd or a profile's reader minds.
fn needs_no_quotes(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"+/=-_.:@,".contains(&byte)
}

fn line(body: &Value) -> Content {
    let mut content = Content::new(String::with_capacity(ROOM));
    let _ = writeln!(content, "{body}");
    content
}

/// When what a file holds ends, if it says so, in whichever format.
pub fn end_of(text: &str) -> Option<SystemTime> {
    if let Ok(body) = serde_json::from_str::<Value>(text) {
        return ["expires_at", "Expiration"].iter().find_map(|key| read_rfc3339(body[key].as_str()?));
    }
    let of_line = |line: &str| line.strip_prefix(PROFILE_END).or(line.strip_prefix(ENV_END)).and_then(read_rfc3339);
    text.lines().find_map(of_line).or_else(|| Claims::of(text)?.expiry())
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use base64::Engine as _;
    use base64::engine::general_purpose::URL_SAFE_NO_PAD;

    use super::*;

    const END: &str = "2023-11-14T22:13:20Z";

    fn end() -> SystemTime {
        SystemTime::UNIX_EPOCH + Duration::from_secs(1_700_000_000)
    }

    fn some(session_token: Option<&str>) -> AwsCredentials {
        AwsCredentials {
            access_key_id: "ASIAKEY".into(),
            secret_access_key: "se/cr+et=".into(),
            session_token: session_token.map(Into::into),
            account_id: session_token.map(|_| "111122223333".into()),
            role_arn: None,
        }
    }

    fn bearer(text: &str, scope: Option<&str>) -> BearerToken {
        BearerToken { token: text.into(), scope: scope.map(ToOwned::to_owned) }
    }

    #[test]
    fn each_format_is_as_its_readers_know_it() {
        let of = |format| credentials(&some(Some("tok/en+==")), end(), format).unwrap();
        assert_eq!(
            *of(CredentialsFormat::AwsProfile),
            format!(
                "{HEAD}[default]\naws_access_key_id = ASIAKEY\naws_secret_access_key = se/cr+et=\naws_session_token = tok/en+==\n\
                 aws_account_id = 111122223333\nx_security_token_expires = {END}\n"
            )
        );
        assert_eq!(
            *of(CredentialsFormat::Env),
            format!(
                "{HEAD}AWS_ACCESS_KEY_ID=ASIAKEY\nAWS_SECRET_ACCESS_KEY=se/cr+et=\nAWS_SESSION_TOKEN=tok/en+==\n\
                 AWS_ACCOUNT_ID=111122223333\nAWS_CREDENTIAL_EXPIRATION={END}\n"
            )
        );
        assert_eq!(
            *of(CredentialsFormat::Json),
            format!(
                "{{\"AccessKeyId\":\"ASIAKEY\",\"SecretAccessKey\":\"se/cr+et=\",\"Token\":\"tok/en+==\",\"Expiration\":\"{END}\",\
                 \"AccountId\":\"111122223333\"}}\n"
            )
        );
        assert_eq!(*token(&bearer("a.b.c", Some("x y")), end(), TokenFormat::Raw), "a.b.c");
        assert_eq!(
            *token(&bearer("a.b.c", Some("x y")), end(), TokenFormat::Json),
            format!(
                "{{\"access_token\":\"a.b.c\",\"token_type\":\"Bearer\",\"expires_at\":\"{END}\",\"scope\":\"x y\"}}\n"
            )
        );
    }

    #[test]
    fn long_term_keys_have_no_session_token() {
        for format in [CredentialsFormat::AwsProfile, CredentialsFormat::Env] {
            let content = credentials(&some(None), end(), format).unwrap();
            assert!(!content.to_lowercase().contains("session"), "{}", *content);
        }
    }

    #[test]
    fn what_would_have_to_be_quoted_is_refused_where_nobody_agrees_how() {
        for odd in ["a b", "a'b", "a\"b", "a$b", "a\\b", "a\nAWS_X=1", "a#b", "~b", "a;b", "a`b", "ä", "%a"] {
            for format in [CredentialsFormat::AwsProfile, CredentialsFormat::Env] {
                assert_eq!(credentials(&some(Some(odd)), end(), format).unwrap_err(), Unquotable, "{odd}");
            }
            assert!(credentials(&some(Some(odd)), end(), CredentialsFormat::Json).is_ok());
        }
    }

    #[test]
    fn the_end_is_read_back_out_of_what_was_written() {
        let jwt = format!("e30.{}.c2ln", URL_SAFE_NO_PAD.encode(r#"{"exp":1700000000}"#));
        let of = |format| credentials(&some(Some("t")), end(), format).unwrap();
        for content in [
            of(CredentialsFormat::AwsProfile),
            of(CredentialsFormat::Json),
            of(CredentialsFormat::Env),
            token(&bearer("opaque", None), end(), TokenFormat::Json),
            token(&bearer(&jwt, None), end(), TokenFormat::Raw),
        ] {
            assert_eq!(end_of(&content), Some(end()), "{}", *content);
        }
        for other in ["", "opaque", "{}", "7", "x_security_token_expires = soon", "\0\n"] {
            assert_eq!(end_of(other), None, "{other}");
        }
    }
}
