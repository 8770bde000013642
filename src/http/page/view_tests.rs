use serde_json::json;

use super::*;

const POLICY: &str = "default-src 'none'";

fn shown(document: &Value) -> String {
    page(document, POLICY, "p{}")
}

/// The page of one entry with these members.
fn shown_with(more: &Value) -> String {
    let mut row = json!({ "name": "tokens.x", "source": "a test", "state": "fresh" });
    for (key, value) in more.as_object().unwrap() {
        row[key] = value.clone();
    }
    shown(&json!({ "version": "1", "at": "2026-11-21T17:30:00Z", "state": "serving", "ready": true, "tokens": [row] }))
}

#[test]
fn hostile_texts_stay_texts() {
    let hostile = "</style></table><script>alert('x')</script><img src=x onerror=\"y\">\u{202e}\u{1b}[2J";
    let error = json!({ "kind": hostile, "message": hostile, "since": hostile });
    let row = json!({ "name": hostile, "source": hostile, "state": hostile, "chain": [hostile], "caller": hostile, "scope": hostile,
                      "secret": hostile, "last_error": error, "lifetime": 10, "expires_in": 4 });
    let document =
        json!({ "version": hostile, "state": hostile, "at": hostile, "listeners": [hostile], hostile: [row] });
    let html = shown(&document);
    for markup in ["<script", "<img", "</style></table>", "onerror=\"", "\u{202e}", "\u{1b}"] {
        assert!(!html.contains(markup), "{markup:?} in {html}");
    }
    assert_eq!(html.matches("</style>").count(), 1);
    assert!(html.contains("&lt;script&gt;alert(&#39;x&#39;)"), "it is shown all the same: {html}");
}

#[test]
fn every_state_is_said_in_words_and_not_by_colour_alone() {
    for (state, tone) in [
        ("fresh", "good"),
        ("refresh-due", "calm"),
        ("per subject", "calm"),
        ("empty", "quiet"),
        ("degraded", "warning"),
        ("failed", "bad"),
        ("something new", "calm"),
    ] {
        let html = shown_with(&json!({ "state": state }));
        assert!(html.contains(&format!("<span class=\"pill {tone}\">{state}</span>")), "{state}: {html}");
    }
}

#[test]
fn trouble_is_explained_and_pointed_to_from_the_top() {
    let error = json!({ "kind": "unavailable", "message": "the connection was refused; check the host", "failures_in_a_row": 3,
                        "since": "2026-11-21T17:20:00Z", "retry_in": 12 });
    let html = shown_with(&json!({ "state": "failed", "last_error": error }));
    for words in [
        "<title>credbroker: 1 entry needs attention</title>",
        "1 of 1 entry cannot be served.",
        "<a href=\"#e0-0\">tokens.x</a>: The source cannot be reached. Nothing valid is held, so callers are refused.",
        "id=\"e0-0\"",
        "the connection was refused; check the host",
        "3 failures in a row",
        "2026-11-21 17:20:00 UTC",
        "Asked again in 12 s at the earliest",
    ] {
        assert!(html.contains(words), "{words} is not in {html}");
    }
}

#[test]
fn a_life_is_a_bar_and_a_sentence() {
    let life = |more: Value| {
        let mut row = json!({ "lifetime": 3_600, "expires_in": 900, "refresh_due_in": 0, "refresh_due_after": 2_700 });
        more.as_object().unwrap().iter().for_each(|(key, value)| row[key] = value.clone());
        shown_with(&row)
    };
    let young = life(json!({ "expires_in": 3_000, "refresh_due_in": 2_100 }));
    for words in
        ["aria-label=\"83 % of its life left\"", "width=\"833\"", "x=\"250\"", "refresh in 35 min", "expires in 50 min"]
    {
        assert!(young.contains(words), "{words} is not in {young}");
    }
    assert!(life(json!({ "fetching": true })).contains("being refreshed"));
    assert!(life(json!({ "keep": "used" })).contains("refreshed when it is asked for"));
    assert!(life(json!({ "keep": "always" })).contains("refresh is due"));
    assert!(life(json!({ "lifetime": 0 })).contains("0 % of its life left"), "a life of no length is no fault");
}

