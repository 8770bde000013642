//! The wall clock is set while things are held: nothing that is held is thought longer- or shorter-lived, nothing is fetched anew, and
//! what is printed fits the clock that its readers go by.

use super::hands::Hands;
use super::*;
use crate::site::Site;
use crate::waiting::{limited, until};

const FILES: &str = r#"
[files.hub]
credentials = "credentials.hub"
path        = "DIR/hub.json"
format      = "json"

[files.raw]
token = "tokens.billing"
path  = "DIR/billing.jwt"
"#;

/// Everything that tells a time does so for a clock that is `ahead`, and nothing has been asked for again.
async fn unmoved(site: &Site, daemon: &Daemon, ahead: i64) {
    let token = daemon.get(TOKEN, ORDERS).await;
    assert_eq!((token.status, token.cache()), (200, "hit"));
    let seconds = token.json()["expires_in"].as_f64().unwrap();
    assert!(is_an_hour(seconds), "{seconds} s");
    assert!(is_an_hour(left_until(&token.json()["expires_at"], ahead)), "{}", token.text);
    let role = daemon.get(ROLE, ORDERS).await;
    assert_eq!((role.status, role.cache()), (200, "hit"));
    assert!(is_an_hour(left_of(&role, ahead)), "{} s", left_of(&role, ahead));
    let row = daemon.row("credentials.hub", "").await;
    assert!(is_an_hour(row["expires_in"].as_f64().unwrap()) && is_an_hour(left_until(&row["expires_at"], ahead)));
    assert_eq!((site.asked("token").len(), site.asked("AssumeRole").len()), (1, 1));
}

/// The file is there for readers whose clock is `ahead`.
async fn written_for(site: &Site, ahead: i64) {
    until("the file is written for the new time", SOON, async || {
        let text = std::fs::read_to_string(site.dir.path().join("hub.json")).unwrap();
        let file: Value = serde_json::from_str(&text).unwrap();
        is_an_hour(left_until(&file["Expiration"], ahead)).then_some(())
    })
    .await;
}

/// Faults 34 and 35.
#[tokio::test]
async fn a_wall_clock_that_is_set_changes_nothing_but_what_is_printed() {
    limited(async {
        let site = Site::open().await;
        let hands = Hands::of(&site).await;
        let daemon = hands.moving(site.launch(&format!("{}{FILES}", both()))).start().await;
        daemon.served(TOKEN, ORDERS).await;
        daemon.served(ROLE, ORDERS).await;
        unmoved(&site, &daemon, 0).await;
        let raw = || std::fs::metadata(site.dir.path().join("billing.jwt")).unwrap().modified().unwrap();
        let written_at = until("the file with the bare token", SOON, async || {
            site.dir.path().join("billing.jwt").exists().then(raw)
        })
        .await;
        for (count, ahead) in [HOUR, YEAR, -DAY, 0].into_iter().enumerate() {
            hands.show(ahead, 0, 0);
            unmoved(&site, &daemon, ahead).await;
            until("the step is noticed", SOON, async || (clock(&daemon).await["steps"] == count + 1).then_some(()))
                .await;
            written_for(&site, ahead).await;
            unmoved(&site, &daemon, ahead).await;
        }
        assert_eq!(raw(), written_at, "a bare token tells no time, so its file stays");
        let status = clock(&daemon).await;
        assert_eq!((&status["last_step_seconds"], &status["resumes"]), (&Value::from(DAY), &Value::from(0)));
        assert!(daemon.logged().await.contains("the wall clock was set"));
    })
    .await;
}

/// Serves what its upstream takes, at each moment while the clock is where it is, until the next renewal is over.
async fn renewed(site: &Site, daemon: &Daemon) {
    let before = site.asked("AssumeRole").len();
    until("the next renewal", SOON, async || {
        let answer = daemon.get(ROLE, ORDERS).await;
        assert_eq!(answer.status, 200, "{}", answer.text);
        // The upstream refuses what has expired.
        site.whose(&answer.json()).await;
        (site.asked("AssumeRole").len() > before).then_some(())
    })
    .await;
}

/// The acceptance of faults 34 and 35: set forward and back by an hour, while lifetimes are seconds.
#[tokio::test]
async fn a_clock_set_forward_and_back_by_an_hour_serves_nothing_expired_and_each_renewal_succeeds() {
    limited(async {
        let site = Site::open().await;
        site.control().set_lifetime("AssumeRole", 4);
        let hands = Hands::of(&site).await;
        let document = format!("{}\n[refresh]\nkeep = \"always\"\n", both());
        let daemon = hands.moving(site.launch(&document)).start().await;
        daemon.served(ROLE, ORDERS).await;
        for ahead in [HOUR, 0, -HOUR, 0] {
            hands.show(ahead, 0, 0);
            renewed(&site, &daemon).await;
        }
        let outcomes = site.outcomes("AssumeRole");
        assert!(outcomes.iter().all(|outcome| outcome == &outcomes[0]), "what was signed was taken: {outcomes:?}");
    })
    .await;
}
