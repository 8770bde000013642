//! Another configuration in the place of the one in effect, at SIGHUP: read and checked as a whole, made beside it, and put in its
//! place at once; or refused, after which everything is as it was.

use std::path::{Path, PathBuf};
use std::time::Duration;

use super::CannotStart;
use super::generation::{Generation, Lasting, Prepared};
use crate::config::{Config, Problems, Token};
use crate::policy::directory;
use crate::secret::Secret;
use crate::source::keyring::Place;

/// A reload that is not ready within this is refused: something that is read hangs.
const LONGEST: Duration = Duration::from_secs(20);

/// Why a configuration is not put in effect.
#[derive(Debug, thiserror::Error)]
pub enum Refused {
    /// There are mistakes in it.
    #[error(transparent)]
    Problems(#[from] Problems),
    /// What it names cannot be had.
    #[error(transparent)]
    Start(#[from] CannotStart),
    /// Secrets that its new entries need cannot be read.
    #[error("secrets cannot be read")]
    Secrets(Vec<String>),
    /// It lets nobody in, where the one in effect lets somebody in.
    #[error(
        "it has no [callers.*], where the one in effect has some: the file may have been cut off when it was written; to let nobody in, stop \
         the daemon"
    )]
    Nobody,
    /// It takes too long.
    #[error(
        "it was not ready within 20s: the configuration, a secret or a caller's token is on a file system that hangs, or a user directory \
         does not answer"
    )]
    Late,
    /// It could not be read for a reason inside of the process.
    #[error("the configuration could not be read; this is a mistake of credbroker, please report it")]
    Broken,
}

impl Refused {
    /// A line for each problem. Never a secret.
    pub fn lines(&self) -> Vec<String> {
        match self {
            Self::Problems(problems) => problems.lines().to_vec(),
            Self::Secrets(lines) => lines.clone(),
            other => vec![other.to_string()],
        }
    }
}

/// The configuration in `file`, ready to take the place of the one in effect.
///
/// # Errors
/// [`Refused`], after which everything is as it was.
pub async fn prepare(file: &Path, lasting: &Lasting, before: &Generation) -> Result<Prepared, Refused> {
    let ready = async {
        let config = load(file, lasting).await?;
        if config.callers.is_empty() && !before.config().callers.is_empty() {
            return Err(Refused::Nobody);
        }
        secrets_are_there(&config, lasting, before).await?;
        Ok(Prepared::new(config, lasting, Some(before)).await?)
    };
    tokio::time::timeout(LONGEST, ready).await.unwrap_or(Err(Refused::Late))
}

/// Reads the file beside the runtime: it may be on a file system that hangs.
async fn load(file: &Path, lasting: &Lasting) -> Result<Config, Refused> {
    let file = file.to_owned();
    Ok(lasting.beside(move || Config::load(&file)).await.ok_or(Refused::Broken)??)
}

/// At the start an entry whose secret is missing is in trouble until it is there. Here there is something better than that, so what
/// is new is not put in effect without.
async fn secrets_are_there(config: &Config, lasting: &Lasting, before: &Generation) -> Result<(), Refused> {
    let mut missing = Vec::new();
    for (name, token) in &config.tokens {
        if before.config().tokens.get(name).is_some_and(|before| before.is_obtained_like(token)) {
            continue;
        }
        for places in needed(token) {
            if let Some(why) = unreadable(&places, lasting).await {
                missing.push(format!("tokens.{name}: {why}"));
            }
        }
    }
    for (name, path) in callers_moved(config, before.config()) {
        if let Err(why) = Secret::File(path.clone()).obtain(&lasting.outside.environment).await {
            missing.push(format!("callers.{name}: {why}"));
        }
    }
    if missing.is_empty() { Ok(()) } else { Err(Refused::Secrets(missing)) }
}

/// The callers that stay and have their token in another file from now on: without it they would be locked out. One that is new is
/// waited for, as at the start.
fn callers_moved<'a>(config: &'a Config, before: &'a Config) -> impl Iterator<Item = (&'a str, &'a PathBuf)> {
    config.callers.iter().filter_map(|caller| {
        let Some(directory::Token::File(path)) = &caller.token else { return None };
        let last = before.callers.iter().find(|last| last.name == caller.name)?;
        (last.token != caller.token).then_some((&*caller.name, path))
    })
}

/// Each secret that `token` takes, with the places of which one is enough.
fn needed(token: &Token) -> Vec<Vec<&Place>> {
    let either = token.source.client_secret().unwrap_or_default();
    let others = token.source.secrets().into_iter().filter(|place| !either.contains(place));
    let either = (!either.is_empty()).then(|| either.iter().collect());
    either.into_iter().chain(others.map(|place| vec![place])).collect()
}

/// Why none of `places` can be read, if that is so. What is at AWS is asked for when it is needed.
async fn unreadable(places: &[&Place], lasting: &Lasting) -> Option<String> {
    let mut why = None;
    for place in places {
        let Place::Local(secret) = place else { return None };
        match Secret::obtain(secret, &lasting.outside.environment).await {
            Ok(_) => return None,
            Err(cause) => why = why.or(Some(cause.to_string())),
        }
    }
    why
}
