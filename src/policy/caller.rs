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
    /// The same, and none of them known by one of `tokens`.
    pub fn without(&self, tokens: &[TokenDigest]) -> Self {
        let without = |caller: &Arc<Caller>| {
            let mut caller = Caller::clone(caller);
            caller.tokens.iter_mut().for_each(|own| own.retain(|token| !tokens.contains(token)));
            Arc::new(caller)
        };
        Self(self.0.iter().map(without).collect())
    }

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
#[path = "caller_tests.rs"]
mod tests;
