//! Callers: the local processes that may ask, known by a token, by what the kernel says of them, or by both.

use std::fmt;
use std::sync::Arc;

use subtle::{Choice, ConstantTimeEq as _};

use super::proof::Prover;
use super::{Grant, Permit};
use crate::secret::sha256;

/// The SHA-256 of a caller's token. Tokens themselves are never kept.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct TokenDigest([u8; 32]);

impl TokenDigest {
    /// The digest of a token as presented or as read from its file.
    pub fn of(token: &str) -> Self {
        Self(sha256([token.as_bytes()]))
    }

    /// A digest written in the configuration, as 64 hexadecimal digits.
    pub fn from_hex(hex: &str) -> Option<Self> {
        let mut bytes = [0; 32];
        let digits = hex.as_bytes();
        if digits.len() != 64 {
            return None;
        }
        for (byte, pair) in bytes.iter_mut().zip(digits.chunks_exact(2)) {
            let nibble = |digit: u8| char::from(digit).to_digit(16);
            *byte = u8::try_from(nibble(pair[0])? * 16 + nibble(pair[1])?).ok()?;
        }
        Some(Self(bytes))
    }

    /// As the configuration has it.
    pub fn hex(&self) -> String {
        self.0.iter().map(|byte| format!("{byte:02x}")).collect()
    }

    /// The first bytes of the digest, to tell two apart where a person looks.
    pub fn fingerprint(&self) -> String {
        self.hex()[..16].to_owned()
    }

    /// Is it one of `others`? Takes the same time whichever it is, and whether it is or not.
    fn is_one_of(&self, others: &[Self]) -> bool {
        others.iter().fold(Choice::from(0), |found, other| found | self.0.ct_eq(&other.0)).into()
    }
}

impl fmt::Debug for TokenDigest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("TokenDigest")
    }
}

/// One configured caller with what identifies it at this moment. By default without factors, and without anything it may have.
#[derive(Clone, Debug, Default)]
pub struct Caller {
    /// `callers.NAME`.
    pub name: String,
    /// What it may have.
    pub allow: Vec<Grant>,
    /// The tokens of which it presents one: more than one while one takes over from another, none where it cannot be read at
    /// the moment, and nothing matches then.
    pub tokens: Option<Vec<TokenDigest>>,
    /// What those are proved with, the newest first; nothing where only a digest is known.
    pub provers: Vec<Prover>,
    /// The user its process runs as. `Some(None)` if there is no such user at the moment: nothing matches then.
    pub uid: Option<Option<u32>>,
    /// The group its process runs as, the same way.
    pub gid: Option<Option<u32>>,
    /// The systemd unit its process belongs to.
    pub unit: Option<Arc<str>>,
}

/// What the kernel says about the process at the other end of a connection; `None` wherever it was not asked, does not know, or
/// there is any doubt.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Process {
    /// The user.
    pub uid: Option<u32>,
    /// The group. TCP does not tell it.
    pub gid: Option<u32>,
    /// The number of the process, for people to read: it names nobody. TCP does not tell it.
    pub pid: Option<u32>,
    /// The systemd unit.
    pub unit: Option<Arc<str>>,
}

/// By what a caller is known: all that is configured for it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Factors {
    /// A token.
    pub token: bool,
    /// A user.
    pub uid: bool,
    /// A group.
    pub gid: bool,
    /// A systemd unit.
    pub unit: bool,
}

/// What a peer shows of itself.
#[derive(Clone, Debug, Default)]
pub struct Presented {
    /// The digest of the token it sent.
    pub token: Option<TokenDigest>,
    /// Its process, as the kernel tells it.
    pub process: Process,
}

/// Everyone who may ask.
#[derive(Clone, Debug, Default)]
pub struct Callers(pub Vec<Arc<Caller>>);

impl Callers {
    /// The caller whose every factor matches what the peer shows. Where several match, one with a token goes before one
    /// without; then a unit counts for more than a uid, and a uid for more than a gid; nobody if that leaves more than one. A
    /// caller without factors, the anonymous one, matches only a peer that presents no token: a wrong token is never forgiven.
    pub fn identify(&self, presented: &Presented) -> Option<&Arc<Caller>> {
        let mut best: Option<(&Arc<Caller>, u8)> = None;
        let mut tied = false;
        for caller in &self.0 {
            let Some(factors) = caller.matches(presented) else { continue };
            match best {
                Some((_, most)) if factors < most => {}
                Some((_, most)) if factors == most => tied = true,
                _ => (best, tied) = (Some((caller, factors)), false),
            }
        }
        best.filter(|_| !tied).map(|(caller, _)| caller)
    }
}

