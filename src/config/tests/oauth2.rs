//! `from = "oauth2"`: what is built of it, and which keys go with which.

use super::*;
use crate::source::token_endpoint::PrivateKeyJwt;

/// A token with the keys of `rest`.
fn partner(rest: &str) -> String {
    format!("[tokens.partner]\nfrom = \"oauth2\"\nclient_id = \"c\"\n{rest}")
}

const URL: &str = "token_endpoint = \"https://login.example/token\"\n";
const BASIC: &str = "client_auth = \"basic\"\nclient_secret = { env = \"S\" }\n";
const SIGNED: &str = "client_auth = \"private-key-jwt\"\nprivate_key = { file = \"/k.pem\" }\n";

fn source(text: &str) -> (token_endpoint::Config, Endpoint, ClientAuth) {
    let mut config = Config::parse(Path::new("c.toml"), text).unwrap_or_else(|problems| panic!("{text}\n{problems}"));
    match config.tokens.remove("partner").unwrap().source {
        TokenSource::TokenEndpoint { client, endpoint, auth } => (client, endpoint, auth),
        other => panic!("{other:?}"),
    }
}

#[test]
fn every_way_to_prove_the_client_is_built() {
    let (client, endpoint, auth) = source(&partner(&format!(
        "{BASIC}issuer = \"https://login.example\"\nscopes = [\"a\", \"b\"]\naudience = \"aud\"\n\
         resource = [\"https://api.example\"]\nparameters = {{ tenant = \"t\" }}\n"
    )));
    assert!(matches!(endpoint, Endpoint::OfIssuer(issuer) if issuer.spelled == "https://login.example"));
    assert!(matches!(auth, ClientAuth::Basic(secrets) if secrets.len() == 1));
    assert_eq!((client.audience.as_deref(), client.resource), (Some("aud"), vec!["https://api.example".to_owned()]));
    assert_eq!((client.scopes.join(" "), client.parameters["tenant"].as_str()), ("a b".to_owned(), "t"));

    let two = "client_auth = \"post\"\nclient_secret = [{ env = \"A\" }, { secrets_manager = \"b\" }]\n";
    let (_, endpoint, auth) = source(&partner(&format!("{URL}{two}")));
    assert!(matches!(endpoint, Endpoint::Fixed(url) if url.as_str() == "https://login.example/token"));
    assert!(matches!(&auth, ClientAuth::Post(secrets) if secrets.len() == 2) && auth.secrets().len() == 2);

    let keys = "key_id = \"k\"\nalgorithm = \"EdDSA\"\nassertion_audience = \"https://aud\"\n";
    let (_, _, auth) = source(&partner(&format!("{URL}{SIGNED}{keys}")));
    let ClientAuth::PrivateKeyJwt(PrivateKeyJwt { key, key_id, algorithm, audience }) = &auth else {
        panic!("{auth:?}")
    };
    assert_eq!((auth.secrets(), key.to_string().as_str()), (vec![key], "file /k.pem"));
    let algorithm = algorithm.map(crate::source::signing_key::Algorithm::name);
    assert_eq!((key_id.as_deref(), algorithm, audience.as_deref()), (Some("k"), Some("EdDSA"), Some("https://aud")));

    let token = "client_auth = \"token\"\nclient_assertion = \"tokens.robot\"\n";
    let (_, _, auth) = source(&format!("{GOOD}{}", partner(&format!("{URL}{token}"))));
    assert!(matches!(&auth, ClientAuth::Token(name) if name == "robot") && auth.secrets().is_empty());
}

