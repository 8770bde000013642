//! The way from the document to the [`Config`], part by part. A part that holds a mistake is left out.

mod oauth2;

use std::collections::BTreeMap;
use std::time::Duration;

use serde::de::DeserializeOwned;

use super::document::{self, CredentialsSource as From, HandOut, SecretPlace, SecretPlaces, TokenSource as FromToken};
use super::problem::Findings;
use super::rules::{login_provider, name_of};
use super::text::{Read, Text as _, UserPoolId};
use super::tree::Node;
use super::{ClientAuth, Config, Credentials, CredentialsSource, Endpoint, Login, Server, Token, TokenSource};
use crate::policy::{Grant, directory};
use crate::refresh::schedule::{Freshness, Keep};
use crate::refresh::{Bearer, Inputs};
use crate::secret::Secret;
use crate::source::keyring::{Place, Remote};
use crate::source::machine_user::Which;
use crate::source::template::Template;
use crate::source::{assume_role, aws, client_token, identity_pool, machine_user, token_endpoint};

/// AWS SDKs come back long before expiry; what is handed to them lives at least this much longer where the lifetime allows.
const LIFE_LEFT_FOR_SDKS: Duration = Duration::from_secs(30 * 60);

/// Builds what holds no mistake. It is the whole configuration if `found` is empty afterwards.
pub fn config(tree: &Node, found: &mut Findings) -> Config {
    Build { tree, found }.config()
}

struct Build<'a> {
    tree: &'a Node,
    found: &'a mut Findings,
}

impl Build<'_> {
    fn config(&mut self) -> Config {
        let server: document::Server = self.table("server");
        let aws: document::Aws = self.table("aws");
        let refresh: document::Refresh = self.table("refresh");
        let mut tokens = self.entries("tokens", |_, _, table| token(table, &refresh));
        oauth2::inherit_inputs(&mut tokens);
        let mut credentials = self.entries("credentials", |tree, _, table| build_credentials(tree, table, &refresh));
        inherit_inputs(&mut credentials);
        let callers = self.entries("callers", |_, name, table| Some(caller(name, table)));
        Config {
            server: Server {
                listen: server.listen.into_iter().map(|listen| listen.0).collect(),
                admin_listen: server.admin_listen.map(|address| address.0),
                drain: server.drain.0,
                max_connections: server.max_connections as usize,
            },
            aws: aws::Config { region: aws.region.map(|region| region.0.0), profile: aws.profile },
            spread: refresh.spread.0,
            tokens,
            credentials,
            callers: callers.into_values().collect(),
        }
    }

    /// A table that the document has at most once.
    fn table<T: DeserializeOwned + Default>(&mut self, key: &str) -> T {
        let node = self.tree.member(key).map(|member| &member.node);
        node.and_then(|node| self.part(&[key], node)).unwrap_or_default()
    }

    /// A table of named tables, each as `build` makes it.
    fn entries<T: DeserializeOwned, B>(
        &mut self,
        key: &str,
        build: impl Fn(&Node, &str, T) -> Option<B>,
    ) -> BTreeMap<String, B> {
        let mut built = BTreeMap::new();
        for member in self.tree.member(key).map(|member| member.node.members()).unwrap_or_default() {
            let path = [key, &member.key];
            let Some(table) = self.part(&path, &member.node) else { continue };
            match build(self.tree, &member.key, table) {
                Some(entry) => drop(built.insert(member.key.clone(), entry)),
                None => self.not_understood(&path),
            }
        }
        built
    }

    /// What `path` leads to, if no mistake is reported in it.
    fn part<T: DeserializeOwned>(&mut self, path: &[&str], node: &Node) -> Option<T> {
        if self.found.any_in(path) {
            return None;
        }
        // What serde says may quote a value.
        let part = serde_json::from_value(node.to_json()).ok();
        if part.is_none() {
            self.not_understood(path);
        }
        part
    }

    /// The schema and the shapes come from one source, so what passes the checks and cannot be built is a mistake of ours.
    fn not_understood(&mut self, path: &[&str]) {
        let message = "cannot be understood; this is a mistake of credbroker, please report it";
        self.found.report(path, self.tree.place(path), message);
    }
}

