//! From the configuration to the entries: every source with what it needs.

use std::collections::BTreeMap;
use std::sync::Arc;

use secrecy::SecretString;

use super::issuers::KeySets;
use super::made::{Known, Made, is_kept, kept};
use super::metadata::Stages;
use super::{AS_USED, CannotStart, Outside, origin};
use crate::config::{self, Config, Credentials, CredentialsSource, Login, Token, TokenSource, WebToken};
use crate::refresh::{self, Entry, Inputs, Store};
use crate::source::aws::{Identity, Sdk};
use crate::source::keyring::{Keyring, Place, Remote};
use crate::source::upstream::Upstream;
use crate::source::{
    AwsCredentials, BearerToken, Source, Stage,
    ambient::Ambient,
    assume_role::AssumeRole,
    client_token::ClientToken,
    identity_pool,
    identity_pool::IdentityPool,
    identity_token::IdentityToken,
    machine_user::MachineUser,
    remote_secret::RemoteSecret,
    token_endpoint::{self, TokenEndpoint},
    web_identity,
    web_identity::WebIdentity,
};

/// What the broker's own identity is called where it has no name.
const OWN: &str = "the broker's own AWS identity";

/// Makes the entries of `config`; of those `before` the ones that are made from the same go on. Nothing is fetched yet.
///
/// # Errors
/// If the configuration names what is not there, which its check excludes.
pub fn entries(
    config: &Config,
    upstream: &Upstream,
    metadata: Stages,
    outside: &Outside,
    before: Option<&Made>,
) -> Result<(Store, Made), CannotStart> {
    let sdk = before.filter(|before| before.sdk.0 == config.aws).map(|before| Arc::clone(&before.sdk.1));
    let make_sdk = || Arc::new(Sdk::new(config.aws.clone(), upstream.clone(), outside.clock.clone()));
    let sdk = sdk.unwrap_or_else(make_sdk);
    let (tokens, credentials) = (config.tokens.clone(), config.credentials.clone());
    let mut assembly = Assembly::new(tokens, credentials, Arc::clone(&sdk), upstream.clone(), outside, before);
    assembly.metadata = metadata;
    while let Some(name) = assembly.waiting_tokens.keys().next().cloned() {
        assembly.token(&name)?;
    }
    while let Some(name) = assembly.waiting_credentials.keys().next().cloned() {
        assembly.credentials(&name)?;
    }
    let store = Store::new(assembly.store_tokens(), assembly.store_credentials(), Arc::clone(&assembly.own));
    let Assembly { tokens, credentials, secrets, metadata, own, .. } = assembly;
    let key_sets = KeySets::default();
    Ok((store, Made { sdk: (config.aws.clone(), sdk), own, tokens, credentials, secrets, metadata, key_sets }))
}

/// Entries that are made, and those that wait to be. An entry is made after the earlier stages it is built on.
///
/// One of `before` is kept where it is made from the same and none of its earlier stages is made anew: it holds those.
pub(super) struct Assembly<'a> {
    waiting_tokens: BTreeMap<String, Token>,
    waiting_credentials: BTreeMap<String, Credentials>,
    tokens: Known<Token, BearerToken>,
    credentials: Known<Credentials, AwsCredentials>,
    secrets: BTreeMap<Remote, Arc<Entry<SecretString>>>,
    metadata: Stages,
    pub(super) own: Arc<Entry<AwsCredentials>>,
    pub(super) keyring: Keyring,
    sdk: Arc<Sdk>,
    upstream: Upstream,
    outside: &'a Outside,
    before: Option<&'a Made>,
    /// Does what is being made stand on anything that is made anew?
    stands_on_new: bool,
}

impl<'a> Assembly<'a> {
    pub(super) fn new(
        waiting_tokens: BTreeMap<String, Token>,
        mut waiting_credentials: BTreeMap<String, Credentials>,
        sdk: Arc<Sdk>,
        upstream: Upstream,
        outside: &'a Outside,
        before: Option<&'a Made>,
    ) -> Self {
        let is_sdk_kept = before.is_some_and(|before| Arc::ptr_eq(&before.sdk.1, &sdk));
        let (own, credentials) = own_identity(&mut waiting_credentials, &sdk, outside, before.filter(|_| is_sdk_kept));
        let is_own_kept = is_sdk_kept && is_kept(before.map(|before| &before.own), &own);
        let places = waiting_tokens.values().flat_map(|token| token.source.secrets());
        let secrets = secrets(places, &sdk, &own, outside, before.filter(|_| is_own_kept));
        let keyring = keyring(&secrets, outside);
        let (tokens, metadata) = (BTreeMap::new(), Stages::new(upstream.clone(), outside, None));
        Self {
            waiting_tokens,
            waiting_credentials,
            tokens,
            credentials,
            secrets,
            metadata,
            own,
            keyring,
            sdk,
            upstream,
            outside,
            before,
            stands_on_new: false,
        }
    }

