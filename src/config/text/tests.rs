use super::*;

#[test]
fn durations() {
    for (text, seconds) in [("90s", 90), ("15m", 900), ("1h", 3_600), ("0s", 0)] {
        assert_eq!(Duration::read(text), Ok(Duration::from_secs(seconds)));
    }
    for bad in ["", "s", "90", "1d", "-1s", "1.5h", "1h30m", "99999999999s", "5 m", "٣s"] {
        assert!(Duration::read(bad).is_err(), "{bad}");
    }
}

#[test]
fn ids_and_arns() {
    let pool = UserPoolId::read("us-gov-west-1_Ab1").unwrap();
    assert_eq!(pool.region, "us-gov-west-1");
    for bad in ["eu-west-1", "eu-west-1_", "eu-west_Ab", "EU-WEST-1_Ab", "eu-west-1_Ab-1", "_a"] {
        assert!(UserPoolId::read(bad).is_err(), "{bad}");
    }
    assert!(IdentityPoolId::read("eu-west-1:11112222-3333-4444-5555-666677778888").is_ok());
    for bad in
        ["eu-west-1:1111", "11112222-3333-4444-5555-666677778888", "eu-west-1:11112222-3333-4444-5555-66667777888g"]
    {
        assert!(IdentityPoolId::read(bad).is_err(), "{bad}");
    }
    assert!(RoleArn::read("arn:aws-us-gov:iam::111122223333:role/path/orders").is_ok());
    for bad in
        ["arn:aws:iam::1111:role/x", "arn:aws:iam::111122223333:user/x", "arn:aws:iam::111122223333:role/", "orders"]
    {
        assert!(RoleArn::read(bad).is_err(), "{bad}");
    }
}

#[test]
fn upstream_addresses_are_https_or_loopback() {
    for good in ["https://login.example/x", "http://127.0.0.1:1", "http://[::1]:1", "http://localhost:9"] {
        assert!(UpstreamUrl::read(good).is_ok(), "{good}");
    }
    for bad in [
        "http://login.example",
        "http://127.0.0.1.evil.example",
        "ftp://x",
        "login.example",
        "https://u:p@x",
        "https://x#f",
        "https://x/?key=s",
        "https://x/?",
        "http://169.254.169.254",
    ] {
        assert!(UpstreamUrl::read(bad).is_err(), "{bad}");
    }
}

#[test]
fn a_domain_leads_to_its_token_endpoint() {
    let endpoint = |text: &str, region: &str| Domain::read(text).unwrap().token_endpoint(region).unwrap().to_string();
    assert_eq!(endpoint("acme", "eu-west-1"), "https://acme.auth.eu-west-1.amazoncognito.com/oauth2/token");
    assert_eq!(
        endpoint("acme", "us-gov-west-1"),
        "https://acme.auth-fips.us-gov-west-1.amazoncognito.com/oauth2/token"
    );
    assert_eq!(endpoint("auth.example.com", "eu-west-1"), "https://auth.example.com/oauth2/token");
    for (whole, token) in [
        ("acme.auth.eu-west-1.amazoncognito.com", "https://acme.auth.eu-west-1.amazoncognito.com/oauth2/token"),
        (
            "acme.auth-fips.us-east-1.amazoncognito.com",
            "https://acme.auth-fips.us-east-1.amazoncognito.com/oauth2/token",
        ),
        (
            "https://acme.auth-fips.us-gov-west-1.amazoncognito.com/",
            "https://acme.auth-fips.us-gov-west-1.amazoncognito.com/oauth2/token",
        ),
        ("https://auth.example.com/oauth2/token", "https://auth.example.com/oauth2/token"),
    ] {
        assert_eq!(endpoint(whole, "eu-west-1"), token, "a host is used as it is written, whatever the pool's region");
    }
    assert_eq!(endpoint("http://127.0.0.1:8080", "eu-west-1"), "http://127.0.0.1:8080/oauth2/token");
    assert_eq!(
        endpoint("http://127.0.0.1:8080/_aws/cognito-idp/oauth2/token", "eu-west-1"),
        "http://127.0.0.1:8080/_aws/cognito-idp/oauth2/token"
    );
    for bad in
        ["Acme", "https://x?a=b", "acme.example?a", "acme_1", "-acme", "auth..example", "http://auth.example.com", ""]
    {
        assert!(Domain::read(bad).is_err(), "{bad}");
    }
}

