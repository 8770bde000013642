//! What every request goes through before anything else: is it a plain request, from here, for here? And what does the peer
//! show of itself?
//!
//! On TCP every process of the machine, every container of the task and every browser tab can knock, so a `Host` that is not
//! a loopback name, and any header that a proxy or a browser adds, is refused. A request is taken as it is written or not at
//! all: nothing is normalised.

use std::net::SocketAddr;

use http::header::{AUTHORIZATION, CONTENT_LENGTH, HOST, TRANSFER_ENCODING};
use http::{HeaderMap, Method, Request};

use super::reply::Trouble;
use crate::policy::{Caller, Presented, Process, TokenDigest};

/// No body is larger than this, in bytes.
pub const LARGEST_BODY: u64 = 64 * 1024;
/// No path with its query is longer than this, in bytes.
const LONGEST_PATH: usize = 2048;
const STRANGE_PATH: &str = "the path holds something that no path of this API holds";

/// How a peer is connected.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Transport {
    /// Over TCP on loopback.
    Tcp,
    /// Over a unix socket.
    Unix,
    /// On the admin listener, where nothing but health and metrics is served.
    Admin,
}

/// The other end of a connection.
#[derive(Clone, Debug)]
pub struct Peer {
    /// How it is connected.
    pub transport: Transport,
    /// Its process, as the kernel tells it: SO_PEERCRED on a unix socket, the socket table on TCP.
    pub process: Process,
    /// The address that it connected to, over TCP.
    pub at: Option<SocketAddr>,
}

/// Refuses what is no plain request from here.
pub fn check<B>(request: &Request<B>, transport: Transport) -> Result<(), Trouble> {
    let path = request.uri().path();
    check_up_to_slash(request, transport)?;
    // To the router a path with a slash behind it is the same one.
    if path != "/" && path.ends_with('/') { Err(Trouble::BadRequest(STRANGE_PATH)) } else { Ok(()) }
}

/// The same where a path may end in a slash.
pub fn check_up_to_slash<B>(request: &Request<B>, transport: Transport) -> Result<(), Trouble> {
    let uri = request.uri();
    // An authority alone, as CONNECT has it, has no path, and the path of `*` is `*`.
    if uri.scheme().is_some() || !uri.path().starts_with('/') {
        return Err(Trouble::BadRequest("the request target is a path, not a whole URL"));
    }
    if transport == Transport::Tcp {
        is_from_here(request.headers())?;
    }
    if uri.path_and_query().is_some_and(|whole| whole.as_str().len() > LONGEST_PATH) {
        return Err(Trouble::BadRequest("the path is too long"));
    }
    if !is_plain_path(uri.path()) {
        return Err(Trouble::BadRequest(STRANGE_PATH));
    }
    body_is_bounded(request)
}

/// Refuses what came by TCP from elsewhere, or by way of somebody else.
pub fn is_from_here(headers: &HeaderMap) -> Result<(), Trouble> {
    host_is_here(headers)?;
    nobody_in_between(headers)
}

/// Exactly one Host, and it names the loopback interface.
fn host_is_here(headers: &HeaderMap) -> Result<(), Trouble> {
    let mut hosts = headers.get_all(HOST).iter();
    let (Some(host), None) = (hosts.next(), hosts.next()) else {
        return Err(Trouble::BadRequest("a request has exactly one Host header"));
    };
    if host.to_str().is_ok_and(is_loopback_host) {
        Ok(())
    } else {
        Err(Trouble::Foreign("the Host header names another machine; use 127.0.0.1, [::1] or localhost"))
    }
}

