//! `credbroker rotate`: a client secret is replaced without a gap, whatever happens in between.

mod gate;
mod interrupted;
mod load;
mod orderly;
mod refused;
mod upstream;

use std::path::PathBuf;
use std::process::Stdio;

use aws_sdk_cognitoidentityprovider::Client;
use aws_sdk_cognitoidentityprovider::config::{BehaviorVersion, Credentials, Region};

use crate::documents::{BROKER_KEY, BROKER_SECRET, M2M_CLIENT, M2M_SECRET, billing_for_orders};
use crate::process::{self, CREDBROKER, Ended};
use crate::site::Site;

const POOL: &str = "eu-west-1_AbCd12345";

/// The rotation of `tokens.billing`, with what Cognito thinks of it seen by another way.
struct Scene {
    site: Site,
    cognito: Client,
    document: String,
    token: &'static str,
    client_id: &'static str,
}

impl Scene {
    async fn open() -> Self {
        let site = Site::open().await;
        let config = aws_sdk_cognitoidentityprovider::Config::builder()
            .behavior_version(BehaviorVersion::latest())
            .region(Region::new("eu-west-1"))
            .credentials_provider(Credentials::new(BROKER_KEY, BROKER_SECRET, None, None, "test"))
            .endpoint_url(site.emulator.url())
            .http_client(aws_smithy_http_client::Builder::new().build_http())
            .build();
        let cognito = Client::from_conf(config);
        Self { site, cognito, document: billing_for_orders(), token: "tokens.billing", client_id: M2M_CLIENT }
    }

    fn command(&self, endpoint: &str) -> tokio::process::Command {
        let launch = self.site.launch(&self.document).env("AWS_ENDPOINT_URL", endpoint);
        let file = launch.configure(1);
        let mut command = process::command(CREDBROKER, self.site.dir.path(), launch.environment());
        command.args(["rotate", self.token, "--config"]).arg(file).stdout(Stdio::piped());
        command
    }

    async fn rotate(&self) -> Ended {
        let ended = process::finish(self.command(&self.site.emulator.url())).await;
        for secret in [M2M_SECRET, &self.secret()] {
            assert!(!format!("{}{}", ended.stdout, ended.stderr).contains(secret), "a secret is shown: {ended:?}");
        }
        ended
    }

    /// Rotates, and it is done.
    async fn rotated(&self) -> String {
        let ended = self.rotate().await;
        assert_eq!((ended.code, &*ended.stderr), (Some(0), ""), "{}", ended.stdout);
        ended.stdout
    }

    fn file(&self) -> PathBuf {
        self.site.dir.path().join("billing.secret")
    }

    fn beside(&self, ending: &str) -> PathBuf {
        self.site.dir.path().join(format!("billing.secret.{ending}"))
    }

    /// What the token's file holds.
    fn secret(&self) -> String {
        std::fs::read_to_string(self.file()).unwrap().trim_end().to_owned()
    }

    /// The ids of the secrets that Cognito accepts.
    async fn listed(&self) -> Vec<String> {
        let list = self.cognito.list_user_pool_client_secrets().user_pool_id(POOL).client_id(self.client_id);
        let listed = list.send().await.unwrap();
        listed.client_secrets().iter().map(|secret| secret.client_secret_id().unwrap().to_owned()).collect()
    }

    async fn works(&self, secret: &str) -> bool {
        self.cognito.get_client_token().client_id(M2M_CLIENT).secret(secret).send().await.is_ok()
    }

    /// One secret at Cognito, another one than at the start, in the file, and nothing beside it.
    async fn is_finished(&self) {
        let new = self.secret();
        assert_ne!(new, M2M_SECRET);
        assert_eq!(self.listed().await.len(), 1);
        assert!(self.works(&new).await, "the new secret is in the file");
        assert!(!self.works(M2M_SECRET).await, "the old one is gone");
        self.nothing_is_left();
    }

    /// As if nothing had been tried.
    async fn is_untouched(&self) {
        assert_eq!(self.secret(), M2M_SECRET);
        assert_eq!(self.listed().await.len(), 1);
        assert!(self.works(M2M_SECRET).await);
        self.nothing_is_left();
    }

    fn nothing_is_left(&self) {
        for ending in ["next", "rotation", "rotation.new", "rotation.lock"] {
            assert!(!self.beside(ending).exists(), "{ending} is left");
        }
    }
}
