//! What an entry, an issuer's key set, or a caller for whom tokens are made is known by in the next process: the fingerprint of its
//! definition. Only what was made by the same definition is taken up.
//!
//! It is that of the form in which the values that `config` made of it are printed, so whatever changes those changes it, be it another version
//! of credbroker that knows more of it. Not in it is how fresh the entry is kept, as at a reload: that says when, not what.

use std::fmt::Write as _;

use super::surroundings::ENDPOINTS;
use super::{issuers, origin};
use crate::config::{Config, Credentials, Issuer, IssuerKeys, Token};
use crate::environment::Environment;
use crate::handover::Definitions;
use crate::policy::directory;
use crate::secret::sha256;

/// The broker's own identity, where the environment decides it. None of them is a secret, nor is where AWS is found ([`ENDPOINTS`]).
const IDENTITY: [&str; 11] = [
    "AWS_ACCESS_KEY_ID",
    "AWS_CONFIG_FILE",
    "AWS_CONTAINER_CREDENTIALS_FULL_URI",
    "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI",
    "AWS_DEFAULT_REGION",
    "AWS_EC2_METADATA_SERVICE_ENDPOINT",
    "AWS_PROFILE",
    "AWS_REGION",
    "AWS_ROLE_ARN",
    "AWS_SHARED_CREDENTIALS_FILE",
    "AWS_WEB_IDENTITY_TOKEN_FILE",
];

/// The fingerprint of every entry, of what it and all before it in its chain obtain and how, of the broker's own identity, and of where AWS is found; of every
/// issuer's keys; and of every caller for whom tokens are made.
pub fn definitions(config: &Config, environment: &Environment) -> Definitions {
    let tokens = config.tokens.keys().map(|name| format!("tokens.{name}"));
    let credentials = config.credentials.keys().map(|name| format!("credentials.{name}"));
    let with_fingerprint = |name: String| {
        let fingerprint = fingerprint(&name, config, environment);
        (name, fingerprint)
    };
    let entries = tokens.chain(credentials).map(with_fingerprint);
    let issuers =
        config.issuers.iter().map(|(name, issuer)| (format!("issuers.{name}"), of_issuer(issuer, environment)));
    entries.chain(issuers).chain(config.callers.iter().filter_map(of_caller)).collect()
}

/// That of an issuer's keys: what a reload goes by, and what of the environment says where they are and who may have said so.
fn of_issuer(issuer: &Issuer, environment: &Environment) -> String {
    let pool = match &issuer.keys {
        IssuerKeys::UserPool { id, region } => issuers::pool_keys(environment, id, region),
        IssuerKeys::At(_) | IssuerKeys::Discovered(_) => None,
    };
    let trusted = environment.var("AWS_CA_BUNDLE");
    hashed(&format!("{:?} {pool:?} {trusted:?}", issuers::definition(issuer)))
}

/// That of a caller for whom tokens are made: what a reload goes by, too. What else it has to show and what it may have is not in it; a token
/// opens neither more nor less than the configuration says now.
fn of_caller(caller: &directory::Entry) -> Option<(String, String)> {
    let Some(directory::Token::Generated(config)) = &caller.token else { return None };
    Some((format!("callers.{}", caller.name), hashed(&format!("{config:?}"))))
}

fn hashed(text: &str) -> String {
    sha256([text.as_bytes()]).iter().fold(String::new(), |hex, byte| hex + &format!("{byte:02x}"))
}

fn fingerprint(name: &str, config: &Config, environment: &Environment) -> String {
    let own: Vec<_> = IDENTITY.iter().chain(&ENDPOINTS).map(|variable| environment.var(variable)).collect();
    let mut text = format!("{:?} {own:?}", config.aws);
    let mut next = Some(name.to_owned());
    // A chain has no circle, which the check of the configuration sees to; nor is it longer than there are entries.
    for _ in 0..=config.tokens.len() + config.credentials.len() {
        let Some(full) = next.take() else { break };
        next = describe(&full, config, &mut text);
    }
    hashed(&text)
}

