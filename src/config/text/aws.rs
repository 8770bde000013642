//! Ids and ARNs of AWS.

use super::Text;

/// A region of AWS.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Region(pub String);

impl Text for Region {
    const FORMAT: &'static str = "region";
    const EXPECTED: &'static str = "a region such as \"eu-west-1\"";

    fn read(text: &str) -> Result<Self, String> {
        if is_region(text) { Ok(Self(text.to_owned())) } else { Err(String::new()) }
    }
}

fn is_region(text: &str) -> bool {
    let parts: Vec<&str> = text.split('-').collect();
    parts.len() >= 3
        && parts
            .iter()
            .all(|part| !part.is_empty() && part.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit()))
        && parts.last().is_some_and(|last| last.bytes().all(|b| b.is_ascii_digit()))
}

/// A service as signatures name it (the service in the credential scope of Signature Version 4).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SigningService(pub String);

impl Text for SigningService {
    const FORMAT: &'static str = "signing-service";
    const EXPECTED: &'static str = "a service as its signatures name it, such as \"execute-api\" or \"s3\"";

    fn read(text: &str) -> Result<Self, String> {
        let plain = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-';
        let good = (1..=64).contains(&text.len()) && text.bytes().all(plain);
        if good { Ok(Self(text.to_owned())) } else { Err("lower-case letters, digits and hyphens".to_owned()) }
    }
}

/// A user pool's id, `REGION_ID` (CreateUserPool).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UserPoolId {
    /// The whole id.
    pub id: String,
    /// The part before the underscore.
    pub region: String,
}

impl UserPoolId {
    /// How its tokens spell their issuer: the original form, and the one of pools in several regions.
    pub fn issuers(&self) -> [String; 2] {
        ["cognito-idp", "issuer-cognito-idp"]
            .map(|service| format!("https://{service}.{}.amazonaws.com/{}", self.region, self.id))
    }
}

impl Text for UserPoolId {
    const FORMAT: &'static str = "user-pool-id";
    const EXPECTED: &'static str = "a user pool id such as \"eu-west-1_AbCd12345\"";

    fn read(text: &str) -> Result<Self, String> {
        let (region, rest) = text.split_once('_').ok_or_else(String::new)?;
        if !is_region(region) || rest.is_empty() || text.len() > 55 || !rest.bytes().all(|b| b.is_ascii_alphanumeric())
        {
            return Err(String::new());
        }
        Ok(Self { id: text.to_owned(), region: region.to_owned() })
    }
}

/// An identity pool's id, `REGION:GUID` (CreateIdentityPool).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IdentityPoolId {
    /// The whole id.
    pub id: String,
    /// The part before the colon.
    pub region: String,
}

impl Text for IdentityPoolId {
    const FORMAT: &'static str = "identity-pool-id";
    const EXPECTED: &'static str = "an identity pool id such as \"eu-west-1:11112222-3333-4444-5555-666677778888\"";

    fn read(text: &str) -> Result<Self, String> {
        let (region, guid) = text.split_once(':').ok_or_else(String::new)?;
        let lengths: Vec<usize> = guid.split('-').map(str::len).collect();
        if !is_region(region)
            || lengths != [8, 4, 4, 4, 12]
            || !guid.bytes().all(|b| b.is_ascii_hexdigit() || b == b'-')
        {
            return Err(String::new());
        }
        Ok(Self { id: text.to_owned(), region: region.to_owned() })
    }
}

/// A role's ARN.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RoleArn(pub String);

impl Text for RoleArn {
    const FORMAT: &'static str = "role-arn";
    const EXPECTED: &'static str = "a role ARN such as \"arn:aws:iam::111122223333:role/orders\"";

    fn read(text: &str) -> Result<Self, String> {
        if is_iam(text, "role/", is_account) { Ok(Self(text.to_owned())) } else { Err(String::new()) }
    }
}

/// The ARN of a managed policy.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PolicyArn(pub String);

impl Text for PolicyArn {
    const FORMAT: &'static str = "policy-arn";
    const EXPECTED: &'static str = "the ARN of a managed policy such as \"arn:aws:iam::aws:policy/ReadOnlyAccess\"";

    fn read(text: &str) -> Result<Self, String> {
        if is_iam(text, "policy/", |account| account == "aws" || is_account(account)) {
            Ok(Self(text.to_owned()))
        } else {
            Err(String::new())
        }
    }
}

fn is_account(text: &str) -> bool {
    text.len() == 12 && text.bytes().all(|b| b.is_ascii_digit())
}

/// Is it the ARN of a thing of IAM, of the kind that `prefix` says?
fn is_iam(text: &str, prefix: &str, is_owner: impl Fn(&str) -> bool) -> bool {
    let fields: Vec<&str> = text.splitn(6, ':').collect();
    let [arn, partition, service, region, account, resource] = fields[..] else { return false };
    arn == "arn"
        && (partition == "aws" || partition.starts_with("aws-"))
        && service == "iam"
        && region.is_empty()
        && is_owner(account)
        && resource
            .strip_prefix(prefix)
            .is_some_and(|name| !name.is_empty() && name.bytes().all(|b| b.is_ascii_graphic()))
        && text.len() <= 2048
}
