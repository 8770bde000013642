//! Inbound tokens: is a JWT that somebody hands in one of an issuer's, and may it be used here?
//!
//! The contract (RFC 7515, 7519, 8725). A token is refused unless its signature is that of a key its issuer publishes, by an
//! algorithm that belongs to the key; `iss` is the configured issuer to the letter; `exp` is there and to come, `nbf` past;
//! and client, audience and scopes are what the configuration asks for. For Amazon Cognito: RS256 only, `token_use` exactly
//! the configured kind, the client in `client_id` (access token) or `aud` (ID token).
//!
//! Now is what this machine's clock shows. The clocks of sources, by which lifetimes are counted, have no say here: an answer with a
//! `Date` of long ago would make expired tokens valid.
//!
//! The threats. Whoever sends a token chose every byte of it. So it never says where keys come from, nor how its signature is
//! checked; nothing is fetched for it but its issuer's one key set, for an unknown key id at most once in ten seconds; no lock
//! is held meanwhile, and tokens with known keys do not wait. Keys that cannot be renewed are used on for a day. No answer
//! and no log line repeats anything out of a token that is refused.

mod claims;
mod jws;
mod refused;

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use serde_json::{Map, Value};

pub use refused::Refused;

use crate::clock::{Clock, Moment};
use crate::lease::Lease;
use crate::policy::{Grant, Permit};
use crate::refresh::{Carried, Entry, PATIENCE, Report};
use crate::source::key_set::KeySet;
use crate::source::public_key::{Algorithm, PublicKey};
use crate::source::{Ask, Failure, Stage as _};
use claims::Claims;
use jws::Jws;

/// What is asked of an issuer's tokens. Lists that are empty ask nothing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Config {
    /// The accepted spellings of `iss`.
    pub issuers: Vec<String>,
    /// Which claims say what.
    pub kind: Kind,
    /// The clients whose tokens are accepted.
    pub clients: Vec<String>,
    /// The audiences that are accepted.
    pub audience: Vec<String>,
    /// The scopes that are all required.
    pub scopes: Vec<String>,
    /// By how much clocks may differ.
    pub leeway: Duration,
}

/// Which claims say what.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Access tokens of a Cognito user pool.
    CognitoAccess,
    /// ID tokens of a Cognito user pool.
    CognitoId,
    /// Tokens of any other issuer.
    Generic,
}

/// A token that is accepted. Debug leaves its claims out.
#[derive(Clone)]
pub struct Verified {
    /// Whose it is, as it spells that.
    pub issuer: String,
    /// `sub`.
    pub subject: Option<String>,
    /// The client it was issued to.
    pub client: Option<String>,
    /// The scopes granted.
    pub scopes: Vec<String>,
    /// Its end by `exp`, without leeway; now, where only leeway keeps it alive.
    pub expiry: Moment,
    /// All of its claims.
    pub claims: Map<String, Value>,
}

/// An authority whose tokens are verified.
pub struct Issuer {
    config: Config,
    keys: Arc<Entry<KeySet>>,
    clock: Clock,
}

/// Every issuer of the configuration, by name.
#[derive(Debug, Default)]
pub struct Issuers(BTreeMap<String, Issuer>);

/// What an issuer's keys look like from outside.
#[derive(Clone, Debug)]
pub struct Keys {
    /// Where they come from, and what last kept them from being renewed.
    pub report: Report,
    /// The ids of those that are held, and when they were fetched.
    pub held: Option<(Vec<String>, Moment)>,
}

impl Issuers {
    /// The issuers `named`.
    pub fn new(named: BTreeMap<String, Issuer>) -> Self {
        Self(named)
    }

    /// The one called `name`: for what the broker itself verifies, under a permit for something else.
    pub fn named(&self, name: &str) -> Option<&Issuer> {
        self.0.get(name)
    }

    /// The one that `permit` is for.
    pub fn permitted(&self, permit: &Permit) -> Option<&Issuer> {
        let Grant::Issuer(name) = permit.grant() else { return None };
        self.named(name)
    }

    /// The keys that are held, as they go to the next process.
    pub fn carried(&self) -> Vec<Carried<KeySet>> {
        self.0.values().flat_map(|issuer| issuer.keys.carried()).collect()
    }

