//! `USER_SRP_AUTH`, against a client's half of the tests' own.

use aws_lc_rs::digest::{SHA256, digest};
use aws_lc_rs::hmac;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use num_bigint::BigUint;
use serde_json::{Value, json};

use crate::users::{ALIAS, Confidential, PASSWORD, PLAIN, ROBOT, ROTATING, idp, refused};
use crate::wire::{Answer, Fixture, POOL, claims, names};

const PRIME: &str = "\
    FFFFFFFFFFFFFFFFC90FDAA22168C234C4C6628B80DC1CD129024E088A67CC74020BBEA63B139B22514A08798E3404DD\
    EF9519B3CD3A431B302B0A6DF25F14374FE1356D6D51C245E485B576625E7EC6F44C42E9A637ED6B0BFF5CB6F406B7ED\
    EE386BFB5A899FA5AE9F24117C4B1FE649286651ECE45B3DC2007CB8A163BF0598DA48361C55D39A69163FA8FD24CF5F\
    83655D23DCA3AD961C62F356208552BB9ED529077096966D670C354E4ABC9804F1746C08CA18217C32905E462E36CE3B\
    E39E772C180E86039B2783A2EC07A28FB5C55DF06F4C52C9DE2BCBF6955817183995497CEA956AE515D2261898FA0510\
    15728E5A8AAAC42DAD33170D04507A33A85521ABDF1CBA64ECFB850458DBEF0A8AEA71575D060C7DB3970F85A6E1E4C7\
    ABF5AE8CDB0933D71E8C94E04A25619DCEE3D2261AD2EE6BF12FFA06D98A0864D87602733EC86A64521F2B18177B200C\
    BBE117577A615D6C770988C0BAD946E208E24FA074E5AB3143DB5BFCE0FD108E4B82D120A93AD2CAFFFFFFFFFFFFFFFF";
const DENIED: &str = "NotAuthorizedException";
const INVALID: &str = "InvalidParameterException";
const INCORRECT: &str = "Incorrect username or password.";

/// A client that knows a password.
struct Srp {
    secret: BigUint,
    public: BigUint,
    prime: BigUint,
}

impl Srp {
    fn new() -> Srp {
        let prime = hex(PRIME);
        let secret = BigUint::from_bytes_be(digest(&SHA256, b"any exponent will do").as_ref());
        Srp { public: BigUint::from(2u8).modpow(&secret, &prime), secret, prime }
    }

    async fn begin(&self, emulator: &Fixture, name: &str) -> Answer {
        let parameters =
            json!({ "USERNAME": name, "SRP_A": self.public.to_str_radix(16), "SECRET_HASH": PLAIN.hash(name) });
        PLAIN.initiate(emulator, "USER_SRP_AUTH", parameters).await
    }

    /// The responses to a challenge, over the password.
    fn answer(&self, challenge: &Value, password: &str, timestamp: &str) -> Value {
        let text = |name: &str| challenge["ChallengeParameters"][name].as_str().unwrap();
        let (user, block) = (text("USER_ID_FOR_SRP"), text("SECRET_BLOCK"));
        let key = self.key(user, password, &hex(text("SALT")), &hex(text("SRP_B")));
        let pool = POOL.split_once('_').unwrap().1;
        let message = [pool.as_bytes(), user.as_bytes(), &STANDARD.decode(block).unwrap(), timestamp.as_bytes()];
        json!({
            "USERNAME": user,
            "PASSWORD_CLAIM_SECRET_BLOCK": block,
            "PASSWORD_CLAIM_SIGNATURE": STANDARD.encode(mac(&key, &message.concat())),
            "TIMESTAMP": timestamp,
            "SECRET_HASH": PLAIN.hash(user),
        })
    }

    /// `S = (B - k * g^x) ^ (a + u * x)`, and the key from it.
    fn key(&self, user: &str, password: &str, salt: &BigUint, b: &BigUint) -> Vec<u8> {
        let generator = BigUint::from(2u8);
        let pool = POOL.split_once('_').unwrap().1;
        let login = digest(&SHA256, format!("{pool}{user}:{password}").as_bytes());
        let x = hash(&[&pad(salt), login.as_ref()]);
        let k = hash(&[&pad(&self.prime), &pad(&generator)]);
        let u = hash(&[&pad(&self.public), &pad(b)]);
        let masked = k * generator.modpow(&x, &self.prime) % &self.prime;
        let shared = (b + &self.prime - masked).modpow(&(&self.secret + &u * x), &self.prime);
        let extracted = mac(&pad(&u), &pad(&shared));
        mac(&extracted, b"Caldera Derived Key\x01")[..16].to_vec()
    }
}

