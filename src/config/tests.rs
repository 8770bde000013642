mod audit;
mod callers;
mod egress;
mod files;
mod imds;
mod mistakes;
mod oauth2;

use super::*;

const GOOD: &str = r#"
[server]
listen = ["loopback:2778", "unix:/run/credbroker/api.sock"]
[aws]
region = "eu-west-1"
[tokens.billing]
from = "cognito"
user_pool = "eu-west-1_AbCd12345"
domain = "acme"
client_id = "4f3"
client_secret = { file = "/etc/credbroker/billing.secret" }
scopes = ["billing/read"]
[tokens.robot]
from = "cognito-user"
user_pool = "eu-west-1_AbCd12345"
client_id = "7r"
username = "robot"
password = { credential = "robot" }
[credentials.hub]
from = "ambient"
[credentials.middle]
from = "assume-role"
role_arn = "arn:aws:iam::111122223333:role/middle"
as = "credentials.hub"
session_name = "{caller}"
duration = "12h"
[credentials.orders]
from = "assume-role"
role_arn = "arn:aws:iam::111122223333:role/orders"
as = "credentials.middle"
keep = "always"
[credentials.uploads]
from = "identity-pool"
identity_pool = "eu-west-1:11112222-3333-4444-5555-666677778888"
login = "tokens.robot"
[issuers.users]
user_pool = "eu-west-1_AbCd12345"
clients = ["4f3"]
audience = []
scopes = ["billing/read"]
leeway = "30s"
[issuers.partner]
issuer = "https://login.partner.example"
audience = ["https://api.example.com"]
[callers.orders]
allow = ["tokens.billing", "credentials.orders", "issuers.users"]
token = { file = "/run/credbroker/callers/orders" }
uid = "orders"
"#;

fn problems(text: &str) -> Vec<String> {
    match Config::parse(Path::new("c.toml"), text) {
        Ok(_) => Vec::new(),
        Err(problems) => {
            problems.to_string().lines().map(ToOwned::to_owned).filter(|line| line.starts_with("c.toml:")).collect()
        }
    }
}

/// A good document with `extra` added to it, read.
fn good_with(extra: &str) -> Config {
    Config::parse(Path::new("c.toml"), &format!("{GOOD}{extra}")).unwrap()
}

/// The one problem of `text` added to a good document.
fn problem_of(extra: &str) -> String {
    let found = problems(&format!("{GOOD}{extra}"));
    assert_eq!(found.len(), 1, "{found:#?}");
    found[0].clone()
}

#[test]
fn a_good_document_becomes_a_config() {
    let config = Config::parse(Path::new("c.toml"), GOOD).unwrap();
    assert_eq!(config.server.listen.len(), 2);
    assert!(
        matches!(&config.tokens["billing"].source, TokenSource::TokenEndpoint { endpoint: Endpoint::Cognito(url), .. }
        if url.as_str() == "https://acme.auth.eu-west-1.amazoncognito.com/oauth2/token")
    );
    assert!(
        matches!(&config.credentials["uploads"].source, CredentialsSource::IdentityPool { login: Login::Token { provider, .. }, .. }
        if provider == "cognito-idp.eu-west-1.amazonaws.com/eu-west-1_AbCd12345")
    );
    assert!(config.credentials["orders"].inputs.caller, "orders is built on middle, whose session names the caller");
    assert!(!config.credentials["uploads"].inputs.caller);
    assert_eq!(config.credentials["orders"].freshness.keep, crate::refresh::schedule::Keep::Always);
}

#[test]
fn issuers_are_known_by_the_letter_of_their_names() {
    use verify::Kind;
    let issuer = |extra: &str, name: &str| good_with(extra).issuers.remove(name).unwrap();
    let users = issuer("", "users");
    assert_eq!(
        users.asked.issuers,
        [
            "https://cognito-idp.eu-west-1.amazonaws.com/eu-west-1_AbCd12345",
            "https://issuer-cognito-idp.eu-west-1.amazonaws.com/eu-west-1_AbCd12345"
        ]
    );
    assert_eq!((users.asked.kind, users.asked.leeway), (Kind::CognitoAccess, Duration::from_secs(30)));
    let partner = issuer("", "partner");
    assert_eq!((partner.asked.kind, partner.asked.leeway), (Kind::Generic, Duration::ZERO));
    assert_eq!(partner.asked.issuers, ["https://login.partner.example"], "no slash is added");
    assert!(matches!(partner.keys, IssuerKeys::Discovered(url) if url.as_str() == "https://login.partner.example/"));
    let slashed = "[issuers.s]\nissuer = \"https://LOGIN.example/\"\njwks_uri = \"http://127.0.0.1:1/keys\"\n";
    let slashed = issuer(slashed, "s");
    assert_eq!(slashed.asked.issuers, ["https://LOGIN.example/"]);
    assert!(matches!(slashed.keys, IssuerKeys::At(url) if url.as_str() == "http://127.0.0.1:1/keys"));
    let id = issuer("[issuers.id]\nuser_pool = \"eu-west-1_AbCd12345\"\ntoken_use = \"id\"\n", "id");
    assert_eq!(id.asked.kind, Kind::CognitoId);
}

