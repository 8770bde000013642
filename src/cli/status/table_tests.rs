use serde_json::json;

use super::*;

const PIPED: Look = Look { width: None, colours: false, unicode: false, is_screen: false };

fn document() -> Value {
    json!({
        "version": "1", "state": "serving", "ready": true, "uptime_seconds": 7_260, "requests": 1_234, "listeners": ["127.0.0.1:2778"],
        "cognito_fees": { "per_1000": 2.25, "saved": 12.5, "paid": 0.0045, "compared_with": "something dearer" },
        "tokens": [{ "name": "tokens.billing", "scope": "billing/read", "source": "cognito, https://x/oauth2/token, client c",
                     "state": "degraded", "lifetime": 3_600, "refresh_due_in": 0, "expires_in": 600, "hits": 3, "stale": 2,
                     "upstream_requests": 1, "upstream_avoided": 4, "fees_saved": 12.5,
                     "last_error": { "kind": "unavailable", "message": "the host is down at https://a-very-long-name.auth.eu-west-1.amazoncognito.com/oauth2/token", "failures_in_a_row": 2, "retry_in": 3 } }],
        "credentials": [{ "name": "credentials.orders", "state": "empty", "source": "assume-role arn:x as credentials.hub",
                          "chain": ["credentials.hub", "the broker's own AWS identity"] }],
        "issuers": [{ "name": "issuers.users", "state": "fresh", "hits": 0 }],
        "files": [{ "name": "files.out", "state": "\u{1b}[2Jwritten" }],
    })
}

fn line<'a>(table: &'a str, name: &str) -> &'a str {
    table.lines().find(|line| line.starts_with(name)).unwrap_or_else(|| panic!("{name} is not in {table}"))
}

#[test]
fn piped_it_is_plain_aligned_and_uncut() {
    let table = table(&document(), &PIPED);
    assert!(!table.contains('\u{1b}'), "{table}");
    for words in [
        "credbroker 1, serving, ready, up 2h01m, 1,234 requests",
        "4 entries: 0 cannot be served, 1 cannot be renewed",
        "listening on 127.0.0.1:2778",
        "$12.50 saved, <$0.01 paid (an estimate: $2.25 for 1,000 tokens, compared with something dearer)",
        "  The source cannot be reached: the host is down at https://a-very-long-name.auth.eu-west-1.amazoncognito.com/oauth2/token (2 failures in a row, asked again in 3s). What is held is served until it expires.",
        "assume-role <- credentials.hub <- the broker's own AWS identity: arn:x as credentials.hub",
        "issuers.users",
        "\u{fffd}[2Jwritten",
    ] {
        assert!(table.contains(words), "{words} is not in {table}");
    }
    let row: Vec<&str> = line(&table, "tokens.billing (billing/read)").split_whitespace().skip(2).collect();
    assert_eq!(row[..7], ["degraded", "10m", "0s", "5", "1", "4", "$12.50"]);
    let states: Vec<_> = [
        ("NAME", "STATE"),
        ("tokens.billing", "degraded"),
        ("issuers.users", "fresh"),
        ("credentials.orders", "empty"),
    ]
    .map(|(name, state)| line(&table, name).find(state))
    .into();
    assert!(states.iter().all(|at| at.is_some() && *at == states[0]), "{table}");
}

#[test]
fn a_terminal_is_never_overrun_and_the_most_needed_stays() {
    for width in [24, 40, 60, 80, 120, 200] {
        let look = Look { width: Some(width), unicode: true, ..PIPED };
        let table = table(&document(), &look);
        for line in table.lines() {
            assert!(line.chars().count() <= width, "{width}: {line}");
        }
        assert!(table.contains("degraded") && table.contains("cannot be"), "{width}: {table}");
        assert_eq!(table.contains("━━╌╌╌╌╌╌╌╌"), width >= 60, "{width}: {table}");
    }
}

#[test]
fn colours_are_only_where_they_are_welcome() {
    let painted = table(&document(), &Look { colours: true, width: Some(120), ..PIPED });
    assert!(painted.contains("\u{1b}[33mdegraded") && painted.contains("\u{1b}[32mfresh"), "{painted}");
    let plain = table(&document(), &Look { width: Some(120), ..PIPED });
    assert!(!plain.contains('\u{1b}'), "{plain}");
}
