//! `AssumeRoleWithWebIdentity`: unsigned; the token is the proof.
//!
//! Tokens of the identity service and of the world's user pools are known; any other issuer has no provider.

use serde_json::{Map, json};

use super::parameters::Parameters;
use super::session;
use crate::clock;
use crate::discovery::IDENTITY_ISSUER;
use crate::failure::Failure;
use crate::identitypool::SERVICE;
use crate::jwt::Unverified;
use crate::principal::RoleSession;
use crate::protocol::Outcome;
use crate::request::Request;
use crate::trust::{self, WebIdentity};

const OPERATION: &str = "AssumeRoleWithWebIdentity";

pub(super) fn assume_role_with_web_identity(request: &mut Request<'_>, parameters: &Parameters) -> Outcome {
    let asked = session::asked(request, parameters)?;
    let token = parameters.required("WebIdentityToken", (4, 20_000), |_| true)?;
    if parameters.optional("ProviderId").is_some() {
        return Err(Failure::bad("ValidationError", "ProviderId is for legacy OAuth providers only"));
    }
    let identity = proven(request, token)?;
    request.asked.note("subject", identity.subject.clone());
    request.asked.note("audience", identity.audience.clone());
    let world = &request.cloud.world;
    let role = world.role(&asked.role_arn).filter(|(_, role)| trust::federated(world, role, &identity));
    let (name, role) =
        role.ok_or_else(|| Failure::forbidden("AccessDenied", format!("Not authorized to perform sts:{OPERATION}")))?;
    let lifetime = session::lifetime(request, &asked, role, OPERATION)?;
    let session =
        RoleSession { role: name.to_owned(), name: asked.name, source_identity: None, transitive_tags: Map::new() };
    let mut result = session::open(request, session, lifetime, asked.policy_size);
    result["SubjectFromWebIdentityToken"] = json!(identity.subject);
    result["Provider"] = json!(identity.provider);
    result["Audience"] = json!(identity.audience);
    Ok(result)
}

/// The identity a token proves: known issuer, good signature, not expired, with an audience.
fn proven(request: &Request<'_>, token: &str) -> Result<WebIdentity, Failure> {
    let token = Unverified::parse(token).ok_or_else(|| {
        wrong("The ID Token provided is not a valid JWT. (You may see this error if you sent an Access Token)")
    })?;
    let issuer = token.text("iss").ok_or_else(|| wrong("Missing a required claim: iss"))?;
    let (provider, signed) = checked(request, &token, issuer)?;
    if !signed {
        return Err(wrong("Couldn't retrieve verification key from your identity provider"));
    }
    let expiry = token.seconds("exp").ok_or_else(|| wrong("Missing a required claim: exp"))?;
    if expiry <= request.now {
        let (now, expiry) = (clock::rfc3339(request.now), clock::rfc3339(expiry));
        let sentence =
            format!("Token expired: current date/time {now} must be before the expiration date/time {expiry}");
        return Err(Failure::bad("ExpiredTokenException", sentence));
    }
    let claim = |name: &str| {
        let value = token.text(name).map(str::to_owned);
        value.ok_or_else(|| wrong(&format!("Missing a required claim: {name}")))
    };
    Ok(WebIdentity { provider, audience: claim("aud")?, subject: claim("sub")?, amr: token.list("amr") })
}

/// The provider's name, and whether one of its keys signed the token.
fn checked(request: &Request<'_>, token: &Unverified, issuer: &str) -> Result<(String, bool), Failure> {
    if issuer == IDENTITY_ISSUER {
        return Ok((SERVICE.to_owned(), token.signed_by(&request.cloud.identity_key)));
    }
    let world = &request.cloud.world;
    let pool = world.pools.iter().find(|(id, pool)| world.issuer(id, pool) == issuer);
    let (pool_id, _) =
        pool.ok_or_else(|| wrong(&format!("No OpenIDConnect provider found in your account for {issuer}")))?;
    let provider = issuer.trim_start_matches("https://").to_owned();
    let signed =
        request.cloud.with_keys(pool_id, |keys| keys.by_kid(token.kid()).is_some_and(|key| token.signed_by(key)));
    Ok((provider, signed == Some(true)))
}

fn wrong(sentence: &str) -> Failure {
    Failure::bad("InvalidIdentityToken", sentence.to_owned())
}
