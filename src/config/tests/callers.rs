//! Tokens of callers that the broker makes: what is refused, in which words, and what becomes of the rest.

use super::*;
use crate::place::Group;
use crate::policy::{directory, generated};

fn caller(name: &str, token: &str) -> String {
    format!("[callers.{name}]\nallow = [\"tokens.billing\"]\ntoken = {{ {token} }}\n")
}

fn parsed(token: &str) -> Config {
    good_with(&caller("sidecar", token))
}

fn made(token: &str) -> generated::Config {
    let mut callers = parsed(token).callers.into_iter();
    match callers.find(|caller| caller.name == "sidecar").unwrap().token {
        Some(directory::Token::Generated(config)) => config,
        other => panic!("{other:?}"),
    }
}

#[test]
fn what_is_not_said_is_chosen() {
    let plain = made("generate = \"/run/out/sidecar\"");
    assert_eq!((plain.path, plain.mode, plain.group), ("/run/out/sidecar".into(), 0o400, None));
    assert_eq!(plain.every, Duration::from_secs(43_200));
    let grouped = made("generate = \"/run/out/sidecar\", group = \"orders\", every = \"5s\"");
    assert_eq!((grouped.mode, grouped.group), (0o440, Some(Group::Name("orders".into()))));
    assert_eq!(grouped.every, Duration::from_secs(5));
    let said = made("generate = \"/run/out/sidecar\", group = 1000, mode = \"0640\"");
    assert_eq!((said.mode, said.group), (0o640, Some(Group::Id(1000))));
}

#[test]
fn the_table_says_all_of_it() {
    let table = parsed("generate = \"/run/out/sidecar\", group = \"orders\", every = \"90m\"").to_string();
    let expected =
        "known by token generated every 90m in /run/out/sidecar, mode 0440, group orders; may have tokens.billing";
    assert!(table.contains(expected), "{table}");
}

#[test]
fn each_rule_has_its_words() {
    let generate = |path: &str| caller("sidecar", &format!("generate = \"{path}\""));
    let file = |path: &str| format!("[files.f]\ntoken = \"tokens.billing\"\npath = \"{path}\"\n");
    let two =
        |one: &str, other: &str| format!("{}{}", generate(one), caller("other", &format!("generate = \"{other}\"")));
    for (extra, part) in [
        (generate("sidecar"), "callers.sidecar.token.generate: expected the absolute path of a file"),
        (generate("/run/../etc/f"), "without `.`, `..` and `//`"),
        (generate(""), "the absolute path of a file"),
        (
            generate("/run/credbroker/callers/orders"),
            "callers.sidecar.token.generate: callers.orders.token is there, and would be replaced",
        ),
        (generate("/etc/credbroker/billing.secret"), "tokens.billing.client_secret is there, and would be replaced"),
        (generate("/run/credbroker/api.sock"), "server.listen is there, and would be replaced"),
        (generate("/run/credbroker"), "and one of the two would have to be a directory"),
        (two("/x", "/x"), "callers.sidecar.token.generate: callers.other.token is written there already"),
        (two("/x", "/x/y"), "callers.sidecar.token.generate: callers.other.token is /x/y, and one of the two"),
        (format!("{}{}", generate("/x"), file("/x")), "files.f.path: callers.sidecar.token is written there already"),
        (caller("sidecar", "generate = \"/x\", mode = \"0444\""), "not open to others"),
        (
            caller("sidecar", "generate = \"/x\", mode = \"0400\", group = \"g\""),
            "callers.sidecar.token.mode: the group may not read it",
        ),
        (caller("sidecar", "generate = \"/x\", every = \"4s\""), "callers.sidecar.token.every: at least \"5s\""),
        (caller("sidecar", "generate = \"/x\", every = \"soon\""), "expected a duration"),
        (caller("sidecar", "generate = \"/x\", file = \"/y\""), "exactly one of"),
    ] {
        let found = problem_of(&extra);
        assert!(found.contains(part), "{found}\nexpected … {part}");
    }
    let apart = format!("{GOOD}{}", two("/x", "/y"));
    assert!(Config::parse(Path::new("c.toml"), &apart).is_ok(), "two callers whose tokens are made are told apart");
}
