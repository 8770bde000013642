//! From the configuration to the files that are kept fresh: each with the entry it is filled from.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::made::Made;
use super::{CannotStart, Outside};
use crate::files::{Config, Files, Of, What};
use crate::ops::audit::Audit;
use crate::place::Place;

/// The files of `config`, filled from what is `made`; those of `before` that are the same go on. Nothing is written yet.
///
/// # Errors
/// If the configuration names what is not there, which its check excludes.
pub fn files(
    config: &BTreeMap<String, Config>,
    entries: &Made,
    outside: &Outside,
    audit: &Audit,
    before: Option<&Files>,
) -> Result<Files, CannotStart> {
    let made = |(name, file): (&String, &Config)| {
        let what = match &file.of {
            Of::Token(token, format) => {
                entries.tokens.get(token).map(|(_, entry)| What::Token(Arc::clone(entry), *format))
            }
            Of::Credentials(held, format) => {
                entries.credentials.get(held).map(|(_, entry)| What::Credentials(Arc::clone(entry), *format))
            }
        };
        let what = what.ok_or_else(|| CannotStart::Unmade(format!("files.{name}")))?;
        Ok((name.clone(), what, Place::new(file.path.clone(), file.mode, file.group.clone())))
    };
    let named = config.iter().map(made).collect::<Result<Vec<_>, CannotStart>>()?;
    Ok(Files::new(named, &outside.clock, audit, before))
}
