//! The way from the document to the [`Config`], part by part. A part that holds a mistake is left out.

mod chains;
mod credentials;
mod egress;
mod files;
mod oauth2;

use std::collections::BTreeMap;
use std::time::Duration;

use serde::de::DeserializeOwned;

use super::document::{self, AuditTo, AuditWord, HandOut, SecretPlace, SecretPlaces, TokenSource as FromToken};
use super::problem::Findings;
use super::rules::name_of;
use super::text::{Read, Text as _, UserPoolId};
use super::tree::Node;
use super::{ClientAuth, Config, Endpoint, Issuer, IssuerKeys, Server, Token, TokenSource};
use crate::http::imds;
use crate::ops::audit;
use crate::policy::{Grant, directory, generated};
use crate::refresh::Inputs;
use crate::refresh::schedule::{Freshness, Keep};
use crate::rotation::app_client;
use crate::secret::Secret;
use crate::source::keyring::{Place, Remote};
use crate::source::machine_user::{Flow, Which};
use crate::source::{aws, client_token, identity_token, machine_user, token_endpoint};
use crate::verify;

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
        let status: document::Status = self.table("status");
        let mut tokens = self.entries("tokens", |_, _, table| token(table, &refresh));
        let mut credentials =
            self.entries("credentials", |tree, _, table| credentials::credentials(tree, table, &refresh));
        chains::inherit_inputs(&mut tokens, &mut credentials);
        let files = self.entries("files", |_, _, table| files::file(table));
        files::keep_always(files.values(), &mut tokens, &mut credentials);
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
            cognito_fee_per_1000: status.cognito_fee_per_1000,
            tokens,
            credentials,
            callers: callers.into_values().collect(),
            issuers: self.entries("issuers", |_, _, table| issuer(table)),
            egress: self.entries("egress", |_, name, table| egress::egress(name, table)).into_values().collect(),
            imds: self.optional("imds").and_then(imds),
            files,
            audit: audit(self.table("audit")),
        }
    }

    /// A table that the document has at most once.
    fn table<T: DeserializeOwned + Default>(&mut self, key: &str) -> T {
        self.optional(key).unwrap_or_default()
    }

    /// The same, for one that may be missing.
    fn optional<T: DeserializeOwned>(&mut self, key: &str) -> Option<T> {
        let node = self.tree.member(key).map(|member| &member.node);
        node.and_then(|node| self.part(&[key], node))
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
    let app_client = app_client(&table.source);
    let (source, scopes) = match table.source {
        FromToken::Cognito(table) => {
            let scopes: Vec<String> = table.scopes.iter().map(|scope| scope.0.0.clone()).collect();
            (cognito(table, scopes.clone())?, scopes)
        }
        FromToken::CognitoUser(user) => (machine_user(user)?, Vec::new()),
        FromToken::Sts(sts) => (identity_token(sts), Vec::new()),
        FromToken::Oauth2(table) => {
            let scopes: Vec<String> = table.scopes.iter().map(|scope| scope.0.0.clone()).collect();
            (oauth2::source(*table, scopes.clone())?, scopes)
        }
    };
    let inputs = Inputs { scopes: scopes.len() > 1, ..Inputs::default() };
    Some(Token { source, freshness, scopes, inputs, app_client })
}

