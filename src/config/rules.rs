//! The rules that span several keys, and the way from the document to the checked [`Config`].
//!
//! Parts that [`super::shape`] found broken are left out, so what is left deserializes; its rules are still checked.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use serde_json::Value;

use super::document::{
    self, CredentialsSource as From, Document, HandOut, SecretPlace, SecretPlaces, TokenSource as FromToken,
};
use super::problem::Problem;
use super::text::{Read, Text as _};
use super::tree::Node;
use super::{Config, Credentials, CredentialsSource, Login, Server, Token, TokenSource};
use crate::policy::{Grant, directory};
use crate::refresh::Inputs;
use crate::refresh::schedule::{Freshness, Keep};
use crate::secret::Secret;
use crate::source::machine_user::Which;
use crate::source::template::Template;
use crate::source::{assume_role, aws, client_token, identity_pool, machine_user, token_endpoint};

/// AWS SDKs come back long before expiry; what is handed to them lives at least this much longer where the lifetime allows.
const LIFE_LEFT_FOR_SDKS: Duration = Duration::from_secs(30 * 60);
/// A session assumed with temporary credentials lives no longer (STS role chaining).
const LONGEST_CHAINED: Duration = Duration::from_secs(60 * 60);
/// What STS grants (AssumeRole, `DurationSeconds`).
const SESSION: std::ops::RangeInclusive<Duration> = Duration::from_secs(900)..=Duration::from_secs(43_200);

/// Applies the rules to what is not broken. `None` if the document does not deserialize, which is then among the problems.
pub fn apply(tree: &Node, broken: &BTreeSet<Vec<String>>, problems: &mut Vec<Problem>) -> Option<Config> {
    let document = match serde_json::from_value::<Document>(without(tree.to_json(), broken)) {
        Ok(document) => document,
        Err(cause) if problems.is_empty() => {
            // The schema and the shapes come from one source, so this is a mistake of ours; the words name no value.
            problems.push(Problem {
                span: 0..0,
                message: format!("the configuration cannot be understood (line {})", cause.line()),
            });
            return None;
        }
        Err(_) => return None,
    };
    let mut rules = Rules { tree, problems };
    rules.cycles();
    Some(rules.config(document))
}

/// `document` without its broken parts.
fn without(mut document: Value, broken: &BTreeSet<Vec<String>>) -> Value {
    for path in broken {
        let (parent, last) = match &path[..] {
            [only] => (Some(&mut document), only),
            [table, name] => (document.get_mut(table), name),
            _ => continue,
        };
        if let Some(Value::Object(parent)) = parent {
            parent.remove(last);
        }
    }
    document
}

struct Rules<'a> {
    tree: &'a Node,
    problems: &'a mut Vec<Problem>,
}

