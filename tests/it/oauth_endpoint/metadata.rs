//! What libraries find out by themselves.

use http::Method;
use serde_json::json;

use crate::client::{Ask, Way};
use crate::documents::billing_for_orders;
use crate::site::Site;
use crate::waiting::limited;

const PATH: &str = "/.well-known/oauth-authorization-server";

#[tokio::test]
async fn the_metadata_is_that_of_the_address_which_was_asked() {
    limited(async {
        let site = Site::open().await;
        let daemon = site.daemon(&billing_for_orders()).await;
        for host in [format!("127.0.0.1:{}", daemon.port), format!("localhost:{}", daemon.port)] {
            let answer = daemon.ask(Ask::get(PATH).header("host", &host)).await;
            let issuer = format!("http://{host}");
            let body = answer.json();
            assert_eq!((answer.status, &body["issuer"]), (200, &json!(issuer)), "{body}");
            assert_eq!(body["token_endpoint"], format!("{issuer}/oauth2/token"));
            assert_eq!(body["introspection_endpoint"], format!("{issuer}/oauth2/introspect"));
            assert_eq!(
                body["grant_types_supported"],
                json!(["client_credentials", "urn:ietf:params:oauth:grant-type:token-exchange"])
            );
            assert_eq!(
                body["token_endpoint_auth_methods_supported"],
                json!(["client_secret_basic", "client_secret_post"])
            );
            assert_eq!(body["response_types_supported"], json!([]));
            assert!(!answer.text.contains("billing"), "nothing of the configuration: {}", answer.text);
        }
        let odd = Ask::get(PATH).header("host", "evil.example");
        assert_eq!(daemon.ask(odd.clone()).await.status, 403);
        assert_eq!(daemon.ask_over(&daemon.unix(), odd).await.json()["issuer"], "http://localhost");
        assert_eq!(daemon.ask(Ask::of(Method::POST, PATH)).await.status, 405);
    })
    .await;
}

#[tokio::test]
async fn the_admin_listener_has_none_of_it() {
    limited(async {
        let site = Site::open().await;
        let port = crate::daemon::free_port();
        let listen = format!("[server]\nlisten = [\"loopback:PORT\"]\nadmin_listen = \"127.0.0.1:{port}\"\n");
        let daemon = site.daemon(&format!("{listen}{}", billing_for_orders())).await;
        for ask in [Ask::get(PATH), Ask::form("/oauth2/token", &[("grant_type", "client_credentials")])] {
            assert_eq!(daemon.ask_over(&Way::V4(port), ask).await.status, 404);
        }
    })
    .await;
}
