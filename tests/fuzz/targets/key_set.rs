//! Any answer where an issuer's keys should be. The keys that are taken can be told apart, and none of them verifies what nobody
//! has signed; what is refused is told without a word of the answer.

#![no_main]

use std::collections::BTreeSet;

use credbroker::source::key_set::{Place, Publication};
use credbroker::source::public_key::Algorithm;
use credbroker::source::{Ask, Source as _};
use credbroker_fuzz::{canary, clock, run, upstream};
use libfuzzer_sys::fuzz_target;
use url::Url;

const ALGORITHMS: [Algorithm; 9] = [
    Algorithm::Rs256,
    Algorithm::Rs384,
    Algorithm::Rs512,
    Algorithm::Ps256,
    Algorithm::Ps384,
    Algorithm::Ps512,
    Algorithm::Es256,
    Algorithm::Es384,
    Algorithm::EdDsa,
];

fuzz_target!(|answers: &[u8]| {
    canary::listen();
    run(async {
        let place = Place::At(Url::parse("https://login.example/keys").expect("a URL"));
        let upstream = upstream::spelled(answers);
        let source = Publication::new("https://login.example".to_owned(), place, upstream, clock());
        let issued = match source.fetch(&Ask::default()).await {
            Ok(issued) => issued,
            Err(failure) => return canary::is_not_told(&failure),
        };
        let ids: Vec<&str> = issued.value.ids().collect();
        assert_eq!(ids.iter().collect::<BTreeSet<_>>().len(), ids.len(), "{ids:?}");
        assert!(!ids.is_empty() || issued.value.key(None).is_some(), "a set without a key");
        for key in ids.iter().map(|id| issued.value.key(Some(id))).chain([issued.value.key(None)]).flatten().take(4) {
            let can = ALGORITHMS.iter().filter(|algorithm| key.allows(**algorithm));
            assert!(can.clone().count() > 0, "{key:?}");
            for algorithm in can {
                for length in [0, 64, 96, 256] {
                    assert!(!key.verifies(*algorithm, b"nobody signed this", &vec![1; length]), "{key:?}");
                }
            }
        }
    });
    canary::is_not_logged();
});
