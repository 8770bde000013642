"""The emulator alone, judged by botocore's signer and parsers: what the daemon is tested against must be AWS to AWS's own SDK."""

import json

import botocore.exceptions
import jwt
import pytest

import world
from processes import request


def code(refusal) -> str:
    return refusal.value.response["Error"]["Code"]


def status(refusal) -> int:
    return refusal.value.response["ResponseMetadata"]["HTTPStatusCode"]


refused = pytest.raises(botocore.exceptions.ClientError)


def session(client, credentials):
    """An STS client that signs with temporary credentials, in STS's or the identity pool's spelling."""
    secret = credentials.get("SecretAccessKey") or credentials["SecretKey"]
    return client("sts", credentials["AccessKeyId"], secret, credentials["SessionToken"])


def robot_id_token(client) -> str:
    answer = client("cognito-idp").initiate_auth(
        ClientId=world.ROBOT_CLIENT,
        AuthFlow="USER_PASSWORD_AUTH",
        AuthParameters={"USERNAME": world.ROBOT_USER, "PASSWORD": world.ROBOT_PASSWORD},
    )["AuthenticationResult"]
    assert answer["TokenType"] == "Bearer"
    assert answer["ExpiresIn"] == 3600
    return answer["IdToken"]


def m2m_access_token(emulator, secret=world.M2M_SECRET):
    form = f"grant_type=client_credentials&client_id={world.M2M_CLIENT}&client_secret={secret}&scope=billing%2Fread"
    return request(f"{emulator.url}/oauth2/token", "POST", {"Content-Type": "application/x-www-form-urlencoded"}, form.encode())


# ---- STS --------------------------------------------------------------------------------------------


def test_caller_identity_of_the_iam_user(client):
    identity = client("sts").get_caller_identity()
    assert identity["Arn"] == f"arn:aws:iam::{world.ACCOUNT}:user/broker"
    assert identity["Account"] == world.ACCOUNT


def test_assume_role_and_a_chain(client, emulator):
    hub = client("sts").assume_role(RoleArn=world.ROLE_HUB, RoleSessionName="first")
    assert hub["AssumedRoleUser"]["Arn"] == world.assumed_role("hub") + "first"
    assert hub["Credentials"]["AccessKeyId"].startswith("ASIA")
    as_hub = session(client, hub["Credentials"])
    assert as_hub.get_caller_identity()["Arn"] == world.assumed_role("hub") + "first"

    orders = as_hub.assume_role(RoleArn=world.ROLE_ORDERS, RoleSessionName="second")
    identity = session(client, orders["Credentials"]).get_caller_identity()
    assert identity["Arn"] == world.assumed_role("orders") + "second"
    assert identity["Account"] == world.ACCOUNT
    assert [e["outcome"] for e in emulator.asked("AssumeRole")] == ["ok", "ok"]


def test_a_chained_role_may_not_last_longer_than_an_hour(client):
    hub = client("sts").assume_role(RoleArn=world.ROLE_HUB, RoleSessionName="first", DurationSeconds=7200)
    with refused as refusal:
        session(client, hub["Credentials"]).assume_role(RoleArn=world.ROLE_ORDERS, RoleSessionName="second", DurationSeconds=3601)
    assert code(refusal) == "ValidationError"


def test_a_role_whose_trust_does_not_name_us_is_denied(client):
    with refused as refusal:
        client("sts").assume_role(RoleArn=world.ROLE_UPLOADS, RoleSessionName="x1")
    assert (code(refusal), status(refusal)) == ("AccessDenied", 403)


@pytest.mark.parametrize(
    "key, secret, token, expected",
    [
        pytest.param(world.BROKER_KEY, "x" * 40, None, "SignatureDoesNotMatch", id="wrong-secret"),
        pytest.param("AKIAUNKNOWNUNKNOWN00", world.BROKER_SECRET, None, "InvalidClientTokenId", id="unknown-key"),
        pytest.param(world.BROKER_KEY, world.BROKER_SECRET, "not-a-session", "InvalidClientTokenId", id="session-token-out-of-nowhere"),
    ],
)
def test_a_bad_signature_is_refused(client, key, secret, token, expected):
    with refused as refusal:
        client("sts", key, secret, token).get_caller_identity()
    assert (code(refusal), status(refusal)) == (expected, 403)


# ---- the user pool ----------------------------------------------------------------------------------


def test_describe_user_pool_and_client(client):
    idp = client("cognito-idp")
    pool = idp.describe_user_pool(UserPoolId=world.USER_POOL)["UserPool"]
    assert (pool["Id"], pool["Domain"]) == (world.USER_POOL, "acme")
    app = idp.describe_user_pool_client(UserPoolId=world.USER_POOL, ClientId=world.M2M_CLIENT)["UserPoolClient"]
    assert app["ClientSecret"] == world.M2M_SECRET
    assert app["AllowedOAuthFlows"] == ["client_credentials"]
    assert set(app["AllowedOAuthScopes"]) == {"billing/read", "billing/write"}


def test_describing_needs_a_signature(client):
    with refused as refusal:
        client("cognito-idp", secret="x" * 40).describe_user_pool(UserPoolId=world.USER_POOL)
    assert code(refusal) in ("InvalidSignatureException", "SignatureDoesNotMatch")


def test_get_client_token(client):
    result = client("cognito-idp").get_client_token(ClientId=world.M2M_CLIENT, Secret=world.M2M_SECRET, Scopes=["billing/read"])[
        "ClientAuthenticationResult"
    ]
    assert (result["TokenType"], result["ExpiresIn"]) == ("Bearer", 3600)
    claims = jwt.decode(result["AccessToken"], options={"verify_signature": False})
    assert (claims["client_id"], claims["scope"], claims["token_use"]) == (world.M2M_CLIENT, "billing/read", "access")
    assert "aud" not in claims

    with refused as refusal:
        client("cognito-idp").get_client_token(ClientId=world.M2M_CLIENT, Secret="wrong" * 6)
    assert code(refusal) == "NotAuthorizedException"


