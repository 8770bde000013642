//! Each kind of mistake: where it is reported, in which words, and what it neither hides nor causes.

use super::*;

const ROLE: &str = "from = \"assume-role\"\nrole_arn = \"arn:aws:iam::111122223333:role/x\"\n";
const COGNITO: &str = "from = \"cognito\"\nuser_pool = \"eu-west-1_AbCd12345\"\nclient_id = \"x\"\n";

/// Exactly these problems of `text`, each of which starts with its place and holds a part.
fn assert_problems(text: &str, expected: &[(&str, &str)]) {
    let found = problems(text);
    let fits = |(found, (start, part)): (&String, &(&str, &str))| {
        found.starts_with(&format!("c.toml:{start}: ")) && found.contains(part)
    };
    assert!(
        found.len() == expected.len() && found.iter().zip(expected).all(fits),
        "{text}\n{found:#?}\nexpected {expected:#?}"
    );
    assert!(!found.concat().contains("hunter2"), "{found:#?}");
}

#[test]
fn literal_secrets_are_never_repeated() {
    let literal = "a secret never stands";
    assert_problems(
        &format!("[tokens.t]\n{COGNITO}client_secret = {{ file = \"-----BEGIN hunter2\\nhunter2\" }}\n"),
        &[("5:26", "not the secret itself")],
    );
    assert_problems("[issuers.i]\nissuer = \"https://u:hunter2@x\"\n", &[("2:10", "without user or password")]);
    assert_problems(
        &format!("[tokens.t]\n{COGNITO}client_secret = [\"hunter2literal\", \"hunter2literal\"]\n"),
        &[("5:18", literal), ("5:36", literal)],
    );
    for text in [
        "[egress.e]\nlisten = \"127.0.0.1:1\"\nupstream = \"https://x\"\ncaller = \"nobody\"\nbearer = \"hunter2.x.y\"\n",
        "[credentials.c]\nfrom = \"web-identity\"\ntoken = \"hunter2\"\n",
        "[callers.c]\nallow = [\"hunter2\"]\ntoken = { sha256 = \"hunter2\" }\n",
        "[tokens.t]\nfrom = \"cognito\"\nclient_secret = hunter2\n",
    ] {
        let found = problems(text).concat();
        assert!(!found.is_empty() && !found.contains("hunter2"), "{found}");
    }
}

#[test]
fn numbers_out_of_range_are_told_in_words() {
    for (extra, part) in [
        (
            "[callers.n]\nallow = []\nuid = 99999999999\n",
            "callers.n.uid: expected a number from 0 to 4294967294, found",
        ),
        ("[callers.n]\nallow = []\nuid = 4294967295\n", "expected a number from 0 to 4294967294"),
        ("[callers.n]\nallow = []\nuid = -1\n", "expected a number from 0 to 4294967294, found -1"),
        ("[callers.n]\nallow = []\nuid = 99999999999999999999\n", "found a number out of range"),
        ("[callers.n]\nallow = []\nuid = \"\"\n", "expected a text that is not empty"),
        ("[status]\ncognito_fee_per_1000 = -1\n", "expected a number from 0 to 1000, found -1"),
        ("[status]\ncognito_fee_per_1000 = 2250\n", "expected a number from 0 to 1000, found 2250"),
        ("[status]\ncognito_fee_per_1000 = \"$2.25\"\n", "expected a number, found text"),
        ("[refresh]\nahead = nan\n", "expected a number, found a number that is not finite"),
        ("[refresh]\nahead = -inf\n", "a number that is not finite"),
        ("[refresh]\nahead = 1e999\n", "a number out of range"),
    ] {
        let found = problem_of(extra);
        assert!(found.contains(part), "{found}\nexpected … {part}");
    }
    let bound = |key: &str| schema()["$defs"]["Id"]["anyOf"][0][key].clone();
    assert_eq!((bound("minimum"), bound("maximum")), (0.into(), 4_294_967_294_u32.into()));
}

#[test]
fn what_passes_the_checks_and_cannot_be_built_is_our_mistake_at_its_own_place() {
    let text = "[tokens.a]\nfrom = \"cognito\"\n[refresh]\nahead = \"x\"\n[credentials.c]\nfrom = \"ambient\"\n";
    let (tree, problems) = tree::Node::parse(text);
    let mut found = Findings::from(problems);
    let config = build::config(&tree, &mut found);
    let found = Problems::new(Path::new("c.toml"), text, found.problems).to_string();
    for part in
        ["c.toml:1:9: tokens.a: cannot be understood; this is a mistake of credbroker", "c.toml:3:2: refresh: cannot"]
    {
        assert!(found.contains(part), "{found}");
    }
    assert!(found.ends_with("\n2 problems") && config.credentials.contains_key("c"), "{found}");
}

