//! A request to the daemon, as small as HTTP gets.

use std::time::{Duration, Instant};

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::Fault;

/// What the daemon answered.
pub struct Answer {
    pub status: u16,
    pub head: String,
    pub body: serde_json::Value,
    pub took: Duration,
}

impl Answer {
    /// The value of a header.
    pub fn header(&self, name: &str) -> &str {
        let is = |line: &&str| line.split(':').next().is_some_and(|own| own.eq_ignore_ascii_case(name));
        self.head.lines().find(is).and_then(|line| line.split_once(':')).map_or("", |(_, value)| value.trim())
    }

    /// A text of the body.
    pub fn text(&self, key: &str) -> Result<&str, Fault> {
        self.body[key]
            .as_str()
            .ok_or_else(|| format!("the answer (status {}) has no {key}: {}", self.status, self.body).into())
    }
}

/// Asks for `path` with the caller's `token`.
pub async fn get(port: u16, path: &str, token: &str) -> Result<Answer, Fault> {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).await?;
    let started = Instant::now();
    let request =
        format!("GET {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: Bearer {token}\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).await?;
    let mut answer = String::new();
    stream.take(1 << 20).read_to_string(&mut answer).await?;
    let took = started.elapsed();
    let (head, body) = answer.split_once("\r\n\r\n").ok_or("the daemon's answer is not HTTP")?;
    let status = head.split(' ').nth(1).and_then(|status| status.parse().ok()).unwrap_or(0);
    Ok(Answer { status, head: head.to_owned(), body: serde_json::from_str(body).unwrap_or_default(), took })
}