#[test]
fn each_rule_has_its_words_and_its_place() {
    let token = "client_auth = \"token\"\n";
    for (rest, place, part) in [
        (BASIC.to_owned(), "tokens.partner", "exactly one of `issuer` and `token_endpoint`"),
        (format!("{URL}{BASIC}issuer = \"https://x\"\n"), "tokens.partner.token_endpoint", "exactly one of"),
        (format!("{URL}client_auth = \"basic\"\n"), "tokens.partner.client_auth", "`basic` needs `client_secret`"),
        (format!("{URL}client_auth = \"post\"\n"), "tokens.partner.client_auth", "`post` needs `client_secret`"),
        (format!("{URL}client_auth = \"private-key-jwt\"\n"), "tokens.partner.client_auth", "needs `private_key`"),
        (format!("{URL}{token}"), "tokens.partner.client_auth", "`token` needs `client_assertion`"),
        (format!("{URL}client_secret = {{ env = \"S\" }}\n"), "tokens.partner", "`client_auth` is missing"),
        (
            format!("{URL}{BASIC}private_key = {{ file = \"/k\" }}\n"),
            "tokens.partner.private_key",
            "client_auth = \"private-key-jwt\" only",
        ),
        (
            format!("{URL}{SIGNED}client_secret = {{ file = \"/k\" }}\n"),
            "tokens.partner.client_secret",
            "client_auth = \"basic\" or \"post\" only",
        ),
        (
            format!("{URL}{BASIC}client_assertion = \"tokens.robot\"\n"),
            "tokens.partner.client_assertion",
            "client_auth = \"token\" only",
        ),
        (format!("{URL}{BASIC}key_id = \"k\"\n"), "tokens.partner.key_id", "\"private-key-jwt\" only"),
        (format!("{URL}{BASIC}algorithm = \"ES256\"\n"), "tokens.partner.algorithm", "\"private-key-jwt\" only"),
        (format!("{URL}{BASIC}assertion_audience = \"x\"\n"), "tokens.partner.assertion_audience", "only"),
        (format!("{URL}{SIGNED}algorithm = \"HS256\"\n"), "tokens.partner.algorithm", "did you mean `RS256`?"),
        (format!("{URL}{BASIC}resource = [\"api\"]\n"), "tokens.partner.resource", "an absolute URI"),
        (format!("{URL}{BASIC}resource = [\"https://x#y\"]\n"), "tokens.partner.resource", "without a fragment"),
        (format!("{URL}{BASIC}parameters = {{ scope = \"a\" }}\n"), "tokens.partner.parameters.scope", "use `scopes`"),
        (
            format!("{URL}{BASIC}parameters = {{ grant_type = \"password\" }}\n"),
            "tokens.partner.parameters.grant_type",
            "the only grant",
        ),
        (
            format!("{URL}{BASIC}parameters = {{ password = \"hunter2\" }}\n"),
            "tokens.partner.parameters.password",
            "a secret never stands",
        ),
        (
            format!("{URL}{}", BASIC.replace("env = \"S\"", "cognito = true")),
            "tokens.partner.client_secret",
            "knows only the client_secret of an app client",
        ),
        (
            format!("{URL}{}", BASIC.replace("env = \"S\"", "cognito = false")),
            "tokens.partner.client_secret",
            "true or not there",
        ),
        (
            format!("{URL}client_auth = \"token\"\nclient_assertion = \"tokens.partner\"\n"),
            "tokens.partner",
            "needs itself",
        ),
        (
            format!("{URL}client_auth = \"token\"\nclient_assertion = \"tokens.robt\"\n"),
            "tokens.partner.client_assertion",
            "did you mean `tokens.robot`?",
        ),
        // A misspelled key is one mistake, not two.
        (
            format!("{URL}client_auth = \"basic\"\nclient_secrt = {{ env = \"S\" }}\n"),
            "tokens.partner.client_secrt",
            "unknown key",
        ),
        (format!("token_endpont = \"https://x\"\n{BASIC}"), "tokens.partner.token_endpont", "unknown key"),
    ] {
        let found = problem_of(&partner(&rest));
        assert!(
            found.contains(&format!(": {place}: ")) && found.contains(part),
            "{rest}\n{found}\nexpected {place} … {part}"
        );
        assert!(!found.contains("hunter2"), "{found}");
    }
}

#[test]
fn cognito_knows_the_secret_of_an_app_client_and_no_other() {
    let robot = |password: &str, secret: &str| {
        format!(
            "[tokens.r]\nfrom = \"cognito-user\"\nuser_pool = \"eu-west-1_AbCd12345\"\nclient_id = \"x\"\nusername = \"r\"\n\
             password = {password}\nclient_secret = {secret}\n"
        )
    };
    let (file, cognito) = ("{ file = \"/p\" }", "{ cognito = true }");
    assert!(problems(&robot(file, cognito)).is_empty());
    assert!(problems(&robot(file, &format!("[{cognito}, {file}]"))).is_empty());
    let found = problem_of(&robot(cognito, file));
    assert!(found.contains("tokens.r.password: `cognito` knows only the client_secret"), "{found}");
    let found = problem_of(&robot(file, &format!("[{file}, {{ cognito = false }}]")));
    assert!(found.contains("tokens.r.client_secret: `cognito` is true or not there"), "{found}");
}

#[test]
fn an_access_token_of_another_server_is_no_login() {
    let pool = "[credentials.p]\nfrom = \"identity-pool\"\nidentity_pool = \"eu-west-1:11112222-3333-4444-5555-666677778888\"\n\
                login = \"tokens.partner\"\n";
    let found = problem_of(&format!("{}{pool}", partner(&format!("{URL}{BASIC}"))));
    assert!(found.contains("credentials.p.login: an identity pool accepts only an ID token"), "{found}");
}

#[test]
fn the_resolved_table_says_where_and_with_what() {
    let shown = |rest: &str| Config::parse(Path::new("c.toml"), &partner(rest)).unwrap().to_string();
    for (rest, part) in [
        (format!("{URL}{BASIC}"), "oauth2, https://login.example/token, client c, secret in variable S"),
        (
            format!("issuer = \"https://login.example\"\n{SIGNED}"),
            "oauth2, issuer https://login.example, client c, private key in file /k.pem",
        ),
    ] {
        assert!(shown(&rest).contains(part), "{}", shown(&rest));
    }
}
