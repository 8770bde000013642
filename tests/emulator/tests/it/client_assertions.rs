//! Client assertions at `/as/NAME/token`: a client's own JWT, and one of STS.

use serde_json::{Value, json};

use crate::assertions::{signed, with_header};
use crate::authorization_server::{ASSERTION, GRANT, TOKEN, encoded, post, refused};
use crate::signer::{Keys, broker};
use crate::sts::assume;
use crate::wire::{Answer, Fixture, claims};

async fn with_assertion(emulator: &Fixture, jwt: &str, more: &[(&str, &str)]) -> Answer {
    post(emulator, None, &[&[GRANT, ASSERTION, ("client_assertion", jwt)], more].concat()).await
}

/// Claims an assertion of `partner-jwt` needs.
fn assertion(emulator: &Fixture, jti: &str) -> Value {
    let now = jiff::Timestamp::now().as_second();
    let audience = format!("{}{TOKEN}", emulator.url());
    json!({ "iss": "partner-jwt", "sub": "partner-jwt", "aud": audience, "iat": now, "exp": now + 120, "jti": jti })
}

fn changed(mut claims: Value, change: Value) -> Value {
    for (name, value) in change.as_object().unwrap().clone() {
        match value {
            Value::Null => drop(claims.as_object_mut().unwrap().remove(&name)),
            value => claims[name] = value,
        }
    }
    claims
}

#[tokio::test]
async fn a_client_signs_with_any_of_its_keys() {
    let emulator = Fixture::start().await;
    for (algorithm, kid) in
        [("RS256", "partner-rsa"), ("PS256", "partner-rsa"), ("ES256", "partner-ec"), ("EdDSA", "partner-ed25519")]
    {
        let jwt = signed(algorithm, kid, &assertion(&emulator, algorithm));
        let answer = with_assertion(&emulator, &jwt, &[("client_id", "partner-jwt")]).await;
        assert_eq!(answer.status, 200, "{algorithm}: {}", answer.body);
        refused(&with_assertion(&emulator, &jwt, &[]).await, 401, "invalid_client");
    }
    let issuer = changed(assertion(&emulator, "i"), json!({ "aud": [emulator.authorization_server("partner")] }));
    let bare = with_header("ES256", &json!({ "alg": "ES256" }), &issuer);
    assert_eq!(with_assertion(&emulator, &bare, &[]).await.status, 200);
}

#[tokio::test]
async fn an_assertion_that_is_not_right_in_everything_is_refused() {
    let emulator = Fixture::start().await;
    let now = jiff::Timestamp::now().as_second();
    let good = assertion(&emulator, "once");
    for change in [
        json!({ "iss": "partner-basic" }),
        json!({ "sub": "nobody" }),
        json!({ "iss": null }),
        json!({ "aud": "https://elsewhere.example" }),
        json!({ "aud": emulator.url() }),
        json!({ "aud": [good["aud"], "https://elsewhere.example"] }),
        json!({ "aud": null }),
        json!({ "exp": null }),
        json!({ "exp": now - 1 }),
        json!({ "exp": now + 400 }),
        json!({ "exp": "soon" }),
        json!({ "jti": null }),
        json!({ "jti": "" }),
        json!({ "iat": now + 200 }),
        json!({ "nbf": now + 200 }),
    ] {
        let jwt = signed("ES256", "partner-ec", &changed(good.clone(), change.clone()));
        let answer = with_assertion(&emulator, &jwt, &[]).await;
        assert_eq!((answer.status, &answer.json()["error"]), (401, &json!("invalid_client")), "{change}");
    }
    let claims = |jti: &str| assertion(&emulator, jti);
    let unsigned = with_header("none", &json!({ "alg": "none" }), &claims("none"));
    let other_key = signed("ES256", "partner-rsa", &claims("kid"));
    let confused = with_header("RS256", &json!({ "alg": "PS256", "kid": "partner-rsa" }), &claims("alg"));
    let access = with_header("ES256", &json!({ "alg": "ES256", "typ": "at+jwt" }), &claims("typ"));
    let tampered = signed("ES256", "partner-ec", &claims("t")).replace("ey", "eY");
    for jwt in [unsigned.as_str(), &other_key, &confused, &access, &tampered, "garbage"] {
        refused(&with_assertion(&emulator, jwt, &[]).await, 401, "invalid_client");
    }
    let jwt = signed("ES256", "partner-ec", &claims("id"));
    refused(&with_assertion(&emulator, &jwt, &[("client_id", "partner-basic")]).await, 401, "invalid_client");
    let kind = [GRANT, ("client_assertion_type", "urn:x"), ("client_assertion", jwt.as_str())];
    refused(&post(&emulator, None, &kind).await, 401, "invalid_client");
    assert_eq!(with_assertion(&emulator, &jwt, &[]).await.status, 200);
}

#[tokio::test]
async fn a_role_of_aws_is_a_client_without_a_secret() {
    let emulator = Fixture::start().await;
    let hub = Keys::of(&broker().sts(&emulator, &assume("hub", "")).await);
    let jwt = async |keys: &Keys, audience: &str| {
        let body = format!("Action=GetWebIdentityToken&SigningAlgorithm=ES384&Audience.member.1={}", encoded(audience));
        keys.sts(&emulator, &body).await.element("WebIdentityToken").to_owned()
    };
    let issuer = emulator.authorization_server("partner");
    let own = [("client_id", "partner-aws")];
    let good = jwt(&hub, &issuer).await;
    for _ in 0..2 {
        let answer = with_assertion(&emulator, &good, &own).await;
        assert_eq!(answer.status, 200, "{}", answer.body);
    }
    refused(&with_assertion(&emulator, &good, &[]).await, 401, "invalid_client");
    refused(&with_assertion(&emulator, &good, &[("client_id", "partner-jwt")]).await, 401, "invalid_client");
    refused(&with_assertion(&emulator, &jwt(&hub, "https://else.example").await, &own).await, 401, "invalid_client");
    refused(&with_assertion(&emulator, &jwt(&broker(), &issuer).await, &own).await, 401, "invalid_client");
    let claimed = changed(claims(&good), json!({ "iss": emulator.outbound_issuer() }));
    refused(&with_assertion(&emulator, &signed("ES256", "partner-ec", &claimed), &own).await, 401, "invalid_client");
    emulator.control().clock_offset(301);
    refused(&with_assertion(&emulator, &good, &own).await, 401, "invalid_client");
}
