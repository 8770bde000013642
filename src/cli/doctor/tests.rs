//! Scenes, and what is found in them.

use std::path::Path;
use std::sync::Arc;

use serde_json::{Value, json};

use super::chain::FAMILIES;
use super::scene::{Daemon, Look, Scene, TokenFile};
use super::*;
use crate::cli::sdk::profiles::Profiles;
use crate::cli::sdk::variables::TOKEN_FILE;
use crate::environment::Environment;

const FULL: (&str, &str) = ("AWS_CONTAINER_CREDENTIALS_FULL_URI", "http://127.0.0.1:2778/v1/credentials/orders");

/// A scene in which all is well, with these variables and these two profile files.
fn scene_with<const N: usize>(variables: [(&str, &str); N], config: &str, credentials: &str) -> Scene {
    let environment = Environment::from(variables);
    Scene {
        profiles: Profiles::of_home(&environment, config, credentials),
        environment: Arc::new(environment),
        place: "http://127.0.0.1:2778".into(),
        daemon: Daemon::Answers(json!({ "version": "1", "state": "serving" })),
        sdk: Some(Ok((200, String::new()))),
        clock: Some(Ok(("sts.example".into(), 2))),
        ..Scene::default()
    }
}

/// A scene with these variables and no files.
fn scene<const N: usize>(variables: [(&str, &str); N]) -> Scene {
    scene_with(variables, "", "")
}

/// One letter a family: D for the daemon, e for elsewhere, - for nothing.
fn picks(scene: &Scene) -> String {
    let letter = |pick: Pick| match pick.from {
        Whose::Daemon => 'D',
        Whose::Elsewhere => 'e',
        Whose::Nowhere => '-',
    };
    FAMILIES.iter().map(|family| letter(family.pick(scene))).collect()
}

fn level_of(scene: &Scene, about: &str) -> Option<Level> {
    of_a_caller(scene).findings.iter().filter(|finding| finding.about == about).map(|finding| finding.level).max()
}

#[test]
fn each_sdk_goes_its_own_way_through_the_variables() {
    let keys = [("AWS_ACCESS_KEY_ID", "A"), ("AWS_SECRET_ACCESS_KEY", "S")];
    let [id, secret] = keys;
    // boto3, JavaScript, Rust, Go, Java, .NET v4, .NET v3
    for (scene, expected) in [
        (scene([FULL]), "DDDDDDD"),
        (scene([FULL, id, secret]), "eeeeeee"),
        (scene([FULL, id]), "-DDDDDD"),
        (scene([FULL, ("AWS_ACCESS_KEY", "A"), ("AWS_SECRET_KEY", "S")]), "DDDeDDD"),
        (scene([FULL, ("AWS_CONTAINER_CREDENTIALS_RELATIVE_URI", "/v2/x")]), "eeeeeee"),
        (scene([FULL, ("AWS_CONTAINER_CREDENTIALS_RELATIVE_URI", "")]), "-D-DDDD"),
        (scene([FULL, ("AWS_WEB_IDENTITY_TOKEN_FILE", "f"), ("AWS_ROLE_ARN", "r")]), "eeeeeee"),
        (scene([FULL, ("AWS_WEB_IDENTITY_TOKEN_FILE", "f")]), "-DDDDDD"),
        (scene([FULL, ("AWS_PROFILE", "gone")]), "-DD-DDD"),
        (scene([FULL, ("AWS_DEFAULT_PROFILE", "gone")]), "-DDDDDD"),
        (scene([FULL, ("AWS_CREDENTIAL_FILE", "f")]), "eDDDDDD"),
        (scene([]), "eeeeeee"),
        (scene([("AWS_EC2_METADATA_DISABLED", "true")]), "-------"),
        (scene([("AWS_EC2_METADATA_DISABLED", "yes")]), "e-eeeee"),
        (scene([("AWS_EC2_METADATA_SERVICE_ENDPOINT", "http://127.0.0.1:2779/")]), "DDDDDDD"),
        (scene([("AWS_EC2_METADATA_SERVICE_ENDPOINT", "http://10.0.0.1/")]), "eeeeeee"),
    ] {
        let picked: Vec<_> = FAMILIES.iter().map(|family| family.pick(&scene)).collect();
        assert_eq!(picks(&scene), expected, "{picked:?}");
    }
}

