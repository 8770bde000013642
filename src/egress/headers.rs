//! Which headers end here: those of one connection (RFC 9110 section 7.6.1), and of a request those that are written anew.

use http::header::{
    AUTHORIZATION, CONNECTION, CONTENT_LENGTH, EXPECT, HOST, HeaderMap, HeaderName, PROXY_AUTHENTICATE,
    PROXY_AUTHORIZATION, TE, TRAILER, TRANSFER_ENCODING, UPGRADE,
};

/// Always of one connection, whether `Connection` names them or not.
const OF_ONE_HOP: [HeaderName; 12] = [
    CONNECTION,
    TE,
    TRAILER,
    TRANSFER_ENCODING,
    UPGRADE,
    PROXY_AUTHENTICATE,
    PROXY_AUTHORIZATION,
    HeaderName::from_static("keep-alive"),
    HeaderName::from_static("proxy-connection"),
    HeaderName::from_static("proxy-authentication-info"),
    HeaderName::from_static("http2-settings"),
    // Ours in every answer that has it.
    HeaderName::from_static("credbroker-error"),
];

/// Takes out of a request what does not go on. It comes before anything is added, so that `Connection` can name nothing of ours.
pub fn end_request_hop(headers: &mut HeaderMap) {
    end_hop(headers);
    for name in [HOST, AUTHORIZATION, EXPECT] {
        headers.remove(name);
    }
}

/// Takes out of an answer what does not go on. The length of a body is written anew, from what was made of its framing: beside a
/// `Transfer-Encoding`, which overrides it (RFC 9112 section 6.3), it would cut the body off.
pub fn end_answer_hop(headers: &mut HeaderMap, has_body: bool) {
    if has_body || headers.contains_key(TRANSFER_ENCODING) {
        headers.remove(CONTENT_LENGTH);
    }
    end_hop(headers);
}

/// Takes out what is of one connection.
fn end_hop(headers: &mut HeaderMap) {
    let named: Vec<HeaderName> = headers.get_all(CONNECTION).iter().flat_map(|value| names(value.as_bytes())).collect();
    for name in named.into_iter().chain(OF_ONE_HOP) {
        headers.remove(name);
    }
}

fn names(list: &[u8]) -> Vec<HeaderName> {
    list.split(|b| *b == b',').filter_map(|name| HeaderName::from_bytes(name.trim_ascii()).ok()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn left(given: &[(&'static str, &'static str)], end: fn(&mut HeaderMap)) -> Vec<String> {
        let mut headers = HeaderMap::new();
        for (name, value) in given {
            headers.append(*name, value.parse().unwrap());
        }
        end(&mut headers);
        headers.iter().map(|(name, value)| format!("{name}: {}", value.to_str().unwrap())).collect()
    }

    #[test]
    fn what_is_of_one_connection_ends_and_the_rest_goes_on() {
        let given = [
            ("connection", "close, X-Hop"),
            ("connection", "keep-alive ,, x-other,bad name"),
            ("keep-alive", "timeout=5"),
            ("x-hop", "1"),
            ("x-other", "1"),
            ("proxy-authorization", "Basic x"),
            ("te", "trailers"),
            ("trailer", "x"),
            ("transfer-encoding", "chunked"),
            ("upgrade", "h2c"),
            ("http2-settings", "AAM"),
            ("cookie", "a=b"),
            ("x-twice", "1"),
            ("x-twice", "2"),
            ("content-length", "3"),
        ];
        assert_eq!(left(&given, end_hop), ["cookie: a=b", "x-twice: 1", "x-twice: 2", "content-length: 3"]);
    }

    #[test]
    fn the_length_of_a_body_is_not_taken_from_the_other_side() {
        let length = ("content-length", "3");
        let coded = [length, ("transfer-encoding", "chunked")];
        assert_eq!(left(&[length], |headers| end_answer_hop(headers, false)), ["content-length: 3"]);
        assert!(left(&[length], |headers| end_answer_hop(headers, true)).is_empty());
        assert!(left(&coded, |headers| end_answer_hop(headers, false)).is_empty());
    }

    #[test]
    fn of_a_request_more_ends() {
        let given = [
            ("authorization", "Bearer own"),
            ("authorization", "x"),
            ("expect", "100-continue"),
            ("host", "x"),
            ("date", "d"),
        ];
        assert_eq!(left(&given, end_request_hop), ["date: d"]);
    }
}
