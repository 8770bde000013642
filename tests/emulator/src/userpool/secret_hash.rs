//! `SECRET_HASH = Base64(HMAC-SHA256(client secret, USERNAME || CLIENT_ID))`

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use crate::digest::hmac_sha256;
use crate::failure::Failure;

/// Required exactly when the client has a secret; right for any of its secrets.
pub(super) fn check(secrets: &[String], username: &str, client_id: &str, sent: Option<&str>) -> Result<(), Failure> {
    let refused = |sentence: String| Err(Failure::bad("NotAuthorizedException", sentence));
    match sent {
        None if secrets.is_empty() => Ok(()),
        None => refused(format!("Client {client_id} is configured with secret but SECRET_HASH was not received")),
        Some(hash) if secrets.iter().any(|secret| hash == secret_hash(secret, username, client_id)) => Ok(()),
        Some(_) => refused(format!("Unable to verify secret hash for client {client_id}")),
    }
}

fn secret_hash(secret: &str, username: &str, client_id: &str) -> String {
    STANDARD.encode(hmac_sha256(secret.as_bytes(), format!("{username}{client_id}").as_bytes()))
}

#[cfg(test)]
mod tests {
    use super::{check, secret_hash};

    const SECRET: &str = "abcdefghijklmnopqrstuvwxyz0123456789";
    const HASH: &str = "wQ4UISV8PRCoJlCNxFmtrLX0tRxJ4L51/6QHFfIrNdk=";

    #[test]
    fn a_known_hash() {
        assert_eq!(secret_hash(SECRET, "svc-broker", "1example23456789"), HASH);
    }

    #[test]
    fn required_iff_the_client_has_a_secret() {
        let verdict = |secrets: &[&str], sent| {
            let secrets: Vec<String> = secrets.iter().map(|s| (*s).to_owned()).collect();
            check(&secrets, "svc-broker", "1example23456789", sent).is_ok()
        };
        assert!(verdict(&[], None));
        assert!(verdict(&["other", SECRET], Some(HASH)));
        assert!(!verdict(&[SECRET], None));
        assert!(!verdict(&[SECRET], Some("AAAA")));
        assert!(!verdict(&[], Some(HASH)));
    }
}