    /// What `make` makes, and whether it stands on nothing that is made anew.
    fn stage<T>(&mut self, make: impl FnOnce(&mut Self) -> Result<T, CannotStart>) -> Result<(T, bool), CannotStart> {
        let outer = std::mem::take(&mut self.stands_on_new);
        let made = make(self);
        let stands_on_new = std::mem::replace(&mut self.stands_on_new, outer);
        Ok((made?, !stands_on_new))
    }

    fn sdk(&mut self) -> Arc<Sdk> {
        self.stands_on_new |= !self.before.is_some_and(|before| Arc::ptr_eq(&before.sdk.1, &self.sdk));
        Arc::clone(&self.sdk)
    }

    fn own(&mut self) -> Arc<Entry<AwsCredentials>> {
        self.stands_on_new |= !is_kept(self.before.map(|before| &before.own), &self.own);
        Arc::clone(&self.own)
    }

    /// The keys that `source` needs and no other: it may live longer than those.
    fn keyring(&mut self, source: &TokenSource) -> Keyring {
        let places = source.secrets();
        for remote in places.iter().filter_map(|place| place.remote()) {
            let (before, now) = (self.before.and_then(|before| before.secrets.get(remote)), self.secrets.get(remote));
            self.stands_on_new |= !now.is_some_and(|now| is_kept(before, now));
        }
        self.keyring.only(&places)
    }

    /// The entry `tokens.NAME`.
    fn token(&mut self, name: &str) -> Result<Arc<Entry<BearerToken>>, CannotStart> {
        if !self.tokens.contains_key(name) {
            self.make_token(name)?;
        }
        let unmade = || CannotStart::Unmade(format!("tokens.{name}"));
        let (_, entry) = self.tokens.get(name).ok_or_else(unmade)?;
        let before = self.before.and_then(|before| before.tokens.get(name)).map(|(_, entry)| entry);
        self.stands_on_new |= !is_kept(before, entry);
        Ok(Arc::clone(entry))
    }

    fn make_token(&mut self, name: &str) -> Result<(), CannotStart> {
        let full = format!("tokens.{name}");
        let token = self.waiting_tokens.remove(name).ok_or_else(|| CannotStart::Unmade(full.clone()))?;
        let origin = origin::of_token(&token, self.own.name());
        let (source, may_stay) = self.stage(|this| this.token_source(token.source.clone()))?;
        let before = self.before.filter(|_| may_stay).map(|before| &before.tokens);
        let entry = kept(before, name, |before| before.is_obtained_like(&token)).unwrap_or_else(|| {
            let Outside { environment, clock, quotas, .. } = self.outside;
            let quota = quotas.of_token(&token.source, environment, clock);
            let entry = Entry::new(&full, origin, source, token.inputs, token.freshness.clone(), clock.clone());
            Arc::new(entry.within(quota))
        });
        self.tokens.insert(name.to_owned(), (token, entry));
        Ok(())
    }

    pub(super) fn token_source(&mut self, source: TokenSource) -> Result<Arc<dyn Source<BearerToken>>, CannotStart> {
        let (keyring, clock) = (self.keyring(&source), self.outside.clock.clone());
        Ok(match source {
            TokenSource::TokenEndpoint { client, endpoint, auth } => {
                let (endpoint, auth) = (self.endpoint(endpoint), self.client_auth(auth)?);
                Arc::new(TokenEndpoint::new(client, endpoint, auth, self.upstream.clone(), clock, keyring))
            }
            TokenSource::ClientToken(config) => Arc::new(ClientToken::new(config, self.sdk(), clock, keyring)),
            TokenSource::MachineUser(config) => {
                Arc::new(MachineUser::new(config, self.identity(None)?, self.sdk(), clock, keyring))
            }
            TokenSource::IdentityToken { token, identity } => {
                Arc::new(IdentityToken::new(token, self.sdk(), self.identity(identity.as_deref())?, clock))
            }
        })
    }

