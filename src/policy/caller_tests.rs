use proptest::prelude::*;

use super::*;

fn caller(name: &str, token: Option<&str>, uid: Option<u32>) -> Arc<Caller> {
    let allow = vec![Grant::Token(format!("for-{name}"))];
    Arc::new(Caller {
        name: name.into(),
        allow,
        tokens: token.map(|t| vec![TokenDigest::of(t)]),
        uid: uid.map(Some),
        ..Caller::default()
    })
}

fn shows(token: Option<&str>, uid: Option<u32>) -> Presented {
    Presented { token: token.map(TokenDigest::of), process: of_user(uid) }
}

fn of_user(uid: Option<u32>) -> Process {
    Process { uid, ..Process::default() }
}

fn who<'a>(callers: &'a Callers, token: Option<&str>, uid: Option<u32>) -> Option<&'a str> {
    callers.identify(&shows(token, uid)).map(|caller| caller.name.as_str())
}

#[test]
fn every_factor_given_must_match() {
    let callers = Callers(vec![
        caller("both", Some("t"), Some(7)),
        caller("by-uid", None, Some(8)),
        caller("by-token", Some("u"), None),
    ]);
    assert_eq!(who(&callers, Some("t"), Some(7)), Some("both"));
    assert_eq!(
        who(&callers, Some("t"), Some(8)),
        Some("by-uid"),
        "uid 8 is enough for by-uid; the token is not looked at"
    );
    assert_eq!(who(&callers, Some("t"), None), None);
    assert_eq!(who(&callers, None, Some(7)), None);
    assert_eq!(who(&callers, Some("u"), None), Some("by-token"));
    assert_eq!(who(&callers, Some("U"), None), None);
    assert_eq!(who(&callers, None, None), None);
}

#[test]
fn the_closest_match_wins_and_a_tie_is_nobody() {
    let callers = Callers(vec![
        caller("wide", None, Some(7)),
        caller("narrow", Some("t"), Some(7)),
        caller("twin", None, Some(7)),
    ]);
    assert_eq!(who(&callers, Some("t"), Some(7)), Some("narrow"));
    assert_eq!(who(&callers, None, Some(7)), None);
    let by_either = Callers(vec![caller("by-token", Some("t"), None), caller("by-uid", None, Some(7))]);
    assert_eq!(who(&by_either, Some("t"), Some(7)), Some("by-token"));
}

#[test]
fn a_gid_and_a_unit_are_factors_like_the_others() {
    let own =
        Caller { gid: Some(Some(70)), unit: Some("orders.service".into()), ..(*caller("own", None, Some(7))).clone() };
    let callers = Callers(vec![Arc::new(own), caller("by-uid", None, Some(7)), caller("other", None, Some(8))]);
    let process = |uid, gid, unit: Option<&str>| Process { uid: Some(uid), gid, pid: None, unit: unit.map(Arc::from) };
    let who = |process| callers.identify(&Presented { token: None, process }).map(|caller| caller.name.as_str());
    assert_eq!(who(process(7, Some(70), Some("orders.service"))), Some("own"));
    for less in [
        process(7, None, Some("orders.service")),
        process(7, Some(70), None),
        process(7, Some(71), Some("orders.service")),
    ] {
        assert_eq!(who(less.clone()), Some("by-uid"), "{less:?}");
        assert!(callers.known_to_kernel("own", &less).is_none(), "{less:?}");
    }
    assert_eq!(who(process(7, Some(70), Some("orders.service.d"))), Some("by-uid"));
    assert!(callers.known_to_kernel("own", &process(7, Some(70), Some("orders.service"))).is_some());
    assert_eq!(callers.0[0].factors(), Factors { token: false, uid: true, gid: true, unit: true });
}

#[test]
fn either_of_two_tokens_is_accepted_while_one_takes_over() {
    let tokens = Some(vec![TokenDigest::of("new"), TokenDigest::of("old")]);
    let callers = Callers(vec![Arc::new(Caller { tokens, ..(*caller("turning", Some(""), None)).clone() })]);
    assert_eq!(
        (who(&callers, Some("new"), None), who(&callers, Some("old"), None)),
        (Some("turning"), Some("turning"))
    );
    assert_eq!(who(&callers, Some("older"), None), None);
    let same = Some(vec![TokenDigest::of("one"), TokenDigest::of("one")]);
    let callers = Callers(vec![Arc::new(Caller { tokens: same, ..(*caller("turned", Some(""), None)).clone() })]);
    assert_eq!(who(&callers, Some("one"), None), Some("turned"), "also where both are the same");
}

#[test]
fn anonymous_is_nobody_with_a_wrong_token() {
    let callers = Callers(vec![caller("anonymous", None, None), caller("known", Some("t"), None)]);
    assert_eq!(who(&callers, None, None), Some("anonymous"));
    assert_eq!(who(&callers, None, Some(0)), Some("anonymous"));
    assert_eq!(who(&callers, Some("t"), None), Some("known"));
    assert_eq!(who(&callers, Some("wrong"), None), None);
}

#[test]
fn an_unreadable_token_matches_nothing() {
    let unreadable = Caller { tokens: Some(vec![]), ..(*caller("gone", Some(""), None)).clone() };
    assert_eq!(who(&Callers(vec![Arc::new(unreadable)]), Some(""), None), None);
}

#[test]
fn the_kernel_knows_a_caller_by_its_uid_and_by_nothing_else() {
    let gone = Arc::new(Caller { uid: Some(None), ..(*caller("gone", None, None)).clone() });
    let callers = Callers(vec![
        caller("both", Some("t"), Some(7)),
        caller("twin", None, Some(7)),
        caller("by-token", Some("t"), None),
        gone,
    ]);
    let known = |name, uid| callers.known_to_kernel(name, &of_user(uid)).map(|caller| caller.name.as_str());
    assert_eq!(known("both", Some(7)), Some("both"), "the token is for other listeners");
    assert_eq!(known("twin", Some(7)), Some("twin"), "the listener says who of both it is");
    for (name, uid) in [
        ("both", Some(8)),
        ("both", None),
        ("by-token", Some(7)),
        ("by-token", None),
        ("gone", None),
        ("nobody", Some(7)),
    ] {
        assert_eq!(known(name, uid), None, "{name} {uid:?}");
    }
}

#[test]
fn digests_are_read_and_shown_as_sha256sum_prints_them() {
    let hex = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
    assert!(TokenDigest::from_hex(hex).unwrap().is_one_of(&[TokenDigest::of("abc")]));
    let digest = TokenDigest::of("abc");
    assert_eq!((&*digest.hex(), &*digest.fingerprint()), (hex, &hex[..16]));
    assert!(TokenDigest::from_hex(&hex[1..]).is_none() && TokenDigest::from_hex(&hex.replace('b', "g")).is_none());
}

proptest! {
    #[test]
    fn no_permit_is_made_that_the_configuration_does_not_list(
        allowed in proptest::collection::vec("[a-c]", 0..3), wanted in "[a-c]", kind in 0..3,
    ) {
        let allow = allowed.iter().cloned().map(Grant::Token).collect();
        let someone = Caller { allow, ..(*caller("x", None, Some(1))).clone() };
        let grant = match kind { 0 => Grant::Token(wanted.clone()), 1 => Grant::Credentials(wanted.clone()), _ => Grant::Issuer(wanted.clone()) };
        let permit = someone.permit(grant.clone());
        prop_assert_eq!(permit.is_some(), kind == 0 && allowed.contains(&wanted));
        if let Some(permit) = permit {
            prop_assert_eq!((permit.caller(), permit.grant()), ("x", &grant));
        }
    }
}