#[test]
fn an_empty_document_is_the_defaults() {
    let config = Config::parse(Path::new("c.toml"), "").unwrap();
    assert_eq!(config.server.listen, [Listen::Loopback(2778)]);
    assert_eq!((config.server.drain, config.server.max_connections), (Duration::from_secs(10), 1024));
    assert_eq!(config.cognito_fee_per_1000, 2.25);
}

#[test]
fn a_fee_is_a_number_of_dollars_whole_or_not_or_none_at_all() {
    for (written, read) in [("0", 0.0), ("3", 3.0), ("0.5", 0.5)] {
        let text = format!("[status]\ncognito_fee_per_1000 = {written}\n");
        assert_eq!(Config::parse(Path::new("c.toml"), &text).unwrap().cognito_fee_per_1000, read);
    }
}

#[test]
fn six_different_mistakes_are_six_reports_with_their_places() {
    let text = r#"[server]
listen = ["0.0.0.0:2778"]
[tokens.billing]
from = "cognito"
user_pool = "eu-west-1_AbCd12345"
client_id = 7
client_secret = "literally-the-secret"
scops = ["billing/read"]
[credentials.orders]
from = "asume-role"
role_arn = "arn:aws:iam::111122223333:role/orders"
[callers.orders]
allow = ["tokens.biling"]
uid = 1000
"#;
    let found = problems(text);
    let expected = [
        ("c.toml:2:11: server.listen", "other machines"),
        ("c.toml:6:13: tokens.billing.client_id", "expected text, found a number"),
        ("c.toml:7:17: tokens.billing.client_secret", "a secret never stands in the configuration"),
        ("c.toml:8:1: tokens.billing.scops", "did you mean `scopes`?"),
        ("c.toml:10:8: credentials.orders.from", "did you mean `assume-role`?"),
        ("c.toml:13:10: callers.orders.allow", "did you mean `tokens.billing`?"),
    ];
    assert_eq!(found.len(), expected.len(), "{found:#?}");
    for (found, (start, part)) in found.iter().zip(expected) {
        assert!(found.starts_with(start) && found.contains(part), "{found}\nexpected {start} … {part}");
    }
    assert!(!found.join("").contains("literally-the-secret"));
}

#[test]
fn rules_that_span_keys_are_reported_beside_others() {
    let cycle = "[credentials.a]\nfrom = \"assume-role\"\nrole_arn = \"arn:aws:iam::111122223333:role/a\"\nas = \"credentials.b\"\n\
                 [credentials.b]\nfrom = \"assume-role\"\nrole_arn = \"arn:aws:iam::111122223333:role/b\"\nas = \"credentials.a\"\nbogus = 1\n";
    let found = problems(cycle);
    assert!(found.iter().any(|p| p.contains("credentials.a → credentials.b → credentials.a")), "{found:#?}");
    assert!(found.iter().any(|p| p.contains("bogus: unknown key")), "{found:#?}");
}

