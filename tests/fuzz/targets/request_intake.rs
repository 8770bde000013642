//! Any bytes on a connection of any peer, to the broker or to its metadata service. Nothing is a 5xx; who is not known is
//! answered at the open paths only; and no header is repeated, in no answer and no line of the log.
//!
//! The first letter of an input says who the peer is, and whom it asks.

#![no_main]

use credbroker_fuzz::canary::{self, CANARY};
use credbroker_fuzz::wire::{self, Said};
use credbroker_fuzz::{run, site};
use libfuzzer_sys::fuzz_target;

const OPEN: [&str; 5] =
    ["/healthz", "/readyz", "/.well-known/oauth-authorization-server", "/openapi.json", "/v1/proof"];
const OF_HYPER: [u16; 4] = [100, 400, 414, 431];

fuzz_target!(|input: &[u8]| {
    let Some((letter, sent)) = input.split_first() else { return };
    let peer = wire::peer(*letter);
    let said = run(async {
        let site = site::site().await;
        if letter % 7 == 6 {
            wire::converse(&site.imds, &peer, sent).await
        } else {
            wire::converse(&site.door, &peer, sent).await
        }
    });
    let answers = wire::answers(&said);
    let text = String::from_utf8_lossy(sent);
    let open: usize = OPEN.iter().map(|path| text.matches(path).count()).sum();
    let served = answers.iter().filter(|answer| answer.status == 200).count();
    let is_known = peer.process.uid == Some(7) || may_show_itself(&text);
    assert!(is_known || served <= open, "nobody known was answered: {text}\n{}", String::from_utf8_lossy(&said));
    for Said { status, head, .. } in &answers {
        assert!(*status < 500, "{head}");
        // What is no HTTP is refused below us.
        assert!(OF_HYPER.contains(status) || head.contains("cache-control: no-store"), "{head}");
    }
    if stands_in_headers(&text) {
        canary::is_not_in("the answers", &said);
        canary::is_not_logged();
    }
});

/// Is there the token of a caller, or what it may be hidden in?
fn may_show_itself(text: &str) -> bool {
    let lower = text.to_ascii_lowercase();
    [site::TOKEN, "basic", "client_secret"].iter().any(|sign| lower.contains(sign))
}

/// Does the canary stand in values of headers, and nowhere else?
fn stands_in_headers(text: &str) -> bool {
    text.lines().filter(|line| line.contains(CANARY)).all(|line| {
        let value = line.split_once(": ");
        value.is_some_and(|(name, _)| {
            !name.contains(CANARY) && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
        })
    })
}
