"""The emulator's other issuers, judged by botocore and PyJWT: STS's tokens for others, an OAuth 2.0 server, Secrets Manager."""

import time
import urllib.parse
import uuid

import botocore.exceptions
import jwt
import pytest

import world
from conftest import ROOT
from processes import request

refused = pytest.raises(botocore.exceptions.ClientError)

CLIENT = "partner-jwt"
ASSERTION = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"


def code(refusal) -> str:
    return refusal.value.response["Error"]["Code"]


def issuer(emulator) -> str:
    return f"{emulator.url}/as/partner"


def token(emulator, **form: str):
    form = {"grant_type": "client_credentials", **form}
    body = urllib.parse.urlencode(form).encode()
    return request(f"{issuer(emulator)}/token", "POST", {"Content-Type": "application/x-www-form-urlencoded"}, body)


def verified(document_url: str, signed: str, **expected):
    """The claims, by the keys the issuer's own document points to."""
    document = request(document_url).json()
    keys = jwt.PyJWKSet.from_dict(request(document["jwks_uri"]).json())
    header = jwt.get_unverified_header(signed)
    claims = jwt.decode(signed, keys[header["kid"]].key, algorithms=[header["alg"]], issuer=document["issuer"], **expected)
    return header, claims


@pytest.mark.parametrize(("algorithm", "key"), [("RS256", "rsa"), ("PS256", "rsa"), ("ES256", "ec"), ("EdDSA", "ed25519")])
def test_a_client_that_signs(emulator, algorithm, key):
    pem = (ROOT / f"tests/emulator/keys/partner-{key}.pem").read_text()
    now = int(time.time())
    claims = {"iss": CLIENT, "sub": CLIENT, "aud": issuer(emulator), "iat": now, "exp": now + 60, "jti": str(uuid.uuid4())}
    assertion = jwt.encode(claims, pem, algorithm, headers={"kid": f"partner-{key}"})
    answer = token(emulator, client_assertion_type=ASSERTION, client_assertion=assertion)
    assert answer.status == 200, answer.text
    metadata = f"{emulator.url}/.well-known/oauth-authorization-server/as/partner"
    header, access = verified(metadata, answer.json()["access_token"], audience="https://api.partner.example")
    assert (header["typ"], access["client_id"]) == ("at+jwt", CLIENT)
    assert token(emulator, client_assertion_type=ASSERTION, client_assertion=assertion).status == 401, "used before"


@pytest.mark.parametrize("algorithm", ["RS256", "ES384"])
def test_a_role_proves_itself_to_somebody_else(client, emulator, algorithm):
    hub = client("sts").assume_role(RoleArn=world.ROLE_HUB, RoleSessionName="first")["Credentials"]
    sts = client("sts", hub["AccessKeyId"], hub["SecretAccessKey"], hub["SessionToken"])
    answer = sts.get_web_identity_token(Audience=[issuer(emulator)], SigningAlgorithm=algorithm, DurationSeconds=120)
    document = f"{emulator.url}/outbound/.well-known/openid-configuration"
    header, claims = verified(document, answer["WebIdentityToken"], audience=issuer(emulator))
    assert (header["alg"], claims["sub"]) == (algorithm, world.ROLE_HUB)
    assert claims["exp"] == int(answer["Expiration"].timestamp())
    granted = token(emulator, client_id="partner-aws", client_assertion_type=ASSERTION, client_assertion=answer["WebIdentityToken"])
    assert granted.status == 200, granted.text
    with refused as refusal:
        sts.get_web_identity_token(Audience=["a"], SigningAlgorithm=algorithm, DurationSeconds=3600, Tags=[{"Key": "a", "Value": "b"}])
    assert code(refusal) == "AccessDenied", "tags take an action of their own"


def test_a_secret_by_name_and_arn(client):
    manager = client("secretsmanager")
    current = manager.get_secret_value(SecretId="credbroker/billing")
    assert world.M2M_SECRET in current["SecretString"]
    assert manager.get_secret_value(SecretId=current["ARN"], VersionId=current["VersionId"])["CreatedDate"] == current["CreatedDate"]
    assert manager.get_secret_value(SecretId="partner-key")["SecretBinary"].startswith(b"-----BEGIN PRIVATE KEY-----")
    with refused as refusal:
        manager.get_secret_value(SecretId="credbroker/billing", VersionStage="AWSPENDING")
    assert code(refusal) == "ResourceNotFoundException"
