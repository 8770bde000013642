//! Who and what is refused, and how.

use std::path::Path;
use std::time::Duration;

use http::Method;
use serde_json::json;

use super::{ROLE, SESSION, Service, TOKEN, TTL, document, limited, own_uid};
use crate::client::{Ask, Line};
use crate::documents::REPORTS;
use crate::process;
use crate::site::Site;
use crate::waiting::until;

const ROLES: &str = "/latest/meta-data/iam/security-credentials/";

#[tokio::test]
async fn version_1_is_not_served() {
    limited(async {
        let site = Site::open().await;
        let service = Service::open(&site).await;
        for path in [ROLES, ROLE, "/latest/meta-data/placement/region", "/latest/nothing"] {
            let answer = service.ask(Ask::get(path)).await;
            assert_eq!(answer.status, 401, "{path}");
            assert!(answer.text.contains("IMDSv1"), "{}", answer.text);
        }
        let session = service.session().await;
        let twice = Ask::get(ROLE).header(SESSION, &session).header(SESSION, &session);
        assert_eq!(service.ask(twice).await.status, 401);
        let mut guess = session.clone();
        guess.replace_range(0..1, if session.starts_with('A') { "B" } else { "A" });
        for wrong in [&*guess, "", &session[..42], "session"] {
            assert_eq!(service.ask(Ask::get(ROLE).header(SESSION, wrong)).await.status, 401, "{wrong}");
        }
        assert_eq!(site.operations(), [""; 0]);
        assert_eq!(service.ask(Ask::get(ROLE).header(SESSION, &session)).await.status, 200, "nobody ended it");
        let status = service.daemon.get("/v1/status", REPORTS).await.json();
        assert_eq!(status["load"]["answers"]["imds"], json!({ "2xx": 2, "4xx": 9 }), "{status}");
        let printed = service.daemon.logged().await;
        assert!(printed.contains("SessionRequired") && printed.contains("SessionOver"), "{printed}");
        assert!(!printed.contains(&session) && !printed.contains(&guess), "{printed}");
    })
    .await;
}

#[tokio::test]
async fn whoever_comes_by_way_of_somebody_else_gets_no_session() {
    limited(async {
        let site = Site::open().await;
        let service = Service::open(&site).await;
        let session = service.session().await;
        for (name, value) in [
            ("X-Forwarded-For", "10.0.0.1"),
            ("X_Forwarded_For", "10.0.0.1"),
            ("Forwarded", "for=10.0.0.1"),
            ("Via", "1.1 proxy"),
            ("Origin", "http://127.0.0.1"),
            ("Sec-Fetch-Site", "same-origin"),
            ("host", "169.254.169.254"),
            ("host", "evil.example"),
        ] {
            let put = Ask::of(Method::PUT, TOKEN).header(TTL, "60").header(name, value);
            let get = Ask::get(ROLE).header(SESSION, &session).header(name, value);
            for ask in [put, get] {
                let answer = service.ask(ask).await;
                assert_eq!(answer.status, 403, "{name}: {}", answer.text);
                assert_eq!(answer.header("content-type"), Some("text/plain"));
            }
        }
        assert_eq!(site.operations(), [""; 0]);
    })
    .await;
}

#[tokio::test]
async fn a_session_is_opened_with_its_length_and_nowhere_else() {
    limited(async {
        let site = Site::open().await;
        let service = Service::open(&site).await;
        let put = |path: &str, ttl: &str| Ask::of(Method::PUT, path).header(TTL, ttl);
        for ttl in ["0", "21601", "-1", "1h", ""] {
            let answer = service.ask(put(TOKEN, ttl)).await;
            assert_eq!(answer.status, 400, "{ttl}");
            assert!(answer.text.contains("1 to 21600"), "{}", answer.text);
        }
        assert_eq!(service.ask(Ask::of(Method::PUT, TOKEN)).await.status, 400);
        for path in ["/2021-01-03/api/token", "/1.0/api/token"] {
            let answer = service.ask(put(path, "60")).await;
            assert_eq!((answer.status, answer.text.contains("/latest/api/token")), (403, true), "{path}");
        }
        assert_eq!(service.ask(put("/api/token", "60")).await.status, 405);
        let least = service.ask(put(TOKEN, "1")).await;
        assert_eq!((least.status, least.header(TTL)), (200, Some("1")));
        let over = until("the session's end", Duration::from_secs(10), async || {
            let answer = service.ask(Ask::get(ROLES).header(SESSION, &least.text)).await;
            (answer.status != 200).then_some(answer)
        })
        .await;
        assert_eq!(over.status, 401, "{}", over.text);
    })
    .await;
}

