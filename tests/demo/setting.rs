//! What the demo stands on: a directory with the secrets, the emulator in this process, and the daemon as a child of it.

use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use credbroker_emulator::{Emulator, World};
use tokio::process::{Child, Command};

use crate::{Fault, asking};

const WORLD: &str = include_str!("../emulator/world.toml");
const CONFIG: &str = include_str!("../../deploy/demo.toml");

/// What the caller "demo" presents.
pub const CALLER_TOKEN: &str = "a-demo-token-is-no-secret";

/// Emulator and daemon, running.
pub struct Setting {
    pub emulator: Emulator,
    pub port: u16,
    pub dir: tempfile::TempDir,
    daemon: Child,
}

impl Setting {
    /// Starts both.
    pub async fn start() -> Result<Self, Fault> {
        let emulator = Emulator::start(World::from_toml(WORLD)?, "127.0.0.1:0".parse()?).await?;
        let dir = tempfile::Builder::new().prefix("credbroker-demo-").tempdir()?;
        let port = free_port(2778)?;
        for (name, secret) in [
            ("billing.secret", "billingsecret0123456789abcdefghijklmnop"),
            ("robot.password", "correct horse Battery 1"),
            ("demo.token", CALLER_TOKEN),
        ] {
            std::fs::write(dir.path().join(name), secret)?;
        }
        let config = CONFIG
            .replace("loopback:2778", &format!("loopback:{port}"))
            .replace("/run/credbroker-demo", &dir.path().display().to_string())
            .replace("http://127.0.0.1:2799", &emulator.url());
        let path = dir.path().join("credbroker.toml");
        std::fs::write(&path, config)?;
        let daemon = daemon(&path, &emulator.url(), dir.path())?;
        let mut setting = Self { emulator, port, dir, daemon };
        setting.wait_until_it_answers().await?;
        Ok(setting)
    }

    /// Where the configuration is that the daemon runs with.
    pub fn config(&self) -> PathBuf {
        self.dir.path().join("credbroker.toml")
    }

    async fn wait_until_it_answers(&mut self) -> Result<(), Fault> {
        for _ in 0..200 {
            if asking::get(self.port, "/healthz", "").await.is_ok_and(|answer| answer.status == 200) {
                return Ok(());
            }
            if let Some(status) = self.daemon.try_wait()? {
                return Err(format!("the daemon ended at once ({status}):\n{}", self.log()).into());
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        Err(format!("the daemon does not answer:\n{}", self.log()).into())
    }

    /// What the daemon printed.
    pub fn log(&self) -> String {
        std::fs::read_to_string(self.dir.path().join("daemon.log")).unwrap_or_default()
    }

    /// Ends the daemon, then the emulator.
    pub async fn end(mut self) -> Result<(), Fault> {
        self.daemon.kill().await?;
        self.emulator.shutdown().await;
        Ok(())
    }
}

/// The daemon itself, unmodified, beside this program in the build directory.
fn daemon(config: &Path, emulator: &str, dir: &Path) -> Result<Child, Fault> {
    let own = std::env::current_exe()?;
    let binary =
        own.parent().and_then(Path::parent).map(|build| build.join("credbroker")).filter(|binary| binary.exists());
    let binary = binary.ok_or("the daemon is not built; `make run` builds both")?;
    let log = std::fs::File::create(dir.join("daemon.log"))?;
    Ok(Command::new(binary)
        .args(["run", "--config"])
        .arg(config)
        .env_clear()
        // The broker's own identity, and where its AWS is.
        .env("AWS_ACCESS_KEY_ID", "AKIAEMULATORBROKER01")
        .env("AWS_SECRET_ACCESS_KEY", "emulator+secret/access+key+of+the+broker01")
        .env("AWS_ENDPOINT_URL", emulator)
        .env("CREDBROKER_LOG", "debug")
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(log)
        .kill_on_drop(true)
        .spawn()?)
}

/// `wanted` if it is free on both loopback families, else any port that is.
fn free_port(wanted: u16) -> Result<u16, Fault> {
    let free = |port: u16| {
        let v4 = TcpListener::bind(("127.0.0.1", port)).ok()?;
        let port = v4.local_addr().ok()?.port();
        match TcpListener::bind(("::1", port)) {
            Err(cause) if cause.kind() == std::io::ErrorKind::AddrInUse => None,
            _ => Some(port),
        }
    };
    free(wanted).or_else(|| free(0)).ok_or_else(|| "no port of the loopback interface is free".into())
}
