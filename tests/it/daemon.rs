//! The daemon under test: configured, started, waited for, and ended with the test.

use std::path::{Path, PathBuf};
use std::time::Duration;

use serde_json::Value;
use tokio::net::UnixDatagram;

use crate::client::{Answer, Ask, Way};
use crate::described;
use crate::documents::ORDERS;
use crate::process::{self, CREDBROKER, Ended, Running};
use crate::waiting::until;

/// A daemon answers within this after its start.
const START: Duration = Duration::from_secs(10);
/// Where a configuration says nothing of its own.
const LISTENERS: &str = "[server]\nlisten = [\"loopback:PORT\", \"unix:DIR/api.sock\"]\n";

/// A daemon to be started.
pub struct Launch {
    binary: String,
    dir: PathBuf,
    document: String,
    environment: Vec<(String, String)>,
    port: Option<u16>,
    /// Shell text that starts it, as `"$@"`.
    through: Option<String>,
    notifications: Option<UnixDatagram>,
}

/// A daemon that answers.
pub struct Daemon {
    pub port: u16,
    pub dir: PathBuf,
    pub running: Running,
    /// What it told systemd, where a test listens to that.
    pub notifications: Option<UnixDatagram>,
}

impl Launch {
    pub fn new(dir: &Path, document: &str, environment: Vec<(String, String)>) -> Self {
        let head = if document.contains("[server]") { "" } else { LISTENERS };
        Self {
            binary: CREDBROKER.to_owned(),
            dir: dir.to_owned(),
            document: format!("{head}{document}"),
            environment,
            port: None,
            through: None,
            notifications: None,
        }
    }

    pub fn env(mut self, name: &str, value: &str) -> Self {
        self.environment.retain(|(other, _)| other != name);
        self.environment.push((name.to_owned(), value.to_owned()));
        self
    }

    pub fn without(mut self, name: &str) -> Self {
        self.environment.retain(|(other, _)| other != name);
        self
    }

    /// Starts it with this umask.
    pub fn umask(self, umask: &str) -> Self {
        self.through(&format!("umask {umask}; exec \"$@\""))
    }

    /// Starts it by this shell text, in which it is `"$@"`.
    pub fn through(mut self, shell: &str) -> Self {
        self.through = Some(shell.to_owned());
        self
    }

    /// Runs another build of the daemon.
    pub fn binary(mut self, path: &str) -> Self {
        path.clone_into(&mut self.binary);
        self
    }

    /// Takes this port and no other.
    pub fn port(mut self, port: u16) -> Self {
        self.port = Some(port);
        self
    }

    /// Listens to what the daemon tells systemd, and takes its READY for the start.
    pub fn notified(mut self) -> Self {
        let path = self.dir.join("notify");
        self.notifications = Some(UnixDatagram::bind(&path).unwrap());
        self.env("NOTIFY_SOCKET", path.to_str().unwrap())
    }

    /// Starts the daemon and waits until it is up. Where another process took the port meanwhile, on another one.
    pub async fn start(mut self) -> Daemon {
        loop {
            let port = self.port.unwrap_or_else(free_port);
            let mut daemon = self.spawn(port);
            daemon.notifications = self.notifications.take();
            let up = until("the daemon's start", START, async || daemon.is_up().await).await;
            match up {
                Ok(()) => return daemon,
                Err(code) => {
                    let raced = self.port.is_none() && daemon.running.printed.text().contains("in use");
                    assert!(raced, "the daemon ended with {code}:\n{}", daemon.running.printed.text());
                    self.notifications = daemon.notifications.take();
                }
            }
        }
    }

    /// Runs the daemon to its end, for one that must not start.
    pub async fn fails(self) -> Ended {
        let port = self.port.unwrap_or_else(free_port);
        process::finish(self.command(port)).await
    }

    fn spawn(&self, port: u16) -> Daemon {
        let running = Running::spawn_apart(self.command(port));
        Daemon { port, dir: self.dir.clone(), running, notifications: None }
    }

    fn command(&self, port: u16) -> tokio::process::Command {
        self.command_by(port, self.through.as_deref())
    }

    /// The command that starts it by this shell text, in which it is `"$@"`.
    pub fn command_through(&self, port: u16, shell: &str) -> tokio::process::Command {
        self.command_by(port, Some(shell))
    }

    fn command_by(&self, port: u16, through: Option<&str>) -> tokio::process::Command {
        let file = self.configure(port);
        let program = if through.is_some() { "/bin/sh" } else { &*self.binary };
        let mut command = process::command(program, &self.dir, &self.environment);
        if let Some(shell) = through {
            command.args(["-c", shell, "sh", &self.binary]);
        }
        command.arg("run").arg("--config").arg(file);
        command
    }

    /// Writes the configuration.
    pub fn configure(&self, port: u16) -> PathBuf {
        let emulator = self.environment.iter().find(|(name, _)| name == "AWS_ENDPOINT_URL").map_or("", |(_, url)| url);
        let text = self.document.replace("DIR", self.dir.to_str().unwrap()).replace("EMULATOR", emulator);
        let file = self.dir.join("credbroker.toml");
        std::fs::write(&file, text.replace("PORT", &port.to_string())).unwrap();
        file
    }

    /// Where its files are.
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// What the daemon's environment would hold.
    pub fn environment(&self) -> &[(String, String)] {
        &self.environment
    }
}

