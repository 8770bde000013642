//! Listeners: what stays is never closed, what is new is open before anything changes, what is gone ends in good order.

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use super::{applied, configuration, refused, status};
use crate::client::{Ask, Way, read_to_end};
use crate::daemon::{Daemon, free_port, holds};
use crate::documents::{BILLING, ORDERS, ROLES, billing_for_orders, caller};
use crate::egress::service::Service;
use crate::site::Site;
use crate::waiting::limited;

const PATH: &str = "/v1/tokens/billing";

/// A configuration with another listener, at `port`.
fn with_port(port: u16) -> String {
    format!(
        "[server]\nlisten = [\"loopback:PORT\", \"unix:DIR/api.sock\", \"loopback:{port}\"]\n{}",
        billing_for_orders()
    )
}

/// One request and its answer on a connection that is kept.
async fn exchange(stream: &mut TcpStream, path: &str) -> String {
    let request = format!("GET {path} HTTP/1.1\r\nHost: localhost\r\nAuthorization: {ORDERS}\r\n\r\n");
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut all = Vec::new();
    let mut piece = [0; 4096];
    loop {
        let count = stream.read(&mut piece).await.unwrap();
        all.extend_from_slice(&piece[..count]);
        let text = String::from_utf8_lossy(&all).into_owned();
        let whole = text.split_once("\r\n\r\n").is_some_and(|(head, body)| {
            let length =
                head.lines().find_map(|line| line.to_lowercase().strip_prefix("content-length: ").map(str::to_owned));
            length.is_some_and(|length| body.len() >= length.parse().unwrap())
        });
        if whole {
            return text;
        }
        assert!(count > 0, "it was closed: {text}");
    }
}

async fn opened(port: u16) -> TcpStream {
    TcpStream::connect(("127.0.0.1", port)).await.unwrap()
}

async fn is_shut(port: u16) -> bool {
    TcpStream::connect(("127.0.0.1", port)).await.is_err()
}

async fn names(daemon: &Daemon) -> Vec<String> {
    let listeners = status(daemon).await["listeners"].clone();
    listeners.as_array().unwrap().iter().map(|name| name.as_str().unwrap().to_owned()).collect()
}

#[tokio::test]
async fn a_kept_connection_sees_the_new_configuration_at_its_next_request() {
    limited(async {
        let site = Site::open().await;
        let daemon = site.daemon(&billing_for_orders()).await;
        daemon.served(PATH, ORDERS).await;
        let mut kept = opened(daemon.port).await;
        assert!(exchange(&mut kept, PATH).await.starts_with("HTTP/1.1 200"));
        applied(&site, &daemon, &format!("{BILLING}{}", caller("orders", &[]))).await;
        assert!(exchange(&mut kept, PATH).await.starts_with("HTTP/1.1 403"), "it may no longer");
        applied(&site, &daemon, &billing_for_orders()).await;
        assert!(exchange(&mut kept, PATH).await.starts_with("HTTP/1.1 200"), "on the same connection");
    })
    .await;
}

#[tokio::test]
async fn a_listener_is_added_and_taken_away_beside_one_that_stays() {
    limited(async {
        let site = Site::open().await;
        let daemon = site.daemon(&billing_for_orders()).await;
        let port = free_port();
        assert!(is_shut(port).await);
        applied(&site, &daemon, &with_port(port)).await;
        assert!(names(&daemon).await.contains(&format!("127.0.0.1:{port}")));
        for way in [Way::V4(port), Way::V6(port), daemon.v4(), daemon.unix()] {
            assert_eq!(Ask::get(PATH).bearer(ORDERS).over(&way).await.unwrap().status, 200, "{way:?}");
        }
        let (mut gone, mut kept) = (opened(port).await, opened(daemon.port).await);
        exchange(&mut gone, PATH).await;
        exchange(&mut kept, PATH).await;
        applied(&site, &daemon, &billing_for_orders()).await;
        assert_eq!(read_to_end(&mut gone).await, "", "an idle connection there ends");
        assert!(is_shut(port).await);
        assert!(exchange(&mut kept, PATH).await.starts_with("HTTP/1.1 200"));
        assert!(!names(&daemon).await.iter().any(|name| name.contains(&port.to_string())));

        // The path of a socket goes with it.
        let tcp_only = format!("[server]\nlisten = [\"loopback:PORT\"]\n{}", billing_for_orders());
        applied(&site, &daemon, &tcp_only).await;
        assert!(!site.dir.path().join("api.sock").exists());
        applied(&site, &daemon, &billing_for_orders()).await;
        assert_eq!(daemon.ask_over(&daemon.unix(), Ask::get("/healthz")).await.status, 200);
    })
    .await;
}

#[tokio::test]
async fn a_port_that_is_taken_refuses_the_whole_and_what_was_opened_is_closed_again() {
    limited(async {
        let site = Site::open().await;
        let daemon = site.daemon(&billing_for_orders()).await;
        let (free, taken) = (free_port(), free_port());
        let _squatter = holds("127.0.0.1", taken).unwrap();
        let document = with_port(free).replace(
            &format!("\"loopback:{free}\"]"),
            &format!("\"loopback:{free}\", \"loopback:{taken}\"]\nadmin_listen = \"127.0.0.1:{}\"", free_port()),
        );
        let said = refused(&site, &daemon, &document).await;
        assert!(said["last_reload"]["first_problems"][0].as_str().unwrap().contains("in use"), "{said}");
        assert!(is_shut(free).await, "half of it is not open");
        assert_eq!(daemon.get(PATH, ORDERS).await.status, 200);

        // What the daemon has open itself is named.
        let own = format!("[server]\nlisten = [\"127.0.0.1:PORT\"]\n{}", billing_for_orders());
        let said = refused(&site, &daemon, &own).await;
        assert!(said["last_reload"]["first_problems"][0].as_str().unwrap().contains("this daemon itself"), "{said}");
        std::os::unix::fs::symlink(site.dir.path(), site.dir.path().join("link")).unwrap();
        let own =
            format!("[server]\nlisten = [\"loopback:PORT\", \"unix:DIR/link/api.sock\"]\n{}", billing_for_orders());
        let said = refused(&site, &daemon, &own).await;
        assert!(said["last_reload"]["first_problems"][0].as_str().unwrap().contains("this daemon itself"), "{said}");
    })
    .await;
}

