//! `GET /v1/proof?nonce=N`: does the daemon know my token? For a client that wants to know whom it talks to before it shows the token,
//! because somebody else may have taken the port.
//!
//! Open to anybody, since a client that asks shows nothing yet: `caller=NAME` says by whose token. Where a token is shown in
//! `Authorization`, the caller that it belongs to is taken, if no other is named.
//!
//! Parameters, each at most once: `nonce`, 16 to 128 characters of `[A-Za-z0-9_-]`, which the client makes up; `caller`; and
//! `address`, the `IP:PORT` that the client has connected to. Answer: `{"caller","nonce","algorithm":"HMAC-SHA256","proof",
//! "previous_proof"}`, each proof 64 hexadecimal digits: HMAC-SHA256 with the caller's token as the key, over the nonce or, where an
//! address is given, over `NONCE@ADDRESS`. `previous_proof` is by the token before, which a client may still hold while a generated
//! one turns over; either will do.
//!
//! With an address the proof is refused (403) unless this connection came to it, so somebody who has taken one address cannot pass the
//! question on to the daemon at another. What is not kept apart by that is another network namespace with the same address.
//!
//! A caller without a token that can be proved (known by a digest, not known, or with a token short enough to be found by trying) is
//! answered in the same way, with proofs that fit nothing; see [`crate::policy::proof`].

use std::borrow::Cow;
use std::net::SocketAddr;
use std::sync::Arc;

use http::{HeaderMap, Method, StatusCode};
use serde_json::json;
use warp::Filter as _;

use super::describe::{JSON, Operation, Path, of};
use super::intake::{self, Peer};
use super::reply::{self, Response, Style, Trouble};
use super::{Routes, Surface, allowed, query, with};

const PATH: &str = "/v1/proof";
const METHODS: &[&str] = &["GET", "HEAD"];
const ALGORITHM: &str = "HMAC-SHA256";
const BAD_NONCE: &str = "the nonce is 16 to 128 characters of A-Z, a-z, 0-9, - and _, made up for this request";
const ELSEWHERE: Trouble = Trouble::Foreign("the address is not the one that this connection came to");

/// Is this the path?
pub fn is_open(path: &str) -> bool {
    path == PATH
}

/// The route.
pub fn route(surface: &Arc<Surface>) -> Routes {
    warp::path!("v1" / "proof")
        .and(warp::method())
        .and(query())
        .and(warp::header::headers_cloned())
        .and(warp::ext::get::<Peer>())
        .and(with(surface))
        .map(|method: Method, query: String, headers: HeaderMap, peer: Peer, surface: Arc<Surface>| {
            allowed(&method, METHODS)
                .and_then(|()| Question::read(&query))
                .and_then(|question| answer(&surface, &question, &headers, &peer))
                .unwrap_or_else(|trouble| reply::refusal(&trouble, Style::OAuth))
        })
        .boxed()
}

/// The path, described.
pub fn described() -> Path {
    let nonce = json!({ "type": "string", "pattern": "^[A-Za-z0-9_-]{16,128}$" });
    let name = json!({ "type": "string", "pattern": "^[A-Za-z0-9][A-Za-z0-9_-]{0,63}$" });
    let digits = json!({ "type": "string", "pattern": "^[0-9a-f]{64}$" });
    let prove = Operation::open("Operations", "prove", "Does the daemon know my token?")
        .explained(
            "For a client that wants to know whom it talks to before it shows its token. A proof is HMAC-SHA256 with \
             the caller's token as the key, over the nonce or, with an address, over `NONCE@ADDRESS`. A caller that \
             is not known or cannot be proved gets proofs that fit nothing.",
        )
        .knowing_callers()
        .needing("nonce", "Made up for this request.", &nonce)
        .taking("query", "caller", "By whose token; that of the caller who asks, if it shows one.", &name)
        .taking(
            "query",
            "address",
            "The IP address and the port that the client has connected to, such as `127.0.0.1:2778`.",
            &json!({ "type": "string" }),
        )
        .answering(
            StatusCode::OK,
            "The proofs, by the newest token and by the one before.",
            [(JSON, of("Proof"))],
            &[],
        );
    let proof = json!({
        "type": "object",
        "required": ["caller", "nonce", "algorithm", "proof", "previous_proof"],
        "properties": {
            "caller": name,
            "nonce": nonce,
            "algorithm": { "const": ALGORITHM },
            "proof": digits,
            "previous_proof": digits,
        },
    });
    Path::at(PATH).defining("Proof", proof).offering(METHODS, &prove)
}

#[derive(Debug, Default)]
struct Question<'a> {
    nonce: Cow<'a, str>,
    caller: Option<Cow<'a, str>>,
    address: Option<Cow<'a, str>>,
}