    fn endpoint(&mut self, endpoint: config::Endpoint) -> token_endpoint::Endpoint {
        match endpoint {
            config::Endpoint::Cognito(url) => token_endpoint::Endpoint::Cognito(url),
            config::Endpoint::Fixed(url) => token_endpoint::Endpoint::Fixed(url),
            config::Endpoint::OfIssuer(issuer) => {
                let (metadata, is_kept) = self.metadata.of(&issuer.url, &issuer.spelled);
                self.stands_on_new |= !is_kept;
                token_endpoint::Endpoint::OfIssuer { issuer: issuer.spelled, metadata }
            }
        }
    }

    fn client_auth(&mut self, auth: config::ClientAuth) -> Result<token_endpoint::ClientAuth, CannotStart> {
        Ok(match auth {
            config::ClientAuth::Basic(secrets) => token_endpoint::ClientAuth::Basic(secrets),
            config::ClientAuth::Post(secrets) => token_endpoint::ClientAuth::Post(secrets),
            config::ClientAuth::PrivateKeyJwt(jwt) => token_endpoint::ClientAuth::PrivateKeyJwt(jwt),
            config::ClientAuth::Token(name) => token_endpoint::ClientAuth::Token(self.token(&name)?),
        })
    }

    /// The entry `credentials.NAME`.
    fn credentials(&mut self, name: &str) -> Result<Arc<Entry<AwsCredentials>>, CannotStart> {
        if !self.credentials.contains_key(name) {
            self.make_credentials(name)?;
        }
        let unmade = || CannotStart::Unmade(format!("credentials.{name}"));
        let (_, entry) = self.credentials.get(name).ok_or_else(unmade)?;
        let before = self.before.and_then(|before| before.credentials.get(name)).map(|(_, entry)| entry);
        self.stands_on_new |= !is_kept(before, entry);
        Ok(Arc::clone(entry))
    }

    fn make_credentials(&mut self, name: &str) -> Result<(), CannotStart> {
        let full = format!("credentials.{name}");
        let credentials = self.waiting_credentials.remove(name).ok_or_else(|| CannotStart::Unmade(full.clone()))?;
        let origin = origin::of_credentials(&credentials, self.own.name());
        let (source, may_stay) = self.stage(|this| this.credentials_source(credentials.source.clone()))?;
        let before = self.before.filter(|_| may_stay).map(|before| &before.credentials);
        let entry = kept(before, name, |before| before.is_obtained_like(&credentials)).unwrap_or_else(|| {
            let Outside { environment, clock, quotas, .. } = self.outside;
            let quota = quotas.of_credentials(&credentials.source, environment, clock);
            let Credentials { inputs, freshness, .. } = credentials.clone();
            Arc::new(Entry::new(&full, origin, source, inputs, freshness, clock.clone()).within(quota))
        });
        self.credentials.insert(name.to_owned(), (credentials, entry));
        Ok(())
    }

    fn store_tokens(&self) -> BTreeMap<String, refresh::Token> {
        let of = |(token, entry): &(Token, _)| refresh::Token {
            entry: Arc::clone(entry),
            freshness: token.freshness.clone(),
            scopes: token.scopes.clone(),
        };
        self.tokens.iter().map(|(name, made)| (name.clone(), of(made))).collect()
    }

    fn store_credentials(&self) -> BTreeMap<String, refresh::Credentials> {
        let of = |(credentials, entry): &(Credentials, _)| refresh::Credentials {
            entry: Arc::clone(entry),
            freshness: credentials.freshness.clone(),
            on_behalf_of: credentials.on_behalf_of.clone(),
        };
        self.credentials.iter().map(|(name, made)| (name.clone(), of(made))).collect()
    }

    fn credentials_source(
        &mut self,
        source: CredentialsSource,
    ) -> Result<Arc<dyn Source<AwsCredentials>>, CannotStart> {
        // Each of them needs it.
        let (sdk, host) = (self.sdk(), Arc::clone(&self.outside.host));
        let clock = self.outside.clock.clone();
        Ok(match source {
            CredentialsSource::Ambient => Arc::new(Ambient::new(sdk, clock)),
            CredentialsSource::AssumeRole { role, identity } => {
                let identity = self.identity(identity.as_deref())?;
                Arc::new(AssumeRole::new(role, sdk, identity, host, clock))
            }
            CredentialsSource::WebIdentity { role, token } => {
                let token = match token {
                    WebToken::Held(name) => web_identity::Token::Held(self.token(&name)?),
                    WebToken::File(path) => web_identity::Token::File(path),
                    WebToken::Subject => web_identity::Token::Subject,
                };
                Arc::new(WebIdentity::new(role, token, sdk, host, clock))
            }
            CredentialsSource::IdentityPool { pool, login } => {
                let login = self.login(login)?;
                Arc::new(IdentityPool::new(pool, login, sdk, host, clock))
            }
        })
    }

