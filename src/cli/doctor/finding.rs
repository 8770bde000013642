//! What the doctor has to say: one thing that was looked at, how it is, and what to do.

/// How it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    /// As it has to be.
    Well,
    /// Worth knowing.
    Note,
    /// It works, but not safely or not for long.
    Warning,
    /// Something does not work.
    Trouble,
}

impl Level {
    /// The word for it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Well => "ok",
            Self::Note => "note",
            Self::Warning => "warn",
            Self::Trouble => "fail",
        }
    }
}

/// One finding.
#[derive(Clone, Debug)]
pub struct Finding {
    /// What was looked at: `daemon`, `token-file`, `variables`, `credentials`, `clock`, `entries`, `itself`.
    pub about: &'static str,
    /// How it is.
    pub level: Level,
    /// What was found.
    pub what: String,
    /// What to do.
    pub remedy: Option<String>,
}

impl Finding {
    /// It is as it has to be.
    pub fn well(about: &'static str, what: impl Into<String>) -> Self {
        Self { about, level: Level::Well, what: what.into(), remedy: None }
    }

    /// It is worth knowing.
    pub fn note(about: &'static str, what: impl Into<String>) -> Self {
        Self { about, level: Level::Note, what: what.into(), remedy: None }
    }

    /// It is not as it should be.
    pub fn at(level: Level, about: &'static str, what: impl Into<String>, remedy: impl Into<String>) -> Self {
        Self { about, level, what: what.into(), remedy: Some(remedy.into()) }
    }
}
