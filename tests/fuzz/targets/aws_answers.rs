//! Any answers of AWS to the operations in use, read by the SDK and by what stands behind it. What is issued can be carried by a
//! header and ends when that operation's values do at the latest; what is refused is told without a word of the answer.
//!
//! The first letter of an input says which source asks; the rest is as `upstream` reads it.

#![no_main]

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use credbroker::rotation::app_client::{self, AppClient};
use credbroker::source::aws::Sdk;
use credbroker::source::identity_pool::{self, DeveloperUser, Flow, IdentityPool, Login};
use credbroker::source::keyring::Remote;
use credbroker::source::machine_user::{self, MachineUser, Which};
use credbroker::source::remote_secret::RemoteSecret;
use credbroker::source::template::Template;
use credbroker::source::web_identity::{self, Assumption, WebIdentity};
use credbroker::source::{
    Ask, Source as _, assume_role, assume_role::AssumeRole, client_token, client_token::ClientToken, identity_token,
    identity_token::IdentityToken,
};
use credbroker_fuzz::{canary, clock, issued, run, stages, upstream};
use libfuzzer_sys::fuzz_target;
use secrecy::SecretString;

const REGION: &str = "eu-west-1";
const HOUR: Duration = Duration::from_secs(3_600);

fuzz_target!(|input: &[u8]| {
    canary::listen();
    let Some((letter, answers)) = input.split_first() else { return };
    run(async {
        let sdk = stages::sdk(upstream::spelled(answers));
        match letter % 13 {
            0 => client_token(sdk).await,
            1 => machine_user(sdk, machine_user::Flow::UserPassword, Which::Access).await,
            2 => machine_user(sdk, machine_user::Flow::AdminUserPassword, Which::Id).await,
            3 => machine_user(sdk, machine_user::Flow::UserSrp, Which::Id).await,
            4 => assume_role(sdk).await,
            5 => web_identity(sdk).await,
            6 => identity_pool(sdk, Login::Guest, Flow::Enhanced(None)).await,
            7 => identity_pool(sdk, developer(), Flow::Enhanced(Some(role()))).await,
            8 => identity_pool(sdk, login(), Flow::Basic(assumption())).await,
            9 => identity_token(sdk).await,
            10 => {
                remote_secret(sdk, Remote::SecretsManager { id: "a".into(), key: Some("k".into()), stage: "s".into() })
                    .await
            }
            11 => {
                remote_secret(
                    sdk,
                    Remote::UserPoolClient { user_pool: pool(), region: REGION.into(), client_id: "c".into() },
                )
                .await
            }
            _ => app_client(sdk).await,
        }
    });
    canary::is_not_logged();
});

fn pool() -> String {
    "eu-west-1_AbCd12345".to_owned()
}

fn role() -> String {
    "arn:aws:iam::111122223333:role/fuzz".to_owned()
}

fn assumption() -> Assumption {
    Assumption {
        role_arn: role(),
        session_name: Template::fixed("session"),
        duration: None,
        policy: None,
        policy_arns: Vec::new(),
    }
}

fn developer() -> Login {
    let user = DeveloperUser { provider: "login.acme".into(), name: Template::fixed("ann"), tags: BTreeMap::new() };
    Login::Developer { user, identity: stages::identity() }
}

fn login() -> Login {
    Login::Token { provider: "login.example".into(), token: stages::token() }
}

async fn client_token(sdk: Arc<Sdk>) {
    let config = client_token::Config {
        region: REGION.to_owned(),
        client_id: "client".to_owned(),
        client_secret: vec![stages::place()],
        scopes: vec!["a/read".to_owned()],
        metadata: BTreeMap::new(),
    };
    issued::token(ClientToken::new(config, sdk, clock(), stages::keyring()).fetch(&Ask::default()).await);
}

/// Twice: the first time it signs in, the second it renews where it can.
async fn machine_user(sdk: Arc<Sdk>, flow: machine_user::Flow, hand_out: Which) {
    let config = machine_user::Config {
        user_pool: pool(),
        region: REGION.to_owned(),
        client_id: "client".to_owned(),
        client_secret: vec![stages::place()],
        username: "robot".to_owned(),
        password: stages::place(),
        flow,
        hand_out,
    };
    let user = MachineUser::new(config, stages::identity(), sdk, clock(), stages::keyring());
    issued::token(user.fetch(&Ask::default()).await);
    issued::token(user.fetch(&Ask::default()).await);
}

async fn assume_role(sdk: Arc<Sdk>) {
    let config = assume_role::Config {
        role_arn: role(),
        session_name: Template::fixed("session"),
        duration: None,
        external_id: None,
        source_identity: None,
        policy: None,
        policy_arns: Vec::new(),
        tags: BTreeMap::new(),
        transitive_tags: Vec::new(),
    };
    let source = AssumeRole::new(config, sdk, stages::identity(), "here".into(), clock());
    issued::credentials(source.fetch(&Ask::default()).await, HOUR);
}

async fn web_identity(sdk: Arc<Sdk>) {
    let token = web_identity::Token::Held(stages::token());
    let source = WebIdentity::new(assumption(), token, sdk, "here".into(), clock());
    issued::credentials(source.fetch(&Ask::default()).await, HOUR);
}

/// Twice: the second time the identity may be known.
async fn identity_pool(sdk: Arc<Sdk>, login: Login, flow: Flow) {
    let identity_pool = format!("{REGION}:11112222-3333-4444-5555-666677778888");
    let config = identity_pool::Config { identity_pool, region: REGION.to_owned(), flow };
    let source = IdentityPool::new(config, login, sdk, "here".into(), clock());
    issued::credentials(source.fetch(&Ask::default()).await, HOUR);
    issued::credentials(source.fetch(&Ask::default()).await, HOUR);
}

async fn identity_token(sdk: Arc<Sdk>) {
    let lifetime = identity_token::DEFAULT_LIFETIME;
    let config = identity_token::Config { audience: vec!["a".to_owned()], lifetime, algorithm: "ES384" };
    issued::token(IdentityToken::new(config, sdk, stages::identity(), clock()).fetch(&Ask::default()).await);
}

async fn remote_secret(sdk: Arc<Sdk>, remote: Remote) {
    issued::secret(RemoteSecret::new(remote, sdk, stages::identity(), clock()).fetch(&Ask::default()).await);
}

async fn app_client(sdk: Arc<Sdk>) {
    let config = app_client::Config { user_pool: pool(), region: REGION.to_owned(), client_id: "client".to_owned() };
    let client = AppClient::new(config, sdk, stages::identity());
    let failures = [
        client.secrets().await.err(),
        client.add(&SecretString::from("a-secret-of-24-letters--")).await.err(),
        client.delete("id").await.err(),
    ];
    failures.iter().flatten().for_each(canary::is_not_told);
}