#[test]
fn and_through_the_profiles() {
    let (key, process) = (
        "aws_access_key_id = A\naws_secret_access_key = S\n",
        "credential_process = /usr/bin/credbroker credentials orders\n",
    );
    let id = ("AWS_ACCESS_KEY_ID", "A");
    let secret = ("AWS_SECRET_ACCESS_KEY", "S");
    for (variables, config, credentials, expected) in [
        (vec![FULL], "[default]\nregion = eu-west-1\n".to_owned(), String::new(), "DDDDDDD"),
        (vec![FULL], String::new(), format!("[default]\n{key}"), "eeeeeee"),
        (vec![FULL], String::new(), format!("[other]\n{key}"), "DDDDDDD"),
        (vec![FULL, ("AWS_PROFILE", "other")], String::new(), format!("[other]\n{key}"), "eeeeeee"),
        (vec![], format!("[default]\n{process}"), String::new(), "DDDDDDD"),
        (
            vec![("AWS_CONTAINER_CREDENTIALS_RELATIVE_URI", "/v2/x")],
            format!("[default]\n{process}"),
            String::new(),
            "DDDDDDD",
        ),
        // Keys in variables go before a profile, but not in JavaScript if it is named, and not in .NET v3.
        (vec![id, secret, ("AWS_PROFILE", "p")], format!("[profile p]\n{process}"), String::new(), "eDeeeeD"),
        // A role in a profile goes before a web identity in botocore, and a profile before it in JavaScript and Rust.
        (
            vec![("AWS_WEB_IDENTITY_TOKEN_FILE", "f"), ("AWS_ROLE_ARN", "r")],
            format!("[default]\n{process}"),
            String::new(),
            "eDDeeee",
        ),
    ] {
        let environment: Vec<(&str, &str)> = variables.clone();
        let scene = match environment[..] {
            [] => scene_with([], &config, &credentials),
            [a] => scene_with([a], &config, &credentials),
            [a, b] => scene_with([a, b], &config, &credentials),
            [a, b, c] => scene_with([a, b, c], &config, &credentials),
            _ => unreachable!(),
        };
        assert_eq!(picks(&scene), expected, "{variables:?} {config}");
    }
}

#[test]
fn each_sdk_accepts_other_addresses() {
    for (url, expected) in [
        ("http://localhost:2778/v1/credentials/orders", "DDDDDDD"),
        ("http://[::1]:2778/v1/credentials/orders", "DDDDDDD"),
        ("http://127.8.9.1:2778/v1/credentials/orders", "DDDDDDD"),
        ("http://broker.internal:2778/v1/credentials/orders", "--eee--"),
        ("http://10.0.0.1:2778/v1/credentials/orders", "-------"),
        ("http://0.0.0.0:2778/v1/credentials/orders", "-------"),
        ("http://169.254.170.23/v1/credentials", "eeeeeee"),
        ("https://broker.example/v1/credentials/orders", "eeeeeee"),
        ("http://127.0.0.1:9000/creds", "eeeeeee"),
        ("unix:/run/credbroker/api.sock", "-------"),
        ("not a url", "-------"),
    ] {
        assert_eq!(picks(&scene([(FULL.0, url)])), expected, "{url}");
    }
}

#[test]
fn all_is_well_where_every_sdk_asks_the_daemon() {
    let diagnosis = of_a_caller(&scene([FULL]));
    assert!(diagnosis.is_well(), "{diagnosis:?}");
    assert!(diagnosis.findings.iter().all(|finding| finding.level == Level::Well), "{diagnosis:?}");
}

#[test]
fn what_is_in_the_way_fails_only_where_the_daemon_is_wanted() {
    let shadowed = of_a_caller(&scene([FULL, ("AWS_CONTAINER_CREDENTIALS_RELATIVE_URI", "/v2/x")]));
    assert!(!shadowed.is_well());
    let text = report::text(&shadowed, false);
    assert!(
        text.contains("fail  boto3, AWS CLI")
            && text.contains("RELATIVE_URI is set")
            && text.contains("credbroker exec"),
        "{text}"
    );
    let mut only_tokens = scene([]);
    only_tokens.sdk = None;
    assert!(of_a_caller(&only_tokens).is_well());
}

#[test]
fn a_token_file_is_judged_by_who_reads_it() {
    let good = Look { mode: 0o440, ..Look::default() };
    for (variable, look, level) in [
        (TOKEN_FILE, Ok(good), Level::Well),
        (TOKEN_FILE, Ok(Look { has_control: true, ..good }), Level::Trouble),
        ("CREDBROKER_TOKEN_FILE", Ok(Look { has_control: true, ..good }), Level::Warning),
        (TOKEN_FILE, Ok(Look { mode: 0o444, ..good }), Level::Warning),
        (TOKEN_FILE, Ok(Look { is_empty: true, ..good }), Level::Trouble),
        ("CREDBROKER_TOKEN_FILE", Err("cannot be read".to_owned()), Level::Trouble),
    ] {
        let mut scene = scene([FULL]);
        scene.token_files = vec![TokenFile { variable, path: Path::new("/run/orders").into(), look: look.clone() }];
        assert_eq!(level_of(&scene, "token-file"), Some(level), "{variable} {look:?}");
    }
}

