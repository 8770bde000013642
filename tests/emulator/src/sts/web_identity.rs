//! `AssumeRoleWithWebIdentity`: unsigned; the token is the proof.
//!
//! Tokens of the identity service are known to AWS itself; every other issuer must be an OIDC provider of the
//! account, with the audiences it may speak for. `azp`, where a token has it, stands in for `aud`. What
//! `GetWebIdentityToken` answers has no provider and is refused.

use serde_json::{Map, Value, json};

use super::parameters::Parameters;
use super::{providers, session};
use crate::clock;
use crate::discovery::IDENTITY_ISSUER;
use crate::failure::Failure;
use crate::identitypool::{SERVICE, tags_of};
use crate::jwt::Unverified;
use crate::principal::RoleSession;
use crate::protocol::Outcome;
use crate::request::Request;
use crate::trust::{self, WebIdentity};

const OPERATION: &str = "AssumeRoleWithWebIdentity";
/// How far an issuer's clock may be ahead, in seconds.
const SKEW: i64 = 300;

pub(super) fn assume_role_with_web_identity(request: &mut Request<'_>, parameters: &Parameters) -> Outcome {
    let asked = session::asked(request, parameters)?;
    let token = parameters.required("WebIdentityToken", (4, 20_000), |_| true)?;
    if parameters.optional("ProviderId").is_some() {
        return Err(Failure::bad("ValidationError", "ProviderId is for legacy OAuth providers only"));
    }
    let token = Unverified::parse(token).ok_or_else(|| {
        wrong("The ID Token provided is not a valid JWT. (You may see this error if you sent an Access Token)")
    })?;
    let identity = proven(request, &token)?;
    request.asked.note("subject", identity.subject.clone());
    request.asked.note("audience", identity.audience.clone());
    let world = &request.cloud.world;
    let role = world.role(&asked.role_arn).filter(|(_, role)| trust::federated(world, role, &identity));
    let (name, role) =
        role.ok_or_else(|| Failure::forbidden("AccessDenied", format!("Not authorized to perform sts:{OPERATION}")))?;
    let lifetime = session::lifetime(request, &asked, role, OPERATION)?;
    let session = RoleSession {
        role: name.to_owned(),
        name: asked.name,
        source_identity: token.text("https://aws.amazon.com/source_identity").map(str::to_owned),
        transitive_tags: transitive(&token, &identity.tags),
        tags: identity.tags,
        expires: 0,
    };
    let mut result = session::open(request, session, lifetime, asked.policy_size);
    result["SubjectFromWebIdentityToken"] = json!(identity.subject);
    result["Provider"] = json!(identity.provider);
    result["Audience"] = json!(identity.audience);
    Ok(result)
}

/// The tags the token itself says are transitive.
fn transitive(token: &Unverified, tags: &Map<String, Value>) -> Map<String, Value> {
    let keys = &token.claim("https://aws.amazon.com/tags")["transitive_tag_keys"];
    let keys = keys.as_array().map(Vec::as_slice).unwrap_or_default();
    let pairs = keys.iter().filter_map(Value::as_str).filter_map(|key| Some((key.to_owned(), tags.get(key)?.clone())));
    pairs.collect()
}

/// The identity a token proves: known issuer, good signature, in time, with an audience the provider has.
fn proven(request: &Request<'_>, token: &Unverified) -> Result<WebIdentity, Failure> {
    let issuer = required(token, "iss")?;
    let tags = tags_of(token);
    if issuer == IDENTITY_ISSUER {
        if !token.signed_by(&request.cloud.identity_key) {
            return Err(unverified());
        }
        in_time(request, token)?;
        let (audience, subject) = (audience(token)?, required(token, "sub")?);
        let provider = SERVICE.to_owned();
        return Ok(WebIdentity { provider, label: String::new(), audience, subject, amr: token.list("amr"), tags });
    }
    let (label, provider) = providers::of_issuer(request.cloud, &issuer)
        .ok_or_else(|| wrong(&format!("No OpenIDConnect provider found in your account for {issuer}")))?;
    if !providers::signed(request.cloud, provider, token) {
        return Err(unverified());
    }
    in_time(request, token)?;
    let (audience, subject) = (audience(token)?, required(token, "sub")?);
    if !provider.client_ids.contains(&audience) {
        return Err(wrong("Incorrect token audience"));
    }
    if provider.rejected_subjects.contains(&subject) {
        return Err(Failure::forbidden("IDPRejectedClaim", "The identity provider rejected the claim"));
    }
    let name = providers::without_scheme(&issuer).to_owned();
    Ok(WebIdentity { provider: name, label: label.to_owned(), audience, subject, amr: token.list("amr"), tags })
}

fn in_time(request: &Request<'_>, token: &Unverified) -> Result<(), Failure> {
    let seconds = |name: &str| token.seconds(name).ok_or_else(|| wrong(&format!("Missing a required claim: {name}")));
    let (expiry, issued) = (seconds("exp")?, seconds("iat")?);
    if expiry <= request.now {
        let (now, expiry) = (clock::rfc3339(request.now), clock::rfc3339(expiry));
        let sentence =
            format!("Token expired: current date/time {now} must be before the expiration date/time {expiry}");
        return Err(Failure::bad("ExpiredTokenException", sentence));
    }
    if issued.max(token.seconds("nbf").unwrap_or(issued)) > request.now + SKEW {
        return Err(wrong("The token is not valid yet"));
    }
    Ok(())
}

/// `azp` where there is one, or else the one `aud`.
fn audience(token: &Unverified) -> Result<String, Failure> {
    if let Some(party) = token.text("azp") {
        return Ok(party.to_owned());
    }
    match &token.audiences()[..] {
        [] => Err(wrong("Missing a required claim: aud")),
        [one] => Ok(one.clone()),
        _ => Err(wrong("A token of several audiences needs the claim azp")),
    }
}

fn required(token: &Unverified, claim: &str) -> Result<String, Failure> {
    let value = token.text(claim).map(str::to_owned);
    value.ok_or_else(|| wrong(&format!("Missing a required claim: {claim}")))
}

fn unverified() -> Failure {
    wrong("Couldn't retrieve verification key from your identity provider")
}

fn wrong(sentence: &str) -> Failure {
    Failure::bad("InvalidIdentityToken", sentence.to_owned())
}
