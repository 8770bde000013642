use std::time::SystemTime;

use super::*;
use crate::clock::Clock;

const HOUR: Duration = Duration::from_secs(3_600);

fn surroundings() -> Surroundings {
    let definitions = ["tokens.a", "credentials.b"].map(|name| (name.to_owned(), format!("how {name} is configured")));
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

fn held(now: Moment) -> Held {
    let token = BearerToken { token: "t0ken".into(), scope: Some("x/read".to_owned()) };
    let credentials = AwsCredentials {
        access_key_id: "AKIA".to_owned(),
        secret_access_key: "s3cret".into(),
        session_token: Some("s3ssion".into()),
        account_id: Some("111122223333".to_owned()),
        role_arn: None,
    };
    Held {
        tokens: vec![carried("tokens.a", token, now)],
        credentials: vec![carried("credentials.b", credentials, now)],
    }
}

fn now() -> Moment {
    Clock::tokio(SystemTime::UNIX_EPOCH).now()
}

#[tokio::test(start_paused = true)]
async fn what_is_written_is_read_the_same() {
    let now = now();
    let bytes = write(&held(now), &surroundings(), now);
    let read = read(&bytes, &surroundings(), now.plus(HOUR / 2)).unwrap();
    assert_eq!((read.left_out, read.at), (0, Some(now)));
    assert_eq!(*write(&read.held, &surroundings(), now), *bytes, "so nothing was lost");
    let (token, credentials) = (&read.held.tokens[0], &read.held.credentials[0]);
    assert_eq!((token.name.as_str(), credentials.name.as_str()), ("tokens.a", "credentials.b"));
    assert_eq!(token.lease.expiry, now.plus(HOUR));
    assert_eq!(credentials.lease.refresh_due, now);
    assert_eq!(credentials.planned_by, "somehow");
}

#[tokio::test(start_paused = true)]
async fn no_piece_and_no_changed_byte_is_read() {
    let now = now();
    let bytes = write(&held(now), &surroundings(), now);
    for index in 0..bytes.len() {
        read(&bytes[..index], &surroundings(), now).unwrap_err();
        let mut changed = bytes.to_vec();
        changed[index] ^= 0x20;
        read(&changed, &surroundings(), now).unwrap_err();
    }
    read(&[&bytes[..], b" "].concat(), &surroundings(), now).unwrap_err();
}

#[tokio::test(start_paused = true)]
async fn a_lease_is_read_until_its_end_and_of_an_entry_that_is_still_the_same() {
    let now = now();
    let bytes = write(&held(now), &surroundings(), now);
    let left_out = |surroundings: &Surroundings, at| {
        let read = read(&bytes, surroundings, at).unwrap();
        (read.held.len(), read.left_out)
    };
    assert_eq!(left_out(&surroundings(), now.plus(HOUR).minus(Duration::from_nanos(1))), (2, 0));
    assert_eq!(left_out(&surroundings(), now.plus(HOUR)), (0, 2));
    let mut other = surroundings();
    other.definitions.insert("tokens.a".to_owned(), "otherwise".to_owned());
    other.definitions.remove("credentials.b");
    assert_eq!(left_out(&other, now), (0, 2));
    assert_eq!(read(&bytes, &surroundings(), now.minus(HOUR)).unwrap_err(), Unfit::Later);
    other.boot = "another".to_owned();
    assert_eq!(read(&bytes, &other, now).unwrap_err(), Unfit::OtherBoot);
}
