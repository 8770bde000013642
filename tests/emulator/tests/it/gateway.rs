//! An API behind API Gateway: whoever signs is shown what arrived, and whoever does not is told so in API Gateway's words.

use serde_json::json;

use crate::signer::{Keys, broker};
use crate::sts::assume;
use crate::wire::Fixture;

#[tokio::test]
async fn a_signed_request_is_shown_as_it_arrived() {
    let emulator = Fixture::start().await;
    let session = Keys::of(&broker().sts(&emulator, &assume("hub", "")).await);
    for (keys, arn) in [(broker(), ":user/broker"), (session, ":assumed-role/hub/")] {
        let answer = keys.gateway(&emulator, "/execute-api/prod/orders", "hello").await;
        assert_eq!(answer.status, 200, "{}", answer.body);
        let seen = answer.json();
        assert!(seen["principal"].as_str().unwrap().contains(arn), "{seen}");
        assert_eq!((&seen["method"], &seen["path"]), (&json!("POST"), &json!("/execute-api/prod/orders")));
        assert_eq!(seen["body_sha256"], "2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824");
        assert!(!answer.body.contains("Signature=") && !answer.body.contains("security-token"), "{}", answer.body);
    }
}

#[tokio::test]
async fn whoever_does_not_sign_is_told_so() {
    let emulator = Fixture::start().await;
    for path in ["/execute-api", "/execute-api/x", "/s3/bucket/key"] {
        let answer = emulator.send("GET", path, &[], "").await;
        assert_eq!((answer.status, &*answer.body), (403, "{\"message\":\"Missing Authentication Token\"}"), "{path}");
        assert_eq!(answer.header("x-amzn-errortype"), Some("MissingAuthenticationTokenException"));
    }
    let stranger = Keys { secret: "wrong".to_owned(), ..broker() };
    let answer = stranger.gateway(&emulator, "/execute-api/x", "").await;
    assert_eq!((answer.status, answer.header("x-amzn-errortype")), (403, Some("InvalidSignatureException")));
}