impl Daemon {
    /// All that it has logged up to now. Lines are written beside the requests, in their order: when the one about a signal is
    /// there, all before it are.
    pub async fn logged(&self) -> String {
        let signals = || self.running.printed.text().matches("SIGHUP").count();
        let before = signals();
        self.running.signal("HUP").await;
        until("the line about a signal", Duration::from_secs(10), async || (signals() > before).then_some(())).await;
        self.running.printed.text()
    }

    /// The audit lines up to now, where they go to standard output.
    pub async fn audited(&self) -> Vec<Value> {
        self.audited_in(|| self.running.stdout.text()).await
    }

    /// The same, where `read` gives the text of them. They are written beside the requests, in their order: when the one about a
    /// probe is there, all before it are.
    pub async fn audited_in(&self, read: impl Fn() -> String) -> Vec<Value> {
        const PROBE: &str = "/v1/authorize/probe/policy";
        let lines = || -> Vec<Value> {
            let text = read();
            let whole = text.rsplit_once('\n').map_or("", |(whole, _)| whole);
            whole.lines().map(|line| serde_json::from_str(line).unwrap_or_else(|why| panic!("{why}: {line}"))).collect()
        };
        let is_probe = |line: &Value| line["event"] == "authorizer" && line["status"] == 403 && line["name"].is_null();
        let before = lines().iter().filter(|line| is_probe(line)).count();
        // Refused whoever asks.
        let asked = Ask::get(PROBE).header("host", "probe").over(&self.v4()).await.unwrap();
        assert_eq!(asked.status, 403, "{}", asked.text);
        let mut all = until("the audit line of a probe", Duration::from_secs(10), async || {
            let lines = lines();
            (lines.iter().filter(|line| is_probe(line)).count() > before).then_some(lines)
        })
        .await;
        all.retain(|line| !is_probe(line));
        all
    }

    /// All that it has said up to now: its log, and its audit lines.
    pub async fn said(&self) -> String {
        let log = self.logged().await;
        self.audited().await;
        log + &self.running.stdout.text()
    }

    /// Asks over 127.0.0.1.
    pub async fn ask(&self, ask: Ask) -> Answer {
        self.ask_over(&self.v4(), ask).await
    }

    pub async fn ask_over(&self, way: &Way, ask: Ask) -> Answer {
        let over = ask.answered(way).await;
        let answer = over.unwrap_or_else(|cause| panic!("no answer over {way:?}: {cause}"));
        let is_main = matches!(way, Way::V4(port) | Way::V6(port) if *port == self.port) || *way == self.unix();
        if is_main {
            described::holds_for(&ask, &answer).unwrap_or_else(|why| panic!("not as /openapi.json says: {why}"));
        }
        answer
    }

    /// Gets `path` as the caller with `token`.
    pub async fn get(&self, path: &str, token: &str) -> Answer {
        self.ask(Ask::get(path).bearer(token)).await
    }

    /// Gets `path` until the answer is 200.
    pub async fn served(&self, path: &str, token: &str) -> Answer {
        let what = format!("{path} is served");
        until(&what, Duration::from_secs(15), async || {
            Some(self.get(path, token).await).filter(|answer| answer.status == 200)
        })
        .await
    }

    /// The row of the entry `name` in the status, as `orders` sees it; of the narrowing to `scope`, where that is not empty.
    pub async fn row(&self, name: &str, scope: &str) -> Value {
        let status = self.get("/v1/status", ORDERS).await.json();
        let rows = ["tokens", "credentials"].iter().flat_map(|kind| status[*kind].as_array().unwrap());
        let wanted = |row: &&Value| row["name"] == name && row["scope"].as_str().unwrap_or_default() == scope;
        rows.into_iter().find(wanted).unwrap_or_else(|| panic!("{name} has no row: {status}")).clone()
    }

    pub fn v4(&self) -> Way {
        Way::V4(self.port)
    }

    pub fn v6(&self) -> Way {
        Way::V6(self.port)
    }

    pub fn unix(&self) -> Way {
        Way::Unix(self.dir.join("api.sock"))
    }

    pub fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// `Some` when it is up, or the exit code when it has ended.
    async fn is_up(&mut self) -> Option<Result<(), i32>> {
        if let Some(code) = self.running.ended().await {
            return Some(Err(code));
        }
        let up = match &self.notifications {
            Some(socket) => ready(socket),
            None => match Ask::get("/healthz").over(&self.v4()).await {
                // Another daemon on the same port would be up too.
                Ok(answer) => answer.status == 200 && self.running.printed.text().contains("serving"),
                Err(_) => false,
            },
        };
        up.then_some(Ok(()))
    }
}

fn ready(socket: &UnixDatagram) -> bool {
    let mut message = [0; 1024];
    socket.try_recv(&mut message).is_ok_and(|length| String::from_utf8_lossy(&message[..length]).contains("READY=1"))
}

/// A port that is free on both loopback families, below those that the kernel gives to outgoing connections.
pub fn free_port() -> u16 {
    let is_free = |port: u16| {
        holds("127.0.0.1", port).is_ok() && holds("::1", port).map_or_else(|cause| !is_taken(&cause), |_| true)
    };
    let mut ports = std::iter::repeat_with(|| fastrand::u16(20_000..32_000));
    ports.find(|port| is_free(*port)).unwrap_or_else(|| unreachable!("the iterator has no end"))
}

/// Holds a port.
#[expect(clippy::disallowed_methods, reason = "nobody connects here, so the backlog is of no matter")]
pub fn holds(address: &str, port: u16) -> std::io::Result<std::net::TcpListener> {
    std::net::TcpListener::bind((address, port))
}

fn is_taken(cause: &std::io::Error) -> bool {
    cause.kind() == std::io::ErrorKind::AddrInUse
}
