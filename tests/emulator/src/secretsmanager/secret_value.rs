//! `GetSecretValue`: permission first, existence second.

use serde::Deserialize;
use serde_json::json;

use super::secrets::Version;
use crate::digest;
use crate::failure::Failure;
use crate::json_api::text;
use crate::protocol::Outcome;
use crate::request::Request;
use crate::world::{Secret, World};

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Input {
    secret_id: Option<String>,
    version_id: Option<String>,
    version_stage: Option<String>,
}

pub(super) fn get_secret_value(request: &mut Request<'_>) -> Outcome {
    let input: Input = request.input()?;
    let id = text("secretId", input.secret_id.as_ref(), (1, 2048), |c| !c.is_control())?;
    for (name, value) in [("version_id", &input.version_id), ("version_stage", &input.version_stage)] {
        request.asked.note(name, value.clone());
    }
    if input.version_id.is_some() {
        text("versionId", input.version_id.as_ref(), (32, 64), |_| true)?;
    }
    if input.version_stage.is_some() {
        text("versionStage", input.version_stage.as_ref(), (1, 256), |_| true)?;
    }
    request.asked.note("secret_id", id);
    request.permitted("secretsmanager:GetSecretValue", id)?;
    let world = &request.cloud.world;
    let (name, secret) = find(world, id).ok_or_else(|| missing("Secrets Manager can't find the specified secret."))?;
    if secret.deleted {
        return Err(Failure::bad(
            "InvalidRequestException",
            "You can't perform this operation on the secret because it was marked for deletion.",
        ));
    }
    let version = chosen(request.cloud.secrets_manager.versions_of(name), &input)?;
    request.asked.note("answered_stage", version.stage);
    let member = if secret.binary { "SecretBinary" } else { "SecretString" };
    Ok(json!({
        "ARN": arn(world, name),
        "CreatedDate": version.created,
        "Name": name,
        member: version.value,
        "VersionId": version.id,
        "VersionStages": [version.stage],
    }))
}

fn find<'a>(world: &'a World, id: &str) -> Option<(&'a str, &'a Secret)> {
    let mut secrets = world.secrets.iter();
    let found = secrets.find(|(name, _)| {
        let arn = arn(world, name);
        *name == id || arn == id || arn[..arn.len() - 7] == *id
    });
    found.map(|(name, secret)| (name.as_str(), secret))
}

/// Six characters, random in AWS, here made from the name.
fn arn(world: &World, name: &str) -> String {
    let suffix = &digest::hex(&digest::sha256(name.as_bytes()))[..6];
    format!("arn:aws:secretsmanager:{}:{}:secret:{name}-{suffix}", world.region, world.account)
}

fn chosen(versions: Vec<Version>, input: &Input) -> Result<Version, Failure> {
    let stage = input.version_stage.as_deref();
    let wanted = |version: &Version| match &input.version_id {
        Some(id) => version.id == *id,
        None => version.stage == stage.unwrap_or("AWSCURRENT"),
    };
    let version = versions.into_iter().find(wanted).ok_or_else(|| match &input.version_id {
        Some(id) => missing(&format!("Secrets Manager can't find the specified secret value for VersionId: {id}")),
        None => missing(&format!(
            "Secrets Manager can't find the specified secret value for staging label: {}",
            stage.unwrap_or("AWSCURRENT")
        )),
    })?;
    if stage.is_some_and(|stage| stage != version.stage) {
        return Err(Failure::bad(
            "InvalidRequestException",
            "You provided a VersionStage that is not associated to the provided VersionId.",
        ));
    }
    Ok(version)
}

fn missing(sentence: &str) -> Failure {
    Failure::bad("ResourceNotFoundException", sentence.to_owned())
}
