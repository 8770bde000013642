"""The daemon against ministack with its IAM switched on: an STS and identity pools we did not write, that judge signatures, policies,
trust and logins. Signatures of web identity tokens are judged by the pools, not by its STS.

Developer identities and guests are moto's part, which judges nothing; ministack has no GetOpenIdTokenForDeveloperIdentity. Neither has
custom roles of the enhanced flow, nor principal tags that arrive anywhere.
"""

import json
import urllib.parse

import jwt
import pytest

import world
from processes import request as ask
from upstreams import KEYS, ROOT, boto, identity, user_pool

PASSWORD = "Battery-horse-1"
OWN = "cognito-identity.amazonaws.com"


def role(iam, name: str, principal: dict, action: str, **condition) -> str:
    statement = {"Effect": "Allow", "Principal": principal, "Action": action, **({"Condition": condition} if condition else {})}
    document = json.dumps({"Version": "2012-10-17", "Statement": [statement]})
    return iam.create_role(RoleName=name, AssumeRolePolicyDocument=document)["Role"]["Arn"]


def policy(*actions: str) -> str:
    return json.dumps({"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": list(actions), "Resource": "*"}]})


@pytest.fixture
def site(strict_ministack):
    """An IAM user for the broker, who may do what its documentation asks for and nothing else; a user pool; an identity pool."""
    url = strict_ministack
    iam, idp = boto("iam", url, ROOT), boto("cognito-idp", url, ROOT)
    broker = iam.create_user(UserName="broker")["User"]["Arn"]
    allowed = policy("sts:AssumeRole", "sts:GetWebIdentityToken", "cognito-idp:AdminInitiateAuth", "secretsmanager:GetSecretValue")
    iam.put_user_policy(UserName="broker", PolicyName="broker", PolicyDocument=allowed)
    key = iam.create_access_key(UserName="broker")["AccessKey"]
    hub = role(iam, "hub", {"AWS": broker}, "sts:AssumeRole", StringEquals={"sts:ExternalId": "orders-2026"})
    iam.put_role_policy(RoleName="hub", PolicyName="hub", PolicyDocument=policy("sts:AssumeRole"))
    orders = role(iam, "orders", {"AWS": hub}, "sts:AssumeRole")

    pool, app = user_pool(idp, PASSWORD)
    idp.create_resource_server(UserPoolId=pool, Identifier="billing", Name="billing", Scopes=[{"ScopeName": "read", "ScopeDescription": "read"}])
    machine = idp.create_user_pool_client(
        UserPoolId=pool,
        ClientName="m2m",
        GenerateSecret=True,
        AllowedOAuthFlows=["client_credentials"],
        AllowedOAuthFlowsUserPoolClient=True,
        AllowedOAuthScopes=["billing/read"],
    )["UserPoolClient"]
    login = f"cognito-idp.{world.REGION}.amazonaws.com/{pool}"
    identities = boto("cognito-identity", url, ROOT)
    pool_id = identities.create_identity_pool(
        IdentityPoolName="uploads",
        AllowUnauthenticatedIdentities=False,
        AllowClassicFlow=True,
        CognitoIdentityProviders=[{"ProviderName": login, "ClientId": app["ClientId"]}],
    )["IdentityPoolId"]
    trusted = {"StringEquals": {f"{OWN}:aud": pool_id}, "ForAnyValue:StringLike": {f"{OWN}:amr": "authenticated"}}
    uploads = role(iam, "uploads", {"Federated": OWN}, "sts:AssumeRoleWithWebIdentity", **trusted)
    identities.set_identity_pool_roles(IdentityPoolId=pool_id, Roles={"authenticated": uploads})
    provider = iam.create_open_id_connect_provider(Url=f"https://{login}", ClientIDList=[machine["ClientId"]])["OpenIDConnectProviderArn"]
    named = {"StringEquals": {f"{login}:sub": machine["ClientId"]}}
    reports = role(iam, "reports", {"Federated": provider}, "sts:AssumeRoleWithWebIdentity", **named)
    foreign = role(iam, "foreign", {"Federated": provider}, "sts:AssumeRoleWithWebIdentity", StringEquals={f"{login}:sub": "somebody-else"})

    keys = {"AWS_ACCESS_KEY_ID": key["AccessKeyId"], "AWS_SECRET_ACCESS_KEY": key["SecretAccessKey"]}
    roles = {"hub": hub, "orders": orders, "uploads": uploads, "reports": reports, "foreign": foreign}
    return {"url": url, "keys": keys, "roles": roles, "pool": pool, "app": app, "machine": machine, "pool_id": pool_id}


