"""The daemon's own OAuth endpoints by the hands of libraries that were written for other servers: only their URL is changed.

authlib and requests-oauthlib send HTTP Basic without the encoding of RFC 6749 section 2.3.1, oauth4webapi sends it with it.
"""

from __future__ import annotations

import json
import shutil
import subprocess

import jwt
import pytest
from authlib.integrations.base_client.errors import OAuthError
from authlib.integrations.requests_client import OAuth2Session as Authlib
from oauthlib.oauth2 import BackendApplicationClient
from oauthlib.oauth2.rfc6749 import errors
from requests_oauthlib import OAuth2Session as RequestsOAuthlib

import world
from conftest import DAEMON_SECRETS, FOR_CLIENTS, HERE
from processes import clean_environment, request
from test_emulator import robot_id_token

# A caller's token of which no character survives both encodings, as base64 and people make them.
ODD = "odd+/=%41&token: Zq8Wd3Xc5Rt7Yh1Ub4~"
AWS_CREDENTIALS = "urn:credbroker:params:oauth:token-type:aws-credentials"
EXCHANGE = {
    "grant_type": "urn:ietf:params:oauth:grant-type:token-exchange",
    "subject_token_type": "urn:ietf:params:oauth:token-type:id_token",
    "audience": "uploads",
}
TABLES = FOR_CLIENTS + f"""
[callers.orders]
allow = ["tokens.billing", "credentials.uploads", "issuers.users"]
token = {{ file = "@HOME@/callers/orders" }}
[callers.odd]
allow = ["tokens.billing"]
token = {{ file = "@HOME@/odd.token" }}
"""


@pytest.fixture
def daemon(start_daemon, emulator, monkeypatch):
    # What oauthlib wants to hear for a server on loopback.
    monkeypatch.setenv("OAUTHLIB_INSECURE_TRANSPORT", "1")
    tables = TABLES.replace("@EMULATOR@", emulator.url)
    daemon = start_daemon(tables, env={"AWS_ENDPOINT_URL": emulator.url}, secrets_={**DAEMON_SECRETS, "odd.token": ODD})
    # Libraries do not ask again, so the first fetch is over before they ask.
    assert daemon.eventually("/v1/tokens/billing").status == 200
    return daemon


def by_authlib(daemon, auth: str, name: str, secret: str, **more):
    session = Authlib(name, secret, token_endpoint_auth_method=f"client_secret_{auth}")
    return session.fetch_token(f"{daemon.url}/oauth2/token", grant_type="client_credentials", **more)


def by_requests_oauthlib(daemon, auth: str, name: str, secret: str, **more):
    session = RequestsOAuthlib(client=BackendApplicationClient(client_id=name))
    shown = {"auth": (name, secret)} if auth == "basic" else {"client_secret": secret, "include_client_id": True}
    return session.fetch_token(f"{daemon.url}/oauth2/token", **shown, **more)