#[test]
fn where_there_is_no_bar_it_is_said_what_there_is() {
    let document = |state: &str, more: &Value| {
        let mut row = json!({ "name": "files.out", "state": state });
        more.as_object().unwrap().iter().for_each(|(key, value)| row[key] = value.clone());
        shown(&json!({ "tokens": [{ "name": "tokens.x", "lifetime": 10, "expires_in": 5 }], "files": [row] }))
    };
    let note = |words: &str| format!("<span class=\"note\">{words}</span>");
    for (state, more, words) in [
        ("written", json!({ "expires_in": 900 }), "expires in 15 min"),
        ("absent", json!({}), "nothing held"),
        ("empty", json!({}), "nothing held"),
        ("per subject", json!({ "subjects": 3 }), "–"),
    ] {
        let html = document(state, &more);
        assert!(html.contains(&note(words)), "{state}: {html}");
        assert_eq!(html.matches("nothing held").count(), usize::from(words == "nothing held"), "{state}: {html}");
    }
}

#[test]
fn what_has_no_column_is_among_the_details() {
    let html = shown_with(
        &json!({ "keep": "always", "expires_at": "2026-11-21T18:00:00Z", "misses": 3, "tenants": ["a", "b"] }),
    );
    for words in [
        "<summary><span>a test</span></summary>",
        "<dt>Keep</dt><dd>always</dd>",
        "<dt>Expires at</dt><dd><time datetime=\"2026-11-21T18:00:00Z\">2026-11-21 18:00:00 UTC</time></dd>",
        "<dt>Misses</dt><dd>3</dd>",
        "<dt>Tenants</dt><dd>a, b</dd>",
    ] {
        assert!(html.contains(words), "{words} is not in {html}");
    }
}

#[test]
fn a_chain_leads_from_its_beginning_to_the_entry() {
    let document = json!({ "credentials": [
        { "name": "credentials.hub", "chain": ["the broker's own AWS identity"] },
        { "name": "credentials.orders", "chain": ["credentials.hub", "the broker's own AWS identity"] },
    ] });
    let html = shown(&document);
    let chain = "<li>the broker&#39;s own AWS identity</li><li><a href=\"#e0-0\">credentials.hub</a></li><li>credentials.orders</li>";
    assert!(html.contains(chain), "{html}");
}

#[test]
fn what_was_saved_is_called_an_estimate() {
    let fees = json!({ "per_1000": 2.25, "compared_with": "something dearer", "paid": 0.5, "saved": 1_234.5 });
    let html = shown(&json!({ "cognito_fees": fees, "tokens": [{ "name": "tokens.x", "fees_saved": 1_234.5 }] }));
    for words in [
        "$1,234.50",
        "an estimate; $0.50 paid",
        "Saved (estimate)",
        "$2.25 for 1,000 tokens, compared with something dearer",
    ] {
        assert!(html.contains(words), "{words} is not in {html}");
    }
    let free = shown(&json!({ "tokens": [{ "name": "tokens.x" }] }));
    assert!(!free.contains('$') && !free.contains("stimate"), "{free}");
}

#[test]
fn what_is_about_the_process_is_counted_where_it_needs_a_look() {
    let verdict = |clock: &str| {
        let clock = json!({ "name": "this machine's clock", "state": clock });
        let tokens = json!([{ "name": "tokens.x", "source": "a test", "state": "fresh" }]);
        shown(&json!({ "version": "1", "state": "serving", "ready": true, "clock": clock, "tokens": tokens }))
    };
    let (right, wrong) = (verdict("right"), verdict("wrong"));
    assert!(right.contains("All 1 entry are in order."), "{right}");
    assert!(wrong.contains("1 of 2 entries cannot be renewed."), "{wrong}");
}