impl Rules<'_> {
    fn report(&mut self, path: &[&str], message: &str) {
        self.problems.push(Problem { span: self.tree.place(path), message: format!("{}: {message}", path.join(".")) });
    }

    fn config(&mut self, document: Document) -> Config {
        let refresh = document.refresh;
        let tokens: BTreeMap<_, _> = document
            .tokens
            .into_iter()
            .filter_map(|(name, table)| Some((name.clone(), self.token(&name, table, &refresh)?)))
            .collect();
        let mut credentials: BTreeMap<_, _> = document
            .credentials
            .into_iter()
            .filter_map(|(name, table)| Some((name.clone(), self.credentials(&name, table, &refresh)?)))
            .collect();
        inherit_inputs(&mut credentials);
        let callers: Vec<_> = document.callers.into_iter().map(|(name, table)| self.caller(name, table)).collect();
        self.ambiguous(&callers);
        Config {
            server: self.server(document.server),
            aws: aws::Config { region: document.aws.region, profile: document.aws.profile },
            spread: refresh.spread.0,
            tokens,
            credentials,
            callers,
        }
    }

    fn server(&mut self, server: document::Server) -> Server {
        if server.listen.is_empty() {
            self.report(&["server", "listen"], "expected at least one address to listen on");
        }
        Server {
            listen: server.listen.into_iter().map(|listen| listen.0).collect(),
            admin_listen: server.admin_listen.map(|address| address.0),
            drain: server.drain.0,
            max_connections: server.max_connections as usize,
        }
    }

    fn token(&mut self, name: &str, table: document::TokenTable, refresh: &document::Refresh) -> Option<Token> {
        let freshness = freshness(refresh, &table.refresh, Duration::ZERO);
        let (source, scopes) = match table.source {
            FromToken::Cognito(cognito) => {
                let scopes: Vec<String> = cognito.scopes.iter().map(|scope| scope.0.0.clone()).collect();
                (self.cognito(name, cognito, scopes.clone())?, scopes)
            }
            FromToken::CognitoUser(user) => (machine_user(user)?, Vec::new()),
            FromToken::Oauth2(_) | FromToken::Sts(_) => return None,
        };
        Some(Token { source, freshness, scopes })
    }

    fn cognito(&mut self, name: &str, table: document::CognitoToken, scopes: Vec<String>) -> Option<TokenSource> {
        let client_secret = secret(one(&table.client_secret)?)?;
        let region = table.user_pool.0.region;
        let Some(domain) = table.domain else {
            let (client_id, metadata) = (table.client_id, table.metadata);
            return Some(TokenSource::ClientToken(client_token::Config {
                region,
                client_id,
                client_secret,
                scopes,
                metadata,
            }));
        };
        let Some(endpoint) = domain.0.token_endpoint(&region) else {
            self.report(&["tokens", name, "domain"], "no address can be made of this domain");
            return None;
        };
        let (client_id, metadata) = (table.client_id, table.metadata);
        Some(TokenSource::TokenEndpoint(token_endpoint::Config {
            endpoint,
            client_id,
            client_secret,
            scopes,
            metadata,
        }))
    }

    fn credentials(
        &mut self,
        name: &str,
        table: document::CredentialsTable,
        refresh: &document::Refresh,
    ) -> Option<Credentials> {
        let freshness = freshness(refresh, &table.refresh, LIFE_LEFT_FOR_SDKS);
        let (source, caller) = match table.source {
            From::Ambient(_) => (CredentialsSource::Ambient, false),
            From::AssumeRole(role) => self.assume_role(name, *role),
            From::IdentityPool(pool) => self.identity_pool(name, pool)?,
            From::WebIdentity(_) => return None,
        };
        Some(Credentials { source, freshness, inputs: Inputs { caller, scopes: false } })
    }

    fn assume_role(&mut self, name: &str, table: document::AssumeRole) -> (CredentialsSource, bool) {
        let identity = table.identity.as_deref().and_then(name_of);
        if let Some(Read(duration)) = table.duration {
            let path = ["credentials", name, "duration"];
            if !SESSION.contains(&duration) {
                self.report(&path, "a session lives from 15m to 12h");
            } else if duration > LONGEST_CHAINED
                && identity.as_deref().is_some_and(|identity| self.is_temporary(identity))
            {
                self.report(&path, "a role assumed with temporary credentials (`as`) lives 1h at most; shorten it or assume the role directly");
            }
        }
        let policy = table.policy.and_then(|policy| {
            policy.file.map(assume_role::Policy::File).or(policy.json.map(assume_role::Policy::Json))
        });
        if let Some(assume_role::Policy::Json(json)) = &policy
            && serde_json::from_str::<Value>(json).is_err()
        {
            self.report(&["credentials", name, "policy"], "the session policy is not JSON");
        }
        let role = assume_role::Config {
            role_arn: table.role_arn.0.0,
            session_name: table.session_name.map_or_else(default_session_name, |read| read.0),
            duration: table.duration.map(|read| read.0),
            external_id: table.external_id,
            source_identity: table.source_identity.map(|read| read.0),
            policy,
            policy_arns: table.policy_arns,
            tags: table.tags.into_iter().map(|(key, value)| (key, value.0)).collect(),
            transitive_tags: table.transitive_tags,
        };
        if let Some(unknown) = role.transitive_tags.iter().find(|tag| !role.tags.contains_key(*tag)) {
            let message = format!("{unknown:?} is not among this table's tags");
            self.report(&["credentials", name, "transitive_tags"], &message);
        }
        let caller = role.names_caller();
        (CredentialsSource::AssumeRole { role, identity }, caller)
    }

    /// Are these credentials temporary in themselves? Of the broker's own identity only the run time knows.
    fn is_temporary(&self, name: &str) -> bool {
        let from =
            self.tree.member("credentials").and_then(|all| all.node.member(name)?.node.member("from")?.node.text());
        from.is_some_and(|from| from != "ambient")
    }

    fn identity_pool(&mut self, name: &str, table: document::IdentityPool) -> Option<(CredentialsSource, bool)> {
        let path = ["credentials", name, "login"];
        let (login, caller) = match table.login {
            None => (Login::Guest, false),
            Some(document::Login::Developer(login)) => {
                let caller = login.user.0.names_caller();
                (Login::Developer { provider: login.provider, user: login.user.0 }, caller)
            }
            Some(document::Login::Named(named)) if named == "caller" => {
                self.report(&path, "login = \"caller\": not built yet in this version of credbroker");
                return None;
            }
            Some(document::Login::Named(named)) => (self.login(&path, &named)?, false),
        };
        if table.issuer.is_some() {
            self.report(
                &["credentials", name, "issuer"],
                "an issuer verifies subject tokens; it goes with login = \"caller\" only",
            );
        }
        let pool = identity_pool::Config {
            identity_pool: table.identity_pool.0.id,
            region: table.identity_pool.0.region,
            role_arn: table.role_arn.map(|arn| arn.0.0),
        };
        Some((CredentialsSource::IdentityPool { pool, login }, caller))
    }

    /// An identity pool takes a user pool's ID token and nothing else.
    fn login(&mut self, path: &[&str], named: &str) -> Option<Login> {
        let name = name_of(named)?;
        let token = &self.tree.member("tokens")?.node.member(&name)?.node;
        let text = |key: &str| token.member(key).and_then(|member| member.node.text());
        match (text("from"), text("use")) {
            (Some("cognito"), _) => {
                let message = format!(
                    "an identity pool accepts only an ID token, and {named} is an access token of a machine client (Cognito: \"Missing a required claim: aud\"); \
                     use a token with from = \"cognito-user\", or a developer identity"
                );
                self.report(path, &message);
                None
            }
            (Some("cognito-user"), Some("access")) => {
                let message = format!("an identity pool accepts only an ID token; set use = \"id\" in {named}");
                self.report(path, &message);
                None
            }
            _ => {
                let pool = super::text::UserPoolId::read(text("user_pool")?).ok()?;
                Some(Login::Token { name, provider: format!("cognito-idp.{}.amazonaws.com/{}", pool.region, pool.id) })
            }
        }
    }

    fn caller(&mut self, name: String, table: document::CallerTable) -> directory::Entry {
        let factors = table.token.is_some() || table.uid.is_some();
        if name == "anonymous" && factors {
            self.report(
                &["callers", &name],
                "the anonymous caller is the one without factors; give a caller with factors another name",
            );
        }
        if name != "anonymous" && !factors {
            self.report(&["callers", &name], "a caller needs at least one factor: token or uid");
        }
        let place = |token: document::CallerToken| {
            token.file.map(directory::Token::File).or(token.sha256.map(|read| directory::Token::Digest(read.0)))
        };
        let uid = table.uid.map(|user| match user {
            document::User::Id(id) => directory::User::Id(id),
            document::User::Name(name) => directory::User::Name(name),
        });
        let allow = table.allow.iter().filter_map(|text| Grant::read(text).ok()).collect();
        directory::Entry { name, allow, token: table.token.and_then(place), uid }
    }

    /// Two callers that look the same could never be told apart, so neither would be served.
    fn ambiguous(&mut self, callers: &[directory::Entry]) {
        let mut seen: BTreeMap<String, &str> = BTreeMap::new();
        for caller in callers {
            let token = match &caller.token {
                None => String::new(),
                Some(directory::Token::File(path)) => path.display().to_string(),
                Some(directory::Token::Digest(digest)) => digest.fingerprint(),
            };
            if let Some(other) = seen.insert(format!("{token} {:?}", caller.uid), &caller.name) {
                let message =
                    format!("cannot be told apart from callers.{other}: give one of them a token or a uid of its own");
                self.report(&["callers", &caller.name], &message);
            }
        }
    }

    /// No entry may need itself.
    fn cycles(&mut self) {
        let edges = self.edges();
        for start in edges.keys() {
            let mut chain = vec![start.as_str()];
            while let Some(next) = edges.get(*chain.last().unwrap_or(&"")) {
                if next == start {
                    chain.push(next);
                    let (table, name) = start.split_once('.').unwrap_or((start, ""));
                    self.report(&[table, name], &format!("needs itself: {}", chain.join(" → ")));
                    break;
                }
                if chain.contains(&next.as_str()) {
                    break;
                }
                chain.push(next);
            }
        }
    }

    /// Which entry needs which other first.
    fn edges(&self) -> BTreeMap<String, String> {
        let mut edges = BTreeMap::new();
        for table in ["tokens", "credentials"] {
            for entry in self.tree.member(table).map(|member| member.node.members()).unwrap_or_default() {
                for key in ["as", "login", "token", "client_assertion"] {
                    let target = entry.node.member(key).and_then(|member| member.node.text());
                    if let Some(target) = target.filter(|target| name_of(target).is_some()) {
                        edges.insert(format!("{table}.{}", entry.key), target.to_owned());
                    }
                }
            }
        }
        edges
    }
}