async fn respond(emulator: &Fixture, client: &Confidential, responses: Value) -> Answer {
    let body = json!({
        "ClientId": client.id, "ChallengeName": "PASSWORD_VERIFIER", "ChallengeResponses": responses,
    });
    idp(emulator, "RespondToAuthChallenge", &body).await
}

fn hex(text: &str) -> BigUint {
    BigUint::parse_bytes(text.as_bytes(), 16).unwrap()
}

/// Big-endian, with a zero byte in front of a first bit that is set.
fn pad(number: &BigUint) -> Vec<u8> {
    let bytes = number.to_bytes_be();
    if bytes[0] < 0x80 { bytes } else { [vec![0], bytes].concat() }
}

fn hash(parts: &[&[u8]]) -> BigUint {
    BigUint::from_bytes_be(digest(&SHA256, &parts.concat()).as_ref())
}

fn mac(key: &[u8], message: &[u8]) -> Vec<u8> {
    hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, key), message).as_ref().to_vec()
}

/// The time `seconds` from now, as the challenge's answer wants it.
fn stamp(seconds: i64) -> String {
    let then = jiff::Timestamp::from_second(jiff::Timestamp::now().as_second() + seconds).unwrap();
    then.strftime("%a %b %-d %H:%M:%S UTC %Y").to_string()
}

#[tokio::test]
async fn the_password_is_proven_and_never_sent() {
    let (emulator, srp) = (Fixture::start().await, Srp::new());
    for name in [ROBOT, ALIAS] {
        let challenge = srp.begin(&emulator, name).await.json();
        assert_eq!(names(&challenge), ["ChallengeName", "ChallengeParameters"]);
        assert_eq!(challenge["ChallengeName"], "PASSWORD_VERIFIER");
        let parameters = &challenge["ChallengeParameters"];
        assert_eq!(names(parameters), ["SALT", "SECRET_BLOCK", "SRP_B", "USERNAME", "USER_ID_FOR_SRP"]);
        assert_eq!([&parameters["USERNAME"], &parameters["USER_ID_FOR_SRP"]], [ROBOT, ROBOT]);
        let answer = respond(&emulator, &PLAIN, srp.answer(&challenge, PASSWORD, &stamp(0))).await.json();
        let result = &answer["AuthenticationResult"];
        assert_eq!(names(result), ["AccessToken", "ExpiresIn", "IdToken", "RefreshToken", "TokenType"]);
        assert_eq!(claims(result["AccessToken"].as_str().unwrap())["username"], ROBOT);
        assert_eq!(PLAIN.renew(&emulator, &result["RefreshToken"]).await.status, 200);
    }
    let operations: Vec<String> = emulator.control().journal().into_iter().map(|asked| asked.operation).collect();
    assert_eq!(operations[..2], ["InitiateAuth", "RespondToAuthChallenge"]);
}

#[tokio::test]
async fn a_wrong_proof_looks_the_same_for_everybody() {
    let (emulator, srp) = (Fixture::start().await, Srp::new());
    for (name, password) in [(ROBOT, "wrong"), ("nobody", PASSWORD)] {
        let challenge = srp.begin(&emulator, name).await;
        assert_eq!(challenge.status, 200, "{}", challenge.body);
        let answer = respond(&emulator, &PLAIN, srp.answer(&challenge.json(), password, &stamp(0))).await;
        assert_eq!(refused(&answer, DENIED), INCORRECT);
    }
    let salt = async |name| srp.begin(&emulator, name).await.json()["ChallengeParameters"]["SALT"].clone();
    assert_eq!(salt("nobody").await, salt("nobody").await);
}

