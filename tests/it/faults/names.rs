//! Names that cannot be found, and one that moves: a name server of our own, which the daemon alone asks. Only root may give it one.

use std::net::Ipv4Addr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::net::UdpSocket;
use tokio::task::JoinHandle;

use super::tls::{AUTHORITY, GOOD, KEY};
use super::upstream::{Does, Upstream, grant};
use crate::client::Ask;
use crate::daemon::{Daemon, holds};
use crate::documents::{ORDERS, caller};
use crate::privilege::{has_mounts, is_root};
use crate::site::Site;
use crate::tls::Front;
use crate::waiting::{limited_to, until};

const WHOLE_TEST: Duration = Duration::from_secs(50);
/// Answers of a name server: that there is no such name, and that it has failed.
const NO_NAME: u8 = 3;
const FAILED: u8 = 2;

/// What is said of a name.
#[derive(Clone, Copy, Debug)]
enum Says {
    Address(Ipv4Addr),
    /// It is there, and has no address.
    Nothing,
    Refuses(u8),
    /// Never a word.
    Silence,
}

/// A name server, and what it says of `upstream.test` and of what is below it.
struct NameServer {
    address: Ipv4Addr,
    says: Arc<Mutex<Vec<(String, Says)>>>,
    answering: JoinHandle<()>,
}

impl NameServer {
    /// On an address of loopback that nobody else has.
    async fn open() -> Self {
        let (socket, address) = loop {
            let address = Ipv4Addr::new(127, fastrand::u8(1..), fastrand::u8(..), fastrand::u8(2..254));
            if let Ok(socket) = UdpSocket::bind((address, 53)).await {
                break (socket, address);
            }
        };
        let says: Arc<Mutex<Vec<(String, Says)>>> = Arc::default();
        let known = Arc::clone(&says);
        let answering = tokio::spawn(async move {
            let mut question = [0; 512];
            while let Ok((length, from)) = socket.recv_from(&mut question).await {
                let says = known.lock().unwrap().clone();
                if let Some(answer) = answer(&question[..length], &says) {
                    let _ = socket.send_to(&answer, from).await;
                }
            }
        });
        Self { address, says, answering }
    }

    fn says(&self, name: &str, says: Says) {
        let mut all = self.says.lock().unwrap();
        all.retain(|(known, _)| known != name);
        all.push((name.to_owned(), says));
    }
}

impl Drop for NameServer {
    fn drop(&mut self) {
        self.answering.abort();
    }
}

/// RFC 1035: the question again, and at most one address.
fn answer(question: &[u8], known: &[(String, Says)]) -> Option<Vec<u8>> {
    let (mut at, mut labels) = (12, Vec::new());
    while question[at] != 0 {
        let end = at + 1 + usize::from(question[at]);
        labels.push(String::from_utf8_lossy(&question[at + 1..end]).to_lowercase());
        at = end;
    }
    let (kind, end) = (question[at + 2], at + 5);
    let name = labels.join(".");
    let says = known.iter().find(|(own, _)| *own == name).map_or(Says::Refuses(NO_NAME), |(_, says)| *says);
    let (code, address) = match says {
        Says::Silence => return None,
        Says::Refuses(code) => (code, None),
        Says::Nothing => (0, None),
        // Type A; there are no addresses of the other family.
        Says::Address(address) => (0, (kind == 1).then_some(address)),
    };
    let mut answer =
        vec![question[0], question[1], 0x81, 0x80 | code, 0, 1, 0, u8::from(address.is_some()), 0, 0, 0, 0];
    answer.extend_from_slice(&question[12..end]);
    if let Some(address) = address {
        answer.extend_from_slice(&[0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 0, 0, 4]);
        answer.extend_from_slice(&address.octets());
    }
    Some(answer)
}

