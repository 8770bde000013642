//! What is kept and what is dropped, there and back.

use http::Method;

use super::service::{Service, ok};
use super::{Forward, caller, over};
use crate::client::{Ask, Line, Way};
use crate::documents::{BILLING, ORDERS};
use crate::site::Site;
use crate::waiting::limited;

#[tokio::test]
async fn a_request_arrives_as_it_was_sent_with_the_token() {
    limited(async {
        let service = Service::open().await;
        let forward = Forward::to(&service).await;
        let target = "/a//b/../c/%2e%2E/%C3%BC%2f;v=1?a=b+c&a=%20&&x=%7b\u{fc}?";
        let head = format!(
            "PURGE {target} HTTP/1.1\r\nHost: localhost:{}\r\nX-Twice: 1\r\nx-twice: 2\r\nCookie: a=b; c=d\r\n\
             X-Odd: \"q\" \t, caf\u{e9}\r\nX-Empty:\r\nUser-Agent: program/1\r\nAccept-Encoding: gzip\r\nX-Hop: 1\r\n\
             Connection: close, X-Hop\r\nTE: trailers\r\nProxy-Authorization: Basic eA==\r\nAuthorization: Bearer own\r\n\
             Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n1;ext=1\r\n!\r\n0\r\nX-Trailer: 1\r\n\r\n",
            forward.port
        );
        let answer = forward.raw(&head).await;
        assert!(answer.starts_with("HTTP/1.1 200 OK") && answer.ends_with("ok"), "{answer}");

        let seen = service.only();
        assert_eq!(seen.line, format!("PURGE {target} HTTP/1.1"));
        let token = forward.token().await;
        let expected = [
            ("x-twice", "1"),
            ("x-twice", "2"),
            ("cookie", "a=b; c=d"),
            ("x-odd", "\"q\" \t, caf\u{e9}"),
            ("x-empty", ""),
            ("user-agent", "program/1"),
            ("accept-encoding", "gzip"),
            ("host", &format!("127.0.0.1:{}", service.port)),
            ("authorization", &format!("Bearer {token}")),
            ("transfer-encoding", "chunked"),
        ];
        let mut fields = seen.fields.clone();
        let mut expected = expected.map(|(name, value)| (name.to_owned(), value.to_owned())).to_vec();
        fields.sort();
        expected.sort();
        assert_eq!(fields, expected);
        assert_eq!((&*seen.body, seen.whole), (&b"hello!"[..], true));
        assert_eq!(seen.all("x-twice"), ["1", "2"], "in their order");
    })
    .await;
}

#[tokio::test]
async fn a_length_stays_a_length() {
    limited(async {
        let service = Service::open().await;
        let forward = Forward::to(&service).await;
        let host = format!("Host: 127.0.0.1:{}\r\nConnection: close\r\n", forward.port);
        for (method, framing, body, length) in [
            ("POST", "Content-Length: 5\r\nExpect: 100-continue\r\n", "hello", Some("5")),
            ("PUT", "Content-Length: 0\r\n", "", Some("0")),
            ("DELETE", "", "", None),
            ("GET", "Content-Length: 2\r\n", "{}", Some("2")),
        ] {
            let before = service.seen().len();
            let answer = forward.raw(&format!("{method} / HTTP/1.1\r\n{host}{framing}\r\n{body}")).await;
            assert!(answer.contains("200 OK"), "{answer}");
            let seen = service.has_seen(before + 1).await.pop().unwrap();
            assert_eq!(
                (seen.all("content-length").first().copied(), &*seen.body),
                (length, body.as_bytes()),
                "{method}"
            );
            assert_eq!((seen.all("transfer-encoding").len(), seen.all("expect").len()), (0, 0), "{method}");
        }
    })
    .await;
}