#[test]
fn each_rule_has_its_words() {
    for (extra, part) in [
        ("[callers.nobody]\nallow = []\n", "at least one factor"),
        ("[callers.anonymous]\nallow = []\nuid = 7\n", "without factors"),
        (
            "[callers.twin]\nallow = []\ntoken = { file = \"/run/credbroker/callers/orders\" }\nuid = \"orders\"\n",
            "told apart from callers.orders",
        ),
        (
            "[callers.two]\nallow = []\ntoken = { file = \"/a\", sha256 = \"ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad\" }\n",
            "exactly one of",
        ),
        ("[callers.bad-hash]\nallow = []\ntoken = { sha256 = \"abc\" }\n", "64 hexadecimal digits"),
        ("[callers.literal]\nallow = []\ntoken = \"opensesame\"\n", "a secret never stands"),
        (
            "[callers.c]\nallow = []\nunit = \"orders\"\n",
            "callers.c.unit: expected a systemd service or scope as systemctl lists it, such as \"orders.service\"",
        ),
        ("[callers.c]\nallow = []\nunit = \"orders\"\n", "(did you mean `orders.service`?)"),
        (
            "[callers.one]\nallow = []\nunit = \"x.service\"\n[callers.two]\nallow = []\nunit = \"x.service\"\n",
            "told apart from callers.one",
        ),
        (
            "[credentials.g]\nfrom = \"identity-pool\"\nidentity_pool = \"eu-west-1:11112222-3333-4444-5555-666677778888\"\nlogin = \"tokens.billing\"\n",
            "accepts only an ID token",
        ),
        (
            "[credentials.g]\nfrom = \"assume-role\"\nrole_arn = \"arn:aws:iam::111122223333:role/x\"\nas = \"credentials.middle\"\nduration = \"2h\"\n",
            "lives 1h at most",
        ),
        (
            "[credentials.g]\nfrom = \"assume-role\"\nrole_arn = \"arn:aws:iam::111122223333:role/x\"\nduration = \"5m\"\n",
            "15m to 12h",
        ),
        (
            "[credentials.g]\nfrom = \"assume-role\"\nrole_arn = \"arn:aws:iam::111122223333:role/x\"\npolicy = { json = \"{\" }\n",
            "not JSON",
        ),
        (
            "[credentials.g]\nfrom = \"assume-role\"\nrole_arn = \"arn:aws:iam::111122223333:role/x\"\nsession_name = \"{calller}\"\n",
            "{calller}",
        ),
        (
            "[credentials.g]\nfrom = \"web-identity\"\nrole_arn = \"arn:aws:iam::111122223333:role/x\"\ntoken = { file = \"/t\" }\nmax_subjects = 7\n",
            "goes with token = \"caller\" only",
        ),
        (
            "[credentials.g]\nfrom = \"web-identity\"\nrole_arn = \"arn:aws:iam::111122223333:role/x\"\ntoken = \"caller\"\nkeep = \"always\"\n",
            "cannot be kept always",
        ),
        (
            "[credentials.g]\nfrom = \"identity-pool\"\nidentity_pool = \"eu-west-1:11112222-3333-4444-5555-666677778888\"\nlogin = \"caller\"\n",
            "needs `issuer`",
        ),
        (
            "[issuers.u]\nuser_pool = \"eu-west-1_AbCd12345\"\n[credentials.g]\nfrom = \"identity-pool\"\nidentity_pool = \"eu-west-1:11112222-3333-4444-5555-666677778888\"\nlogin = \"caller\"\nissuer = \"issuers.u\"\n",
            "set token_use = \"id\" in issuers.u",
        ),
        (
            "[tokens.i]\nfrom = \"sts\"\naudience = [\"https://x.example\"]\nalgorithm = \"ES384\"\n[credentials.g]\nfrom = \"web-identity\"\nrole_arn = \"arn:aws:iam::111122223333:role/x\"\ntoken = \"tokens.i\"\n",
            "does not take it back",
        ),
        (
            "[credentials.g]\nfrom = \"identity-pool\"\nidentity_pool = \"eu-west-1:11112222-3333-4444-5555-666677778888\"\nflow = \"basic\"\n",
            "needs `role_arn`",
        ),
        (
            "[credentials.g]\nfrom = \"identity-pool\"\nidentity_pool = \"eu-west-1:11112222-3333-4444-5555-666677778888\"\nduration = \"2h\"\n",
            "flow = \"basic\" only",
        ),
        (
            "[credentials.g]\nfrom = \"assume-role\"\nrole_arn = \"arn:aws:iam::111122223333:role/x\"\nmfa_serial = \"arn:aws:iam::111122223333:mfa/x\"\n",
            "needs a person",
        ),
        (
            "[tokens.i]\nfrom = \"sts\"\naudience = [\"https://x.example\"]\nalgorithm = \"ES384\"\nlifetime = \"2h\"\n",
            "from 60s to 1h",
        ),
        (
            "[tokens.i]\nfrom = \"sts\"\naudience = [\"https://x.example\"]\nalgorithm = \"ES384\"\nas = \"credentials.s\"\n\
             [credentials.s]\nfrom = \"web-identity\"\nrole_arn = \"arn:aws:iam::111122223333:role/x\"\ntoken = \"caller\"\n",
            "nobody brings one to a token",
        ),
        ("[credentials.g]\nrole_arn = \"arn:aws:iam::111122223333:role/x\"\n", "`from` is missing"),
        ("[credentials.g]\nfrom = \"assume-role\"\n", "`role_arn` is missing"),
        ("[credentials.\"a b\"]\nfrom = \"ambient\"\n", "a name is"),
        ("[refresh]\nahead = 1.5\n", "from 0.1 to 0.95"),
        ("[refresh]\noutage_cover = \"15 minutes\"\n", "a duration such as"),
        ("[refresh]\nkeep = \"allways\"\n", "did you mean `always`?"),
        ("[refresh]\nkeep = 1979-05-27\n", "found a date"),
        ("[tokens.billing]\nfrom = \"cognito\"\nclient_id = \"x\"\n", "`billing` stands here a second time"),
        ("[shared_cache]\nurl = \"rediss://x\"\nkey = { file = \"/k\" }\n", "the shared cache: not built yet"),
        (
            "[tokens.t]\nfrom = \"cognito\"\nuser_pool = \"eu-west-1_AbCd12345\"\nclient_id = \"x\"\nclient_secret = [{ file = \"/a\" }]\n",
            "expected at least 2 items, found 1",
        ),
        (
            "[tokens.t]\nfrom = \"cognito\"\nuser_pool = \"eu-west-1_AbCd12345\"\nclient_id = \"x\"\nclient_secret = { file = \"/a\" }\ndomain = \"https://u:hunter2@x\"\n",
            "without user or password",
        ),
        ("[issuers.i]\nclients = [\"c\"]\n", "exactly one of `user_pool`, `issuer` is given, found 0"),
        ("[issuers.i]\nuser_pool = \"eu-west-1_A\"\nissuer = \"https://x.example\"\n", "exactly one of"),
        ("[issuers.i]\nuser_pool = \"eu-west-1_A\"\njwks_uri = \"https://x.example\"\n", "goes with `issuer` only"),
        ("[issuers.i]\nissuer = \"https://x.example\"\ntoken_use = \"id\"\n", "goes with `user_pool` only"),
        ("[issuers.i]\nuser_pool = \"eu-west-1_A\"\ntoken_use = \"refresh\"\n", "`access`"),
        ("[issuers.i]\nuser_pool = \"eu-west-1_A\"\naudience = [\"x\"]\n", "name it in `clients`"),
        (
            "[issuers.i]\nuser_pool = \"eu-west-1_A\"\ntoken_use = \"id\"\nscopes = [\"x\"]\n",
            "an ID token has no scopes",
        ),
        ("[issuers.i]\nuser_pool = \"eu-west-1_A\"\nleeway = \"1h\"\n", "at most 5m"),
        ("[issuers.i]\nissuer = \"http://x.example\"\n", "plain http is accepted for loopback only"),
        ("[issuers.i]\nissuer = \" https://x.example\"\n", "without spaces"),
        ("[issuers.i]\nissuer = \"https://x.example?a=b\"\n", "without a query"),
        ("[issuers.i]\nissuer = \"https://x.example\"\njwks_uri = \"http://x.example/k\"\n", "issuers.i.jwks_uri: "),
    ] {
        let found = problem_of(extra);
        assert!(found.contains(part), "{found}\nexpected … {part}");
        assert!(!found.contains("opensesame") && !found.contains("hunter2"), "{found}");
    }
}

