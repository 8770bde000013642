//! What systemd does for the daemon, as far as the daemon notices: it holds the sockets and passes them by name
//! (sd_listen_fds(3)), listens to what it is told (sd_notify(3)), keeps the descriptors it is given in a store
//! and passes them to the next process, feels for the watchdog, and starts the daemon again.

use std::io::IoSliceMut;
use std::mem::MaybeUninit;
use std::net::SocketAddr;
use std::os::fd::OwnedFd;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use command_fds::{CommandFdExt as _, FdMapping};
use rustix::net::{RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, ReturnFlags, recvmsg};
use socket2::{Domain, SockAddr, Socket, Type};
use tokio::io::Interest;
use tokio::net::UnixDatagram;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

use crate::daemon::{Daemon, Launch, free_port};
use crate::process::Running;
use crate::waiting::{Stopwatch, until};

/// The first descriptor that is passed.
const FIRST: i32 = 3;
/// How many descriptors the store holds: `FileDescriptorStoreMax=`.
const STORE_MAX: usize = 2;
/// A process has told that it is ready within this, and has ended within this after it was told to.
const PATIENCE: Duration = Duration::from_secs(20);

/// A service with its sockets, and the process that runs now.
pub struct Supervisor {
    launch: Launch,
    sockets: Vec<(&'static str, OwnedFd)>,
    /// The process that runs now.
    pub daemon: Daemon,
    hearing: Option<Hearing>,
    lives: u32,
    watchdog: Option<Duration>,
    with_store: bool,
    said: Arc<Mutex<Said>>,
}

/// A descriptor in the store.
pub struct Stored {
    pub name: String,
    pub fd: OwnedFd,
}

/// What has been heard from the processes so far.
#[derive(Default)]
struct Said {
    /// The messages of the process that runs now.
    messages: Vec<String>,
    store: Vec<Stored>,
    /// When the watchdog was last fed, or the process became ready.
    fed: Option<Stopwatch>,
}

/// The notification socket of one process.
struct Hearing {
    stop: oneshot::Sender<()>,
    task: JoinHandle<()>,
}

/// Why a process was replaced.
#[derive(Debug, PartialEq, Eq)]
pub enum End {
    /// It ended, with this code; -1 for a signal.
    Itself(i32),
    /// It did not feed the watchdog in time, and was killed.
    Watchdog,
}

impl Supervisor {
    /// Starts the daemon with both families of loopback and `api.sock` as `systemd:api`, and waits for its READY.
    pub async fn start(launch: Launch) -> Self {
        Self::start_with(launch, None, true).await
    }

    /// The same with a watchdog.
    pub async fn start_watching(launch: Launch, watchdog: Duration) -> Self {
        Self::start_with(launch, Some(watchdog), true).await
    }

    /// The same without a store, as for a unit without `FileDescriptorStoreMax=`.
    pub async fn start_without_store(launch: Launch) -> Self {
        Self::start_with(launch, None, false).await
    }

    async fn start_with(launch: Launch, watchdog: Option<Duration>, with_store: bool) -> Self {
        let (port, v4, v6) = loopback();
        let unix = listening(Domain::UNIX, &SockAddr::unix(launch.dir().join("api.sock")).unwrap()).unwrap();
        let sockets = vec![("api", v4), ("api", v6), ("api", unix)];
        let said = Arc::default();
        let (daemon, hearing) = spawn(&launch, &sockets, port, 0, watchdog, with_store, &said);
        let mut this = Self { launch, sockets, daemon, hearing: Some(hearing), lives: 1, watchdog, with_store, said };
        this.is_ready().await;
        this
    }

    /// Stops the process as `systemctl restart` does, and starts the next one.
    pub async fn restart(&mut self) {
        self.daemon.running.signal("TERM").await;
        assert_eq!(self.next().await, End::Itself(0));
    }

    /// Kills the process, and starts the next one.
    pub async fn kill(&mut self) {
        self.daemon.running.signal("KILL").await;
        assert_eq!(self.next().await, End::Itself(-1));
    }

    /// Waits until the process ends, or kills it where it misses the watchdog, and starts the next one, as with `Restart=always`.
    pub async fn next(&mut self) -> End {
        let end = self.ended().await;
        self.start_again().await;
        end
    }

