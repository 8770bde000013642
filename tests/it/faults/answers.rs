//! Answers of a token endpoint that are no tokens, and those that are nearly none.

use std::time::Duration;

use super::upstream::{Does, Upstream, answer, grant, json, tells_nothing};
use crate::daemon::{Daemon, holds};
use crate::documents::{ORDERS, caller};
use crate::site::Site;
use crate::waiting::{limited, until};

/// Stands in every answer as a token would.
const MARK: &str = "marker5k2v";
/// `{"access_token":"marker5k2v","token_type":"Bearer","expires_in":3600}`, compressed by gzip.
const COMPRESSED: &[u8] = b"\x1f\x8b\x08\x00\x00\x00\x00\x00\x02\x03\xab\x56\x4a\x4c\x4e\x4e\x2d\x2e\x8e\x2f\xc9\xcf\x4e\xcd\x53\xb2\x52\xca\x4d\x2c\
      \xca\x4e\x2d\x32\xcd\x36\x2a\x53\xd2\x51\x02\x0b\xc6\x97\x54\x16\xa4\x02\x65\x9c\x52\x13\x8b\x52\x8b\x80\xa2\xa9\x15\x05\
      \x99\x45\xa9\xc5\xf1\x99\x40\xf5\xc6\x66\x06\x06\xb5\x00\xf2\xea\x93\x74\x45\x00\x00\x00";