def tables(site, credentials: str) -> str:
    roles, names = site["roles"], [line.split(".")[1].rstrip("]") for line in credentials.splitlines() if line.startswith("[credentials.")]
    allow = ", ".join(f'"credentials.{name}"' for name in names)
    text = credentials
    for name, arn in roles.items():
        text = text.replace(f"@{name.upper()}@", arn)
    return f"""
[server]
listen = ["127.0.0.1:@PORT@"]
[aws]
region = "{world.REGION}"
[callers.orders]
allow = [{allow}, "tokens.m2m", "tokens.robot", "tokens.identity"]
token = {{ file = "@HOME@/callers/orders" }}
[tokens.m2m]
from = "cognito"
user_pool = "{site["pool"]}"
domain = "{site["url"]}"
client_id = "{site["machine"]["ClientId"]}"
client_secret = {{ secrets_manager = "m2m" }}
scopes = ["billing/read"]
[tokens.robot]
from = "cognito-user"
user_pool = "{site["pool"]}"
client_id = "{site["app"]["ClientId"]}"
username = "robot"
password = {{ file = "@HOME@/robot.password" }}
flow = "admin-user-password"
[tokens.identity]
from = "sts"
audience = ["https://login.partner.example"]
algorithm = "RS256"
lifetime = "10m"
{text.replace("@POOL@", site["pool_id"])}
"""


@pytest.fixture
def broker(site, start_daemon):
    boto("secretsmanager", site["url"], ROOT).create_secret(Name="m2m", SecretString=site["machine"]["ClientSecret"])

    def start(credentials: str, keys: dict | None = None, **files: str):
        files = {"robot.password": PASSWORD, **{name.replace("_", "."): text for name, text in files.items()}}
        return start_daemon(tables(site, credentials), secrets_=files, env={**(keys or site["keys"]), "AWS_ENDPOINT_URL": site["url"]})

    return start


CHAIN = """
[credentials.hub]
from = "assume-role"
role_arn = "@HUB@"
session_name = "first"
external_id = "orders-2026"
[credentials.stranger]
from = "assume-role"
role_arn = "@HUB@"
session_name = "first"
[credentials.orders]
from = "assume-role"
role_arn = "@ORDERS@"
as = "credentials.hub"
session_name = "{caller}"
"""


def test_a_chain_of_roles_that_trust(site, broker):
    daemon = broker(CHAIN)
    answer = daemon.eventually("/v1/credentials/orders")
    assert answer.status == 200, answer.text
    assert identity(site["url"], answer.json()) == world.assumed_role("orders") + "orders"
    refused = daemon.eventually("/v1/credentials/stranger")
    assert refused.status == 502 and "trust" in refused.json()["message"], refused.text


def test_a_wrong_key_signs_nothing(site, broker):
    wrong = {**site["keys"], "AWS_SECRET_ACCESS_KEY": "wrong/secret+access+key+00000000000000000"}
    answer = broker(CHAIN, wrong).eventually("/v1/credentials/hub")
    assert answer.status == 502 and "SignatureDoesNotMatch" in answer.text, answer.text


def test_a_role_for_a_machines_token(site, broker):
    """The token of Cognito's token endpoint, whose client secret Secrets Manager keeps, straight and from a file."""
    form = {"grant_type": "client_credentials", "client_id": site["machine"]["ClientId"], "client_secret": site["machine"]["ClientSecret"]}
    body = urllib.parse.urlencode(form).encode()
    token = ask(f"{site['url']}/oauth2/token", "POST", {"Content-Type": "application/x-www-form-urlencoded"}, body).json()["access_token"]
    credentials = """
[credentials.reports]
from = "web-identity"
role_arn = "@REPORTS@"
token = "tokens.m2m"
session_name = "reports-{caller}"
[credentials.filed]
from = "web-identity"
role_arn = "@REPORTS@"
token = { file = "@HOME@/web.token" }
[credentials.refused]
from = "web-identity"
role_arn = "@FOREIGN@"
token = "tokens.m2m"
"""
    daemon = broker(credentials, web_token=token)
    for name, session in (("reports", "reports-orders"), ("filed", "")):
        answer = daemon.eventually(f"/v1/credentials/{name}")
        assert answer.status == 200, f"{name}: {answer.text}"
        assert identity(site["url"], answer.json()).startswith(world.assumed_role("reports") + session)
    assert daemon.eventually("/v1/credentials/refused").status == 502


