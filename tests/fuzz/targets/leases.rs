//! Any bytes as what the last process has left; and any content of it, with the digest that it would have. What is read is of this
//! boot, of entries, issuers and callers that are configured as they were, and lives now, as long as a source could have said.

#![no_main]

use std::time::{Duration, SystemTime};

use credbroker::clock::{Clock, Moment};
use credbroker::handover::Surroundings;
use credbroker::handover::form::{Read, read, write};
use credbroker::lease::Lease;
use credbroker::secret::sha256;
use credbroker_fuzz::run;
use libfuzzer_sys::fuzz_target;

const DAY: Duration = Duration::from_secs(86_400);

fuzz_target!(|bytes: &[u8]| {
    run(async {
        let definitions =
            ["tokens.a", "credentials.b", "callers.c", "issuers.d"].map(|name| (name.to_owned(), "d".to_owned()));
        let here = Surroundings { boot: "b".to_owned(), definitions: definitions.into() };
        // A day and two after the machine was started.
        let now = Clock::tokio(SystemTime::UNIX_EPOCH).now().plus(DAY);
        if let Ok(read) = read(bytes, &here, now) {
            holds(&read, &here, now);
        }
        let whole = [b"credbroker leases 2\n", &sha256([bytes])[..], bytes].concat();
        if let Ok(read) = read(&whole, &here, now) {
            holds(&read, &here, now);
        }
    });
});

fn holds(found: &Read, here: &Surroundings, now: Moment) {
    for carried in &found.left.held.tokens {
        assert!(here.definitions.contains_key(&carried.name) && carried.ask.subject.is_none());
        lives(&carried.lease, now);
    }
    for carried in &found.left.held.credentials {
        assert!(here.definitions.contains_key(&carried.name) && carried.ask.subject.is_none());
        lives(&carried.lease, now);
    }
    for carried in &found.left.key_sets {
        assert!(here.definitions.contains_key(&carried.name) && carried.ask.subject.is_none());
        lives(&carried.lease, now);
    }
    for token in &found.left.made {
        assert!(here.definitions.contains_key(&format!("callers.{}", token.caller)) && now < token.until);
    }
    let again = read(&write(&found.left, here, now).0, here, now).expect("what is written is read");
    assert_eq!((again.left.len(), again.left_out), (found.left.len(), 0));
}

fn lives<T>(lease: &Lease<T>, now: Moment) {
    assert!(lease.issued_at <= now && now < lease.expiry);
    assert!(lease.issued_at <= lease.refresh_due && lease.refresh_due <= lease.expiry);
    assert!(lease.expiry.since(lease.issued_at) <= DAY + DAY / 24);
}
