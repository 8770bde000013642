//! Where a test takes place: an emulator of its own and a directory with secrets, sockets and configurations.

use std::path::{Path, PathBuf};
use std::time::Duration;

use aws_sdk_sts::Client;
use aws_sdk_sts::config::{BehaviorVersion, Config, Credentials, Region};
use credbroker_emulator::{Asked, Control, Emulator, World};
use serde_json::Value;
use tempfile::TempDir;

use crate::daemon::{Daemon, Launch};
use crate::documents::{BROKER_KEY, BROKER_SECRET, M2M_SECRET, ORDERS, REPORTS, ROBOT_PASSWORD, WORLD};
use crate::process::{self, Ended};
use crate::waiting::until;

pub struct Site {
    pub emulator: Emulator,
    pub dir: TempDir,
}

impl Site {
    pub async fn open() -> Self {
        Self::of(WORLD).await
    }

    /// In a world with more in it.
    pub async fn with(more: &str) -> Self {
        Self::of(&format!("{WORLD}{more}")).await
    }

    /// In the world of this document.
    pub async fn of(world: &str) -> Self {
        Self::standing_in(World::from_toml(world).unwrap_or_else(|mistakes| panic!("{mistakes}"))).await
    }

    /// In the usual world after `change` has made another of it.
    pub async fn open_in(change: impl FnOnce(&mut World)) -> Self {
        let mut world = World::from_toml(WORLD).unwrap_or_else(|mistakes| panic!("{mistakes}"));
        change(&mut world);
        Self::standing_in(world).await
    }

    async fn standing_in(world: World) -> Self {
        let emulator = Emulator::start(world, "127.0.0.1:0".parse().unwrap()).await.unwrap();
        let site = Self { emulator, dir: tempfile::tempdir().unwrap() };
        for (name, secret) in [
            ("billing.secret", M2M_SECRET),
            ("robot.password", ROBOT_PASSWORD),
            ("orders.token", ORDERS),
            ("reports.token", REPORTS),
        ] {
            site.write(name, &format!("{secret}\n"));
        }
        site
    }

    pub fn write(&self, name: &str, text: &str) -> PathBuf {
        let path = self.dir.path().join(name);
        std::fs::write(&path, text).unwrap();
        path
    }

    /// Puts a file in the place of another at once, as those do who renew files that are read.
    pub fn replace(&self, name: &str, text: &str) {
        let new = self.write(&format!("{name}.new"), text);
        std::fs::rename(new, self.dir.path().join(name)).unwrap();
    }

    pub fn control(&self) -> Control {
        self.emulator.control()
    }

    /// A daemon to be started.
    pub fn launch(&self, document: &str) -> Launch {
        Launch::new(self.dir.path(), document, self.environment())
    }

    /// A daemon that answers.
    pub async fn daemon(&self, document: &str) -> Daemon {
        self.launch(document).start().await
    }

    /// The requests made upstream for `operation`.
    pub fn asked(&self, operation: &str) -> Vec<Asked> {
        self.control().journal().into_iter().filter(|asked| asked.operation == operation).collect()
    }

    /// Waits until `operation` has been requested `count` times.
    pub async fn asked_times(&self, operation: &str, count: usize) {
        let what = format!("{count} requests for {operation}");
        until(&what, Duration::from_secs(15), async || (self.asked(operation).len() >= count).then_some(())).await;
    }

    /// What came of the requests for `operation`, in order.
    pub fn outcomes(&self, operation: &str) -> Vec<String> {
        self.asked(operation).into_iter().map(|asked| asked.outcome).collect()
    }

    /// Every operation requested upstream, in order.
    pub fn operations(&self) -> Vec<String> {
        self.control().journal().into_iter().map(|asked| asked.operation).collect()
    }

    /// What `credbroker check` says of a configuration.
    pub async fn check(&self, document: &str) -> Ended {
        let file = self.launch(document).configure(1);
        credbroker(self.dir.path(), &["check", "--config", file.to_str().unwrap()], &[]).await
    }

    /// Who has these credentials, by GetCallerIdentity: the principal's ARN.
    pub async fn whose(&self, credentials: &Value) -> String {
        let text = |key: &str| credentials[key].as_str().unwrap().to_owned();
        let held = Credentials::new(text("AccessKeyId"), text("SecretAccessKey"), Some(text("Token")), None, "test");
        let config = Config::builder()
            .behavior_version(BehaviorVersion::latest())
            .region(Region::new("eu-west-1"))
            .credentials_provider(held)
            .endpoint_url(self.emulator.url())
            .http_client(aws_smithy_http_client::Builder::new().build_http())
            .build();
        let answer = Client::from_conf(config).get_caller_identity().send().await.unwrap();
        answer.arn().unwrap().to_owned()
    }

    /// What the daemon's environment holds.
    fn environment(&self) -> Vec<(String, String)> {
        let all = [
            ("AWS_ENDPOINT_URL", &*self.emulator.url()),
            ("AWS_ACCESS_KEY_ID", BROKER_KEY),
            ("AWS_SECRET_ACCESS_KEY", BROKER_SECRET),
            ("AWS_REGION", "eu-west-1"),
            ("AWS_EC2_METADATA_DISABLED", "true"),
            ("CREDBROKER_LOG", "debug"),
            ("HOME", self.dir.path().to_str().unwrap()),
            ("PATH", "/usr/bin:/bin"),
        ];
        all.map(|(name, value)| (name.to_owned(), value.to_owned())).to_vec()
    }
}

/// Runs `credbroker ARGUMENTS…` to its end with nothing but `environment`.
pub async fn credbroker(dir: &Path, arguments: &[&str], environment: &[(&str, &str)]) -> Ended {
    let environment: Vec<_> =
        environment.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
    let mut command = process::command(process::CREDBROKER, dir, &environment);
    command.args(arguments);
    process::finish(command).await
}
