//! What the doctor looks at, gathered before anything is judged.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use secrecy::SecretString;
use serde_json::Value;
use url::Url;

use super::address::is_the_daemon;
use crate::app::{self, Outside};
use crate::cli::ask::complaint;
use crate::cli::client::{Answer, Client, Unanswered, Where};
use crate::cli::home;
use crate::cli::sdk::profiles::Profiles;
use crate::cli::sdk::variables::{FULL_URI, TOKEN, TOKEN_FILE};
use crate::environment::Environment;
use crate::file;

/// No caller's token is longer than this, in bytes.
const LONGEST: usize = 64 * 1024;
/// The most impatient SDK, that for JavaScript, waits this long for credentials.
const SDK_PATIENCE: Duration = Duration::from_secs(1);

/// What the doctor looks at.
#[derive(Clone, Debug, Default)]
pub struct Scene {
    /// The variables.
    pub environment: Arc<Environment>,
    /// The profile files.
    pub profiles: Profiles,
    /// Where the daemon is looked for.
    pub place: String,
    /// What it answered to this caller.
    pub daemon: Daemon,
    /// The files that hold the caller's token, each with the variable that names it.
    pub token_files: Vec<TokenFile>,
    /// What an SDK is answered that asks by [`FULL_URI`], if that is the daemon's: the status, and the daemon's words.
    pub sdk: Option<Result<(u16, String), String>>,
    /// Who told the time, and how far this machine's clock is ahead of it, in seconds; or why it is not known.
    pub clock: Option<Result<(String, i64), String>>,
}

/// What the daemon answered.
#[derive(Clone, Debug, Default)]
pub enum Daemon {
    /// It was not asked.
    #[default]
    NotAsked,
    /// It cannot be asked from here, with why and what kind of thing that is.
    Unanswered(String),
    /// It refuses, with the status and its words.
    Refuses(u16, String),
    /// Its status.
    Answers(Value),
}

/// A file that holds a caller's token.
#[derive(Clone, Debug)]
pub struct TokenFile {
    /// The variable that names it.
    pub variable: &'static str,
    /// Where it is.
    pub path: PathBuf,
    /// What it looks like, or why it cannot be read.
    pub look: Result<Look, String>,
}

/// What a token file looks like from outside.
#[derive(Clone, Copy, Debug, Default)]
pub struct Look {
    /// Its permissions.
    pub mode: u32,
    /// Does it hold a line break or another control character?
    pub has_control: bool,
    /// Does it hold nothing?
    pub is_empty: bool,
}

impl Scene {
    /// Looks around.
    pub async fn gather(place: &Where, outside: &Outside) -> Self {
        let environment = Arc::clone(&outside.environment);
        let profiles = Profiles::read(&environment, home(&environment).as_deref());
        let full = environment.var(FULL_URI).and_then(|url| Url::parse(url).ok()).filter(is_the_daemon);
        let place = match &full {
            // Where nothing else is said, the daemon is the one that SDKs are told of.
            Some(url) if place.is_default() => Where::origin_of(url),
            _ => place.clone(),
        };
        let token_files = ["CREDBROKER_TOKEN_FILE", TOKEN_FILE]
            .iter()
            .filter_map(|variable| Some(TokenFile::look(variable, environment.var(variable)?.as_ref())))
            .collect();
        let sdk = match &full {
            Some(url) => Some(as_an_sdk(url, &environment).await),
            None => None,
        };
        let clock = Some(clock(outside).await);
        Self {
            daemon: ask(&place, outside).await,
            place: place.to_string(),
            environment,
            profiles,
            token_files,
            sdk,
            clock,
        }
    }

    /// Is any SDK told of the daemon?
    pub fn is_told_of_the_daemon(&self) -> bool {
        self.environment.var(FULL_URI).and_then(|url| Url::parse(url).ok()).is_some_and(|url| is_the_daemon(&url))
    }
}

impl TokenFile {
    fn look(variable: &'static str, path: &Path) -> Self {
        use std::os::unix::fs::PermissionsExt as _;
        let look = file::read(path, LONGEST).map_err(|cause| cause.to_string()).and_then(|bytes| {
            let mode = std::fs::metadata(path).map_err(|cause| cause.to_string())?.permissions().mode();
            let has_control = bytes.iter().any(u8::is_ascii_control);
            Ok(Look { mode: mode & 0o7777, has_control, is_empty: bytes.is_empty() })
        });
        Self { variable, path: path.to_owned(), look }
    }
}

async fn ask(place: &Where, outside: &Outside) -> Daemon {
    let client = match place.client(outside) {
        Ok(client) => client,
        Err(cause) => return Daemon::Unanswered(cause.to_string()),
    };
    match client.get("/v1/status").await {
        Ok(answer) if answer.status.is_success() => match serde_json::from_slice::<Value>(&answer.body) {
            Ok(status) if status["version"].is_string() => Daemon::Answers(status),
            _ => Daemon::Refuses(answer.status.as_u16(), "the answer is no status document".to_owned()),
        },
        Ok(answer) => Daemon::Refuses(answer.status.as_u16(), complaint(&answer)),
        Err(cause) => Daemon::Unanswered(cause.to_string()),
    }
}

/// Asks as an SDK would: with what the container provider's variables say, and its patience.
async fn as_an_sdk(url: &Url, environment: &Environment) -> Result<(u16, String), String> {
    let authorization = match environment.var(TOKEN_FILE) {
        Some(path) => {
            let bytes = file::read(path.as_ref(), LONGEST).map_err(|cause| format!("{TOKEN_FILE}: {path} {cause}"))?;
            Some(SecretString::from(String::from_utf8_lossy(&bytes).into_owned()))
        }
        None => environment.secret(TOKEN),
    };
    let asked = |client: Result<Client, Unanswered>| client.ok()?.like_an_sdk(None, authorization);
    let client =
        asked(Where::origin_of(url).nobody()).ok_or_else(|| format!("{url} is not an address of this machine"))?;
    let words = |answer: &Answer| if answer.status.is_success() { String::new() } else { complaint(answer) };
    match client.get_within(url.path(), SDK_PATIENCE).await {
        Ok(answer) => Ok((answer.status.as_u16(), words(&answer))),
        Err(cause) => Err(cause.to_string()),
    }
}

/// How far this machine's clock is ahead of AWS's, in seconds.
async fn clock(outside: &Outside) -> Result<(String, i64), String> {
    let (who, theirs) = app::time_of_sts(outside).await?;
    Ok((who, ahead(outside.clock.wall(), theirs)))
}

fn ahead(ours: SystemTime, theirs: SystemTime) -> i64 {
    let seconds = |span: Duration| i64::try_from(span.as_secs()).unwrap_or(i64::MAX);
    match ours.duration_since(theirs) {
        Ok(span) => seconds(span),
        Err(before) => -seconds(before.duration()),
    }
}