#[test]
fn an_unknown_kind_hides_no_other_mistake() {
    let rest = "user_pol = \"eu-west-1_AbCd12345\"\nclient_id = \"x\"\nclient_secret = \"hunter2\"\n";
    let secret = ("5:17", "a secret never stands");
    assert_problems(
        &format!("[tokens.t]\nfrom = \"cognit\"\n{rest}"),
        &[("2:8", "did you mean `cognito`?"), ("3:1", "did you mean `user_pool`?"), secret],
    );
    assert_problems(
        &format!("[tokens.t]\nfrom = \"somewhere-else\"\n{rest}"),
        &[("2:8", "expected one of `cognito`"), ("3:1", "did you mean `user_pool`?"), secret],
    );
    assert_problems(
        &format!("[tokens.t]\nahead = 7\n{rest}"),
        &[("1:9", "`from` is missing"), ("2:9", "from 0.1 to 0.95"), ("3:1", "did you mean `user_pool`?"), secret],
    );
    assert_problems(
        &format!("[tokens.t]\nfrom = 7\n{rest}"),
        &[("2:8", "found a number"), ("3:1", "did you mean `user_pool`?"), secret],
    );
}

#[test]
fn a_mistake_in_one_key_hides_no_rule_of_the_others() {
    assert_problems(
        "[credentials.g]\nfrom = \"assume-role\"\nrole_arn = \"nonsense\"\nduration = \"5m\"\npolicy = { json = \"{\" }\nbogus = 1\n\
         transitive_tags = [\"team\"]\nas = \"credentials.g\"\n",
        &[
            ("1:14", "needs itself: credentials.g → credentials.g"),
            ("3:12", "a role ARN"),
            ("4:12", "15m to 12h"),
            ("5:1", "not JSON"),
            ("6:1", "unknown key"),
            ("7:19", "not among this table's tags"),
        ],
    );
    assert_problems(
        "[callers.c]\nallow = [\"tokens.x\"]\n",
        &[("1:10", "at least one factor"), ("2:10", "names nothing")],
    );
    assert_problems("[callers.\"a b\"]\nallow = []\n", &[("1:10", "at least one factor"), ("1:10", "a name is")]);
}

#[test]
fn a_mistake_has_no_spurious_followers() {
    for factor in [
        "token = { file = 7 }",
        "token = 7",
        "uid = []",
        "uid = -1",
        "unit = \"x\"",
        "tokn = { file = \"/t\" }",
        "token = { fil = \"/t\" }",
    ] {
        problem_of(&format!("[callers.c]\nallow = []\n{factor}\n"));
    }
    problem_of(
        "[callers.twin]\nallow = [\"tokens.x\"]\ntoken = { file = \"/run/credbroker/callers/orders\" }\nuid = \"orders\"\n",
    );
    problem_of(&format!("[credentials.c]\n{ROLE}tags = {{ team = 7 }}\ntransitive_tags = [\"team\"]\n"));
    problem_of(&format!("[credentials.c]\n{ROLE}tags = 7\ntransitive_tags = [\"team\"]\n"));
    problem_of("[credentials.c]\nfrom = \"ambient\"\nduration = \"5m\"\n");
    problem_of(
        "[credentials.c]\nfrom = \"ambiant\"\n[credentials.d]\nfrom = \"assume-role\"\nrole_arn = \"arn:aws:iam::111122223333:role/x\"\n\
                as = \"credentials.c\"\nduration = \"2h\"\n",
    );
}

#[test]
fn a_mistake_of_toml_has_no_spurious_followers() {
    for line in [
        "client_id = = 1",
        "client_id = ",
        "client_id = tru",
        "client_id",
        "client_id = \"x",
        "client_secret = { file = \"/a\"",
    ] {
        let text = format!("[tokens.t]\nfrom = \"cognito\"\nuser_pool = \"eu-west-1_AbCd12345\"\n{line}\n");
        let found = problems(&text);
        assert!(found.iter().all(|problem| problem.contains(": this is not TOML: ")), "{found:#?}");
    }
    // A table that stands a second time, one of them short.
    problem_of("[tokens.t]\nfrom = \"cognito\"\n[tokens.t]\nclient_id = \"x\"\n");
    problem_of("[callers.c]\n[callers.c]\nallow = []\n");
}

#[test]
fn what_a_broken_line_turns_into_a_key_is_not_repeated() {
    for lines in [
        "client_secret = { env = \"A \"x\"\nprivate_key = \"hunter2\"\nclient_id = \"c\"",
        "client_secret = { env = \"A\" \"hunter2\" = 1 }",
        "client_secret = { env = \"A \"x\"\npassword = \"hunter2\"\nprivate_key = \"hunter2\"\n\"hunter2\" = 7",
        "client_secret = \"abc\nhunter2=x\"",
        "client_secret = \"abc\nhunter2 = 7",
        "client_secret =\n\"hunter2\"",
        "parameters = { a = \"b\" \"hunter2\" = 7 }",
        "parameters.a = \"b\nparameters.hunter2 = 7",
    ] {
        let found = problems(&format!("[tokens.t]\nfrom = \"oauth2\"\n{lines}\n"));
        assert!(found.iter().any(|problem| problem.contains("this is not TOML")), "{found:#?}");
        assert!(found.iter().all(|problem| !problem.contains("hunter2")), "{found:#?}");
    }
}

