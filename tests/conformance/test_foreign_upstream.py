"""The daemon's requests that need no user, against upstreams we did not write: moto's STS, and ministack's STS and Cognito token endpoint.

Neither judges signatures or trust here; what they show is that our requests and parsers are not made for our own emulator. ministack
judges both in test_foreign_federation.py. GetClientToken is in neither.
"""

import json

import jwt
import pytest

import world
from processes import request
from upstreams import KEYS, boto, identity, user_pool

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
    idp = boto("cognito-idp", ministack)
    pool = idp.create_user_pool(PoolName="orders")["UserPool"]["Id"]
    scopes = [{"ScopeName": name, "ScopeDescription": name} for name in ("read", "write")]
    idp.create_resource_server(UserPoolId=pool, Identifier="billing", Name="billing", Scopes=scopes)
    idp.create_user_pool_domain(UserPoolId=pool, Domain="acme")
    app = app_client(idp, pool)
    document = json.dumps({"client_id": app["ClientId"], "client_secret": app["ClientSecret"]})
    managed = boto("secretsmanager", ministack).create_secret(Name="credbroker/billing", SecretString=document)

    tables = (
        ORDERS.replace("@ALLOW@", ', "tokens.billing", "tokens.described", "tokens.managed", "tokens.wrong"')
        + f"""
[tokens.billing]
from = "cognito"
user_pool = "{pool}"
domain = "{ministack}"
client_id = "{app["ClientId"]}"
client_secret = {{ file = "@HOME@/billing.secret" }}
scopes = ["billing/read"]
[tokens.described]
from = "cognito"
user_pool = "{pool}"
domain = "{ministack}"
client_id = "{app["ClientId"]}"
client_secret = {{ cognito = true }}
scopes = ["billing/read"]
[tokens.managed]
from = "cognito"
user_pool = "{pool}"
domain = "{ministack}"
client_id = "{app["ClientId"]}"
client_secret = {{ secrets_manager = "{managed["ARN"]}", key = "client_secret" }}
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
        env={**KEYS, "AWS_ENDPOINT_URL": ministack},
    )
    answer = daemon.eventually("/v1/tokens/billing")
    assert answer.status == 200, answer.text
    token = answer.json()["access_token"]
    keys = jwt.PyJWKSet.from_dict(request(f"{ministack}/{pool}/.well-known/jwks.json").json())
    key = keys[jwt.get_unverified_header(token)["kid"]].key
    claims = jwt.decode(token, key, algorithms=["RS256"], options={"verify_aud": False})
    assert (claims["client_id"], claims["scope"], claims["token_use"]) == (app["ClientId"], "billing/read", "access")
    assert daemon.get("/v1/tokens/billing").headers["credbroker-cache"] == "hit"

    # The same client, its secret taken from where AWS keeps it.
    for name in ("described", "managed"):
        answer = daemon.eventually(f"/v1/tokens/{name}")
        assert answer.status == 200, f"{name}: {answer.text}"

    assert daemon.eventually("/v1/tokens/wrong").status == 502


def test_a_secret_that_motos_secrets_manager_and_user_pool_keep(moto, start_daemon):
    """moto has no token endpoint, so the secrets are those of a machine user: the password by version stage, SECRET_HASH from DescribeUserPoolClient."""
    manager, idp = boto("secretsmanager", moto), boto("cognito-idp", moto)
    manager.create_secret(Name="robot", SecretString="Battery-horse-1")
    manager.put_secret_value(SecretId="robot", SecretString="Battery-horse-2", VersionStages=["AWSCURRENT"])
    pool, app = user_pool(idp, "Battery-horse-1", secret=True)
    table = f"""
[tokens.robot]
from = "cognito-user"
user_pool = "{pool}"
client_id = "{app["ClientId"]}"
client_secret = {{ cognito = true }}
username = "robot"
flow = "user-password"
password = """
    stages = {"AWSPREVIOUS": 200, "AWSCURRENT": 502}
    for stage, status in stages.items():
        place = f'{{ secrets_manager = "robot", stage = "{stage}" }}\n'
        daemon = start_daemon(ORDERS.replace("@ALLOW@", ', "tokens.robot"') + table + place, env={**KEYS, "AWS_ENDPOINT_URL": moto})
        answer = daemon.eventually("/v1/tokens/robot")
        assert answer.status == status, f"{stage}: {answer.text}"


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
