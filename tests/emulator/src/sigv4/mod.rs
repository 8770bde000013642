//! Signature Version 4: who signed this request, and is the signature right?
//!
//! Everything is recomputed from what arrived: the canonical request over the signed headers, the hash of
//! the body, the scope (date, region, service), the derived key. Only the `Authorization` header form is
//! accepted. S3 encodes the path once and takes a body that is not signed (`UNSIGNED-PAYLOAD`), and wants every `x-amz-` header
//! signed. `host`, `x-amz-date`, `x-amz-target` and `x-amz-security-token` must be signed when present.

mod authorization;
mod canonical;
mod key;

use crate::call::Call;
use crate::clock;
use crate::digest::{hex, sha256};
use crate::principal::Principal;

use authorization::Authorization;

/// How far `X-Amz-Date` may be from the emulator's clock, in seconds.
const SKEW: i64 = 300;

/// What is known about an access key.
pub(crate) struct AccessKey {
    pub(crate) secret: String,
    pub(crate) token: Option<String>,
    pub(crate) expires: Option<i64>,
    pub(crate) principal: Principal,
}

/// The scope a signature must name.
pub(crate) struct Scope<'a> {
    pub(crate) region: &'a str,
    pub(crate) service: &'a str,
}

/// Why a request is not authenticated. The protocols give each its own code.
#[derive(Debug, PartialEq)]
pub(crate) enum Refusal {
    /// No `Authorization` header.
    Missing,
    /// The header or the date cannot be read.
    Incomplete(String),
    /// The key does not exist, or its session token is missing or wrong.
    UnknownKey,
    /// Temporary credentials past their expiry.
    Expired,
    /// Clock skew, wrong scope, or the signature itself.
    Mismatch(String),
}

/// Verifies the signature of `call` at `now`.
pub(crate) fn verify(
    call: &Call,
    scope: &Scope<'_>,
    now: i64,
    find: impl Fn(&str) -> Option<AccessKey>,
) -> Result<Principal, Refusal> {
    let header = call.headers.get("authorization").ok_or(Refusal::Missing)?;
    let claim = Authorization::parse(header.to_str().unwrap_or_default()).map_err(Refusal::Incomplete)?;
    must_be_signed(call, &claim)?;
    let payload = payload(call, &claim, scope)?;
    let date = call.header("x-amz-date").ok_or_else(|| {
        Refusal::Incomplete(
            "Authorization header requires existence of either a 'X-Amz-Date' or a 'Date' header.".into(),
        )
    })?;
    let key = find(&claim.access_key_id).ok_or(Refusal::UnknownKey)?;
    session_token(call, &key, now)?;
    fresh(date, now)?;
    in_scope(&claim, date, scope)?;
    let dialect = if scope.service == "s3" { canonical::Path::Key } else { canonical::Path::Escaped };
    let canonical = canonical::request(call, &claim.signed_headers, dialect, &payload);
    let expected = key::signature(&key.secret, &claim.scope(), date, &canonical);
    if expected == claim.signature {
        Ok(key.principal)
    } else {
        Err(Refusal::Mismatch(
            "The request signature we calculated does not match the signature you provided. \
             Check your AWS Secret Access Key and signing method. Consult the service documentation for details."
                .into(),
        ))
    }
}

fn must_be_signed(call: &Call, claim: &Authorization) -> Result<(), Refusal> {
    for name in ["host", "x-amz-date", "x-amz-target", "x-amz-security-token"] {
        let signed = claim.signed_headers.iter().any(|header| header == name);
        if call.headers.contains_key(name) && !signed {
            return Err(Refusal::Mismatch(format!("'{name}' must be a 'SignedHeader' in the AWS Authorization.")));
        }
    }
    Ok(())
}

/// What stands for the body: its hash, which the client may announce; for S3 also that it is not signed.
fn payload(call: &Call, claim: &Authorization, scope: &Scope<'_>) -> Result<String, Refusal> {
    let hash = hex(&sha256(&call.body));
    let mismatch = |why: &str| Err(Refusal::Mismatch(why.to_owned()));
    let announced = call.header("x-amz-content-sha256");
    if scope.service != "s3" {
        return Ok(hash);
    }
    let unsigned = |name: &http::HeaderName| !claim.signed_headers.iter().any(|header| header == name.as_str());
    if call.headers.keys().any(|name| name.as_str().starts_with("x-amz-") && unsigned(name)) {
        return mismatch("There were headers present in the request which were not signed");
    }
    match announced {
        Some("UNSIGNED-PAYLOAD") => Ok("UNSIGNED-PAYLOAD".to_owned()),
        Some(said) if said == hash => Ok(hash),
        Some(_) => mismatch("The provided 'x-amz-content-sha256' header does not match what was computed."),
        None => mismatch("Missing required header for this request: x-amz-content-sha256"),
    }
}

fn session_token(call: &Call, key: &AccessKey, now: i64) -> Result<(), Refusal> {
    if call.header("x-amz-security-token") != key.token.as_deref() {
        return Err(Refusal::UnknownKey);
    }
    if key.expires.is_some_and(|expires| expires <= now) {
        return Err(Refusal::Expired);
    }
    Ok(())
}

fn fresh(date: &str, now: i64) -> Result<(), Refusal> {
    let sent = clock::from_basic(date)
        .ok_or_else(|| Refusal::Incomplete("Date must be in ISO-8601 'basic format'.".into()))?;
    let (this, edge) = (clock::basic(now), |offset| clock::basic(now + offset));
    if sent < now - SKEW {
        let edge = edge(-SKEW);
        return Err(Refusal::Mismatch(format!(
            "Signature expired: {date} is now earlier than {edge} ({this} - 5 min.)"
        )));
    }
    if sent > now + SKEW {
        let edge = edge(SKEW);
        return Err(Refusal::Mismatch(format!(
            "Signature not yet current: {date} is still later than {edge} ({this} + 5 min.)"
        )));
    }
    Ok(())
}

fn in_scope(claim: &Authorization, date: &str, scope: &Scope<'_>) -> Result<(), Refusal> {
    if !date.starts_with(&claim.date) {
        return Err(Refusal::Mismatch(format!(
            "Date in Credential scope does not match YYYYMMDD from ISO-8601 version of date from HTTP: '{}' != '{}'.",
            claim.date,
            &date[..8]
        )));
    }
    if claim.region != scope.region {
        return Err(Refusal::Mismatch("Credential should be scoped to a valid region.".into()));
    }
    if claim.service != scope.service {
        return Err(Refusal::Mismatch(format!("Credential should be scoped to correct service: '{}'.", scope.service)));
    }
    Ok(())
}

#[cfg(test)]
mod tests;
