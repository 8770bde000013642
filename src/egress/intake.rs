//! What is forwarded at all.
//!
//! The credential is added to whatever the user's processes send, and a browser is one of them: a page anywhere can make it post a
//! form to a loopback port. So on TCP all that a browser adds of its own is refused, besides what is refused on every listener
//! (`Origin`, `Sec-*`, a `Host` that is no loopback name, what proxies add): `Referer` and `Upgrade-Insecure-Requests`. An older browser that loads an image adds none of them, nor does a mail program: so their name for
//! themselves, which has held `Gecko` for twenty years, is refused too. A header that the program would have to add cannot be asked
//! for here.
//!
//! What two servers could read in two ways is refused rather than read in one: a coded body, a request of HTTP/1.0, whose answer
//! could break off unnoticed. A body is framed anew on the way out, so a `Content-Length` beside `Transfer-Encoding`, which
//! the HTTP library passes over (RFC 9112 section 6.3), reaches nobody.

use http::header::{REFERER, UPGRADE, UPGRADE_INSECURE_REQUESTS, USER_AGENT};
use http::{HeaderMap, Method, Request, Version};

use crate::http::intake::{Transport, is_coded, is_from_here};
use crate::http::reply::Trouble;

/// Refuses what is not forwarded.
pub fn check<B>(request: &Request<B>, transport: Transport) -> Result<(), Trouble> {
    if request.version() != Version::HTTP_11 {
        return Err(Trouble::BadRequest("only HTTP/1.1 is forwarded: in HTTP/1.0 an answer can break off unnoticed"));
    }
    if matches!(*request.method(), Method::CONNECT | Method::TRACE) {
        return Err(Trouble::NotForwardable("CONNECT and TRACE are not forwarded"));
    }
    let uri = request.uri();
    if uri.scheme().is_some() || uri.authority().is_some() || !uri.path().starts_with('/') {
        return Err(Trouble::BadRequest(
            "the request target is a path: this is no proxy for other hosts, the upstream is configured",
        ));
    }
    if transport == Transport::Tcp {
        is_from_here(request.headers())?;
        of_no_browser(request.headers())?;
    }
    plainly_framed(request.headers())?;
    no_other_protocol(request.headers())
}

fn of_no_browser(headers: &HeaderMap) -> Result<(), Trouble> {
    if headers.contains_key(REFERER) || headers.contains_key(UPGRADE_INSECURE_REQUESTS) {
        return Err(Trouble::Foreign("the request was made by a browser; ask from a program"));
    }
    let is_engine = |agent: &[u8]| agent.windows(5).any(|part| part.eq_ignore_ascii_case(b"gecko"));
    if headers.get_all(USER_AGENT).iter().any(|agent| is_engine(agent.as_bytes())) {
        return Err(Trouble::Foreign("the User-Agent is that of a browser; ask from a program, by a name of its own"));
    }
    Ok(())
}

fn plainly_framed(headers: &HeaderMap) -> Result<(), Trouble> {
    if is_coded(headers) {
        return Err(Trouble::NotForwardable("the only Transfer-Encoding that is forwarded is chunked"));
    }
    Ok(())
}

/// An offer of HTTP/2, as the clients of Java and `curl --http2` make it, may be passed over; whoever wants a WebSocket has to know.
fn no_other_protocol(headers: &HeaderMap) -> Result<(), Trouble> {
    let offers = headers.get_all(UPGRADE).iter();
    let is_known = |offer: &[u8]| offer.split(|b| *b == b',').all(|one| one.trim_ascii().eq_ignore_ascii_case(b"h2c"));
    if offers.into_iter().all(|offer| is_known(offer.as_bytes())) {
        return Ok(());
    }
    Err(Trouble::NotForwardable("WebSocket and other protocols after an Upgrade are not forwarded"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn status(method: &str, target: &str, headers: &[(&'static str, &str)]) -> u16 {
        let mut request = Request::builder().method(method).uri(target).body(()).unwrap();
        request.headers_mut().append("host", "localhost:2780".parse().unwrap());
        for (name, value) in headers {
            request.headers_mut().append(*name, value.parse().unwrap());
        }
        check(&request, Transport::Tcp).map_or_else(|trouble| trouble.status().as_u16(), |()| 200)
    }

    #[test]
    fn any_path_is_forwarded_and_no_other_target() {
        for target in ["/", "/a//b/../c/%2e%2E/%C3%BC;v=1?a=b+c&a=%20&&x", "/?", "/a:b@c/'~!$*"] {
            assert_eq!(status("PURGE", target, &[]), 200, "{target}");
        }
        for target in ["http://billing.example/", "https://127.0.0.1/x", "*", "billing.example:443"] {
            assert_eq!(status("GET", target, &[]), 400, "{target}");
        }
        assert_eq!(status("CONNECT", "billing.example:443", &[]), 501);
        assert_eq!(status("TRACE", "/", &[]), 501);
    }

    #[test]
    fn a_browser_is_refused_by_whatever_it_adds() {
        for (name, value) in [
            ("origin", "https://evil.example"),
            ("origin", "null"),
            ("sec-fetch-site", "cross-site"),
            ("referer", "https://evil.example/"),
            ("sec-ch-ua", "\"Chromium\""),
            ("sec-gpc", "1"),
            ("sec-purpose", "prefetch"),
            ("upgrade-insecure-requests", "1"),
            ("user-agent", "Mozilla/5.0 (X11; Linux x86_64; rv:60.0) Gecko/20100101 Firefox/60.0"),
            (
                "user-agent",
                "Mozilla/5.0 (Macintosh) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/15.6 Safari/605.1.15",
            ),
            ("x-forwarded-for", "10.0.0.1"),
            ("via", "1.1 x"),
        ] {
            assert_eq!(status("GET", "/", &[(name, value)]), 403, "{name}");
        }
        let by_node = [("sec-fetch-mode", "cors"), ("user-agent", "Mozilla/5.0"), ("cookie", "a=b")];
        assert_eq!(status("GET", "/", &by_node), 200);
    }

    #[test]
    fn what_could_be_read_in_two_ways_is_refused() {
        assert_eq!(status("POST", "/", &[("transfer-encoding", "Chunked")]), 200);
        for codings in [&["gzip, chunked"][..], &["chunked", "chunked"], &["chunked, identity"], &["identity"]] {
            let headers: Vec<_> = codings.iter().map(|coding| ("transfer-encoding", *coding)).collect();
            assert_eq!(status("POST", "/", &headers), 501, "{codings:?}");
        }
        assert_eq!(status("GET", "/", &[("upgrade", "h2c")]), 200);
        for offer in ["websocket", "h2c, websocket", "TLS/1.0"] {
            assert_eq!(status("GET", "/", &[("upgrade", offer)]), 501, "{offer}");
        }
        let mut old = Request::new(());
        *old.version_mut() = Version::HTTP_10;
        assert_eq!(check(&old, Transport::Unix).unwrap_err().status(), 400);
    }
}
