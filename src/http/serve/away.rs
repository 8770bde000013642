//! The answer to whoever gets no place: like any other refusal, but for the head, which is not read as one.

use std::io;
use std::time::Duration;

use http::StatusCode;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::time::timeout;

use crate::http::reply::{self, Response, Style, Trouble};

/// As much of a request is read, so that the connection does not end in a reset.
const MOST_READ: usize = 4096;

/// Answers the request that comes within `patience`, or none, and ends the connection.
pub async fn turn_away<S: AsyncRead + AsyncWrite + Unpin>(mut stream: S, patience: Duration) {
    let mut head = [0; MOST_READ];
    let read = timeout(patience, stream.read(&mut head)).await;
    let answer = answer(&head[..read.map_or(0, Result::unwrap_or_default)]);
    // It fits into the socket of a connection on which nothing was sent before.
    let _ = timeout(patience, stream.write_all(answer.as_bytes())).await;
    let _ = timeout(patience, stream.shutdown()).await;
}

/// The same at once for a stream that does not block: the request is there by now, or is not read.
pub fn turn_away_at_once(mut stream: impl io::Read + io::Write) {
    let mut head = [0; MOST_READ];
    let read = stream.read(&mut head).unwrap_or_default();
    let _ = stream.write(answer(&head[..read]).as_bytes());
}

/// The style of the path in the first line.
fn style(head: &[u8]) -> Style {
    let path = head.split(|byte| *byte == b' ').nth(1);
    path.and_then(|path| std::str::from_utf8(path).ok()).map_or(Style::OAuth, Style::of)
}

fn answer(head: &[u8]) -> String {
    let style = style(head);
    let trouble = Trouble::Overloaded;
    let body = reply::body(&trouble, style).to_string();
    let mut response = Response::default();
    response.headers_mut().extend(reply::headers(&trouble));
    reply::harden(&mut response, true);
    let lines: String = response
        .headers()
        .iter()
        .map(|(name, value)| format!("{name}: {}\r\n", value.to_str().unwrap_or_default()))
        .collect();
    let (status, length) = (StatusCode::SERVICE_UNAVAILABLE, body.len());
    format!("HTTP/1.1 {status}\r\ncontent-type: application/json\r\ncontent-length: {length}\r\n{lines}\r\n{body}")
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What a client that sends `request` reads to the end.
    async fn read_by(request: &[u8]) -> String {
        let (mut client, server) = tokio::io::duplex(8 * 1024);
        client.write_all(request).await.unwrap();
        turn_away(server, Duration::from_secs(1)).await;
        let mut text = String::new();
        client.read_to_string(&mut text).await.unwrap();
        text
    }

    #[tokio::test(start_paused = true)]
    async fn it_is_a_refusal_like_any_other_in_the_style_of_its_path() {
        for (request, member) in [
            ("GET /v1/credentials/x HTTP/1.1\r\n\r\n", "\"Code\":\"Overloaded\""),
            ("GET /v1/tokens/x HTTP/1.1\r\n\r\n", "\"error\":\"temporarily_unavailable\""),
            ("", "\"error\":\"temporarily_unavailable\""),
        ] {
            let text = read_by(request.as_bytes()).await;
            let (head, body) = text.split_once("\r\n\r\n").unwrap();
            assert!(head.starts_with("HTTP/1.1 503 Service Unavailable\r\n"), "{head}");
            for header in ["retry-after: 1", "connection: close", "cache-control: no-store", "x-content-type-options"] {
                assert!(head.contains(header), "{header} in {head}");
            }
            assert!(head.contains(&format!("content-length: {}", body.len())), "{head}");
            assert!(body.contains(member), "{body}");
        }
    }
}
