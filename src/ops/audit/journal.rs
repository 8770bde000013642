//! A record as a message of journald's native protocol (<https://systemd.io/JOURNAL_NATIVE_PROTOCOL/>): a field in each line, of which
//! `MESSAGE` is the JSON. The others are there to be searched by: `journalctl CREDBROKER_CALLER=orders`.

use super::record::{Record, cut};

/// The datagram.
pub fn message(record: &Record<'_>) -> Vec<u8> {
    let number = |number: Option<u32>| number.map(|number| number.to_string());
    let (status, uid) = (number(record.status.map(u32::from)), number(record.uid));
    let fingerprint = record.fingerprint.map(|fingerprint| fingerprint.to_string());
    let mut message = b"MESSAGE=".to_vec();
    message.extend_from_slice(&record.json());
    message.extend_from_slice(b"\nPRIORITY=6\nSYSLOG_IDENTIFIER=credbroker-audit\n");
    for (field, value) in [
        ("CREDBROKER_EVENT", Some(record.event.as_str())),
        ("CREDBROKER_OUTCOME", Some(record.outcome.as_str())),
        ("CREDBROKER_STATUS", status.as_deref()),
        ("CREDBROKER_REASON", record.reason),
        ("CREDBROKER_CALLER", record.caller),
        ("CREDBROKER_UID", uid.as_deref()),
        ("CREDBROKER_UNIT", record.unit),
        ("CREDBROKER_NAME", record.name),
        ("CREDBROKER_FINGERPRINT", fingerprint.as_deref()),
    ] {
        // A line break would begin another field; what has one stands in the JSON alone, where it is escaped.
        if let Some(value) = value.map(cut).filter(|value| !value.contains(char::is_control)) {
            message.extend_from_slice(format!("{field}={value}\n").as_bytes());
        }
    }
    message
}
