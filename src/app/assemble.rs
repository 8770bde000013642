//! From the configuration to the entries: every source with what it needs.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::Outside;
use crate::config::{Config, Credentials, CredentialsSource, Login, Token, TokenSource};
use crate::refresh::schedule::{Freshness, Keep};
use crate::refresh::{Entry, Inputs, Store};
use crate::source::aws::{Identity, Sdk};
use crate::source::upstream::Upstream;
use crate::source::{
    AwsCredentials, BearerToken, Source, ambient::Ambient, assume_role::AssumeRole, client_token::ClientToken,
    identity_pool, identity_pool::IdentityPool, machine_user::MachineUser, token_endpoint::TokenEndpoint,
};

/// Makes the entries of `config`. Nothing is fetched yet.
pub fn store(config: Config, upstream: &Upstream, outside: &Outside) -> Store {
    let sdk = Arc::new(Sdk::new(config.aws, upstream.clone()));
    let mut tokens = BTreeMap::new();
    let mut scopes = BTreeMap::new();
    for (name, token) in config.tokens {
        scopes.insert(name.clone(), token.scopes.clone());
        tokens.insert(name.clone(), Arc::new(token_entry(&name, token, upstream, &sdk, outside)));
    }
    let own = Arc::new(own_identity(&sdk, outside));
    let assembly = Assembly { sdk, outside, own, tokens: &tokens };
    let mut credentials = BTreeMap::new();
    let mut waiting = config.credentials;
    // Each stage is made before the ones that are built on it; the configuration has no cycles.
    while let Some(name) = assembly.next(&waiting) {
        if let Some(entry) = waiting.remove(&name) {
            credentials.insert(name.clone(), Arc::new(assembly.credentials_entry(&name, entry, &credentials)));
        }
    }
    Store { tokens, scopes, credentials }
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

/// The broker's own identity: the first stage of whatever is signed and names no other.
fn own_identity(sdk: &Arc<Sdk>, outside: &Outside) -> Entry<AwsCredentials> {
    let freshness =
        Freshness { ahead: 0.75, keep: Keep::Used, outage_cover: None, life_left: std::time::Duration::ZERO };
    let source = Arc::new(Ambient::new(Arc::clone(sdk), outside.clock.clone()));
    Entry::new(
        "the broker's own AWS identity",
        "ambient".to_owned(),
        source,
        Inputs::default(),
        freshness,
        outside.clock.clone(),
    )
}

struct Assembly<'a> {
    sdk: Arc<Sdk>,
    outside: &'a Outside,
    own: Arc<Entry<AwsCredentials>>,
    tokens: &'a BTreeMap<String, Arc<Entry<BearerToken>>>,
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
    ) -> Entry<AwsCredentials> {
        let origin = entry.to_string();
        let (sdk, host, clock) = (Arc::clone(&self.sdk), Arc::clone(&self.outside.host), self.outside.clock.clone());
        let own = || Arc::clone(&self.own) as Identity;
        let source: Arc<dyn Source<AwsCredentials>> = match entry.source {
            CredentialsSource::Ambient => Arc::new(Ambient::new(sdk, clock.clone())),
            CredentialsSource::AssumeRole { role, identity } => {
                let stage = identity.and_then(|identity| made.get(&identity).cloned());
                let identity = stage.map_or_else(own, |stage| stage as Identity);
                Arc::new(AssumeRole::new(role, sdk, identity, host, clock.clone()))
            }
            CredentialsSource::IdentityPool { pool, login } => {
                let login = self.login(login);
                Arc::new(IdentityPool::new(pool, login, sdk, host, clock.clone()))
            }
        };
        Entry::new(&format!("credentials.{name}"), origin, source, entry.inputs, entry.freshness, clock)
    }

    fn login(&self, login: Login) -> identity_pool::Login {
        match login {
            Login::Guest => identity_pool::Login::Guest,
            Login::Developer { provider, user } => {
                identity_pool::Login::Developer { provider, user, identity: Arc::clone(&self.own) as Identity }
            }
            Login::Token { name, provider } => match self.tokens.get(&name) {
                Some(token) => identity_pool::Login::Token { provider, token: Arc::clone(token) as _ },
                // The configuration was checked: every reference names something.
                None => identity_pool::Login::Guest,
            },
        }
    }
}
