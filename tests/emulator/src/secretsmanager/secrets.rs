//! The secrets' versions. A version that loses its last label can no longer be found.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::random;
use crate::world::World;

/// One version of a secret.
#[derive(Clone)]
pub(super) struct Version {
    pub(super) id: String,
    pub(super) stage: &'static str,
    pub(super) value: String,
    /// Seconds since the epoch.
    pub(super) created: i64,
}

pub(crate) struct Secrets {
    versions: Mutex<BTreeMap<String, Vec<Version>>>,
}

impl Secrets {
    pub(crate) fn of(world: &World, now: i64) -> Secrets {
        let versions = world.secrets.iter().map(|(name, secret)| {
            let labelled = [
                ("AWSCURRENT", Some(&secret.current)),
                ("AWSPREVIOUS", secret.previous.as_ref()),
                ("AWSPENDING", secret.pending.as_ref()),
            ];
            let versions = labelled.into_iter().filter_map(|(stage, value)| Some(version(stage, value?, now)));
            (name.clone(), versions.collect())
        });
        Secrets { versions: Mutex::new(versions.collect()) }
    }

    /// Makes `value` the current version, and the current one the previous; whether the secret exists.
    pub(crate) fn put(&self, name: &str, value: &str, now: i64) -> bool {
        let mut all = self.versions();
        let Some(versions) = all.get_mut(name) else {
            return false;
        };
        versions.retain(|version| version.stage != "AWSPREVIOUS");
        versions.iter_mut().filter(|v| v.stage == "AWSCURRENT").for_each(|v| v.stage = "AWSPREVIOUS");
        versions.push(version("AWSCURRENT", value, now));
        true
    }

    pub(super) fn versions_of(&self, name: &str) -> Vec<Version> {
        self.versions().get(name).cloned().unwrap_or_default()
    }

    fn versions(&self) -> MutexGuard<'_, BTreeMap<String, Vec<Version>>> {
        self.versions.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn version(stage: &'static str, value: &str, now: i64) -> Version {
    Version { id: random::uuid(), stage, value: value.to_owned(), created: now }
}
