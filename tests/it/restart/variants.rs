//! What is in the store is looked at twice: only what is whole, ours, and still true is used.

use std::fs::File;
use std::io::{Read as _, Write as _};
use std::os::fd::OwnedFd;
use std::time::Duration;

use rustix::fs::{MemfdFlags, SealFlags, fcntl_add_seals, memfd_create};
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

use super::activated;
use super::leases::is_stored;
use crate::client::Answer;
use crate::documents::{BILLING, ORDERS, caller};
use crate::site::Site;
use crate::supervisor::{End, Stored, Supervisor};
use crate::waiting::{limited, limited_to, until};

/// Makes something else of what the last process has left.
type Remake<'a> = &'a dyn Fn(&[u8]) -> OwnedFd;
/// Changes a lease.
type Change<'a> = &'a dyn Fn(&mut Value);

const PATIENCE: Duration = Duration::from_secs(15);
const HEAD: &[u8] = b"credbroker leases 2\n";

fn memory(content: &[u8], seals: SealFlags) -> OwnedFd {
    let mut file = File::from(memfd_create("x", MemfdFlags::CLOEXEC | MemfdFlags::ALLOW_SEALING).unwrap());
    file.write_all(content).unwrap();
    fcntl_add_seals(&file, seals).unwrap();
    file.into()
}

pub fn sealed(content: &[u8]) -> OwnedFd {
    memory(content, SealFlags::WRITE | SealFlags::SHRINK | SealFlags::GROW | SealFlags::SEAL)
}

pub fn content(stored: &Stored) -> Vec<u8> {
    use std::os::fd::AsRawFd as _;
    let mut bytes = Vec::new();
    // Opened anew, so that it is read from the start.
    File::open(format!("/proc/self/fd/{}", stored.fd.as_raw_fd())).unwrap().read_to_end(&mut bytes).unwrap();
    bytes
}

/// The same leases, with a change in them, as whole as before.
pub fn rewritten(bytes: &[u8], change: impl FnOnce(&mut Value)) -> Vec<u8> {
    let mut document: Value = serde_json::from_slice(&bytes[HEAD.len() + 32..]).unwrap();
    change(&mut document);
    let body = document.to_string().into_bytes();
    [HEAD, Sha256::digest(&body).as_slice(), &body].concat()
}

/// A service that has fetched its token and ended, with what it has left in the store.
async fn ended(site: &Site) -> Supervisor {
    let mut service = Supervisor::start(site.launch(&activated("drain = \"0s\""))).await;
    service.daemon.served("/v1/tokens/billing", ORDERS).await;
    is_stored(&service).await;
    service.daemon.running.signal("TERM").await;
    assert_eq!(service.ended().await, End::Itself(0));
    service
}

/// Starts the next process after `change` to what the last one has left; the first answer of it.
async fn after(service: &mut Supervisor, change: impl FnOnce(&mut Stored)) -> Answer {
    service.change_store(|store| change(&mut store[0]));
    service.start_again().await;
    service.daemon.get("/v1/tokens/billing", ORDERS).await
}

