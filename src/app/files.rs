//! From the configuration to the files that are kept fresh: each with the entry it is filled from.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::{CannotStart, Outside};
use crate::files::{Config, Files, Of, What};
use crate::ops::audit::Audit;
use crate::place::Place;
use crate::refresh;

/// The files of `config`. Nothing is written yet.
///
/// # Errors
/// If the configuration names what is not there, which its check excludes.
pub fn files(
    config: BTreeMap<String, Config>,
    tokens: &BTreeMap<String, refresh::Token>,
    credentials: &BTreeMap<String, refresh::Credentials>,
    outside: &Outside,
    audit: &Audit,
) -> Result<Files, CannotStart> {
    let made = |(name, file): (String, Config)| {
        let what = match &file.of {
            Of::Token(token, format) => tokens.get(token).map(|token| What::Token(Arc::clone(&token.entry), *format)),
            Of::Credentials(held, format) => {
                credentials.get(held).map(|held| What::Credentials(Arc::clone(&held.entry), *format))
            }
        };
        let what = what.ok_or_else(|| CannotStart::Unmade(format!("files.{name}")))?;
        Ok((name, what, Place::new(file.path, file.mode, file.group)))
    };
    Ok(Files::new(config.into_iter().map(made).collect::<Result<Vec<_>, CannotStart>>()?, &outside.clock, audit))
}