#[test]
fn a_cycle_is_reported_once() {
    let table = |name: &str, next: &str| format!("[credentials.{name}]\n{ROLE}as = \"credentials.{next}\"\n");
    let text = [table("a", "c"), table("b", "c"), table("c", "d"), table("d", "b"), table("e", "e")].concat();
    assert_problems(
        &text,
        &[
            ("9:14", "credentials.c: needs itself: credentials.c → credentials.d → credentials.b → credentials.c"),
            ("17:14", "credentials.e → credentials.e"),
        ],
    );
}

#[test]
fn what_means_nothing_is_refused() {
    let empty = "expected a text that is not empty";
    let secret = |place: &str| format!("[tokens.t]\n{COGNITO}client_secret = {place}\n");
    let role = |rest: &str| format!("[credentials.c]\n{ROLE}{rest}\n");
    let caller = |token: &str| format!("[callers.c]\nallow = []\ntoken = {token}\n");
    for (extra, part) in [
        (secret("{ file = \"\" }"), empty),
        (secret("{ env = \"\" }"), empty),
        (secret("{ credential = \"\" }"), empty),
        (secret("{ file = \"/a\", key = \"k\" }"), "client_secret.key: this goes with `secrets_manager` only"),
        (secret("{ key = \"k\" }"), "exactly one of"),
        (caller("{ file = \"\" }"), empty),
        (caller("{ file = \"/a\", mode = \"0440\" }"), "token.mode: this goes with `generate` only"),
        (caller("{ file = \"/a\", group = \"g\" }"), "token.group: this goes with `generate` only"),
        (caller("{ file = \"/a\", every = \"1h\" }"), "token.every: this goes with `generate` only"),
        (
            caller("{ sha256 = \"E3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855\" }"),
            "that is the digest of an empty token",
        ),
        (role("policy = { file = \"\" }"), empty),
        (role("policy_arns = [\"hello\"]"), "the ARN of a managed policy such as"),
        (format!("{}domain = \"https://x/?k=hunter2\"\n", secret("{ file = \"/a\" }")), "without a query"),
    ] {
        let found = problem_of(&extra);
        assert!(found.contains(part) && !found.contains("hunter2"), "{found}\nexpected … {part}");
    }
    assert_problems("[aws]\nregion = \"\"\n", &[("2:10", "a region such as \"eu-west-1\"")]);
    assert_problems("[aws]\nregion = \"EU West\"\nprofile = \"\"\n", &[("2:10", "a region such as"), ("3:11", empty)]);
}

#[test]
fn a_file_that_is_no_configuration_is_refused_at_once() {
    let dir = tempfile::tempdir().unwrap();
    let path = |name: &str| dir.path().join(name);
    nix::unistd::mkfifo(&path("fifo"), nix::sys::stat::Mode::S_IRWXU).unwrap();
    std::fs::write(path("large"), vec![b'#'; LARGEST + 1]).unwrap();
    std::fs::write(path("latin"), b"[server]\n# \xe4\n").unwrap();
    std::fs::write(path("good"), GOOD).unwrap();
    for (path, part) in [
        (path("fifo"), "the configuration is not a plain file"),
        (dir.path().to_owned(), "is not a plain file"),
        ("/dev/zero".into(), "is not a plain file"),
        (path("none"), "the configuration cannot be read: No such file"),
        (path("large"), "is longer than 1024 KiB"),
        (path("latin"), "is not UTF-8 text in line 2"),
    ] {
        let found = Config::load(&path).unwrap_err().to_string();
        assert!(
            found.starts_with(&format!("{}: the configuration ", path.display())) && found.contains(part),
            "{found}"
        );
        assert!(found.ends_with("\n1 problem"), "{found}");
    }
    Config::load(&path("good")).unwrap();
}

#[test]
fn a_byte_order_mark_and_other_line_ends_move_no_place() {
    let text = "x = 1\n[aws]\nregion = \"nowhere\"\n[callers.c]\nallow = []\nuid = = 7\n[callers.c]\n";
    let expected = problems(text);
    assert_eq!(expected.len(), 5, "{expected:#?}");
    assert!(expected[0].starts_with("c.toml:1:1: "), "{expected:#?}");
    let other = format!("\u{feff}{}", text.replace('\n', "\r\n"));
    assert_eq!(problems(&other), expected);
    Config::parse(Path::new("c.toml"), &format!("\u{feff}{}", GOOD.replace('\n', "\r\n"))).unwrap();
}

#[test]
fn each_problem_is_one_line_and_the_last_line_counts_them() {
    let problems = Config::parse(Path::new("c.toml"), "\"a\\nb\" = 1\nc = 2\n").unwrap_err().to_string();
    let lines: Vec<&str> = problems.lines().collect();
    assert!(
        lines[0].starts_with("c.toml:1:1: a\\nb: unknown key") && lines[1].starts_with("c.toml:2:1: c: "),
        "{problems}"
    );
    assert_eq!(lines[2..], ["2 problems"]);
}
