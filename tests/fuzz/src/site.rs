//! A broker with a little of everything, whose upstreams are well.

use std::path::Path;
use std::sync::{Arc, LazyLock};

use credbroker::app::{Outside, assemble, issuers, metadata};
use credbroker::config::Config;
use credbroker::environment::Environment;
use credbroker::files::Files;
use credbroker::http::imds::{self, Imds};
use credbroker::http::load::Load;
use credbroker::http::refusals::Refusals;
use credbroker::http::reloads::Reloads;
use credbroker::http::serve::places::Places;
use credbroker::http::{Door, Life, Surface};
use credbroker::ops::audit::Audit;
use credbroker::policy::Directory;
use serde_json::json;

use crate::tokens::KEY_SET;
use crate::upstream::{self, Answer};
use crate::{canary, clock};

const CONNECTIONS: usize = 1024;
/// What the caller `app` shows; the configuration has its SHA-256.
pub const TOKEN: &str = "fuzz-token-of-app";

const CONFIGURATION: &str = r#"
[aws]
region = "eu-west-1"

[tokens.billing]
from = "oauth2"
token_endpoint = "https://login.example/token"
client_auth = "basic"
client_id = "broker"
client_secret = { env = "SECRET" }
scopes = ["a/read", "a/write"]

[credentials.orders]
from = "web-identity"
role_arn = "arn:aws:iam::111122223333:role/orders"
token = "tokens.billing"
session_name = "{caller}"

[credentials.users]
from = "web-identity"
role_arn = "arn:aws:iam::111122223333:role/users"
token = "caller"
issuer = "issuers.users"

[issuers.users]
issuer = "https://login.example"
jwks_uri = "https://login.example/keys"

[callers.app]
allow = ["tokens.billing", "credentials.orders", "credentials.users", "issuers.users"]
token = { sha256 = "@DIGEST@" }

[callers.proxy]
allow = ["tokens.billing", "credentials.orders", "issuers.users"]
uid = 7
"#;

const CREDENTIALS: &str = "<AssumeRoleWithWebIdentityResponse xmlns=\"https://sts.amazonaws.com/doc/2011-06-15/\">\
<AssumeRoleWithWebIdentityResult><Credentials><AccessKeyId>ASIAEXAMPLE</AccessKeyId><SecretAccessKey>secret</SecretAccessKey>\
<SessionToken>session</SessionToken><Expiration>2250-01-01T00:00:00Z</Expiration></Credentials><AssumedRoleUser>\
<AssumedRoleId>A:s</AssumedRoleId><Arn>arn:aws:sts::111122223333:assumed-role/orders/s</Arn></AssumedRoleUser>\
</AssumeRoleWithWebIdentityResult></AssumeRoleWithWebIdentityResponse>";

/// The outside of a broker here.
pub fn outside() -> Outside {
    Outside {
        environment: Arc::new(Environment::from([("SECRET", "client-secret")])),
        clock: clock(),
        host: "here".into(),
        quotas: Default::default(),
        log: Default::default(),
    }
}

fn well(url: &str) -> Answer {
    Answer::good(match url {
        "https://login.example/keys" => KEY_SET.clone(),
        "https://login.example/token" => {
            json!({ "access_token": "upstream-token", "token_type": "Bearer", "expires_in": 3600 }).to_string()
        }
        _ => CREDENTIALS.to_owned(),
    })
}

fn configuration() -> Config {
    let digest = ring::digest::digest(&ring::digest::SHA256, TOKEN.as_bytes());
    let digest: String = digest.as_ref().iter().map(|byte| format!("{byte:02x}")).collect();
    Config::parse(Path::new("site.toml"), &CONFIGURATION.replace("@DIGEST@", &digest)).expect("a good configuration")
}

fn surface() -> Arc<Surface> {
    let (config, outside, upstream) = (configuration(), outside(), upstream::by(|url, _| well(url)));
    let (audit, clock) = (Audit::default(), outside.clock.clone());
    let load = Load::new(CONNECTIONS, &config.callers, clock.clone(), None);
    let callers = Arc::new(Directory::new(config.callers.clone()));
    let metadata = metadata::Stages::new(upstream.clone(), &outside, None);
    let (issuers, _) = issuers::issuers(&config.issuers, &upstream, &metadata, &outside, None).expect("issuers");
    let (store, _) = assemble::entries(&config, &upstream, metadata, &outside, None).expect("entries");
    Arc::new(Surface {
        store,
        files: Files::default(),
        kept: Vec::new(),
        issuers: Arc::new(issuers),
        callers,
        fees: None,
        listeners: vec!["127.0.0.1:2778".to_owned()],
        egress: Vec::new(),
        audit,
        log: outside.log,
        refusals: Arc::new(Refusals::new(clock.clone())),
        reloads: Arc::new(Reloads::new("c.toml".to_owned(), clock.clone())),
        life: Arc::new(Life::new(clock.now())),
        places: Places::shared(CONNECTIONS, clock.clone()),
        load,
        clock,
    })
}

/// What answers requests there.
pub struct Site {
    surface: Arc<Surface>,
    /// Of the broker itself.
    pub door: Door,
    /// Of its metadata service, which is for the caller with uid 7.
    pub imds: Imds,
}

static SITE: LazyLock<Site> = LazyLock::new(|| {
    canary::listen();
    let surface = surface();
    let listen = "127.0.0.1:2779".parse().expect("an address");
    let service = imds::Config { listen, credentials: "orders".to_owned(), caller: "proxy".to_owned() };
    Site { door: Door::new(&surface), imds: Imds::new(&surface, &service, Some("eu-west-1")), surface }
});

/// The broker, with its callers known. One for the process.
pub async fn site() -> &'static Site {
    if SITE.surface.callers.current().0.is_empty() {
        SITE.surface.callers.look(SITE.surface.clock.now()).await;
    }
    &SITE
}