#[test]
fn several_broken_lines_of_toml_are_all_reported() {
    let found = problems("a = = 1\n[server]\nlisten = [\"loopback:1\"\n[tokens]\nx = tru\n");
    assert!(found.len() >= 2, "{found:#?}");
    assert!(found.iter().all(|line| line.starts_with("c.toml:")), "{found:#?}");
}

#[test]
fn the_schema_speaks_of_every_table() {
    let schema = schema();
    let tables: Vec<&str> = schema["properties"].as_object().unwrap().keys().map(String::as_str).collect();
    assert_eq!(
        tables,
        [
            "server",
            "aws",
            "refresh",
            "status",
            "audit",
            "tokens",
            "credentials",
            "callers",
            "issuers",
            "imds",
            "files",
            "egress",
            "shared_cache"
        ]
    );
    let text = schema.to_string();
    assert!(!text.contains("\"null\""), "TOML has no null");
    let kinds = &schema["$defs"]["CredentialsTable"]["oneOf"];
    assert!(
        kinds
            .as_array()
            .unwrap()
            .iter()
            .all(|kind| kind["additionalProperties"] == false && kind["properties"]["ahead"].is_object()),
        "{kinds:#}"
    );
}

#[test]
fn the_resolved_table_names_places_and_no_secret() {
    let table = Config::parse(Path::new("c.toml"), GOOD).unwrap().to_string();
    for part in [
        "tokens.billing",
        "secret in file /etc/credbroker/billing.secret",
        "as credentials.middle",
        "session {caller}",
        "1h of it bridges an outage of 30m",
        "access tokens of https://cognito-idp.eu-west-1.amazonaws.com/eu-west-1_AbCd12345 or",
        "keys of user pool eu-west-1_AbCd12345, clients 4f3, scopes billing/read, leeway 30s",
        "keys where its metadata says, clients any, audience https://api.example.com, leeway 0s",
    ] {
        assert!(table.contains(part), "{part} is not in\n{table}");
    }
}

#[test]
fn the_reference_is_as_the_program_prints_it() {
    let page = include_str!("../../docs/configuration.md");
    let printed = reference(&schema());
    let differs = page.lines().zip(printed.lines()).find(|(page, printed)| page != printed);
    assert!(
        page.trim_end() == printed.trim_end(),
        "docs/configuration.md is not what `credbroker schema --reference` prints: {differs:?}"
    );
}
