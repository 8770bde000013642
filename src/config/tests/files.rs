//! `[files.*]`: what is refused, in which words, and what becomes of the rest.

use super::*;
use crate::files::{CredentialsFormat, Of, TokenFormat};
use crate::place::Group;
use crate::refresh::schedule::Keep;

fn file(rest: &str) -> String {
    format!("[files.f]\npath = \"/run/out/f\"\n{rest}\n")
}

#[test]
fn what_is_not_said_is_chosen() {
    let of = |rest: &str| good_with(&file(rest)).files.remove("f").unwrap();
    let plain = of("token = \"tokens.billing\"");
    assert_eq!(plain.of, Of::Token("billing".into(), TokenFormat::Raw));
    assert_eq!((plain.mode, plain.group, plain.path), (0o400, None, "/run/out/f".into()));
    let credentials = of("credentials = \"credentials.hub\"\ngroup = \"orders\"");
    assert_eq!(credentials.of, Of::Credentials("hub".into(), CredentialsFormat::AwsProfile));
    assert_eq!((credentials.mode, credentials.group), (0o440, Some(Group::Name("orders".into()))));
    let said = of("credentials = \"credentials.hub\"\ngroup = 1000\nmode = \"0640\"\nformat = \"env\"");
    assert_eq!(said.of, Of::Credentials("hub".into(), CredentialsFormat::Env));
    assert_eq!((said.mode, said.group), (0o640, Some(Group::Id(1000))));
}

#[test]
fn what_is_in_a_file_is_kept_always_and_the_table_says_all_of_it() {
    let text = format!("{GOOD}{}", file("token = \"tokens.billing\"\ngroup = \"orders\"\nformat = \"json\""));
    let config = Config::parse(Path::new("c.toml"), &text).unwrap();
    assert_eq!(config.tokens["billing"].freshness.keep, Keep::Always);
    assert_eq!(config.tokens["robot"].freshness.keep, Keep::Used);
    let table = config.to_string();
    assert!(table.contains("tokens.billing as json in /run/out/f, mode 0440, group orders"), "{table}");
}

#[test]
fn each_rule_has_its_words() {
    let token = "token = \"tokens.billing\"\n";
    let credentials = "credentials = \"credentials.hub\"\n";
    let at = |path: &str| format!("[files.f]\n{token}path = \"{path}\"\n");
    let theirs = "[credentials.theirs]\nfrom = \"web-identity\"\nrole_arn = \"arn:aws:iam::111122223333:role/x\"\ntoken = \"caller\"\n";
    let tenant = "[credentials.tenant]\nfrom = \"identity-pool\"\nidentity_pool = \"eu-west-1:11112222-3333-4444-5555-666677778888\"\n\
                  login = { provider = \"login.acme\", user = \"me\", tags = { a = \"{caller}\" } }\n";
    for (extra, part) in [
        (file(""), "files.f: exactly one of `token`, `credentials` is given, found 0"),
        (file(&format!("{token}{credentials}")), "exactly one of `token`, `credentials` is given, found 2"),
        (
            file(&format!("{token}format = \"env\"")),
            "files.f.format: a token cannot be written as \"env\"; choose \"raw\", \"json\"",
        ),
        (
            file(&format!("{credentials}format = \"raw\"")),
            "files.f.format: credentials cannot be written as \"raw\"; choose \"aws-profile\", \"json\", \"env\"",
        ),
        (file(&format!("{token}format = \"yaml\"")), "expected one of `raw`"),
        (file("token = \"tokens.biling\""), "did you mean `tokens.billing`?"),
        (file("token = \"credentials.hub\""), "names nothing that is configured under `tokens`"),
        (
            file("credentials = \"credentials.middle\""),
            "credentials.middle names its caller by {caller}, and a file has none",
        ),
        (file("credentials = \"credentials.orders\""), "files.f.credentials: credentials.middle names its caller"),
        (
            format!("{theirs}{}", file("credentials = \"credentials.theirs\"")),
            "files.f.credentials: credentials.theirs is for the user of a subject token",
        ),
        (
            format!("{tenant}{}", file("credentials = \"credentials.tenant\"")),
            "files.f.credentials: credentials.tenant names its caller",
        ),
        (format!("[files.f]\n{token}"), "`path` is missing"),
        (at("out/f"), "the absolute path of a file"),
        (at("/run/../etc/f"), "without `.`, `..` and `//`"),
        (
            at("/etc/credbroker/billing.secret"),
            "files.f.path: tokens.billing.client_secret is there, and would be replaced",
        ),
        (at("/run/credbroker/callers/orders"), "files.f.path: callers.orders.token is there"),
        (at("/run/credbroker/api.sock"), "files.f.path: server.listen is there"),
        (format!("{}[files.g]\n{token}path = \"/x\"\n", at("/x")), "files.g.path: files.f is written there already"),
        (
            format!("{}[files.g]\n{token}path = \"/x/y\"\n", at("/x")),
            "files.g.path: files.f is /x, and one of the two would have to be a directory",
        ),
        (at("/run/credbroker"), "and one of the two would have to be a directory"),
        (file(&format!("{token}mode = \"0444\"")), "not open to others"),
        (file(&format!("{token}mode = \"0460\"")), "written by its owner at most"),
        (file(&format!("{token}mode = 0440")), "permission bits are a text, such as \"0440\""),
        (
            file(&format!("{token}mode = 440")),
            "files.f.mode: expected permission bits in octal, such as \"0440\", found a number",
        ),
        (file(&format!("{token}format = \"RAW\"")), "did you mean `raw`?"),
        (
            file("token = \"billing\""),
            "\"billing\" names nothing that is configured under `tokens`; did you mean `tokens.billing`?",
        ),
        (file(&format!("{token}mode = \"0400\"\ngroup = \"g\"")), "files.f.mode: the group may not read it"),
        (file(&format!("{token}group = \"\"")), "expected a text that is not empty"),
        (file(&format!("{token}owner = \"root\"")), "unknown key"),
    ] {
        let found = problem_of(&extra);
        assert!(found.contains(part), "{found}\nexpected … {part}");
    }
}

#[test]
fn every_mistake_is_reported_in_one_run() {
    let text = format!(
        "{GOOD}[files.a]\ntoken = \"tokens.billing\"\npath = \"a\"\nformat = \"env\"\nmode = \"0777\"\n\
         [files.b]\ncredentials = \"credentials.middle\"\npath = \"/etc/credbroker/billing.secret\"\nformat = \"raw\"\n"
    );
    let found = problems(&text);
    let expected =
        ["a.path", "a.format", "a.mode", "b.credentials: credentials.middle names", "b.path: tokens", "b.format"];
    assert_eq!(found.len(), expected.len(), "{found:#?}");
    for (found, part) in found.iter().zip(expected) {
        assert!(found.contains(&format!("files.{part}")), "{found}\nexpected … {part}");
    }
}
