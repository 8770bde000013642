//! Outbound federation: `GetWebIdentityToken`, a JWT that proves an AWS principal to somebody else.
//!
//! The issuer is the account's own, `https://UUID.tokens.sts.global.api.aws`; the emulator serves its discovery
//! document and its keys under `/outbound`. Signed, allowed by `sts:GetWebIdentityToken` (tags also need
//! `sts:TagGetWebIdentityToken`), 60 to 3600 seconds, default 300, never longer than the caller's session.
//! AWS itself does not take these tokens in `AssumeRoleWithWebIdentity`.

use serde_json::{Map, Value, json};

use super::parameters::{Parameters, invalid};
use super::{denied, tags};
use crate::clock;
use crate::cloud::Cloud;
use crate::digest;
use crate::failure::Failure;
use crate::jwt::{self, Unverified};
use crate::keys::Algorithm;
use crate::principal::Principal;
use crate::protocol::Outcome;
use crate::random;
use crate::request::Request;
use crate::world::World;

const RING: &str = "sts";
const ALGORITHMS: [Algorithm; 2] = [Algorithm::Rs256, Algorithm::Es384];
const FIVE_MINUTES: u64 = 300;

/// `https://UUID.tokens.sts.global.api.aws`, the UUID made from the account's number.
pub(crate) fn issuer(world: &World) -> String {
    let hex = digest::hex(&digest::sha256(world.account.as_bytes())[..16]);
    let uuid = format!("{}-{}-{}-{}-{}", &hex[..8], &hex[8..12], &hex[12..16], &hex[16..20], &hex[20..]);
    format!("https://{uuid}.tokens.sts.global.api.aws")
}

/// Whether the token is of this account's issuer and its signature is good.
pub(crate) fn signed(cloud: &Cloud, token: &Unverified) -> bool {
    let key = ALGORITHMS.into_iter().find_map(|algorithm| cloud.key_rings.by_kid(RING, algorithm, token.kid()));
    token.text("iss") == Some(&issuer(&cloud.world)) && key.is_some_and(|key| token.signed_by(&key))
}

/// `/outbound/.well-known/jwks.json`
pub(crate) fn keys(request: &mut Request<'_>) -> Outcome {
    Ok(request.cloud.key_rings.jwks(RING, &ALGORITHMS))
}

/// `/outbound/.well-known/openid-configuration`
pub(crate) fn configuration(request: &mut Request<'_>) -> Outcome {
    Ok(json!({
        "issuer": issuer(&request.cloud.world),
        "jwks_uri": format!("{}/outbound/.well-known/jwks.json", request.cloud.url),
        "response_types_supported": ["id_token"],
        "subject_types_supported": ["public"],
        "id_token_signing_alg_values_supported": ["RS256", "ES384"],
    }))
}

/// What was asked of the token.
struct Asked {
    audiences: Vec<String>,
    algorithm: Algorithm,
    tags: Map<String, Value>,
    lifetime: u64,
}

pub(super) fn get_web_identity_token(
    request: &mut Request<'_>,
    parameters: &Parameters,
    caller: &Principal,
) -> Outcome {
    let asked = asked(request, parameters)?;
    permitted(request, caller, &asked)?;
    if !request.cloud.world.outbound_federation {
        return Err(Failure::forbidden(
            "OutboundWebIdentityFederationDisabledException",
            "The outbound web identity federation feature is not enabled for this account.",
        ));
    }
    let lifetime = request.cloud.lifetime("GetWebIdentityToken").unwrap_or(asked.lifetime);
    let expires = request.now.saturating_add_unsigned(lifetime);
    if caller.session().is_some_and(|session| session.expires < request.now.saturating_add_unsigned(asked.lifetime)) {
        return Err(Failure::forbidden(
            "SessionDurationEscalationException",
            "The requested token duration would extend the session beyond its original expiration time.",
        ));
    }
    request.asked.note("granted_seconds", lifetime);
    let claims = claims(request, caller, &asked, expires);
    let key = request.cloud.key_rings.signing(RING, asked.algorithm);
    let token = jwt::mint_typed(&key, "JWT", &claims);
    Ok(json!({ "WebIdentityToken": token, "Expiration": clock::rfc3339(expires) }))
}

fn asked(request: &mut Request<'_>, parameters: &Parameters) -> Result<Asked, Failure> {
    let audiences: Vec<String> =
        parameters.list("Audience").into_values().filter_map(|item| item.get("").map(ToString::to_string)).collect();
    request.asked.note("audience", audiences.clone());
    if !(1..=10).contains(&audiences.len()) {
        return Err(invalid("Audience", "", "Member must have length between 1 and 10"));
    }
    if audiences.iter().any(|audience| !(1..=1000).contains(&audience.chars().count())) {
        return Err(invalid("Audience", "", "Member must have length between 1 and 1000"));
    }
    let algorithm = match parameters.required("SigningAlgorithm", (5, 5), |c| c.is_ascii_alphanumeric())? {
        "RS256" => Algorithm::Rs256,
        "ES384" => Algorithm::Es384,
        other => {
            let shown = format!("'{other}'");
            return Err(invalid("SigningAlgorithm", &shown, "Member must satisfy enum value set: [RS256, ES384]"));
        }
    };
    request.asked.note("signing_algorithm", algorithm.name());
    let seconds = parameters.number("DurationSeconds", (60, 3600))?;
    request.asked.note("duration_seconds", seconds);
    let tags = tags::pairs(parameters)?;
    if !tags.is_empty() {
        request.asked.note("tags", tags.clone());
    }
    Ok(Asked { audiences, algorithm, tags, lifetime: seconds.unwrap_or(FIVE_MINUTES) })
}

fn permitted(request: &Request<'_>, caller: &Principal, asked: &Asked) -> Result<(), Failure> {
    let world = &request.cloud.world;
    let tagging = (!asked.tags.is_empty()).then_some("sts:TagGetWebIdentityToken");
    for action in ["sts:GetWebIdentityToken"].into_iter().chain(tagging) {
        if !caller.may(action, world) {
            return Err(denied(&caller.arn(&world.account), action, "*"));
        }
    }
    Ok(())
}

fn claims(request: &Request<'_>, caller: &Principal, asked: &Asked, expires: i64) -> Value {
    let world = &request.cloud.world;
    let mut about = json!({
        "aws_account": world.account,
        "source_region": world.region,
        "principal_id": caller.arn(&world.account),
    });
    if let Some(session) = caller.session() {
        about["original_session_exp"] = json!(clock::rfc3339(session.expires));
        about["principal_tags"] = json!(session.tags);
    }
    if !asked.tags.is_empty() {
        about["request_tags"] = json!(asked.tags);
    }
    let audience = match &asked.audiences[..] {
        [one] => json!(one),
        several => json!(several),
    };
    json!({
        "iss": issuer(world),
        "aud": audience,
        "sub": caller.iam_arn(&world.account),
        "iat": request.now,
        "exp": expires,
        "jti": random::uuid(),
        "https://sts.amazonaws.com/": about,
    })
}
