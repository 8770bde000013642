//! From the configuration to the entries: every source with what it needs.

use std::collections::BTreeMap;
use std::sync::Arc;

use secrecy::SecretString;

use super::files::files;
use super::metadata::Stages;
use super::{AS_USED, CannotStart, Outside, origin};
use crate::config::{self, Config, Credentials, CredentialsSource, Login, Token, TokenSource, WebToken};
use crate::files::Files;
use crate::ops::audit::Audit;
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

/// Makes the entries of `config`, and the files that are filled from them. Nothing is fetched yet.
///
/// # Errors
/// If the configuration names what is not there, which its check excludes.
pub fn store(
    config: Config,
    upstream: &Upstream,
    metadata: Stages,
    outside: &Outside,
    audit: &Audit,
) -> Result<(Store, Files), CannotStart> {
    let sdk = Arc::new(Sdk::new(config.aws, upstream.clone(), outside.clock.clone()));
    let mut assembly = Assembly::new(config.tokens, config.credentials, sdk, upstream.clone(), outside);
    assembly.metadata = metadata;
    while let Some(name) = assembly.waiting_tokens.keys().next().cloned() {
        assembly.token(&name)?;
    }
    while let Some(name) = assembly.waiting_credentials.keys().next().cloned() {
        assembly.credentials(&name)?;
    }
    let files = files(config.files, &assembly.tokens, &assembly.credentials, outside, audit)?;
    Ok((Store::new(assembly.tokens, assembly.credentials, assembly.own), files))
}

/// Entries that are made, and those that wait to be. An entry is made after the earlier stages it is built on.
pub(super) struct Assembly<'a> {
    waiting_tokens: BTreeMap<String, Token>,
    waiting_credentials: BTreeMap<String, Credentials>,
    tokens: BTreeMap<String, refresh::Token>,
    credentials: BTreeMap<String, refresh::Credentials>,
    metadata: Stages,
    pub(super) own: Arc<Entry<AwsCredentials>>,
    pub(super) keyring: Keyring,
    sdk: Arc<Sdk>,
    upstream: Upstream,
    outside: &'a Outside,
}

impl<'a> Assembly<'a> {
    pub(super) fn new(
        waiting_tokens: BTreeMap<String, Token>,
        mut waiting_credentials: BTreeMap<String, Credentials>,
        sdk: Arc<Sdk>,
        upstream: Upstream,
        outside: &'a Outside,
    ) -> Self {
        let (own, credentials) = own_identity(&mut waiting_credentials, &sdk, outside);
        let places = waiting_tokens.values().flat_map(|token| token.source.secrets());
        let keyring = keyring(places, &sdk, &own, outside);
        let (tokens, metadata) = (BTreeMap::new(), Stages::new(upstream.clone(), outside));
        Self {
            waiting_tokens,
            waiting_credentials,
            tokens,
            credentials,
            metadata,
            own,
            keyring,
            sdk,
            upstream,
            outside,
        }
    }

    /// The entry `tokens.NAME`.
    fn token(&mut self, name: &str) -> Result<Arc<Entry<BearerToken>>, CannotStart> {
        if let Some(made) = self.tokens.get(name) {
            return Ok(Arc::clone(&made.entry));
        }
        let full = format!("tokens.{name}");
        let token = self.waiting_tokens.remove(name).ok_or_else(|| CannotStart::Unmade(full.clone()))?;
        let origin = origin::of_token(&token, self.own.name());
        let Outside { environment, clock, quotas, .. } = self.outside;
        let quota = quotas.of_token(&token.source, environment, clock);
        let source = self.token_source(token.source)?;
        let entry = Entry::new(&full, origin, source, token.inputs, token.freshness, clock.clone());
        let entry = Arc::new(entry.within(quota));
        let made = refresh::Token { entry: Arc::clone(&entry), scopes: token.scopes };
        self.tokens.insert(name.to_owned(), made);
        Ok(entry)
    }

