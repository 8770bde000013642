//! Upstreams that answer what they are told to. The requests never leave the process; what comes back goes through the same
//! readers as the real answers.
//!
//! An input spells answers like this: the status, header lines, an empty line, the body; the next answer after a line of four
//! equals signs. Whoever asks more often is answered the last one again.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use aws_smithy_runtime_api::client::http::{HttpConnector, HttpConnectorFuture, SharedHttpConnector};
use aws_smithy_runtime_api::client::orchestrator::{HttpRequest, HttpResponse};
use aws_smithy_runtime_api::http::StatusCode;
use aws_smithy_types::body::SdkBody;
use credbroker::source::upstream::Upstream;

const NEXT: &[u8] = b"\n====\n";

/// One answer.
#[derive(Clone, Debug)]
pub struct Answer {
    status: u16,
    headers: Vec<(String, String)>,
    body: Vec<u8>,
}

impl Answer {
    /// A 200 with `body`.
    pub fn good(body: impl Into<Vec<u8>>) -> Self {
        Self { status: 200, headers: Vec::new(), body: body.into() }
    }

    /// The answers that `input` spells.
    pub fn all(input: &[u8]) -> Vec<Self> {
        let mut rest = input;
        let mut all = Vec::new();
        while let Some(at) = rest.windows(NEXT.len()).position(|window| window == NEXT) {
            all.push(Self::one(&rest[..at]));
            rest = &rest[at + NEXT.len()..];
        }
        all.push(Self::one(rest));
        all
    }

    fn one(text: &[u8]) -> Self {
        let end = text.windows(2).position(|window| window == b"\n\n");
        let (head, body) = end.map_or((text, &[][..]), |end| (&text[..end], &text[end + 2..]));
        let head = String::from_utf8_lossy(head);
        let mut lines = head.lines();
        let status = lines.next().and_then(|line| line.parse().ok()).filter(|status| (200..600).contains(status));
        let header = |line: &str| line.split_once(": ").map(|(name, value)| (name.to_owned(), value.to_owned()));
        Self { status: status.unwrap_or(200), headers: lines.filter_map(header).collect(), body: body.to_vec() }
    }

    fn response(&self) -> HttpResponse {
        let status = StatusCode::try_from(self.status).expect("200 to 599");
        let mut response = HttpResponse::new(status, SdkBody::from(self.body.clone()));
        for (name, value) in &self.headers {
            // What is no header is left out, as it could not have come over the wire.
            let _ = response.headers_mut().try_append(name.clone(), value.clone());
        }
        response
    }
}

/// Answers one request: by its URL and how many came before it.
type Answers = dyn Fn(&str, usize) -> Answer + Send + Sync;

#[derive(Clone)]
struct Scripted {
    answers: Arc<Answers>,
    asked: Arc<Mutex<usize>>,
}

impl fmt::Debug for Scripted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Scripted")
    }
}

impl HttpConnector for Scripted {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        let mut asked = self.asked.lock().unwrap_or_else(PoisonError::into_inner);
        *asked += 1;
        HttpConnectorFuture::ready(Ok((self.answers)(request.uri(), *asked - 1).response()))
    }
}

/// Upstreams that answer by URL and count.
pub fn by(answers: impl Fn(&str, usize) -> Answer + Send + Sync + 'static) -> Upstream {
    Upstream::over(SharedHttpConnector::new(Scripted { answers: Arc::new(answers), asked: Arc::default() }))
}

/// Upstreams that answer what `input` spells.
pub fn spelled(input: &[u8]) -> Upstream {
    let all = Answer::all(input);
    by(move |_, asked| all[asked.min(all.len() - 1)].clone())
}
