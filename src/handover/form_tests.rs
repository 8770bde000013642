use std::sync::Arc;
use std::time::{Duration, SystemTime};

use super::*;
use crate::clock::Clock;
use crate::lease::{Issued, Lease};
use crate::policy::TokenDigest;
use crate::refresh::Carried;
use crate::source::{Ask, AwsCredentials, BearerToken};

const HOUR: Duration = Duration::from_secs(3_600);

fn surroundings() -> Surroundings {
    let definitions = ["tokens.a", "credentials.b", "callers.c", "issuers.d"]
        .map(|name| (name.to_owned(), format!("how {name} is configured")));
    Surroundings { boot: "this one".to_owned(), definitions: definitions.into() }
}

fn carried<T>(name: &str, value: T, now: Moment) -> Carried<T> {
    let mut issued = Issued::new(value, now.minus(HOUR), now.plus(HOUR)).by_request(Some("r-1"));
    issued.obtained_with = Some("the second secret".into());
    issued.scopes_missing = vec!["x/missing".to_owned()];
    let ask = Ask { caller: Some("orders".to_owned()), scopes: Some(vec!["x/read".to_owned()]), subject: None };
    let (name, planned_by) = (name.to_owned(), "somehow".to_owned());
    Carried { name, ask, asked: true, planned_by, lease: Arc::new(Lease::new(issued, now)) }
}

fn left(now: Moment) -> Left {
    let token = BearerToken { token: "t0ken".into(), scope: Some("x/read".to_owned()) };
    let credentials = AwsCredentials {
        access_key_id: "AKIA".to_owned(),
        secret_access_key: "s3cret".into(),
        session_token: Some("s3ssion".into()),
        account_id: Some("111122223333".to_owned()),
        role_arn: None,
    };
    let held = Held {
        tokens: vec![carried("tokens.a", token, now)],
        credentials: vec![carried("credentials.b", credentials, now)],
    };
    let made = MadeToken { caller: "c".to_owned(), digest: TokenDigest::of("of the caller"), until: now.plus(HOUR) };
    let keys =
        r#"{"keys":[{"kty":"OKP","crv":"Ed25519","kid":"one","x":"CCCCCCCCCCCCCCCCCCCCCCCCCCCCCCCCCCCCCCCCCCA"}]}"#;
    let mut keys = carried("issuers.d", KeySet::read(keys.as_bytes()).unwrap(), now);
    keys.ask = Ask::default();
    Left { held, key_sets: vec![keys], made: vec![made] }
}

fn now() -> Moment {
    Clock::tokio(SystemTime::UNIX_EPOCH).now()
}

#[tokio::test(start_paused = true)]
async fn what_is_written_is_read_the_same() {
    let now = now();
    let (bytes, _) = write(&left(now), &surroundings(), now);
    let read = read(&bytes, &surroundings(), now.plus(HOUR / 2)).unwrap();
    assert_eq!((read.left_out, read.at), (0, Some(now)));
    assert_eq!(*write(&read.left, &surroundings(), now).0, *bytes, "so nothing was lost");
    let (token, credentials) = (&read.left.held.tokens[0], &read.left.held.credentials[0]);
    assert_eq!((token.name.as_str(), credentials.name.as_str()), ("tokens.a", "credentials.b"));
    assert_eq!(token.lease.expiry, now.plus(HOUR));
    assert_eq!(credentials.lease.refresh_due, now);
    assert_eq!(credentials.planned_by, "somehow");
    assert_eq!(read.left.made, left(now).made);
    let keys = &read.left.key_sets[0];
    assert_eq!((keys.lease.issued_at, keys.lease.value.ids().collect::<Vec<_>>()), (now.minus(HOUR), vec!["one"]));
}

#[tokio::test(start_paused = true)]
async fn no_piece_and_no_changed_byte_is_read() {
    let now = now();
    let (bytes, _) = write(&left(now), &surroundings(), now);
    for index in 0..bytes.len() {
        read(&bytes[..index], &surroundings(), now).unwrap_err();
        let mut changed = bytes.to_vec();
        changed[index] ^= 0x20;
        read(&changed, &surroundings(), now).unwrap_err();
    }
    read(&[&bytes[..], b" "].concat(), &surroundings(), now).unwrap_err();
}

#[tokio::test(start_paused = true)]
async fn each_row_is_read_until_its_end_and_as_long_as_its_definition_is_the_same() {
    let now = now();
    let (bytes, _) = write(&left(now), &surroundings(), now);
    let left_out = |surroundings: &Surroundings, at| {
        let read = read(&bytes, surroundings, at).unwrap();
        (read.left.len(), read.left_out)
    };
    assert_eq!(left_out(&surroundings(), now.plus(HOUR).minus(Duration::from_nanos(1))), (4, 0));
    assert_eq!(left_out(&surroundings(), now.plus(HOUR)), (0, 4));
    let mut other = surroundings();
    other.definitions.insert("tokens.a".to_owned(), "otherwise".to_owned());
    other.definitions.remove("credentials.b");
    other.definitions.insert("callers.c".to_owned(), "otherwise".to_owned());
    other.definitions.insert("issuers.d".to_owned(), "otherwise".to_owned());
    assert_eq!(left_out(&other, now), (0, 4));
    assert_eq!(read(&bytes, &surroundings(), now.minus(HOUR)).unwrap_err(), Unfit::Later);
    other.boot = "another".to_owned();
    assert_eq!(read(&bytes, &other, now).unwrap_err(), Unfit::OtherBoot);
}

#[tokio::test(start_paused = true)]
async fn of_more_than_there_is_room_for_the_narrowings_stay_behind() {
    let now = now();
    let of_size = |ask: Ask, size: usize| {
        let token = BearerToken { token: "x".repeat(size).into(), scope: None };
        Carried { ask, ..carried("tokens.a", token, now) }
    };
    let narrowed = |number: usize| Ask { scopes: Some(vec![number.to_string()]), ..Ask::default() };
    let mut left = left(now);
    left.held.credentials.clear();
    left.held.tokens = (0..80).map(|number| of_size(narrowed(number), LARGEST / 64)).collect();
    left.held.tokens.push(of_size(Ask::default(), 1_000));
    let (bytes, without_room) = write(&left, &surroundings(), now);
    let read = read(&bytes, &surroundings(), now).unwrap();
    let tokens = &read.left.held.tokens;
    assert!(tokens.iter().any(|carried| carried.ask == Ask::default()));
    assert_eq!((read.left.key_sets.len(), read.left.made.len(), read.left_out), (1, 1, 0));
    // A little less than its 64th of the room is what each one takes besides.
    assert!((60..64).contains(&(tokens.len() - 1)), "{}", tokens.len());
    assert_eq!(without_room, 81 - tokens.len());
}
