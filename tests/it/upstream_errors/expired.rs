//! Credentials that sign and have expired upstream, although they seem to live.

use std::time::Duration;

use super::{ROBOT_SECRET, entry};
use crate::documents::{BROKER_KEY, BROKER_SECRET, ORDERS, WORLD, caller};
use crate::site::Site;
use crate::waiting::{limited, until};

/// The emulator's clock is wrong by this first one way and then the other: as far as signatures allow.
const WRONG: i64 = 290;
/// A session that seems to live for 90 s, and is dead when the emulator's clock is changed.
const LIFE: u64 = 380;
const ALLOWED: &str =
    "allow = [\"sts:AssumeRole\", \"sts:TagSession\", \"sts:SetSourceIdentity\", \"sts:GetWebIdentityToken\"]\nmax";

/// `operation` is signed by a session that dies; without a restart and long before the session's end it is asked for again.
async fn survives(operation: &'static str) {
    let world = WORLD.replace(ALLOWED, "allow = [\"*\"]\nmax");
    assert_ne!(world, WORLD);
    let site = Site::of(&world).await;
    let keys = format!("aws_access_key_id = {BROKER_KEY}\naws_secret_access_key = {BROKER_SECRET}");
    let role = "role_arn = arn:aws:iam::111122223333:role/hub\nsource_profile = base";
    let profiles = site.write("profiles", &format!("[profile base]\n{keys}\n\n[profile hub]\n{role}\n"));
    let (surface, text) = entry(operation, "last");
    let text = text
        .replace("role/hub", "role/orders")
        .replace("secret-of-last\"", "credbroker/billing\", key = \"client_secret\"");
    let text = text.replace("clientlast", "4f3q8example1m2m");
    site.write("robot.secret", ROBOT_SECRET);
    let first = entry("AssumeRole", "first").1.replace("role/hub", "role/orders");
    let allow = caller("orders", &["credentials.first", &format!("{surface}.last")]);
    let launch = site.launch(&format!("[aws]\nprofile = \"hub\"\n\n{first}{text}{allow}"));
    let launch = launch.env("AWS_CONFIG_FILE", profiles.to_str().unwrap());
    let daemon = launch.without("AWS_ACCESS_KEY_ID").without("AWS_SECRET_ACCESS_KEY").start().await;

    site.control().clock_offset(-WRONG);
    site.control().set_lifetime("AssumeRole", LIFE);
    let first = daemon.get("/v1/credentials/first", ORDERS).await;
    assert_eq!((first.status, site.asked("AssumeRole").len()), (200, 2), "{}", first.text);

    site.control().clock_offset(WRONG);
    site.control().set_lifetime("AssumeRole", 3_600);
    let path = format!("/v1/{surface}/last");
    let refused = daemon.get(&path, ORDERS).await;
    assert_eq!(refused.status, 503, "{operation}: {}", refused.text);
    assert!(refused.complaint().contains("the credentials that signed have expired"), "{}", refused.text);
    // Credentials are not asked for early within ten seconds of the last time.
    until(&format!("{operation} is signed anew"), Duration::from_secs(20), async || {
        (daemon.get(&path, ORDERS).await.status == 200).then_some(())
    })
    .await;
}

#[tokio::test]
async fn credentials_that_died_upstream_are_replaced_by_whoever_signs_with_them() {
    limited(async {
        tokio::join!(
            survives("AssumeRole"),
            survives("GetWebIdentityToken"),
            survives("GetOpenIdTokenForDeveloperIdentity"),
            survives("AdminInitiateAuth"),
            survives("GetSecretValue"),
            survives("DescribeUserPoolClient"),
        );
    })
    .await;
}