    /// Who signs: `credentials.NAME`, or the broker itself.
    fn identity(&mut self, name: Option<&str>) -> Result<Identity, CannotStart> {
        match name {
            Some(name) => Ok(self.credentials(name)?),
            None => Ok(self.own() as Identity),
        }
    }

    fn login(&mut self, login: Login) -> Result<identity_pool::Login, CannotStart> {
        Ok(match login {
            Login::Guest => identity_pool::Login::Guest,
            Login::Subject { provider } => identity_pool::Login::Subject { provider },
            Login::Developer(user) => identity_pool::Login::Developer { user, identity: self.identity(None)? },
            Login::Token { name, provider } => identity_pool::Login::Token { provider, token: self.token(&name)? },
        })
    }
}

/// The broker's own identity, the first stage of whatever is signed and names no other: the first `ambient` entry if there is
/// one, so that it is cached once.
fn own_identity(
    waiting: &mut BTreeMap<String, Credentials>,
    sdk: &Arc<Sdk>,
    outside: &Outside,
    before: Option<&Made>,
) -> (Arc<Entry<AwsCredentials>>, Known<Credentials, AwsCredentials>) {
    let clock = outside.clock.clone();
    let source = Arc::new(Ambient::new(Arc::clone(sdk), clock.clone()));
    let is_ambient = |(_, entry): &(&String, &Credentials)| matches!(entry.source, CredentialsSource::Ambient);
    let named = waiting.iter().find(is_ambient).map(|(name, _)| name.clone());
    let Some((name, entry)) = named.and_then(|name| waiting.remove_entry(&name)) else {
        let nameless = before.map(|before| &before.own).filter(|own| own.name() == OWN);
        let make = || {
            let origin = "ambient, by the SDK's chain";
            Arc::new(Entry::new(OWN, origin, source, Inputs::default(), AS_USED, clock))
        };
        return (nameless.cloned().unwrap_or_else(make), BTreeMap::new());
    };
    let own = kept(before.map(|before| &before.credentials), &name, |before| before.is_obtained_like(&entry))
        .unwrap_or_else(|| {
            let (full, origin) = (format!("credentials.{name}"), entry.to_string());
            Arc::new(Entry::new(&full, origin, source, entry.inputs, entry.freshness.clone(), clock))
        });
    (Arc::clone(&own), BTreeMap::from([(name, (entry, own))]))
}

/// A stage of its own for each secret at AWS, so that it is asked for once.
fn secrets<'a>(
    places: impl Iterator<Item = &'a Place>,
    sdk: &Arc<Sdk>,
    own: &Arc<Entry<AwsCredentials>>,
    outside: &Outside,
    before: Option<&Made>,
) -> BTreeMap<Remote, Arc<Entry<SecretString>>> {
    let stage = |remote: &Remote| {
        let (identity, clock) = (Arc::clone(own) as Identity, outside.clock.clone());
        let source = Arc::new(RemoteSecret::new(remote.clone(), Arc::clone(sdk), identity, clock.clone()));
        let name = format!("the secret in {remote}");
        Arc::new(Entry::new(&name, remote.to_string(), source, Inputs::default(), AS_USED, clock))
    };
    let of = |remote: &Remote| before.and_then(|before| before.secrets.get(remote).cloned());
    places
        .filter_map(Place::remote)
        .map(|remote| (remote.clone(), of(remote).unwrap_or_else(|| stage(remote))))
        .collect()
}

fn keyring(secrets: &BTreeMap<Remote, Arc<Entry<SecretString>>>, outside: &Outside) -> Keyring {
    let stage = |entry: &Arc<Entry<SecretString>>| Arc::clone(entry) as Arc<dyn Stage<SecretString>>;
    let remote = secrets.iter().map(|(remote, entry)| (remote.clone(), stage(entry)));
    Keyring::new(Arc::clone(&outside.environment), remote.collect())
}

#[cfg(test)]
#[path = "assemble_tests.rs"]
mod tests;