/// A grant with these members beside the token.
fn with(members: &str) -> Vec<u8> {
    json(format!(r#"{{"access_token":"{MARK}","token_type":"Bearer"{members}}}"#))
}

/// A grant of this token, as JSON has it.
fn token(text: &str) -> Vec<u8> {
    json(format!(r#"{{"access_token":{text},"token_type":"Bearer","expires_in":3600}}"#))
}

fn redirect(status: &str, elsewhere: &str) -> Vec<u8> {
    answer(&format!("{status}\r\nLocation: http://{elsewhere}/{MARK}"), "")
}

/// The name of a fault, what is answered, and what a caller is told with nothing held: the status, and a word about it.
type Case = (&'static str, Does, u16, &'static str);

const NO_TOKEN: &str = "without an access_token";

fn broken_transport() -> Vec<Case> {
    let whole = String::from_utf8(grant(MARK, 3600)).unwrap();
    let longer = whole.replace("Content-Length: ", "Content-Length: 1");
    let chunk = format!("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n{:x}\r\n", grant_body().len());
    vec![
        ("closed", Does::Says(vec![]), 503, "cannot be reached"),
        ("reset", Does::Resets(vec![]), 503, "cannot be reached"),
        ("resetinhead", Does::Resets(b"HTTP/1.1 200 OK\r\nConte".to_vec()), 503, "cannot be reached"),
        ("resetinbody", Does::Resets(longer.clone().into()), 503, "breaks off"),
        ("cutbody", Does::Says(longer.into()), 503, "breaks off"),
        ("cutchunks", Does::Says(format!("{chunk}{}\r\n", grant_body()).into()), 503, "breaks off"),
        ("badchunks", Does::Says(chunk.replace("\r\n\r\n", "\r\n\r\nzz").into()), 503, "breaks off"),
        ("otherprotocol", Does::Says(b"SSH-2.0-OpenSSH_9.9\r\n".to_vec()), 503, "cannot be reached"),
        ("oddversion", Does::Says(whole.replace("HTTP/1.1", "HTTP/7.7").into()), 503, "cannot be reached"),
        (
            "twolengths",
            Does::Says(whole.replace("\r\n\r\n", "\r\nContent-Length: 7\r\n\r\n").into()),
            503,
            "cannot be reached",
        ),
        ("nocontent", Does::Says(b"HTTP/1.1 204 No Content\r\n\r\n".to_vec()), 503, "status 204"),
        ("partial", Does::Says(whole.replace("200 OK", "206 Partial Content").into()), 503, "status 206"),
    ]
}

fn grant_body() -> String {
    format!(r#"{{"access_token":"{MARK}","token_type":"Bearer","expires_in":3600}}"#)
}

fn other_content() -> Vec<Case> {
    let says = |bytes: Vec<u8>| Does::Says(bytes);
    let whole = grant_body();
    let html = format!("<html>{MARK}</html>");
    let utf16: Vec<u8> = whole.encode_utf16().flat_map(u16::to_le_bytes).collect();
    vec![
        ("portal", says(answer("200 OK\r\nContent-Type: text/html", &html)), 503, NO_TOKEN),
        ("page", says(answer("503 Service Unavailable\r\nContent-Type: text/html", &html)), 503, "status 503"),
        ("empty", says(json("")), 503, NO_TOKEN),
        ("half", says(json(&whole[..whole.len() - 1])), 503, NO_TOKEN),
        ("trailing", says(json(format!("{whole}x"))), 503, NO_TOKEN),
        ("two", says(json(format!("{whole}{whole}"))), 503, NO_TOKEN),
        ("bom", says(json(format!("\u{feff}{whole}"))), 503, NO_TOKEN),
        ("utf16", says(json(utf16)), 503, NO_TOKEN),
        ("list", says(json(format!("[{whole}]"))), 503, NO_TOKEN),
        ("deep", says(json("[".repeat(60_000))), 503, NO_TOKEN),
        ("tokentwice", says(with(r#","access_token":"other","expires_in":60"#)), 503, NO_TOKEN),
        ("lifetwice", says(with(r#","expires_in":60,"expires_in":3600"#)), 503, NO_TOKEN),
        ("compressed", says(answer("200 OK\r\nContent-Encoding: gzip", COMPRESSED)), 503, NO_TOKEN),
        ("large", says(json(format!("{whole}{}", " ".repeat(64 * 1024)))), 503, "64 KiB"),
    ]
}

fn other_tokens() -> Vec<Case> {
    let says = |bytes: Vec<u8>| Does::Says(bytes);
    let megabyte = format!("\"{}\"", MARK.repeat(100_000));
    vec![
        ("tokenmissing", says(json(r#"{"token_type":"Bearer","expires_in":60}"#)), 503, NO_TOKEN),
        ("tokennull", says(token("null")), 503, NO_TOKEN),
        ("tokennumber", says(token("7")), 503, NO_TOKEN),
        ("tokenempty", says(token("\"\"")), 503, "no header may carry"),
        ("tokenlines", says(token(&format!(r#""{MARK}\r\nX-Injected: yes""#))), 503, "no header may carry"),
        ("tokennul", says(token(&format!(r#""{MARK}\u0000""#))), 503, "no header may carry"),
        ("tokenblank", says(token(&format!("\"{MARK} {MARK}\""))), 503, "no header may carry"),
        ("tokenumlaut", says(token(&format!("\"{MARK}ä\""))), 503, "no header may carry"),
        ("tokenbytes", says(json([b"{\"access_token\":\"\xff", MARK.as_bytes(), b"\"}"].concat())), 503, NO_TOKEN),
        ("tokenlarge", says(token(&megabyte)), 503, "64 KiB"),
        (
            "mac",
            says(json(format!(r#"{{"access_token":"{MARK}","token_type":"mac","expires_in":60}}"#))),
            503,
            "bearer",
        ),
    ]
}

/// Of a lifetime that is one, see [`lifetimes_that_are_understood`].
fn other_lifetimes() -> Vec<Case> {
    let cases = [
        ("lifeminus", "-1", NO_TOKEN),
        ("lifeminustext", "\"-1\"", NO_TOKEN),
        ("lifeword", "\"soon\"", NO_TOKEN),
        ("lifenotext", "\"\"", NO_TOKEN),
        ("lifebool", "true", NO_TOKEN),
        ("lifelist", "[60]", NO_TOKEN),
        ("lifetoolarge", "18446744073709551616", NO_TOKEN),
        ("lifetoolargetext", "\"18446744073709551616\"", NO_TOKEN),
        ("lifehuge", "1e300", NO_TOKEN),
        ("lifezero", "0", "expired"),
        ("lifefraction", "0.9", "expired"),
    ];
    cases.map(|(name, life, word)| (name, Does::Says(with(&format!(",\"expires_in\":{life}"))), 503, word)).into()
}

/// Refusals in the words of the standard, and how long the server wants to be left alone.
fn refusals() -> Vec<Case> {
    let refused = |code: &str| format!(r#"{{"error":"{code}","error_description":"{MARK}"}}"#);
    let says = |head: &str, code: &str| Does::Says(answer(head, refused(code)));
    vec![
        ("client", says("401 Unauthorized", "invalid_client"), 502, "invalid_client"),
        ("flow", says("400 Bad Request", "unauthorized_client"), 502, "unauthorized_client"),
        ("throttled", says("429 Too Many Requests", "slow_down"), 503, "fewer requests"),
        ("throttledzero", says("429 Too Many Requests\r\nRetry-After: 0", "slow_down"), 503, "fewer requests"),
        ("throttledlong", says("429 Too Many Requests\r\nRetry-After: 1000000000", "slow_down"), 503, "fewer requests"),
        ("throttledword", says("429 Too Many Requests\r\nRetry-After: never", "slow_down"), 503, "fewer requests"),
    ]
}

fn redirects(elsewhere: &str) -> Vec<Case> {
    let cases = [
        ("moved", "301 Moved Permanently"),
        ("found", "302 Found"),
        ("seeother", "303 See Other"),
        ("temporarily", "307 Temporary Redirect"),
        ("permanently", "308 Permanent Redirect"),
    ];
    cases.map(|(name, status)| (name, Does::Says(redirect(status, elsewhere)), 502, "redirects")).into()
}

/// The name of the token that is held already when its endpoint goes wrong.
fn held(name: &str) -> String {
    format!("held{name}")
}

/// With nothing held, the fault is told; with a token held, it is served and the status tells it.
async fn shows(daemon: &Daemon, upstream: &Upstream, (name, _, status, word): &Case) {
    let answer = daemon.get(&format!("/v1/tokens/{name}"), ORDERS).await;
    assert_eq!(answer.status, *status, "{name}: {}", answer.text);
    assert!(answer.complaint().contains(word), "{name}: {}", answer.text);
    assert!((1..=300).contains(&answer.retry_after()), "{name}: {} s", answer.retry_after());
    assert!(!answer.headers().any(|field| field == "x-injected"), "{name}");
    assert_eq!(upstream.asked(name), 1, "{name}: only a connection that was kept is tried again");
    tells_nothing(&answer.text, MARK, name);

    let entry = format!("tokens.{}", held(name));
    until(&format!("{name}: the renewal fails"), Duration::from_secs(20), async || {
        let row = daemon.row(&entry, "").await;
        row["last_error"]["message"].as_str().is_some_and(|said| said.contains(word)).then_some(())
    })
    .await;
    let answer = daemon.get(&format!("/v1/tokens/{}", held(name)), ORDERS).await;
    assert_eq!(answer.token(), format!("good-{}", held(name)), "{name}");
    assert!(upstream.asked(&held(name)) >= 2, "{name}");
}

#[tokio::test]
async fn an_answer_that_is_no_token_is_told_and_displaces_none() {
    limited(async {
        let elsewhere = holds("127.0.0.1", 0).unwrap();
        elsewhere.set_nonblocking(true).unwrap();
        let redirects = redirects(&elsewhere.local_addr().unwrap().to_string());
        let cases =
            [broken_transport(), other_content(), other_tokens(), other_lifetimes(), refusals(), redirects].concat();
        let scripted: Vec<_> = cases.iter().map(|(name, does, ..)| (format!("/{name}"), does.clone())).collect();
        let upstream = Upstream::of(move |seen, before| {
            let path = seen.path().strip_prefix("/held").map(|name| format!("/{name}"));
            let (path, is_held) = path.map_or((seen.path().to_owned(), false), |path| (path, true));
            if is_held && before == 0 {
                return Does::Says(grant(&format!("good-held{}", &path[1..]), 60));
            }
            scripted.iter().find(|(own, _)| *own == path).unwrap().1.clone()
        })
        .await;
        let names: Vec<String> = cases.iter().flat_map(|(name, ..)| [(*name).to_owned(), held(name)]).collect();
        let tokens: String = names.iter().map(|name| upstream.token(name)).collect();
        let allow: Vec<String> = names.iter().map(|name| format!("tokens.{name}")).collect();
        let allow: Vec<&str> = allow.iter().map(String::as_str).collect();
        let site = Site::open().await;
        // Renewals come after 3 to 9 seconds of the minute.
        let daemon = site.daemon(&format!("[refresh]\nahead = 0.1\n{tokens}{}", caller("orders", &allow))).await;
        for (name, ..) in &cases {
            daemon.served(&format!("/v1/tokens/{}", held(name)), ORDERS).await;
        }
        for case in &cases {
            shows(&daemon, &upstream, case).await;
        }
        let said = daemon.said().await;
        tells_nothing(&said, MARK, "the log");
        assert!(!said.contains("<html>") && !said.contains("panic"), "{said}");
        assert!(elsewhere.accept().is_err(), "a redirect was followed");
        assert!(!upstream.is_offered_compression(), "nothing unpacks it");
    })
    .await;
}

/// A lifetime that is missing is assumed; one beyond all reason is cut; whatever it is, nothing overflows.
#[tokio::test]
async fn lifetimes_that_are_understood() {
    limited(async {
        // {"exp": 2^63 - 1} and {"exp": 1e308} between a header and a signature.
        let forever =
            ["eyJleHAiOjkyMjMzNzIwMzY4NTQ3NzU4MDd9", "eyJleHAiOjFlMzA4fQ"].map(|exp| format!("e30.{exp}.c2ln"));
        let cases = [
            ("none", "opaque", "", 300),
            ("null", "opaque", ",\"expires_in\":null", 300),
            ("text", "opaque", ",\"expires_in\":\"600\"", 600),
            ("fraction", "opaque", ",\"expires_in\":600.9", 600),
            ("signed", "opaque", ",\"expires_in\":9223372036854775808", 86_400),
            ("unsigned", "opaque", ",\"expires_in\":18446744073709551615", 86_400),
            ("claim", &forever[0], ",\"expires_in\":18446744073709551615", 86_400),
            ("claimfloat", &forever[1], ",\"expires_in\":600", 600),
        ];
        let grants = cases.each_ref().map(|(name, token, more, _)| {
            (format!("/{name}"), json(format!("{{\"access_token\":\"{token}\",\"token_type\":\"Bearer\"{more}}}")))
        });
        let upstream = Upstream::of(move |seen, _| {
            Does::Says(grants.iter().find(|(path, _)| path == seen.path()).unwrap().1.clone())
        })
        .await;
        let tokens: String = cases.iter().map(|(name, ..)| upstream.token(name)).collect();
        let allow = cases.each_ref().map(|(name, ..)| format!("tokens.{name}"));
        let site = Site::open().await;
        let daemon = site.daemon(&format!("{tokens}{}", caller("orders", &allow.each_ref().map(String::as_str)))).await;
        for (name, _, more, life) in &cases {
            let answer = daemon.served(&format!("/v1/tokens/{name}"), ORDERS).await;
            let left = answer.json()["expires_in"].as_u64().unwrap();
            assert!((life - 20..=*life).contains(&left), "{name} {more}: {left} s are left");
        }
        assert_eq!(upstream.opened(), cases.len(), "each was asked for once");
    })
    .await;
}