fn token(table: document::TokenTable, refresh: &document::Refresh) -> Option<Token> {
    let freshness = freshness(refresh, &table.refresh, Duration::ZERO);
    let (source, scopes) = match table.source {
        FromToken::Cognito(table) => {
            let scopes: Vec<String> = table.scopes.iter().map(|scope| scope.0.0.clone()).collect();
            (cognito(table, scopes.clone())?, scopes)
        }
        FromToken::CognitoUser(user) => (machine_user(user)?, Vec::new()),
        FromToken::Oauth2(table) => {
            let scopes: Vec<String> = table.scopes.iter().map(|scope| scope.0.0.clone()).collect();
            (oauth2::source(*table, scopes.clone())?, scopes)
        }
        FromToken::Sts(_) => return None,
    };
    let inputs = Inputs { scopes: scopes.len() > 1, ..Inputs::default() };
    Some(Token { source, freshness, scopes, inputs })
}

fn cognito(table: document::CognitoToken, scopes: Vec<String>) -> Option<TokenSource> {
    let user_pool = &table.user_pool.0;
    let client_secret = places(&table.client_secret, user_pool, &table.client_id)?;
    let region = user_pool.region.clone();
    let (client_id, metadata) = (table.client_id, table.metadata);
    let Some(domain) = table.domain else {
        let config = client_token::Config { region, client_id, client_secret, scopes, metadata };
        return Some(TokenSource::ClientToken(config));
    };
    Some(TokenSource::TokenEndpoint {
        client: token_endpoint::Config {
            client_id,
            scopes,
            audience: None,
            resource: Vec::new(),
            parameters: client_metadata(&metadata),
        },
        endpoint: Endpoint::Cognito(domain.0.token_endpoint(&region)?),
        auth: ClientAuth::Basic(client_secret),
    })
}

/// As the hosted endpoint takes it.
fn client_metadata(metadata: &BTreeMap<String, String>) -> BTreeMap<String, String> {
    let json = (!metadata.is_empty()).then(|| serde_json::json!(metadata).to_string());
    json.map(|json| ("aws_client_metadata".to_owned(), json)).into_iter().collect()
}

fn build_credentials(
    tree: &Node,
    table: document::CredentialsTable,
    refresh: &document::Refresh,
) -> Option<Credentials> {
    let freshness = freshness(refresh, &table.refresh, LIFE_LEFT_FOR_SDKS);
    let (source, caller) = match table.source {
        From::Ambient(_) => (CredentialsSource::Ambient, false),
        From::AssumeRole(role) => assume_role(*role),
        From::IdentityPool(pool) => identity_pool(tree, pool)?,
        From::WebIdentity(_) => return None,
    };
    let inputs = Inputs { caller, ..Inputs::default() };
    Some(Credentials { source, freshness, inputs, bearer: Bearer::Fixed })
}

/// The source, and whether its session names the caller.
fn assume_role(table: document::AssumeRole) -> (CredentialsSource, bool) {
    let identity = table.identity.as_deref().and_then(name_of).map(ToOwned::to_owned);
    let policy = table
        .policy
        .and_then(|policy| policy.file.map(assume_role::Policy::File).or(policy.json.map(assume_role::Policy::Json)));
    let role = assume_role::Config {
        role_arn: table.role_arn.0.0,
        session_name: table.session_name.map_or_else(|| Template::fixed("credbroker"), |read| read.0),
        duration: table.duration.map(|read| read.0),
        external_id: table.external_id,
        source_identity: table.source_identity.map(|read| read.0),
        policy,
        policy_arns: table.policy_arns.into_iter().map(|arn| arn.0.0).collect(),
        tags: table.tags.into_iter().map(|(key, value)| (key, value.0)).collect(),
        transitive_tags: table.transitive_tags,
    };
    let caller = role.names_caller();
    (CredentialsSource::AssumeRole { role, identity }, caller)
}

