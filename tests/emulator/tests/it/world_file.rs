//! Mistakes in a world file are all found, and none is repeated back with its value.

use credbroker_emulator::World;

const GOOD: &str = include_str!("../../world.toml");

fn mistakes(change: impl Fn(&str) -> String) -> Vec<String> {
    match World::from_toml(&change(GOOD)) {
        Ok(_) => Vec::new(),
        Err(error) => error.mistakes().to_vec(),
    }
}

#[test]
fn the_demo_world_is_right() {
    assert!(mistakes(str::to_owned).is_empty());
}

#[test]
fn one_mistake_each() {
    for (from, to, word) in [
        ("account = \"111122223333\"", "account = \"1\"", "account"),
        ("domain = \"acme\"", "domian = \"acme\"", "domian"),
        ("issuer = \"original\"", "issuer = \"odd\"", "original"),
        ("billing = [\"read\", \"write\"]", "billing = [\"read\"]", "billing/write"),
        ("access_token_validity = 3600", "access_token_validity = 60", "access_token_validity"),
        ("[\"client_credentials\"]", "[\"client_credential\"]", "oauth_flows"),
        ("[\"ALLOW_CLIENT_TOKEN_AUTH\"]", "[\"ALLOW_CLIENT_TOKEN_AUTH\", \"ALLOW_USER_AUTH\"]", "excludes"),
        ("client = \"7robotexampleclient\"", "client = \"nobody\"", "providers[0]"),
        ("max_session_duration = 43200", "max_session_duration = 43201", "max_session_duration"),
        ("amr = \"authenticated\" }", "external_id = \"x\" }", "external_id"),
        ("allow_classic_flow = false", "unauthenticated_role = \"arn:aws:iam::1:role/x\"", "allow_unauthenticated"),
        ("domain = \"acme\"", "custom_domain = \"acme\"", "custom_domain"),
        ("domain = \"acme\"", "custom_domain = \"x.auth.eu-west-1.amazoncognito.com\"", "custom_domain"),
        ("domain = \"acme\"", "custom_domain = \"127.0.0.1\"", "custom_domain"),
        ("access_token_validity = 3600", "drop_scopes = [\"billing/delete\"]", "drop_scopes"),
        ("retry_grace_period = 30", "retry_grace_period = 61", "retry_grace_period"),
        ("refresh_token_rotation = true", "", "refresh_token_rotation"),
        ("alias = \"robot@example.com\"", "alias = \"robot\"", "alias"),
        ("groups = []", "challenge = \"RIDDLE\"", "challenge"),
        ("\"rfc8414\", \"oidc\"", "\"oidc\", \"oidc\"", "twice"),
        ("[authorization_servers.partner]", "[authorization_servers.\"a b\"]", "a name is"),
        ("clients.\"partner-acme\"]", "clients.7robotexampleclient]", "exists twice"),
        ("auth = \"federated\"\nsubject", "auth = \"federated\"\nsecrets = [\"x\"]\nsubject", "secrets"),
        ("secrets = [\"forever-secret-0123456789\"]", "secrets = []", "secrets"),
        ("crv = \"P-256\"", "crv = \"P-384\"", "jwks[1]"),
        ("x = \"DN98", "d = \"DN98", "unknown field"),
        ("client_ids = [\"sts.amazonaws.com\"]", "client_ids = []", "client_ids"),
        ("authorization_server = \"partner\"", "pool = \"eu-west-1_nobody\"", "does not exist"),
        ("oidc-provider/partner", "oidc-provider/nobody", "names an OIDC provider"),
        ("pending = \"the partner's next secret\"", "pending = \"\"", "a value is empty"),
        ("binary = true\ncurrent = \"", "binary = true\ncurrent = \"-", "base64"),
    ] {
        assert!(GOOD.contains(from), "{from}");
        let found = mistakes(|text| text.replacen(from, to, 1));
        assert!(found.len() == 1 && found[0].contains(word), "{to}: {found:?}");
    }
}

#[test]
fn all_in_one_run_and_without_secrets() {
    let found = mistakes(|text| {
        text.replace("account = \"111122223333\"", "account = \"1\"")
            .replace("billingsecret0123456789abcdefghijklmnop", "canary")
            .replace("domain = \"acme\"", "domain = \"AC ME\"")
    });
    assert_eq!(found.len(), 3, "{found:?}");
    assert!(!found.join(" ").contains("canary"));
    let syntax = mistakes(|text| text.replace("secrets = [\"billing", "secrets = canary [\"billing"));
    assert!(syntax.len() == 1 && syntax[0].starts_with("line "), "{syntax:?}");
    assert!(!syntax[0].contains("billingsecret"));
    let shape = mistakes(|text| {
        text.replace("secrets = [\"billingsecret0123456789abcdefghijklmnop\"]", "secrets = \"canary\"")
    });
    assert!(shape.len() == 1 && shape[0].contains("invalid type"), "{shape:?}");
    assert!(!shape[0].contains("canary"), "{shape:?}");
}
