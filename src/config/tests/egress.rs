//! `[egress.*]`.

use super::*;

const CALLER: &str = "[callers.local]\nallow = [\"tokens.billing\", \"credentials.hub\"]\nuid = 1000\n";
const BEARER: &str = "bearer = \"tokens.billing\"\ncaller = \"local\"\n";

fn egress(listen: &str, upstream: &str, rest: &str) -> String {
    format!("{CALLER}[egress.api]\nlisten = \"{listen}\"\nupstream = \"{upstream}\"\n{rest}")
}

/// The one problem of a good document with this egress.
fn problem(listen: &str, upstream: &str, rest: &str) -> String {
    problem_of(&egress(listen, upstream, rest))
}

#[test]
fn a_forward_address_becomes_a_config_and_a_line() {
    let rest = "sigv4 = { credentials = \"credentials.hub\", service = \"execute-api\", region = \"eu-west-1\" }\ncaller = \"local\"\nidle_timeout = \"5m\"\n";
    let text = format!("{GOOD}{}", egress("loopback:2780", "https://x.example.com/prod", rest));
    let config = Config::parse(Path::new("c.toml"), &text).unwrap();
    let [one] = &config.egress[..] else { panic!("{:?}", config.egress) };
    assert_eq!((&one.listen, one.forward.idle), (&Listen::Loopback(2780), Duration::from_secs(300)));
    assert!(matches!(&one.forward.added, crate::egress::Added::Signature(signature) if signature.credentials == "hub"));
    let line = "loopback:2780 to https://x.example.com/prod with a signature of credentials.hub for execute-api in eu-west-1, \
                for callers.local, idle at most 5m";
    assert!(config.to_string().contains(line), "{config}");

    let text = format!("{GOOD}{}", egress("127.0.0.1:2780", "http://127.0.0.1:8080", BEARER));
    let config = Config::parse(Path::new("c.toml"), &text).unwrap();
    assert_eq!(config.egress[0].forward.idle, Duration::from_secs(60));
    assert!(config.to_string().contains("with the bearer token tokens.billing"), "{config}");
}

#[test]
fn exactly_one_thing_is_added() {
    let sigv4 = "sigv4 = { credentials = \"credentials.hub\", service = \"s3\", region = \"eu-west-1\" }\n";
    let neither = problem("127.0.0.1:2780", "https://x.example.com", "caller = \"local\"\n");
    let both = problem("127.0.0.1:2780", "https://x.example.com", &format!("{BEARER}{sigv4}"));
    assert!(neither.contains("exactly one of `bearer`, `sigv4` is given, found 0"), "{neither}");
    assert!(both.contains("found 2"), "{both}");
    for (key, good, bad, part) in [
        ("service", "s3", "S3 ", "expected a service as its signatures name it"),
        ("region", "eu-west-1", "Ireland", "expected a region"),
        ("credentials", "credentials.hub", "credentials.hob", "did you mean `credentials.hub`?"),
    ] {
        let spoiled = sigv4.replace(&format!("{key} = \"{good}\""), &format!("{key} = \"{bad}\""));
        let found = problem("127.0.0.1:2780", "https://x.example.com", &format!("{spoiled}caller = \"local\"\n"));
        assert!(found.contains(part) && found.contains(&format!("sigv4.{key}: ")), "{found}");
    }
}

#[test]
fn the_caller_is_one_the_kernel_knows_and_may_have_it() {
    let upstream = "https://x.example.com";
    let nobody = problem("127.0.0.1:2780", upstream, "bearer = \"tokens.billing\"\ncaller = \"lokal\"\n");
    assert!(nobody.contains("names nothing that is configured under `callers`; did you mean `local`?"), "{nobody}");
    let not_allowed = problem("127.0.0.1:2780", upstream, "bearer = \"tokens.robot\"\ncaller = \"local\"\n");
    assert!(
        not_allowed.contains("egress.api.bearer: callers.local may not have tokens.robot; add it"),
        "{not_allowed}"
    );
    let text = egress("127.0.0.1:2780", upstream, BEARER);
    let by_token = problem_of(&text.replace("uid = 1000", "token = { file = \"/x\" }"));
    assert!(by_token.contains("egress.api.caller: callers.local has no uid and no unit"), "{by_token}");
    let by_unit = text.replace("uid = 1000", "unit = \"local.service\"");
    assert!(problems(&format!("{GOOD}{by_unit}")).is_empty(), "a unit is as good as a uid");
    let by_both = text.replace("uid = 1000", "uid = 1000\ntoken = { file = \"/x\" }");
    assert!(problems(&format!("{GOOD}{by_both}")).is_empty(), "the token is for other listeners");
}

#[test]
fn nobody_brings_a_subject_token_to_it() {
    let reports = "[credentials.reports]\nfrom = \"web-identity\"\nrole_arn = \"arn:aws:iam::111122223333:role/x\"\ntoken = \"caller\"\n";
    let rest = "sigv4 = { credentials = \"credentials.reports\", service = \"s3\", region = \"eu-west-1\" }\ncaller = \"local\"\n";
    let text =
        egress("127.0.0.1:2780", "https://x.example.com", rest).replace("credentials.hub", "credentials.reports");
    let found = problem_of(&format!("{reports}{text}"));
    assert!(found.contains("sigv4.credentials: credentials.reports is for the user of a subject token"), "{found}");
}

#[test]
fn no_two_listeners_share_an_address() {
    let upstream = "https://x.example.com";
    for listen in ["127.0.0.1:2778", "[::1]:2778", "loopback:2778"] {
        let found = problem(listen, upstream, BEARER);
        assert!(
            found.contains("egress.api.listen: `loopback:2778` of [server] listen has this address already"),
            "{found}"
        );
    }
    let outside = problem("0.0.0.0:2780", upstream, BEARER);
    assert!(outside.contains("can be reached from other machines"), "{outside}");
    let one = egress("loopback:2780", upstream, BEARER);
    let other = one.replace(CALLER, "").replace("egress.api", "egress.web").replace("loopback", "127.0.0.1");
    let found = problem_of(&format!("{one}{other}"));
    assert!(found.contains("egress.web.listen: [egress.api] listen has this address already"), "{found}");
    let admin = GOOD.replace("[aws]", "admin_listen = \"0.0.0.0:2780\"\n[aws]");
    let found = problems(&format!("{admin}{}", egress("127.0.0.1:2780", upstream, BEARER)));
    assert!(found.len() == 1 && found[0].contains("[server] admin_listen has this address"), "{found:?}");
}

#[test]
fn it_does_not_lead_back_and_not_to_plain_http() {
    for upstream in ["http://127.0.0.1:2778", "http://localhost:2778/x", "http://[::1]:2780", "https://127.0.0.1:2780"]
    {
        let found = problem("loopback:2780", upstream, BEARER);
        assert!(found.contains("egress.api.upstream: this is") && found.contains("of this daemon itself"), "{found}");
    }
    let elsewhere = problem("loopback:2780", "http://x.example.com", BEARER);
    assert!(elsewhere.contains("an https URL, or an http URL on loopback"), "{elsewhere}");
    let idle = problem("loopback:2780", "https://x.example.com", &format!("{BEARER}idle_timeout = \"2h\"\n"));
    assert!(idle.contains("egress.api.idle_timeout: expected from 1s to 1h"), "{idle}");
}
