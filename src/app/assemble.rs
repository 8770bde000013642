//! From the configuration to the entries: every source with what it needs.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use super::{CannotStart, Outside};
use crate::config::{Config, Credentials, CredentialsSource, Login, Token, TokenSource};
use crate::refresh::schedule::{Freshness, Keep};
use crate::refresh::{self, Entry, Inputs, Store};
use crate::source::aws::{Identity, Sdk};
use crate::source::upstream::Upstream;
use crate::source::{
    AwsCredentials, BearerToken, Source, ambient::Ambient, assume_role::AssumeRole, client_token::ClientToken,
    identity_pool, identity_pool::IdentityPool, machine_user::MachineUser, token_endpoint::TokenEndpoint,
};

/// Makes the entries of `config`. Nothing is fetched yet.
///
/// # Errors
/// If the configuration names what is not there, which its check excludes.
pub fn store(config: Config, upstream: &Upstream, outside: &Outside) -> Result<Store, CannotStart> {
    let sdk = Arc::new(Sdk::new(config.aws, upstream.clone()));
    let mut tokens = BTreeMap::new();
    for (name, token) in config.tokens {
        let scopes = token.scopes.clone();
        let entry = Arc::new(token_entry(&name, token, upstream, &sdk, outside));
        tokens.insert(name, refresh::Token { entry, scopes });
    }
    let mut waiting = config.credentials;
    let mut credentials = BTreeMap::new();
    let own = own_identity(&mut waiting, &mut credentials, &sdk, outside);
    let assembly = Assembly { sdk, outside, own: &own, tokens: &tokens };
    // Each stage is made before the ones that are built on it.
    while let Some(name) = assembly.next(&waiting) {
        if let Some(entry) = waiting.remove(&name) {
            let entry = assembly.credentials_entry(&name, entry, &credentials)?;
            credentials.insert(name, Arc::new(entry));
        }
    }
    match waiting.keys().next() {
        Some(name) => Err(CannotStart::Unmade(format!("credentials.{name}"))),
        None => Ok(Store::new(tokens, credentials, own)),
    }
}

fn token_entry(name: &str, token: Token, upstream: &Upstream, sdk: &Arc<Sdk>, outside: &Outside) -> Entry<BearerToken> {
    let origin = token.to_string();
    let inputs = Inputs { caller: false, scopes: token.scopes.len() > 1 };
    let (clock, environment) = (outside.clock.clone(), Arc::clone(&outside.environment));
    let source: Arc<dyn Source<BearerToken>> = match token.source {
        TokenSource::TokenEndpoint(config) => {
            Arc::new(TokenEndpoint::new(config, upstream.clone(), clock.clone(), environment))
        }
        TokenSource::ClientToken(config) => {
            Arc::new(ClientToken::new(config, Arc::clone(sdk), clock.clone(), environment))
        }
        TokenSource::MachineUser(config) => {
            Arc::new(MachineUser::new(config, Arc::clone(sdk), clock.clone(), environment))
        }
    };
    Entry::new(&format!("tokens.{name}"), origin, source, inputs, token.freshness, clock)
}

/// The broker's own identity, the first stage of whatever is signed and names no other: the first `ambient` entry if there is
/// one, so that it is cached once.
fn own_identity(
    waiting: &mut BTreeMap<String, Credentials>,
    made: &mut BTreeMap<String, Arc<Entry<AwsCredentials>>>,
    sdk: &Arc<Sdk>,
    outside: &Outside,
) -> Arc<Entry<AwsCredentials>> {
    let clock = outside.clock.clone();
    let source = Arc::new(Ambient::new(Arc::clone(sdk), clock.clone()));
    let is_ambient = |(_, entry): &(&String, &Credentials)| matches!(entry.source, CredentialsSource::Ambient);
    let named = waiting.iter().find(is_ambient).map(|(name, _)| name.clone());
    match named.and_then(|name| waiting.remove_entry(&name)) {
        Some((name, entry)) => {
            let (full, origin) = (format!("credentials.{name}"), entry.to_string());
            let own = Arc::new(Entry::new(&full, origin, source, entry.inputs, entry.freshness, clock));
            made.insert(name, Arc::clone(&own));
            own
        }
        None => {
            let freshness = Freshness { ahead: 0.75, keep: Keep::Used, outage_cover: None, life_left: Duration::ZERO };
            let origin = "ambient, by the SDK's chain".to_owned();
            Arc::new(Entry::new("the broker's own AWS identity", origin, source, Inputs::default(), freshness, clock))
        }
    }
}

struct Assembly<'a> {
    sdk: Arc<Sdk>,
    outside: &'a Outside,
    own: &'a Arc<Entry<AwsCredentials>>,
    tokens: &'a BTreeMap<String, refresh::Token>,
}

impl Assembly<'_> {
    /// An entry whose earlier stages are all made.
    fn next(&self, waiting: &BTreeMap<String, Credentials>) -> Option<String> {
        let is_ready = |entry: &Credentials| match &entry.source {
            CredentialsSource::AssumeRole { identity: Some(identity), .. } => !waiting.contains_key(identity),
            _ => true,
        };
        waiting.iter().find(|(_, entry)| is_ready(entry)).map(|(name, _)| name.clone())
    }

    fn credentials_entry(
        &self,
        name: &str,
        entry: Credentials,
        made: &BTreeMap<String, Arc<Entry<AwsCredentials>>>,
    ) -> Result<Entry<AwsCredentials>, CannotStart> {
        let full = format!("credentials.{name}");
        let origin = entry.to_string();
        let (sdk, host, clock) = (Arc::clone(&self.sdk), Arc::clone(&self.outside.host), self.outside.clock.clone());
        let source: Arc<dyn Source<AwsCredentials>> = match entry.source {
            CredentialsSource::Ambient => Arc::new(Ambient::new(sdk, clock.clone())),
            CredentialsSource::AssumeRole { role, identity } => {
                let stage = match identity {
                    None => Arc::clone(self.own),
                    Some(identity) => made.get(&identity).cloned().ok_or_else(|| CannotStart::Unmade(full.clone()))?,
                };
                Arc::new(AssumeRole::new(role, sdk, stage as Identity, host, clock.clone()))
            }
            CredentialsSource::IdentityPool { pool, login } => {
                let login = self.login(login).ok_or_else(|| CannotStart::Unmade(full.clone()))?;
                Arc::new(IdentityPool::new(pool, login, sdk, host, clock.clone()))
            }
        };
        Ok(Entry::new(&full, origin, source, entry.inputs, entry.freshness, clock))
    }

    /// `None` if it needs a token that is not there.
    fn login(&self, login: Login) -> Option<identity_pool::Login> {
        Some(match login {
            Login::Guest => identity_pool::Login::Guest,
            Login::Developer { provider, user } => {
                identity_pool::Login::Developer { provider, user, identity: Arc::clone(self.own) as Identity }
            }
            Login::Token { name, provider } => {
                let token = Arc::clone(&self.tokens.get(&name)?.entry);
                identity_pool::Login::Token { provider, token }
            }
        })
    }
}