    pub(super) fn token_source(&mut self, source: TokenSource) -> Result<Arc<dyn Source<BearerToken>>, CannotStart> {
        let (sdk, keyring, clock) = (Arc::clone(&self.sdk), self.keyring.clone(), self.outside.clock.clone());
        Ok(match source {
            TokenSource::TokenEndpoint { client, endpoint, auth } => {
                let (endpoint, auth) = (self.endpoint(endpoint), self.client_auth(auth)?);
                Arc::new(TokenEndpoint::new(client, endpoint, auth, self.upstream.clone(), clock, keyring))
            }
            TokenSource::ClientToken(config) => Arc::new(ClientToken::new(config, sdk, clock, keyring)),
            TokenSource::MachineUser(config) => {
                Arc::new(MachineUser::new(config, self.identity(None)?, sdk, clock, keyring))
            }
            TokenSource::IdentityToken { token, identity } => {
                Arc::new(IdentityToken::new(token, sdk, self.identity(identity.as_deref())?, clock))
            }
        })
    }

    fn endpoint(&mut self, endpoint: config::Endpoint) -> token_endpoint::Endpoint {
        match endpoint {
            config::Endpoint::Cognito(url) => token_endpoint::Endpoint::Cognito(url),
            config::Endpoint::Fixed(url) => token_endpoint::Endpoint::Fixed(url),
            config::Endpoint::OfIssuer(issuer) => {
                let metadata = self.metadata.of(&issuer.url, &issuer.spelled);
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
        if let Some(made) = self.credentials.get(name) {
            return Ok(Arc::clone(&made.entry));
        }
        let full = format!("credentials.{name}");
        let credentials = self.waiting_credentials.remove(name).ok_or_else(|| CannotStart::Unmade(full.clone()))?;
        let origin = origin::of_credentials(&credentials, self.own.name());
        let Outside { environment, clock, quotas, .. } = self.outside;
        let quota = quotas.of_credentials(&credentials.source, environment, clock);
        let source = self.credentials_source(credentials.source)?;
        let entry = Entry::new(&full, origin, source, credentials.inputs, credentials.freshness, clock.clone());
        let entry = Arc::new(entry.within(quota));
        let made = refresh::Credentials { entry: Arc::clone(&entry), on_behalf_of: credentials.on_behalf_of };
        self.credentials.insert(name.to_owned(), made);
        Ok(entry)
    }

    fn credentials_source(
        &mut self,
        source: CredentialsSource,
    ) -> Result<Arc<dyn Source<AwsCredentials>>, CannotStart> {
        let (sdk, host) = (Arc::clone(&self.sdk), Arc::clone(&self.outside.host));
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
            None => Ok(Arc::clone(&self.own) as Identity),
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
) -> (Arc<Entry<AwsCredentials>>, BTreeMap<String, refresh::Credentials>) {
    let clock = outside.clock.clone();
    let source = Arc::new(Ambient::new(Arc::clone(sdk), clock.clone()));
    let is_ambient = |(_, entry): &(&String, &Credentials)| matches!(entry.source, CredentialsSource::Ambient);
    let named = waiting.iter().find(is_ambient).map(|(name, _)| name.clone());
    let Some((name, entry)) = named.and_then(|name| waiting.remove_entry(&name)) else {
        let origin = "ambient, by the SDK's chain";
        let own = Entry::new("the broker's own AWS identity", origin, source, Inputs::default(), AS_USED, clock);
        return (Arc::new(own), BTreeMap::new());
    };
    let (full, origin) = (format!("credentials.{name}"), entry.to_string());
    let own = Arc::new(Entry::new(&full, origin, source, entry.inputs, entry.freshness, clock));
    let made = refresh::Credentials { entry: Arc::clone(&own), on_behalf_of: entry.on_behalf_of };
    (own, BTreeMap::from([(name, made)]))
}

/// A stage of its own for each secret at AWS, so that it is asked for once.
fn keyring<'a>(
    places: impl Iterator<Item = &'a Place>,
    sdk: &Arc<Sdk>,
    own: &Arc<Entry<AwsCredentials>>,
    outside: &Outside,
) -> Keyring {
    let stage = |remote: &Remote| {
        let (identity, clock) = (Arc::clone(own) as Identity, outside.clock.clone());
        let source = Arc::new(RemoteSecret::new(remote.clone(), Arc::clone(sdk), identity, clock.clone()));
        let name = format!("the secret in {remote}");
        let entry = Entry::new(&name, remote.to_string(), source, Inputs::default(), AS_USED, clock);
        Arc::new(entry) as Arc<dyn Stage<SecretString>>
    };
    let remote = places.filter_map(|place| match place {
        Place::Local(_) => None,
        Place::Remote(remote) => Some((remote.clone(), stage(remote))),
    });
    Keyring::new(Arc::clone(&outside.environment), remote.collect())
}
