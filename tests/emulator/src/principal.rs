//! Who signed a request: an IAM user, or a session of a role.

use serde_json::{Map, Value};

use crate::random;
use crate::world::World;

/// A principal that proved it holds an access key.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Principal {
    User { name: String },
    Session(RoleSession),
}

/// An assumed role.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct RoleSession {
    pub(crate) role: String,
    pub(crate) name: String,
    pub(crate) source_identity: Option<String>,
    /// The session's tags, those it inherited included.
    pub(crate) tags: Map<String, Value>,
    /// Tags that follow the session into the next role.
    pub(crate) transitive_tags: Map<String, Value>,
    /// Seconds since the epoch.
    pub(crate) expires: i64,
}

impl RoleSession {
    /// `AROA…:SESSION`
    pub(crate) fn id(&self) -> String {
        format!("{}:{}", random::unique_id("AROA", &self.role), self.name)
    }

    /// `arn:aws:sts::ACCOUNT:assumed-role/ROLE/SESSION`
    pub(crate) fn arn(&self, account: &str) -> String {
        format!("arn:aws:sts::{account}:assumed-role/{}/{}", self.role, self.name)
    }
}

impl Principal {
    pub(crate) fn arn(&self, account: &str) -> String {
        match self {
            Principal::User { name } => format!("arn:aws:iam::{account}:user/{name}"),
            Principal::Session(session) => session.arn(account),
        }
    }

    /// The IAM principal behind it: of a session, the role.
    pub(crate) fn iam_arn(&self, account: &str) -> String {
        match self {
            Principal::User { .. } => self.arn(account),
            Principal::Session(session) => format!("arn:aws:iam::{account}:role/{}", session.role),
        }
    }

    /// The `UserId` GetCallerIdentity reports.
    pub(crate) fn id(&self) -> String {
        match self {
            Principal::User { name } => random::unique_id("AIDA", name),
            Principal::Session(session) => session.id(),
        }
    }

    pub(crate) fn session(&self) -> Option<&RoleSession> {
        match self {
            Principal::User { .. } => None,
            Principal::Session(session) => Some(session),
        }
    }

    /// Whether the principal's own policy (`allow`) permits `action`.
    pub(crate) fn may(&self, action: &str, world: &World) -> bool {
        let allow = match self {
            Principal::User { name } => world.iam.users.get(name).map(|user| &user.allow),
            Principal::Session(session) => world.iam.roles.get(&session.role).map(|role| &role.allow),
        };
        allow.is_some_and(|actions| actions.iter().any(|pattern| covers(pattern, action)))
    }

    /// Whether `arn`, as written in a trust policy, means this principal.
    pub(crate) fn is_meant_by(&self, arn: &str, account: &str) -> bool {
        if arn == self.arn(account) || arn == format!("arn:aws:iam::{account}:root") {
            return true;
        }
        arn == self.iam_arn(account)
    }
}

/// `*`, `service:*` and exact actions; IAM compares without case.
fn covers(pattern: &str, action: &str) -> bool {
    match pattern.strip_suffix('*') {
        Some(stem) => action.get(..stem.len()).is_some_and(|head| head.eq_ignore_ascii_case(stem)),
        None => pattern.eq_ignore_ascii_case(action),
    }
}

#[cfg(test)]
mod tests {
    use super::covers;

    #[test]
    fn patterns_of_actions() {
        assert!(covers("*", "sts:AssumeRole"));
        assert!(covers("sts:*", "sts:AssumeRole"));
        assert!(covers("STS:assumerole", "sts:AssumeRole"));
        assert!(!covers("sts:AssumeRole", "sts:AssumeRoleWithWebIdentity"));
        assert!(!covers("cognito-idp:*", "sts:AssumeRole"));
    }
}
