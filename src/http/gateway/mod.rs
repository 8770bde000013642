//! `POST /v1/authorize/{issuer}/policy`: the answer of an Amazon API Gateway Lambda authorizer, for a function that passes its
//! event on to the broker beside it and returns what it is told.
//!
//! The body is the event as the function got it, and says its own shape:
//! - `"type":"TOKEN"` (REST APIs): the token in `authorizationToken`, the method in `methodArn`.
//! - `"type":"REQUEST"`, payload 1.0 (REST, WebSocket and HTTP APIs): the token in the `Authorization` header of
//!   `multiValueHeaders` or else `headers`, or where there is none in `authorizationToken`; the method in `methodArn`.
//! - `"version":"2.0"` (HTTP APIs): the token in `identitySource` where that has one member, which is what the operator chose,
//!   else in the `Authorization` header; the route in `routeArn`.
//!
//! The scheme `Bearer` may be left out, as it often is there. The caller shows itself as everywhere and needs `issuers.NAME` in
//! its `allow`. `?scope=a b` asks for scopes beyond those of the configuration.
//!
//! Answer, 200: for 2.0 `{"isAuthorized":…,"context":{…}}`, unless `?format=iam` asks for a policy; else
//! `{"principalId","policyDocument","context"}`, which allows or denies `execute-api:Invoke` of that one method. The context
//! has `subject`, `client` and `scope`, as texts. Deny for every token that is not valid, also while the issuer's keys cannot
//! be had: a gateway has no third answer. An event that is none is a 400.
//!
//! API Gateway remembers a policy by token and applies it to other methods. So whoever asks for the method `/*` is denied,
//! rather than allowed all of them.

mod event;

use std::sync::Arc;

use http::{Method, StatusCode};
use secrecy::ExposeSecret as _;
use serde_json::{Map, Value, json};
use warp::Filter as _;

use super::authorize::{accepted, permitted, scopes};
use super::body::Body;
use super::describe::{JSON, Operation, Path, of};
use super::reply::{self, Response, Style, Trouble};
use super::{Asker, Routes, Surface, allowed, query, with};
use crate::verify::Verified;
use event::{Event, Format};

const METHODS: &[&str] = &["POST"];

/// The route.
pub fn route(surface: &Arc<Surface>) -> Routes {
    warp::path!("v1" / "authorize" / String / "policy")
        .and(warp::method())
        .and(query())
        .and(warp::ext::get::<Body>())
        .and(warp::ext::get::<Asker>())
        .and(with(surface))
        .then(async |name: String, method: Method, query: String, body: Body, asker: Asker, surface: Arc<Surface>| {
            answer(&surface, &asker, &name, &method, &query, &body)
                .await
                .unwrap_or_else(|trouble| reply::refusal(&trouble, Style::OAuth))
        })
        .boxed()
}

/// The path, described.
pub fn described() -> Path {
    let (name, text) = ("issuers.users", json!({ "type": "string" }));
    let (policy, decision) = decisions();
    let ask = Operation::guarded("Verification", "authorizeEvent", "The answer of an API Gateway Lambda authorizer")
        .explained(
            "The body is the event as the function got it. Deny for every token that is not valid, also while the \
             issuer's keys cannot be had.",
        )
        .taking("query", "scope", "Scopes beyond those of the configuration, separated by spaces.", &text)
        .taking("query", "format", "A policy also for an event of payload 2.0.", &json!({ "const": "iam" }))
        .reading(&[(JSON, event::described())])
        .answering(
            StatusCode::OK,
            "A policy, or for payload 2.0 yes or no.",
            [(JSON, json!({ "anyOf": [of("AuthorizerPolicy"), of("AuthorizerDecision")] }))],
            &[],
        )
        .refusing([Trouble::NoSuchName(name.into()), Trouble::NotAllowed(name.into())]);
    Path::at("/v1/authorize/{issuer}/policy")
        .naming("issuer", "Which of `[issuers]`.")
        .defining("AuthorizerPolicy", policy)
        .defining("AuthorizerDecision", decision)
        .offering(METHODS, &ask)
}

/// The schemas of both answers.
fn decisions() -> (Value, Value) {
    let text = json!({ "type": "string" });
    let context = json!({ "type": "object", "properties": { "subject": text, "client": text, "scope": text } });
    let statement = json!({
        "type": "object",
        "required": ["Action", "Effect", "Resource"],
        "properties": {
            "Action": { "const": "execute-api:Invoke" },
            "Effect": { "enum": ["Allow", "Deny"] },
            "Resource": text,
        },
    });
    let document = json!({
        "type": "object",
        "required": ["Version", "Statement"],
        "properties": { "Version": { "const": "2012-10-17" }, "Statement": { "type": "array", "items": statement } },
    });
    let policy = json!({
        "type": "object",
        "required": ["principalId", "policyDocument", "context"],
        "properties": { "principalId": text, "policyDocument": document, "context": context },
    });
    let decision = json!({
        "type": "object",
        "required": ["isAuthorized", "context"],
        "properties": { "isAuthorized": { "type": "boolean" }, "context": context },
    });
    (policy, decision)
}

