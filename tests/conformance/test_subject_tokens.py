"""Subject tokens by the hands of others: boto3 signs a user in, requests hands the ID token to the daemon, boto3 uses what comes back."""

import pytest
import requests

import world
from test_emulator import robot_id_token

TABLES = f"""
[server]
listen = ["127.0.0.1:@PORT@"]
[aws]
region = "{world.REGION}"
[issuers.users]
user_pool = "{world.USER_POOL}"
token_use = "id"
clients = ["{world.ROBOT_CLIENT}"]
[credentials.uploads]
from = "identity-pool"
identity_pool = "{world.IDENTITY_POOL}"
login = "caller"
issuer = "issuers.users"
[credentials.reports]
from = "web-identity"
role_arn = "arn:aws:iam::{world.ACCOUNT}:role/reports"
token = "caller"
session_name = "{{caller}}"
[callers.orders]
allow = ["credentials.uploads", "credentials.reports"]
token = {{ file = "@HOME@/callers/orders" }}
"""


@pytest.fixture
def daemon(start_daemon, emulator):
    return start_daemon(TABLES, env={"AWS_ENDPOINT_URL": emulator.url})


def exchanged(daemon, name: str, **body):
    authorization = {"Authorization": f"Bearer {daemon.caller_token('orders')}"}
    return requests.post(f"{daemon.url}/v1/credentials/{name}", headers=authorization, timeout=20, **body)


@pytest.mark.parametrize(("name", "session"), [("uploads", "CognitoIdentityCredentials"), ("reports", "orders")])
@pytest.mark.parametrize("kind", ["data", "json"])
def test_a_user_finds_its_own_identity(daemon, client, emulator, name, session, kind):
    token = robot_id_token(client)
    answer = exchanged(daemon, name, **{kind: {"subject_token": token}})
    assert answer.status_code == 200, answer.text
    assert answer.headers["cache-control"] == "no-store"
    keys = answer.json()
    sts = client("sts", keys["AccessKeyId"], keys["SecretAccessKey"], keys["Token"])
    assert sts.get_caller_identity()["Arn"] == world.assumed_role(name) + session

    again = exchanged(daemon, name, **{kind: {"subject_token": token}})
    assert (again.headers["credbroker-cache"], again.json()["AccessKeyId"]) == ("hit", keys["AccessKeyId"])
    another = exchanged(daemon, name, **{kind: {"subject_token": robot_id_token(client)}})
    assert another.json()["AccessKeyId"] != keys["AccessKeyId"], "what is held for one token is for no other"


def test_another_kind_of_token_is_refused_before_aws_is_asked(daemon, client, emulator):
    signed_in = client("cognito-idp").initiate_auth(
        ClientId=world.ROBOT_CLIENT,
        AuthFlow="USER_PASSWORD_AUTH",
        AuthParameters={"USERNAME": world.ROBOT_USER, "PASSWORD": world.ROBOT_PASSWORD},
    )["AuthenticationResult"]
    emulator.forget()
    tampered = signed_in["IdToken"][:-8] + "AAAAAAAA"
    for token in (signed_in["AccessToken"], tampered, "no token at all"):
        answer = exchanged(daemon, "uploads", data={"subject_token": token})
        assert answer.status_code == 400, answer.text
        assert token not in answer.text
    assert emulator.asked("GetId") == []
    assert exchanged(daemon, "uploads", data={}).status_code == 400
