//! Reading the claims of a token we merely carry. Nothing is verified here: the token came over TLS from the server that
//! issued it, and whoever receives it verifies it. Only `exp`, `scope` or `scp`, and `username` are looked at, to know how long to
//! keep it, to tell callers what was granted, and to renew it in the name its issuer uses.

use std::time::{Duration, SystemTime};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::{Deserialize, Deserializer};
use serde_json::Value;
use zeroize::Zeroizing;

/// What we read of a JWT (RFC 7519 section 4.1, RFC 8693 section 4.2).
#[derive(Debug, Default, Deserialize)]
pub struct Claims {
    exp: Option<f64>,
    #[serde(default, deserialize_with = "words")]
    scope: Option<String>,
    #[serde(default, deserialize_with = "words")]
    scp: Option<String>,
    /// What Cognito calls the user of an access token.
    pub username: Option<String>,
}

/// One text, or a list of words as some servers write it. Anything else says nothing, and takes nothing from the other claims.
fn words<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<String>, D::Error> {
    Ok(match Value::deserialize(deserializer)? {
        Value::String(text) => Some(text),
        Value::Array(words) => words.iter().map(Value::as_str).collect::<Option<Vec<_>>>().map(|words| words.join(" ")),
        _ => None,
    })
}

impl Claims {
    /// The claims of `token`, if it is a JWT at all.
    pub fn of(token: &str) -> Option<Self> {
        let mut parts = token.split('.');
        let (_, payload, _, None) = (parts.next()?, parts.next()?, parts.next()?, parts.next()) else { return None };
        let json = Zeroizing::new(URL_SAFE_NO_PAD.decode(payload).ok()?);
        serde_json::from_slice(&json).ok()
    }

    /// The scopes granted, space separated: RFC 8693's `scope`, or `scp`, which some servers write.
    pub fn scope(&self) -> Option<&str> {
        self.scope.as_deref().or(self.scp.as_deref())
    }

    /// The instant that `exp` names.
    pub fn expiry(&self) -> Option<SystemTime> {
        let seconds = Duration::try_from_secs_f64(self.exp?).ok()?;
        SystemTime::UNIX_EPOCH.checked_add(seconds)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn token(payload: &str) -> String {
        format!("e30.{}.c2ln", URL_SAFE_NO_PAD.encode(payload))
    }

    #[test]
    fn expiry_and_scope_are_read() {
        let claims = Claims::of(&token(r#"{"exp":1700003600,"scope":"a/r a/w","sub":"x"}"#)).unwrap();
        assert_eq!(claims.expiry(), Some(SystemTime::UNIX_EPOCH + Duration::from_secs(1_700_003_600)));
        assert_eq!(claims.scope(), Some("a/r a/w"));
        for (scope, words) in [(r#"["a/r","a/w"]"#, Some("a/r a/w")), ("7", None), ("null", None), ("[7]", None)] {
            let claims = Claims::of(&token(&format!(r#"{{"exp":1700003600,"scope":{scope}}}"#))).unwrap();
            assert_eq!((claims.scope(), claims.expiry().is_some()), (words, true), "{scope}");
        }
    }

    #[test]
    fn scp_counts_where_there_is_no_scope() {
        for (claims, scope) in [
            (r#"{"scp":"a/r a/w"}"#, Some("a/r a/w")),
            (r#"{"scp":["a/r","a/w"]}"#, Some("a/r a/w")),
            (r#"{"scp":["a/r"],"scope":"a/w"}"#, Some("a/w")),
            (r#"{"scp":["a/r"],"scope":null}"#, Some("a/r")),
            (r#"{"scp":7}"#, None),
        ] {
            assert_eq!(Claims::of(&token(claims)).unwrap().scope(), scope, "{claims}");
        }
    }

    #[test]
    fn what_is_no_jwt_has_no_claims_and_absurd_expiries_are_none() {
        for opaque in ["", "opaque", "a.b", "a.b.c.d", "a.!!.c", &token("[]"), &token("{")] {
            assert!(Claims::of(opaque).is_none(), "{opaque}");
        }
        for exp in ["-1", "1e300", "null"] {
            let claims = Claims::of(&token(&format!(r#"{{"exp":{exp}}}"#))).unwrap();
            assert!(claims.expiry().is_none(), "{exp}");
        }
    }
}