/// The NAME of `tokens.NAME` or `credentials.NAME`.
fn name_of(reference: &str) -> Option<String> {
    reference.strip_prefix("tokens.").or_else(|| reference.strip_prefix("credentials.")).map(ToOwned::to_owned)
}

fn default_session_name() -> Template {
    // It holds no brace, so it is a template.
    Template::parse("credbroker").unwrap_or_else(|_| unreachable!("a text without braces is a template"))
}

fn machine_user(table: document::CognitoUserToken) -> Option<TokenSource> {
    let client_secret = match &table.client_secret {
        Some(places) => Some(secret(one(places)?)?),
        None => None,
    };
    Some(TokenSource::MachineUser(machine_user::Config {
        region: table.user_pool.0.region,
        client_id: table.client_id,
        client_secret,
        username: table.username,
        password: secret(&table.password)?,
        hand_out: match table.hand_out {
            HandOut::Id => Which::Id,
            HandOut::Access => Which::Access,
        },
    }))
}

/// The one place, where there is one. A list of two is refused before.
fn one(places: &SecretPlaces) -> Option<&SecretPlace> {
    match places {
        SecretPlaces::One(place) => Some(place),
        SecretPlaces::Two(_) => None,
    }
}

/// The place of a secret, as far as it is one that is built.
fn secret(place: &SecretPlace) -> Option<Secret> {
    let place = place.clone();
    place.file.map(Secret::File).or(place.env.map(Secret::Env)).or(place.credential.map(Secret::Credential))
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
    // A chain is no longer than the number of entries.
    for _ in 0..needs.len() {
        for (name, identity) in &needs {
            let inherited = credentials.get(identity).is_some_and(|stage| stage.inputs.caller);
            if let Some(entry) = credentials.get_mut(name).filter(|_| inherited) {
                entry.inputs.caller = true;
            }
        }
    }
}
