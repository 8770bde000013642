use std::path::Path;
use std::time::UNIX_EPOCH;

use super::*;
use crate::clock::Clock;
use crate::environment::Environment;

const TEXT: &str = r#"
[tokens.hosted]
from = "cognito"
user_pool = "eu-west-1_AbCd12345"
domain = "acme"
client_id = "c"
client_secret = { env = "S" }
[tokens.remote]
from = "cognito"
user_pool = "eu-west-1_AbCd12345"
domain = "acme"
client_id = "c"
client_secret = { secrets_manager = "prod/one" }
[tokens.found]
from = "oauth2"
issuer = "https://login.example"
client_id = "c"
client_auth = "basic"
client_secret = { env = "S" }
[tokens.proof]
from = "sts"
audience = ["https://x"]
algorithm = "ES384"
as = "credentials.hub"
[tokens.partner]
from = "oauth2"
token_endpoint = "https://x"
client_id = "c"
client_auth = "token"
client_assertion = "tokens.proof"
[credentials.hub]
from = "assume-role"
role_arn = "arn:aws:iam::111122223333:role/hub"
[credentials.theirs]
from = "web-identity"
role_arn = "arn:aws:iam::111122223333:role/theirs"
token = "tokens.partner"
"#;

fn made(text: &str, before: Option<&Made>) -> Made {
    let config = Config::parse(Path::new("c.toml"), text).unwrap_or_else(|problems| panic!("{problems}"));
    let environment = Arc::new(Environment::default());
    let outside = Outside {
        environment,
        clock: Clock::tokio(UNIX_EPOCH),
        host: "here".into(),
        quotas: crate::app::Quotas::default(),
        log: crate::ops::log::Losses::default(),
    };
    let upstream = Upstream::new(&outside.environment).unwrap();
    let metadata = Stages::new(upstream.clone(), &outside, before.map(|before| &before.metadata));
    let (_, made) = entries(&config, &upstream, metadata, &outside, before).unwrap();
    Made { metadata: made.metadata.complete(), ..made }
}

/// The entries of `now` that are not those of `before`.
fn anew(before: &Made, now: &Made) -> Vec<String> {
    let mut anew = Vec::new();
    for (name, (_, entry)) in &now.tokens {
        if !is_kept(before.tokens.get(name).map(|(_, entry)| entry), entry) {
            anew.push(format!("tokens.{name}"));
        }
    }
    for (name, (_, entry)) in &now.credentials {
        if !is_kept(before.credentials.get(name).map(|(_, entry)| entry), entry) {
            anew.push(format!("credentials.{name}"));
        }
    }
    anew
}

#[tokio::test]
async fn an_entry_is_kept_where_it_and_all_that_it_stands_on_say_the_same() {
    let on_hub = ["tokens.partner", "tokens.proof", "credentials.hub", "credentials.theirs"];
    let with_own = format!("{TEXT}[credentials.a]\nfrom = \"ambient\"\n");
    let before = made(TEXT, None);
    for (text, expected) in [
        (TEXT.to_owned(), vec![]),
        (TEXT.replace("prod/one", "prod/two"), vec!["tokens.remote"]),
        (TEXT.replace("https://login.example", "https://other.example"), vec!["tokens.found"]),
        (
            TEXT.replace("[\"https://x\"]", "[\"https://y\"]"),
            vec!["tokens.partner", "tokens.proof", "credentials.theirs"],
        ),
        (TEXT.replace("role/theirs", "role/others"), vec!["credentials.theirs"]),
        (TEXT.replace("role/hub", "role/heart"), on_hub.to_vec()),
        // Whatever is signed or read with the broker's own identity.
        (with_own.clone(), [&on_hub[..2], &["tokens.remote", "credentials.a"], &on_hub[2..]].concat()),
        (
            format!("[aws]\nregion = \"eu-west-1\"\n{TEXT}"),
            [&["tokens.partner", "tokens.proof", "tokens.remote"], &on_hub[2..]].concat(),
        ),
        // How fresh something is kept can change while it is held.
        (format!("[refresh]\nahead = 0.5\nkeep = \"always\"\noutage_cover = \"30m\"\n{TEXT}"), vec![]),
    ] {
        let now = made(&text, Some(&before));
        let (mut found, mut expected) = (anew(&before, &now), expected);
        found.sort();
        expected.sort_unstable();
        assert_eq!(found, expected, "{text}");
    }
    // The first of two is the broker's own; the second is as it was, and what stood on the first is not.
    let two = made(&format!("{with_own}[credentials.b]\nfrom = \"ambient\"\n"), None);
    let second = made(&format!("{TEXT}[credentials.b]\nfrom = \"ambient\"\n"), Some(&two));
    let found = anew(&two, &second);
    assert!(!found.contains(&"credentials.b".to_owned()) && found.contains(&"credentials.hub".to_owned()), "{found:?}");
}

#[tokio::test]
async fn nothing_that_is_gone_is_held_by_what_stays() {
    let before = made(TEXT, None);
    let of = |made: &Made| made.secrets.values().next().map(Arc::downgrade);
    let secret = of(&before).unwrap();
    let gone = TEXT.split("[tokens.remote]").next().unwrap().to_owned()
        + "[tokens.found]"
        + TEXT.split("[tokens.found]").nth(1).unwrap();
    let after = made(&gone, Some(&before));
    assert!(anew(&before, &after).is_empty());
    drop(before);
    assert!(secret.upgrade().is_none(), "the keys of the others do not hold it");
}