#[tokio::test]
async fn an_answer_comes_back_as_it_was_sent() {
    limited(async {
        let service = Service::answering(|_| {
            "HTTP/1.1 418 A Teapot\r\nSet-Cookie: a=1\r\nSet-Cookie: b=2\r\nX-Odd: caf\u{e9}\r\nServer: odd/1\r\n\
             Date: Thu, 01 Jan 1970 00:00:00 GMT\r\nWWW-Authenticate: Basic\r\nCredbroker-Error: Forged\r\nX-Hop: 1\r\n\
             Connection: X-Hop\r\nKeep-Alive: timeout=1\r\nTransfer-Encoding: chunked\r\n\r\n\
             3\r\nabc\r\n2\r\nde\r\n0\r\nX-Trailer: 1\r\n\r\n"
                .to_owned()
        })
        .await;
        let forward = Forward::to(&service).await;
        let answer = forward
            .raw(&format!("GET / HTTP/1.1\r\nHost: localhost:{}\r\nConnection: close\r\n\r\n", forward.port))
            .await;
        let (head, body) = answer.split_once("\r\n\r\n").unwrap();
        let mut fields: Vec<&str> = head.split("\r\n").collect();
        assert_eq!(fields.remove(0), "HTTP/1.1 418 I'm a teapot");
        fields.sort_unstable();
        assert_eq!(
            fields,
            [
                "connection: close",
                "date: Thu, 01 Jan 1970 00:00:00 GMT",
                "server: odd/1",
                "set-cookie: a=1",
                "set-cookie: b=2",
                "transfer-encoding: chunked",
                "www-authenticate: Basic",
                "x-odd: caf\u{e9}",
            ]
        );
        assert_eq!(body.replace("\r\n", " "), "3 abc 2 de 0  ");
    })
    .await;
}

/// RFC 9112 section 6.3: beside `Transfer-Encoding` a length counts for nothing.
#[tokio::test]
async fn a_length_that_does_not_fit_cuts_no_answer_off() {
    limited(async {
        let service = Service::answering(|seen| {
            let framing = match seen.path() {
                "/short" => "Content-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n",
                "/long" => "Transfer-Encoding: chunked\r\nContent-Length: 300\r\n\r\n5\r\nhello\r\n0\r\n\r\n",
                "/list" => "Content-Length: 5, 5\r\n\r\nhello",
                "/gzip" => "Transfer-Encoding: gzip, chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n",
                _ => "Transfer-Encoding: gzip\r\nContent-Length: 3\r\n\r\nhello",
            };
            format!("HTTP/1.1 200 OK\r\nX-Close: yes\r\n{framing}")
        })
        .await;
        let forward = Forward::to(&service).await;
        for (path, length) in [("/short", None), ("/long", None), ("/list", Some("5"))] {
            let answer = forward.ask(Ask::get(path)).await;
            assert_eq!((answer.status, &*answer.text), (200, "hello"), "{path}");
            assert_eq!(answer.header("content-length"), length, "{path}");
        }
        for path in ["/gzip", "/gzip-only"] {
            let answer = forward.ask(Ask::get(path)).await;
            assert_eq!((answer.status, answer.header("credbroker-error")), (502, Some("BadGateway")), "{path}");
            assert!(answer.complaint().contains("Transfer-Encoding other than chunked"), "{}", answer.text);
        }
    })
    .await;
}

#[tokio::test]
async fn answers_without_a_body_keep_the_length_they_speak_of() {
    limited(async {
        let service = Service::answering(|seen| match &*seen.line.split(' ').next().unwrap().to_owned() {
            "HEAD" => "HTTP/1.1 200 OK\r\nContent-Length: 12345\r\nETag: \"x\"\r\n\r\n".to_owned(),
            "GET" => "HTTP/1.1 304 Not Modified\r\nETag: \"x\"\r\n\r\n".to_owned(),
            _ => "HTTP/1.1 204 No Content\r\n\r\n".to_owned(),
        })
        .await;
        let forward = Forward::to(&service).await;
        let mut line = Line::open(&forward.v4()).await.unwrap();
        let head = line.ask(&Ask::of(Method::HEAD, "/")).await.unwrap();
        assert_eq!((head.status, head.header("content-length"), &*head.text), (200, Some("12345"), ""));
        let unchanged = line.ask(&Ask::get("/").header("if-none-match", "\"x\"")).await.unwrap();
        assert_eq!((unchanged.status, unchanged.header("etag"), &*unchanged.text), (304, Some("\"x\""), ""));
        let gone = line.ask(&Ask::of(Method::DELETE, "/")).await.unwrap();
        assert_eq!((gone.status, gone.header("content-length"), gone.header("transfer-encoding")), (204, None, None));
        assert_eq!(service.connections(), 1, "the connection upstream is kept");
    })
    .await;
}

