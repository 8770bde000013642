use std::os::unix::net::UnixDatagram;
use std::time::{Duration, UNIX_EPOCH};

use super::*;
use crate::policy::{Factors, Process};

fn clock() -> Clock {
    Clock::tokio(UNIX_EPOCH + Duration::from_millis(1_700_000_000_123))
}

fn full() -> Process {
    Process { uid: Some(7), gid: Some(70), pid: Some(700), unit: Some("orders.service".into()) }
}

fn record(process: &Process) -> Record<'_> {
    Record {
        status: Some(200),
        caller: Some("orders"),
        known_by: Known(Factors { token: true, uid: true, ..Factors::default() }),
        transport: Some("unix"),
        name: Some("tokens.billing"),
        via: Some("egress.billing"),
        scope: Some("billing/read"),
        cache: Some("hit"),
        fingerprint: Some(Key::read(&Secret::Env("KEY".into()), &environment()).unwrap().of("abc")),
        expires_at: Some(UNIX_EPOCH + Duration::from_secs(1_700_003_600)),
        upstream_request_id: Some("4c8e2f1a"),
        ..Record::of(Event::Egress, Outcome::Issued).by_process(process)
    }
}

fn environment() -> Environment {
    Environment::from([("KEY", "0123456789abcdef0123456789abcdef")])
}

#[test]
fn a_line_has_its_keys_in_their_order_and_absent_ones_left_out() {
    let process = full();
    let line = String::from_utf8(record(&process).line()).unwrap();
    // printf %s abc | openssl dgst -sha256 -hmac 0123456789abcdef0123456789abcdef
    assert_eq!(
        line,
        concat!(
            r#"{"time":"1970-01-01T00:00:00.000Z","event":"egress","outcome":"issued","status":200,"#,
            r#""caller":"orders","known_by":["token","uid"],"transport":"unix","uid":7,"gid":70,"pid":700,"#,
            r#""unit":"orders.service","name":"tokens.billing","via":"egress.billing","scope":"billing/read","#,
            r#""cache":"hit","fingerprint":"a60c859a6827c5ea576a48d8d368672f","#,
            r#""expires_at":"2023-11-14T23:13:20Z","upstream_request_id":"4c8e2f1a"}"#,
            "\n"
        )
    );
    let least = Record { reason: Some("UnknownCaller"), ..Record::of(Event::Token, Outcome::Refused) };
    let json = r#"{"time":"1970-01-01T00:00:00.000Z","event":"token","outcome":"refused","reason":"UnknownCaller"}"#;
    assert_eq!(String::from_utf8(least.json()).unwrap(), json);
}

#[test]
fn no_text_makes_a_second_line_or_a_long_one() {
    let unit = format!("a\nb\r\u{1b}[2J\"}}{{{}", "\u{e4}".repeat(4_000));
    let process = Process { unit: Some(unit.as_str().into()), ..full() };
    let line = String::from_utf8(record(&process).line()).unwrap();
    assert!(
        line.len() < 2_000 && line.matches('\n').count() == 1 && !line[..line.len() - 1].contains(char::is_control)
    );
    let read: serde_json::Value = serde_json::from_str(&line).unwrap();
    assert!(unit.starts_with(read["unit"].as_str().unwrap()));
    let message = String::from_utf8(journal::message(&record(&process))).unwrap();
    let fields =
        message.lines().filter(|line| !line.starts_with("CREDBROKER_") && !line.starts_with("MESSAGE=")).count();
    assert_eq!((fields, message.contains("CREDBROKER_UNIT")), (2, false), "{message}");
}

#[test]
fn journald_is_sent_a_message_for_each_line_also_after_it_was_started_anew() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("socket");
    let config = Config { to: To::Journald, key: Some(Secret::Env("KEY".into())) };
    let audit = Audit(Current::new(Open::with_journal_at(&path, &config, &environment(), &clock()).unwrap()));
    let process = full();
    for lost in [0, 1] {
        let journal = UnixDatagram::bind(&path).unwrap();
        journal.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
        audit.write(&record(&process));
        let mut message = [0; 4_096];
        let length = journal.recv(&mut message).unwrap();
        let message = std::str::from_utf8(&message[..length]).unwrap();
        let fields: Vec<_> = message.lines().filter_map(|line| line.split_once('=')).collect();
        let of = |name| fields.iter().find(|(field, _)| *field == name).map(|(_, value)| *value);
        let line: serde_json::Value = serde_json::from_str(of("MESSAGE").unwrap()).unwrap();
        assert_eq!(line["caller"], "orders");
        assert!(line["time"].as_str().unwrap().starts_with("2023-11-14T22:1"), "{line}");
        for (field, value) in [
            ("SYSLOG_IDENTIFIER", "credbroker-audit"),
            ("PRIORITY", "6"),
            ("CREDBROKER_EVENT", "egress"),
            ("CREDBROKER_OUTCOME", "issued"),
            ("CREDBROKER_STATUS", "200"),
            ("CREDBROKER_CALLER", "orders"),
            ("CREDBROKER_NAME", "tokens.billing"),
            ("CREDBROKER_UNIT", "orders.service"),
        ] {
            assert_eq!(of(field), Some(value), "{message}");
        }
        assert_eq!(of("CREDBROKER_FINGERPRINT"), line["fingerprint"].as_str());
        assert_eq!(audit.standing(), ("journald".to_owned(), lost));
        drop(journal);
        std::fs::remove_file(&path).unwrap();
        audit.write(&record(&process));
        audit.finish();
    }
    assert_eq!(audit.standing().1, 2, "one for each time that nobody was there");
}

#[test]
fn what_is_off_says_nothing_and_asks_for_no_key() {
    let config = Config { to: To::Off, key: Some(Secret::Env("UNSET".into())) };
    let audit = Audit::open(&config, &environment(), &clock()).unwrap();
    assert!(audit.fingerprint(|key| key.of("abc")).is_none());
    assert_eq!(audit.standing(), ("off".to_owned(), 0));
    let unread = Config { to: To::Stdout, ..config };
    assert!(Audit::open(&unread, &environment(), &clock()).unwrap_err().to_string().contains("UNSET"));
}

#[test]
fn a_random_key_is_another_each_time() {
    let (one, other) = (Key::random().unwrap(), Key::random().unwrap());
    assert_eq!(one.of("abc"), one.of("abc"));
    assert_ne!(one.of("abc"), other.of("abc"));
    assert_ne!(one.of("abc"), one.of("abd"));
}

#[test]
fn a_device_and_a_fifo_are_no_files_to_write_to() {
    let dir = tempfile::tempdir().unwrap();
    let fifo = dir.path().join("fifo");
    nix::unistd::mkfifo(&fifo, nix::sys::stat::Mode::S_IRWXU).unwrap();
    for path in [&fifo, Path::new("/dev/full"), dir.path()] {
        let audit = Audit::open(&Config { to: To::File(path.into()), key: None }, &environment(), &clock()).unwrap();
        audit.write(&record(&full()));
        audit.finish();
        assert_eq!(audit.standing().1, 1, "{}", path.display());
    }
}
