//! The XML answers of the query protocol.

use serde_json::{Value, json};

use crate::failure::Failure;

const NAMESPACE: &str = "https://sts.amazonaws.com/doc/2011-06-15/";

/// `<OperationResponse><OperationResult>…</OperationResult><ResponseMetadata>…</OperationResponse>`
pub(super) fn success(operation: &str, result: &Value, request_id: &str) -> String {
    let mut out = format!("<{operation}Response xmlns=\"{NAMESPACE}\">");
    element(&mut out, &format!("{operation}Result"), result);
    element(&mut out, "ResponseMetadata", &json!({ "RequestId": request_id }));
    out.push_str(&format!("</{operation}Response>\n"));
    out
}

/// `<ErrorResponse><Error><Type/><Code/><Message/></Error><RequestId/></ErrorResponse>`
pub(super) fn failure(failure: &Failure, request_id: &str) -> String {
    let side = if failure.status < 500 { "Sender" } else { "Receiver" };
    let mut out = format!("<ErrorResponse xmlns=\"{NAMESPACE}\">");
    element(&mut out, "Error", &json!({ "Type": side, "Code": failure.code, "Message": failure.message }));
    element(&mut out, "RequestId", &Value::from(request_id));
    out.push_str("</ErrorResponse>\n");
    out
}

/// Objects become child elements, absent values nothing.
fn element(out: &mut String, name: &str, value: &Value) {
    if value.is_null() {
        return;
    }
    out.push_str(&format!("<{name}>"));
    match value {
        Value::Object(members) => members.iter().for_each(|(name, value)| element(out, name, value)),
        Value::Array(items) => items.iter().for_each(|item| element(out, "member", item)),
        Value::String(text) => escape(out, text),
        other => out.push_str(&other.to_string()),
    }
    out.push_str(&format!("</{name}>"));
}

fn escape(out: &mut String, text: &str) {
    for character in text.chars() {
        match character {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            other => out.push(other),
        }
    }
}
