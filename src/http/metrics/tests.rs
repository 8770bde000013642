use super::*;

#[test]
fn what_is_held_is_told_by_name_and_caller_and_never_by_scope() {
    let row = |more: Value| {
        let mut row = json!({ "name": "tokens.a", "state": "fresh", "expires_in": 60, "fetching": false, "hits": 2, "failures_by_kind": {} });
        row.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        row
    };
    let document = json!({
        "version": "1", "ready": true,
        "tokens": [row(json!({})), row(json!({ "scope": "x", "expires_in": 9, "hits": 5 })), row(json!({ "caller": "b", "failures_by_kind": { "denied": 3 } }))],
    });
    let text = of(&document);
    for line in [
        "credbroker_build_info{version=\"1\"} 1",
        "credbroker_ready 1",
        "credbroker_entry_expires_in_seconds{entry=\"tokens.a\"} 60",
        "credbroker_entry_expires_in_seconds{entry=\"tokens.a\",caller=\"b\"} 60",
        "credbroker_entry_hits_total{entry=\"tokens.a\"} 7",
        "credbroker_entry_held{entry=\"tokens.a\"} 1",
        "credbroker_entry_upstream_failures_total{entry=\"tokens.a\",kind=\"denied\"} 0",
        "credbroker_entry_upstream_failures_total{entry=\"tokens.a\",caller=\"b\",kind=\"denied\"} 3",
        "# TYPE credbroker_entry_hits_total counter",
    ] {
        assert_eq!(text.lines().filter(|other| *other == line).count(), 1, "{line}\n{text}");
    }
    assert!(!text.contains("scope"), "{text}");
}

#[test]
fn the_own_identity_is_told_once() {
    let own = json!({ "name": "credentials.own", "state": "empty", "hits": 1 });
    let text = of(&json!({ "credentials": [own.clone()], "own_identity": [own] }));
    assert!(text.contains("credbroker_entry_hits_total{entry=\"credentials.own\"} 1\n"), "{text}");
}

#[test]
fn the_instant_of_a_configuration_is_in_unix_time_and_whether_a_reload_was_refused_a_number() {
    let of_state =
        |state: &str| of(&json!({ "configuration": { "state": state, "loaded_at": "2001-09-09T01:46:40Z" } }));
    for (state, refused) in [("in effect", 0), ("reload refused", 1)] {
        let text = of_state(state);
        assert!(text.contains("credbroker_configuration_loaded_timestamp_seconds 1000000000\n"), "{text}");
        assert!(text.contains(&format!("credbroker_configuration_reload_refused {refused}\n")), "{text}");
    }
    assert!(!of(&json!({})).contains("configuration"), "what has no value has no line");
}

#[test]
fn labels_are_escaped_and_numbers_that_are_too_large_are_cut() {
    let document = json!({ "load": { "callers": [{ "name": "a\"\\\nb", "requests": u64::MAX }] } });
    let line = "credbroker_caller_requests_total{caller=\"a\\\"\\\\\\nb\"} 9223372036854775807\n";
    assert!(of(&document).contains(line), "{}", of(&document));
}

#[test]
fn names_are_as_prometheus_wants_them() {
    for (name, kind, help, _) in [PROCESS, CONFIGURATION, CLOCKS, QUOTAS, CALLERS, ENTRIES, FILES, EGRESS].concat() {
        assert_eq!(name.ends_with("_total"), kind == Kind::Counter, "{name}");
        assert!(name.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_'), "{name}");
        assert!(help.ends_with('.') && !help.contains(['\n', '\\']), "{help}");
    }
}