    /// Waits until the process ends, or kills it where it misses the watchdog. Its descriptors are kept.
    pub async fn ended(&mut self) -> End {
        let (running, said, watchdog) = (&mut self.daemon.running, &self.said, self.watchdog);
        let end = until("the end of the process", PATIENCE, async || {
            if let Some(code) = running.ended().await {
                return Some(End::Itself(code));
            }
            let (limit, said) = (watchdog?, said.lock().unwrap());
            said.fed.as_ref().is_some_and(|fed| fed.elapsed() > limit).then_some(End::Watchdog)
        })
        .await;
        if end == End::Watchdog {
            self.daemon.running.signal("KILL").await;
            self.daemon.running.wait(PATIENCE).await;
        }
        if let Some(hearing) = self.hearing.take() {
            hearing.end().await;
        }
        end
    }

    /// Starts the next process with the sockets and what is in the store.
    pub async fn start_again(&mut self) {
        let port = self.daemon.port;
        let lives = self.lives;
        let (daemon, hearing) =
            spawn(&self.launch, &self.sockets, port, lives, self.watchdog, self.with_store, &self.said);
        (self.daemon, self.hearing, self.lives) = (daemon, Some(hearing), lives + 1);
        self.is_ready().await;
    }

    /// Has the next process run with another configuration or environment.
    pub fn launch_with(&mut self, launch: Launch) {
        self.launch = launch;
    }

    async fn is_ready(&mut self) {
        let (running, said) = (&mut self.daemon.running, &self.said);
        until("READY", PATIENCE, async || {
            let code = running.ended().await;
            assert!(code.is_none(), "it ended with {code:?}:\n{}", running.printed.text());
            said.lock().unwrap().has("READY=1").then_some(())
        })
        .await;
    }

    /// What the process that runs now has told.
    pub fn messages(&self) -> Vec<String> {
        self.said().messages.clone()
    }

    /// Has the process that runs now told this, on a line of its own?
    pub fn has_said(&self, line: &str) -> bool {
        self.said().has(line)
    }

    /// The `STATUS=` that was told last.
    pub fn status(&self) -> Option<String> {
        let said = self.said();
        said.messages
            .iter()
            .rev()
            .flat_map(|message| message.lines())
            .find_map(|line| line.strip_prefix("STATUS=").map(ToOwned::to_owned))
    }

    /// The names of what is in the store.
    pub fn stored(&self) -> Vec<String> {
        self.said().store.iter().map(|stored| stored.name.clone()).collect()
    }

    /// Changes what is in the store, between two processes.
    pub fn change_store(&self, change: impl FnOnce(&mut Vec<Stored>)) {
        change(&mut self.said().store);
    }

    fn said(&self) -> MutexGuard<'_, Said> {
        self.said.lock().unwrap()
    }
}

impl Hearing {
    fn start(path: &Path, said: &Arc<Mutex<Said>>) -> Self {
        let socket = UnixDatagram::bind(path).unwrap();
        let (stop, stopped) = oneshot::channel();
        let said = Arc::clone(said);
        let task = tokio::spawn(async move {
            let hear = async {
                loop {
                    let message = socket.async_io(Interest::READABLE, || receive(&socket)).await.unwrap();
                    said.lock().unwrap().note(message);
                }
            };
            tokio::select! {
                () = hear => {},
                _ = stopped => {},
            }
            // What a process has told before its end.
            while let Ok(message) = receive(&socket) {
                said.lock().unwrap().note(message);
            }
        });
        Self { stop, task }
    }

    async fn end(self) {
        let _ = self.stop.send(());
        self.task.await.unwrap();
    }
}

impl Said {
    fn has(&self, line: &str) -> bool {
        self.messages.iter().any(|message| message.lines().any(|said| said == line))
    }