def by_oauth4webapi(daemon, auth: str, name: str, secret: str, ask: str = "token", **parameters):
    node = shutil.which("node")
    if not node or not (HERE / "node/node_modules/oauth4webapi").is_dir():
        pytest.fail("node or its packages are not installed; run tests/conformance/setup.sh", pytrace=False)
    order = {"issuer": daemon.url, "id": name, "secret": secret, "auth": auth, "ask": ask, "parameters": parameters}
    done = subprocess.run(
        [node, str(HERE / "node/clients.mjs")],
        input=json.dumps(order), env=clean_environment(daemon.directory), capture_output=True, text=True, timeout=30,
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


LIBRARIES = pytest.mark.parametrize("fetch", [by_authlib, by_requests_oauthlib, by_oauth4webapi])
WAYS = pytest.mark.parametrize("auth", ["basic", "post"])


@LIBRARIES
@WAYS
@pytest.mark.parametrize("caller", ["orders", "odd"])
def test_a_library_gets_the_token_by_a_changed_url(daemon, emulator, fetch, auth, caller):
    secret = ODD if caller == "odd" else daemon.caller_token("orders")
    token = fetch(daemon, auth, "billing", secret)
    assert token["access_token"] == daemon.get("/v1/tokens/billing").json()["access_token"]
    assert token["token_type"].lower() == "bearer"
    assert 3500 < token["expires_in"] <= 3600
    assert len(emulator.asked("token")) == 1

    claims = jwt.decode(token["access_token"], options={"verify_signature": False})
    assert claims["client_id"] == world.M2M_CLIENT


@LIBRARIES
def test_a_library_narrows_the_scope(daemon, fetch):
    assert daemon.eventually("/v1/tokens/billing?scope=billing/read").status == 200
    scope = {"scope": ["billing/read"]} if fetch is by_requests_oauthlib else {"scope": "billing/read"}
    token = fetch(daemon, "basic", "tokens.billing", daemon.caller_token("orders"), **scope)
    assert token["scope"] in ("billing/read", ["billing/read"])


@WAYS
@pytest.mark.parametrize(
    ("name", "secret", "scope", "authlibs", "oauthlibs"),
    [
        ("billing", "guess", None, "invalid_client", errors.InvalidClientError),
        ("others", None, None, "unauthorized_client", errors.UnauthorizedClientError),
        ("nothing", None, None, "unauthorized_client", errors.UnauthorizedClientError),
        ("billing", None, "admin", "invalid_scope", errors.InvalidScopeError),
    ],
)
def test_a_library_understands_why_it_gets_none(daemon, auth, name, secret, scope, authlibs, oauthlibs):
    secret = secret or daemon.caller_token("orders")
    with pytest.raises(OAuthError) as refused:
        by_authlib(daemon, auth, name, secret, **({"scope": scope} if scope else {}))
    assert refused.value.error == authlibs and refused.value.description
    with pytest.raises(oauthlibs):
        by_requests_oauthlib(daemon, auth, name, secret, **({"scope": [scope]} if scope else {}))
    said = by_oauth4webapi(daemon, auth, name, secret, **({"scope": scope} if scope else {}))
    if authlibs == "invalid_client" and auth == "basic":
        assert (said["status"], said["challenges"]) == (401, ["basic"]), said
    else:
        assert said["error"] == authlibs and said["description"], said


@WAYS
def test_a_user_finds_its_own_identity_by_token_exchange(daemon, client, auth):
    token = robot_id_token(client)
    secret = daemon.caller_token("orders")
    session = Authlib("uploads", secret, token_endpoint_auth_method=f"client_secret_{auth}")
    issued = session.fetch_token(f"{daemon.url}/oauth2/token", subject_token=token, **EXCHANGE)
    assert (issued["issued_token_type"], issued["token_type"]) == (AWS_CREDENTIALS, "N_A")
    keys = json.loads(issued["access_token"])
    sts = client("sts", keys["AccessKeyId"], keys["SecretAccessKey"], keys["Token"])
    assert sts.get_caller_identity()["Arn"].startswith(world.assumed_role("uploads"))

    parameters = {key: value for key, value in EXCHANGE.items() if key != "grant_type"}
    again = by_oauth4webapi(daemon, auth, "uploads", secret, "exchange", subject_token=token, **parameters)
    assert json.loads(again["access_token"]) == keys
    refused = by_oauth4webapi(daemon, auth, "uploads", secret, "exchange", subject_token=token, **{**parameters, "audience": "others"})
    assert refused["error"] == "invalid_target", refused


@WAYS
def test_an_introspection_client_proves_itself_by_its_secret(daemon, client, auth):
    token = robot_id_token(client)
    secret = daemon.caller_token("orders")
    session = Authlib("orders", secret, token_endpoint_auth_method=f"client_secret_{auth}")
    answer = session.introspect_token(f"{daemon.url}/oauth2/introspect", token=token)
    assert (answer.status_code, answer.json()["active"]) == (200, True), answer.text
    assert session.introspect_token(f"{daemon.url}/oauth2/introspect", token="opaque").json() == {"active": False}

    whose = by_oauth4webapi(daemon, auth, "orders", secret, "introspect", token=token)
    assert (whose["active"], whose["client_id"]) == (True, world.ROBOT_CLIENT), whose


def test_the_metadata_names_the_address_that_was_asked(daemon):
    for host in ("127.0.0.1", "localhost"):
        issuer = f"http://{host}:{daemon.port}"
        answer = request(f"{daemon.url}/.well-known/oauth-authorization-server", headers={"Host": f"{host}:{daemon.port}"})
        assert (answer.status, answer.json()["issuer"]) == (200, issuer), answer.text
