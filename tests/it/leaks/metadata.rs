//! The metadata service: sessions, credentials, and what a confused or hostile client sends in their place.

use http::Method;

use super::{GUESSED, Secrets, known_beforehand};
use crate::client::Ask;
use crate::imds::{ROLE, SESSION, Service, TOKEN, TTL, document, own_uid};
use crate::site::Site;
use crate::waiting::limited;

#[tokio::test]
async fn neither_sessions_nor_credentials_nor_guesses_are_printed() {
    limited(async {
        let site = Site::open().await;
        let mut secrets: Secrets = known_beforehand();
        let launch = site.launch(&document("127.0.0.1:0", own_uid())).env("CREDBROKER_LOG", "trace");
        let service = Service::launch(launch).await;
        let session = service.session().await;
        secrets.add(&session);
        let held = service.ask(Ask::get(ROLE).header(SESSION, &session)).await;
        assert_eq!(held.status, 200, "{}", held.text);
        secrets.add_credentials(&held.json());
        let mut said = String::new();
        for ask in [
            Ask::get(ROLE).header(SESSION, GUESSED),
            Ask::get(ROLE).header(SESSION, &session).header(SESSION, &session),
            Ask::get(&format!("{ROLE}/{session}")).header(SESSION, &session),
            Ask::get(&ROLE.replace("orders", GUESSED)).header(SESSION, &session),
            Ask::get(&format!("/{GUESSED}/api/token")).header(SESSION, &session),
            Ask::of(Method::PUT, TOKEN).header(TTL, GUESSED),
            Ask::of(Method::PUT, ROLE).header(SESSION, &session),
            Ask::get(ROLE).header(SESSION, &session).header("via", GUESSED),
        ] {
            let answer = service.ask(ask).await;
            assert!(matches!(answer.status, 400..=405), "{} {}", answer.status, answer.text);
            said += &answer.text;
        }
        said += &service.daemon.said().await;
        for word in ["asking the source", "refused", "SessionOver"] {
            assert!(said.contains(word), "{word} is not in what was printed");
        }
        secrets.are_not_in(&said);
    })
    .await;
}