/// A daemon that asks `server` for names, and has a token of each host.
async fn asking(site: &Site, server: &NameServer, upstream: &Upstream, port: u16, hosts: &[&str]) -> Daemon {
    let token = |host: &&str| upstream.token(host).replace(&upstream.url, &format!("https://{}:{port}", name(host)));
    let tokens: String = hosts.iter().map(token).collect();
    let allow: Vec<String> = hosts.iter().chain([&"well"]).map(|host| format!("tokens.{host}")).collect();
    let allow: Vec<&str> = allow.iter().map(String::as_str).collect();
    // Two seconds until it is asked again, and four until it is given up.
    site.write("resolv.conf", &format!("nameserver {}\noptions timeout:2 attempts:2\n", server.address));
    site.write("nsswitch.conf", "hosts: files dns\n");
    let mount = |file: &str| format!("mount --bind '{}/{file}' /etc/{file}", site.dir.path().display());
    let within = format!("{} && {} && exec \"$@\"", mount("resolv.conf"), mount("nsswitch.conf"));
    let through = format!("exec unshare --mount /bin/sh -c '{}' sh \"$@\"", within.replace('\'', "'\\''"));
    let document = format!("{tokens}{}{}", upstream.token("well"), caller("orders", &allow));
    site.launch(&document).through(&through).env("AWS_CA_BUNDLE", AUTHORITY).start().await
}

/// May the daemon have a name server of its own?
fn can_be_asked() -> bool {
    let what = "names that cannot be found, by a name server of the daemon's own";
    is_root(what) && has_mounts(what, "mount --bind /etc/hosts /etc/resolv.conf")
}

fn name(host: &str) -> String {
    if host == "upstream" { "upstream.test".to_owned() } else { format!("{host}.upstream.test") }
}

#[tokio::test]
async fn a_name_that_cannot_be_found_holds_up_nobody_else() {
    if !can_be_asked() {
        return;
    }
    limited_to(WHOLE_TEST, async {
        let (server, upstream) = (NameServer::open().await, Upstream::of(|_, _| Does::Says(grant("good", 600))).await);
        let silent: Vec<String> = (0..16).map(|number| format!("silent{number}")).collect();
        let mut hosts = vec!["missing", "failing", "nowhere"];
        hosts.extend(silent.iter().map(String::as_str));
        server.says(&name("failing"), Says::Refuses(FAILED));
        server.says(&name("nowhere"), Says::Nothing);
        silent.iter().for_each(|host| server.says(&name(host), Says::Silence));
        let site = Site::open().await;
        let daemon = asking(&site, &server, &upstream, 1, &hosts).await;
        // First those that hang: whatever waits for them must not stand in the way of the others.
        let asked: Vec<_> = hosts
            .iter()
            .rev()
            .map(|host| {
                let (ask, way) = (Ask::get(&format!("/v1/tokens/{host}")).bearer(ORDERS), daemon.v4());
                tokio::spawn(async move { ask.over(&way).await.unwrap() })
            })
            .collect();
        assert_eq!(daemon.served("/v1/tokens/well", ORDERS).await.token(), "good");
        assert_eq!(daemon.row("tokens.silent0", "").await["fetching"], true, "these are waited for still");
        for asked in asked {
            let answer = asked.await.unwrap();
            assert_eq!(answer.status, 503, "{}", answer.text);
        }
        for host in &hosts {
            let what = format!("{host} is given up");
            until(&what, Duration::from_secs(20), async || {
                let row = daemon.row(&format!("tokens.{host}"), "").await;
                let said = row["last_error"]["message"].as_str()?;
                (said.contains("cannot be reached") || said.contains("not answer")).then_some(())
            })
            .await;
        }
        assert_eq!(upstream.asked("well"), 1);
    })
    .await;
}

#[tokio::test]
async fn a_name_that_moves_is_followed_without_a_restart() {
    if !can_be_asked() {
        return;
    }
    limited_to(WHOLE_TEST, async {
        let (server, upstream) = (NameServer::open().await, Upstream::of(|_, _| Does::Says(grant("good", 600))).await);
        let front = Front::showing(GOOD, KEY, upstream.url.trim_start_matches("http://").to_owned()).await;
        let port = front.url.rsplit(':').next().unwrap().parse().unwrap();
        // Where the address is another, nobody is at that port.
        let elsewhere = Ipv4Addr::new(127, 0, 0, 9);
        drop(holds("127.0.0.9", port).unwrap());
        server.says("upstream.test", Says::Address(elsewhere));
        let site = Site::open().await;
        let daemon = asking(&site, &server, &upstream, port, &["upstream"]).await;
        let refused = daemon.get("/v1/tokens/upstream", ORDERS).await;
        assert!(refused.complaint().contains("refused"), "{}", refused.text);
        server.says("upstream.test", Says::Address(Ipv4Addr::LOCALHOST));
        assert_eq!(daemon.served("/v1/tokens/upstream", ORDERS).await.token(), "good");
    })
    .await;
}
