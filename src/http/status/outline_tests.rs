use serde_json::json;

use super::*;

#[test]
fn sections_that_nobody_knew_beforehand_are_shown_too() {
    let document = json!({
        "version": "9", "listeners": ["127.0.0.1:1"], "cognito_fees": { "saved": 1.0 }, "callers": [],
        "tokens": [{ "name": "tokens.a", "state": "fresh" }],
        "credentials": [{ "name": "credentials.own" }],
        "own_identity": [{ "name": "credentials.own" }],
        "imds": { "state": "serving", "listen": "127.0.0.1:2" },
        "shared_caches": [{ "path": "/x", "last_error": "cannot be reached" }],
    });
    let shown: Vec<_> =
        sections(&document).iter().map(|section| (section.title.clone(), section.rows[0].name().to_owned())).collect();
    let expected =
        [("Tokens", "tokens.a"), ("Credentials", "credentials.own"), ("IMDS", "127.0.0.1:2"), ("Shared caches", "/x")];
    assert_eq!(shown, expected.map(|(title, name)| (title.to_owned(), name.to_owned())));
    assert_eq!(listeners(&document), ["127.0.0.1:1"]);
    assert_eq!(sections(&document)[3].rows[0].tone(), Tone::Warning);
}

#[test]
fn the_own_identity_is_shown_where_it_has_no_table() {
    let document = json!({ "credentials": [{ "name": "credentials.a" }], "own_identity": [{ "name": "the broker's own AWS identity" }] });
    let titles: Vec<_> = sections(&document).into_iter().map(|section| section.title).collect();
    assert_eq!(titles, ["Credentials", "Own identity"]);
}

#[test]
fn a_life_has_a_place_for_its_refresh_also_when_that_is_past() {
    let life = |row: &Value| Row(row).life().unwrap();
    let young = json!({ "lifetime": 3_600, "expires_in": 3_000, "refresh_due_in": 2_100, "refresh_due_after": 2_700 });
    assert_eq!(life(&young), Life { whole: 3_600, left: 3_000, until_due: 2_100, due_after: 2_700 });
    let of_an_older_daemon = json!({ "lifetime": 3_600, "expires_in": 3_000, "refresh_due_in": 2_100 });
    assert_eq!(life(&of_an_older_daemon).due_after, 2_700);
    let overdue = json!({ "lifetime": 3_600, "expires_in": 60, "refresh_due_in": 0, "refresh_due_after": 2_700 });
    assert_eq!(life(&overdue).due_after, 2_700);
    assert_eq!(Row(&json!({ "state": "empty" })).life(), None);
}

#[test]
fn what_has_no_place_of_its_own_is_a_detail() {
    let row = json!({ "name": "x", "hits": 1, "keep": "always", "outage_cover": 900, "key_ids": ["a", "b"], "warm": true, "none": null,
                      "last_read": { "bytes": 4, "at": "noon" } });
    let expected = [
        ("Keep", "always"),
        ("Outage cover", "15 min"),
        ("Key ids", "a, b"),
        ("Warm", "yes"),
        ("Last read", "bytes 4, at noon"),
    ];
    assert_eq!(Row(&row).details(), expected.map(|(label, value)| (label.to_owned(), value.to_owned())));
}

#[test]
fn numbers_are_written_for_people() {
    assert_eq!([0, 999, 1_000, 1_234_567].map(grouped), ["0", "999", "1,000", "1,234,567"]);
    assert_eq!([0.0, 0.004, 0.01, 1_234.567].map(dollars), ["$0.00", "<$0.01", "$0.01", "$1,234.57"]);
    assert_eq!([0, 119, 120, 7_200, 200_000].map(in_words), ["0 s", "119 s", "2 min", "2 h 0 min", "2 d 7 h"]);
}

#[test]
fn no_text_moves_a_cursor_or_turns_the_writing() {
    assert_eq!(
        plain("a\u{1b}[2Jb\u{202e}c\u{9b}d\u{2066}e\r\nf ü"),
        "a\u{fffd}[2Jb\u{fffd}c\u{fffd}d\u{fffd}e\u{fffd} f ü"
    );
}