impl<'a> Question<'a> {
    fn read(query: &'a str) -> Result<Self, Trouble> {
        let (mut nonce, mut caller, mut address) = (None, None, None);
        for (key, value) in url::form_urlencoded::parse(query.as_bytes()) {
            let place = match &*key {
                "nonce" => &mut nonce,
                "caller" => &mut caller,
                "address" => &mut address,
                _ => return Err(Trouble::BadRequest("the query parameters here are nonce, caller and address")),
            };
            if place.replace(value).is_some() {
                return Err(Trouble::BadRequest("each of nonce, caller and address is given at most once"));
            }
        }
        let nonce = nonce.filter(|nonce| is_nonce(nonce)).ok_or(Trouble::BadRequest(BAD_NONCE))?;
        if caller.as_ref().is_some_and(|caller| !is_name(caller)) {
            return Err(Trouble::BadRequest("the caller is the NAME of a [callers.NAME]"));
        }
        Ok(Self { nonce, caller, address })
    }
}

fn is_nonce(text: &str) -> bool {
    (16..=128).contains(&text.len()) && text.bytes().all(is_word)
}

fn is_name(text: &str) -> bool {
    text.len() <= 64 && text.bytes().all(is_word) && text.starts_with(|first: char| first.is_ascii_alphanumeric())
}

fn is_word(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_')
}

fn answer(surface: &Surface, question: &Question<'_>, headers: &HeaderMap, peer: &Peer) -> Result<Response, Trouble> {
    let address = question.address.as_deref();
    if address.is_some_and(|address| !came_to(peer, address)) {
        return Err(ELSEWHERE);
    }
    let shown = intake::presented(headers, peer)?;
    let callers = surface.callers.current();
    let asker = callers.identify(&shown);
    let name = match &question.caller {
        Some(name) => &**name,
        None => &asker.ok_or(Trouble::UnknownCaller)?.name,
    };
    let has_shown =
        asker.is_some_and(|asker| asker.name == name && shown.token.is_some_and(|token| asker.has_token(&token)));
    let nonce = &*question.nonce;
    let [proof, previous] = surface.callers.decoys().proofs(&callers, name, has_shown, nonce, address);
    let body = json!({
        "caller": name,
        "nonce": nonce,
        "algorithm": ALGORITHM,
        "proof": proof,
        "previous_proof": previous,
    });
    Ok(reply::json(StatusCode::OK, &body))
}

/// Did the connection come to this address? A unix socket has none.
fn came_to(peer: &Peer, address: &str) -> bool {
    let canonical = |address: SocketAddr| (address.ip().to_canonical(), address.port());
    let asked = address.parse().ok().map(canonical);
    asked.is_some() && asked == peer.at.map(canonical)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::http::intake::Transport;

    const NONCE: &str = "0123456789abcdef";

    #[test]
    fn a_question_is_taken_as_it_is_written_or_not_at_all() {
        let whole = format!("nonce={NONCE}&caller=orders&address=%5B::1%5D:2778");
        let question = Question::read(&whole).unwrap();
        assert_eq!((&*question.nonce, question.caller.as_deref()), (NONCE, Some("orders")));
        assert_eq!(question.address.as_deref(), Some("[::1]:2778"));
        let longest = format!("nonce={}", "n".repeat(128));
        assert!(Question::read(&longest).is_ok());
        for bad in [
            "",
            "caller=orders",
            "nonce=0123456789abcde",
            &format!("{longest}n"),
            "nonce=0123456789abcde@",
            "nonce=0123456789abcde%00",
            &format!("nonce={NONCE}&nonce={NONCE}"),
            &format!("nonce={NONCE}&caller="),
            &format!("nonce={NONCE}&caller=-orders"),
            &format!("nonce={NONCE}&caller=a.b"),
            &format!("nonce={NONCE}&caller={}", "n".repeat(65)),
            &format!("nonce={NONCE}&token=x"),
        ] {
            assert!(Question::read(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn an_address_is_that_of_the_connection() {
        let at = |at: Option<&str>| Peer {
            transport: Transport::Tcp,
            process: crate::policy::Process::default(),
            at: at.map(|at| at.parse().unwrap()),
        };
        let v4 = at(Some("127.0.0.1:2778"));
        assert!(came_to(&v4, "127.0.0.1:2778") && came_to(&v4, "[::ffff:127.0.0.1]:2778"));
        assert!(came_to(&at(Some("[::ffff:127.0.0.1]:2778")), "127.0.0.1:2778"));
        assert!(came_to(&at(Some("[::1]:2778")), "[::1]:2778"));
        for other in ["127.0.0.1:2779", "127.0.0.2:2778", "[::1]:2778", "localhost:2778", "127.0.0.1", ""] {
            assert!(!came_to(&v4, other), "{other}");
            assert!(!came_to(&at(None), other), "{other} over a unix socket");
        }
    }
}
