//! Worked examples AWS publishes (its Signature Version 4 test suite), and ways to spoil one.

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Method};

use super::{AccessKey, Refusal, Scope, verify};
use crate::call::Call;
use crate::clock;
use crate::principal::Principal;

const VANILLA: &str = "5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31";
const TOKEN: &str = "6e86291e8372ff2a2260956d9b8aae1d763fbf315fa00fa31553b73ebf194267";
const BODY_HASH: &str = "9095672bbd1f56dfc5b65f3e153adc8731a4a654192329106275f4c7b24d0b6e";
const SCOPE: Scope<'static> = Scope { region: "us-east-1", service: "service" };

fn example(method: &Method, query: &str, more: &[(&str, &str)], body: &'static str, signature: &str) -> Call {
    let mut headers = HeaderMap::new();
    let base = [("host", "example.amazonaws.com"), ("x-amz-date", "20150830T123600Z")];
    for (name, value) in base.iter().chain(more) {
        headers.insert(HeaderName::try_from(*name).unwrap(), HeaderValue::try_from(*value).unwrap());
    }
    let mut signed: Vec<&str> = headers.keys().map(HeaderName::as_str).collect();
    signed.sort_unstable();
    let authorization = format!(
        "AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20150830/us-east-1/service/aws4_request, \
         SignedHeaders={}, Signature={signature}",
        signed.join(";"),
    );
    headers.insert("authorization", HeaderValue::try_from(authorization).unwrap());
    Call {
        method: method.clone(),
        path: "/".into(),
        query: query.into(),
        headers,
        body: Bytes::from_static(body.as_bytes()),
    }
}

fn vanilla(signature: &str) -> Call {
    example(&Method::GET, "", &[], "", signature)
}

fn key(token: Option<&'static str>, expires: Option<i64>) -> impl Fn(&str) -> Option<AccessKey> {
    move |id| {
        (id == "AKIDEXAMPLE").then(|| AccessKey {
            secret: "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY".into(),
            token: token.map(str::to_owned),
            expires,
            principal: Principal::User { name: "example".into() },
        })
    }
}

fn then() -> i64 {
    clock::from_basic("20150830T123600Z").unwrap()
}

#[test]
fn the_published_examples_verify() {
    let form = [
        ("content-type", "application/x-www-form-urlencoded"),
        ("content-length", "13"),
        ("x-amz-content-sha256", BODY_HASH),
    ];
    let examples = [
        vanilla(VANILLA),
        example(
            &Method::GET,
            "Param2=value2&Param1=value1",
            &[],
            "",
            "b97d918cfa904a5beff61c982a1b6f458b799221646efd99d3219ec94cdf2500",
        ),
        example(
            &Method::GET,
            "",
            &[("my-header1", "value1"), ("my-header2", "\"a   b   c\"")],
            "",
            "acc3ed3afb60bb290fc8d2dd0098b9911fcaa05412b367055dee359757a9c736",
        ),
        example(
            &Method::POST,
            "",
            &form,
            "Param1=value1",
            "d3875051da38690788ef43de4db0d8f280229d82040bfac253562e56c3f20e0b",
        ),
    ];
    for call in examples {
        assert_eq!(verify(&call, &SCOPE, then(), key(None, None)), Ok(Principal::User { name: "example".into() }));
    }
    let with_token = example(
        &Method::GET,
        "",
        &[("x-amz-security-token", TOKEN)],
        "",
        "07ec1639c89043aa0e3e2de82b96708f198cceab042d4a97044c66dd9f74e7f8",
    );
    assert!(verify(&with_token, &SCOPE, then(), key(Some(TOKEN), Some(then() + 1))).is_ok());
    assert_eq!(verify(&with_token, &SCOPE, then(), key(Some(TOKEN), Some(then()))), Err(Refusal::Expired));
    assert_eq!(verify(&with_token, &SCOPE, then(), key(Some("other"), None)), Err(Refusal::UnknownKey));
}

#[test]
fn spoiled_in_any_way_one_does_not() {
    let mismatch = |call: &Call, scope: &Scope<'_>, now| {
        matches!(verify(call, scope, now, key(None, None)), Err(Refusal::Mismatch(_)))
    };
    let good = vanilla(VANILLA);
    assert!(mismatch(&vanilla(&VANILLA.replace('5', "6")), &SCOPE, then()));
    assert!(mismatch(&good, &Scope { region: "eu-west-1", service: "service" }, then()));
    assert!(mismatch(&good, &Scope { region: "us-east-1", service: "sts" }, then()));
    assert!(mismatch(&good, &SCOPE, then() + 301));
    assert!(mismatch(&good, &SCOPE, then() - 301));
    assert!(!mismatch(&good, &SCOPE, then() + 300));

    let other_body = Call { body: Bytes::from_static(b"x"), ..vanilla(VANILLA) };
    assert!(mismatch(&other_body, &SCOPE, then()));
    let other_query = Call { query: "a=b".into(), ..vanilla(VANILLA) };
    assert!(mismatch(&other_query, &SCOPE, then()));
    let mut unsigned_token = vanilla(VANILLA);
    unsigned_token.headers.insert("x-amz-security-token", HeaderValue::from_static("t"));
    assert!(mismatch(&unsigned_token, &SCOPE, then()));
}