#[tokio::test]
async fn every_part_of_an_answer_counts() {
    let (emulator, srp) = (Fixture::start().await, Srp::new());
    for (change, code) in [
        (json!({ "PASSWORD_CLAIM_SIGNATURE": STANDARD.encode([0; 32]) }), DENIED),
        (json!({ "PASSWORD_CLAIM_SECRET_BLOCK": STANDARD.encode([0; 32]) }), DENIED),
        (json!({ "USERNAME": ALIAS }), DENIED),
        (json!({ "SECRET_HASH": PLAIN.hash(ALIAS) }), DENIED),
        (json!({ "TIMESTAMP": stamp(-60) }), DENIED),
        (json!({ "TIMESTAMP": "2026-11-21T10:00:00Z" }), INVALID),
        (json!({ "TIMESTAMP": stamp(0).replace("UTC", "GMT") }), INVALID),
    ] {
        let challenge = srp.begin(&emulator, ALIAS).await.json();
        let mut responses = srp.answer(&challenge, PASSWORD, &stamp(0));
        responses.as_object_mut().unwrap().extend(change.as_object().unwrap().clone());
        refused(&respond(&emulator, &PLAIN, responses).await, code);
    }
    for name in ["USERNAME", "PASSWORD_CLAIM_SECRET_BLOCK", "PASSWORD_CLAIM_SIGNATURE", "TIMESTAMP", "SECRET_HASH"] {
        let challenge = srp.begin(&emulator, ROBOT).await.json();
        let mut responses = srp.answer(&challenge, PASSWORD, &stamp(0));
        responses.as_object_mut().unwrap().remove(name);
        let code = if name == "SECRET_HASH" { DENIED } else { INVALID };
        refused(&respond(&emulator, &PLAIN, responses).await, code);
    }
}

#[tokio::test]
async fn a_challenge_is_for_its_client_once_and_soon() {
    let (emulator, srp) = (Fixture::start().await, Srp::new());
    let challenge = srp.begin(&emulator, ROBOT).await.json();
    let responses = srp.answer(&challenge, PASSWORD, &stamp(0));
    let mut elsewhere = responses.clone();
    elsewhere["SECRET_HASH"] = json!(ROTATING.hash(ROBOT));
    refused(&respond(&emulator, &ROTATING, elsewhere).await, DENIED);
    assert_eq!(respond(&emulator, &PLAIN, responses.clone()).await.status, 200);
    assert_eq!(refused(&respond(&emulator, &PLAIN, responses).await, DENIED), INCORRECT);

    let challenge = srp.begin(&emulator, ROBOT).await.json();
    emulator.control().clock_offset(200);
    refused(&respond(&emulator, &PLAIN, srp.answer(&challenge, PASSWORD, &stamp(200))).await, DENIED);
    let challenge = srp.begin(&emulator, ROBOT).await.json();
    refused(&respond(&emulator, &PLAIN, srp.answer(&challenge, PASSWORD, &stamp(-150))).await, DENIED);
}

#[tokio::test]
async fn beginnings_that_are_refused() {
    let emulator = Fixture::start().await;
    let begin = async |change: Value| {
        let mut parameters = json!({ "USERNAME": ROBOT, "SRP_A": "8", "SECRET_HASH": PLAIN.hash(ROBOT) });
        parameters.as_object_mut().unwrap().extend(change.as_object().unwrap().clone());
        PLAIN.initiate(&emulator, "USER_SRP_AUTH", parameters).await
    };
    assert_eq!(begin(json!({})).await.status, 200);
    for a in ["0", PRIME, "no number"] {
        refused(&begin(json!({ "SRP_A": a })).await, INVALID);
    }
    refused(&begin(json!({ "SECRET_HASH": "x" })).await, DENIED);
    let parameters = json!({ "USERNAME": ROBOT, "SECRET_HASH": PLAIN.hash(ROBOT) });
    refused(&PLAIN.initiate(&emulator, "USER_SRP_AUTH", parameters).await, INVALID);
    for (name, code) in [("NEW_PASSWORD_REQUIRED", INVALID), ("RIDDLE", INVALID)] {
        let body = json!({ "ClientId": PLAIN.id, "ChallengeName": name, "ChallengeResponses": {} });
        refused(&idp(&emulator, "RespondToAuthChallenge", &body).await, code);
    }
}

#[tokio::test]
async fn after_the_proof_comes_the_users_own_challenge() {
    let emulator = Fixture::with(|world| {
        let user = world.pools.get_mut(POOL).unwrap().users.get_mut(ROBOT).unwrap();
        user.challenge = Some("SOFTWARE_TOKEN_MFA".into());
    })
    .await;
    let srp = Srp::new();
    let challenge = srp.begin(&emulator, ROBOT).await.json();
    assert_eq!(challenge["ChallengeName"], "PASSWORD_VERIFIER");
    let answer = respond(&emulator, &PLAIN, srp.answer(&challenge, PASSWORD, &stamp(0))).await.json();
    assert_eq!(answer["ChallengeName"], "SOFTWARE_TOKEN_MFA");
    assert!(answer["Session"].is_string() && answer.get("AuthenticationResult").is_none());
}