    fn note(&mut self, (message, fds): (String, Vec<OwnedFd>)) {
        let name = message.lines().find_map(|line| line.strip_prefix("FDNAME=")).unwrap_or("stored").to_owned();
        for line in message.lines() {
            match line {
                "READY=1" | "WATCHDOG=1" => self.fed = Some(Stopwatch::start()),
                "FDSTOREREMOVE=1" => self.store.retain(|stored| stored.name != name),
                _ => {}
            }
        }
        if message.lines().any(|line| line == "FDSTORE=1") {
            for fd in fds {
                assert!(self.store.len() < STORE_MAX, "more than {STORE_MAX} descriptors for the store");
                self.store.push(Stored { name: name.clone(), fd });
            }
        }
        self.messages.push(message);
    }
}

fn spawn(
    launch: &Launch,
    sockets: &[(&'static str, OwnedFd)],
    port: u16,
    lives: u32,
    watchdog: Option<Duration>,
    with_store: bool,
    said: &Arc<Mutex<Said>>,
) -> (Daemon, Hearing) {
    let path = launch.dir().join(format!("notify.{lives}"));
    let hearing = Hearing::start(&path, said);
    let passed: Vec<(String, OwnedFd)> = {
        let mut said = said.lock().unwrap();
        (said.messages, said.fed) = (Vec::new(), None);
        let sockets = sockets.iter().map(|(name, fd)| ((*name).to_owned(), fd.try_clone().unwrap()));
        let stored = said.store.iter().map(|stored| (stored.name.clone(), stored.fd.try_clone().unwrap()));
        sockets.chain(stored).collect()
    };
    // The shell becomes the daemon, so LISTEN_PID is the daemon's own.
    let mut command =
        launch.command_through(port, "LISTEN_PID=$$; WATCHDOG_PID=$$; export LISTEN_PID WATCHDOG_PID; exec \"$@\"");
    let names: Vec<&str> = passed.iter().map(|(name, _)| &**name).collect();
    command
        .env("NOTIFY_SOCKET", &path)
        .env("LISTEN_FDS", passed.len().to_string())
        .env("LISTEN_FDNAMES", names.join(":"));
    if with_store {
        command.env("FDSTORE", STORE_MAX.to_string());
    }
    if let Some(watchdog) = watchdog {
        command.env("WATCHDOG_USEC", watchdog.as_micros().to_string());
    }
    let mappings = (FIRST..).zip(passed).map(|(child_fd, (_, parent_fd))| FdMapping { parent_fd, child_fd }).collect();
    command.fd_mappings(mappings).unwrap();
    let running = Running::spawn_apart(command);
    (Daemon { port, dir: launch.dir().to_owned(), running, notifications: None }, hearing)
}

/// One message, with the descriptors in it.
fn receive(socket: &UnixDatagram) -> std::io::Result<(String, Vec<OwnedFd>)> {
    let mut bytes = [0; 8192];
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(4))];
    let mut ancillary = RecvAncillaryBuffer::new(&mut space);
    let flags = RecvFlags::DONTWAIT | RecvFlags::CMSG_CLOEXEC;
    let received = recvmsg(socket, &mut [IoSliceMut::new(&mut bytes)], &mut ancillary, flags)?;
    assert!(!received.flags.contains(ReturnFlags::TRUNC), "the message is too long");
    let fds = ancillary.drain().flat_map(|message| match message {
        RecvAncillaryMessage::ScmRights(fds) => fds.collect(),
        _ => Vec::new(),
    });
    let fds = fds.collect();
    Ok((String::from_utf8(bytes[..received.bytes].to_vec()).unwrap(), fds))
}

/// A port with both families of it.
fn loopback() -> (u16, OwnedFd, OwnedFd) {
    let held = |domain, ip: &str, port| {
        let address = SocketAddr::new(ip.parse().unwrap(), port);
        listening(domain, &address.into())
    };
    let both = |port| Some((port, held(Domain::IPV4, "127.0.0.1", port).ok()?, held(Domain::IPV6, "::1", port).ok()?));
    // Somebody else may take the port before it is held here.
    (0..100).find_map(|_| both(free_port())).unwrap()
}

fn listening(domain: Domain, address: &SockAddr) -> std::io::Result<OwnedFd> {
    let socket = Socket::new(domain, Type::STREAM, None)?;
    if domain == Domain::IPV6 {
        socket.set_only_v6(true)?;
    }
    socket.bind(address)?;
    socket.listen(4096)?;
    Ok(socket.into())
}
