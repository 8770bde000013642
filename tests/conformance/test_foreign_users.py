"""The daemon's machine user against user pools we did not write.

ministack judges SRP for real and has GetTokensFromRefreshToken. moto checks no proof of SRP, and answers GetTokensFromRefreshToken with a
page of status 500: there, signing in with the password is all that is tried.
"""

import jwt
import pytest

import world
from processes import request as get
from processes import until
from upstreams import KEYS, boto, user_pool

PASSWORD = "Battery: horse & staple 1 ü"
FLOWS = ("user-password", "admin-user-password", "user-srp")


def tables(pool: str, app: dict, flows=FLOWS, use: str = "id", more: str = "") -> str:
    secret = 'client_secret = { file = "@HOME@/client.secret" }\n' if "ClientSecret" in app else ""
    names = [f"{flow}-{password}" for flow in flows for password in ("right", "wrong")]
    allow = ", ".join(f'"tokens.{name}"' for name in names)
    text = f'[server]\nlisten = ["127.0.0.1:@PORT@"]\n[aws]\nregion = "{world.REGION}"\n'
    text += f'[callers.orders]\nallow = [{allow}]\ntoken = {{ file = "@HOME@/callers/orders" }}\n'
    for name in names:
        flow, password = name.rsplit("-", 1)
        text += f"""
[tokens.{name}]
from = "cognito-user"
user_pool = "{pool}"
client_id = "{app["ClientId"]}"
{secret}username = "robot"
password = {{ file = "@HOME@/{password}.password" }}
flow = "{flow}"
use = "{use}"
{more}
"""
    return text


def start(start_daemon, url: str, text: str, app: dict):
    files = {"right.password": PASSWORD, "wrong.password": PASSWORD + "!", "client.secret": app.get("ClientSecret", "")}
    return start_daemon(text, secrets_=files, env={**KEYS, "AWS_ENDPOINT_URL": url})


def verified(url: str, pool: str, token: str, client: str) -> dict:
    """The claims of an ID token, by the keys its pool publishes."""
    keys = jwt.PyJWKSet.from_dict(get(f"{url}/{pool}/.well-known/jwks.json").json())
    key = keys[jwt.get_unverified_header(token)["kid"]].key
    return jwt.decode(token, key, algorithms=["RS256"], audience=client)


@pytest.mark.parametrize("secret", [False, True], ids=["public-client", "client-with-a-secret"])
def test_each_way_to_sign_in(ministack, start_daemon, secret):
    pool, app = user_pool(boto("cognito-idp", ministack), PASSWORD, secret)
    daemon = start(start_daemon, ministack, tables(pool, app), app)
    for flow in FLOWS:
        answer = daemon.eventually(f"/v1/tokens/{flow}-right")
        assert answer.status == 200, f"{flow}: {answer.text}"
        claims = verified(ministack, pool, answer.json()["access_token"], app["ClientId"])
        assert (claims["token_use"], claims["cognito:username"]) == ("id", "robot")
        wrong = daemon.eventually(f"/v1/tokens/{flow}-wrong")
        assert wrong.status == 502, f"{flow}: {wrong.text}"
        assert PASSWORD not in wrong.text


def test_srp_twenty_times(ministack, start_daemon):
    """Numbers of the exchange begin with a zero byte or a set bit in half of them; each is hashed as the server does."""
    pool, app = user_pool(boto("cognito-idp", ministack), PASSWORD)
    names = [f"robot-{n}" for n in range(20)]
    head, table = tables(pool, app, ["user-srp"]).split("[tokens.user-srp-right]")
    table = table.split("[tokens.")[0]
    allow = ", ".join(f'"tokens.{name}"' for name in names)
    text = head.replace('"tokens.user-srp-right", "tokens.user-srp-wrong"', allow) + "".join(f"[tokens.{name}]{table}" for name in names)
    daemon = start(start_daemon, ministack, text, app)
    for name in names:
        answer = daemon.eventually(f"/v1/tokens/{name}")
        assert answer.status == 200, answer.text


def test_renewal_by_refresh_token(ministack, start_daemon):
    """With the password changed in between, nothing but the refresh token leads to another token."""
    idp = boto("cognito-idp", ministack)
    pool, app = user_pool(idp, PASSWORD, secret=True)
    units = {"AccessToken": "seconds", "IdToken": "seconds"}
    idp.update_user_pool_client(
        UserPoolId=pool,
        ClientId=app["ClientId"],
        AccessTokenValidity=20,
        IdTokenValidity=20,
        TokenValidityUnits=units,
        ExplicitAuthFlows=app["ExplicitAuthFlows"],
    )
    daemon = start(start_daemon, ministack, tables(pool, app, ["user-password"], "access", "ahead = 0.1"), app)
    first = daemon.eventually("/v1/tokens/user-password-right").json()
    idp.admin_set_user_password(UserPoolId=pool, Username="robot", Password="Another-password-2", Permanent=True)

    def renewed():
        answer = daemon.get("/v1/tokens/user-password-right")
        assert answer.status == 200, answer.text
        return answer.json() if answer.json()["access_token"] != first["access_token"] else None

    second = until(renewed, 20, "another token")
    old, new = (jwt.decode(token["access_token"], options={"verify_signature": False}) for token in (first, second))
    assert (new["sub"], new["token_use"]) == (old["sub"], "access")
    assert new["exp"] > old["exp"]


@pytest.mark.parametrize("flow", ["user-password", "admin-user-password"])
def test_the_user_pool_of_moto(moto, start_daemon, flow):
    pool, app = user_pool(boto("cognito-idp", moto), PASSWORD, secret=True)
    daemon = start(start_daemon, moto, tables(pool, app, [flow]), app)
    answer = daemon.eventually(f"/v1/tokens/{flow}-right")
    assert answer.status == 200, answer.text
    assert verified(moto, pool, answer.json()["access_token"], app["ClientId"])["cognito:username"] == "robot"
    assert daemon.eventually(f"/v1/tokens/{flow}-wrong").status == 502
