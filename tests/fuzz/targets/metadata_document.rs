//! Any answers where an issuer's metadata should be. What is taken speaks of that issuer and names secure endpoints; what is
//! refused is told without a word of the answer.

#![no_main]

use credbroker::source::discovery::Discovery;
use credbroker::source::upstream::is_secure;
use credbroker::source::{Ask, Source as _};
use credbroker_fuzz::{canary, clock, run, upstream};
use libfuzzer_sys::fuzz_target;
use url::Url;

const ISSUER: &str = "https://login.example/tenant";

fuzz_target!(|answers: &[u8]| {
    canary::listen();
    run(async {
        let issuer = Url::parse(ISSUER).expect("a URL");
        let source = Discovery::new(issuer, ISSUER.to_owned(), upstream::spelled(answers), clock());
        match source.fetch(&Ask::default()).await {
            Ok(issued) => {
                let metadata = issued.value;
                assert_eq!(metadata.issuer, ISSUER);
                for url in [&metadata.token_endpoint, &metadata.jwks_uri].into_iter().flatten() {
                    assert!(is_secure(url) && url.username().is_empty() && url.password().is_none(), "{url}");
                }
            }
            Err(failure) => canary::is_not_told(&failure),
        }
    });
    canary::is_not_logged();
});