impl Callers {
    /// The caller called `name`, if the kernel knows the peer as it: whatever the peer shows in its requests is not looked at, and
    /// a caller of which the kernel knows nothing is nobody. For listeners of programs that cannot add a header.
    pub fn known_to_kernel(&self, name: &str, process: &Process) -> Option<&Arc<Caller>> {
        let caller = self.0.iter().find(|caller| caller.name == name)?;
        (caller.matches_process(process)? > 0).then_some(caller)
    }
}

impl Caller {
    /// How closely it matches; `None` if any factor does not.
    fn matches(&self, presented: &Presented) -> Option<u8> {
        let token = match (&self.tokens, &presented.token) {
            (None, _) => 0,
            (Some(own), Some(shown)) if shown.is_one_of(own) => 8,
            (Some(_), _) => return None,
        };
        let process = self.matches_process(&presented.process)?;
        if token + process == 0 && presented.token.is_some() {
            return None;
        }
        Some(token + process)
    }

    /// How closely what the kernel says of a process matches; `None` if any of that does not, 0 if none of it is asked for.
    fn matches_process(&self, process: &Process) -> Option<u8> {
        fn factor<T: PartialEq>(own: Option<Option<&T>>, shown: Option<&T>, weight: u8) -> Option<u8> {
            match (own, shown) {
                (None, _) => Some(0),
                (Some(Some(own)), Some(shown)) if own == shown => Some(weight),
                (Some(_), _) => None,
            }
        }
        let unit = factor(self.unit.as_ref().map(Some), process.unit.as_ref(), 4)?;
        let uid = factor(self.uid.as_ref().map(Option::as_ref), process.uid.as_ref(), 2)?;
        let gid = factor(self.gid.as_ref().map(Option::as_ref), process.gid.as_ref(), 1)?;
        Some(unit + uid + gid)
    }

    /// By what it is known.
    pub fn factors(&self) -> Factors {
        Factors {
            token: self.tokens.is_some(),
            uid: self.uid.is_some(),
            gid: self.gid.is_some(),
            unit: self.unit.is_some(),
        }
    }

    /// Is `token` one of its own?
    pub fn has_token(&self, token: &TokenDigest) -> bool {
        self.tokens.as_ref().is_some_and(|own| token.is_one_of(own))
    }