async fn answer(
    surface: &Surface,
    asker: &Asker,
    name: &str,
    method: &Method,
    query: &str,
    body: &Body,
) -> Result<Response, Trouble> {
    allowed(method, METHODS)?;
    let (issuer, permit) = permitted(surface, asker, name)?;
    let (required, format) = asked(query)?;
    let event = Event::read(body.bytes()).ok_or(Trouble::BadRequest(
        "the body is no event of an API Gateway authorizer: TOKEN, or REQUEST of payload 1.0 or 2.0",
    ))?;
    let Some(token) = &event.token else {
        asker.notes().denied("token_required");
        return Ok(reply::json(StatusCode::OK, &event.decision(format, None)));
    };
    #[expect(clippy::disallowed_methods, reason = "a token is verified by looking at it")]
    let token = without_scheme(token.expose_secret());
    let outcome = accepted(issuer, token, &required).await;
    asker.notes().verified(surface, token, &outcome);
    if let Err(refused) = &outcome {
        tracing::debug!(caller = permit.caller(), issuer = %permit.grant(), why = refused.as_str(), "denied");
    }
    Ok(reply::json(StatusCode::OK, &event.decision(format, outcome.ok().as_ref())))
}

/// The scopes that the query asks for, and the format, where it says one.
fn asked(query: &str) -> Result<(Vec<String>, Option<Format>), Trouble> {
    let (mut required, mut format) = (None, None);
    for (key, value) in url::form_urlencoded::parse(query.as_bytes()) {
        let again = match (&*key, &*value) {
            ("scope", value) => required.replace(scopes(value)?).is_some(),
            ("format", "iam") => format.replace(Format::Iam).is_some(),
            _ => return Err(Trouble::BadRequest("the query parameters here are scope and format=iam")),
        };
        if again {
            return Err(Trouble::BadRequest("a query parameter is given once"));
        }
    }
    Ok((required.unwrap_or_default(), format))
}

impl Event {
    /// What the authorizer answers.
    fn decision(&self, format: Option<Format>, verified: Option<&Verified>) -> Value {
        // A wildcard would allow more than was asked for.
        let verified = verified.filter(|_| !self.arn.contains(['*', '?']));
        let context = verified.map_or_else(Map::new, context);
        match format.unwrap_or(self.format) {
            Format::Simple => json!({ "isAuthorized": verified.is_some(), "context": context }),
            Format::Iam => {
                let principal = verified.and_then(|verified| verified.subject.as_ref().or(verified.client.as_ref()));
                let effect = if verified.is_some() { "Allow" } else { "Deny" };
                json!({
                    "principalId": principal.map_or("unknown", String::as_str),
                    "policyDocument": {
                        "Version": "2012-10-17",
                        "Statement": [{ "Action": "execute-api:Invoke", "Effect": effect, "Resource": self.arn }],
                    },
                    "context": context,
                })
            }
        }
    }
}

/// What the integration behind the gateway is told.
fn context(verified: &Verified) -> Map<String, Value> {
    let scope = Some(verified.scopes.join(" ")).filter(|scope| !scope.is_empty());
    let said =
        [("subject", verified.subject.clone()), ("client", verified.client.clone()), ("scope", scope)].into_iter();
    said.filter_map(|(name, value)| Some((name.to_owned(), json!(value?)))).collect()
}

fn without_scheme(text: &str) -> &str {
    match text.split_once(' ') {
        Some((scheme, token)) if scheme.eq_ignore_ascii_case("bearer") => token.trim(),
        _ => text.trim(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::Clock;

    const METHOD: &str = "arn:aws:execute-api:eu-west-1:111122223333:abcdef123/test/GET/orders";

    fn verified(subject: Option<&str>, scopes: &[&str]) -> Verified {
        Verified {
            issuer: "https://issuer.example".into(),
            subject: subject.map(ToOwned::to_owned),
            client: Some("client".into()),
            scopes: scopes.iter().map(ToString::to_string).collect(),
            expiry: Clock::system().now(),
            claims: Map::new(),
        }
    }

    #[test]
    fn a_decision_is_in_the_form_of_the_event_unless_another_is_asked_for() {
        let event = |format| Event { arn: METHOD.into(), token: None, format };
        let ann = verified(Some("ann"), &["a", "b"]);
        let context = json!({ "subject": "ann", "client": "client", "scope": "a b" });
        let policy = |effect: &str, principal: &str, context: &Value| {
            let statement = json!([{ "Action": "execute-api:Invoke", "Effect": effect, "Resource": METHOD }]);
            let document = json!({ "Version": "2012-10-17", "Statement": statement });
            json!({ "principalId": principal, "policyDocument": document, "context": context })
        };
        assert_eq!(event(Format::Iam).decision(None, Some(&ann)), policy("Allow", "ann", &context));
        assert_eq!(event(Format::Iam).decision(None, None), policy("Deny", "unknown", &json!({})));
        let simple = event(Format::Simple);
        assert_eq!(simple.decision(None, Some(&ann)), json!({ "isAuthorized": true, "context": context }));
        assert_eq!(simple.decision(None, None), json!({ "isAuthorized": false, "context": {} }));
        assert_eq!(simple.decision(Some(Format::Iam), Some(&ann)), policy("Allow", "ann", &context));
        let machine = event(Format::Iam).decision(None, Some(&verified(None, &[])));
        assert_eq!(machine, policy("Allow", "client", &json!({ "client": "client" })));
    }

    #[test]
    fn a_wildcard_allows_nothing() {
        for path in ["*", "orders/?"] {
            let arn = METHOD.replace("orders", path);
            let event = Event { arn, token: None, format: Format::Simple };
            assert_eq!(event.decision(None, Some(&verified(Some("ann"), &[])))["isAuthorized"], false, "{path}");
        }
    }

    #[test]
    fn the_query_asks_for_scopes_and_a_format() {
        let asked = |query| asked(query).map_err(|trouble| trouble.status().as_u16());
        assert_eq!(asked(""), Ok((vec![], None)));
        assert_eq!(asked("scope=a&format=iam"), Ok((vec!["a".to_owned()], Some(Format::Iam))));
        for query in ["format=simple", "scop=a", "scope=a&scope=b", "format=iam&format=iam"] {
            assert_eq!(asked(query), Err(400), "{query}");
        }
    }
}
