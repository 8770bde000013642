//! A Signature Version 4 signer of the tests' own, for `POST` and plain paths.

use std::fmt::Write as _;

use aws_lc_rs::{digest, hmac};

use crate::wire::{Answer, Fixture};

pub(crate) struct Keys {
    pub(crate) id: String,
    pub(crate) secret: String,
    pub(crate) token: Option<String>,
}

/// The demo's IAM user.
pub(crate) fn broker() -> Keys {
    Keys { id: "AKIAEMULATORBROKER01".into(), secret: "emulator+secret/access+key+of+the+broker01".into(), token: None }
}

impl Keys {
    /// Temporary credentials out of an STS answer.
    pub(crate) fn of(answer: &Answer) -> Keys {
        assert_eq!(answer.status, 200, "{}", answer.body);
        Keys {
            id: answer.element("AccessKeyId").into(),
            secret: answer.element("SecretAccessKey").into(),
            token: Some(answer.element("SessionToken").into()),
        }
    }

    /// Calls STS.
    pub(crate) async fn sts(&self, fixture: &Fixture, body: &str) -> Answer {
        let body = format!("{body}&Version=2011-06-15");
        self.post(fixture, "/", "sts", &[("content-type", "application/x-www-form-urlencoded")], &body).await
    }

    /// Calls a JSON 1.1 service.
    pub(crate) async fn json(
        &self,
        fixture: &Fixture,
        service: &str,
        target: &str,
        body: &serde_json::Value,
    ) -> Answer {
        let headers = [("content-type", "application/x-amz-json-1.1"), ("x-amz-target", target)];
        self.post(fixture, "/", service, &headers, &body.to_string()).await
    }

    /// Calls an API behind API Gateway.
    pub(crate) async fn gateway(&self, fixture: &Fixture, path: &str, body: &str) -> Answer {
        self.post(fixture, path, "execute-api", &[], body).await
    }

    async fn post(&self, fixture: &Fixture, path: &str, service: &str, headers: &[(&str, &str)], body: &str) -> Answer {
        let (date, host) = (now(), fixture.authority());
        let mut all = headers.to_vec();
        all.extend([("host", host.as_str()), ("x-amz-date", date.as_str())]);
        all.extend(self.token.iter().map(|token| ("x-amz-security-token", token.as_str())));
        all.sort_unstable();
        let names = all.iter().map(|(name, _)| *name).collect::<Vec<_>>().join(";");
        let lines: String = all.iter().map(|(name, value)| format!("{name}:{value}\n")).collect();
        let canonical = format!("POST\n{path}\n\n{lines}\n{names}\n{}", sha256(body));
        let scope = format!("{}/eu-west-1/{service}/aws4_request", &date[..8]);
        let to_sign = format!("AWS4-HMAC-SHA256\n{date}\n{scope}\n{}", sha256(&canonical));
        let start = format!("AWS4{}", self.secret).into_bytes();
        let key = scope.split('/').fold(start, |key, part| mac(&key, part));
        let signature = hex(&mac(&key, &to_sign));
        let authorization =
            format!("AWS4-HMAC-SHA256 Credential={}/{scope}, SignedHeaders={names}, Signature={signature}", self.id);
        all.push(("authorization", &authorization));
        fixture.send("POST", path, &all, body).await
    }
}

fn now() -> String {
    jiff::Timestamp::now().strftime("%Y%m%dT%H%M%SZ").to_string()
}

fn mac(key: &[u8], message: &str) -> Vec<u8> {
    hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, key), message.as_bytes()).as_ref().to_vec()
}

fn sha256(message: &str) -> String {
    hex(digest::digest(&digest::SHA256, message.as_bytes()).as_ref())
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut out, byte| {
        let _ = write!(out, "{byte:02x}");
        out
    })
}
