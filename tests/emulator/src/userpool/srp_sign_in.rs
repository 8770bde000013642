//! `USER_SRP_AUTH` and the answer to its challenge, `RespondToAuthChallenge` with `PASSWORD_VERIFIER`.
//!
//! The challenge names the user as `USER_ID_FOR_SRP`, the real name even where an alias was sent, and from then on
//! only that name counts: in the proof, as `USERNAME`, in `SECRET_HASH`. An unknown user is challenged like a known one.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::Deserialize;
use serde_json::json;

use super::app_client::AppClient;
use super::parameters::Parameters;
use super::sign_in::{incorrect, proven};
use super::srp::{Handshake, Identity};
use super::srp_challenges::Challenge;
use crate::clock;
use crate::digest::sha256;
use crate::failure::Failure;
use crate::json_api::invalid;
use crate::protocol::Outcome;
use crate::random;
use crate::request::Request;

/// Seconds a challenge may be answered in.
const SESSION: i64 = 180;
/// How far `TIMESTAMP` may be from the emulator's clock, in seconds.
const SKEW: i64 = 300;
/// Challenges of real pools that need a person.
const PERSONAL: [&str; 8] = [
    "CUSTOM_CHALLENGE",
    "EMAIL_OTP",
    "MFA_SETUP",
    "NEW_PASSWORD_REQUIRED",
    "SELECT_CHALLENGE",
    "SELECT_MFA_TYPE",
    "SMS_MFA",
    "SOFTWARE_TOKEN_MFA",
];

/// Answers the client's `SRP_A` with the challenge.
pub(super) fn begin(request: &mut Request<'_>, client: &AppClient<'_>, parameters: &Parameters) -> Outcome {
    client.must_allow("ALLOW_USER_SRP_AUTH", "USER_SRP_AUTH")?;
    let (sent, a) = (parameters.required("USERNAME")?, parameters.required("SRP_A")?);
    parameters.prove_client(request, client, sent)?;
    let unknown = random::secret_access_key();
    let (username, password) = match client.pool.user(sent) {
        Some((real, user)) => (real, &user.password),
        None => (sent, &unknown),
    };
    let salt = sha256(format!("salt of {username} in {}", client.pool_id).as_bytes());
    let pool_name = client.pool_id.split_once('_').map_or("", |(_, name)| name).to_owned();
    let identity = Identity { pool_name, user_id: username.to_owned() };
    let handshake = Handshake::new(a, identity, password, &salt[..16], &random::exponent());
    let handshake = handshake.ok_or_else(|| invalid("srpA", "A number between 0 and N, in hexadecimal"))?;
    let secret_block = random::secret_block();
    let answer = json!({
        "ChallengeName": "PASSWORD_VERIFIER",
        "ChallengeParameters": {
            "SALT": handshake.salt,
            "SECRET_BLOCK": secret_block,
            "SRP_B": handshake.public,
            "USERNAME": username,
            "USER_ID_FOR_SRP": username,
        },
    });
    let (client_id, username) = (client.id.to_owned(), username.to_owned());
    let challenge = Challenge { client_id, username, handshake, expires: request.now + SESSION };
    request.cloud.srp_challenges.open(secret_block, challenge);
    Ok(answer)
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Input {
    client_id: Option<String>,
    challenge_name: Option<String>,
    #[serde(default)]
    challenge_responses: Parameters,
}

pub(super) fn respond(request: &mut Request<'_>) -> Outcome {
    let input: Input = request.input()?;
    request.asked.client_id.clone_from(&input.client_id);
    request.asked.note("challenge", input.challenge_name.clone());
    request.asked.note("username", input.challenge_responses.optional("USERNAME"));
    let challenge =
        input.challenge_name.as_deref().ok_or_else(|| invalid("challengeName", "Member must not be null"))?;
    let client = AppClient::named(request, input.client_id.as_ref())?;
    match challenge {
        "PASSWORD_VERIFIER" => verify(request, &client, &input.challenge_responses),
        other if PERSONAL.contains(&other) => {
            Err(Failure::bad("InvalidParameterException", format!("the emulator takes no answer to {other}")))
        }
        _ => Err(invalid("challengeName", "Member must satisfy enum value set")),
    }
}

/// A proof is looked at once: right or wrong, its challenge is over.
fn verify(request: &mut Request<'_>, client: &AppClient<'_>, responses: &Parameters) -> Outcome {
    let username = responses.required("USERNAME")?;
    let secret_block = responses.required("PASSWORD_CLAIM_SECRET_BLOCK")?;
    let signature = responses.required("PASSWORD_CLAIM_SIGNATURE")?;
    let timestamp = responses.required("TIMESTAMP")?;
    fresh(timestamp, request.now)?;
    let real = request.cloud.srp_challenges.username(secret_block, client.id).ok_or_else(incorrect)?;
    responses.prove_client(request, client, &real)?;
    let challenge = request.cloud.srp_challenges.close(secret_block).ok_or_else(incorrect)?;
    if challenge.expires <= request.now {
        return Err(Failure::bad("NotAuthorizedException", "Invalid session for the user, session is expired."));
    }
    let block = STANDARD.decode(secret_block).map_err(|_| incorrect())?;
    if username != real || challenge.handshake.signature(&block, timestamp) != signature {
        return Err(incorrect());
    }
    let (username, user) = client.pool.users.get_key_value(&real).ok_or_else(incorrect)?;
    proven(request, client, username, user)
}

fn fresh(timestamp: &str, now: i64) -> Result<(), Failure> {
    let sent = clock::from_java(timestamp).ok_or_else(|| {
        let sentence = "TIMESTAMP format should be EEE MMM d HH:mm:ss z yyyy in english";
        Failure::bad("InvalidParameterException", sentence)
    })?;
    if sent.abs_diff(now) > SKEW.unsigned_abs() {
        return Err(Failure::bad("NotAuthorizedException", "TIMESTAMP is too far from the current time."));
    }
    Ok(())
}
