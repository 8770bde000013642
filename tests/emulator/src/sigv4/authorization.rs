//! The `Authorization` header of Signature Version 4.

/// `AWS4-HMAC-SHA256 Credential=KEY/DATE/REGION/SERVICE/aws4_request, SignedHeaders=a;b, Signature=HEX`
#[derive(Debug)]
pub(super) struct Authorization {
    pub(super) access_key_id: String,
    pub(super) date: String,
    pub(super) region: String,
    pub(super) service: String,
    pub(super) signed_headers: Vec<String>,
    pub(super) signature: String,
}

impl Authorization {
    /// Reads the header; the error is the sentence AWS answers with `IncompleteSignature`.
    pub(super) fn parse(header: &str) -> Result<Authorization, String> {
        let rest = header
            .strip_prefix("AWS4-HMAC-SHA256 ")
            .ok_or("Authorization header requires the AWS4-HMAC-SHA256 algorithm.")?;
        let part = |name: &str| {
            let found = rest.split(',').find_map(|item| item.trim().strip_prefix(name)?.strip_prefix('='));
            found.ok_or_else(|| format!("Authorization header requires '{name}' parameter."))
        };
        let credential: Vec<&str> = part("Credential")?.split('/').collect();
        let [key, date, region, service, "aws4_request"] = credential[..] else {
            return Err(
                "Credential must have exactly 5 slash-delimited elements, e.g. keyid/date/region/service/term".into()
            );
        };
        let signed_headers: Vec<String> = part("SignedHeaders")?.split(';').map(str::to_owned).collect();
        if !signed_headers.is_sorted() || signed_headers.iter().any(|h| h.is_empty() || h.to_ascii_lowercase() != *h) {
            return Err("SignedHeaders must be lower-case header names in order.".into());
        }
        if !signed_headers.iter().any(|h| h == "host") {
            return Err("'Host' must be a 'SignedHeader' in the AWS Authorization.".into());
        }
        Ok(Authorization {
            access_key_id: key.to_owned(),
            date: date.to_owned(),
            region: region.to_owned(),
            service: service.to_owned(),
            signed_headers,
            signature: part("Signature")?.to_owned(),
        })
    }

    /// `DATE/REGION/SERVICE/aws4_request`
    pub(super) fn scope(&self) -> String {
        format!("{}/{}/{}/aws4_request", self.date, self.region, self.service)
    }
}
