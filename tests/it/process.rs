//! Child processes of the daemon's binary: what they print is collected, and they end with the test.

use std::path::Path;
use std::process::{ExitStatus, Stdio};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt as _};
use tokio::process::{Child, Command};
use tokio::task::JoinHandle;

use crate::waiting::until;

/// The binary under test.
pub const CREDBROKER: &str = env!("CARGO_BIN_EXE_credbroker");
/// No command takes longer; one that does is a test that fails.
const PATIENCE: Duration = Duration::from_secs(20);

/// A variable of the environment that the tests run in.
#[expect(clippy::disallowed_methods, reason = "the size of a run, and which build it is of, is given from outside")]
pub fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok()
}

/// How a command ended.
#[derive(Clone, Debug)]
pub struct Ended {
    pub code: Option<i32>,
    pub stdout: String,
    pub stderr: String,
}

/// `program` with an environment that holds what is named and nothing else.
pub fn command(program: &str, dir: &Path, environment: &[(String, String)]) -> Command {
    let mut command = Command::new(program);
    command.env_clear().envs(environment.iter().cloned()).current_dir(dir).stdin(Stdio::null()).kill_on_drop(true);
    command
}

/// Runs a command to its end.
pub async fn finish(mut command: Command) -> Ended {
    let running = command.stdout(Stdio::piped()).stderr(Stdio::piped()).output();
    let output = tokio::time::timeout(PATIENCE, running)
        .await
        .unwrap_or_else(|_| panic!("the command did not end within {PATIENCE:?}"));
    let output = output.unwrap();
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    Ended { code: output.status.code(), stdout: text(&output.stdout), stderr: text(&output.stderr) }
}

/// What a process has printed so far, on both streams.
#[derive(Clone, Debug, Default)]
pub struct Printed(Arc<Mutex<Vec<u8>>>);

impl Printed {
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.0.lock().unwrap()).into_owned()
    }

    fn collect_from(&self, mut stream: impl AsyncRead + Unpin + Send + 'static) -> JoinHandle<()> {
        let printed = self.clone();
        tokio::spawn(async move {
            let mut piece = [0; 4096];
            while let Ok(count @ 1..) = stream.read(&mut piece).await {
                printed.0.lock().unwrap().extend_from_slice(&piece[..count]);
            }
        })
    }
}

/// A running process.
pub struct Running {
    child: Child,
    pub printed: Printed,
    /// What stands on standard output, where that is collected apart.
    pub stdout: Printed,
    collectors: Vec<JoinHandle<()>>,
}

impl Running {
    pub fn spawn(mut command: Command) -> Self {
        let mut child = command.stderr(Stdio::piped()).spawn().unwrap();
        let printed = Printed::default();
        let stdout = child.stdout.take().map(|stdout| printed.collect_from(stdout));
        let stderr = child.stderr.take().map(|stderr| printed.collect_from(stderr));
        let collectors = stdout.into_iter().chain(stderr).collect();
        Self { child, printed, stdout: Printed::default(), collectors }
    }

    /// The same with standard output apart: two streams in one may be mixed in the middle of a line.
    pub fn spawn_apart(mut command: Command) -> Self {
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let (printed, stdout) = (Printed::default(), Printed::default());
        let said = child.stderr.take().map(|stderr| printed.collect_from(stderr));
        let put_out = child.stdout.take().map(|out| stdout.collect_from(out));
        Self { child, printed, stdout, collectors: said.into_iter().chain(put_out).collect() }
    }

    /// The exit code, if it has ended; -1 for a signal.
    pub async fn ended(&mut self) -> Option<i32> {
        let status = self.child.try_wait().unwrap()?;
        self.all_printed().await;
        Some(status.code().unwrap_or(-1))
    }

    /// Waits until what it printed before its end has been collected.
    async fn all_printed(&mut self) {
        for collector in self.collectors.drain(..) {
            collector.await.unwrap();
        }
    }

    /// The memory it has in use, in KiB.
    pub fn resident(&self) -> u64 {
        self.memory("VmRSS:")
    }

    /// The most that this ever was.
    pub fn peak(&self) -> u64 {
        self.memory("VmHWM:")
    }

    fn memory(&self, what: &str) -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.pid())).unwrap();
        let line = status.lines().find_map(|line| line.strip_prefix(what)).unwrap();
        line.trim().trim_end_matches(" kB").parse().unwrap()
    }

    /// What it has used of the processors, in user mode and in the kernel.
    pub fn processor_time(&self) -> Duration {
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", self.pid())).unwrap();
        let (_, rest) = stat.rsplit_once(") ").unwrap();
        let ticks: u64 = rest.split(' ').skip(11).take(2).map(|field| field.parse::<u64>().unwrap()).sum();
        // A hundred of them are a second on every Linux.
        Duration::from_millis(ticks * 10)
    }

    /// Lets it open no descriptor above `most` from now on; what it could open before.
    pub async fn descriptors(&self, most: u64) -> u64 {
        let pid = format!("--pid={}", self.pid());
        let run = async |limit: &str| {
            let ended =
                Command::new("prlimit").args([&pid, limit, "--noheadings", "--output=SOFT"]).output().await.unwrap();
            assert!(ended.status.success(), "{}", String::from_utf8_lossy(&ended.stderr));
            String::from_utf8_lossy(&ended.stdout).into_owned()
        };
        let before = run("--nofile").await.trim().parse().unwrap();
        run(&format!("--nofile={most}:")).await;
        before
    }

    pub fn pid(&self) -> u32 {
        self.child.id().unwrap_or_else(|| panic!("it has ended already"))
    }

    /// Sends a signal such as `TERM`.
    pub async fn signal(&self, name: &str) {
        let pid = self.pid();
        let sent = Command::new("/bin/sh").args(["-c", &format!("kill -{name} {pid}")]).status().await.unwrap();
        assert!(sent.success(), "SIG{name} could not be sent");
    }

    /// Stops it until SIGCONT, and waits until no thread of it runs any more.
    pub async fn freeze(&self) {
        self.signal("STOP").await;
        let tasks = format!("/proc/{}/task", self.pid());
        let is_stopped = |task: std::fs::DirEntry| {
            let stat = std::fs::read_to_string(task.path().join("stat")).unwrap_or_default();
            // Behind the name in brackets, which may hold anything.
            stat.rsplit_once(") ").is_none_or(|(_, rest)| rest.starts_with('T'))
        };
        until("the stop of the process", PATIENCE, async || {
            std::fs::read_dir(&tasks).unwrap().all(|task| is_stopped(task.unwrap())).then_some(())
        })
        .await;
    }

    /// Waits for the end; the exit code, -1 for a signal.
    pub async fn wait(&mut self, patience: Duration) -> i32 {
        self.end(patience).await.code().unwrap_or(-1)
    }

    /// Waits for the end, and how it came.
    pub async fn end(&mut self, patience: Duration) -> ExitStatus {
        let ended = tokio::time::timeout(patience, self.child.wait()).await;
        let ended = ended.unwrap_or_else(|_| panic!("the process did not end within {patience:?}")).unwrap();
        self.all_printed().await;
        ended
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("---- the process printed\n{}----", self.printed.text());
        }
        // Gone already is as good; kill_on_drop reaps it.
        let _ = self.child.start_kill();
    }
}