/// Does a Host header name the loopback interface? Its port may be any: whoever forwards a port sends the one on his side, and a page
/// of another site that has the name right is refused by what browsers add.
pub fn is_loopback_host(host: &str) -> bool {
    let (name, port) = match host.strip_prefix('[') {
        Some(rest) => match rest.split_once(']') {
            Some((v6, "")) => (v6, None),
            Some((v6, rest)) => match rest.strip_prefix(':') {
                Some(port) => (v6, Some(port)),
                None => return false,
            },
            None => return false,
        },
        None => match host.split_once(':') {
            Some((name, port)) => (name, Some(port)),
            None => (host, None),
        },
    };
    if port.is_some_and(|port| !is_port(port)) {
        return false;
    }
    if host.starts_with('[') {
        return name.parse::<std::net::Ipv6Addr>().is_ok_and(|v6| v6.is_loopback());
    }
    // Rust reads only the plain dotted form, so octal and hexadecimal spellings are no addresses here.
    name.eq_ignore_ascii_case("localhost") || name.parse::<std::net::Ipv4Addr>().is_ok_and(|v4| v4.is_loopback())
}

/// Rust takes a sign too.
fn is_port(text: &str) -> bool {
    text.bytes().all(|b| b.is_ascii_digit()) && text.parse::<u16>().is_ok_and(|port| port > 0)
}

/// No proxy and no browser: neither has any business here, and both are how strangers reach a loopback port.
fn nobody_in_between(headers: &HeaderMap) -> Result<(), Trouble> {
    for name in headers.keys() {
        // Some servers read `X_Forwarded_For` as `X-Forwarded-For`.
        let name = name.as_str().replace('_', "-");
        let of_a_proxy = matches!(name.as_str(), "via" | "x-real-ip" | "cf-connecting-ip" | "cdn-loop")
            || name.contains("forwarded")
            || name.ends_with("client-ip");
        if of_a_proxy {
            return Err(Trouble::Foreign("the request was forwarded by a proxy; ask directly"));
        }
        // No script can set a name that begins with `Sec-`. `Sec-Fetch-Mode` alone is what fetch() of Node.js sends; browsers
        // send others with it.
        if name == "origin" || (name.starts_with("sec-") && name != "sec-fetch-mode") {
            return Err(Trouble::Foreign("the request was made by a browser; ask from a program"));
        }
    }
    Ok(())
}

fn is_plain_path(path: &str) -> bool {
    let plain = |b: u8| b.is_ascii_alphanumeric() || b"/-_.".contains(&b);
    path.bytes().all(plain) && !path.contains("//") && !path.split('/').any(|segment| segment == "." || segment == "..")
}

fn body_is_bounded<B>(request: &Request<B>) -> Result<(), Trouble> {
    let mut lengths = request.headers().get_all(CONTENT_LENGTH).iter();
    let (length, more) = (lengths.next(), lengths.next());
    if more.is_some() {
        return Err(Trouble::BadRequest("a request has at most one Content-Length"));
    }
    let length: u64 = match length.map(|value| value.to_str().unwrap_or_default().parse()) {
        None => 0,
        Some(Ok(length)) => length,
        Some(Err(_)) => return Err(Trouble::BadRequest("the Content-Length is not a number")),
    };
    if length > LARGEST_BODY {
        return Err(Trouble::TooLarge);
    }
    if is_coded(request.headers()) {
        return Err(Trouble::BadRequest("the only Transfer-Encoding is chunked"));
    }
    let has_body = length > 0 || request.headers().contains_key(TRANSFER_ENCODING);
    if has_body && matches!(*request.method(), Method::GET | Method::HEAD) {
        return Err(Trouble::BadRequest("a GET has no body"));
    }
    Ok(())
}

/// Is a body in any coding but chunked, which the framing cannot be taken from?
pub fn is_coded(headers: &HeaderMap) -> bool {
    let mut codings = headers.get_all(TRANSFER_ENCODING).iter();
    match (codings.next(), codings.next()) {
        (None, _) => false,
        (Some(only), None) => !only.as_bytes().eq_ignore_ascii_case(b"chunked"),
        _ => true,
    }
}

/// What the peer shows of itself: its uid, and the token in `Authorization: Bearer T` or, as AWS SDKs send it,
/// `Authorization: T`.
pub fn presented(headers: &HeaderMap, peer: &Peer) -> Result<Presented, Trouble> {
    let mut all = headers.get_all(AUTHORIZATION).iter();
    let (value, more) = (all.next(), all.next());
    if more.is_some() {
        return Err(Trouble::BadRequest("a request has at most one Authorization header"));
    }
    let token = match value.map(|value| value.to_str()) {
        None => None,
        Some(Ok(text)) if !without_scheme(text).is_empty() => Some(TokenDigest::of(without_scheme(text))),
        Some(_) => return Err(Trouble::UnknownCaller),
    };
    Ok(Presented { token, process: peer.process.clone() })
}