#[tokio::test]
async fn a_redirect_is_an_answer_and_is_not_followed() {
    limited(async {
        let elsewhere = Service::open().await;
        let to = elsewhere.url();
        let service = Service::answering(move |_| {
            format!("HTTP/1.1 307 Temporary Redirect\r\nLocation: {to}/x\r\nContent-Length: 0\r\n\r\n")
        })
        .await;
        let forward = Forward::to(&service).await;
        let answer = forward.ask(Ask::get("/")).await;
        assert_eq!((answer.status, answer.header("location")), (307, Some(&*format!("{}/x", elsewhere.url()))));
        assert_eq!((service.seen().len(), elsewhere.connections()), (1, 0));
    })
    .await;
}

#[tokio::test]
async fn requests_in_a_row_are_answered_in_order() {
    limited(async {
        let service = Service::answering(|seen| ok(seen.path())).await;
        let forward = Forward::to(&service).await;
        let request = |path: &str, more: &str| {
            format!("POST {path} HTTP/1.1\r\nHost: localhost\r\nContent-Length: 3\r\n{more}\r\nabc")
        };
        let all = [request("/1", ""), request("/2", ""), request("/3", "Connection: close\r\n")].concat();
        let answers = forward.raw(&all).await;
        let places: Vec<_> = ["\r\n\r\n/1", "\r\n\r\n/2", "\r\n\r\n/3"].map(|body| answers.find(body)).to_vec();
        assert!(places.iter().all(Option::is_some) && places.is_sorted(), "{answers}");
        assert_eq!(service.seen().iter().map(|seen| seen.path().to_owned()).collect::<Vec<_>>(), ["/1", "/2", "/3"]);
    })
    .await;
}

#[tokio::test]
async fn the_upstreams_own_path_is_put_in_front_and_cannot_be_left() {
    limited(async {
        let service = Service::open().await;
        let keys = "bearer = \"tokens.billing\"\n";
        let forward = Forward::with(Site::open().await, &format!("{}/prod/", service.url()), keys).await;
        assert_eq!(forward.ask(Ask::get("/orders?id=1")).await.status, 200);
        assert_eq!(service.only().path(), "/prod/orders?id=1");
        for path in ["/../admin", "/%2e%2e/admin", "/a/..%2f../admin"] {
            assert_eq!(forward.ask(Ask::get(path)).await.status, 400, "{path}");
        }
        assert_eq!(service.seen().len(), 1);
    })
    .await;
}

#[tokio::test]
async fn it_listens_on_both_families_and_on_unix_sockets_and_the_status_shows_it() {
    limited(async {
        let (service, site) = (Service::open().await, Site::open().await);
        let by_socket = format!(
            "[egress.socket]\nlisten = \"unix:DIR/egress.sock\"\nupstream = \"{}\"\ncaller = \"orders\"\nbearer = \"tokens.billing\"\n",
            service.url()
        );
        let rest = format!("{BILLING}{}{by_socket}", caller(&["tokens.billing"]));
        let forward = Forward::of(site, &service.url(), "bearer = \"tokens.billing\"\n", &rest).await;
        let socket = Way::Unix(forward.daemon.dir.join("egress.sock"));
        for way in [forward.v4(), Way::V6(forward.port), socket] {
            let answer = over(&way, &Ask::get("/")).await;
            assert_eq!((answer.status, &*answer.text), (200, "ok"), "{way:?}");
        }
        let status = forward.daemon.get("/v1/status", ORDERS).await.json();
        let own = status["listeners"].to_string();
        assert!(own.contains(&format!("127.0.0.1:{}", forward.port)) && own.contains("egress.sock"), "{own}");
        assert_eq!(status["load"]["answers"]["egress"], serde_json::json!({ "2xx": 3 }));
        let row = forward.row().await;
        assert_eq!(row["name"], "egress.billing");
        assert_eq!(row["upstream"], format!("{}/", service.url()));
        assert_eq!(row["adds"], "the bearer token tokens.billing");
        assert_eq!(row["caller"], "callers.orders");
        assert_eq!(row["listen"].as_array().unwrap().len(), 2);
        assert_eq!((&row["requests"], &row["in_flight"], &row["failures"]), (&2.into(), &0.into(), &0.into()), "{row}");
    })
    .await;
}