fn app_client(source: &FromToken) -> Option<app_client::Config> {
    let (user_pool, client_id) = match source {
        FromToken::Cognito(table) => (&table.user_pool.0, &table.client_id),
        FromToken::CognitoUser(table) => (&table.user_pool.0, &table.client_id),
        FromToken::Oauth2(_) | FromToken::Sts(_) => return None,
    };
    let (user_pool, region) = (user_pool.id.clone(), user_pool.region.clone());
    Some(app_client::Config { user_pool, region, client_id: client_id.clone() })
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

fn caller(name: &str, table: document::CallerTable) -> directory::Entry {
    let place = |token: document::CallerToken| {
        let (mode, group) = files::readers(token.mode, token.group);
        let every = token.every.map_or(generated::EVERY, |every| every.0);
        let generated = token.generate.map(|path| generated::Config { path: path.0.0, mode, group, every });
        let known =
            token.file.map(directory::Token::File).or(token.sha256.map(|read| directory::Token::Digest(read.0)));
        known.or(generated.map(directory::Token::Generated))
    };
    let id = |id: document::Id| match id {
        document::Id::Number(number) => directory::Id::Number(number),
        document::Id::Name(name) => directory::Id::Name(name),
    };
    let (uid, gid, unit) = (table.uid.map(id), table.gid.map(id), table.unit.map(|read| read.0.0.into()));
    let allow = table.allow.iter().filter_map(|text| Grant::read(text).ok()).collect();
    let (token, requests_per_second) = (table.token.and_then(place), table.requests_per_second);
    directory::Entry { name: name.to_owned(), allow, token, uid, gid, unit, requests_per_second }
}

fn issuer(table: document::IssuerTable) -> Option<Issuer> {
    let kind = match (&table.user_pool, table.token_use) {
        (Some(_), None | Some(HandOut::Access)) => verify::Kind::CognitoAccess,
        (Some(_), Some(HandOut::Id)) => verify::Kind::CognitoId,
        (None, _) => verify::Kind::Generic,
    };
    let (issuers, keys) = match (table.user_pool, table.issuer, table.jwks_uri) {
        (Some(Read(pool)), ..) => (pool.issuers().to_vec(), IssuerKeys::UserPool { id: pool.id, region: pool.region }),
        (None, Some(Read(issuer)), Some(Read(jwks_uri))) => (vec![issuer.spelled], IssuerKeys::At(jwks_uri.0)),
        (None, Some(Read(issuer)), None) => (vec![issuer.spelled], IssuerKeys::Discovered(issuer.url)),
        (None, None, _) => return None,
    };
    let asked = verify::Config {
        issuers,
        kind,
        clients: table.clients,
        audience: table.audience,
        scopes: table.scopes.into_iter().map(|scope| scope.0.0).collect(),
        leeway: table.leeway.map_or(Duration::ZERO, |read| read.0),
    };
    Some(Issuer { asked, keys })
}

fn audit(table: document::AuditTable) -> audit::Config {
    let to = match table.to {
        AuditTo::Word(AuditWord::Stdout) => audit::To::Stdout,
        AuditTo::Word(AuditWord::Journald) => audit::To::Journald,
        AuditTo::Word(AuditWord::Off) => audit::To::Off,
        AuditTo::File(place) => audit::To::File(place.file.0.0),
    };
    let key = |key: document::LocalSecret| {
        key.file.map(Secret::File).or(key.env.map(Secret::Env)).or(key.credential.map(Secret::Credential))
    };
    audit::Config { to, key: table.key.and_then(key) }
}

fn imds(table: document::ImdsTable) -> Option<imds::Config> {
    let credentials = name_of(&table.credentials)?.to_owned();
    Some(imds::Config { listen: table.listen.0.0, credentials, caller: table.caller })
}

fn machine_user(table: document::CognitoUserToken) -> Option<TokenSource> {
    let client_secret = match &table.client_secret {
        Some(secrets) => places(secrets, &table.user_pool.0, &table.client_id)?,
        None => Vec::new(),
    };
    let password = place(&table.password)?;
    Some(TokenSource::MachineUser(machine_user::Config {
        user_pool: table.user_pool.0.id,
        region: table.user_pool.0.region,
        client_id: table.client_id,
        client_secret,
        username: table.username,
        password,
        flow: match table.flow {
            document::SignIn::UserPassword => Flow::UserPassword,
            document::SignIn::AdminUserPassword => Flow::AdminUserPassword,
            document::SignIn::UserSrp => Flow::UserSrp,
        },
        hand_out: match table.hand_out {
            HandOut::Id => Which::Id,
            HandOut::Access => Which::Access,
        },
    }))
}

fn identity_token(table: document::StsToken) -> TokenSource {
    let token = identity_token::Config {
        audience: table.audience,
        lifetime: table.lifetime.map_or(identity_token::DEFAULT_LIFETIME, |read| read.0),
        algorithm: match table.algorithm {
            document::StsAlgorithm::ES384 => "ES384",
            document::StsAlgorithm::RS256 => "RS256",
        },
    };
    let identity = table.identity.as_deref().and_then(name_of).map(ToOwned::to_owned);
    TokenSource::IdentityToken { token, identity }
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
