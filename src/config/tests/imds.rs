//! `[imds]`: what is built of it, what it cannot be for, and addresses that are given away twice.

use super::*;

const APP: &str = "[callers.app]\nallow = [\"credentials.orders\"]\nuid = 10001\n";

/// A good document with a metadata service at `listen` that hands `credentials` to `caller`.
fn with(listen: &str, credentials: &str, caller: &str) -> String {
    format!(
        "{GOOD}{APP}[imds]\nlisten = \"{listen}\"\ncredentials = \"credentials.{credentials}\"\ncaller = \"{caller}\"\n"
    )
}

/// The one problem of `text`, which stands at `place`.
fn one_problem(text: &str, place: &str) -> String {
    let found = problems(text);
    assert_eq!(found.len(), 1, "{found:#?}");
    assert!(found[0].contains(&format!(": {place}: ")), "{found:#?}");
    found[0].clone()
}

#[test]
fn a_metadata_service_is_for_one_caller_and_one_set_of_credentials() {
    let config = Config::parse(Path::new("c.toml"), &with("127.0.0.1:2779", "orders", "app")).unwrap();
    let imds = config.imds.as_ref().unwrap();
    assert_eq!((imds.listen.to_string().as_str(), imds.credentials.as_str()), ("127.0.0.1:2779", "orders"));
    assert_eq!(imds.caller, "app");
    let row = "imds                         credentials.orders for callers.app at 127.0.0.1:2779";
    assert!(config.to_string().lines().any(|line| line == row), "{config}");
    assert!(Config::parse(Path::new("c.toml"), GOOD).unwrap().imds.is_none());
}

#[test]
fn its_caller_can_be_known_there_and_may_have_what_it_hands_out() {
    let good = |caller: &str| with("127.0.0.1:2779", "orders", caller);
    let found = one_problem(&good("orders"), "imds.caller");
    assert!(found.contains("has a token, which the programs that ask here cannot show"), "{found}");
    let found = one_problem(&good("ap"), "imds.caller");
    assert!(found.contains("did you mean `app`?"), "{found}");
    let found = one_problem(&good("callers.app"), "imds.caller");
    assert!(found.contains("did you mean `app`?"), "{found}");
    let anonymous = format!("{}[callers.anonymous]\nallow = [\"credentials.orders\"]\n", good("anonymous"));
    let found = one_problem(&anonymous, "imds.caller");
    assert!(found.contains("by their uid or their unit only, and callers.anonymous has neither"), "{found}");
    let by_unit = good("app").replace("uid = 10001", "unit = \"app.service\"");
    assert!(problems(&by_unit).is_empty());
    let found = one_problem(&good("app").replace("uid = 10001", "uid = 10001\ngid = 10001"), "imds.caller");
    assert!(found.contains("has a gid, which TCP does not tell"), "{found}");
    let found = one_problem(&with("127.0.0.1:2779", "hub", "app"), "imds.credentials");
    assert!(found.contains("callers.app may not have credentials.hub; add it to the caller's allow list"), "{found}");
}

#[test]
fn it_is_not_for_the_user_of_a_subject_token_at_any_stage() {
    let role = "role_arn = \"arn:aws:iam::111122223333:role/x\"";
    let roles = format!(
        "[credentials.first]\nfrom = \"web-identity\"\n{role}\ntoken = \"caller\"\n\
         [credentials.second]\nfrom = \"assume-role\"\n{role}\nas = \"credentials.first\"\n"
    );
    for name in ["first", "second"] {
        let allow = format!("\"credentials.{name}\"");
        let text = with("127.0.0.1:2779", name, "app").replace("uid = 10001", &format!("uid = 10001\n{roles}"));
        let text = text
            .replace("[callers.app]\nallow = [\"credentials.orders\"]", &format!("[callers.app]\nallow = [{allow}]"));
        let found = one_problem(&text, "imds.credentials");
        assert!(found.contains("credentials.first is for the user of a subject token"), "{found}");
    }
}

#[test]
fn every_mistake_of_the_table_is_found_in_one_run() {
    let found = problems(&with("10.0.0.1:2779", "hub", "orders"));
    let places: Vec<bool> = ["imds.listen: ", "imds.caller: ", "imds.credentials: "]
        .iter()
        .map(|place| found.iter().any(|line| line.contains(place)))
        .collect();
    assert_eq!((found.len(), places), (3, vec![true; 3]), "{found:#?}");
    assert!(found.concat().contains("10.0.0.1 can be reached from other machines"), "{found:#?}");
}

#[test]
fn an_address_is_given_to_one_listener() {
    for (server, listen, clashes) in [
        ("listen = [\"loopback:2778\"]", "127.0.0.1:2778", Some("[server] listen")),
        ("listen = [\"loopback:2778\"]", "[::1]:2778", Some("[server] listen")),
        ("listen = [\"unix:/a\", \"127.0.0.1:2779\"]", "127.0.0.1:2779", Some("[server] listen")),
        ("listen = [\"127.0.0.1:2779\"]", "127.0.0.2:2779", None),
        ("listen = [\"127.0.0.1:2779\"]", "[::1]:2779", None),
        ("admin_listen = \"0.0.0.0:9464\"", "127.0.0.1:9464", Some("[server] admin_listen")),
        ("admin_listen = \"[::]:9464\"", "127.0.0.1:9464", None),
        ("drain = \"1s\"", "127.0.0.1:2778", Some("[server] listen")),
        ("listen = [\"127.0.0.1:0\"]", "127.0.0.1:0", None),
    ] {
        let text = with(listen, "orders", "app");
        let text = text.replace("listen = [\"loopback:2778\", \"unix:/run/credbroker/api.sock\"]", server);
        match clashes {
            Some(other) => {
                let found = one_problem(&text, "imds.listen");
                assert!(found.contains(&format!("{other} has this address already")), "{found}");
            }
            None => assert_eq!(problems(&text), [""; 0], "{server} and {listen}"),
        }
    }
}

#[test]
fn the_listeners_of_the_server_do_not_share_an_address_either() {
    for (server, place, clashes) in [
        (
            "listen = [\"loopback:2778\", \"127.0.0.1:2778\"]",
            "2:28: server.listen: `loopback:2778` of [server] listen",
            true,
        ),
        ("listen = [\"[::1]:2778\", \"loopback:2778\"]", "2:25: server.listen: `[::1]:2778` of [server] listen", true),
        (
            "listen = [\"loopback:2778\"]\nadmin_listen = \"127.0.0.1:2778\"",
            "3:16: server.admin_listen: `loopback:2778` of [server] listen",
            true,
        ),
        ("admin_listen = \"0.0.0.0:2778\"", "2:16: server.admin_listen: [server] listen", true),
        ("listen = [\"127.0.0.1:2778\", \"127.0.0.2:2778\"]\nadmin_listen = \"127.0.0.1:2779\"", "", false),
    ] {
        let found = problems(&format!("[server]\n{server}\n"));
        let expected: Vec<String> = clashes
            .then(|| format!("c.toml:{place} has this address already; give each listener one of its own"))
            .into_iter()
            .collect();
        assert_eq!(found, expected, "{server}");
    }
}