#[test]
fn listeners_stay_on_this_machine() {
    assert_eq!(Listen::read("loopback:2778"), Ok(Listen::Loopback(2778)));
    assert_eq!(Listen::read("unix:/run/x.sock"), Ok(Listen::Unix("/run/x.sock".into())));
    assert_eq!(Listen::read("systemd:credbroker"), Ok(Listen::Systemd("credbroker".into())));
    assert!(matches!(Listen::read("[::1]:1"), Ok(Listen::Address(_))));
    for bad in [
        "0.0.0.0:1",
        "[::]:1",
        "10.0.0.1:1",
        "[::ffff:127.0.0.1]:1",
        "localhost:1",
        "loopback:70000",
        "unix:rel",
        "systemd:",
        "2778",
    ] {
        assert!(Listen::read(bad).is_err(), "{bad}");
    }
    assert!(Listen::read("0.0.0.0:1").unwrap_err().contains("other machines"));
}

#[test]
fn file_modes_keep_others_out() {
    assert_eq!(FileMode::read("0440"), Ok(FileMode(0o440)));
    for good in ["0400", "0600", "640", "0440"] {
        assert!(FileMode::read(good).is_ok(), "{good}");
    }
    for bad in ["0644", "440x", "888", "77777", "4", "0500", "0460", "0040", "0000", "0770"] {
        assert!(FileMode::read(bad).is_err(), "{bad}");
    }
}

#[test]
fn a_path_is_absolute_and_ends_in_a_name() {
    let name = "n".repeat(crate::place::LONGEST_NAME);
    assert_eq!(FilePath::read("/run/a b/x.jwt"), Ok(FilePath("/run/a b/x.jwt".into())));
    assert!(FilePath::read(&format!("/{name}")).is_ok());
    for bad in
        ["", "x", "run/x", "/", "/run/", "/run//x", "/run/./x", "/run/../x", "/run/..", "/a\nb", &format!("/{name}n")]
    {
        assert!(FilePath::read(bad).is_err(), "{bad}");
    }
}

#[test]
fn regions_and_policies() {
    for good in ["eu-west-1", "us-gov-west-1", "ap-southeast-4", "us-isob-east-1"] {
        assert!(Region::read(good).is_ok(), "{good}");
    }
    for bad in ["", "EU West", "eu-west", "eu west 1", "Frankfurt", "eu-west-1a"] {
        assert!(Region::read(bad).is_err(), "{bad}");
    }
    for good in ["arn:aws:iam::aws:policy/ReadOnlyAccess", "arn:aws-cn:iam::111122223333:policy/path/x"] {
        assert!(PolicyArn::read(good).is_ok(), "{good}");
    }
    for bad in [
        "hello",
        "arn:aws:iam::aws:policy/",
        "arn:aws:iam::aws:role/x",
        "arn:aws:iam::1:policy/x",
        "arn:aws:iam:eu-west-1:aws:policy/x",
        "arn:awsome:iam::aws:policy/x",
    ] {
        assert!(PolicyArn::read(bad).is_err(), "{bad}");
    }
    assert!(RoleArn::read("arn:aws:iam::aws:role/x").is_err(), "a role belongs to an account");
}

#[test]
fn the_digest_of_nothing_is_no_token() {
    assert!(TokenDigest::read(EMPTY_TEXT_DIGEST).unwrap_err().contains("empty token"));
}

#[test]
fn an_issuer_keeps_its_spelling_and_a_resource_is_a_uri() {
    let issuer = IssuerUrl::read("https://login.example").unwrap();
    assert_eq!((issuer.spelled.as_str(), issuer.url.as_str()), ("https://login.example", "https://login.example/"));
    assert!(IssuerUrl::read("http://login.example").is_err());
    for good in ["https://api.example", "https://api.example/a?b=c", "urn:example:api", "api://1234"] {
        assert_eq!(ResourceUri::read(good), Ok(ResourceUri(good.to_owned())));
    }
    for bad in ["", "/relative", "api.example", "https://api.example/#x", "https://api.example/#", "https://x/a b"] {
        assert!(ResourceUri::read(bad).is_err(), "{bad}");
    }
}

#[test]
fn a_unit_is_a_service_or_a_scope_by_its_whole_name() {
    for good in ["orders.service", "orders@eu-1.service", "user@1000.service", "session-3.scope"] {
        assert_eq!(UnitName::read(good), Ok(UnitName(good.to_owned())));
    }
    for (bad, words) in [
        ("orders", "did you mean `orders.service`?"),
        ("orders.servce", "did you mean `orders.service`?"),
        ("orders.Service", "did you mean `orders.service`?"),
        ("session-3.scop", "did you mean `session-3.scope`?"),
        ("system.slice/orders.service", "did you mean `orders.service`?"),
        ("/system.slice/orders", "did you mean `orders.service`?"),
        ("orders@.service", "name an instance of it"),
        ("system.slice", "callers are processes of services and scopes"),
        ("orders.socket", "callers are processes of services and scopes"),
        ("orders*.service", "letters, digits"),
        ("", "letters, digits"),
    ] {
        let why = UnitName::read(bad).unwrap_err();
        assert!(why.contains(words), "{bad}: {why}");
    }
}
