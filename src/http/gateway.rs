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

use std::collections::HashMap;
use std::sync::Arc;

use http::{Method, StatusCode};
use secrecy::{ExposeSecret as _, SecretString};
use serde::Deserialize;
use serde_json::{Map, Value, json};
use warp::Filter as _;

use super::authorize::{accepted, permitted, scopes};
use super::body::Body;
use super::reply::{self, Response, Style, Trouble};
use super::{Asker, Routes, Surface, allowed, query, with};
use crate::verify::Verified;

const METHODS: &[&str] = &["POST"];

/// What is asked of an authorizer.
struct Event {
    arn: String,
    /// `None` where there is none, or more than one.
    token: Option<SecretString>,
    format: Format,
}

/// How an authorizer answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Format {
    /// With an IAM policy.
    Iam,
    /// With yes or no.
    Simple,
}

/// What tells the events apart.
#[derive(Deserialize)]
struct Shape {
    #[serde(rename = "type")]
    kind: String,
    version: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct TokenEvent {
    authorization_token: Option<SecretString>,
    method_arn: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct RequestEvent {
    authorization_token: Option<SecretString>,
    headers: Option<HashMap<String, SecretString>>,
    multi_value_headers: Option<HashMap<String, Vec<SecretString>>>,
    method_arn: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct RouteEvent {
    identity_source: Option<Vec<SecretString>>,
    headers: Option<HashMap<String, SecretString>>,
    route_arn: String,
}

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
    let outcome = match &event.token {
        #[expect(clippy::disallowed_methods, reason = "a token is verified by looking at it")]
        Some(token) => accepted(issuer, without_scheme(token.expose_secret()), &required).await,
        None => return Ok(reply::json(StatusCode::OK, &event.decision(format, None))),
    };
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
    /// Reads an event; `None` if it is none.
    fn read(body: &[u8]) -> Option<Self> {
        // The parser's own words may quote the body.
        let shape: Shape = serde_json::from_slice(body).ok()?;
        let event = match (shape.kind.as_str(), shape.version.as_deref()) {
            ("TOKEN", None | Some("1.0")) => Self::of_token(serde_json::from_slice(body).ok()?),
            ("REQUEST", None | Some("1.0")) => Self::of_request(serde_json::from_slice(body).ok()?),
            ("REQUEST", Some("2.0")) => Self::of_route(serde_json::from_slice(body).ok()?),
            _ => return None,
        };
        is_invocation(&event.arn).then_some(event)
    }

    fn of_token(event: TokenEvent) -> Self {
        Self { arn: event.method_arn, token: event.authorization_token, format: Format::Iam }
    }

    fn of_request(event: RequestEvent) -> Self {
        let multi = event.multi_value_headers.unwrap_or_default().into_iter();
        let mut shown =
            authorization(multi.flat_map(|(name, values)| values.into_iter().map(move |v| (name.clone(), v))));
        if shown.is_empty() {
            shown = authorization(event.headers.unwrap_or_default());
        }
        if shown.is_empty() {
            shown.extend(event.authorization_token);
        }
        Self { arn: event.method_arn, token: only(shown), format: Format::Iam }
    }

    fn of_route(event: RouteEvent) -> Self {
        let chosen = event.identity_source.and_then(only);
        let token = chosen.or_else(|| only(authorization(event.headers.unwrap_or_default())));
        Self { arn: event.route_arn, token, format: Format::Simple }
    }

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

/// Is it a method or a route of an API? `arn:PARTITION:execute-api:REGION:ACCOUNT:API/STAGE/…`
fn is_invocation(arn: &str) -> bool {
    let mut parts = arn.splitn(6, ':');
    let (prefix, service, api) = (parts.next(), parts.nth(1), parts.nth(2));
    prefix == Some("arn") && service == Some("execute-api") && api.is_some_and(|api| api.contains('/'))
}

/// The values of the header, however it is spelled.
fn authorization(headers: impl IntoIterator<Item = (String, SecretString)>) -> Vec<SecretString> {
    let named = headers.into_iter().filter(|(name, _)| name.eq_ignore_ascii_case("authorization"));
    named.map(|(_, value)| value).collect()
}

/// The one value: of two, nobody knows which the integration behind the gateway believes.
fn only(mut values: Vec<SecretString>) -> Option<SecretString> {
    values.pop().filter(|_| values.is_empty())
}

fn without_scheme(text: &str) -> &str {
    match text.split_once(' ') {
        Some((scheme, token)) if scheme.eq_ignore_ascii_case("bearer") => token.trim(),
        _ => text.trim(),
    }
}

#[cfg(test)]
#[expect(clippy::disallowed_methods, reason = "tests look at what they sent")]
mod tests {
    use super::*;
    use crate::clock::Clock;

    const METHOD: &str = "arn:aws:execute-api:eu-west-1:111122223333:abcdef123/test/GET/orders";

    fn token(event: &Value) -> Option<String> {
        let event = Event::read(event.to_string().as_bytes()).unwrap();
        event.token.map(|token| token.expose_secret().to_owned())
    }

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
    fn each_event_has_its_token_in_its_place() {
        let t = Some("t".to_owned());
        assert_eq!(token(&json!({"type":"TOKEN","authorizationToken":"t","methodArn":METHOD})), t);
        assert_eq!(token(&json!({"type":"REQUEST","headers":{"AUTHORIZATION":"t"},"methodArn":METHOD})), t);
        let multi =
            json!({"type":"REQUEST","headers":null,"multiValueHeaders":{"Authorization":["t"]},"methodArn":METHOD});
        assert_eq!(token(&multi), t);
        let http =
            json!({"version":"1.0","type":"REQUEST","identitySource":"t","authorizationToken":"t","methodArn":METHOD});
        assert_eq!(token(&http), t);
        let chosen = json!({"version":"2.0","type":"REQUEST","identitySource":["t"],"headers":{"authorization":"other"},"routeArn":METHOD});
        assert_eq!(token(&chosen), t);
        let several = json!({"version":"2.0","type":"REQUEST","identitySource":["k","t"],"headers":{"authorization":"t"},"routeArn":METHOD});
        assert_eq!(token(&several), t);
    }

    #[test]
    fn of_two_tokens_none_is_believed() {
        let two = json!({"type":"REQUEST","headers":{"Authorization":"a"},"multiValueHeaders":{"Authorization":["a","b"]},"methodArn":METHOD});
        assert_eq!(token(&two), None);
        let spelled = json!({"type":"REQUEST","headers":{"Authorization":"a","authorization":"b"},"methodArn":METHOD});
        assert_eq!(token(&spelled), None);
        assert_eq!(token(&json!({"version":"2.0","type":"REQUEST","routeArn":METHOD})), None);
    }

    #[test]
    fn what_is_no_event_is_not_read() {
        for body in [
            json!({}),
            json!([]),
            json!({"type":"TOKEN","authorizationToken":"t"}),
            json!({"type":"TOKEN","authorizationToken":7,"methodArn":METHOD}),
            json!({"type":"TOKEN","authorizationToken":"t","methodArn":"*"}),
            json!({"type":"TOKEN","authorizationToken":"t","methodArn":"arn:aws:s3:::bucket/key"}),
            json!({"type":"OTHER","authorizationToken":"t","methodArn":METHOD}),
            json!({"version":"3.0","type":"REQUEST","routeArn":METHOD}),
            json!({"version":"2.0","type":"REQUEST","methodArn":METHOD}),
        ] {
            assert!(Event::read(body.to_string().as_bytes()).is_none(), "{body}");
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