/// The examples of S3's own documentation ("Authenticating Requests: Using the Authorization Header").
#[test]
fn the_examples_of_s3_verify() {
    const EMPTY: &str = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
    const WELCOME: &str = "44ce7dd67c959e0d3524ffac1771dfbba87d2b6b4b4e99e42034a8b803f8b072";
    let s3 = Scope { region: "us-east-1", service: "s3" };
    let then = clock::from_basic("20130524T000000Z").unwrap();
    let example = |method: Method,
                   path: &str,
                   query: &str,
                   more: &[(&str, &str)],
                   body: &'static str,
                   signature: &str| {
        let mut headers = HeaderMap::new();
        let base = [("host", "examplebucket.s3.amazonaws.com"), ("x-amz-date", "20130524T000000Z")];
        for (name, value) in base.iter().chain(more) {
            headers.insert(HeaderName::try_from(*name).unwrap(), HeaderValue::try_from(*value).unwrap());
        }
        let mut signed: Vec<&str> = headers.keys().map(HeaderName::as_str).collect();
        signed.sort_unstable();
        let authorization = format!(
            "AWS4-HMAC-SHA256 Credential=AKIAIOSFODNN7EXAMPLE/20130524/us-east-1/s3/aws4_request,SignedHeaders={},Signature={signature}",
            signed.join(";"),
        );
        headers.insert("authorization", HeaderValue::try_from(authorization).unwrap());
        Call { method, path: path.into(), query: query.into(), headers, body: Bytes::from_static(body.as_bytes()) }
    };
    let put = [
        ("date", "Fri, 24 May 2013 00:00:00 GMT"),
        ("x-amz-storage-class", "REDUCED_REDUNDANCY"),
        ("x-amz-content-sha256", WELCOME),
    ];
    let get = [("range", "bytes=0-9"), ("x-amz-content-sha256", EMPTY)];
    let list = [("x-amz-content-sha256", EMPTY)];
    let (put_signature, body) =
        ("98ad721746da40c64f1a55b78f14c238d841ea1380cd77a1b5971af0ece108bd", "Welcome to Amazon S3.");
    let find = |_: &str| {
        let secret = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY".into();
        let principal = Principal::User { name: "example".into() };
        Some(AccessKey { secret, token: None, expires: None, principal })
    };
    let verified = |call: &Call| verify(call, &s3, then, find).is_ok();
    for call in [
        example(
            Method::GET,
            "/test.txt",
            "",
            &get,
            "",
            "f0e8bdb87c964420e857bd35b5d6ed310bd44f0170aba48dd91039c6036bdb41",
        ),
        example(Method::PUT, "/test$file.text", "", &put, body, put_signature),
        example(Method::PUT, "/test%24file.text", "", &put, body, put_signature),
        example(
            Method::GET,
            "/",
            "max-keys=2&prefix=J",
            &list,
            "",
            "34b48302e7b5fa45bde8084f4b7868a86f0a534bc59db6670ed5711ef69dc6f7",
        ),
    ] {
        assert!(verified(&call), "{} {}", call.method, call.path);
    }
    for (path, body) in [("/test$file.txt", body), ("//test$file.text", body), ("/test$file.text", "Welcome")] {
        assert!(!verified(&example(Method::PUT, path, "", &put, body, put_signature)), "{path} {body}");
    }
}

#[test]
fn unknown_missing_and_unreadable() {
    let good = vanilla(VANILLA);
    assert_eq!(verify(&good, &SCOPE, then(), |_| None), Err(Refusal::UnknownKey));
    assert_eq!(verify(&good, &SCOPE, then(), key(Some(TOKEN), None)), Err(Refusal::UnknownKey));
    let mut bare = vanilla(VANILLA);
    bare.headers.remove("authorization");
    assert_eq!(verify(&bare, &SCOPE, then(), key(None, None)), Err(Refusal::Missing));
    for header in ["Bearer x", "AWS4-HMAC-SHA256 Credential=a/b, SignedHeaders=host, Signature=x"] {
        bare.headers.insert("authorization", HeaderValue::from_static(header));
        assert!(matches!(verify(&bare, &SCOPE, then(), key(None, None)), Err(Refusal::Incomplete(_))));
    }
}
