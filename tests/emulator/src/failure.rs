//! An operation's refusal, before it is put into a protocol's words.

use std::borrow::Cow;

/// A status, the protocol's error code and a sentence.
#[derive(Debug)]
pub(crate) struct Failure {
    pub(crate) status: u16,
    pub(crate) code: Cow<'static, str>,
    pub(crate) message: Cow<'static, str>,
}

impl Failure {
    pub(crate) fn new(
        status: u16,
        code: impl Into<Cow<'static, str>>,
        message: impl Into<Cow<'static, str>>,
    ) -> Failure {
        Failure { status, code: code.into(), message: message.into() }
    }

    /// The usual case: HTTP 400.
    pub(crate) fn bad(code: &'static str, message: impl Into<Cow<'static, str>>) -> Failure {
        Failure::new(400, code, message)
    }

    /// HTTP 403, which only STS uses.
    pub(crate) fn forbidden(code: &'static str, message: impl Into<Cow<'static, str>>) -> Failure {
        Failure::new(403, code, message)
    }
}
