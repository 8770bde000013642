//! The claims of a token whose signature is right: what each must be, and what the configuration asks of them. Types are
//! strict: a claim of the wrong type is a mistake, never a claim that is not there.

use std::time::{Duration, SystemTime};

use serde_json::{Map, Value};

use super::{Config, Kind, Refused};

/// The last second of the year 9999. No token lives longer, and RFC 3339 has no words for it.
const LATEST: f64 = 253_402_300_799.0;

/// What is understood of the claims.
pub struct Claims<'a>(pub &'a Map<String, Value>);

impl<'a> Claims<'a> {
    /// The end of the token's life, if it is `now` within it, give or take `leeway`.
    pub fn expiry(&self, now: SystemTime, leeway: Duration) -> Result<SystemTime, Refused> {
        let expiry = self.instant("exp")?.ok_or(Refused::Malformed("has no exp: it would never expire"))?;
        let not_before = self.instant("nbf")?;
        self.instant("iat")?;
        if now >= expiry + leeway {
            return Err(Refused::Expired);
        }
        if not_before.is_some_and(|from| now + leeway < from) {
            return Err(Refused::NotYetValid);
        }
        Ok(expiry)
    }

    /// The issuer, if it is one of the accepted spellings.
    pub fn issuer(&self, config: &Config) -> Result<&'a str, Refused> {
        let issuer = self.text("iss", "has an iss that is not text")?;
        issuer.filter(|found| config.issuers.iter().any(|spelled| spelled == found)).ok_or(Refused::Issuer)
    }

    /// The user or service that the token speaks of.
    pub fn subject(&self) -> Result<Option<&'a str>, Refused> {
        self.text("sub", "has a sub that is not text")
    }

    /// Is `jti` what RFC 7519 section 4.1.7 says? It is passed on and not used.
    pub fn id(&self) -> Result<(), Refused> {
        self.text("jti", "has a jti that is not text").map(drop)
    }

    /// The client it was issued to, if it is an accepted one and the token of the right kind.
    pub fn client(&self, config: &Config) -> Result<Option<&'a str>, Refused> {
        let client = match config.kind {
            Kind::CognitoAccess => self.cognito("access", "client_id")?,
            Kind::CognitoId => self.cognito("id", "aud")?,
            Kind::Generic => {
                let client = self.text("client_id", "has a client_id that is not text")?;
                client.or(self.text("azp", "has an azp that is not text")?)
            }
        };
        let accepted = config.clients.is_empty()
            || client.is_some_and(|found| config.clients.iter().any(|client| client == found));
        if accepted { Ok(client) } else { Err(Refused::Client) }
    }

    /// The client of a user pool's token, which names it always.
    fn cognito(&self, token_use: &str, claim: &str) -> Result<Option<&'a str>, Refused> {
        if self.0.get("token_use").and_then(Value::as_str) != Some(token_use) {
            return Err(Refused::TokenUse);
        }
        self.0.get(claim).and_then(Value::as_str).map(Some).ok_or(Refused::Client)
    }

    /// Is the token meant for one of those that the configuration names?
    pub fn audience(&self, config: &Config) -> Result<(), Refused> {
        let audience = self.list("aud", "has an aud that is neither text nor a list of texts")?.unwrap_or_default();
        let meant = |wanted: &String| audience.contains(&wanted.as_str());
        if config.audience.is_empty() || config.audience.iter().any(meant) { Ok(()) } else { Err(Refused::Audience) }
    }

    /// The scopes granted: RFC 8693's `scope`, or `scp`, which some servers write.
    pub fn scopes(&self) -> Result<Vec<&'a str>, Refused> {
        let words = |text: &'a str| text.split(' ').filter(|scope| !scope.is_empty());
        if let Some(scope) = self.text("scope", "has a scope that is not text")? {
            return Ok(words(scope).collect());
        }
        let listed = self.list("scp", "has an scp that is neither text nor a list of texts")?.unwrap_or_default();
        Ok(listed.into_iter().flat_map(words).collect())
    }

    fn text(&self, name: &str, fault: &'static str) -> Result<Option<&'a str>, Refused> {
        let text = |value: &'a Value| value.as_str().ok_or(Refused::Malformed(fault));
        self.0.get(name).map(text).transpose()
    }

    /// A text, or a list of them.
    fn list(&self, name: &str, fault: &'static str) -> Result<Option<Vec<&'a str>>, Refused> {
        let texts = match self.0.get(name) {
            None => return Ok(None),
            Some(Value::String(one)) => Some(vec![one.as_str()]),
            Some(Value::Array(all)) => all.iter().map(Value::as_str).collect(),
            Some(_) => None,
        };
        texts.map(Some).ok_or(Refused::Malformed(fault))
    }

    /// A NumericDate (RFC 7519 section 2): seconds since 1970, with a fraction where the issuer likes.
    fn instant(&self, name: &str) -> Result<Option<SystemTime>, Refused> {
        let Some(value) = self.0.get(name) else { return Ok(None) };
        let seconds = value.as_f64().filter(|seconds| (0.0..=LATEST).contains(seconds));
        let since = seconds.and_then(|seconds| Duration::try_from_secs_f64(seconds).ok());
        let instant = since.and_then(|since| SystemTime::UNIX_EPOCH.checked_add(since));
        instant.map(Some).ok_or(Refused::Malformed("has an exp, nbf or iat that is not a point in time"))
    }
}