#[tokio::test]
async fn other_users_get_nothing_whatever_they_show() {
    limited(async {
        let site = Site::open().await;
        let service = Service::launch(site.launch(&document("127.0.0.1:0", own_uid() + 4_242))).await;
        let put = Ask::of(Method::PUT, TOKEN).header(TTL, "60");
        let get = Ask::get(ROLES).header(SESSION, "session");
        for ask in [put.clone(), get.clone(), Ask::get(ROLE), put.bearer(REPORTS)] {
            let answer = service.ask(ask).await;
            assert_eq!(answer.status, 403, "{}", answer.text);
            assert!(answer.text.contains("this listener is for the processes of the user"), "{}", answer.text);
        }
        assert_eq!(site.operations(), [""; 0]);
        let printed = service.daemon.logged().await;
        assert!(printed.contains(&format!("uid=Some({})", own_uid())) && printed.contains("refused"), "{printed}");
    })
    .await;
}

/// What a process of the user `uid` is answered. Only root can start one of another user.
async fn answer_to(uid: u32, port: u16, line: &str, header: &str) -> String {
    let request = format!("{line} HTTP/1.1\r\nHost: 127.0.0.1\r\n{header}\r\nConnection: close\r\n\r\n");
    let mut command = process::command("/bin/bash", Path::new("/"), &[("PATH".to_owned(), "/usr/bin:/bin".to_owned())]);
    command.args([
        "-c",
        r#"exec 3<>"/dev/tcp/127.0.0.1/$0"; printf %s "$1" >&3; cat <&3"#,
        &port.to_string(),
        &request,
    ]);
    if uid != own_uid() {
        command.uid(uid).gid(uid);
    }
    let ended = process::finish(command).await;
    assert_eq!(ended.code, Some(0), "{}", ended.stderr);
    ended.stdout
}

#[tokio::test]
async fn a_session_is_of_no_use_to_another_user() {
    limited(async {
        let site = Site::open().await;
        let user = if own_uid() == 0 { 4_711 } else { own_uid() };
        let service = Service::launch(site.launch(&document("127.0.0.1:0", user))).await;
        let opened = answer_to(user, service.port, "PUT /latest/api/token", &format!("{TTL}: 60")).await;
        let session = opened.rsplit("\r\n\r\n").next().unwrap();
        assert_eq!(session.len(), 43, "{opened}");
        let shown = format!("{SESSION}: {session}");
        let others = if own_uid() == 0 { vec![0, 4_712] } else { vec![] };
        for other in others {
            let refused = answer_to(other, service.port, &format!("GET {ROLE}"), &shown).await;
            assert!(refused.starts_with("HTTP/1.1 403 "), "{refused}");
        }
        assert_eq!(site.operations(), [""; 0]);
        let served = answer_to(user, service.port, &format!("GET {ROLE}"), &shown).await;
        assert!(served.starts_with("HTTP/1.1 200 ") && served.contains("\"Code\":\"Success\""), "{served}");
    })
    .await;
}

#[tokio::test]
async fn sessions_are_bounded_and_whoever_is_at_work_keeps_his() {
    limited(async {
        let site = Site::open().await;
        let service = Service::open(&site).await;
        let mut line = Line::open(&service.way()).await.unwrap();
        let open = Ask::of(Method::PUT, TOKEN).header(TTL, "21600");
        let idle = line.ask(&open).await.unwrap().text;
        let busy = line.ask(&open).await.unwrap().text;
        let works = Ask::get(ROLES).header(SESSION, &busy);
        for _ in 0..1_024 {
            assert_eq!(line.ask(&open).await.unwrap().status, 200);
            assert_eq!(line.ask(&works).await.unwrap().status, 200);
        }
        assert_eq!(line.ask(&Ask::get(ROLES).header(SESSION, &idle)).await.unwrap().status, 401);
        assert_eq!(line.ask(&works).await.unwrap().status, 200);
    })
    .await;
}