    /// The proof that this caller may have `grant`, if it may.
    pub fn permit(&self, grant: Grant) -> Option<Permit> {
        self.allow.contains(&grant).then(|| Permit { caller: self.name.clone(), grant })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn caller(name: &str, token: Option<&str>, uid: Option<u32>) -> Arc<Caller> {
        let allow = vec![Grant::Token(format!("for-{name}"))];
        Arc::new(Caller {
            name: name.into(),
            allow,
            tokens: token.map(|t| vec![TokenDigest::of(t)]),
            uid: uid.map(Some),
            ..Caller::default()
        })
    }

    fn shows(token: Option<&str>, uid: Option<u32>) -> Presented {
        Presented { token: token.map(TokenDigest::of), process: of_user(uid) }
    }

    fn of_user(uid: Option<u32>) -> Process {
        Process { uid, ..Process::default() }
    }

    fn who<'a>(callers: &'a Callers, token: Option<&str>, uid: Option<u32>) -> Option<&'a str> {
        callers.identify(&shows(token, uid)).map(|caller| caller.name.as_str())
    }

    #[test]
    fn every_factor_given_must_match() {
        let callers = Callers(vec![
            caller("both", Some("t"), Some(7)),
            caller("by-uid", None, Some(8)),
            caller("by-token", Some("u"), None),
        ]);
        assert_eq!(who(&callers, Some("t"), Some(7)), Some("both"));
        assert_eq!(
            who(&callers, Some("t"), Some(8)),
            Some("by-uid"),
            "uid 8 is enough for by-uid; the token is not looked at"
        );
        assert_eq!(who(&callers, Some("t"), None), None);
        assert_eq!(who(&callers, None, Some(7)), None);
        assert_eq!(who(&callers, Some("u"), None), Some("by-token"));
        assert_eq!(who(&callers, Some("U"), None), None);
        assert_eq!(who(&callers, None, None), None);
    }

    #[test]
    fn the_closest_match_wins_and_a_tie_is_nobody() {
        let callers = Callers(vec![
            caller("wide", None, Some(7)),
            caller("narrow", Some("t"), Some(7)),
            caller("twin", None, Some(7)),
        ]);
        assert_eq!(who(&callers, Some("t"), Some(7)), Some("narrow"));
        assert_eq!(who(&callers, None, Some(7)), None);
        let by_either = Callers(vec![caller("by-token", Some("t"), None), caller("by-uid", None, Some(7))]);
        assert_eq!(who(&by_either, Some("t"), Some(7)), Some("by-token"));
    }

    #[test]
    fn a_gid_and_a_unit_are_factors_like_the_others() {
        let own = Caller {
            gid: Some(Some(70)),
            unit: Some("orders.service".into()),
            ..(*caller("own", None, Some(7))).clone()
        };
        let callers = Callers(vec![Arc::new(own), caller("by-uid", None, Some(7)), caller("other", None, Some(8))]);
        let process =
            |uid, gid, unit: Option<&str>| Process { uid: Some(uid), gid, pid: None, unit: unit.map(Arc::from) };
        let who = |process| callers.identify(&Presented { token: None, process }).map(|caller| caller.name.as_str());
        assert_eq!(who(process(7, Some(70), Some("orders.service"))), Some("own"));
        for less in [
            process(7, None, Some("orders.service")),
            process(7, Some(70), None),
            process(7, Some(71), Some("orders.service")),
        ] {
            assert_eq!(who(less.clone()), Some("by-uid"), "{less:?}");
            assert!(callers.known_to_kernel("own", &less).is_none(), "{less:?}");
        }
        assert_eq!(who(process(7, Some(70), Some("orders.service.d"))), Some("by-uid"));
        assert!(callers.known_to_kernel("own", &process(7, Some(70), Some("orders.service"))).is_some());
        assert_eq!(callers.0[0].factors(), Factors { token: false, uid: true, gid: true, unit: true });
    }

    #[test]
    fn either_of_two_tokens_is_accepted_while_one_takes_over() {
        let tokens = Some(vec![TokenDigest::of("new"), TokenDigest::of("old")]);
        let callers = Callers(vec![Arc::new(Caller { tokens, ..(*caller("turning", Some(""), None)).clone() })]);
        assert_eq!(
            (who(&callers, Some("new"), None), who(&callers, Some("old"), None)),
            (Some("turning"), Some("turning"))
        );
        assert_eq!(who(&callers, Some("older"), None), None);
    }

    #[test]
    fn anonymous_is_nobody_with_a_wrong_token() {
        let callers = Callers(vec![caller("anonymous", None, None), caller("known", Some("t"), None)]);
        assert_eq!(who(&callers, None, None), Some("anonymous"));
        assert_eq!(who(&callers, None, Some(0)), Some("anonymous"));
        assert_eq!(who(&callers, Some("t"), None), Some("known"));
        assert_eq!(who(&callers, Some("wrong"), None), None);
    }

    #[test]
    fn an_unreadable_token_matches_nothing() {
        let unreadable = Caller { tokens: Some(vec![]), ..(*caller("gone", Some(""), None)).clone() };
        assert_eq!(who(&Callers(vec![Arc::new(unreadable)]), Some(""), None), None);
    }

    #[test]
    fn the_kernel_knows_a_caller_by_its_uid_and_by_nothing_else() {
        let gone = Arc::new(Caller { uid: Some(None), ..(*caller("gone", None, None)).clone() });
        let callers = Callers(vec![
            caller("both", Some("t"), Some(7)),
            caller("twin", None, Some(7)),
            caller("by-token", Some("t"), None),
            gone,
        ]);
        let known = |name, uid| callers.known_to_kernel(name, &of_user(uid)).map(|caller| caller.name.as_str());
        assert_eq!(known("both", Some(7)), Some("both"), "the token is for other listeners");
        assert_eq!(known("twin", Some(7)), Some("twin"), "the listener says who of both it is");
        for (name, uid) in [
            ("both", Some(8)),
            ("both", None),
            ("by-token", Some(7)),
            ("by-token", None),
            ("gone", None),
            ("nobody", Some(7)),
        ] {
            assert_eq!(known(name, uid), None, "{name} {uid:?}");
        }
    }

    #[test]
    fn digests_read_from_hex_as_sha256sum_prints_them() {
        let hex = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
        assert!(TokenDigest::from_hex(hex).unwrap().is_one_of(&[TokenDigest::of("abc")]));
        assert!(TokenDigest::from_hex(&hex[1..]).is_none() && TokenDigest::from_hex(&hex.replace('b', "g")).is_none());
    }

    proptest! {
        #[test]
        fn no_permit_is_made_that_the_configuration_does_not_list(
            allowed in proptest::collection::vec("[a-c]", 0..3), wanted in "[a-c]", kind in 0..3,
        ) {
            let allow = allowed.iter().cloned().map(Grant::Token).collect();
            let someone = Caller { allow, ..(*caller("x", None, Some(1))).clone() };
            let grant = match kind { 0 => Grant::Token(wanted.clone()), 1 => Grant::Credentials(wanted.clone()), _ => Grant::Issuer(wanted.clone()) };
            let permit = someone.permit(grant.clone());
            prop_assert_eq!(permit.is_some(), kind == 0 && allowed.contains(&wanted));
            if let Some(permit) = permit {
                prop_assert_eq!((permit.caller(), permit.grant()), ("x", &grant));
            }
        }
    }
}
