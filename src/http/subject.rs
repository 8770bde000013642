//! Subject tokens: verified before anything is asked for with them.

use std::sync::Arc;
use std::time::Duration;

use secrecy::{ExposeSecret as _, SecretString};

use super::Surface;
use super::reply::Trouble;
use crate::source::Subject;
use crate::source::jwt::Claims;
use crate::verify::Refused;

/// STS takes no longer ones, in bytes (AssumeRoleWithWebIdentity, `WebIdentityToken`).
const LONGEST_TOKEN: usize = 20_000;
/// No credentials live longer (AssumeRoleWithWebIdentity), so nothing depends on a token that claims to.
const LONGEST: Duration = Duration::from_secs(12 * 60 * 60);

/// The subject of `token`, verified by `issuer`. Where no issuer is named whoever issues the credentials verifies the token, and
/// only its end of life is looked at here.
///
/// # Errors
/// [`Trouble::BadSubject`] if it is refused; as the source of the issuer's keys failed else.
pub async fn verified(surface: &Surface, issuer: Option<&str>, token: SecretString) -> Result<Arc<Subject>, Trouble> {
    let subject = match issuer {
        Some(name) => by_issuer(surface, name, token).await?,
        None => unverified(surface, token)?,
    };
    Ok(Arc::new(subject))
}

#[expect(clippy::disallowed_methods, reason = "a token is verified by looking at it")]
async fn by_issuer(surface: &Surface, name: &str, token: SecretString) -> Result<Subject, Trouble> {
    let full = format!("issuers.{name}");
    let issuer = surface.issuers.named(name).ok_or_else(|| Trouble::NoSuchName(full.clone()))?;
    let verified = issuer.verify(token.expose_secret()).await.map_err(|refused| match refused {
        Refused::KeysUnavailable(failure) => Trouble::keys_unavailable(&full, failure),
        refused => Trouble::BadSubject(refused.to_string()),
    })?;
    // A leeway may have let a token in that has just ended.
    if verified.expiry <= surface.clock.now() {
        return Err(Trouble::BadSubject(Refused::Expired.to_string()));
    }
    let user = verified.subject.map(|subject| (verified.issuer, subject));
    Ok(Subject::new(token, verified.expiry, user))
}

#[expect(clippy::disallowed_methods, reason = "the end of life of a token stands inside it")]
fn unverified(surface: &Surface, token: SecretString) -> Result<Subject, Trouble> {
    let text = token.expose_secret();
    if text.len() > LONGEST_TOKEN {
        return Err(Trouble::BadSubject("it is longer than STS takes".to_owned()));
    }
    if text.is_empty() || !text.bytes().all(|byte| byte.is_ascii_graphic()) {
        return Err(Trouble::BadSubject("it holds characters that no token holds".to_owned()));
    }
    let claims = Claims::of(text).ok_or_else(|| Trouble::BadSubject("it is no JWT".to_owned()))?;
    let latest = surface.clock.now().plus(LONGEST);
    let expiry = claims.expiry().map_or(latest, |end| surface.clock.moment_of(end).min(latest));
    // An end that is past counts as the moment it was looked at, so the clock is read after that.
    if expiry <= surface.clock.now() {
        return Err(Trouble::BadSubject("it has expired".to_owned()));
    }
    Ok(Subject::new(token, expiry, None))
}