#[tokio::test]
async fn what_is_not_whole_not_ours_or_not_sealed_is_left_alone_with_a_word() {
    limited_to(Duration::from_secs(90), async {
        let flipped = |bytes: &[u8]| {
            let mut bytes = bytes.to_vec();
            let middle = bytes.len() / 2;
            bytes[middle] ^= 1;
            sealed(&bytes)
        };
        let other = |bytes: &[u8]| sealed(&[b"credbroker leases 0\n", &bytes[HEAD.len()..]].concat());
        let boot = |bytes: &[u8]| sealed(&rewritten(bytes, |document| document["boot"] = json!("another")));
        let later = |bytes: &[u8]| sealed(&rewritten(bytes, |document| document["at"] = json!(u64::MAX)));
        let shape = |bytes: &[u8]| sealed(&rewritten(bytes, |document| document["more"] = json!(1)));
        let socket = |_: &[u8]| std::os::unix::net::UnixStream::pair().unwrap().0.into();
        let variants: [(&str, Remake<'_>, &str); 11] = [
            ("a bit is another", &flipped, "not whole"),
            ("truncated", &|bytes| sealed(&bytes[..bytes.len() - 1]), "not whole"),
            ("nothing", &|_| sealed(b""), "does not hold leases"),
            ("of others", &|_| sealed(b"{\"leases\": []}"), "does not hold leases"),
            ("of another version", &other, "another version"),
            ("not sealed", &|bytes| memory(bytes, SealFlags::empty()), "not sealed"),
            ("too large", &|_| sealed(&vec![b' '; 9 * 1024 * 1024]), "larger than 8 MiB"),
            ("of another boot", &boot, "before the machine was started"),
            ("of the future", &later, "later than now"),
            ("of another shape", &shape, "not whole"),
            ("a socket", &socket, "cannot be read"),
        ];
        let site = Site::open().await;
        let mut service = ended(&site).await;
        for (number, (what, change, word)) in variants.into_iter().enumerate() {
            let answer = after(&mut service, |stored| stored.fd = change(&content(stored))).await;
            assert_eq!((answer.status, answer.cache()), (200, "miss"), "{what}: {}", answer.text);
            assert_eq!(site.asked("token").len(), number + 2, "{what}");
            let logged = service.daemon.logged().await;
            assert!(logged.contains(word) && logged.contains("is not used"), "{what}: {logged}");
            is_stored(&service).await;
            service.daemon.running.signal("TERM").await;
            assert_eq!(service.ended().await, End::Itself(0));
            assert_eq!(service.stored().len(), 1, "{what}: it is gone");
        }
    })
    .await;
}

#[tokio::test]
async fn what_others_have_left_with_systemd_keeps_nobody_from_starting_and_is_gone() {
    limited(async {
        let site = Site::open().await;
        let mut service = ended(&site).await;
        let others = "leases-of-another-version";
        service.change_store(|store| store.push(Stored { name: others.to_owned(), fd: sealed(b"others") }));
        service.start_again().await;
        let answer = service.daemon.get("/v1/tokens/billing", ORDERS).await;
        assert_eq!((answer.status, answer.cache()), (200, "hit"), "{}", answer.text);
        let logged = service.daemon.logged().await;
        assert!(logged.lines().any(|line| line.contains(others) && line.contains("not used")), "{logged}");
        until("the room in the store", PATIENCE, async || {
            (!service.stored().contains(&others.to_owned())).then_some(())
        })
        .await;
    })
    .await;
}

#[tokio::test]
async fn a_lease_that_has_expired_or_could_not_be_is_not_served() {
    limited_to(Duration::from_secs(60), async {
        let variants: [(&str, Change<'_>); 5] = [
            ("expired", &|lease| {
                (lease["expiry"], lease["refresh_due"]) =
                    (json!(lease["issued_at"].as_u64().unwrap() + 1), lease["issued_at"].clone());
            }),
            ("for ever", &|lease| lease["expiry"] = json!(u64::MAX)),
            ("issued later than it was written", &|lease| {
                lease["issued_at"] = json!(lease["issued_at"].as_u64().unwrap() + 3_600_000_000_000_u64);
            }),
            ("due before it was issued", &|lease| lease["refresh_due"] = json!(0)),
            ("of an entry that is configured otherwise", &|lease| lease["definition"] = json!("0")),
        ];
        let site = Site::open().await;
        let mut service = ended(&site).await;
        for (number, (what, change)) in variants.into_iter().enumerate() {
            let answer = after(&mut service, |stored| {
                let bytes = rewritten(&content(stored), |document| change(&mut document["leases"][0]));
                stored.fd = sealed(&bytes);
            })
            .await;
            assert_eq!((answer.status, answer.cache()), (200, "miss"), "{what}: {}", answer.text);
            assert_eq!(site.asked("token").len(), number + 2, "{what}");
            assert!(service.daemon.logged().await.contains("left_out=1"), "{what}");
            is_stored(&service).await;
            service.daemon.running.signal("TERM").await;
            assert_eq!(service.ended().await, End::Itself(0));
        }
        let answer = after(&mut service, |stored| stored.fd = sealed(&rewritten(&content(stored), |_| ()))).await;
        assert_eq!(answer.cache(), "hit", "as it was, it is used");
    })
    .await;
}

#[tokio::test]
async fn leases_of_another_configuration_stay_behind_one_by_one() {
    limited(async {
        let site = Site::open().await;
        let two = |scopes: &str| {
            let other = BILLING.replace("tokens.billing", "tokens.other").replace("\"billing/read\", ", scopes);
            format!("{BILLING}{other}{}", caller("orders", &["tokens.billing", "tokens.other"]))
        };
        let document = |scopes: &str| super::kept(&two(scopes));
        let mut service = Supervisor::start(site.launch(&document("\"billing/read\", "))).await;
        for path in ["/v1/tokens/billing", "/v1/tokens/other"] {
            service.daemon.served(path, ORDERS).await;
        }
        service.launch_with(site.launch(&document("")));
        service.restart().await;
        assert_eq!(service.daemon.get("/v1/tokens/billing", ORDERS).await.cache(), "hit");
        assert_eq!(service.daemon.get("/v1/tokens/other", ORDERS).await.cache(), "miss");
        assert_eq!(site.asked("token").len(), 3);
        assert!(service.daemon.logged().await.contains("leases=1 left_out=1"));
    })
    .await;
}
