//! Finding out who signed a request, and saying no in the service's own words.

use crate::failure::Failure;
use crate::principal::Principal;
use crate::request::Request;
use crate::sigv4::{self, AccessKey, Refusal, Scope};

impl Request<'_> {
    /// Checks the signature for `service` and remembers the principal.
    pub(crate) fn authenticate(&mut self, service: &str) -> Result<Principal, Refusal> {
        let scope = Scope { region: &self.cloud.world.region, service };
        let principal = sigv4::verify(self.call, &scope, self.now, |id| self.access_key(id))?;
        self.asked.principal = Some(principal.arn(&self.cloud.world.account));
        self.principal = Some(principal.clone());
        Ok(principal)
    }

    /// Whether the request carries a signature at all.
    pub(crate) fn is_signed(&self) -> bool {
        self.call.headers.contains_key("authorization")
    }

    fn access_key(&self, id: &str) -> Option<AccessKey> {
        if let Some(key) = self.cloud.sessions.find(id) {
            return Some(AccessKey {
                secret: key.secret_access_key,
                token: Some(key.session_token),
                expires: Some(key.expires),
                principal: key.principal,
            });
        }
        let (name, user) = self.cloud.world.iam.users.iter().find(|(_, user)| user.access_key_id == id)?;
        let principal = Principal::User { name: name.clone() };
        Some(AccessKey { secret: user.secret_access_key.clone(), token: None, expires: None, principal })
    }
}

impl Refusal {
    /// In the words of a JSON 1.1 service: always 400, codes end in `Exception`.
    pub(crate) fn in_json(self) -> Failure {
        match self {
            Refusal::Missing => Failure::bad("MissingAuthenticationTokenException", "Missing Authentication Token"),
            Refusal::Incomplete(why) => Failure::bad("IncompleteSignatureException", why),
            Refusal::UnknownKey => {
                Failure::bad("UnrecognizedClientException", "The security token included in the request is invalid.")
            }
            Refusal::Expired => {
                Failure::bad("ExpiredTokenException", "The security token included in the request is expired")
            }
            Refusal::Mismatch(why) => Failure::bad("InvalidSignatureException", why),
        }
    }

    /// In the words of STS.
    pub(crate) fn in_sts(self) -> Failure {
        match self {
            Refusal::Missing => {
                Failure::forbidden("MissingAuthenticationToken", "Request is missing Authentication Token")
            }
            Refusal::Incomplete(why) => Failure::bad("IncompleteSignature", why),
            Refusal::UnknownKey => {
                Failure::forbidden("InvalidClientTokenId", "The security token included in the request is invalid.")
            }
            Refusal::Expired => {
                Failure::forbidden("ExpiredToken", "The security token included in the request is expired")
            }
            Refusal::Mismatch(why) => Failure::forbidden("SignatureDoesNotMatch", why),
        }
    }
}
