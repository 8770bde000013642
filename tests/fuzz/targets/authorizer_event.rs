//! Any body as an event of API Gateway's authorizers. It is an answer to that event: allowed only where one of the good tokens is
//! in it, about no other method, or a 400.

#![no_main]

use credbroker_fuzz::{canary, run, site, tokens, wire};
use libfuzzer_sys::fuzz_target;
use serde_json::Value;

fuzz_target!(|body: &[u8]| {
    let mut sent = format!(
        "POST /v1/authorize/users/policy HTTP/1.1\r\nHost: localhost\r\nAuthorization: {}\r\nContent-Length: {}\r\n\r\n",
        site::TOKEN,
        body.len()
    )
    .into_bytes();
    sent.extend_from_slice(body);
    let said = run(async { wire::converse(&site::site().await.door, &wire::peer(0), &sent).await });
    let answers = wire::answers(&said);
    let [answer] = &answers[..] else { panic!("one answer: {}", String::from_utf8_lossy(&said)) };
    let document: Value = serde_json::from_slice(answer.body).expect("JSON");
    match answer.status {
        200 => decided(&document, body),
        400 | 413 => assert!(document["error"].is_string(), "{document}"),
        status => panic!("{status}: {document}"),
    }
    canary::is_not_logged();
});

fn decided(document: &Value, body: &[u8]) {
    let statement = &document["policyDocument"]["Statement"][0];
    let is_allowed = document["isAuthorized"] == true || statement["Effect"] == "Allow";
    assert!(is_allowed || document["isAuthorized"] == false || statement["Effect"] == "Deny", "{document}");
    if !document["policyDocument"].is_null() {
        assert!(statement["Resource"].is_string() && statement["Action"] == "execute-api:Invoke", "{document}");
        assert!(!is_allowed || !statement["Resource"].as_str().unwrap_or("*").contains(['*', '?']), "{document}");
    }
    if is_allowed {
        // Where a member that nobody looks at is no text, the event is still read, though not as a whole.
        let Ok(event) = serde_json::from_slice::<Value>(body) else {
            return assert!(tokens::GOOD.iter().any(|good| String::from_utf8_lossy(body).contains(good)), "{document}");
        };
        assert!(holds_good_token(&event), "{document}");
        let arns = [&event["methodArn"], &event["routeArn"]];
        assert!(statement.is_null() || arns.contains(&&statement["Resource"]), "{document}");
    } else {
        canary::is_not_in("the decision", document["context"].to_string().as_bytes());
    }
}

fn holds_good_token(event: &Value) -> bool {
    match event {
        Value::String(text) => tokens::is_good(text.rsplit(' ').next().unwrap_or_default()),
        Value::Array(all) => all.iter().any(holds_good_token),
        Value::Object(all) => all.values().any(holds_good_token),
        _ => false,
    }
}