/// Adds how `name` is configured to `text`; the name of the entry before it.
fn describe(name: &str, config: &Config, text: &mut String) -> Option<String> {
    let token = name.strip_prefix("tokens.").and_then(|name| config.tokens.get(name));
    let credentials = name.strip_prefix("credentials.").and_then(|name| config.credentials.get(name));
    let obtained = (token.map(Token::as_obtained), credentials.map(Credentials::as_obtained));
    // Writing to a String cannot fail.
    let _ = write!(text, " {name} {obtained:?}");
    token
        .and_then(|token| origin::of_token(token, "").after)
        .or_else(|| credentials.and_then(|credentials| origin::of_credentials(credentials, "").after))
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    const TEXT: &str = r#"
[aws]
region = "eu-west-1"
[refresh]
keep = "used"
[tokens.robot]
from = "cognito-user"
user_pool = "eu-west-1_AbCd12345"
client_id = "c"
username = "r"
password = { env = "P" }
[credentials.pool]
from = "identity-pool"
identity_pool = "eu-west-1:11112222-3333-4444-5555-666677778888"
login = "tokens.robot"
[issuers.users]
user_pool = "eu-west-1_AbCd12345"
[callers.sidecar]
allow = ["credentials.pool"]
token = { generate = "/run/sidecar", every = "1h" }
"#;

    fn of(text: &str) -> Definitions {
        let config = Config::parse(Path::new("c.toml"), text).unwrap_or_else(|problems| panic!("{problems}"));
        definitions(&config, &Environment::default())
    }

    /// The entries whose definition is another one if `text` stands where `old` stood.
    fn changed(old: &str, text: &str) -> Vec<String> {
        assert!(TEXT.contains(old));
        let (before, after) = (of(TEXT), of(&TEXT.replacen(old, text, 1)));
        before
            .into_iter()
            .filter(|(name, definition)| after.get(name) != Some(definition))
            .map(|(name, _)| name)
            .collect()
    }

    #[test]
    fn when_something_is_renewed_is_no_part_of_a_definition_and_all_else_is_along_the_chain() {
        let both = ["credentials.pool", "tokens.robot"];
        assert_eq!(changed("keep = \"used\"", "keep = \"always\"\nahead = 0.3\noutage_cover = \"10m\""), [""; 0]);
        assert_eq!(
            changed("from = \"cognito-user\"", "from = \"cognito-user\"\nahead = 0.5\nkeep = \"always\""),
            [""; 0]
        );
        assert_eq!(changed("from = \"identity-pool\"", "from = \"identity-pool\"\nkeep = \"always\""), [""; 0]);
        assert_eq!(changed("username = \"r\"", "username = \"s\""), both);
        assert_eq!(changed("1111222", "2222222"), both[..1]);
        assert_eq!(changed("region = \"eu-west-1\"", "region = \"eu-west-2\""), both);
        let everything = of(TEXT);
        let config = Config::parse(Path::new("c.toml"), TEXT).unwrap();
        for variable in ["AWS_ENDPOINT_URL", "AWS_ENDPOINT_URL_COGNITO_IDENTITY_PROVIDER"] {
            let elsewhere = definitions(&config, &Environment::from([(variable, "http://127.0.0.1:1")]));
            for name in ["tokens.robot", "credentials.pool", "issuers.users"] {
                assert_ne!(elsewhere[name], everything[name], "{variable}");
            }
        }
        let trusting = definitions(&config, &Environment::from([("AWS_CA_BUNDLE", "/other.pem")]));
        assert_ne!(trusting["issuers.users"], everything["issuers.users"]);
    }

    #[test]
    fn what_a_caller_may_have_is_no_part_of_how_its_tokens_are_made() {
        let first = "token = { generate";
        assert_eq!(changed(first, "uid = 7\nrequests_per_second = 3\ntoken = { generate"), [""; 0]);
        for (old, new) in [("/run/sidecar", "/run/other"), ("\"1h\"", "\"2h\""), ("\"1h\"", "\"1h\", mode = \"0440\"")]
        {
            assert_eq!(changed(old, new), ["callers.sidecar"]);
        }
        assert_eq!(changed("callers.sidecar", "callers.other"), ["callers.sidecar"]);
        assert_eq!(
            changed("[issuers.users]", "[issuers.users]\ntoken_use = \"id\""),
            [""; 0],
            "nor what is asked of users"
        );
    }
}