#[tokio::test]
async fn a_unix_socket_whose_file_was_taken_away_is_found_again_after_a_reload() {
    limited(async {
        let site = Site::open().await;
        let daemon = site.daemon(&billing_for_orders()).await;
        daemon.served(PATH, ORDERS).await;
        let (dir, over_unix) = (site.dir.path().join("run"), Way::Unix(site.dir.path().join("run/api.sock")));
        std::fs::create_dir(&dir).unwrap();
        let document =
            format!("[server]\nlisten = [\"loopback:PORT\", \"unix:DIR/run/api.sock\"]\n{}", billing_for_orders());
        applied(&site, &daemon, &document).await;
        std::fs::remove_dir_all(&dir).unwrap();
        // No reason to refuse what has nothing to do with it.
        applied(&site, &daemon, &document).await;
        assert_eq!(daemon.get(PATH, ORDERS).await.status, 200);
        std::fs::create_dir(&dir).unwrap();
        for _ in 0..2 {
            applied(&site, &daemon, &document).await;
            assert_eq!(Ask::get(PATH).bearer(ORDERS).over(&over_unix).await.unwrap().status, 200);
        }
        assert_eq!(names(&daemon).await.len(), 3);
    })
    .await;
}

#[tokio::test]
async fn the_admin_listener_comes_and_goes() {
    limited(async {
        let site = Site::open().await;
        let daemon = site.daemon(&billing_for_orders()).await;
        let port = free_port();
        let admin = format!(
            "[server]\nlisten = [\"loopback:PORT\", \"unix:DIR/api.sock\"]\nadmin_listen = \"127.0.0.1:{port}\"\n{}",
            billing_for_orders()
        );
        applied(&site, &daemon, &admin).await;
        assert_eq!(Ask::get("/healthz").over(&Way::V4(port)).await.unwrap().status, 200);
        applied(&site, &daemon, &billing_for_orders()).await;
        assert!(is_shut(port).await);
        assert_eq!(configuration(&daemon).await["generation"], 3);
    })
    .await;
}

#[tokio::test]
async fn a_forward_address_goes_on_as_it_is_and_follows_its_table() {
    limited(async {
        let site = Site::open().await;
        let (service, other) = (Service::open().await, Service::open().await);
        let port = free_port();
        let document = |upstream: &Service, more: &str| {
            let uid = nix::unistd::geteuid();
            format!(
                "{BILLING}[callers.orders]\nallow = [\"tokens.billing\"]\nuid = {uid}\ntoken = {{ file = \"DIR/orders.token\" }}\n\
                 [egress.billing]\nlisten = \"loopback:{port}\"\nupstream = \"http://127.0.0.1:{}\"\ncaller = \"orders\"\n\
                 bearer = \"tokens.billing\"\n{more}",
                upstream.port
            )
        };
        let daemon = site.daemon(&billing_for_orders()).await;
        applied(&site, &daemon, &document(&service, "")).await;
        let mut kept = opened(port).await;
        assert!(exchange(&mut kept, "/a").await.starts_with("HTTP/1.1 200"));
        let requests = async || status(&daemon).await["egress"][0]["requests"].clone();
        assert_eq!(requests().await, 1);
        // Something else changes: the address, its connections and its counts stay.
        applied(&site, &daemon, &format!("{}{ROLES}", document(&service, ""))).await;
        assert!(exchange(&mut kept, "/b").await.starts_with("HTTP/1.1 200"));
        assert_eq!((requests().await, service.connections()), (2.into(), 1));
        // The upstream changes: the socket stays.
        applied(&site, &daemon, &document(&other, "")).await;
        assert!(exchange(&mut kept, "/c").await.starts_with("HTTP/1.1 200"));
        assert_eq!((other.seen().len(), service.seen().len()), (1, 2));
        applied(&site, &daemon, &billing_for_orders()).await;
        assert_eq!(read_to_end(&mut kept).await, "");
        assert!(is_shut(port).await);
    })
    .await;
}

#[tokio::test]
async fn sessions_of_the_metadata_service_outlast_a_reload() {
    limited(async {
        let site = Site::open().await;
        let port = free_port();
        let document = crate::imds::document(&format!("127.0.0.1:{port}"), crate::imds::own_uid());
        let service = crate::imds::Service::launch(site.launch(&document)).await;
        let session = service.session().await;
        let get = Ask::get("/latest/meta-data/iam/security-credentials/").header("x-aws-ec2-metadata-token", &session);
        site.launch(&format!("{document}{BILLING}")).configure(service.daemon.port);
        service.daemon.logged().await;
        assert_eq!(service.ask(get).await.status, 200);
        site.launch(&billing_for_orders()).configure(service.daemon.port);
        service.daemon.logged().await;
        assert!(is_shut(port).await);
    })
    .await;
}