fn identity_pool(tree: &Node, table: document::IdentityPool) -> Option<(CredentialsSource, bool)> {
    let (login, caller) = match table.login {
        None => (Login::Guest, false),
        Some(document::Login::Developer(login)) => {
            let Read(user) = login.user;
            let caller = user.names_caller();
            (Login::Developer { provider: login.provider, user }, caller)
        }
        Some(document::Login::Named(named)) => {
            let name = name_of(&named)?.to_owned();
            let provider = login_provider(tree, &name)?;
            (Login::Token { name, provider }, false)
        }
    };
    let pool = identity_pool::Config {
        identity_pool: table.identity_pool.0.id,
        region: table.identity_pool.0.region,
        role_arn: table.role_arn.map(|arn| arn.0.0),
    };
    Some((CredentialsSource::IdentityPool { pool, login }, caller))
}

fn caller(name: &str, table: document::CallerTable) -> directory::Entry {
    let place = |token: document::CallerToken| {
        token.file.map(directory::Token::File).or(token.sha256.map(|read| directory::Token::Digest(read.0)))
    };
    let uid = table.uid.map(|user| match user {
        document::User::Id(id) => directory::User::Id(id),
        document::User::Name(name) => directory::User::Name(name),
    });
    let allow = table.allow.iter().filter_map(|text| Grant::read(text).ok()).collect();
    directory::Entry { name: name.to_owned(), allow, token: table.token.and_then(place), uid }
}

fn machine_user(table: document::CognitoUserToken) -> Option<TokenSource> {
    let client_secret = match &table.client_secret {
        Some(secrets) => places(secrets, &table.user_pool.0, &table.client_id)?,
        None => Vec::new(),
    };
    let password = place(&table.password)?;
    Some(TokenSource::MachineUser(machine_user::Config {
        region: table.user_pool.0.region,
        client_id: table.client_id,
        client_secret,
        username: table.username,
        password,
        hand_out: match table.hand_out {
            HandOut::Id => Which::Id,
            HandOut::Access => Which::Access,
        },
    }))
}

fn each(secrets: &SecretPlaces) -> &[SecretPlace] {
    match secrets {
        SecretPlaces::One(one) => std::slice::from_ref(one),
        SecretPlaces::Two(two) => two,
    }
}

/// The places of an app client's secret.
fn places(secrets: &SecretPlaces, user_pool: &UserPoolId, client_id: &str) -> Option<Vec<Place>> {
    let described = || {
        let (user_pool, region) = (user_pool.id.clone(), user_pool.region.clone());
        Place::Remote(Remote::UserPoolClient { user_pool, region, client_id: client_id.to_owned() })
    };
    each(secrets).iter().map(|one| if one.cognito == Some(true) { Some(described()) } else { place(one) }).collect()
}

/// The place of a secret that is not at the user pool.
fn place(place: &SecretPlace) -> Option<Place> {
    let place = place.clone();
    let local =
        place.file.map(Secret::File).or(place.env.map(Secret::Env)).or(place.credential.map(Secret::Credential));
    let stage = place.stage.unwrap_or_else(|| "AWSCURRENT".to_owned());
    let remote = place.secrets_manager.map(|id| Remote::SecretsManager { id, key: place.key, stage });
    local.map(Place::Local).or(remote.map(Place::Remote))
}

fn freshness(defaults: &document::Refresh, own: &document::Override, life_left: Duration) -> Freshness {
    Freshness {
        ahead: own.ahead.unwrap_or(defaults.ahead),
        keep: match own.keep.unwrap_or(defaults.keep) {
            document::Keep::Used => Keep::Used,
            document::Keep::Always => Keep::Always,
        },
        outage_cover: own.outage_cover.as_ref().or(defaults.outage_cover.as_ref()).map(|read| read.0),
        life_left,
    }
}

/// What an earlier stage of a chain depends on, the later ones depend on too.
fn inherit_inputs(credentials: &mut BTreeMap<String, Credentials>) {
    let needs: Vec<(String, String)> = credentials
        .iter()
        .filter_map(|(name, entry)| match &entry.source {
            CredentialsSource::AssumeRole { identity: Some(identity), .. } => Some((name.clone(), identity.clone())),
            _ => None,
        })
        .collect();
    let mut changed = true;
    while std::mem::take(&mut changed) {
        for (name, identity) in &needs {
            let inherited = credentials.get(identity).is_some_and(|stage| stage.inputs.caller);
            if let Some(entry) = credentials.get_mut(name).filter(|entry| inherited && !entry.inputs.caller) {
                entry.inputs.caller = true;
                changed = true;
            }
        }
    }
}
