//! A fault as a JSON document.

use serde::de::{Deserialize, Deserializer, Error};
use serde_json::{Map, Value};

use super::{Fault, FaultKind};

impl<'de> Deserialize<'de> for Fault {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Fault, D::Error> {
        read(Map::deserialize(deserializer)?).map_err(D::Error::custom)
    }
}

fn read(mut members: Map<String, Value>) -> Result<Fault, String> {
    let operation = match members.remove("operation") {
        Some(Value::String(name)) => name,
        _ => return Err("operation must be an operation's name or *".to_owned()),
    };
    let count = number(&mut members, "count", 1)?;
    let after = number(&mut members, "after", 0)?;
    let kind = match members.remove("kind") {
        Some(kind) if members.is_empty() => kind,
        None if members.len() == 1 => Value::Object(members),
        _ => return Err("a fault has operation, count, after and exactly one kind".to_owned()),
    };
    let kind: FaultKind = serde_json::from_value(kind).map_err(|e| format!("the fault's kind: {e}"))?;
    sendable(&kind)?;
    Ok(Fault { operation, count, after, kind })
}

fn number(members: &mut Map<String, Value>, name: &str, default: u64) -> Result<u64, String> {
    match members.remove(name) {
        None => Ok(default),
        Some(value) => value.as_u64().ok_or_else(|| format!("{name} must be a number, zero or more")),
    }
}

/// A status that HTTP can carry as a final answer.
fn sendable(kind: &FaultKind) -> Result<(), String> {
    match kind {
        FaultKind::Status { status, .. } | FaultKind::Error { status, .. } if !(200..=599).contains(status) => {
            Err("status must be 200 to 599".to_owned())
        }
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::{Fault, FaultKind};

    #[test]
    fn both_spellings_and_the_mistakes() {
        let flat: Fault = serde_json::from_str(r#"{"operation":"token","status":{"status":503}}"#).unwrap();
        assert!(matches!(flat.kind, FaultKind::Status { status: 503, .. }));
        assert_eq!((flat.count, flat.after), (1, 0));
        let wrapped: Fault =
            serde_json::from_str(r#"{"operation":"*","count":0,"after":2,"kind":{"hang":{}}}"#).unwrap();
        assert!(matches!(wrapped.kind, FaultKind::Hang {}));
        assert_eq!((wrapped.count, wrapped.after), (0, 2));
        for wrong in [
            r#"{"operation":"token"}"#,
            r#"{"status":{"status":503}}"#,
            r#"{"operation":"token","hang":{},"cut":{}}"#,
            r#"{"operation":"token","explode":{}}"#,
            r#"{"operation":"token","count":-1,"hang":{}}"#,
            r#"{"operation":"token","status":{"status":99}}"#,
            r#"{"operation":"token","delay":{"seconds":1}}"#,
        ] {
            assert!(serde_json::from_str::<Fault>(wrong).is_err(), "{wrong}");
        }
    }
}
