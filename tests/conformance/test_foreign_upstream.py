"""The daemon against upstreams we did not write: moto's STS, and ministack's STS and Cognito token endpoint.

Neither judges signatures or trust; what they show is that our requests and parsers are not made for our own emulator.
"""

import boto3
import jwt
import pytest

import world
from processes import request
from upstreams import KEYS

ORDERS = f"""
[server]
listen = ["127.0.0.1:@PORT@"]
[aws]
region = "{world.REGION}"
[credentials.orders]
from = "assume-role"
role_arn = "{world.ROLE_ORDERS}"
session_name = "{{caller}}"
[callers.orders]
allow = ["credentials.orders"@ALLOW@]
token = {{ file = "@HOME@/callers/orders" }}
"""


def identity(url: str, keys: dict) -> str:
    sts = boto3.client(
        "sts",
        region_name=world.REGION,
        endpoint_url=url,
        aws_access_key_id=keys["AccessKeyId"],
        aws_secret_access_key=keys["SecretAccessKey"],
        aws_session_token=keys["Token"],
    )
    return sts.get_caller_identity()["Arn"]


@pytest.mark.parametrize("upstream", ["moto", "ministack"])
def test_assume_role(upstream, request, start_daemon):
    url = request.getfixturevalue(upstream)
    daemon = start_daemon(ORDERS.replace("@ALLOW@", ""), env={**KEYS, "AWS_ENDPOINT_URL_STS": url})
    answer = daemon.eventually("/v1/credentials/orders")
    assert answer.status == 200, answer.text
    assert identity(url, answer.json()) == world.assumed_role("orders") + "orders"
    again = daemon.get("/v1/credentials/orders")
    assert again.headers["credbroker-cache"] == "hit"
    assert again.json()["AccessKeyId"] == answer.json()["AccessKeyId"]


def test_the_cognito_token_endpoint_of_ministack(ministack, start_daemon):
    idp = boto3.client(
        "cognito-idp",
        region_name=world.REGION,
        endpoint_url=ministack,
        aws_access_key_id=KEYS["AWS_ACCESS_KEY_ID"],
        aws_secret_access_key=KEYS["AWS_SECRET_ACCESS_KEY"],
    )
    pool = idp.create_user_pool(PoolName="orders")["UserPool"]["Id"]
    scopes = [{"ScopeName": name, "ScopeDescription": name} for name in ("read", "write")]
    idp.create_resource_server(UserPoolId=pool, Identifier="billing", Name="billing", Scopes=scopes)
    idp.create_user_pool_domain(UserPoolId=pool, Domain="acme")
    app = app_client(idp, pool)

    tables = (
        ORDERS.replace("@ALLOW@", ', "tokens.billing", "tokens.wrong"')
        + f"""
[tokens.billing]
from = "cognito"
user_pool = "{pool}"
domain = "{ministack}"
client_id = "{app["ClientId"]}"
client_secret = {{ file = "@HOME@/billing.secret" }}
scopes = ["billing/read"]
[tokens.wrong]
from = "cognito"
user_pool = "{pool}"
domain = "{ministack}"
client_id = "{app["ClientId"]}"
client_secret = {{ file = "@HOME@/wrong.secret" }}
scopes = ["billing/read"]
"""
    )
    daemon = start_daemon(
        tables,
        secrets_={"billing.secret": app["ClientSecret"], "wrong.secret": "wrong0123456789abcdefghijklmnopq"},
        env={**KEYS, "AWS_ENDPOINT_URL_STS": ministack},
    )
    answer = daemon.eventually("/v1/tokens/billing")
    assert answer.status == 200, answer.text
    token = answer.json()["access_token"]
    keys = jwt.PyJWKSet.from_dict(request(f"{ministack}/{pool}/.well-known/jwks.json").json())
    key = keys[jwt.get_unverified_header(token)["kid"]].key
    claims = jwt.decode(token, key, algorithms=["RS256"], options={"verify_aud": False})
    assert (claims["client_id"], claims["scope"], claims["token_use"]) == (app["ClientId"], "billing/read", "access")
    assert daemon.get("/v1/tokens/billing").headers["credbroker-cache"] == "hit"

    assert daemon.eventually("/v1/tokens/wrong").status == 502


def app_client(idp, pool: str) -> dict:
    """An app client whose secret is letters and digits, as Cognito's are. ministack draws from base64's alphabet, whose `/` Cognito
    cannot have and whose `+` it and ministack might read differently inside Basic: a chance failure, and nothing this test is about."""
    for _ in range(200):
        app = idp.create_user_pool_client(
            UserPoolId=pool,
            ClientName="orders",
            GenerateSecret=True,
            AllowedOAuthFlows=["client_credentials"],
            AllowedOAuthFlowsUserPoolClient=True,
            AllowedOAuthScopes=["billing/read"],
        )["UserPoolClient"]
        if app["ClientSecret"].isalnum():
            return app
    raise AssertionError("ministack made 200 secrets and none of letters and digits only")
