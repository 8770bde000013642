//! The events of API Gateway's authorizers, in the shapes that [`super`] lists.

use std::collections::HashMap;

use secrecy::SecretString;
use serde::Deserialize;
use serde_json::{Value, json};

/// What is asked of an authorizer.
pub struct Event {
    /// The method or route.
    pub arn: String,
    /// `None` where there is none, or more than one.
    pub token: Option<SecretString>,
    /// How it is answered.
    pub format: Format,
}

/// How an authorizer answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
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

/// The schema of the events.
pub fn described() -> Value {
    let text = json!({ "type": ["string", "null"] });
    let many = json!({ "type": ["array", "null"], "items": { "type": "string" } });
    let headers = json!({ "type": ["object", "null"], "additionalProperties": { "type": "string" } });
    let values = json!({ "type": "array", "items": { "type": "string" } });
    let multi = json!({ "type": ["object", "null"], "additionalProperties": values });
    let arn = json!({ "type": "string", "pattern": "^arn:[a-z-]+:execute-api:[a-z0-9-]+:[0-9]+:[a-z0-9]+/.+$" });
    let (token, request) = (json!({ "const": "TOKEN" }), json!({ "const": "REQUEST" }));
    let first = json!({ "enum": ["1.0", null] });
    json!({ "anyOf": [
        {
            "type": "object",
            "required": ["type", "methodArn"],
            "properties": { "type": token, "version": first, "authorizationToken": text, "methodArn": arn },
        },
        {
            "type": "object",
            "required": ["type", "methodArn"],
            "properties": {
                "type": request,
                "version": first,
                "authorizationToken": text,
                "headers": headers,
                "multiValueHeaders": multi,
                "methodArn": arn,
            },
        },
        {
            "type": "object",
            "required": ["type", "version", "routeArn"],
            "properties": {
                "type": request,
                "version": { "const": "2.0" },
                "identitySource": many,
                "headers": headers,
                "routeArn": arn,
            },
        },
    ] })
}

impl Event {
    /// Reads an event; `None` if it is none.
    pub fn read(body: &[u8]) -> Option<Self> {
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

#[cfg(test)]
#[expect(clippy::disallowed_methods, reason = "tests look at what they sent")]
mod tests {
    use super::*;
    use secrecy::ExposeSecret as _;

    const METHOD: &str = "arn:aws:execute-api:eu-west-1:111122223333:abcdef123/test/GET/orders";

    fn token(event: &Value) -> Option<String> {
        let event = Event::read(event.to_string().as_bytes()).unwrap();
        event.token.map(|token| token.expose_secret().to_owned())
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
}
