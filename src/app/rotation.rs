//! From the configuration to the rotation of one token's client secret.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::assemble::Assembly;
use super::lifecycle::endpoints_are_safe;
use super::{CannotStart, Outside};
use crate::config::{Config, Token, TokenSource};
use crate::rotation::app_client::{self, AppClient};
use crate::rotation::files::{Files, Trouble};
use crate::rotation::{Rotation, Stopped};
use crate::secret::Secret;
use crate::source::aws::{Identity, Sdk};
use crate::source::keyring::{Place, Remote};
use crate::source::upstream::Upstream;

/// Why a secret was not rotated.
#[derive(Debug, thiserror::Error)]
pub enum CannotRotate {
    /// It is not one that can be, as it is configured.
    #[error("{0}")]
    Configuration(String),
    /// Something outside is not as it must be.
    #[error(transparent)]
    Start(#[from] CannotStart),
    /// Its file cannot be worked with; nothing was touched.
    #[error("{0}; nothing was touched")]
    Files(#[from] Trouble),
    /// A step failed.
    #[error(transparent)]
    Stopped(#[from] Stopped),
}

/// Rotates the client secret of `tokens.NAME`, or goes on with a rotation that was interrupted. Each step that is done is told.
///
/// # Errors
/// [`CannotRotate`]. A working secret is in the token's file whatever happens.
pub async fn rotate(config: Config, name: &str, outside: &Outside, say: impl FnMut(&str)) -> Result<(), CannotRotate> {
    let (app_client, file) = rotatable(&config, name).map_err(CannotRotate::Configuration)?;
    endpoints_are_safe(&outside.environment)?;
    let upstream = Upstream::new(&outside.environment).map_err(CannotStart::from)?;
    let files = Files::hold(&file)?;

    let unmade = || CannotStart::Unmade(format!("tokens.{name}"));
    let source = config.tokens.get(name).ok_or_else(unmade)?.source.clone();
    let sdk = Arc::new(Sdk::new(config.aws, upstream.clone(), outside.clock.clone()));
    let mut assembly = Assembly::new(config.tokens, config.credentials, Arc::clone(&sdk), upstream, outside);
    assembly.keyring = assembly.keyring.insisting();
    let with_next = assembly.token_source(with_secret(source.clone(), &files.next))?;
    let with_file = assembly.token_source(with_secret(source, &files.file))?;
    let identity = Arc::clone(&assembly.own) as Identity;
    let app_client = AppClient::new(app_client, sdk, identity);
    let token = format!("tokens.{name}");
    let rotation = Rotation { token, files, app_client, with_next, with_file, clock: outside.clock.clone() };
    Ok(rotation.run(say).await?)
}

/// The app client and the file of its secret, or what to do so that there is one.
fn rotatable(config: &Config, name: &str) -> Result<(app_client::Config, PathBuf), String> {
    let Some(token) = config.tokens.get(name) else {
        let names: Vec<String> = config.tokens.keys().map(|name| format!("tokens.{name}")).collect();
        return Err(format!("tokens.{name} is not configured; there is {}", names.join(", ")));
    };
    let app_client = token.app_client.clone().ok_or_else(|| {
        format!(
            "tokens.{name}: only secrets of Cognito app clients can be rotated (from = \"cognito\" or \"cognito-user\")"
        )
    })?;
    let file = match token.source.client_secret().and_then(<[Place]>::first) {
        Some(Place::Local(Secret::File(file))) => file.clone(),
        Some(place) => {
            return Err(format!(
                "tokens.{name}: its client secret is in {place}, where it cannot be written; keep it in a file, \
                 client_secret = {{ file = \"…\" }}, or rotate it where it is"
            ));
        }
        None => {
            return Err(format!("tokens.{name}: app client {} has no client_secret to rotate", app_client.client_id));
        }
    };
    let left: Vec<String> = left_behind(config, &app_client, &file).collect();
    if left.is_empty() {
        return Ok((app_client, file));
    }
    Err(format!(
        "tokens.{name}: its app client {} has the same secret elsewhere in this configuration, where it would stop working: {}; \
         nothing was touched; let each read the same file, client_secret = {{ file = \"{}\" }}",
        app_client.client_id,
        left.join(", "),
        file.display()
    ))
}

/// The tokens of `app_client` that would go on with the old secret when the one in `file` is replaced, and where they have it.
fn left_behind<'a>(
    config: &'a Config,
    app_client: &'a app_client::Config,
    file: &'a Path,
) -> impl Iterator<Item = String> + 'a {
    let lacks = |(name, token): (&String, &Token)| {
        let places =
            token.source.client_secret().filter(|places| is_asked_by(token, app_client) && !places.is_empty())?;
        let follows = places.iter().any(|place| follows(place, file));
        (!follows).then(|| {
            let places: Vec<String> = places.iter().map(ToString::to_string).collect();
            format!("tokens.{name} ({})", places.join(" or "))
        })
    };
    config.tokens.iter().filter_map(lacks)
}

/// Is `token` got as `app_client`? Cognito makes the ids of app clients, so with `from = "oauth2"` the id alone tells.
fn is_asked_by(token: &Token, app_client: &app_client::Config) -> bool {
    match (&token.app_client, &token.source) {
        (Some(own), _) => own == app_client,
        (None, TokenSource::TokenEndpoint { client, .. }) => client.client_id == app_client.client_id,
        (None, _) => false,
    }
}

/// Does what is read from `place` change with `file`, or with what Cognito accepts?
fn follows(place: &Place, file: &Path) -> bool {
    match place {
        Place::Local(Secret::File(other)) => is_same(other, file),
        Place::Local(Secret::Env(_) | Secret::Credential(_)) | Place::Remote(Remote::SecretsManager { .. }) => false,
        Place::Remote(Remote::UserPoolClient { .. }) => true,
    }
}

fn is_same(one: &Path, other: &Path) -> bool {
    one == other || matches!((one.canonicalize(), other.canonicalize()), (Ok(one), Ok(other)) if one == other)
}

/// The same source, asking with what `file` holds and nothing else.
fn with_secret(source: TokenSource, file: &Path) -> TokenSource {
    source.with_client_secret(vec![Place::Local(Secret::File(file.to_owned()))])
}
