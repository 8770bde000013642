//! A proof that the daemon knows a caller's token, for a client that wants to know whom it talks to before it shows the token.
//!
//! `HMAC-SHA256(key = the token, message = the nonce, or NONCE@ADDRESS)`. What is kept of a token for that is the state that HMAC
//! makes of it.
//!
//! The threats: whoever asks gets the proof for a nonce of its own choice, and can try out tokens with it at home. So a token of
//! fewer than [`SHORTEST`] characters is proved only to those who show it. And whoever asks learns nothing of who is a caller:
//! where nothing can be proved, the answer is made of a key of this process, the same one each time, and takes the same work.

use ring::hmac::{self, HMAC_SHA256};
use ring::rand::SystemRandom;
use secrecy::{ExposeSecret as _, SecretString};

use super::Callers;

/// A token of fewer characters could be found by trying.
const SHORTEST: usize = 32;

/// What a proof can be made with.
#[derive(Clone, Debug)]
pub struct Prover {
    key: hmac::Key,
    is_long: bool,
}

/// What stands in for the tokens of those who have none that can be proved.
#[derive(Debug)]
pub struct Decoys(hmac::Key);

impl Prover {
    /// By `token`.
    #[expect(clippy::disallowed_methods, reason = "only what HMAC makes of it is kept")]
    pub fn of(token: &SecretString) -> Self {
        let token = token.expose_secret();
        Self { key: hmac::Key::new(HMAC_SHA256, token.as_bytes()), is_long: token.len() >= SHORTEST }
    }

    /// The proof for `nonce`, bound to `address` where one is given.
    pub fn prove(&self, nonce: &str, address: Option<&str>) -> String {
        hex(&sign(&self.key, &message(nonce, address)))
    }
}

impl Default for Decoys {
    fn default() -> Self {
        Self::new()
    }
}

impl Decoys {
    /// New ones.
    #[expect(clippy::expect_used, reason = "Linux has had getrandom for longer than the kernels that we run on")]
    pub fn new() -> Self {
        Self(hmac::Key::generate(HMAC_SHA256, &SystemRandom::new()).expect("the kernel has random numbers"))
    }

    /// The proofs of the caller called `name`: by its newest token, and by the one before that while it is accepted too. If it `has_shown`
    /// one of its tokens, it does not matter how short they are.
    pub fn proofs(
        &self,
        callers: &Callers,
        name: &str,
        has_shown: bool,
        nonce: &str,
        address: Option<&str>,
    ) -> [String; 2] {
        let message = message(nonce, address);
        let caller = callers.0.iter().find(|caller| caller.name == name);
        [0, 1].map(|place: u8| {
            let own = caller.and_then(|caller| caller.provers.get(usize::from(place)));
            let own = own.filter(|prover| prover.is_long || has_shown).map(|prover| &prover.key);
            let decoy = hmac::Key::new(HMAC_SHA256, &sign(&self.0, &[name.as_bytes(), &[0, place]].concat()));
            hex(&sign(own.unwrap_or(&decoy), &message))
        })
    }
}

/// No nonce has an `@`, so neither form can be taken for the other.
fn message(nonce: &str, address: Option<&str>) -> Vec<u8> {
    address.map_or_else(|| nonce.to_owned(), |address| format!("{nonce}@{address}")).into_bytes()
}

fn sign(key: &hmac::Key, message: &[u8]) -> Vec<u8> {
    hmac::sign(key, message).as_ref().to_vec()
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::policy::Caller;

    const TOKEN: &str = "orders-Vb7kQ2xW9pLm4Zt6Hs1DfGc8-0";
    const NONCE: &str = "nonce-0123456789";

    fn callers(tokens: &[(&str, &[&str])]) -> Callers {
        let caller = |(name, tokens): &(&str, &[&str])| {
            let provers = tokens.iter().map(|token| Prover::of(&(*token).into())).collect();
            Arc::new(Caller { name: (*name).to_owned(), provers, ..Caller::default() })
        };
        Callers(tokens.iter().map(caller).collect())
    }

    /// RFC 4231, test case 2.
    #[test]
    fn it_is_hmac_sha256() {
        let proof = Prover::of(&"Jefe".into()).prove("what do ya want for nothing?", None);
        assert_eq!(proof, "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843");
    }

    #[test]
    fn both_tokens_are_proved_while_one_takes_over() {
        let callers = callers(&[("orders", &[TOKEN, "before-Vb7kQ2xW9pLm4Zt6Hs1DfGc8-0"])]);
        let proofs = Decoys::new().proofs(&callers, "orders", false, NONCE, Some("127.0.0.1:1"));
        let by = |token: &str| Prover::of(&token.into()).prove(NONCE, Some("127.0.0.1:1"));
        assert_eq!(proofs, [by(TOKEN), by("before-Vb7kQ2xW9pLm4Zt6Hs1DfGc8-0")]);
        assert_ne!(by(TOKEN), Prover::of(&TOKEN.into()).prove(NONCE, None), "the address is part of it");
    }

    #[test]
    fn who_cannot_be_proved_looks_like_everybody_else() {
        let short = &TOKEN[..SHORTEST - 1];
        let callers = callers(&[("orders", &[TOKEN]), ("short", &[short]), ("by-digest", &[])]);
        let decoys = Decoys::new();
        let mut seen = std::collections::BTreeSet::new();
        for name in ["orders", "short", "by-digest", "nobody"] {
            let proofs = decoys.proofs(&callers, name, false, NONCE, None);
            assert_eq!(proofs, decoys.proofs(&callers, name, false, NONCE, None), "asking twice does not tell");
            assert_ne!(proofs, decoys.proofs(&callers, name, false, "another-nonce-01", None));
            assert!(proofs.iter().all(|proof| proof.len() == 64), "{proofs:?}");
            seen.extend(proofs);
        }
        assert_eq!(seen.len(), 8);
        let by_short = Prover::of(&short.into()).prove(NONCE, None);
        assert!(!seen.contains(&by_short), "it could be found by trying");
        assert_eq!(decoys.proofs(&callers, "short", true, NONCE, None)[0], by_short);
    }
}