POOLS = """
[credentials.enhanced]
from = "identity-pool"
identity_pool = "@POOL@"
login = "tokens.robot"
[credentials.basic]
from = "identity-pool"
identity_pool = "@POOL@"
login = "tokens.robot"
flow = "basic"
role_arn = "@UPLOADS@"
session_name = "robot"
duration = "15m"
[credentials.subject]
from = "identity-pool"
identity_pool = "@POOL@"
login = "caller"
issuer = "issuers.users"
[credentials.guest]
from = "identity-pool"
identity_pool = "@POOL@"
"""


def test_an_identity_pool(site, broker):
    issuer = f'[issuers.users]\nuser_pool = "{site["pool"]}"\ntoken_use = "id"\nclients = ["{site["app"]["ClientId"]}"]\n'
    daemon = broker(POOLS + issuer)
    for name, session in (("enhanced", "CognitoIdentityCredentials"), ("basic", "robot")):
        answer = daemon.eventually(f"/v1/credentials/{name}")
        assert answer.status == 200, f"{name}: {answer.text}"
        assert identity(site["url"], answer.json()) == world.assumed_role("uploads") + session
    guest = daemon.eventually("/v1/credentials/guest").json()
    assert identity(site["url"], guest).startswith("arn:aws:sts::"), "ministack gives guests a role even where a pool wants none"

    signed_in = boto("cognito-idp", site["url"]).initiate_auth(
        ClientId=site["app"]["ClientId"], AuthFlow="USER_PASSWORD_AUTH", AuthParameters={"USERNAME": "robot", "PASSWORD": PASSWORD}
    )
    authorization = {"Authorization": f"Bearer {daemon.caller_token('orders')}", "Content-Type": "application/x-www-form-urlencoded"}
    body = urllib.parse.urlencode({"subject_token": signed_in["AuthenticationResult"]["IdToken"]}).encode()
    answer = ask(f"{daemon.url}/v1/credentials/subject", "POST", authorization, body)
    assert answer.status == 200, answer.text
    assert identity(site["url"], answer.json()) == world.assumed_role("uploads") + "CognitoIdentityCredentials"


def test_a_token_that_proves_the_broker(site, broker):
    """ministack signs it with HS256, which nobody could verify; what is asked for and read is STS's all the same."""
    answer = broker(CHAIN).eventually("/v1/tokens/identity")
    assert answer.status == 200, answer.text
    claims = jwt.decode(answer.json()["access_token"], options={"verify_signature": False})
    assert (claims["aud"], claims["exp"] - claims["iat"]) == ("https://login.partner.example", 600)
    assert 590 <= answer.json()["expires_in"] <= 600


@pytest.mark.parametrize("login", ["developer", "guest"])
@pytest.mark.parametrize("flow", ["enhanced", "basic"])
def test_an_identity_pool_of_moto(moto, start_daemon, login, flow):
    made = boto("cognito-identity", moto).create_identity_pool(
        IdentityPoolName="uploads", AllowUnauthenticatedIdentities=True, DeveloperProviderName="login.acme"
    )
    who = 'login = { provider = "login.acme", user = "{caller}" }\n' if login == "developer" else ""
    how = f'flow = "basic"\nrole_arn = "{world.ROLE_UPLOADS}"\nsession_name = "{{caller}}"\n' if flow == "basic" else ""
    text = f"""
[server]
listen = ["127.0.0.1:@PORT@"]
[aws]
region = "{world.REGION}"
[credentials.uploads]
from = "identity-pool"
identity_pool = "{made["IdentityPoolId"]}"
{who}{how}
[callers.orders]
allow = ["credentials.uploads"]
token = {{ file = "@HOME@/callers/orders" }}
"""
    answer = start_daemon(text, env={**KEYS, "AWS_ENDPOINT_URL": moto}).eventually("/v1/credentials/uploads")
    assert answer.status == 200, answer.text
    if flow == "basic":
        assert identity(moto, answer.json()).endswith(":assumed-role/uploads/orders")
    else:
        assert answer.json()["AccessKeyId"] == "TESTACCESSKEY12345"
