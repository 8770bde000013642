//! What may become of the file of a client's secret while a token is held, and while none is.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::time::Duration;

use nix::sys::stat::Mode;
use nix::unistd::mkfifo;

use super::upstream::{Does, Upstream, grant};
use crate::documents::{M2M_SECRET, ORDERS, caller};
use crate::site::Site;
use crate::waiting::{limited, until};

/// Half of it, as somebody reads who comes while it is written in place.
const HALF: &str = "billingsecret01234";

/// What becomes of a file, in a word that is its name too, and what is said of it.
type State = (&'static str, fn(&Path), &'static str);

const STATES: [State; 7] = [
    ("missing", |_| {}, "cannot be read"),
    ("empty", |path| fs::write(path, "").unwrap(), "is empty"),
    ("binary", |path| fs::write(path, [0xff, 0xfe, 0x00]).unwrap(), "is not UTF-8"),
    ("large", |path| fs::write(path, "a".repeat(65_537)).unwrap(), "is longer than 64 KiB"),
    ("directory", |path| fs::create_dir(path).unwrap(), "not a plain file"),
    ("fifo", |path| mkfifo(path, Mode::S_IRUSR).unwrap(), "not a plain file"),
    ("dangling", |path| symlink("/nonexistent/secret", path).unwrap(), "cannot be read"),
];

#[tokio::test]
async fn whatever_becomes_of_a_secrets_file_the_token_stays_and_the_file_is_named() {
    limited(async {
        let upstream =
            Upstream::of(|seen, before| Does::Says(grant(&format!("{}-{before}", &seen.path()[1..]), 40))).await;
        let site = Site::open().await;
        let (mut tokens, mut names) = (String::new(), vec![]);
        for (state, ..) in STATES {
            for name in [state.to_owned(), format!("held{state}")] {
                site.write(&format!("{name}.secret"), M2M_SECRET);
                tokens += &upstream.token(&name).replace("billing.secret", &format!("{name}.secret"));
                names.push(format!("tokens.{name}"));
            }
        }
        let allow: Vec<&str> = names.iter().map(String::as_str).collect();
        // Renewals come after 2 to 6 seconds of the forty.
        let daemon = site.daemon(&format!("[refresh]\nahead = 0.1\n{tokens}{}", caller("orders", &allow))).await;
        for (state, becomes, _) in STATES {
            daemon.served(&format!("/v1/tokens/held{state}"), ORDERS).await;
            for name in [state.to_owned(), format!("held{state}")] {
                let path = site.dir.path().join(format!("{name}.secret"));
                fs::remove_file(&path).unwrap();
                becomes(&path);
            }
        }
        for (state, _, word) in STATES {
            let answer = daemon.get(&format!("/v1/tokens/{state}"), ORDERS).await;
            assert_eq!(
                (answer.status, answer.json()["error"].as_str()),
                (502, Some("upstream_misconfigured")),
                "{}",
                answer.text
            );
            let said = answer.complaint();
            assert!(said.contains(word) && said.contains(&format!("{state}.secret")), "{state}: {said}");
            until(&format!("{state}: the renewal fails"), Duration::from_secs(15), async || {
                let row = daemon.row(&format!("tokens.held{state}"), "").await;
                row["last_error"]["message"].as_str().is_some_and(|said| said.contains(word)).then_some(())
            })
            .await;
            let held = daemon.get(&format!("/v1/tokens/held{state}"), ORDERS).await;
            assert_eq!(held.token(), format!("held{state}-0"));
            assert_eq!(upstream.asked(state), 0, "nobody is asked without a secret");
        }
        // All of them come back with the file, without a restart.
        for (state, ..) in STATES {
            let path = site.dir.path().join(format!("{state}.secret"));
            if path.is_dir() {
                fs::remove_dir(&path).unwrap();
            } else {
                drop(fs::remove_file(&path));
            }
            fs::write(&path, M2M_SECRET).unwrap();
        }
        for (state, ..) in STATES {
            daemon.served(&format!("/v1/tokens/{state}"), ORDERS).await;
        }
    })
    .await;
}

/// Whoever writes a secret in place may be read in the middle: what is refused then is tried again as soon as the file is whole.
#[tokio::test]
async fn a_secret_that_was_read_half_written_is_read_again() {
    limited(async {
        let site = Site::open().await;
        site.write("billing.secret", HALF);
        let daemon = site.daemon(&crate::documents::billing_for_orders()).await;
        assert_eq!(daemon.get("/v1/tokens/billing", ORDERS).await.status, 502);
        assert_eq!(site.outcomes("token").len(), 1);
        site.write("billing.secret", M2M_SECRET);
        daemon.served("/v1/tokens/billing", ORDERS).await;
        assert_eq!(site.outcomes("token").len(), 2, "the half was shown once");
    })
    .await;
}