#[test]
fn the_daemon_the_answer_and_the_clock_are_judged() {
    let with = |change: fn(&mut Scene)| {
        let mut scene = scene([FULL]);
        change(&mut scene);
        scene
    };
    for (scene, about, level) in [
        (with(|scene| scene.daemon = Daemon::Unanswered("cannot be reached".into())), "daemon", Level::Trouble),
        (with(|scene| scene.daemon = Daemon::Refuses(401, "not known".into())), "daemon", Level::Trouble),
        (with(|scene| scene.daemon = Daemon::Answers(failed())), "entries", Level::Warning),
        (with(|scene| scene.sdk = Some(Ok((401, "not known".into())))), "credentials", Level::Trouble),
        (with(|scene| scene.sdk = Some(Ok((503, "is down".into())))), "credentials", Level::Trouble),
        (with(|scene| scene.sdk = Some(Err("refused".into()))), "credentials", Level::Trouble),
        (with(|scene| scene.clock = Some(Ok(("sts".into(), -299)))), "clock", Level::Warning),
        (with(|scene| scene.clock = Some(Ok(("sts".into(), 300)))), "clock", Level::Trouble),
        (with(|scene| scene.clock = Some(Err("unreachable".into()))), "clock", Level::Note),
    ] {
        assert_eq!(level_of(&scene, about), Some(level), "{scene:?}");
        assert_eq!(of_a_caller(&scene).is_well(), level < Level::Trouble);
    }
}

fn failed() -> Value {
    json!({ "tokens": [{ "name": "tokens.x", "state": "failed", "last_error": { "message": "is down" } }, { "name": "tokens.y" }] })
}

#[test]
fn every_kind_of_entry_that_is_in_trouble_is_named() {
    let broken = |name: &str| json!([{ "name": name, "state": "failed", "last_error": { "message": "why\u{1b}[2J" } }]);
    let status =
        json!({ "credentials": broken("credentials.c"), "files": broken("files.f"), "issuers": broken("issuers.i") });
    let mut scene = scene([FULL]);
    scene.daemon = Daemon::Answers(status);
    let found = of_a_caller(&scene).findings;
    let entries: Vec<_> = found.iter().filter(|finding| finding.about == "entries").map(|one| &*one.what).collect();
    let said = |name| format!("{name} is failed: why\u{fffd}[2J");
    assert_eq!(entries, ["credentials.c", "files.f", "issuers.i"].map(said));
}

#[test]
fn why_an_instance_is_looked_for_here_is_told() {
    let variable = scene([("AWS_EC2_METADATA_SERVICE_ENDPOINT", "http://127.0.0.1:2779")]);
    let profile = scene_with([], "[default]\nec2_metadata_service_endpoint = http://[::1]:2779\n", "");
    for (scene, word) in [
        (variable, "AWS_EC2_METADATA_SERVICE_ENDPOINT"),
        (profile, "ec2_metadata_service_endpoint of the profile default"),
    ] {
        let pick = FAMILIES[0].pick(&scene);
        assert_eq!((pick.from, pick.because), (Whose::Daemon, format!("{word} is an address of this machine")));
    }
}

#[test]
fn odd_variables_are_told() {
    for (variables, level) in [
        ([FULL, ("AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE", "")], Level::Trouble),
        ([FULL, ("AWS_WEB_IDENTITY_TOKEN_FILE", "f")], Level::Trouble),
        ([FULL, ("http_proxy", "http://p:1")], Level::Warning),
    ] {
        assert_eq!(level_of(&scene(variables), "variables"), Some(level), "{variables:?}");
    }
    let off = scene([FULL, ("http_proxy", "http://p:1"), ("NO_PROXY", "x,127.0.0.1")]);
    assert_eq!(level_of(&off, "variables"), None);
}

#[test]
fn a_daemon_that_would_ask_itself_is_told() {
    assert!(!of_the_daemon(&scene([FULL])).is_well());
    assert!(!of_the_daemon(&scene([("AWS_EC2_METADATA_DISABLED", "true")])).is_well());
    let fine = of_the_daemon(&scene([("AWS_ACCESS_KEY_ID", "A"), ("AWS_SECRET_ACCESS_KEY", "S")]));
    assert!(fine.is_well(), "{fine:?}");
}

#[test]
fn machines_are_told_the_same() {
    let told = report::json(&of_a_caller(&scene([FULL])));
    let asks: Vec<_> = told["sdks"].as_array().unwrap().iter().map(|sdk| &sdk["daemon"]).collect();
    assert_eq!((&told["well"], asks), (&json!(true), vec![&json!(true); FAMILIES.len()]));
    let coloured = report::text(&of_a_caller(&scene([FULL])), true);
    assert!(coloured.contains("\u{1b}[32mok") && !report::text(&of_a_caller(&scene([FULL])), false).contains('\u{1b}'));
}
