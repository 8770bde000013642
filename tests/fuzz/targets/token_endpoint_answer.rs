//! Any answer of a token endpoint, Cognito's or another. What is issued can be carried by a header and ends within a day; what
//! is refused is told without a word of the answer.
//!
//! The first letter of an input says how the client proves itself and what it asks for; the rest is as `upstream` reads it.

#![no_main]

use std::collections::BTreeMap;

use credbroker::source::token_endpoint::{ClientAuth, Config, Endpoint, TokenEndpoint};
use credbroker::source::{Ask, Source as _};
use credbroker_fuzz::{canary, clock, issued, run, stages, upstream};
use libfuzzer_sys::fuzz_target;
use url::Url;

fuzz_target!(|input: &[u8]| {
    canary::listen();
    let Some((letter, answers)) = input.split_first() else { return };
    run(async {
        let scopes: &[&str] = if letter & 1 == 0 { &["a/read", "a/write"] } else { &[] };
        let config = Config {
            client_id: "broker".to_owned(),
            scopes: scopes.iter().map(|&scope| scope.to_owned()).collect(),
            audience: None,
            resource: Vec::new(),
            parameters: BTreeMap::new(),
        };
        let url = Url::parse("https://login.example/token").expect("a URL");
        let endpoint = if letter & 2 == 0 { Endpoint::Cognito(url) } else { Endpoint::Fixed(url) };
        let auth = match (letter / 4) % 3 {
            0 => ClientAuth::Basic(vec![stages::place()]),
            1 => ClientAuth::Post(vec![stages::place()]),
            _ => ClientAuth::Token(stages::token()),
        };
        let source = TokenEndpoint::new(config, endpoint, auth, upstream::spelled(answers), clock(), stages::keyring());
        issued::token(source.fetch(&Ask::default()).await);
    });
    canary::is_not_logged();
});
