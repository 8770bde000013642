//! An upstream that goes wrong as a test says, below HTTP too: it has many token endpoints, one per path.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::TcpStream;
use tokio::task::{JoinHandle, JoinSet};

use crate::documents::M2M_SECRET;
use crate::egress::service::{self, Seen, listener};

/// What happens to a request.
#[derive(Clone, Debug)]
pub enum Does {
    /// Sends this, and the connection ends.
    Says(Vec<u8>),
    /// Sends this, and the connection stays for the next request.
    Keeps(Vec<u8>),
    /// Sends this, and then a byte every tenth of a second for as long as anybody takes it.
    Drips(Vec<u8>, u8),
    /// Sends this, and then a piece without end.
    Floods(Vec<u8>, Vec<u8>),
    /// Sends this and then nothing, for as long as the other side stays.
    Hangs(Vec<u8>),
    /// Sends this, and resets the connection.
    Resets(Vec<u8>),
}

/// What is decided by: the request, and how many its path has had before.
type Script = Arc<dyn Fn(&Seen, usize) -> Does + Send + Sync>;

#[derive(Debug, Default)]
struct Noted {
    seen: Vec<Seen>,
    open: usize,
    opened: usize,
}

/// Counts a connection for as long as it is there.
struct Open(Arc<Mutex<Noted>>);

impl Drop for Open {
    fn drop(&mut self) {
        self.0.lock().unwrap().open -= 1;
    }
}

pub struct Upstream {
    pub url: String,
    noted: Arc<Mutex<Noted>>,
    accepting: JoinHandle<()>,
}

impl Upstream {
    pub async fn of(script: impl Fn(&Seen, usize) -> Does + Send + Sync + 'static) -> Self {
        let (listener, url) = listener().await;
        let noted: Arc<Mutex<Noted>> = Arc::default();
        let (counted, script): (_, Script) = (Arc::clone(&noted), Arc::new(script));
        let accepting = tokio::spawn(async move {
            let mut connections = JoinSet::new();
            while let Ok((stream, _)) = listener.accept().await {
                counted.lock().unwrap().open += 1;
                counted.lock().unwrap().opened += 1;
                connections.spawn(serve(stream, Open(Arc::clone(&counted)), Arc::clone(&script)));
            }
        });
        Self { url, noted, accepting }
    }

    /// `tokens.NAME`, asked for at `/NAME`.
    pub fn token(&self, name: &str) -> String {
        format!(
            "[tokens.{name}]\nfrom = \"oauth2\"\ntoken_endpoint = \"{}/{name}\"\nclient_id = \"client\"\n\
             client_auth = \"basic\"\nclient_secret = {{ file = \"DIR/billing.secret\" }}\n",
            self.url
        )
    }

    /// How often `/NAME` has been asked.
    pub fn asked(&self, name: &str) -> usize {
        self.noted.lock().unwrap().seen.iter().filter(|seen| seen.path() == format!("/{name}")).count()
    }

    /// Does any request say that it would take a compressed answer?
    pub fn is_offered_compression(&self) -> bool {
        self.noted.lock().unwrap().seen.iter().any(|seen| !seen.all("accept-encoding").is_empty())
    }

    /// How many connections are open now.
    pub fn open(&self) -> usize {
        self.noted.lock().unwrap().open
    }

    /// How many connections there were.
    pub fn opened(&self) -> usize {
        self.noted.lock().unwrap().opened
    }
}

impl Drop for Upstream {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

/// A grant of `token` for `seconds`, as an answer.
pub fn grant(token: &str, seconds: u32) -> Vec<u8> {
    json(format!(r#"{{"access_token":"{token}","token_type":"Bearer","expires_in":{seconds}}}"#))
}

/// This body with status 200.
pub fn json(body: impl AsRef<[u8]>) -> Vec<u8> {
    answer("200 OK\r\nContent-Type: application/json", body)
}

/// An answer with a length: its status and fields, and its body.
pub fn answer(head: &str, body: impl AsRef<[u8]>) -> Vec<u8> {
    let body = body.as_ref();
    [format!("HTTP/1.1 {head}\r\nContent-Length: {}\r\n\r\n", body.len()).as_bytes(), body].concat()
}

async fn serve(stream: TcpStream, open: Open, script: Script) {
    let mut stream = BufReader::new(stream);
    while let Some(seen) = service::read(&mut stream).await {
        let before = {
            let mut noted = open.0.lock().unwrap();
            let before = noted.seen.iter().filter(|earlier| earlier.path() == seen.path()).count();
            noted.seen.push(seen.clone());
            before
        };
        if happens(stream.get_mut(), script(&seen, before)).await.is_none() {
            return;
        }
    }
}

/// `None` when the connection is over.
async fn happens(stream: &mut TcpStream, does: Does) -> Option<()> {
    let (bytes, after) = match &does {
        Does::Says(bytes) | Does::Keeps(bytes) | Does::Hangs(bytes) | Does::Resets(bytes) => (bytes, None),
        Does::Drips(bytes, byte) => (bytes, Some(vec![*byte])),
        Does::Floods(bytes, piece) => (bytes, Some(piece.clone())),
    };
    stream.write_all(bytes).await.ok()?;
    match does {
        Does::Keeps(_) => return Some(()),
        Does::Says(_) => {}
        Does::Hangs(_) => while let Ok(1..) = stream.read(&mut [0; 1024]).await {},
        Does::Resets(_) => stream.set_zero_linger().ok()?,
        Does::Drips(..) | Does::Floods(..) => {
            let pause = Duration::from_millis(if matches!(does, Does::Drips(..)) { 100 } else { 0 });
            while stream.write_all(after.as_ref()?).await.is_ok() {
                tokio::time::sleep(pause).await;
            }
        }
    }
    None
}

/// Holds what was said of a failure against all that nobody may see of it: the client's secret, and what `mark` is in.
pub fn tells_nothing(text: &str, mark: &str, what: &str) {
    assert!(!text.contains(M2M_SECRET) && !text.contains(mark), "{what}: {text}");
}