    /// Holds the keys in `carried` from now on, where none are held yet. How many sets have found their issuers.
    pub fn take_up(&self, carried: Vec<Carried<KeySet>>) -> usize {
        let taken = carried.into_iter().filter_map(|carried| {
            let issuer = self.named(carried.name.strip_prefix("issuers.")?)?;
            issuer.keys.take_up(carried).then_some(())
        });
        taken.count()
    }

    /// What the keys of each look like from outside, in the order of the names.
    pub fn keys(&self) -> Vec<Keys> {
        self.0.values().map(Issuer::keys).collect()
    }
}

impl Issuer {
    /// The issuer whose tokens are verified with `keys` and held against `config`.
    pub fn new(config: Config, keys: Arc<Entry<KeySet>>, clock: Clock) -> Self {
        Self { config, keys, clock }
    }

    /// The scopes that every token of it has to have.
    pub fn scopes(&self) -> &[String] {
        &self.config.scopes
    }

    /// Verifies `token`. It takes no longer than a caller waits for anything else: if the keys are not there by then, they are
    /// at the next time.
    ///
    /// # Errors
    /// [`Refused`] says why not; its words hold nothing out of the token.
    pub async fn verify(&self, token: &str) -> Result<Verified, Refused> {
        let token = Jws::read(token)?;
        if self.config.kind != Kind::Generic && token.algorithm != Algorithm::Rs256 {
            return Err(Refused::Algorithm);
        }
        let key = self.key(token.key_id.as_deref()).await?;
        if !key.allows(token.algorithm) {
            return Err(Refused::Algorithm);
        }
        if !key.verifies(token.algorithm, token.message, &token.signature) {
            return Err(Refused::Signature);
        }
        self.accept(token.claims()?)
    }

    /// The claims of a token whose signature is right.
    fn accept(&self, claims: Map<String, Value>) -> Result<Verified, Refused> {
        let found = Claims(&claims);
        let issuer = found.issuer(&self.config)?.to_owned();
        let expiry = found.expiry(self.clock.wall(), self.config.leeway)?;
        let client = found.client(&self.config)?.map(ToOwned::to_owned);
        found.audience(&self.config)?;
        found.id()?;
        let subject = found.subject()?.map(ToOwned::to_owned);
        let scopes = found.scopes()?.into_iter().map(ToOwned::to_owned).collect();
        let expiry = self.clock.moment_of(expiry);
        let verified = Verified { issuer, subject, client, scopes, expiry, claims };
        verified.has_scopes(&self.config.scopes)?;
        Ok(verified)
    }

    /// The key called `id`. Where the keys held do not have it they are fetched early, as [`crate::source::Stage::newer`] allows.
    async fn key(&self, id: Option<&str>) -> Result<PublicKey, Refused> {
        let search = async {
            let lease = self.keys.held(&Ask::default()).await.map_err(Refused::KeysUnavailable)?;
            let in_lease = |lease: &Lease<KeySet>| lease.value.key(id).cloned();
            if let Some(key) = in_lease(&lease) {
                return Ok(key);
            }
            // Whoever names no key is not helped by newer ones.
            let newer = if id.is_some() { self.keys.newer(&Ask::default(), &lease).await } else { None };
            newer.and_then(|lease| in_lease(&lease)).ok_or(Refused::UnknownKey)
        };
        let late = |_| Err(Refused::KeysUnavailable(Failure::timed_out("the issuer's key set", PATIENCE)));
        tokio::time::timeout(PATIENCE, search).await.unwrap_or_else(late)
    }

    fn keys(&self) -> Keys {
        let held = self.keys.at_hand();
        let held = held.map(|lease| (lease.value.ids().map(ToOwned::to_owned).collect(), lease.issued_at));
        Keys { report: self.keys.report(), held }
    }
}

impl Verified {
    /// Was it granted all of `required`? For what a request asks beyond the configuration.
    ///
    /// # Errors
    /// [`Refused::Scope`] with those that are missing.
    pub fn has_scopes(&self, required: &[String]) -> Result<(), Refused> {
        let missing: Vec<String> = required.iter().filter(|scope| !self.scopes.contains(scope)).cloned().collect();
        if missing.is_empty() { Ok(()) } else { Err(Refused::Scope { missing }) }
    }
}

impl fmt::Debug for Verified {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Verified").field("issuer", &self.issuer).finish_non_exhaustive()
    }
}

impl fmt::Debug for Issuer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Issuer").field("config", &self.config).field("keys", &self.keys).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