def test_a_wrong_password_is_refused(client):
    with refused as refusal:
        client("cognito-idp").initiate_auth(
            ClientId=world.ROBOT_CLIENT,
            AuthFlow="USER_PASSWORD_AUTH",
            AuthParameters={"USERNAME": world.ROBOT_USER, "PASSWORD": "wrong"},
        )
    assert code(refusal) == "NotAuthorizedException"


def test_tokens_verify_against_the_published_keys(client, emulator):
    keys = jwt.PyJWKSet.from_dict(request(f"{emulator.url}/{world.USER_POOL}/.well-known/jwks.json").json())
    assert len(keys.keys) == 2, "Cognito publishes two keys"

    identity = robot_id_token(client)
    key = keys[jwt.get_unverified_header(identity)["kid"]].key
    claims = jwt.decode(identity, key, algorithms=["RS256"], audience=world.ROBOT_CLIENT, issuer=world.ISSUER)
    assert (claims["token_use"], claims["cognito:username"]) == ("id", world.ROBOT_USER)

    answer = m2m_access_token(emulator).json()
    assert answer.keys() == {"access_token", "token_type", "expires_in"}, "Cognito's own answer has no scope member"
    key = keys[jwt.get_unverified_header(answer["access_token"])["kid"]].key
    claims = jwt.decode(answer["access_token"], key, algorithms=["RS256"], issuer=world.ISSUER)
    assert (claims["sub"], claims["token_use"]) == (world.M2M_CLIENT, "access")


def test_the_token_endpoint_refuses_as_cognito_does(emulator):
    wrong = m2m_access_token(emulator, "wrong")
    assert (wrong.status, wrong.json()["error"]) == (400, "invalid_client"), "400, not the 401 of RFC 6749"


# ---- the identity pool ------------------------------------------------------------------------------


def test_credentials_for_a_machine_user(client):
    pool = client("cognito-identity")
    logins = {world.POOL_LOGIN: robot_id_token(client)}
    identity = pool.get_id(IdentityPoolId=world.IDENTITY_POOL, Logins=logins)["IdentityId"]
    assert pool.get_id(IdentityPoolId=world.IDENTITY_POOL, Logins=logins)["IdentityId"] == identity, "the same login, the same identity"

    credentials = pool.get_credentials_for_identity(IdentityId=identity, Logins=logins)["Credentials"]
    assert session(client, credentials).get_caller_identity()["Arn"].startswith(world.assumed_role("uploads"))


def test_credentials_for_a_developer_identity(client):
    pool = client("cognito-identity")
    developer = pool.get_open_id_token_for_developer_identity(
        IdentityPoolId=world.IDENTITY_POOL, Logins={world.DEVELOPER_PROVIDER: "orders"}, TokenDuration=900
    )
    logins = {"cognito-identity.amazonaws.com": developer["Token"]}
    credentials = pool.get_credentials_for_identity(IdentityId=developer["IdentityId"], Logins=logins)["Credentials"]
    assert session(client, credentials).get_caller_identity()["Arn"].startswith(world.assumed_role("uploads"))

    # The same token is what AssumeRoleWithWebIdentity takes: its audience is the identity pool.
    assumed = client("sts").assume_role_with_web_identity(
        RoleArn=world.ROLE_UPLOADS, RoleSessionName="basic", WebIdentityToken=developer["Token"]
    )
    assert assumed["Audience"] == world.IDENTITY_POOL
    assert session(client, assumed["Credentials"]).get_caller_identity()["Arn"] == world.assumed_role("uploads") + "basic"


def test_a_developer_token_needs_a_signature(client):
    with refused as refusal:
        client("cognito-identity", secret="x" * 40).get_open_id_token_for_developer_identity(
            IdentityPoolId=world.IDENTITY_POOL, Logins={world.DEVELOPER_PROVIDER: "orders"}
        )
    assert code(refusal) in ("InvalidSignatureException", "SignatureDoesNotMatch")


def test_an_m2m_access_token_is_no_login(client, emulator):
    logins = {world.POOL_LOGIN: m2m_access_token(emulator).json()["access_token"]}
    with refused as refusal:
        client("cognito-identity").get_id(IdentityPoolId=world.IDENTITY_POOL, Logins=logins)
    assert code(refusal) == "NotAuthorizedException"
    assert "aud" in refusal.value.response["Error"]["Message"], "the message every integrator meets: a required claim is missing, aud"


def test_guests_are_refused_where_the_pool_has_none(client):
    with refused as refusal:
        client("cognito-identity").get_id(IdentityPoolId=world.IDENTITY_POOL)
    assert code(refusal) == "NotAuthorizedException"


# ---- the control path -------------------------------------------------------------------------------


def test_the_journal_says_what_was_asked_and_no_secret(client, emulator):
    token = m2m_access_token(emulator).json()["access_token"]
    keys = client("sts").assume_role(RoleArn=world.ROLE_HUB, RoleSessionName="first")["Credentials"]
    entries = emulator.journal()
    assert {e["operation"] for e in entries} >= {"token", "AssumeRole"}
    written = json.dumps(entries)
    for secret in (world.M2M_SECRET, world.BROKER_SECRET, token, keys["SecretAccessKey"], keys["SessionToken"]):
        assert secret not in written
    emulator.forget()
    assert emulator.journal() == []
