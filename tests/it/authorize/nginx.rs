//! `deploy/nginx.conf` in a real nginx. Where there is one: `cargo test --test it -- --ignored nginx`.

use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use tokio::process::{Child, Command};

use super::{by_uid, document, minted, valid};
use crate::client::{Answer, Ask, Way};
use crate::daemon::{Daemon, free_port};
use crate::documents::{M2M_CLIENT, ORDERS};
use crate::site::Site;
use crate::waiting::{limited, until};

const DEPLOYED: &str = include_str!("../../../deploy/nginx.conf");
const OVER_TCP: &str = "proxy_pass http://127.0.0.1:2778/v1/authorize/users;";
const INCLUDE: &str = "include /etc/nginx/credbroker.caller;";

/// nginx with the configuration `server`, in front of a service that answers what it is told of the user.
async fn nginx(dir: &Path, server: &str) -> (Child, Way) {
    let (front, service) = (free_port(), free_port());
    let server = server.replace("127.0.0.1:8080", &format!("127.0.0.1:{front}"));
    let server = server.replace("127.0.0.1:8081", &format!("127.0.0.1:{service}"));
    let temporary: String = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"]
        .map(|kind| format!("{kind}_temp_path {}/{kind};\n", dir.display()))
        .concat();
    let told = "$http_x_auth_subject|$http_x_auth_client|$http_x_auth_scope";
    let service = format!("server {{ listen 127.0.0.1:{service}; location / {{ return 200 \"{told}\"; }} }}");
    let text = format!(
        "daemon off;\nmaster_process off;\npid {0}/nginx.pid;\nerror_log stderr;\nevents {{}}\nhttp {{\naccess_log off;\n{temporary}{service}\n{server}}}\n",
        dir.display()
    );
    let file = dir.join("nginx.conf");
    std::fs::write(&file, text).unwrap();
    let mut command = Command::new("nginx");
    command.arg("-e").arg("stderr").arg("-c").arg(&file).stdin(Stdio::null()).kill_on_drop(true);
    let running = command.spawn().unwrap();
    let way = Way::V4(front);
    let up = async || Ask::get("/").over(&way).await.ok();
    until("the start of nginx", Duration::from_secs(10), up).await;
    (running, way)
}

async fn stands_between(site: &Site, daemon: &Daemon, server: &str) {
    let (_running, way) = nginx(&daemon.dir, server).await;
    let ask = async |ask: Ask| -> Answer { ask.over(&way).await.unwrap() };
    let spoofing = Ask::get("/orders").header("x-auth-subject", "root").header("x-forwarded-for", "10.0.0.1");
    let spoofing = spoofing.header("origin", "https://shop.example").header("host", "shop.example");

    let admitted = ask(spoofing.clone().bearer(&valid(site))).await;
    assert_eq!((admitted.status, &*admitted.text), (200, "ann-1|4f3q8example1m2m|billing/read billing/write"));
    let nameless = serde_json::json!({ "scope": "billing/read", "sub": null });
    let admitted = ask(spoofing.clone().bearer(&minted(site, M2M_CLIENT, 3600, &nameless))).await;
    assert_eq!(
        (admitted.status, &*admitted.text),
        (200, "|4f3q8example1m2m|billing/read"),
        "what was sent is taken off"
    );

    let bare = ask(spoofing.clone()).await;
    assert_eq!((bare.status, bare.header("www-authenticate")), (401, Some("Bearer realm=\"credbroker\"")));
    let original = format!("Bearer {}", valid(site));
    let elsewhere = ask(spoofing.clone().header("x-original-authorization", &original)).await;
    assert_eq!(elsewhere.status, 401, "a token counts where the service looks for it");
    let caller = ask(spoofing.clone().bearer(ORDERS)).await;
    assert!(caller.header("www-authenticate").is_some_and(|told| told.contains("invalid_token")), "{caller:?}");
    let lacking = ask(spoofing.bearer(&minted(site, M2M_CLIENT, 3600, &serde_json::json!({ "scope": "x" })))).await;
    let told = lacking.header("www-authenticate").unwrap_or_default();
    assert!(lacking.status == 403 && told.contains("insufficient_scope"), "{lacking:?}");
}

#[tokio::test]
#[ignore = "needs nginx"]
async fn nginx_with_a_token_asks_over_tcp() {
    limited(async {
        let site = Site::open().await;
        let daemon = site.daemon(&document()).await;
        let header = format!("proxy_set_header Authorization \"Bearer {ORDERS}\";");
        let server =
            DEPLOYED.replace("127.0.0.1:2778", &format!("127.0.0.1:{}", daemon.port)).replace(INCLUDE, &header);
        assert!(server.contains(&header));
        stands_between(&site, &daemon, &server).await;
    })
    .await;
}

#[tokio::test]
#[ignore = "needs nginx"]
async fn nginx_known_by_its_uid_asks_over_tcp() {
    limited(async {
        let site = Site::open().await;
        let daemon = site.daemon(&by_uid()).await;
        let server = DEPLOYED.replace("127.0.0.1:2778", &format!("127.0.0.1:{}", daemon.port));
        let instead = "# proxy_set_header Credbroker-Request true;";
        assert!(server.contains(instead) && server.contains(INCLUDE));
        let server = server.replace(INCLUDE, "").replace(instead, instead.trim_start_matches("# "));
        stands_between(&site, &daemon, &server).await;
    })
    .await;
}

#[tokio::test]
#[ignore = "needs nginx"]
async fn nginx_known_by_its_uid_asks_over_the_unix_socket() {
    limited(async {
        let site = Site::open().await;
        let daemon = site.daemon(&by_uid()).await;
        let socket = daemon.dir.join("api.sock");
        let pass = format!("proxy_pass http://unix:{}:/v1/authorize/users;", socket.display());
        let server = DEPLOYED.replace(OVER_TCP, &pass).replace(INCLUDE, "");
        assert!(server.contains(&pass));
        stands_between(&site, &daemon, &server).await;
    })
    .await;
}