fn without_scheme(text: &str) -> &str {
    match text.split_at_checked(7) {
        Some((scheme, token)) if scheme.eq_ignore_ascii_case("bearer ") => token,
        _ => text,
    }
}

/// Refuses a caller over TCP that shows no token and nothing else that neither a browser nor a naive forged request can send.
pub fn means_it(caller: &Caller, headers: &HeaderMap, peer: &Peer) -> Result<(), Trouble> {
    if peer.transport == Transport::Tcp && caller.tokens.is_none() && !is_deliberate(headers) {
        return Err(Trouble::NotDeliberate);
    }
    Ok(())
}

fn is_deliberate(headers: &HeaderMap) -> bool {
    headers.contains_key(AUTHORIZATION) || headers.get("credbroker-request").is_some_and(|value| value == "true")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request(path: &str, headers: &[(&'static str, &str)]) -> Request<()> {
        let mut request = Request::builder().uri(path).body(()).unwrap();
        for (name, value) in headers {
            request.headers_mut().append(*name, value.parse().unwrap());
        }
        request
    }

    fn status(path: &str, headers: &[(&'static str, &str)]) -> u16 {
        check(&request(path, headers), Transport::Tcp).map_or_else(|trouble| trouble.status().as_u16(), |()| 200)
    }

    #[test]
    fn only_loopback_hosts_are_here() {
        for host in
            ["127.0.0.1", "127.0.0.1:2778", "127.9.9.9:1", "localhost", "LOCALHOST:65535", "[::1]", "[::1]:2778"]
        {
            assert_eq!(status("/v1/status", &[("host", host)]), 200, "{host}");
        }
        for host in [
            "evil.example",
            "evil.example:2778",
            "localhost.",
            "127.0.0.1.nip.io",
            "user@localhost",
            "0.0.0.0",
            "0x7f.0.0.1",
            "0177.0.0.1",
            "2130706433",
            "169.254.169.254",
            "[::ffff:127.0.0.1]",
            "[::1",
            "[::1]x",
            "localhost:",
            "localhost:80x",
            "localhost:123456",
            "localhost:99999",
            "localhost:65536",
            "localhost:0",
            "localhost:+80",
            "[::1]:70000",
            "localhost:80:80",
            "127.0.0.1.",
            "127.1",
            "127.0.0.1/",
            "localhost@evil.example",
            "[::1%25lo]",
            "::1",
            "[127.0.0.1]",
            "",
        ] {
            assert_eq!(status("/v1/status", &[("host", host)]), 403, "{host}");
        }
        assert_eq!(status("/v1/status", &[]), 400);
        assert_eq!(status("/v1/status", &[("host", "localhost"), ("host", "localhost")]), 400);
    }

    #[test]
    fn proxies_and_browsers_are_refused_on_tcp() {
        for name in [
            "x-forwarded-for",
            "x_forwarded_for",
            "x-forwarded-host",
            "forwarded",
            "via",
            "x-real-ip",
            "x-original-forwarded-for",
            "true-client-ip",
            "origin",
            "sec-fetch-site",
            "sec-fetch-dest",
            "sec_fetch_site",
            "sec-websocket-key",
            "sec-ch-ua",
            "cdn-loop",
        ] {
            assert_eq!(status("/v1/status", &[("host", "localhost"), (name, "x")]), 403, "{name}");
        }
        let by_node = [("host", "localhost"), ("sec-fetch-mode", "cors"), ("accept-language", "*")];
        assert_eq!(status("/v1/status", &by_node), 200);
        let through_a_socket = check(&request("/v1/status", &[("via", "1.1 nginx")]), Transport::Unix);
        assert!(through_a_socket.is_ok());
    }

    #[test]
    fn paths_are_taken_as_written_or_not_at_all() {
        assert_eq!(status("/v1/tokens/billing?scope=a%20b", &[("host", "localhost")]), 200);
        let long = format!("/{}", "a".repeat(3_000));
        for path in [
            "/v1//tokens",
            "/v1/tokens/../status",
            "/v1/./status",
            "/v1/tokens/a%2Fb",
            "/v1/tokens/%2e%2e",
            "/v1/status/",
            "/v1/tokens/a;b",
            &long,
            "http://127.0.0.1/v1/status",
            "localhost:2778",
            "*",
        ] {
            assert_eq!(status(path, &[("host", "localhost")]), 400, "{path}");
        }
        let of = |bytes: usize| status(&format!("/{}", "a".repeat(bytes - 1)), &[("host", "localhost")]);
        assert_eq!((of(LONGEST_PATH), of(LONGEST_PATH + 1)), (200, 400));
    }

    #[test]
    fn bodies_are_bounded() {
        assert_eq!(status("/", &[("host", "localhost"), ("content-length", "65537")]), 413);
        let posted = Request::post("/").header("host", "localhost").header("content-length", "65536").body(()).unwrap();
        assert!(check(&posted, Transport::Tcp).is_ok());
        assert_eq!(status("/", &[("host", "localhost"), ("content-length", "1")]), 400);
        assert_eq!(status("/", &[("host", "localhost"), ("content-length", "+1")]), 400);
        assert_eq!(status("/", &[("host", "localhost"), ("content-length", "0"), ("content-length", "0")]), 400);
        assert_eq!(status("/", &[("host", "localhost"), ("transfer-encoding", "chunked")]), 400);
        assert_eq!(status("/", &[("host", "localhost"), ("content-length", "0")]), 200);
        for codings in [&["gzip, chunked"][..], &["chunked", "chunked"], &["identity"], &["chunked"]] {
            let mut posted = Request::post("/").header("host", "localhost").body(()).unwrap();
            for coding in codings {
                posted.headers_mut().append(TRANSFER_ENCODING, coding.parse().unwrap());
            }
            assert_eq!(check(&posted, Transport::Unix).is_ok(), codings == ["chunked"], "{codings:?}");
        }
    }

    #[test]
    fn a_token_is_read_with_and_without_its_scheme() {
        let peer = Peer { transport: Transport::Tcp, process: Process::default(), at: None };
        let known = crate::policy::Callers(vec![std::sync::Arc::new(Caller {
            name: "x".into(),
            tokens: Some(vec![TokenDigest::of("secret"), TokenDigest::of("")]),
            ..Caller::default()
        })]);
        let who = |value: &str| {
            let headers = request("/", &[("authorization", value)]).headers().clone();
            presented(&headers, &peer).is_ok_and(|presented| known.identify(&presented).is_some())
        };
        assert!(who("Bearer secret") && who("bearer secret") && who("secret"));
        assert!(!who("Basic secret") && !who("Bearer  secret") && !who("Bearer") && !who("Bearer secret,"));
        assert!(!who("1234567secret"), "only a scheme is left out");
        assert!(!who("") && !who("Bearer "), "no token is none, also where its digest is somebody's");
        let twice = request("/", &[("authorization", "secret"), ("authorization", "secret")]);
        assert!(matches!(presented(twice.headers(), &peer), Err(Trouble::BadRequest(_))));
    }

    #[test]
    fn who_shows_no_token_over_tcp_shows_that_it_means_it() {
        let means = |transport, tokens, headers: &[(&'static str, &str)]| {
            let peer = Peer { transport, process: Process::default(), at: None };
            means_it(&Caller { tokens, ..Caller::default() }, request("/", headers).headers(), &peer).is_ok()
        };
        let said = [("credbroker-request", "true")];
        assert!(!means(Transport::Tcp, None, &[]) && !means(Transport::Tcp, None, &[("credbroker-request", "false")]));
        assert!(means(Transport::Tcp, None, &said) && means(Transport::Tcp, None, &[("authorization", "x")]));
        assert!(means(Transport::Unix, None, &[]), "no browser opens a unix socket");
        assert!(means(Transport::Tcp, Some(vec![]), &[]), "its token is asked for elsewhere");
    }
}
