"""Bearer tokens from the daemon, as any HTTP client takes them; verified with PyJWT, as a service that is called with them would."""

import json
import time

import jwt
import pytest

import world
from conftest import DAEMON_SECRETS
from processes import request


@pytest.fixture
def claims_of(emulator):
    """Verifies a token's signature against the published keys, and issuer and expiry; the claims."""

    def verify(token: str) -> dict:
        keys = jwt.PyJWKSet.from_dict(request(f"{emulator.url}/{world.USER_POOL}/.well-known/jwks.json").json())
        key = keys[jwt.get_unverified_header(token)["kid"]].key
        return jwt.decode(token, key, algorithms=["RS256"], issuer=world.ISSUER, options={"verify_aud": False})

    return verify


@pytest.mark.parametrize("name, operation", [("billing", "token"), ("billing-api", "GetClientToken")])
def test_a_token_verifies_and_is_bought_once(broker, emulator, claims_of, name, operation):
    daemon = broker()
    answer = daemon.eventually(f"/v1/tokens/{name}")
    assert answer.status == 200, answer.text
    assert answer.headers["cache-control"] == "no-store"
    token = answer.json()
    assert token["token_type"] == "Bearer"
    assert token["scope"] == "billing/read"
    claims = claims_of(token["access_token"])
    assert (claims["client_id"], claims["scope"], claims["token_use"]) == (world.M2M_CLIENT, "billing/read", "access")
    assert 3500 < token["expires_in"] <= 3600
    assert abs(claims["exp"] - time.time() - token["expires_in"]) < 10, "expires_in says what the token itself says"

    for _ in range(20):
        again = daemon.get(f"/v1/tokens/{name}")
        assert again.headers["credbroker-cache"] == "hit"
        assert again.json()["access_token"] == token["access_token"]
    assert len(emulator.asked(operation)) == 1


def test_the_bare_token_as_text(broker, claims_of):
    daemon = broker()
    answer = daemon.eventually("/v1/tokens/billing", Accept="text/plain")
    assert answer.headers["content-type"].split(";")[0] == "text/plain"
    assert answer.text == answer.text.strip(), "no newline: it goes into a header as it is"
    assert claims_of(answer.text)["client_id"] == world.M2M_CLIENT
    assert answer.text == daemon.get("/v1/tokens/billing").json()["access_token"]


def test_a_machine_users_id_token(broker, claims_of):
    claims = claims_of(broker().eventually("/v1/tokens/robot").json()["access_token"])
    assert (claims["token_use"], claims["aud"], claims["cognito:username"]) == ("id", world.ROBOT_CLIENT, world.ROBOT_USER)


def test_a_wrong_client_secret_is_a_502_that_names_the_remedy_and_no_secret(broker, emulator):
    answer = broker().eventually("/v1/tokens/broken")
    assert answer.status == 502
    said = answer.json()
    assert said.keys() >= {"error", "error_description"}
    assert "tokens.broken" in said["error_description"]
    assert DAEMON_SECRETS["wrong.secret"] not in answer.text
    assert [e["outcome"] for e in emulator.asked("token")] == ["invalid_client"], "refused for good: asked once, not again and again"


def test_status_shows_state_and_no_secret(broker):
    daemon = broker()
    token = daemon.eventually("/v1/tokens/billing").json()["access_token"]
    keys = daemon.eventually("/v1/credentials/orders").json()
    daemon.eventually("/v1/tokens/broken")

    assert daemon.get("/v1/status", None).status == 401, "only for callers"
    answer = daemon.get("/v1/status")
    assert answer.status == 200
    for name in ("billing", "orders", "broken"):
        assert name in answer.text
    for secret in (token, keys["SecretAccessKey"], keys["Token"], daemon.caller_token("orders"), *DAEMON_SECRETS.values()):
        assert secret.strip() not in answer.text
    json.loads(answer.text)


def test_the_commands_a_person_or_a_unit_file_uses(broker, service, credbroker, claims_of):
    daemon = broker()
    known = {"CREDBROKER_URL": daemon.url, "CREDBROKER_TOKEN_FILE": str(daemon.token_file("orders"))}
    wait = service([credbroker, "wait", "tokens.billing", "--timeout", "30s"], **known)
    assert wait.returncode == 0, wait.stderr
    token = service([credbroker, "token", "billing"], **known)
    assert token.returncode == 0, token.stderr
    assert claims_of(token.stdout.strip())["client_id"] == world.M2M_CLIENT

    assert service([credbroker, "health"], CREDBROKER_URL=daemon.url).returncode == 0, "health needs no caller"
    refused = service([credbroker, "token", "billing"], CREDBROKER_URL=daemon.url, CREDBROKER_TOKEN_FILE=str(daemon.token_file("stranger")))
    assert refused.returncode == 4, "not allowed"
    daemon.server.stop()
    assert service([credbroker, "health"], CREDBROKER_URL=daemon.url).returncode == 1
    assert service([credbroker, "token", "billing"], **known).returncode == 3, "daemon not reachable"


def test_an_outage_is_not_noticed_while_the_token_lives(broker, emulator):
    daemon = broker()
    token = daemon.eventually("/v1/tokens/billing").json()["access_token"]
    emulator.server.stop()
    for _ in range(20):
        answer = daemon.get("/v1/tokens/billing")
        assert (answer.status, answer.json()["access_token"]) == (200, token)
    assert daemon.get("/healthz").status == 200


def test_sigterm_ends_it_cleanly(broker):
    daemon = broker()
    assert daemon.eventually("/v1/tokens/billing").status == 200
    assert daemon.server.stop(20) == 0
